// Every alert: what fires, then what was resolved lately.

import type { Alert } from '../api';
import { AlertList, byUrgency, isFiring } from '../parts/alerts';
import { Panel, useTitle } from '../parts/panel';
import { Answer, Empty } from '../parts/state';
import { useResource } from '../resource';

export function Alerts() {
  const alerts = useResource<{ alerts: Alert[] }>('/alerts', { every: 5000 });
  useTitle('Alerts');
  return (
    <>
      <h1 class="hidden">Alerts</h1>
      <Answer of={alerts} what="alerts">{(data) => <Sorted alerts={byUrgency(data.alerts)} />}</Answer>
    </>
  );
}

function Sorted({ alerts }: { alerts: Alert[] }) {
  const firing = alerts.filter(isFiring);
  const others = alerts.filter((alert) => !isFiring(alert));
  return (
    <>
      <Panel title="Firing" aside={`${firing.length}`}>
        {firing.length ? <AlertList alerts={firing} /> : <Empty><p><span class="good">●</span> Nothing fires.</p></Empty>}
      </Panel>
      {others.length > 0 && <Panel title="Quiet or resolved lately" aside={`${others.length}`}><AlertList alerts={others} /></Panel>}
    </>
  );
}
