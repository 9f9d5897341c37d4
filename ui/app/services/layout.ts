// Where the services of a graph stand: who asks left of who is asked, in layers, ordered so
// that few lines cross.

import type { Edge, GraphNode } from '../api';

export interface Placed extends GraphNode {
  layer: number;
  /** The place within its layer, from the top. */
  row: number;
}

export interface Plan {
  nodes: Placed[];
  edges: Edge[];
  layers: number;
  /** Nodes in the fullest layer. */
  rows: number;
  /** How many of the nodes are left out: those least asked. */
  rest: number;
}

export const NODES_MAX = 80;
const SWEEPS = 6;

export function planOf(all: GraphNode[], edges: Edge[], max = NODES_MAX): Plan {
  const kept = [...all].sort((a, b) => weight(b, edges) - weight(a, edges) || a.name.localeCompare(b.name)).slice(0, max);
  const names = new Set(kept.map(({ name }) => name));
  const own = edges.filter(({ client, server }) => names.has(client) && names.has(server) && client !== server);
  const next = new Map<string, string[]>();
  for (const { client, server } of own) push(next, client, server);
  const layer = layersOf([...names].sort(), next);
  const columns: string[][] = [];
  for (const name of [...names].sort()) (columns[layer.get(name)!] ??= []).push(name);
  const ordered = order(columns.map((column) => column ?? []), own);
  const place = new Map(ordered.flatMap((column, at) => column.map((name, row) => [name, { layer: at, row }] as const)));
  return {
    nodes: kept.map((node) => ({ ...node, ...place.get(node.name)! })).sort((a, b) => a.layer - b.layer || a.row - b.row),
    edges: own,
    layers: ordered.length,
    rows: Math.max(0, ...ordered.map((column) => column.length)),
    rest: all.length - kept.length,
  };
}

/** What is asked, or asks, often. */
const weight = ({ name, rate }: GraphNode, edges: Edge[]): number =>
  Math.max(rate, ...edges.filter(({ client }) => client === name).map((edge) => edge.rate ?? 0));

function push(map: Map<string, string[]>, key: string, value: string) {
  const own = map.get(key);
  if (own) own.push(value);
  else map.set(key, [value]);
}

/** The longest way from whoever nobody asks; a line back to where one came from does not count. */
function layersOf(names: string[], next: Map<string, string[]>): Map<string, number> {
  const done: string[] = [];
  const state = new Map<string, 'open' | 'done'>();
  const forward = new Map<string, string[]>();
  const asked = new Set([...next.values()].flat());
  // Whoever nobody asks first, so that a circle is broken where it is entered.
  const starts = [...names.filter((name) => !asked.has(name)), ...names];
  for (const start of starts) {
    const stack = [{ name: start, at: 0 }];
    if (state.has(start)) continue;
    state.set(start, 'open');
    while (stack.length) {
      const top = stack.at(-1)!;
      const child = next.get(top.name)?.[top.at];
      top.at += 1;
      if (child === undefined) {
        state.set(top.name, 'done');
        done.push(top.name);
        stack.pop();
      } else if (state.get(child) !== 'open') {
        push(forward, top.name, child);
        if (!state.has(child)) {
          state.set(child, 'open');
          stack.push({ name: child, at: 0 });
        }
      }
    }
  }
  const layer = new Map(names.map((name) => [name, 0]));
  for (const name of done.reverse()) {
    for (const child of forward.get(name) ?? []) layer.set(child, Math.max(layer.get(child)!, layer.get(name)! + 1));
  }
  return layer;
}

/** Each beside the middle of those it speaks with, a layer after the other, to and fro. */
function order(columns: string[][], edges: Edge[]): string[][] {
  const near = new Map<string, string[]>();
  for (const { client, server } of edges) {
    push(near, client, server);
    push(near, server, client);
  }
  const at = new Map<string, number>();
  const settle = (column: string[]) => column.forEach((name, row) => at.set(name, (row + 0.5) / column.length));
  columns.forEach(settle);
  for (let sweep = 0; sweep < SWEEPS; sweep += 1) {
    const turn = sweep % 2 ? [...columns].reverse() : columns;
    for (const column of turn) {
      const middle = (name: string) => {
        const others = (near.get(name) ?? []).map((other) => at.get(other)!);
        return others.length ? others.reduce((sum, one) => sum + one, 0) / others.length : at.get(name)!;
      };
      const wanted = new Map(column.map((name) => [name, middle(name)]));
      column.sort((a, b) => wanted.get(a)! - wanted.get(b)! || a.localeCompare(b));
      settle(column);
    }
  }
  return columns;
}

/** The part of a graph around one service: itself, who asks it, whom it asks. */
export function around(name: string, nodes: GraphNode[], edges: Edge[]): { nodes: GraphNode[]; edges: Edge[] } {
  const own = edges.filter(({ client, server }) => client === name || server === name);
  const names = new Set([name, ...own.flatMap(({ client, server }) => [client, server])]);
  return { nodes: nodes.filter((node) => names.has(node.name)), edges: own };
}
