// What the address of the logs page asks for, and addresses that ask for something else.

import { withQuery } from '../api';
import { place } from '../router';
import { millisOf, type Period } from './period';

export const VIEWS = ['lines', 'patterns', 'live'] as const;
export type View = (typeof VIEWS)[number];

export interface Asked {
  query: string;
  view: View;
  /** The time before now, unless there is a period. */
  range: string;
  period: Period | null;
}

export const DEFAULT_RANGE = '1h';

export function asked(): Asked {
  const { query } = place.value;
  const [from, until] = [Number(query.get('from')), Number(query.get('until'))];
  return {
    query: query.get('query') ?? '',
    view: VIEWS.find((view) => view === query.get('view')) ?? 'lines',
    range: millisOf(query.get('range') ?? '') ? query.get('range')! : DEFAULT_RANGE,
    period: from > 0 && until > from && Number.isSafeInteger(from) && Number.isSafeInteger(until) ? { from, until } : null,
  };
}

/** The address that asks for this, with some of it changed. */
export function hrefOf(now: Asked, change: Partial<Asked> = {}): string {
  const { query, view, range, period } = { ...now, ...change };
  return withQuery('/logs', {
    query,
    view: view === 'lines' ? undefined : view,
    range: period || range === DEFAULT_RANGE ? undefined : range,
    from: period?.from,
    until: period?.until,
  });
}

/** The period meant, where now is `at`. */
export const periodOf = ({ range, period }: Asked, at: number): Period =>
  period ?? { from: Math.max(0, at - millisOf(range)), until: at };
