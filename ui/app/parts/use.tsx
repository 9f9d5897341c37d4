// Utilisation, saturation and errors of what a node has, each with its last hour.

import type { LabelMap, UseSignal } from '../api';
import { inUnit } from '../format';
import { Spark } from './chart';

const RESOURCES = ['cpu', 'memory', 'disk', 'network'];
const METHODS = ['utilization', 'saturation', 'errors'];
const NODE_LABELS = ['host_name', 'instance', 'node', 'host'];

export function UseTable({ signals }: { signals: UseSignal[] }) {
  return (
    <>
      {[...byNode(signals)].map(([node, own]) => (
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
            {own.map((signal, index) => (
              <tr key={key(signal)} class={signal.resource === own[index - 1]?.resource ? '' : 'first'}>
                <th scope="row">{signal.resource === own[index - 1]?.resource ? '' : title(signal.resource)}</th>
                <td title={`${signal.help}\n${signal.metric}`}>
                  {signal.method}
                  <Rest labels={signal.labels} />
                </td>
                <td class={`number ${heat(signal)}`}>{inUnit(signal.value, signal.unit)}</td>
                <td><Spark samples={signal.samples ?? []} ceiling={isRatio(signal) ? 1 : undefined} /></td>
              </tr>
            ))}
          </tbody>
        </table>
      ))}
    </>
  );
}

const nodeOf = (signal: UseSignal): string => NODE_LABELS.map((name) => signal.labels[name]).find(Boolean) ?? '';

const key = (signal: UseSignal): string => `${signal.metric} ${JSON.stringify(signal.labels)}`;

const isRatio = (signal: UseSignal): boolean => signal.unit === 'ratio' || signal.unit === '1';

const title = (resource: string): string => (resource === 'cpu' ? 'CPU' : resource.charAt(0).toUpperCase() + resource.slice(1));

function byNode(signals: UseSignal[]): Map<string, UseSignal[]> {
  const rank = (signal: UseSignal) => RESOURCES.indexOf(signal.resource) * 10 + METHODS.indexOf(signal.method);
  const nodes = new Map<string, UseSignal[]>();
  for (const signal of [...signals].sort((a, b) => rank(a) - rank(b))) {
    const node = nodeOf(signal);
    nodes.set(node, [...(nodes.get(node) ?? []), signal]);
  }
  return nodes;
}

/** Which disk, which interface: the labels that do not name the node. */
function Rest({ labels }: { labels: LabelMap }) {
  const rest = Object.entries(labels).filter(([name]) => !NODE_LABELS.includes(name) && name !== '__name__' && name !== 'job');
  return rest.length ? <span class="muted small"> {rest.map(([, value]) => value).join(' ')}</span> : null;
}

/** Where a look is worth it: busy above 80 %, full above 95 %, any error at all. */
function heat({ method, unit, value }: UseSignal): string {
  if (value === null) return 'muted';
  if (method === 'errors') return value > 0 ? 'hot' : '';
  if (unit !== 'ratio' && unit !== '1') return '';
  return value >= 0.95 ? 'hot' : value >= 0.8 ? 'warm' : '';
}
