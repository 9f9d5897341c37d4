// One service: its rate, errors and durations with what changed marked on them, its
// operations, its alerts, whom it talks to, what it runs on, its newest failures and lines.

import { withQuery, type Alert, type Change, type Graph, type Operation, type Red, type TraceAnswer } from '../api';
import { moment, percent, rate, seconds } from '../format';
import { linesOf, type RangeAnswer } from '../loki';
import { millisOf } from '../logs/period';
import { LineTable } from '../logs/table';
import { AlertList, byUrgency, isFiring, serviceOf } from '../parts/alerts';
import { Changes } from '../parts/changes';
import { errorHeat } from '../parts/heat';
import { Panel, useTitle } from '../parts/panel';
import { RangeChoice } from '../parts/query';
import { markOf, RedCharts } from '../parts/red';
import { Answer, Empty } from '../parts/state';
import { TraceTable } from '../parts/traces';
import { columnsOf, placesOf } from '../nodes/places';
import { PlaceTable } from '../nodes/table';
import { useResource } from '../resource';
import { hereWith, navigate, place, quoted, spansOf, to } from '../router';
import { ServiceGraph } from '../services/graph';
import { around } from '../services/layout';
import { usePlaces, useSignals } from '../services/places';

const EVERY = 10_000;

export function ServicePage({ name }: { name: string }) {
  useTitle(name);
  const asked = place.value.query.get('range') ?? '';
  const range = millisOf(asked) ? asked : '1h';
  const start = `-${range}`;
  const spans = spansOf(name);
  const lines = `{service_name=${quoted(name)}}`;
  const red = useResource<Red>(withQuery('/signals/red', { service: name, start }), { every: EVERY });
  const changes = useResource<{ changes: Change[]; cut: string | null }>(withQuery('/signals/changes', { service: name, start }), { every: EVERY });
  const alerts = useResource<{ alerts: Alert[] }>('/alerts', { every: EVERY });
  const graph = useResource<Graph>('/signals/graph', { every: EVERY });
  const firing = byUrgency((alerts.data?.alerts ?? []).filter((alert) => isFiring(alert) && serviceOf(alert) === name));
  const near = graph.data && around(name, graph.data.nodes ?? [], graph.data.edges);
  const changed = changes.data?.changes ?? [];
  return (
    <>
      <div class="title">
        <h1>{name}</h1>
        <span class="aside">
          <a href={to.traces(spans)}>traces</a> <a href={to.logs(lines)}>logs</a>
          <a href={withQuery('/traces', { query: spans, view: 'slow' })}>why slow</a> <a href={withQuery('/traces', { query: spans, view: 'failed' })}>why failed</a>
          <RangeChoice range={range} onChoose={(next) => navigate(hereWith({ range: next === '1h' ? undefined : next }))} />
        </span>
      </div>
      {firing.length > 0 && <Panel title="Firing now"><AlertList alerts={firing} /></Panel>}
      <Panel title="Rate, errors, duration" aside={`${changed.length ? '▾ what changed; ' : ''}○ one call each, opens its trace`}>
        <Answer of={red} what="charts">
          {(data) => <RedCharts red={data} marks={[...changed.map(markOf), ...firing.map(markOfAlert)]} />}
        </Answer>
        {changed.length > 0 && <><h3>Changed</h3>{changes.data?.cut && <p class="note">{changes.data.cut}</p>}<Changes changes={changed} /></>}
      </Panel>
      <Panel title="Operations" aside="the last minute" testid="operations">
        <Answer of={red} what="operations">{(data) => <Operations service={name} operations={data.operations ?? []} cut={data.cut ?? null} />}</Answer>
      </Panel>
      {near && near.edges.length > 0 && <Panel title="Who asks it, whom it asks" aside="the last minute"><ServiceGraph {...near} here={name} /></Panel>}
      <RunsOn name={name} />
      <Newest {...{ name, start, lines }} />
    </>
  );
}

const markOfAlert = (alert: Alert) => ({
  time: alert.starts_at / 1e6, kind: 'alert' as const, text: `${alert.labels['alertname'] ?? 'an alert'} began at ${moment(alert.starts_at)}`,
});

