// How it is going: what fires, and every service's rate, errors and durations.

import { withQuery, type Alert, type Change, type Golden, type Saturated, type Service } from '../api';
import { percent, rate, seconds } from '../format';
import { shownValue } from '../nodes/table';
import { AlertList, byUrgency, isFiring } from '../parts/alerts';
import { Changes } from '../parts/changes';
import { errorHeat } from '../parts/heat';
import { Panel, useTitle } from '../parts/panel';
import { Answer, Empty } from '../parts/state';
import { useResource } from '../resource';
import { quoted, spansOf, to } from '../router';
import { NoServices } from '../services/none';

const EVERY = 5000;

export function Overview() {
  const services = useResource<{ services: Service[] }>('/services', { every: EVERY });
  const alerts = useResource<{ alerts: Alert[] }>('/alerts', { every: EVERY });
  const golden = useResource<Golden>('/signals/golden', { every: 3 * EVERY });
  const changes = useResource<{ changes: Change[] }>(withQuery('/signals/changes', { start: '-1h', limit: 5 }), { every: 3 * EVERY });
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
      <Panel title="Services" aside={<>last minute, <a href="/services">all their signals</a></>}>
        <Answer of={services} what="services">
          {(data) => (data.services.length ? <ServiceTable services={data.services} /> : <NoServices />)}
        </Answer>
      </Panel>
      <div class="columns wide">
        <Panel title="Saturated now" aside={<a href="/nodes">all nodes</a>}>
          <Answer of={golden} what="what is saturated">{({ saturated }) => <Saturation saturated={saturated} />}</Answer>
        </Panel>
        <Panel title="Changed lately" aside={<a href="/services">all services</a>}>
          <Answer of={changes} what="changes">
            {(data) => (data.changes.length ? <Changes changes={data.changes} /> : <Empty><p>No service changed its version, image or replica set in the last hour.</p></Empty>)}
          </Answer>
        </Panel>
      </div>
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

const SATURATED_SHOWN = 5;

function Saturation({ saturated }: { saturated: Saturated[] }) {
  if (saturated.length === 0) return <Empty><p><span class="good">●</span> Nothing waits for a resource.</p></Empty>;
  return (
    <ul class="plain">
      {saturated.slice(0, SATURATED_SHOWN).map(({ metric, labels, unit, value, help }) => (
        <li key={`${metric} ${JSON.stringify(labels)}`} class="line" title={metric}><b>{shownValue({ metric, unit, value })}</b> <span>{Object.values(labels).join(' ')}</span> <span class="muted">{help}</span></li>
      ))}
    </ul>
  );
}
