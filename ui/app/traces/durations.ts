// How many traces took how long, in columns that are as many to each factor of ten.

import type { TraceSummary } from '../api';

export interface Column {
  /** Nanoseconds: at least `from`, less than `until`. */
  from: number;
  until: number;
  all: number;
  failed: number;
}

const COLUMNS = 30;
const PER_DECADE_MAX = 40;

/** Columns from the quickest to the slowest; none where there is no trace. */
export function columnsOf(traces: Pick<TraceSummary, 'duration_nanos' | 'errors'>[]): Column[] {
  if (traces.length === 0) return [];
  const logs = traces.map(({ duration_nanos }) => Math.log10(Math.max(duration_nanos, 1)));
  const [low, high] = [Math.min(...logs), Math.max(...logs)];
  const perDecade = Math.min(PER_DECADE_MAX, Math.max(2, Math.floor(COLUMNS / Math.max(high - low, 0.01))));
  const first = Math.floor(low * perDecade);
  const bound = (index: number) => Math.round(10 ** ((first + index) / perDecade));
  const count = Math.floor(high * perDecade) - first + 1;
  const columns = Array.from({ length: count }, (_, index) => ({ from: index === 0 ? 0 : bound(index), until: bound(index + 1), all: 0, failed: 0 }));
  columns.at(-1)!.until = Math.max(columns.at(-1)!.until, 2 * bound(count));
  for (const { duration_nanos, errors } of traces) {
    const column = columns.find(({ until }) => duration_nanos < until) ?? columns.at(-1)!;
    column.all += 1;
    if (errors > 0) column.failed += 1;
  }
  return columns;
}
