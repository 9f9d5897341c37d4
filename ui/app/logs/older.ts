// The lines before those of an answer, a page at a time, each once.

import { useEffect, useRef, useState } from 'preact/hooks';
import { ApiError, ask, withQuery } from '../api';
import { cutOf, linesOf, type Line, type RangeAnswer } from '../loki';
import { nanos, type Period } from './period';

export const PAGE_LINES = 200;
/** So many lines stand in the page at most. */
export const LINES_MAX = 4000;

export interface Older {
  /** Those of the first answer too. */
  lines: Line[];
  cut: string | null;
  /** There may be more of them. */
  more: boolean;
  loading: boolean;
  error: ApiError | undefined;
  load(): void;
}

interface Pages {
  of: RangeAnswer;
  lines: Line[];
  cut: string | null;
  more: boolean;
}

/** Why there are more lines: the answer was full, or it was cut. */
const mayHaveMore = (lines: Line[], asked: number, cut: string | null): boolean =>
  lines.length > 0 && (lines.length >= asked || cut !== null);

const begin = (of: RangeAnswer): Pages => {
  const [lines, cut] = [linesOf(of), cutOf(of)];
  return { of, lines, cut, more: mayHaveMore(lines, PAGE_LINES, cut) };
};

export function useOlder(query: string, period: Period, first: RangeAnswer): Older {
  const [kept, setKept] = useState<Pages>(() => begin(first));
  const [asking, setAsking] = useState<{ of: RangeAnswer; error?: ApiError } | null>(null);
  const stop = useRef<AbortController | null>(null);
  useEffect(() => () => stop.current?.abort(), [first]);
  const pages = kept.of === first ? kept : begin(first);
  const state = asking?.of === first ? asking : null;

  const load = () => {
    const oldest = pages.lines.at(-1);
    if (!oldest || (state && !state.error)) return;
    stop.current = new AbortController();
    const { signal } = stop.current;
    const same = pages.lines.filter(({ time }) => time === oldest.time);
    const limit = PAGE_LINES + same.length;
    const path = withQuery('/loki/api/v1/query_range', {
      query: query || '{}', start: nanos(period.from), end: after(oldest.time), limit,
    });
    setAsking({ of: first });
    ask(path, signal).then((text) => {
      const answer = JSON.parse(text) as RangeAnswer;
      const [found, cut] = [linesOf(answer), cutOf(answer)];
      const lines = [...pages.lines, ...unseen(found, same)];
      setKept({ of: first, lines, cut: cut ?? pages.cut, more: lines.length > pages.lines.length && mayHaveMore(found, limit, cut) });
      setAsking(null);
    }).catch((error: unknown) => {
      if (signal.aborted) return;
      setAsking({ of: first, error: error instanceof ApiError ? error : new ApiError(`The answer could not be read: ${String(error)}`, 0) });
    });
  };
  return { ...pages, loading: state !== null && !state.error, error: state?.error, load };
}

/** The nanosecond after a time: an end is not part of its period. */
export const after = (time: string): string => String(BigInt(time) + 1n);

const nameOf = ({ time, text, labels, metadata }: Line): string => JSON.stringify([time, text, labels, metadata]);

/** Those of `found` that are not in `seen`, each as often as it is not. */
export function unseen(found: Line[], seen: Line[]): Line[] {
  const counts = new Map<string, number>();
  for (const line of seen) counts.set(nameOf(line), (counts.get(nameOf(line)) ?? 0) + 1);
  return found.filter((line) => {
    const name = nameOf(line);
    const left = counts.get(name) ?? 0;
    if (left > 0) counts.set(name, left - 1);
    return left === 0;
  });
}
