// The last hour of every service at once, asked of the series that docs/signals.md names.

import { useMemo, useRef } from 'preact/hooks';
import { withQuery, type Sample } from '../api';
import { useResource } from '../resource';

const SERVED = 'span_kind=~"SPAN_KIND_SERVER|SPAN_KIND_CONSUMER"';
const rateOf = (matcher = '') => `sum by (service) (rate(traces_spanmetrics_calls_total{${SERVED}${matcher}}[1m]))`;

const QUERIES = {
  rate: rateOf(),
  errors: `(${rateOf(',status_code="STATUS_CODE_ERROR"')} or ${rateOf()} * 0) / (${rateOf()} > 0)`,
  p99: `histogram_quantile(0.99, sum by (service, le) (rate(traces_spanmetrics_latency_bucket{${SERVED}}[1m])))`,
};

interface Matrix {
  data: { result: { metric: { service?: string }; values: [number, string][] }[] };
}

export type Lately = Map<string, Sample[]>;

/** `step` in seconds; asked again as often. */
export function useLately(what: keyof typeof QUERIES, hours: number, step: number): Lately {
  // Whole steps, so that the address changes when there is something new.
  const end = Math.floor(Date.now() / 1000 / step) * step;
  const { data } = useResource<Matrix>(withQuery('/prometheus/api/v1/query_range', { query: QUERIES[what], start: end - hours * 3600, end, step }));
  // The lines before stay until the next ones are there.
  const kept = useRef<Matrix>();
  if (data) kept.current = data;
  const shown = data ?? kept.current;
  return useMemo(() => latelyOf(shown), [shown]);
}

export const latelyOf = (data: Matrix | undefined): Lately =>
  new Map((data?.data.result ?? []).map(({ metric, values }) => [
    metric.service ?? '',
    values.map(([time, value]): Sample => [time * 1000, Number.isFinite(Number(value)) ? Number(value) : null]),
  ]));
