// Every service: its golden signals now and over the last hour, who asks whom, what changed.

import type { Change, Golden, GoldenService, Graph, Service } from '../api';
import { withQuery } from '../api';
import { compact, percent, rate, seconds } from '../format';
import { Changes } from '../parts/changes';
import { Spark } from '../parts/chart';
import { errorHeat } from '../parts/heat';
import { Panel, useTitle } from '../parts/panel';
import { Answer, Empty } from '../parts/state';
import { useResource } from '../resource';
import { hereWith, place, to } from '../router';
import { NoServices } from '../services/none';
import { ServiceGraph } from '../services/graph';
import { useLately, type Lately as LatelyOf } from '../services/series';

const EVERY = 10_000;
const STEP = 30;

export function Services() {
  const golden = useResource<Golden>('/signals/golden', { every: EVERY });
  const known = useResource<{ services: Service[] }>('/services', { every: EVERY });
  const graph = useResource<Graph>('/signals/graph', { every: EVERY });
  const changes = useResource<{ changes: Change[]; cut: string | null }>(withQuery('/signals/changes', { start: '-6h', limit: 20 }), { every: EVERY });
  useTitle('Services');
  return (
    <>
      <h1 class="hidden">Services</h1>
      <Panel title="Golden signals" aside="the last minute; lines show the last hour" testid="services">
        <Answer of={golden} what="services">
          {(data) => <Table services={joined(data.services, known.data?.services ?? [])} alerts={alertsOf(known.data?.services)} cut={data.cut} />}
        </Answer>
      </Panel>
      <Panel title="Who asks whom" aside="the last minute">
        <Answer of={graph} what="the graph">
          {({ nodes = [], edges }) => (edges.length ? <ServiceGraph {...{ nodes, edges }} /> : <Empty><p>No call between two services in the last minute. A call is seen when both sides send spans of one trace.</p></Empty>)}
        </Answer>
      </Panel>
      <Panel title="Changes in the software" aside="the last 6 hours">
        <Answer of={changes} what="changes">
          {(data) => (data.changes.length
            ? <>{data.cut && <p class="note">{data.cut}</p>}<Changes changes={data.changes} /></>
            : <Empty><p>No service changed its version, image or replica set. That is read from <code>service.version</code>, <code>container.image.*</code> and <code>k8s.replicaset.name</code> of its spans.</p></Empty>)}
        </Answer>
      </Panel>
    </>
  );
}

const NOTHING: Omit<GoldenService, 'name'> = {
  rate: null, rate_1m: null, rate_5m: null, rate_15m: null, calls: null, error_ratio: null, p50_seconds: null, p95_seconds: null, p99_seconds: null, under_way: null,
};

/** Also those that log only, or that nobody asked. */
function joined(golden: GoldenService[], known: Service[]): GoldenService[] {
  const names = new Set(golden.map(({ name }) => name));
  return [...golden, ...known.filter(({ name }) => !names.has(name)).map(({ name }) => ({ ...NOTHING, name }))];
}

const alertsOf = (services: Service[] | undefined): Map<string, number> => new Map(services?.map(({ name, alerts }) => [name, alerts]));

const SORTS: Record<string, (service: GoldenService) => number> = {
  rate: ({ rate_1m }) => rate_1m ?? -1,
  errors: ({ error_ratio }) => error_ratio ?? -1,
  p99: ({ p99_seconds }) => p99_seconds ?? -1,
  under_way: ({ under_way }) => under_way ?? -1,
};

function Table({ services, alerts, cut }: { services: GoldenService[]; alerts: Map<string, number>; cut: string | null }) {
  const rates = useLately('rate', 1, STEP);
  const errors = useLately('errors', 1, STEP);
  const p99 = useLately('p99', 1, STEP);
  const sort = place.value.query.get('sort') ?? 'errors';
  const by = SORTS[sort];
  const rows = [...services].sort((a, b) => (by ? by(b) - by(a) : 0) || a.name.localeCompare(b.name));
  if (rows.length === 0) return <NoServices />;
  return (
    <>
      {cut && <p class="note" data-testid="cut">{cut}</p>}
      <div class="scroll">
        <table class="list golden">
          <thead>
            <tr>
              <Head name="name" title="Service" now={sort} />
              <Head name="rate" title="Requests" now={sort} />
              <Lately />
              <Head name="errors" title="Errors" now={sort} />
              <Lately />
              <th scope="col" class="number">p50</th>
              <th scope="col" class="number">p95</th>
              <Head name="p99" title="p99" now={sort} />
              <Lately />
              <Head name="under_way" title="Under way" now={sort} help="Calls under way on average: how saturated the service itself is" />
              <th scope="col" class="apart">Alerts</th>
            </tr>
          </thead>
          <tbody>
            {rows.map((service) => <ServiceRow key={service.name} {...{ service, rates, errors, p99 }} alerts={alerts.get(service.name) ?? 0} />)}
          </tbody>
        </table>
      </div>
    </>
  );
}

const Lately = () => <th scope="col" class="spark-cell"><span class="hidden">lately</span></th>;

function Head({ name, title, now, help }: { name: string; title: string; now: string; help?: string }) {
  return (
    <th scope="col" class={name === 'name' ? '' : 'number'} aria-sort={name === now ? (name === 'name' ? 'ascending' : 'descending') : undefined} title={help}>
      <a class="quiet-link" href={hereWith({ sort: name === 'errors' ? undefined : name })}>{title}</a>
    </th>
  );
}

interface ServiceRowProps {
  service: GoldenService;
  rates: LatelyOf;
  errors: LatelyOf;
  p99: LatelyOf;
  alerts: number;
}

function ServiceRow({ service, rates, errors, p99, alerts }: ServiceRowProps) {
  const { name, rate_1m, rate_5m, rate_15m, error_ratio, p50_seconds, p95_seconds, p99_seconds, under_way } = service;
  return (
    <tr data-testid="service-row">
      <th scope="row"><a href={to.service(name)}>{name}</a></th>
      <td class="number" title={`5 min ${rate(rate_5m)}, 15 min ${rate(rate_15m)}`}>{rate(rate_1m)}</td>
      <td class="spark-cell"><Spark samples={rates.get(name) ?? []} /></td>
      <td class={`number ${errorHeat(error_ratio)}`}>{percent(error_ratio)}</td>
      <td class="spark-cell"><Spark samples={errors.get(name) ?? []} ceiling={0.05} /></td>
      <td class="number">{seconds(p50_seconds)}</td>
      <td class="number">{seconds(p95_seconds)}</td>
      <td class="number">{seconds(p99_seconds)}</td>
      <td class="spark-cell"><Spark samples={p99.get(name) ?? []} /></td>
      <td class="number">{compact(under_way)}</td>
      <td class="apart">{alerts > 0 ? <a href="/alerts" class="state state-firing">{alerts} firing</a> : <span class="muted">–</span>}</td>
    </tr>
  );
}
