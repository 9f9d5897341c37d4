// The machines: for each node, pod or container how busy its resources are, what waits for
// them, what fails; what is saturated first.

import type { Golden, Saturated, UseSignal } from '../api';
import { withQuery } from '../api';
import { aspectOf, columnsOf, heatOf, placeOf, placesOf, queriesOf, restOf, SCOPES, type Place, type Scope } from '../nodes/places';
import { named, PlaceTable, shownValue } from '../nodes/table';
import { Panel, useTitle } from '../parts/panel';
import { Answer, Empty } from '../parts/state';
import { UseTable } from '../parts/use';
import { count } from '../parts/words';
import { useResource } from '../resource';
import { hereWith, place, to } from '../router';

const EVERY = 15_000;
const SATURATED_SHOWN = 8;

export function Nodes() {
  const { query } = place.value;
  const scope = SCOPES.find((one) => one === query.get('scope')) ?? 'node';
  const golden = useResource<Golden>('/signals/golden', { every: EVERY });
  const answer = useResource<{ signals: UseSignal[]; cut?: string | null }>(withQuery('/signals/use', { scope, start: '-15m' }), { every: EVERY });
  useTitle('Nodes');
  return (
    <>
      <h1 class="hidden">Nodes, pods and containers</h1>
      <Panel title="Saturated now, most of it first" testid="saturated">
        <Answer of={golden} what="what is saturated">{({ saturated, cut }) => <SaturatedList {...{ saturated, cut }} />}</Answer>
      </Panel>
      <nav class="views" aria-label="Whose resources">
        {SCOPES.map((one) => (
          <a key={one} href={hereWith({ scope: one === 'node' ? undefined : one, of: undefined, sort: undefined })} data-testid={`scope-${one}`} aria-current={one === scope ? 'page' : undefined}>{TITLES[one]}</a>
        ))}
      </nav>
      <Answer of={answer} what={TITLES[scope].toLowerCase()}>
        {({ signals, cut }) => (signals.length ? <Places {...{ scope, signals }} cut={cut ?? null} /> : <Nothing scope={scope} />)}
      </Answer>
    </>
  );
}

const TITLES: Record<Scope, string> = { node: 'Nodes', pod: 'Pods', container: 'Containers' };

function SaturatedList({ saturated, cut }: { saturated: Saturated[]; cut: string | null }) {
  if (saturated.length === 0) return <Empty><p><span class="good">●</span> Nothing waits for a resource.</p></Empty>;
  return (
    <>
      {cut && <p class="note">{cut}</p>}
      <ul class="saturated">
        {saturated.slice(0, SATURATED_SHOWN).map(({ metric, unit, help, labels, value }) => {
          const [scope, resource = ''] = [metric.split(':')[0], metric.split(':')[1]?.split('_')[0]];
          const shown = { metric, resource, method: 'saturation', unit, value };
          return (
            <li key={`${metric} ${JSON.stringify(labels)}`} class={heatOf(shown)} data-testid="saturated-row" title={help}>
              <b class="number">{shownValue(shown)}</b>
              <a href={hereWith({ scope: scope === 'node' ? undefined : scope, of: placeOf(labels) })}>{placeOf(labels) || 'this node'}</a>
              <span class="muted">{[named(resource), aspectOf(shown), ...restOf(labels)].filter(Boolean).join(' ')}</span>
            </li>
          );
        })}
        {saturated.length > SATURATED_SHOWN && <li class="muted">and {saturated.length - SATURATED_SHOWN} more</li>}
      </ul>
    </>
  );
}

function Places({ scope, signals, cut }: { scope: Scope; signals: UseSignal[]; cut: string | null }) {
  const { query } = place.value;
  const columns = columnsOf(signals);
  const sort = columns.find(({ metric }) => metric === query.get('sort'))?.metric;
  const places = placesOf(signals, sort);
  const open = places.find(({ name }) => name === query.get('of'));
  return (
    <>
      <Panel title={count(places.length, scope)} aside={sort ? <a href={hereWith({ sort: undefined })}>what waits most first</a> : 'what waits most first'} testid="places">
        {cut && <p class="note" data-testid="cut">{cut}</p>}
        <PlaceTable {...{ title: TITLES[scope].replace(/s$/, ''), columns, places, sort }} open={open} sortable />
      </Panel>
      {open && <Details scope={scope} of={open} />}
    </>
  );
}

function Details({ scope, of }: { scope: Scope; of: Place }) {
  const { lines, spans } = queriesOf(scope, of);
  return (
    <Panel
      title={of.name || 'This node'}
      testid="place-details"
      aside={(
        <span class="line">
          <a href={to.logs(lines)}>logs</a>
          <a href={to.traces(spans)}>traces</a>
          <a href={hereWith({ of: undefined })}>close</a>
        </span>
      )}
    >
      <UseTable signals={of.signals} />
    </Panel>
  );
}

function Nothing({ scope }: { scope: Scope }) {
  return (
    <Empty>
      {scope === 'node' ? (
        <>
          <p><strong>No agent reports a node's metrics.</strong></p>
          <p>Run <code>sonde agent</code> on every node; within half a minute each one stands here.</p>
        </>
      ) : (
        <>
          <p><strong>No {scope} is measured.</strong></p>
          <p>Let the agent scrape the kubelets' cAdvisor (<code>/metrics/cadvisor</code>): <code>container_cpu_*</code>, <code>container_memory_*</code>, <code>container_network_*</code> become what stands here.</p>
        </>
      )}
    </Empty>
  );
}
