// Any ID in, everything known about it out: a request ID, a trace ID or a span ID. First in
// one line of time, then each part by itself.

import type { LookupAnswer } from '../api';
import { LogTable } from '../logs/table';
import { Timeline } from '../lookup/timeline';
import { AlertList } from '../parts/alerts';
import { Changes } from '../parts/changes';
import { LoadTable } from '../parts/load';
import { LookupBox } from '../parts/lookup';
import { Panel, useTitle } from '../parts/panel';
import { Answer, Empty } from '../parts/state';
import { Waited } from '../parts/waited';
import { count } from '../parts/words';
import { useResource } from '../resource';
import { to } from '../router';
import { TracePanel } from './trace';

export function Lookup({ id }: { id: string }) {
  useTitle(id ? `Lookup ${id}` : 'Lookup');
  return (
    <>
      <h1 class="hidden">Lookup</h1>
      <LookupBox id={id} />
      {id ? <Found id={id} /> : (
        <Empty>
          <p>Paste what the person on the phone gave you: a request ID, a trace ID, a span ID, or any word of a log line.</p>
          <p>One call finds its traces, their logs, the alerts around them, what had changed just before and how busy the machines were, whenever it happened.</p>
        </Empty>
      )}
    </>
  );
}

function Found({ id }: { id: string }) {
  const answer = useResource<LookupAnswer>(`/lookup/${encodeURIComponent(id)}`, { notFoundIsAnswer: true });
  return <Answer of={answer} what={`everything about ${id}`}>{(data) => <Everything {...data} />}</Answer>;
}

const TRACES_SHOWN = 5;

function Everything(found: LookupAnswer) {
  const { id, kind, traces, logs, alerts, changes = [], load = [], critical_paths = [], timeline = [], cut, cuts = {}, message } = found;
  if (kind === 'none') {
    return (
      <Empty>
        <p><strong>Nothing is known about <code>{id}</code>.</strong></p>
        <p>{message ?? 'It may not have arrived yet, or be older than what is kept.'}</p>
        {cut && <p class="note">Not everything was searched: {cut}</p>}
      </Empty>
    );
  }
  const pathOf = (trace: string) => critical_paths.find(({ trace_id }) => trace_id === trace);
  const first = traces[0] && pathOf(traces[0].trace_id);
  return (
    <>
      <p class="found" role="status" data-testid="found">
        <code>{id}</code> {KINDS[kind] ?? ''}: {count(traces.length, 'trace')}, {count(logs.length, 'log line')}, {count(alerts.length, 'alert')}, {count(changes.length, 'change')} before it.
      </p>
      <Cuts cuts={cuts} cut={cut} />
      <div class="beside">
        <Timeline moments={timeline} alerts={alerts} cut={cuts['timeline']} />
        <div>
          {first && <Waited path={first} />}
          {changes.length > 0 && <Panel title="Changed just before" aside="30 minutes"><Changes changes={[...changes].reverse()} /></Panel>}
          {alerts.length > 0 && <Panel title="Alerts around it"><AlertList alerts={alerts} /></Panel>}
          {load.length > 0 && <Panel title="Where it ran, at its end" testid="load"><LoadTable load={load} /></Panel>}
        </div>
      </div>
      {traces.slice(0, TRACES_SHOWN).map((trace) => <TracePanel key={trace.trace_id} {...{ trace, logs }} path={pathOf(trace.trace_id)} />)}
      {traces.length > TRACES_SHOWN && (
        <Panel title={count(traces.length - TRACES_SHOWN, 'more trace')}>
          <ul>{traces.slice(TRACES_SHOWN).map((trace) => <li key={trace.trace_id}><a href={to.trace(trace.trace_id)}><code>{trace.trace_id}</code></a></li>)}</ul>
        </Panel>
      )}
      <Panel title="Logs" testid="trace-logs" aside={logs.length ? `${logs.length}` : ''}>
        {logs.length ? <LogTable records={logs} /> : <Empty><p>No log line mentions it.</p></Empty>}
      </Panel>
    </>
  );
}

/** Which parts are not everything, and why. */
function Cuts({ cuts, cut }: { cuts: Record<string, string>; cut: string | null }) {
  const parts = Object.entries(cuts);
  if (parts.length === 0) return cut ? <p class="note" data-testid="cut">The answer is not complete: {cut}</p> : null;
  return (
    <div class="note" data-testid="cut" role="status">
      The answer is not complete:
      <ul>{parts.map(([part, why]) => <li key={part}><b>{part.replaceAll('_', ' ')}</b>: {why}</li>)}</ul>
    </div>
  );
}

const KINDS: Record<string, string> = { trace: 'is a trace', request: 'is a request', span: 'is a span', pod: 'is a pod', pod_uid: 'is a pod', container: 'is a container' };
