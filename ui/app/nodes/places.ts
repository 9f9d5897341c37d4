// Nodes, pods and containers: each with how busy it is, how much waits for it, what fails.

import type { LabelMap, UseSignal } from '../api';
import { quoted } from '../router';

export const SCOPES = ['node', 'pod', 'container'] as const;
export type Scope = (typeof SCOPES)[number];

const RESOURCES = ['cpu', 'memory', 'disk', 'network'];
const METHODS = ['utilization', 'saturation', 'errors'];
const NODE_LABELS = ['host_name', 'instance', 'node', 'host'];
const POD_LABELS = ['namespace', 'pod', 'container'];

/** What a signal is of: its node, or its pod or container within the namespace. */
export function placeOf(labels: LabelMap): string {
  if (labels['pod']) return POD_LABELS.map((name) => labels[name]).filter(Boolean).join('/');
  return NODE_LABELS.map((name) => labels[name]).find(Boolean) ?? '';
}

/** What finds the lines and the traces of a place: a pod's name may be in several namespaces. */
export function queriesOf(scope: Scope, { name, signals }: Pick<Place, 'name' | 'signals'>): { lines: string; spans: string } {
  const { namespace = '', pod = '' } = signals[0]?.labels ?? {};
  const named: [string, string, string][] = scope === 'node'
    ? [['host_name', 'host.name', name]]
    : [['k8s_pod_name', 'k8s.pod.name', pod], ['k8s_namespace_name', 'k8s.namespace.name', namespace]];
  const given = named.filter(([, , value], index) => index === 0 || value);
  return {
    lines: `{${given.map(([label, , value]) => `${label}=${quoted(value)}`).join(', ')}}`,
    spans: `{ ${given.map(([, attribute, value]) => `resource.${attribute} = ${quoted(value)}`).join(' && ')} }`,
  };
}

/** The labels that do not name the place: which disk, which interface. */
export const restOf = (labels: LabelMap): string[] => {
  const named = labels['pod'] ? POD_LABELS : NODE_LABELS;
  return Object.entries(labels).filter(([name]) => !named.includes(name) && name !== '__name__' && name !== 'job').map(([, value]) => value);
};

/** What tells signals of one method apart: `load` in `node:cpu_load:ratio`. */
export function aspectOf({ metric, resource, method }: Pick<UseSignal, 'metric' | 'resource' | 'method'>): string {
  const words = (metric.split(':')[1] ?? '').split('_').filter((word) => word !== resource && word !== method);
  return words.join(' ');
}

const isRatio = (unit: string): boolean => unit === 'ratio' || unit === '1';

/** Where a look is worth it: busy above 80 %, full above 95 %, waiting above 10 %, any error. */
export function heatOf({ method, unit, value, metric }: Pick<UseSignal, 'method' | 'unit' | 'value' | 'metric'>): string {
  if (value === null) return 'muted';
  if (method === 'errors') return value > 0 ? 'hot' : '';
  if (!isRatio(unit)) return '';
  if (metric.includes('_load:')) return value >= 2 ? 'hot' : value >= 1 ? 'warm' : '';
  if (method === 'saturation') return value >= 0.3 ? 'hot' : value >= 0.1 ? 'warm' : '';
  return value >= 0.95 ? 'hot' : value >= 0.8 ? 'warm' : '';
}

export interface Column {
  metric: string;
  resource: string;
  method: string;
  unit: string;
  help: string;
}

export interface Place {
  name: string;
  /** By metric: of several disks or interfaces the one with most. */
  cells: Map<string, UseSignal>;
  signals: UseSignal[];
}

const rank = ({ resource, method }: Column): number => RESOURCES.indexOf(resource) * 10 + METHODS.indexOf(method);

export function columnsOf(signals: UseSignal[]): Column[] {
  const columns = new Map<string, Column>();
  for (const { metric, resource, method, unit, help } of signals) columns.set(metric, { metric, resource, method, unit, help });
  return [...columns.values()].sort((a, b) => rank(a) - rank(b));
}

/** Every place, the one with most of `by` first; without it what waits most, then what is busiest. */
export function placesOf(signals: UseSignal[], by?: string): Place[] {
  const places = new Map<string, Place>();
  for (const signal of signals) {
    const name = placeOf(signal.labels);
    const place: Place = places.get(name) ?? { name, cells: new Map(), signals: [] };
    places.set(name, place);
    place.signals.push(signal);
    const other = place.cells.get(signal.metric);
    if (!other || (signal.value ?? -1) > (other.value ?? -1)) place.cells.set(signal.metric, signal);
  }
  const value = (place: Place) => (by ? place.cells.get(by)?.value ?? -1 : pressureOf(place));
  return [...places.values()].sort((a, b) => value(b) - value(a) || a.name.localeCompare(b.name));
}

/** From 0 to 2: above 1 something waits, below how busy the busiest is. */
export function pressureOf({ signals }: Pick<Place, 'signals'>): number {
  const most = (method: string) => Math.max(0, ...signals
    .filter((signal) => signal.method === method && isRatio(signal.unit) && !signal.metric.includes('_load:'))
    .map(({ value }) => Math.min(1, value ?? 0)));
  const waits = most('saturation');
  return waits >= 0.01 ? 1 + waits : most('utilization');
}
