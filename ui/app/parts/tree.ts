// Spans as a tree, in the order they are drawn.

import type { Span, Trace } from '../api';

export interface Row {
  span: Span;
  depth: number;
  children: number;
  /** Ancestors, nearest last, to fold under any of them. */
  above: string[];
}

export interface Layout {
  rows: Row[];
  start: number;
  duration: number;
  /** Services by first appearance: the place decides the colour. */
  services: string[];
}

/**
 * Parents before children, siblings by start. A span whose parent is missing stands at
 * the top; spans that name one another as parents are shown once, never followed round.
 */
export function layout(trace: Trace): Layout {
  const spans = [...trace.spans].sort((a, b) => a.start - b.start);
  const known = new Map(spans.map((span) => [span.span_id, span]));
  const children = new Map<string | null, Span[]>();
  for (const span of spans) {
    const parent = span.parent && span.parent !== span.span_id && known.has(span.parent) ? span.parent : null;
    children.set(parent, [...(children.get(parent) ?? []), span]);
  }
  const rows: Row[] = [];
  const seen = new Set<string>();
  const walk = (roots: Span[]) => {
    const stack = roots.map((span) => ({ span, above: [] as string[] })).reverse();
    for (let next = stack.pop(); next; next = stack.pop()) {
      const { span, above } = next;
      if (seen.has(span.span_id)) continue;
      seen.add(span.span_id);
      const own = children.get(span.span_id) ?? [];
      rows.push({ span, depth: above.length, children: own.length, above });
      for (const child of [...own].reverse()) stack.push({ span: child, above: [...above, span.span_id] });
    }
  };
  walk(children.get(null) ?? []);
  for (const span of spans) if (!seen.has(span.span_id)) walk([span]);
  let start = Infinity;
  let end = -Infinity;
  for (const span of spans) {
    start = Math.min(start, span.start);
    end = Math.max(end, span.end);
  }
  return {
    rows,
    start: spans.length ? start : 0,
    duration: spans.length ? Math.max(end - start, 1) : 1,
    services: [...new Set(rows.map(({ span }) => span.service))],
  };
}

export const isError = (span: Span): boolean => span.status === 'error';

/** The span the trace is named after. */
export const rootOf = (trace: Trace): Span | undefined => layout(trace).rows[0]?.span;
