// One alert, and all that is needed to understand it, on one page: what it says, the
// service's rate, errors and durations, a trace that shows it with its logs, the state
// of the node beside them, and who was told.

import { useRef } from 'preact/hooks';
import type { Alert, AlertAnswer, LogRecord, Trace } from '../api';
import { instant, moment, nanoseconds, since } from '../format';
import { AlertState, isFiring, LabelChip, nameOf, serviceOf, Severity } from '../parts/alerts';
import { LogTable } from '../logs/table';
import { Notifications } from '../parts/notifications';
import { Panel, useTitle } from '../parts/panel';
import { RedCharts } from '../parts/red';
import { Answer, Empty } from '../parts/state';
import { layout } from '../parts/tree';
import { UseTable } from '../parts/use';
import { Waterfall } from '../parts/waterfall';
import { useResource } from '../resource';
import { quoted, spansOf, to } from '../router';

export function AlertPage({ fingerprint }: { fingerprint: string }) {
  const answer = useResource<AlertAnswer>(`/alerts/${encodeURIComponent(fingerprint)}`, { every: 5000 });
  useTitle(answer.data ? nameOf(answer.data.alert) : 'Alert');
  const example = useExample(answer.data);
  return <Answer of={answer} what="the alert">{(data) => <Alarm {...data} {...example} />}</Answer>;
}

/**
 * The example trace and its logs: while an alert fires, each refresh may bring another,
 * but whoever reads one keeps it. A better one takes its place only where it had no logs.
 */
function useExample(answer: AlertAnswer | undefined): Pick<AlertAnswer, 'example_trace' | 'logs'> {
  const kept = useRef<AlertAnswer>();
  const old = kept.current;
  const other = old?.alert.fingerprint === answer?.alert.fingerprint
    && old?.example_trace?.trace_id !== answer?.example_trace?.trace_id;
  if (!other || !old?.example_trace || (old.logs.length === 0 && answer?.logs.length)) kept.current = answer;
  return { example_trace: kept.current?.example_trace ?? null, logs: kept.current?.logs ?? [] };
}

function Alarm({ alert, service, red, use, example_trace: trace, logs, notifications }: AlertAnswer) {
  const name = service ?? serviceOf(alert);
  return (
    <>
      <Head alert={alert} service={name} />
      {(red || name) && (
        <Panel title={name ? <>Rate, errors, duration of <a href={to.service(name)}>{name}</a></> : 'Rate, errors, duration'} aside="▾ the alert began">
          <RedCharts red={red} marks={[{ time: alert.starts_at / 1e6, kind: 'alert', text: `the alert began at ${moment(alert.starts_at)}` }]} />
        </Panel>
      )}
      <div class="beside">
        <div>
          <Example trace={trace} service={name} logs={logs} />
          <Lines logs={logs} service={name} ofTrace={trace !== null} />
          <Panel title="Notifications">
            {notifications.length ? (
              <Notifications notifications={notifications} />
            ) : (
              <Empty><p>Nobody was notified yet. {isFiring(alert) && 'The first one goes out when the group has waited for its other alerts.'}</p></Empty>
            )}
          </Panel>
        </div>
        <Panel title="The node: utilisation, saturation, errors" testid="use-panel">
          {use.length ? <UseTable signals={use} /> : <Empty><p>No agent reports this node's metrics. Run <code>sonde agent</code> on it to see them here.</p></Empty>}
        </Panel>
      </div>
    </>
  );
}

function Head({ alert, service }: { alert: Alert; service: string | undefined }) {
  const { summary, description, ...others } = alert.annotations;
  return (
    <section class={`panel alarm ${isFiring(alert) ? 'firing' : 'calm'}`}>
      <div class="line">
        <AlertState alert={alert} testid="alert-status" />
        {alert.suppressed && <span class="state state-suppressed">nobody is told</span>}
        <h1 data-testid="alert-name">{nameOf(alert)}</h1>
        <Severity alert={alert} />
        <span class="muted" title={instant(alert.starts_at)}>
          since {moment(alert.starts_at)}, {alert.ends_at && !isFiring(alert)
            ? `for ${since(alert.starts_at, alert.ends_at)}, until ${moment(alert.ends_at)}`
            : `for ${since(alert.starts_at)}`}
        </span>
      </div>
      {summary && <p class="lead" data-testid="alert-summary">{summary}</p>}
      {description && description !== summary && <p class="description">{description}</p>}
      <div class="line">
        {Object.entries(alert.labels).filter(([name]) => name !== 'alertname').map(([name, value]) => (
          <LabelChip key={name} name={name} value={value} />
        ))}
      </div>
      {Object.entries(others).map(([name, value]) => <p key={name} class="small"><span class="muted">{name}</span> <MaybeLink text={value} /></p>)}
      <p class="line small links">
        {service && <a href={to.traces(spansOf(service, 'status = error'))}>failed traces of {service}</a>}
        {service && <a href={to.logs(`{service_name=${quoted(service)}}`)}>logs of {service}</a>}
        {isWebAddress(alert.generator_url) && <a href={alert.generator_url} rel="external noreferrer">the rule's expression</a>}
        {(alert.inhibited_by ?? []).map((by) => <a key={by} href={to.alert(by)}>quieted by another alert</a>)}
        {alert.receivers.length > 0 && <span class="muted">goes to {alert.receivers.join(', ')}</span>}
      </p>
    </section>
  );
}

/** Only addresses of the web become links: an annotation is somebody else's text. */
const isWebAddress = (text: string): boolean => /^https?:\/\//i.test(text);

function MaybeLink({ text }: { text: string }) {
  return isWebAddress(text) ? <a href={text} rel="external noreferrer">{text}</a> : <>{text}</>;
}

function Example({ trace, service, logs }: { trace: Trace | null; service: string | undefined; logs: LogRecord[] }) {
  if (!trace) {
    return (
      <Panel title="Example trace">
        <Empty><p>No trace stands behind this alert{service ? <>. Look among <a href={to.traces(spansOf(service))}>all of {service}</a></> : null}.</p></Empty>
      </Panel>
    );
  }
  const { duration, rows } = layout(trace);
  return (
    <Panel
      title="Example trace"
      testid="example-trace"
      aside={(
        <>
          <span>{rows.length} spans, {nanoseconds(duration)}</span>{' '}
          <a href={to.trace(trace.trace_id)} data-testid="example-trace-link">open <code>{trace.trace_id.slice(0, 8)}</code></a>
        </>
      )}
    >
      <Waterfall trace={trace} logs={logs} brief />
    </Panel>
  );
}

function Lines({ logs, service, ofTrace }: { logs: LogRecord[]; service: string | undefined; ofTrace: boolean }) {
  return (
    <Panel
      title={ofTrace ? 'Logs of this trace' : 'Logs'}
      testid="trace-logs"
      aside={service && <a href={to.logs(`{service_name=${quoted(service)}}`)}>all of {service}</a>}
    >
      {logs.length ? <LogTable records={logs} /> : <Empty><p>{ofTrace ? 'This trace left no log lines.' : 'No log lines belong to this alert.'}</p></Empty>}
    </Panel>
  );
}
