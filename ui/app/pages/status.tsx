// How the collector itself is doing: how far its readers are, what its stores hold.

import { useState } from 'preact/hooks';
import { setTenant, tenant } from '../api';
import { bytes, compact, instant, moment, since } from '../format';
import { Panel, useTitle } from '../parts/panel';
import { Answer } from '../parts/state';
import { useResource } from '../resource';

interface StatusAnswer {
  version: string;
  started: number;
  now: number;
  journal: Record<string, { first: number; end: number; applied: number; failed?: boolean; troubles?: string[] }>;
  stores: Record<string, Record<string, unknown>>;
  agent: Record<string, unknown> | null;
  alerts: { firing: number; notifications_sent: number; notifications_failed: number };
}

export function Status() {
  const answer = useResource<StatusAnswer>('/status', { every: 5000 });
  useTitle('Status');
  return (
    <>
      <h1 class="hidden">Status</h1>
      <Answer of={answer} what="the status">{(data) => <Everything {...data} />}</Answer>
      <TenantBox />
    </>
  );
}

function Everything({ version, started, now, journal, stores, agent, alerts }: StatusAnswer) {
  return (
    <>
      <Panel title={`Sonde ${version}`} aside={<a href="/metrics" rel="external">metrics</a>}>
        <dl class="facts">
          <div><dt>running for</dt><dd title={instant(started)}>{since(started, now)}</dd></div>
          <div><dt>alerts firing</dt><dd>{alerts.firing}</dd></div>
          <div><dt>notifications sent</dt><dd>{compact(alerts.notifications_sent)}</dd></div>
          <div><dt>notifications failed</dt><dd class={alerts.notifications_failed ? 'hot' : ''}>{compact(alerts.notifications_failed)}</dd></div>
        </dl>
      </Panel>
      <Panel title="Journal">
        <table class="list">
          <thead>
            <tr>
              <th scope="col">Partition</th>
              <th scope="col" class="number">Kept from</th>
              <th scope="col" class="number">Durable to</th>
              <th scope="col" class="number">Searchable to</th>
              <th scope="col" class="number">Behind</th>
            </tr>
          </thead>
          <tbody>
            {Object.entries(journal).map(([name, { first, end, applied }]) => (
              <tr key={name}>
                <th scope="row">{name}</th>
                <td class="number">{first.toLocaleString('en')}</td>
                <td class="number">{end.toLocaleString('en')}</td>
                <td class="number">{applied.toLocaleString('en')}</td>
                <td class={end - applied > 1000 ? 'number warm' : 'number'}>{Math.max(0, end - applied).toLocaleString('en')}</td>
              </tr>
            ))}
          </tbody>
        </table>
        {Object.entries(journal).flatMap(([name, { failed, troubles }]) => [
          ...(failed ? [`${name}: its consumer has ended; restart the collector`] : []),
          ...(troubles ?? []).map((trouble) => `${name}: ${trouble}`),
        ]).map((text) => <p key={text} class="note hot">{text}</p>)}
      </Panel>
      <div class="columns">
        {Object.entries(stores).map(([name, stats]) => <Panel key={name} title={`Store: ${name}`}><Facts of={stats} /></Panel>)}
        {agent && <Panel title="Agent in this process"><Facts of={agent} /></Panel>}
      </div>
    </>
  );
}

/** Whatever a room reports about itself, in the order it reports it. */
function Facts({ of }: { of: Record<string, unknown> }) {
  return (
    <table class="attributes">
      <tbody>
        {Object.entries(of).map(([name, value]) => (
          <tr key={name}>
            <th scope="row">{name.replaceAll('_', ' ')}</th>
            <td>{value !== null && typeof value === 'object' && !Array.isArray(value)
              ? <Facts of={value as Record<string, unknown>} />
              : worded(name, value)}</td>
          </tr>
        ))}
      </tbody>
    </table>
  );
}

function worded(name: string, value: unknown): string {
  if (value === null || value === undefined) return '–';
  if (typeof value !== 'number') return typeof value === 'string' ? value : JSON.stringify(value);
  if (value > 1e17) return moment(value);
  if (/bytes/.test(name)) return bytes(value);
  return value.toLocaleString('en');
}

function TenantBox() {
  const [text, setText] = useState(tenant());
  return (
    <Panel title="Tenant" aside="kept in this browser">
      <form
        class="query"
        onSubmit={(event) => {
          event.preventDefault();
          setTenant(text.trim());
          window.location.reload();
        }}
      >
        <input aria-label="Tenant" placeholder="default" value={text} spellcheck={false} onInput={(event) => setText(event.currentTarget.value)} />
        <button type="submit">Show this tenant</button>
      </form>
    </Panel>
  );
}
