// One service: its rate, errors and durations, its alerts, whom it talks to, its newest
// failures and lines.

import { withQuery, type Alert, type Edge, type Red, type TraceAnswer } from '../api';
import { linesOf, type RangeAnswer } from '../loki';
import { AlertList, byUrgency, isFiring, serviceOf } from '../parts/alerts';
import { LineTable } from '../logs/table';
import { Panel, useTitle } from '../parts/panel';
import { RedCharts } from '../parts/red';
import { Answer, Empty } from '../parts/state';
import { TraceTable } from '../parts/traces';
import { useResource } from '../resource';
import { quoted, spansOf, to } from '../router';
import { Edges } from './overview';

const EVERY = 10_000;

export function ServicePage({ name }: { name: string }) {
  useTitle(name);
  const spans = spansOf(name);
  const failures = spansOf(name, 'status = error');
  const lines = `{service_name=${quoted(name)}}`;
  const red = useResource<Red>(withQuery('/signals/red', { service: name, start: '-1h' }), { every: EVERY });
  const alerts = useResource<{ alerts: Alert[] }>('/alerts', { every: EVERY });
  const graph = useResource<{ edges: Edge[] }>('/signals/graph', { every: EVERY });
  const failed = useResource<TraceAnswer>(withQuery('/traces', { query: failures, start: '-1h', limit: 8 }), { every: EVERY });
  const newest = useResource<RangeAnswer>(withQuery('/loki/api/v1/query_range', { query: lines, since: '1h', limit: 20 }), { every: EVERY });
  const firing = byUrgency((alerts.data?.alerts ?? []).filter((alert) => isFiring(alert) && serviceOf(alert) === name));
  const edges = (graph.data?.edges ?? []).filter((edge) => edge.client === name || edge.server === name);
  return (
    <>
      <div class="title">
        <h1>{name}</h1>
        <span class="aside"><a href={to.traces(spans)}>traces</a> <a href={to.logs(lines)}>logs</a></span>
      </div>
      {firing.length > 0 && <Panel title="Firing now"><AlertList alerts={firing} /></Panel>}
      <Panel title="Rate, errors, duration" aside="last hour">
        <Answer of={red} what="charts">{(data) => <RedCharts red={data} />}</Answer>
      </Panel>
      {edges.length > 0 && <Panel title="Who calls whom" aside="last minute"><Edges edges={edges} /></Panel>}
      <Panel title="Newest failed traces" aside={<a href={to.traces(failures)}>all of them</a>}>
        <Answer of={failed} what="traces">
          {(data) => (data.traces.length ? <TraceTable traces={data.traces} /> : <Empty><p>No trace failed in the last hour.</p></Empty>)}
        </Answer>
      </Panel>
      <Panel title="Newest lines" aside={<a href={to.logs(lines)}>all of them</a>}>
        <Answer of={newest} what="log lines">
          {(data) => (linesOf(data).length ? <LineTable lines={linesOf(data)} /> : <Empty><p>It logged nothing in the last hour.</p></Empty>)}
        </Answer>
      </Panel>
    </>
  );
}