function Operations({ service, operations, cut }: { service: string; operations: Operation[]; cut: string | null }) {
  if (operations.length === 0) return <Empty><p>Nobody asked it anything in the last minute. Operations are its server and consumer spans.</p></Empty>;
  const sorted = [...operations].sort((a, b) => (b.rate ?? 0) - (a.rate ?? 0));
  const busiest = Math.max(...sorted.map((one) => one.rate ?? 0), 1e-9);
  return (
    <>
      {cut && <p class="note" data-testid="cut">{cut}</p>}
      <div class="scroll">
        <table class="list">
          <thead>
            <tr>
              <th scope="col">Operation</th><th scope="col" class="number">Requests</th><th scope="col" class="meter-head" /><th scope="col" class="number">Errors</th>
              <th scope="col" class="number">p50</th><th scope="col" class="number">p95</th><th scope="col" class="number">p99</th><th scope="col"><span class="hidden">Why</span></th>
            </tr>
          </thead>
          <tbody>
            {sorted.map((one) => {
              const query = spansOf(service, `name = ${quoted(one.name)}`);
              return (
                <tr key={one.name} data-testid="operation-row">
                  <th scope="row" class="wide-text"><a href={to.traces(query)}>{one.name}</a></th>
                  <td class="number">{rate(one.rate)}</td>
                  <td class="meter">{one.rate ? <i style={{ width: `${(one.rate / busiest) * 100}%` }} /> : null}</td>
                  <td class={`number ${errorHeat(one.error_ratio)}`}>{percent(one.error_ratio)}</td>
                  <td class="number">{seconds(one.p50_seconds)}</td>
                  <td class="number">{seconds(one.p95_seconds)}</td>
                  <td class="number">{seconds(one.p99_seconds)}</td>
                  <td class="signals"><a href={withQuery('/traces', { query, view: 'slow' })}>why slow</a><a href={withQuery('/traces', { query, view: 'failed' })}>why failed</a></td>
                </tr>
              );
            })}
          </tbody>
        </table>
      </div>
    </>
  );
}

function RunsOn({ name }: { name: string }) {
  const places = usePlaces(name);
  const nodes = useSignals('node', places?.nodes);
  const pods = useSignals('pod', places?.pods);
  const containers = useSignals('container', places?.pods);
  const tables = ([['container', containers], ['pod', pods], ['node', nodes]] as const).filter(([, signals]) => signals.length);
  return (
    <Panel title="What it runs on: utilisation, saturation, errors" aside={<a href="/nodes">all nodes</a>} testid="runs-on">
      {tables.length ? tables.map(([scope, signals]) => (
        <PlaceTable key={scope} scope={scope} title={scope === 'node' ? 'Node' : scope === 'pod' ? 'Pod' : 'Container'} columns={columnsOf(signals)} places={placesOf(signals)} />
      )) : (
        <Empty>
          <p>{places && (places.nodes.size || places.pods.size)
            ? `It runs on ${[...places.nodes, ...places.pods].slice(0, 5).join(', ')}, which no agent measures.`
            : 'Neither its lines nor its spans say where it runs. The agent adds the node and the pod to lines; for spans set host.name or k8s.pod.name in the resource.'}
          </p>
        </Empty>
      )}
    </Panel>
  );
}

function Newest({ name, start, lines }: { name: string; start: string; lines: string }) {
  const failures = spansOf(name, 'status = error');
  const failed = useResource<TraceAnswer>(withQuery('/traces', { query: failures, start, limit: 8 }), { every: EVERY });
  const newest = useResource<RangeAnswer>(withQuery('/loki/api/v1/query_range', { query: lines, since: start.slice(1), limit: 20 }), { every: EVERY });
  return (
    <>
      <Panel title="Newest failed traces" aside={<a href={to.traces(failures)}>all of them</a>}>
        <Answer of={failed} what="traces">
          {(data) => (data.traces.length ? <TraceTable traces={data.traces} query={failures} /> : <Empty><p>No trace failed in this time.</p></Empty>)}
        </Answer>
      </Panel>
      <Panel title="Newest lines" aside={<a href={to.logs(lines)}>all of them</a>}>
        <Answer of={newest} what="log lines">
          {(data) => (linesOf(data).length ? <LineTable lines={linesOf(data)} /> : <Empty><p>It logged nothing in this time.</p></Empty>)}
        </Answer>
      </Panel>
    </>
  );
}
