// How it is going: what fires, and every service's rate, errors and durations.

import type { Alert, Edge, Service } from '../api';
import { percent, rate, seconds } from '../format';
import { AlertList, byUrgency, isFiring } from '../parts/alerts';
import { Panel, useTitle } from '../parts/panel';
import { Answer, Empty } from '../parts/state';
import { useResource } from '../resource';
import { quoted, spansOf, to } from '../router';

const EVERY = 5000;

export function Overview() {
  const services = useResource<{ services: Service[] }>('/services', { every: EVERY });
  const alerts = useResource<{ alerts: Alert[] }>('/alerts', { every: EVERY });
  const graph = useResource<{ edges: Edge[] }>('/signals/graph', { every: 3 * EVERY });
  const firing = byUrgency((alerts.data?.alerts ?? []).filter(isFiring));
  useTitle(firing.length ? `(${firing.length}) Overview` : 'Overview');
  return (
    <>
      <h1 class="hidden">Overview</h1>
      <Panel title="Firing now" aside={<a href="/alerts">all alerts</a>}>
        <Answer of={alerts} what="alerts">
          {() => (firing.length ? <AlertList alerts={firing} /> : <Empty><p><span class="good">●</span> Nothing fires.</p></Empty>)}
        </Answer>
      </Panel>
      <Panel title="Services" aside="last minute">
        <Answer of={services} what="services">
          {(data) => (data.services.length ? <ServiceTable services={data.services} /> : <NoServices />)}
        </Answer>
      </Panel>
      {graph.data && graph.data.edges.length > 0 && (
        <Panel title="Who calls whom" aside="last minute"><Edges edges={graph.data.edges} /></Panel>
      )}
    </>
  );
}

function ServiceTable({ services }: { services: Service[] }) {
  const busiest = Math.max(...services.map((service) => service.rate ?? 0), 1e-9);
  return (
    <div class="scroll">
      <table class="list">
        <thead>
          <tr>
            <th scope="col">Service</th>
            <th scope="col" class="number">Requests</th>
            <th scope="col" class="meter-head" />
            <th scope="col" class="number">Errors</th>
            <th scope="col" class="number">p50</th>
            <th scope="col" class="number">p95</th>
            <th scope="col" class="number">p99</th>
            <th scope="col" class="apart">Alerts</th>
            <th scope="col"><span class="hidden">Signals</span></th>
          </tr>
        </thead>
        <tbody>
          {services.map((service) => (
            <tr key={service.name} data-testid="service-row">
              <th scope="row"><a href={to.service(service.name)}>{service.name}</a></th>
              <td class="number">{rate(service.rate)}</td>
              <td class="meter">{service.rate ? <i style={{ width: `${(service.rate / busiest) * 100}%` }} /> : null}</td>
              <td class={`number ${errorHeat(service.error_ratio)}`}>{percent(service.error_ratio)}</td>
              <td class="number">{seconds(service.p50_seconds)}</td>
              <td class="number">{seconds(service.p95_seconds)}</td>
              <td class="number">{seconds(service.p99_seconds)}</td>
              <td class="apart">{service.alerts > 0 ? <a href="/alerts" class="state state-firing">{service.alerts} firing</a> : <span class="muted">–</span>}</td>
              <td class="signals">
                <a href={to.traces(spansOf(service.name))}>traces</a>
                <a href={to.logs(`{service_name=${quoted(service.name)}}`)}>logs</a>
              </td>
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  );
}

export const errorHeat = (ratio: number | null): string => (ratio === null ? 'muted' : ratio >= 0.05 ? 'hot' : ratio >= 0.01 ? 'warm' : '');

export function Edges({ edges }: { edges: Edge[] }) {
  return (
    <div class="scroll">
      <table class="list">
        <thead>
          <tr>
            <th scope="col">From</th>
            <th scope="col">To</th>
            <th scope="col" class="number">Requests</th>
            <th scope="col" class="number">Failed</th>
            <th scope="col" class="number">p95</th>
          </tr>
        </thead>
        <tbody>
          {edges.map((edge) => (
            <tr key={`${edge.client} ${edge.server}`}>
              <td><a href={to.service(edge.client)}>{edge.client}</a></td>
              <td><span class="muted">→ </span><a href={to.service(edge.server)}>{edge.server}</a></td>
              <td class="number">{rate(edge.rate)}</td>
              <td class={`number ${errorHeat(edge.failed_ratio)}`}>{percent(edge.failed_ratio)}</td>
              <td class="number">{seconds(edge.p95_seconds)}</td>
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  );
}

function NoServices() {
  return (
    <Empty>
      <p><strong>No service has sent spans yet.</strong></p>
      <p>Point an OpenTelemetry SDK here and the first request shows up within seconds:</p>
      <pre>OTEL_EXPORTER_OTLP_ENDPOINT=http://{window.location.hostname}:4317</pre>
    </Empty>
  );
}
