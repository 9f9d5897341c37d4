// Utilisation, saturation and errors of what a node has, each with its last hour.

import { useState } from 'preact/hooks';
import type { LabelMap, UseSignal } from '../api';
import { inUnit } from '../format';
import { Spark } from './chart';

const RESOURCES = ['cpu', 'memory', 'disk', 'network'];
const METHODS = ['utilization', 'saturation', 'errors'];
const NODE_LABELS = ['host_name', 'instance', 'node', 'host'];

/** How many disks, file systems or interfaces are shown of one signal, busiest first. */
const ALIKE_FIRST = 3;

export function UseTable({ signals }: { signals: UseSignal[] }) {
  const [whole, setWhole] = useState(false);
  return (
    <>
      {[...byNode(signals)].map(([node, own]) => {
        const rows = whole ? own : busiest(own);
        return (
          <table class="use" key={node}>
            <caption>{node || 'this node'}</caption>
            <thead>
              <tr>
                <th scope="col">Resource</th>
                <th scope="col">Signal</th>
                <th scope="col" class="number">Now</th>
                <th scope="col">Lately</th>
              </tr>
            </thead>
            <tbody>
              {rows.map((signal, index) => <UseRow key={key(signal)} signal={signal} first={signal.resource !== rows[index - 1]?.resource} />)}
            </tbody>
            {(whole || rows.length < own.length) && (
              <tfoot>
                <tr><td colSpan={4}><button type="button" class="more" onClick={() => setWhole(!whole)}>{whole ? 'Only the busiest' : `${own.length - rows.length} quieter ones`}</button></td></tr>
              </tfoot>
            )}
          </table>
        );
      })}
    </>
  );
}

function UseRow({ signal, first }: { signal: UseSignal; first: boolean }) {
  return (
    <tr class={first ? 'first' : ''}>
      <th scope="row">{first ? title(signal.resource) : ''}</th>
      <td title={`${signal.help}\n${signal.metric}`}>
        {signal.method}
        <span class="muted small">{aspect(signal)}<Rest labels={signal.labels} /></span>
      </td>
      <td class={`number ${heat(signal)}`}>{inUnit(signal.value, signal.unit)}</td>
      <td><Spark samples={signal.samples ?? []} ceiling={isRatio(signal) ? 1 : undefined} /></td>
    </tr>
  );
}

/** What tells signals of one method apart: `load` in `node:cpu_load:ratio`. */
function aspect({ metric, resource, method }: UseSignal): string {
  const words = (metric.split(':')[1] ?? '').split('_').filter((word) => word !== resource && word !== method);
  return words.length ? ` ${words.join(' ')}` : '';
}

function busiest(signals: UseSignal[]): UseSignal[] {
  const shown = new Map<string, number>();
  return signals.filter(({ metric }) => {
    const count = shown.get(metric) ?? 0;
    shown.set(metric, count + 1);
    return count < ALIKE_FIRST;
  });
}

const nodeOf = (signal: UseSignal): string => NODE_LABELS.map((name) => signal.labels[name]).find(Boolean) ?? '';

const key = (signal: UseSignal): string => `${signal.metric} ${JSON.stringify(signal.labels)}`;

const isRatio = (signal: UseSignal): boolean => signal.unit === 'ratio' || signal.unit === '1';

const title = (resource: string): string => (resource === 'cpu' ? 'CPU' : resource.charAt(0).toUpperCase() + resource.slice(1));

function byNode(signals: UseSignal[]): Map<string, UseSignal[]> {
  const rank = (signal: UseSignal) => RESOURCES.indexOf(signal.resource) * 10 + METHODS.indexOf(signal.method);
  const metrics = [...new Set(signals.map(({ metric }) => metric))];
  const order = (a: UseSignal, b: UseSignal) =>
    rank(a) - rank(b) || metrics.indexOf(a.metric) - metrics.indexOf(b.metric) || (b.value ?? 0) - (a.value ?? 0);
  const nodes = new Map<string, UseSignal[]>();
  for (const signal of [...signals].sort(order)) {
    const node = nodeOf(signal);
    nodes.set(node, [...(nodes.get(node) ?? []), signal]);
  }
  return nodes;
}

/** Which disk, which interface: the labels that do not name the node. */
function Rest({ labels }: { labels: LabelMap }) {
  const rest = Object.entries(labels).filter(([name]) => !NODE_LABELS.includes(name) && name !== '__name__' && name !== 'job');
  return rest.length ? <> {rest.map(([, value]) => value).join(' ')}</> : null;
}

/** Where a look is worth it: busy above 80 %, full above 95 %, any error at all. */
function heat({ method, unit, value }: UseSignal): string {
  if (value === null) return 'muted';
  if (method === 'errors') return value > 0 ? 'hot' : '';
  if (unit !== 'ratio' && unit !== '1') return '';
  return value >= 0.95 ? 'hot' : value >= 0.8 ? 'warm' : '';
}
