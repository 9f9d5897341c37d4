// Traces in a list, with how long each took beside the others.

import type { TraceSummary } from '../api';
import { instant, moment, nanoseconds } from '../format';
import { to } from '../router';

export function TraceTable({ traces }: { traces: TraceSummary[] }) {
  const longest = Math.max(...traces.map((trace) => trace.duration_nanos), 1);
  return (
    <div class="scroll">
      <table class="list" data-testid="trace-table">
        <thead>
          <tr>
            <th scope="col">Started</th>
            <th scope="col">Trace</th>
            <th scope="col" class="number">Took</th>
            <th scope="col" class="meter-head" />
            <th scope="col" class="number">Spans</th>
            <th scope="col" class="number">Errors</th>
            <th scope="col" class="apart">Services</th>
          </tr>
        </thead>
        <tbody>
          {traces.map((trace) => (
            <tr key={trace.trace_id} data-testid="trace-row">
              <td title={instant(trace.start)}>{moment(trace.start, true)}</td>
              <th scope="row">
                <a href={to.trace(trace.trace_id)}><b>{trace.root_service}</b> {trace.root_name || trace.trace_id}</a>
              </th>
              <td class="number">{nanoseconds(trace.duration_nanos)}</td>
              <td class="meter"><i style={{ width: `${(trace.duration_nanos / longest) * 100}%` }} /></td>
              <td class="number">{trace.spans}</td>
              <td class={trace.errors ? 'number hot' : 'number muted'}>{trace.errors || '–'}</td>
              <td class="muted apart">{trace.services.join(', ')}</td>
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  );
}
