// One trace: its spans over time, what it waited for, and every line it logged.

import { useMemo } from 'preact/hooks';
import { withQuery, type CriticalPath, type LogRecord, type LookupAnswer, type SpanSet, type Trace } from '../api';
import { moment, nanoseconds } from '../format';
import { LogTable } from '../logs/table';
import { AlertList } from '../parts/alerts';
import { Changes } from '../parts/changes';
import { LoadTable } from '../parts/load';
import { Panel, useTitle } from '../parts/panel';
import { Answer, Empty, ErrorBanner } from '../parts/state';
import { isError, layout } from '../parts/tree';
import { Waited } from '../parts/waited';
import { Waterfall } from '../parts/waterfall';
import { count } from '../parts/words';
import { useResource } from '../resource';
import { hereWith, place, to } from '../router';
import { SPANS_MAX, useMore } from '../trace/more';
import { Tools, useOnly } from '../trace/tools';

export function TracePage({ id }: { id: string }) {
  const answer = useResource<LookupAnswer>(`/lookup/${encodeURIComponent(id)}`, { notFoundIsAnswer: true });
  useTitle(`Trace ${id.slice(0, 8)}`);
  return <Answer of={answer} what="the trace">{(data) => <Found id={id} answer={data} />}</Answer>;
}

function Found({ id, answer }: { id: string; answer: LookupAnswer }) {
  const { traces, logs, alerts, changes = [], load = [], critical_paths = [], cuts = {}, message } = answer;
  const trace = traces.find(({ trace_id }) => trace_id === id.toLowerCase()) ?? traces[0];
  const path = critical_paths.find(({ trace_id }) => trace_id === trace?.trace_id);
  return (
    <>
      {trace ? <Whole {...{ logs, path }} first={trace} /> : (
        <Empty>
          <p><strong>No span of trace <code>{id}</code> is kept.</strong></p>
          <p>{message ?? 'It may not have arrived yet, or be older than what is kept.'}</p>
        </Empty>
      )}
      <div class="beside">
        <div>
          <Panel title="Logs of this trace" testid="trace-logs" aside={count(logs.length, 'line')}>
            {cuts['logs'] && <p class="note">Not all lines: {cuts['logs']}</p>}
            {logs.length ? <LogTable records={logs} inTrace /> : <Empty><p>This trace left no log lines. Lines belong to it when they carry its trace ID.</p></Empty>}
          </Panel>
          {alerts.length > 0 && <Panel title="Alerts around it"><AlertList alerts={alerts} /></Panel>}
        </div>
        <div>
          {path && <Waited path={path} />}
          {changes.length > 0 && <Panel title="Changed just before" aside="30 minutes"><Changes changes={[...changes].reverse()} /></Panel>}
          {load.length > 0 && <Panel title="Where it ran, at its end" testid="load">{cuts['load'] && <p class="note">{cuts['load']}</p>}<LoadTable load={load} /></Panel>}
        </div>
      </div>
    </>
  );
}

function Whole({ first, logs, path }: { first: Trace; logs: LogRecord[]; path: CriticalPath | undefined }) {
  const { trace, more, loading, error, load } = useMore(first);
  const query = place.value.query.get('query') ?? '';
  const found = useResource<{ span_sets: SpanSet[]; cut: string | null }>(query ? withQuery(`/trace/${trace.trace_id}/matched`, { query }) : null);
  const matched = useMemo(() => found.data && new Set(found.data.span_sets.flatMap(({ spans }) => spans.map(({ span_id }) => span_id))), [found.data]);
  const only = useOnly({ path, matched });
  const { rows, name, facts } = useMemo(() => described(trace), [trace]);
  return (
    <>
      <div class="title">
        <h1>{name}</h1>
        <span class="aside"><a href={to.lookup(trace.trace_id)}>in the order of time</a> <code class="id">{trace.trace_id}</code></span>
      </div>
      <Panel title="Spans" aside={facts}>
        {query && (
          <p class="line small" data-testid="matched-by">
            <span class="muted">{found.loading ? 'Looking for' : `${count(matched?.size ?? 0, 'span')} found by`}</span> <code>{query}</code>
            <a href={to.traces(query)}>all traces of it</a> <a href={hereWith({ query: undefined, only: undefined })}>without marks</a>
            {found.data?.cut && <span class="note">Not judged by everything: {found.data.cut}</span>}
          </p>
        )}
        {found.error && <ErrorBanner error={found.error} retry={found.reload} />}
        <Tools {...{ trace, path, matched }} />
        {trace.cut && <p class="note" data-testid="cut">Not the whole trace: {trace.cut}</p>}
        <Waterfall {...{ trace, logs, path, matched, only }} />
        {error && <ErrorBanner error={error} retry={load} />}
        {more && <button type="button" class="more" data-testid="more-spans" disabled={loading} onClick={load}>{loading ? 'Loading…' : `More spans; ${rows.toLocaleString('en')} are shown`}</button>}
        {!more && trace.cut && trace.spans.length >= SPANS_MAX && <p class="muted small">No more than {SPANS_MAX.toLocaleString('en')} are shown in the page. <code>sonde query traces</code> reads on.</p>}
      </Panel>
    </>
  );
}

function described(trace: Trace) {
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
  return { rows: rows.length, name, facts };
}

/** A trace among others. */
export function TracePanel({ trace, logs, path }: { trace: Trace; logs: LogRecord[]; path: CriticalPath | undefined }) {
  const { name, facts } = useMemo(() => described(trace), [trace]);
  return (
    <Panel title={name} aside={<>{facts} <a href={to.trace(trace.trace_id)}>open</a></>} testid="trace-panel">
      {trace.cut && <p class="note">Not the whole trace: {trace.cut}</p>}
      <Waterfall {...{ trace, logs, path }} />
    </Panel>
  );
}
