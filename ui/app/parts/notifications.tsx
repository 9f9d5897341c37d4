// Who was told, through what, and whether it got there.

import type { Notification } from '../api';
import { instant, moment } from '../format';

export function Notifications({ notifications }: { notifications: Notification[] }) {
  return (
    <div class="scroll">
      <table class="list" data-testid="notifications">
        <thead>
          <tr>
            <th scope="col">Time</th>
            <th scope="col">Receiver</th>
            <th scope="col">Through</th>
            <th scope="col">Said</th>
            <th scope="col">Outcome</th>
          </tr>
        </thead>
        <tbody>
          {notifications.map((sent) => (
            <tr key={`${sent.time} ${sent.receiver} ${sent.integration}`} data-testid="notification-row">
              <td title={instant(sent.time)}>{moment(sent.time)}</td>
              <td>{sent.receiver}</td>
              <td>{sent.integration}</td>
              <td>{sent.status}</td>
              <td>
                <span class={`state state-${sent.outcome}`}>{sent.outcome}</span>
                {sent.attempts > 1 && <span class="muted"> after {sent.attempts} attempts</span>}
                {sent.error && <div class="hot small">{sent.error}</div>}
              </td>
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  );
}
