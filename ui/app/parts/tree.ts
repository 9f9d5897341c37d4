// Spans as a tree, in the order they are drawn.

import type { Span, Trace } from '../api';

export interface Row {
  span: Span;
  depth: number;
  children: number;
  /** Where its parent's row stands; -1 at the top. */
  above: number;
  /** It names a parent that is not here. */
  isOrphan: boolean;
  /** How much earlier than its parent it says it began: their clocks differ. */
  early: number;
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
export function layout({ spans: unsorted }: Pick<Trace, 'spans'>): Layout {
  const spans = [...unsorted].sort((a, b) => a.start - b.start);
  const known = new Map(spans.map((span) => [span.span_id, span]));
  const children = childrenOf(spans, known);
  const rows: Row[] = [];
  const seen = new Set<string>();
  const walk = (roots: Span[]) => {
    const stack = roots.map((span) => ({ span, above: -1 })).reverse();
    for (let next = stack.pop(); next; next = stack.pop()) {
      const { span, above } = next;
      if (seen.has(span.span_id)) continue;
      seen.add(span.span_id);
      const own = children.get(span.span_id) ?? [];
      const parent = rows[above];
      const here = rows.length;
      rows.push({
        span,
        depth: parent ? parent.depth + 1 : 0,
        children: own.length,
        above,
        isOrphan: span.parent !== null && span.parent !== undefined && !known.has(span.parent),
        early: parent ? Math.max(0, parent.span.start - span.start) : 0,
      });
      for (let index = own.length - 1; index >= 0; index -= 1) stack.push({ span: own[index]!, above: here });
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

function childrenOf(spans: Span[], known: Map<string, Span>): Map<string | null, Span[]> {
  const children = new Map<string | null, Span[]>();
  for (const span of spans) {
    const parent = span.parent && span.parent !== span.span_id && known.has(span.parent) ? span.parent : null;
    const own = children.get(parent);
    if (own) own.push(span);
    else children.set(parent, [span]);
  }
  return children;
}

/** The rows that are under no folded one. */
export function unfolded(rows: Row[], folded: ReadonlySet<string>): Row[] {
  if (folded.size === 0) return rows;
  const hidden = new Set<number>();
  return rows.filter((row, index) => {
    const parent = rows[row.above];
    const isHidden = parent !== undefined && (hidden.has(row.above) || folded.has(parent.span.span_id));
    if (isHidden) hidden.add(index);
    return !isHidden;
  });
}

/** The rows wanted, and those above them. */
export function withAncestors(rows: Row[], wanted: (span: Span) => boolean): Row[] {
  const kept = new Set<number>();
  rows.forEach((row, index) => {
    if (!wanted(row.span)) return;
    for (let at = index; at >= 0 && !kept.has(at); at = rows[at]!.above) kept.add(at);
  });
  return rows.filter((_, index) => kept.has(index));
}

export const isError = (span: Span): boolean => span.status === 'error';

/** Whether what a span says has the text in it, in whatever case. */
export function says(span: Span, text: string): boolean {
  const wanted = text.toLowerCase();
  const has = (value: string) => value.toLowerCase().includes(wanted);
  const pairs = (of: [string, string][]) => of.some(([name, value]) => has(name) || has(value));
  return has(span.name) || has(span.service) || has(span.span_id) || has(span.status_message ?? '') || pairs(span.attributes ?? [])
    || (span.events ?? []).some((event) => has(event.name) || pairs(event.attributes));
}

/** The span the trace is named after. */
export const rootOf = (trace: Trace): Span | undefined => layout(trace).rows[0]?.span;
