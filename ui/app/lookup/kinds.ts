// The kinds of moments in a timeline, in words.

import type { Moment, MomentKind } from '../api';

export const KINDS: [MomentKind, string][] = [
  ['change', 'change'],
  ['alert', 'alert'],
  ['alert_end', 'alert ends'],
  ['span', 'span'],
  ['span_event', 'event'],
  ['log', 'log'],
  ['exemplar', 'exemplar'],
];

export const nameOf = (kind: MomentKind): string => KINDS.find(([one]) => one === kind)?.[1] ?? kind;

/** The kinds that an address leaves out: their names, with commas between. */
export function leftOut(text: string | null): ReadonlySet<MomentKind> {
  const names = (text ?? '').split(',');
  return new Set(KINDS.map(([kind]) => kind).filter((kind) => names.includes(kind)));
}

/** The same with one more left out, or taken in again. */
export function toggled(out: ReadonlySet<MomentKind>, kind: MomentKind): string | undefined {
  const next = new Set(out);
  if (!next.delete(kind)) next.add(kind);
  return [...next].join(',') || undefined;
}

export interface Period {
  start: number;
  end: number;
}

/** From the first to the last of what the request did itself; alerts and changes lie around it. */
export function periodOf(moments: Moment[]): Period | null {
  const own = moments.filter(({ kind }) => kind === 'span' || kind === 'log' || kind === 'span_event');
  if (own.length === 0) return null;
  let [start, end] = [Infinity, -Infinity];
  for (const { time, duration_nanos = 0 } of own) {
    start = Math.min(start, time);
    end = Math.max(end, time + duration_nanos);
  }
  return { start, end };
}
