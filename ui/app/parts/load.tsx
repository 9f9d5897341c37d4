// How busy the nodes, pods and containers were that a request ran on: what was worst first.

import { useState } from 'preact/hooks';
import type { Load } from '../api';
import { aspectOf, heatOf, placeOf, restOf } from '../nodes/places';
import { named, shownValue } from '../nodes/table';

const SHOWN = 8;
const HEAT = ['hot', 'warm', '', 'muted'];
const METHODS = ['saturation', 'utilization', 'errors'];

export function LoadTable({ load }: { load: Load[] }) {
  const [whole, setWhole] = useState(false);
  const rank = (one: Load) => HEAT.indexOf(heatOf(one)) * 10 + (one.unit === 'ratio' ? 0 : 5) + METHODS.indexOf(one.method);
  const sorted = [...load].sort((a, b) => rank(a) - rank(b) || b.value - a.value);
  const shown = whole ? sorted : sorted.slice(0, SHOWN);
  return (
    <>
      <table class="list">
        <tbody>
          {shown.map((one) => (
            <tr key={`${one.metric} ${JSON.stringify(one.labels)}`} title={`${one.help}\n${one.metric}`} data-testid="load-row">
              <th scope="row">{named(one.resource)} {one.method} <span class="muted small">{[aspectOf(one), ...restOf(one.labels)].join(' ')}</span></th>
              <td class="muted">{placeOf(one.labels)}</td>
              <td class={`number ${heatOf(one)}`}>{shownValue(one)}</td>
            </tr>
          ))}
        </tbody>
      </table>
      {sorted.length > SHOWN && <button type="button" class="more" onClick={() => setWhole(!whole)}>{whole ? 'Only the busiest' : `${sorted.length - SHOWN} quieter ones`}</button>}
    </>
  );
}
