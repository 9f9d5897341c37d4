// What changed in the software, and when.

import type { Change } from '../api';
import { instant, moment } from '../format';
import { to } from '../router';

export function Changes({ changes }: { changes: Change[] }) {
  return (
    <ul class="plain" data-testid="changes">
      {changes.map((change) => (
        <li key={`${change.time} ${change.service} ${change.attribute} ${change.after}`} class="line" data-testid="change">
          <time class="muted" title={instant(change.time)}>{moment(change.time)}</time>
          <a href={to.service(change.service)}><b>{change.service}</b></a>
          <span><span class="muted">{change.attribute}</span> {change.before} → <b>{change.after}</b></span>
        </li>
      ))}
    </ul>
  );
}
