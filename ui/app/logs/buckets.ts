// Counts over time, by level, as columns of a histogram.

import { levelNamed, type Level, type Series } from '../loki';
import { stepOf, type Period } from './period';

const COLUMNS_MAX = 90;

/** The order in which levels stand on one another, the worst at the bottom. */
export const STACK: readonly Level[] = ['fatal', 'error', 'warn', 'info', 'debug', 'trace', 'unknown'];

/** Columns of `step` milliseconds, the first ending at `first`, the last at `last`. */
export interface Grid {
  step: number;
  first: number;
  last: number;
}

/** Columns at round times that cover the period. */
export function gridOf(period: Period): Grid {
  const step = stepOf(period, COLUMNS_MAX);
  const first = Math.floor(period.from / step) * step + step;
  return { step, first, last: Math.max(first, Math.ceil(period.until / step) * step) };
}

export interface Column {
  from: number;
  until: number;
  total: number;
  counts: Partial<Record<Level, number>>;
}

/** A sample at a time counts the lines of the step before it. */
export function columnsOf({ step, first, last }: Grid, series: Series[]): Column[] {
  const columns: Column[] = [];
  for (let end = first; end <= last; end += step) columns.push({ from: end - step, until: end, total: 0, counts: {} });
  for (const { metric, values } of series) {
    const own = levelNamed(metric['level'] ?? '');
    const level = own === 'unknown' ? levelNamed(metric['detected_level'] ?? '') : own;
    for (const [seconds, text] of values) {
      const column = columns[Math.round((seconds * 1000 - first) / step)];
      const count = Number(text);
      if (!column || !Number.isFinite(count)) continue;
      column.total += count;
      column.counts[level] = (column.counts[level] ?? 0) + count;
    }
  }
  return columns;
}

/** How many of each level there are, those of which there are none left out. */
export function totals(columns: Column[]): [Level, number][] {
  const sum = (level: Level) => columns.reduce((all, { counts }) => all + (counts[level] ?? 0), 0);
  return STACK.map((level): [Level, number] => [level, sum(level)]).filter(([, count]) => count > 0);
}
