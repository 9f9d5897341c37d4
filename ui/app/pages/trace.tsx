// One trace: its spans over time, and under them every line it logged.

import type { LogRecord, LookupAnswer, Trace } from '../api';
import { moment, nanoseconds } from '../format';
import { AlertList } from '../parts/alerts';
import { LogTable } from '../logs/table';
import { Panel, useTitle } from '../parts/panel';
import { Answer, Empty } from '../parts/state';
import { isError, layout } from '../parts/tree';
import { Waterfall } from '../parts/waterfall';
import { useResource } from '../resource';
import { to } from '../router';
import { count } from './lookup';

export function TracePage({ id }: { id: string }) {
  const answer = useResource<LookupAnswer>(`/lookup/${encodeURIComponent(id)}`, { notFoundIsAnswer: true });
  useTitle(`Trace ${id.slice(0, 8)}`);
  return (
    <Answer of={answer} what="the trace">
      {({ traces, logs, alerts, message }) => {
        const trace = traces.find(({ trace_id }) => trace_id === id.toLowerCase()) ?? traces[0];
        return (
          <>
            {trace ? <TracePanel trace={trace} logs={logs} heading /> : (
              <Empty>
                <p><strong>No span of trace <code>{id}</code> is kept.</strong></p>
                <p>{message ?? 'It may not have arrived yet, or be older than what is kept.'}</p>
              </Empty>
            )}
            {alerts.length > 0 && <Panel title="Alerts around it"><AlertList alerts={alerts} /></Panel>}
            <Panel title="Logs of this trace" testid="trace-logs" aside={count(logs.length, 'line')}>
              {logs.length ? <LogTable records={logs} inTrace /> : <Empty><p>This trace left no log lines.</p></Empty>}
            </Panel>
          </>
        );
      }}
    </Answer>
  );
}

interface TracePanelProps {
  trace: Trace;
  logs: LogRecord[];
  heading?: boolean;
  link?: boolean;
}

export function TracePanel({ trace, logs, heading = false, link = false }: TracePanelProps) {
  const { rows, start, duration, services } = layout(trace);
  const root = rows[0]?.span;
  const errors = trace.spans.filter(isError).length;
  const name = root ? <><b>{root.service}</b> {root.name}</> : 'Trace';
  const facts = (
    <span>
      {moment(start, true)}, {nanoseconds(duration)}, {count(rows.length, 'span')}, {count(services.length, 'service')}
      {errors > 0 && <span class="hot">, {count(errors, 'error')}</span>}
    </span>
  );
  return (
    <>
      {heading && (
        <div class="title">
          <h1>{name}</h1>
          <span class="aside"><code class="id">{trace.trace_id}</code></span>
        </div>
      )}
      <Panel title={heading ? 'Spans' : name} aside={<>{facts} {link && <a href={to.trace(trace.trace_id)}>open</a>}</>}>
        <Waterfall trace={trace} logs={logs} />
      </Panel>
    </>
  );
}
