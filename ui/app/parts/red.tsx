// Rate, errors, duration of a service, side by side.

import type { Change, Exemplar, Red } from '../api';
import { moment, percent, rate, seconds } from '../format';
import { to } from '../router';
import { Chart, type Mark, type Point } from './chart';

export function RedCharts({ red, marks }: { red: Red | null; marks?: Mark[] | undefined }) {
  const also = red?.p50_seconds ? [{ name: 'p95', samples: red.p95_seconds ?? [] }, { name: 'p50', samples: red.p50_seconds }] : [];
  return (
    <div class="red">
      <Chart title="Requests" testid="red-rate" tone="rate" samples={red?.rate ?? []} format={rate} marks={marks} />
      <Chart title="Errors" testid="red-errors" tone="errors" samples={red?.errors ?? []} format={percent} marks={marks} atLeast={0.01} />
      <Chart title="Duration" name="p99" testid="red-duration" tone="duration" samples={red?.p99_seconds ?? []} also={also} format={seconds} marks={marks} points={(red?.exemplars ?? []).map(pointOf)} />
    </div>
  );
}

const pointOf = ({ time, trace_id, span_id, operation, status_code, seconds: took }: Exemplar): Point => {
  const bad = status_code === 'STATUS_CODE_ERROR';
  return {
    time: time / 1e6,
    value: took,
    href: to.trace(trace_id, span_id ?? undefined),
    title: `${operation} took ${seconds(took)}${bad ? ' and failed' : ''}, ${moment(time)}: open the trace`,
    bad,
  };
};

export const markOf = ({ time, attribute, before, after }: Change): Mark => ({
  time: time / 1e6, kind: 'change', text: `${attribute} became ${after}, was ${before}, ${moment(time)}`,
});
