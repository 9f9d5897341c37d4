// Any ID in, everything known about it out: a request ID, a trace ID or a span ID.

import { useEffect, useRef, useState } from 'preact/hooks';
import type { LookupAnswer } from '../api';
import { AlertList } from '../parts/alerts';
import { LogTable } from '../logs/table';
import { Panel, useTitle } from '../parts/panel';
import { Answer, Empty } from '../parts/state';
import { TracePanel } from './trace';
import { useResource } from '../resource';
import { navigate, to } from '../router';

/** The box that takes any ID; one on every page. */
export function LookupBox({ compact = false, id = '' }: { compact?: boolean; id?: string }) {
  const [text, setText] = useState(id);
  const input = useRef<HTMLInputElement>(null);
  useEffect(() => setText(id), [id]);
  useEffect(() => {
    if (!compact && !id) input.current?.focus({ preventScroll: true });
  }, []);
  return (
    <form
      class={compact ? 'lookup compact' : 'lookup'}
      role="search"
      onSubmit={(event) => {
        event.preventDefault();
        if (text.trim()) navigate(to.lookup(text.trim()));
      }}
    >
      <input
        ref={input}
        data-testid="lookup-input"
        aria-label="Request, trace or span ID, or pod"
        placeholder={compact ? 'Any ID…   /' : 'A request ID, trace ID, span ID or pod'}
        value={text}
        spellcheck={false}
        autocomplete="off"
        onInput={(event) => setText(event.currentTarget.value)}
      />
      {!compact && <button type="submit" class="primary">Look up</button>}
    </form>
  );
}

export function Lookup({ id }: { id: string }) {
  useTitle(id ? `Lookup ${id}` : 'Lookup');
  return (
    <>
      <h1 class="hidden">Lookup</h1>
      <LookupBox id={id} />
      {id ? <Found id={id} /> : (
        <Empty>
          <p>Paste what the person on the phone gave you. One call finds its traces, their logs and the alerts around them, whenever it happened.</p>
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

function Everything({ id, kind, traces, logs, alerts, cut, message }: LookupAnswer) {
  if (kind === 'none') {
    return (
      <Empty>
        <p><strong>Nothing is known about <code>{id}</code>.</strong></p>
        <p>{message ?? 'It may not have arrived yet, or be older than what is kept.'}</p>
      </Empty>
    );
  }
  return (
    <>
      <p class="found" role="status">
        <code>{id}</code> {KINDS[kind] ?? ''}: {count(traces.length, 'trace')}, {count(logs.length, 'log line')}, {count(alerts.length, 'alert')}.
      </p>
      {cut && <p class="note">The answer is not complete: {cut}</p>}
      {alerts.length > 0 && <Panel title="Alerts around it"><AlertList alerts={alerts} /></Panel>}
      {traces.slice(0, TRACES_SHOWN).map((trace) => <TracePanel key={trace.trace_id} trace={trace} logs={logs} link />)}
      {traces.length > TRACES_SHOWN && (
        <Panel title={`${traces.length - TRACES_SHOWN} more traces`}>
          <ul>{traces.slice(TRACES_SHOWN).map((trace) => <li key={trace.trace_id}><a href={to.trace(trace.trace_id)}><code>{trace.trace_id}</code></a></li>)}</ul>
        </Panel>
      )}
      <Panel title="Logs" testid="trace-logs" aside={logs.length ? `${logs.length}` : ''}>
        {logs.length ? <LogTable records={logs} /> : <Empty><p>No log line mentions it.</p></Empty>}
      </Panel>
    </>
  );
}

const KINDS: Record<string, string> = { trace: 'is a trace', request: 'is a request', span: 'is a span', pod: 'is a pod', pod_uid: 'is a pod', container: 'is a container' };

export const count = (n: number, what: string): string => `${n} ${what}${n === 1 ? '' : 's'}`;
