// What the address of the traces page asks for, and addresses that ask for something else.

import { withQuery } from '../api';
import { millisOf } from '../logs/period';
import { place } from '../router';

export const VIEWS = ['traces', 'slow', 'failed'] as const;
export type View = (typeof VIEWS)[number];

export interface Asked {
  query: string;
  view: View;
  range: string;
  limit: number;
  /** Only traces that took at least `from` and less than `until`, in nanoseconds. */
  took: { from: number; until: number } | null;
}

export const DEFAULT_RANGE = '1h';
export const LIMIT = 100;
export const LIMIT_MAX = 1000;

export function asked(): Asked {
  const { query } = place.value;
  const [from, until] = [Number(query.get('from') ?? NaN), Number(query.get('until') ?? NaN)];
  return {
    query: query.get('query') ?? '',
    view: VIEWS.find((view) => view === query.get('view')) ?? 'traces',
    range: millisOf(query.get('range') ?? '') ? query.get('range')! : DEFAULT_RANGE,
    limit: Math.min(LIMIT_MAX, Math.max(1, Math.floor(Number(query.get('limit'))) || LIMIT)),
    took: from >= 0 && until > from ? { from, until } : null,
  };
}

/** The address that asks for this, with some of it changed. */
export function hrefOf(now: Asked, change: Partial<Asked> = {}): string {
  const { query, view, range, limit, took } = { ...now, ...change };
  return withQuery('/traces', {
    query,
    view: view === 'traces' ? undefined : view,
    range: range === DEFAULT_RANGE ? undefined : range,
    limit: limit === LIMIT ? undefined : limit,
    from: took?.from,
    until: took?.until,
  });
}
