// What slow traces have that others do not, or those that failed: the attributes, and the
// operations that were waited for.

import { withQuery, type Comparison } from '../api';
import { nanoseconds, percent } from '../format';
import { Panel } from '../parts/panel';
import { Answer, Empty } from '../parts/state';
import { count } from '../parts/words';
import { useResource } from '../resource';
import { to } from '../router';
import { hrefOf, type Asked } from './asked';
import { has, narrowed } from './traceql';

export function Compare({ now }: { now: Asked }) {
  const of = now.view === 'failed' ? 'failed' : 'slow';
  const answer = useResource<Comparison>(withQuery('/signals/compare', { query: now.query || '{ }', of, start: `-${now.range}` }));
  return <Answer of={answer} what="the comparison">{(data) => <Compared now={now} data={data} />}</Answer>;
}

function Compared({ now, data }: { now: Asked; data: Comparison }) {
  const { slow, others, attributes, operations, cut } = data;
  const failed = data.of === 'failed';
  const own = failed ? 'Failed' : 'Slow';
  if (slow < 2 || others < 1) {
    return (
      <Empty>
        <p><strong>There is too little to compare: {count(slow, failed ? 'failed trace' : 'slow trace')}, {count(others, 'other')}.</strong></p>
        <p>{failed && data.found > 0 ? 'All of them failed, or nearly none did. ' : ''}Widen the range or the query. {cut}</p>
      </Empty>
    );
  }
  return (
    <>
      <p class="found" role="status" data-testid="compared">
        Of the newest {count(data.found, 'trace')}, {failed
          ? <>{slow} that failed beside {others} that did not.</>
          : <>{slow} that took {nanoseconds(data.slow_nanos ?? 0)} or longer beside {others} that took at most {nanoseconds(data.others_nanos ?? 0)}.</>}
        {' '}<span class="muted">This tells what goes together with it, not what causes it.</span>
      </p>
      {cut && <p class="note" data-testid="cut">The answer is not complete: {cut}</p>}
      <Panel title={`What ${own.toLowerCase()} ones have more often`} testid="compare-attributes">
        {attributes.length ? (
          <div class="scroll">
            <table class="list">
              <thead>
                <tr><th scope="col">Attribute</th><th scope="col" class="number">{own}</th><th scope="col" class="meter-head" /><th scope="col" class="number">Others</th><th scope="col" class="meter-head" /></tr>
              </thead>
              <tbody>
                {attributes.map(({ name, value, slow, others }) => (
                  <tr key={`${name}=${value}`} data-testid="compare-attribute">
                    <th scope="row" class="wide-text"><a href={hrefOf(now, { query: narrowed(now.query, has(name, value)), view: 'traces', took: null })}><span class="muted">{name}</span> {value}</a></th>
                    <td class="number">{percent(slow)}</td>
                    <td class="meter hot-meter"><i style={{ width: `${slow * 100}%` }} /></td>
                    <td class="number">{percent(others)}</td>
                    <td class="meter"><i style={{ width: `${others * 100}%` }} /></td>
                  </tr>
                ))}
              </tbody>
            </table>
          </div>
        ) : <Empty><p>No attribute tells them apart: both have the same. Look at what was waited for.</p></Empty>}
      </Panel>
      {operations.length > 0 && <Waited {...{ operations, own }} />}
    </>
  );
}

function Waited({ operations, own }: Pick<Comparison, 'operations'> & { own: string }) {
  const longest = Math.max(...operations.map(({ slow_nanos, others_nanos }) => Math.max(slow_nanos, others_nanos)), 1);
  return (
    <Panel title="What they waited for" aside="on the critical path, on average" testid="compare-operations">
      <div class="scroll">
        <table class="list">
          <thead>
            <tr><th scope="col">Operation</th><th scope="col" class="number">{own}</th><th scope="col" class="meter-head" /><th scope="col" class="number">Others</th><th scope="col" class="meter-head" /><th scope="col" class="number">Longer by</th></tr>
          </thead>
          <tbody>
            {operations.map(({ service, name, slow_nanos, others_nanos, difference_nanos }) => (
              <tr key={`${service} ${name}`} data-testid="compare-operation">
                <th scope="row"><a href={to.service(service)}><b>{service}</b></a> {name}</th>
                <td class="number">{nanoseconds(slow_nanos)}</td>
                <td class="meter hot-meter"><i style={{ width: `${(slow_nanos / longest) * 100}%` }} /></td>
                <td class="number">{nanoseconds(others_nanos)}</td>
                <td class="meter"><i style={{ width: `${(others_nanos / longest) * 100}%` }} /></td>
                <td class={difference_nanos > 0 ? 'number' : 'number muted'}>{nanoseconds(difference_nanos)}</td>
              </tr>
            ))}
          </tbody>
        </table>
      </div>
    </Panel>
  );
}
