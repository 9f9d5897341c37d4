// How many traces took how long; a click on a column shows those alone.

import type { TraceSummary } from '../api';
import { nanoseconds } from '../format';
import { navigate } from '../router';
import { hrefOf, type Asked } from './asked';
import { columnsOf, type Column } from './durations';

export function Durations({ now, traces }: { now: Asked; traces: TraceSummary[] }) {
  const columns = columnsOf(traces);
  const most = Math.max(...columns.map(({ all }) => all), 1);
  const isChosen = ({ from, until }: Column) => now.took?.from === from && now.took.until === until;
  const labelled = Math.ceil(columns.length / 8);
  return (
    <div class="durations" role="group" aria-label="How long traces took" data-testid="durations">
      {columns.map((column, index) => (
        <button
          key={column.from}
          type="button"
          class="column"
          disabled={column.all === 0}
          aria-pressed={isChosen(column)}
          title={worded(column)}
          onClick={() => navigate(hrefOf(now, { took: isChosen(column) ? null : { from: column.from, until: column.until } }), true)}
        >
          <span class="hidden">{worded(column)}</span>
          <i class="well" style={{ height: `${((column.all - column.failed) / most) * 100}%` }} />
          <i class="bad" style={{ height: `${(column.failed / most) * 100}%` }} />
          {index > 0 && index % labelled === 0 && <span class="bound" aria-hidden="true">{nanoseconds(column.from)}</span>}
        </button>
      ))}
    </div>
  );
}

const worded = ({ from, until, all, failed }: Column): string =>
  `${all} took ${nanoseconds(from)} to ${nanoseconds(until)}${failed ? `, ${failed} of them with errors` : ''}`;
