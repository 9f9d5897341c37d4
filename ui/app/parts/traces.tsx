// Traces in a list, with how long each took beside the others, and the spans that a search
// found in them.

import type { SpanSet, TraceSummary } from '../api';
import { instant, moment, nanoseconds } from '../format';
import { to } from '../router';
import { count } from './words';

export function TraceTable({ traces, query = '' }: { traces: TraceSummary[]; query?: string }) {
  const longest = Math.max(...traces.map((trace) => trace.duration_nanos), 1);
  return (
    <div class="scroll">
      <table class="list traces" data-testid="trace-table">
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
          {traces.map((trace) => <TraceRow key={trace.trace_id} {...{ trace, longest, query }} />)}
        </tbody>
      </table>
    </div>
  );
}

function TraceRow({ trace, longest, query }: { trace: TraceSummary; longest: number; query: string }) {
  // Where all of it matches there is nothing to point out.
  const sets = query ? (trace.span_sets ?? []).filter(({ matched }) => matched < trace.spans) : [];
  return (
    <tr data-testid="trace-row">
      <td title={instant(trace.start)}>{moment(trace.start, true)}</td>
      <th scope="row">
        <a href={to.trace(trace.trace_id, undefined, query)}><b>{trace.root_service}</b> {trace.root_name || trace.trace_id}</a>
        {sets.map((set, index) => <Matched key={index} {...{ trace, set, query }} />)}
      </th>
      <td class="number">{nanoseconds(trace.duration_nanos)}</td>
      <td class="meter"><i class={trace.errors ? 'hot-bar' : ''} style={{ width: `${(trace.duration_nanos / longest) * 100}%` }} /></td>
      <td class="number">{trace.spans}</td>
      <td class={trace.errors ? 'number hot' : 'number muted'}>{trace.errors || '–'}</td>
      <td class="muted apart">{trace.services.join(', ')}</td>
    </tr>
  );
}

function Matched({ trace, set, query }: { trace: TraceSummary; set: SpanSet; query: string }) {
  const rest = set.matched - set.spans.length;
  return (
    <ul class="matched">
      {set.attributes.length > 0 && <li class="muted">{worded(set.attributes)}</li>}
      {set.spans.map((span) => (
        <li key={span.span_id} data-testid="matched-span">
          <a href={to.trace(trace.trace_id, span.span_id, query)}>{span.service} {span.name}</a>
          <span class="muted"> {nanoseconds(span.duration_nanos)} {worded(span.attributes)}</span>
        </li>
      ))}
      {rest > 0 && <li class="muted">and {count(rest, 'more span')}</li>}
    </ul>
  );
}

/** Names that say what the line says already. */
const SAID = new Set(['resource.service.name', 'service.name', 'name', 'duration']);

const worded = (attributes: [string, unknown][]): string =>
  attributes.filter(([name]) => !SAID.has(name)).map(([name, value]) => `${name}=${typeof value === 'string' ? value : JSON.stringify(value)}`).join(' ');
