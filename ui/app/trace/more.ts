// The spans of a trace that is too large for one answer, a page at a time.

import { useEffect, useMemo, useRef, useState } from 'preact/hooks';
import { ApiError, ask, withQuery, type Span, type Trace } from '../api';

/** So many spans stand in the page at most. */
export const SPANS_MAX = 50_000;

export interface More {
  trace: Trace;
  /** There is another page. */
  more: boolean;
  loading: boolean;
  error: ApiError | undefined;
  load(): void;
}

interface Pages {
  of: Trace;
  spans: Span[];
  next: string | undefined;
  cut: string | undefined;
}

export function useMore(first: Trace): More {
  const [kept, setKept] = useState<Pages | null>(null);
  const [asking, setAsking] = useState<{ of: Trace; error?: ApiError } | null>(null);
  const stop = useRef<AbortController | null>(null);
  useEffect(() => () => stop.current?.abort(), [first]);
  const pages = kept?.of === first ? kept : { of: first, spans: [], next: first.next, cut: first.cut };
  const state = asking?.of === first ? asking : null;
  const load = () => {
    if (!pages.next || (state && !state.error)) return;
    stop.current = new AbortController();
    const { signal } = stop.current;
    setAsking({ of: first });
    ask(withQuery(`/trace/${first.trace_id}`, { after: pages.next }), signal).then((text) => {
      const page = JSON.parse(text) as Trace;
      setKept({ of: first, spans: [...pages.spans, ...page.spans], next: page.next, cut: page.next ? page.cut : page.in_part });
      setAsking(null);
    }).catch((error: unknown) => {
      if (signal.aborted) return;
      setAsking({ of: first, error: error instanceof ApiError ? error : new ApiError(`The answer could not be read: ${String(error)}`, 0) });
    });
  };
  const trace = useMemo(() => joined(first, pages), [first, pages.spans, pages.cut]);
  return { trace, more: pages.next !== undefined && trace.spans.length < SPANS_MAX, loading: state !== null && !state.error, error: state?.error, load };
}

function joined(first: Trace, { spans, cut }: Pages): Trace {
  if (spans.length === 0) return first;
  const trace: Trace = { trace_id: first.trace_id, spans: [...first.spans, ...spans] };
  if (cut) trace.cut = cut;
  return trace;
}
