// Everything that is known about a request, line under line, in the order of time.

import { useMemo } from 'preact/hooks';
import type { Alert, Moment, MomentKind } from '../api';
import { instant, moment, nanoseconds, seconds } from '../format';
import { Panel } from '../parts/panel';
import { count } from '../parts/words';
import { hereWith, place, to } from '../router';
import { KINDS, leftOut, nameOf, periodOf, toggled, type Period } from './kinds';

/** From so many lines on, those out of view are not drawn. */
const LONG = 200;

interface TimelineProps {
  moments: Moment[];
  alerts: Alert[];
  cut: string | undefined;
}

export function Timeline({ moments, alerts, cut }: TimelineProps) {
  const out = leftOut(place.value.query.get('without'));
  const onlyBad = place.value.query.get('bad') === '1';
  const period = useMemo(() => periodOf(moments), [moments]);
  const shown = moments.filter(({ kind, is_bad }) => !out.has(kind) && (!onlyBad || is_bad));
  const counts = new Map<MomentKind, number>();
  for (const { kind } of moments) counts.set(kind, (counts.get(kind) ?? 0) + 1);
  const bad = moments.filter(({ is_bad }) => is_bad).length;
  return (
    <Panel title="In the order of time" testid="timeline" aside={shown.length < moments.length ? `${shown.length} of ${count(moments.length, 'moment')}` : count(moments.length, 'moment')}>
      {cut && <p class="note">Not everything: {cut}</p>}
      <div class="line kinds" role="group" aria-label="What is shown">
        {KINDS.filter(([kind]) => counts.has(kind)).map(([kind, name]) => (
          <a key={kind} href={hereWith({ without: toggled(out, kind) })} class={`kind kind-${kind}`} role="switch" aria-checked={!out.has(kind)} data-testid={`kind-${kind}`}>{name} {counts.get(kind)}</a>
        ))}
        {bad > 0 && <a href={hereWith({ bad: onlyBad ? undefined : 1 })} class="kind hot" role="switch" aria-checked={onlyBad} data-testid="only-bad">only what is bad {bad}</a>}
      </div>
      <ol class={shown.length > LONG ? 'timeline long' : 'timeline'}>
        {shown.map((one, index) => <Line key={index} {...{ one, period, alerts }} />)}
      </ol>
      {shown.length === 0 && <p class="muted">Nothing of what is chosen. <a href={hereWith({ without: undefined, bad: undefined })}>Show all of it</a></p>}
    </Panel>
  );
}

function Line({ one, period, alerts }: { one: Moment; period: Period | null; alerts: Alert[] }) {
  const { time, kind, service, is_bad, duration_nanos } = one;
  return (
    <li class={is_bad ? `moment moment-${kind} bad` : `moment moment-${kind}`} data-testid="moment" data-kind={kind}>
      <time title={instant(time)}>{moment(time, true)}</time>
      <span class="muted offset">{period && offset(time - period.start)}</span>
      <span class={`kind kind-${kind}`}>{nameOf(kind)}</span>
      <span class="origin">{service ? <a href={to.service(service)}>{service}</a> : '–'}</span>
      <span class="text">{linked(one, alerts)}</span>
      <span class="number muted">{duration_nanos !== undefined && nanoseconds(duration_nanos)}</span>
      <span class="when" aria-hidden="true">{period && <When {...{ time, period }} length={duration_nanos ?? 0} />}</span>
    </li>
  );
}

function When({ time, length, period }: { time: number; length: number; period: Period }) {
  const all = Math.max(period.end - period.start, 1);
  if (time + length < period.start) return <i class="before">◂</i>;
  if (time > period.end) return <i class="after">▸</i>;
  const left = Math.max(0, ((time - period.start) / all) * 100);
  return <i style={{ left: `${left}%`, width: `${Math.min(100 - left, (length / all) * 100)}%` }} />;
}

/** "+3.1 ms", or "−2 min" of what came before it. */
const offset = (nanos: number): string => (nanos < 0 ? `−${seconds(-nanos / 1e9)}` : `+${nanoseconds(nanos)}`);

function linked({ kind, text, trace_id, span_id, service }: Moment, alerts: Alert[]) {
  if (trace_id) return <a href={to.trace(trace_id, span_id)}>{text}</a>;
  if (kind !== 'alert' && kind !== 'alert_end') return text;
  const alert = alerts.find(({ labels }) => text.startsWith(`${labels['alertname']} `) && (labels['service'] ?? '') === service);
  return alert ? <a href={to.alert(alert.fingerprint)}>{text}</a> : text;
}
