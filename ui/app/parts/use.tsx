// Utilisation, saturation and errors of what a node has, each with its last hour.

import { useState } from 'preact/hooks';
import type { UseSignal } from '../api';
import { aspectOf, heatOf, placeOf, restOf } from '../nodes/places';
import { shownValue } from '../nodes/table';
import { Spark } from './chart';

const RESOURCES = ['cpu', 'memory', 'disk', 'network'];
const METHODS = ['utilization', 'saturation', 'errors'];

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
        <span class="muted small">{[aspectOf(signal), ...restOf(signal.labels)].map((word) => word && ` ${word}`)}</span>
      </td>
      <td class={`number ${heatOf(signal)}`}>{shownValue(signal)}</td>
      <td><Spark samples={signal.samples ?? []} ceiling={isRatio(signal) ? 1 : undefined} /></td>
    </tr>
  );
}

function busiest(signals: UseSignal[]): UseSignal[] {
  const shown = new Map<string, number>();
  return signals.filter(({ metric }) => {
    const count = shown.get(metric) ?? 0;
    shown.set(metric, count + 1);
    return count < ALIKE_FIRST;
  });
}

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
    const node = placeOf(signal.labels);
    nodes.set(node, [...(nodes.get(node) ?? []), signal]);
  }
  return nodes;
}
