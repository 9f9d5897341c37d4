// What a request waited for, operation by operation: the critical path, summed up.

import type { CriticalPath } from '../api';
import { nanoseconds, percent } from '../format';
import { to } from '../router';
import { Panel } from './panel';

export function Waited({ path }: { path: CriticalPath }) {
  return (
    <Panel title="What it waited for" aside={nanoseconds(path.duration_nanos)} testid="waited">
      {path.cut && <p class="note">{path.cut}</p>}
      <table class="list">
        <tbody>
          {path.operations.map(({ service, name, nanos, share }) => (
            <tr key={`${service} ${name}`} data-testid="waited-row">
              <th scope="row" class="wide-text"><a href={to.service(service)}><b>{service}</b></a> {name}</th>
              <td class="meter"><i style={{ width: `${share * 100}%` }} /></td>
              <td class="number">{percent(share)}</td>
              <td class="number">{nanoseconds(nanos)}</td>
            </tr>
          ))}
        </tbody>
      </table>
    </Panel>
  );
}
