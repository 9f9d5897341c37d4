// Rate, errors, duration of a service, side by side.

import type { Red } from '../api';
import { percent, rate, seconds } from '../format';
import { Chart } from './chart';

export function RedCharts({ red, mark }: { red: Red | null; mark?: number | undefined }) {
  return (
    <div class="red">
      <Chart title="Requests" testid="red-rate" tone="rate" samples={red?.rate ?? []} format={rate} mark={mark} />
      <Chart title="Errors" testid="red-errors" tone="errors" samples={red?.errors ?? []} format={percent} mark={mark} atLeast={0.01} />
      <Chart title="Duration, p99" testid="red-duration" tone="duration" samples={red?.p99_seconds ?? []} format={seconds} mark={mark} />
    </div>
  );
}
