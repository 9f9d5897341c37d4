// Alerts in a list: state, name, what it says, since when.

import type { Alert } from '../api';
import { instant, moment, since } from '../format';
import { to } from '../router';

export const isFiring = (alert: Alert): boolean => alert.state === 'firing' || alert.state === 'active';

export const nameOf = (alert: Alert): string => alert.labels['alertname'] ?? 'Alert without a name';

export const summaryOf = (alert: Alert): string => alert.annotations['summary'] ?? alert.annotations['description'] ?? '';

export const serviceOf = (alert: Alert): string | undefined =>
  alert.labels['service'] ?? alert.labels['service_name'] ?? alert.labels['job'];

const SEVERITIES = ['page', 'critical', 'error', 'warning', 'info'];

export function severityOf(alert: Alert): string {
  const severity = alert.labels['severity'] ?? '';
  return SEVERITIES.includes(severity) ? severity : 'other';
}

export function AlertState({ alert, testid }: { alert: Alert; testid?: string }) {
  const state = isFiring(alert) ? 'firing' : alert.state;
  return <span class={`state state-${state}`} data-testid={testid}>{state}</span>;
}

export function Severity({ alert }: { alert: Alert }) {
  const severity = alert.labels['severity'];
  return severity ? <span class={`severity severity-${severityOf(alert)}`}>{severity}</span> : null;
}

/** "firing for 4 min", or "resolved 2 h ago". */
export function Since({ alert }: { alert: Alert }) {
  if (!isFiring(alert) && alert.ends_at) {
    return <time class="muted" title={instant(alert.ends_at)}>resolved {moment(alert.ends_at)}</time>;
  }
  return <time class="muted" title={instant(alert.starts_at)}>for {since(alert.starts_at)}</time>;
}

export function AlertList({ alerts }: { alerts: Alert[] }) {
  return (
    <ul class="alerts">
      {alerts.map((alert) => (
        <li key={alert.fingerprint} class={isFiring(alert) ? `severity-${severityOf(alert)}` : 'calm'}>
          <a href={to.alert(alert.fingerprint)} data-testid="alert-row">
            <span class="line">
              <strong>{nameOf(alert)}</strong>
              <AlertState alert={alert} />
              {alert.suppressed && <span class="state state-suppressed">nobody is told</span>}
              <Severity alert={alert} />
              <Since alert={alert} />
            </span>
            {summaryOf(alert) && <span class="summary">{summaryOf(alert)}</span>}
            <span class="line small">
              {Object.entries(alert.labels)
                .filter(([name]) => name !== 'alertname' && name !== 'severity')
                .map(([name, value]) => <LabelChip key={name} name={name} value={value} />)}
            </span>
          </a>
        </li>
      ))}
    </ul>
  );
}

export function LabelChip({ name, value }: { name: string; value: string }) {
  return (
    <span class="chip">
      <span class="chip-name">{name}</span>
      <span class="chip-value">{value}</span>
    </span>
  );
}

/** Firing first, then the most serious, then the newest. */
export function byUrgency(alerts: Alert[]): Alert[] {
  const rank = (alert: Alert) => (isFiring(alert) ? 0 : 10) + (SEVERITIES.indexOf(severityOf(alert)) + 6) % 6;
  return [...alerts].sort((a, b) => rank(a) - rank(b) || b.starts_at - a.starts_at);
}
