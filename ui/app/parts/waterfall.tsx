// A trace, span under span, over time; with what the request waited for, and what a search
// found in it.
//
// Of a long one, only the rows near what is in view are drawn: a row has one height, so the
// room of the others is known. The open span stands in the address.

import type { ComponentChildren } from 'preact';
import { useEffect, useMemo, useRef, useState } from 'preact/hooks';
import type { CriticalPath, LogRecord, Span, Trace } from '../api';
import { nanoseconds } from '../format';
import { hereWith, navigate, place } from '../router';
import { SpanRow } from './row';
import { layout, unfolded, withAncestors, type Row } from './tree';

const BRIEF_ROWS = 12;
/** Up to so many rows all are drawn. */
const ALL_ROWS = 200;
/** Rows that are drawn together. */
const CHUNK = 50;
/** Pixels; as in trace.css. */
const ROW_HEIGHT = 25;

interface WaterfallProps {
  trace: Pick<Trace, 'spans'>;
  logs?: LogRecord[];
  path?: CriticalPath | undefined;
  /** The spans that a search found. */
  matched?: ReadonlySet<string> | undefined;
  /** Show these only, and those above them. */
  only?: ((span: Span) => boolean) | undefined;
  /** Fewer rows, no details: a look, not the page. */
  brief?: boolean;
}

export function Waterfall({ trace, logs = [], path, matched, only, brief = false }: WaterfallProps) {
  const plan = useMemo(() => layout(trace), [trace]);
  const [openHere, setOpenHere] = useState<string | null>(null);
  const [folded, setFolded] = useState<ReadonlySet<string>>(new Set());
  const wanted = brief ? openHere : place.value.query.get('span');
  const visible = useMemo(() => {
    const kept = only && new Set(withAncestors(plan.rows, only));
    return unfolded(plan.rows, folded).filter((row) => !kept || kept.has(row));
  }, [plan, folded, only]);
  const lines = useMemo(() => bySpan(logs), [logs]);
  const steps = useMemo(() => stepsBySpan(path), [path]);
  const open = (id: string) => {
    const next = wanted === id ? null : id;
    if (brief) setOpenHere(next);
    else navigate(hereWith({ span: next ?? undefined }), true);
  };
  const fold = (id: string) => {
    const next = new Set(folded);
    if (!next.delete(id)) next.add(id);
    setFolded(next);
  };
  if (plan.rows.length === 0) return <p class="muted">This trace has no spans yet.</p>;
  const row = (of: Row) => {
    const { span_id, service } = of.span;
    return (
      <SpanRow
        key={span_id}
        row={of}
        plan={plan}
        tone={plan.services.indexOf(service) % 8}
        logs={lines.get(span_id) ?? NONE}
        steps={steps.get(span_id) ?? NONE}
        isMatched={matched?.has(span_id) ?? false}
        open={wanted === span_id}
        folded={folded.has(span_id)}
        scroll={!brief}
        onOpen={open}
        onFold={fold}
      />
    );
  };
  const shown = brief ? visible.slice(0, BRIEF_ROWS) : visible;
  return (
    <div class={brief ? 'waterfall brief' : 'waterfall'} data-testid="trace-waterfall" data-rows={visible.length} onKeyDown={moveFocus}>
      <div class="services">
        {plan.services.map((service, index) => (
          <span key={service} class={`legend svc-${index % 8}`}><i />{service}</span>
        ))}
        {path && <span class="legend legend-path"><i />the request waited for this</span>}
        {matched && <span class="legend legend-matched"><i />found by the search</span>}
      </div>
      <Ruler duration={plan.duration} />
      {chunks(shown).map((rows, index) => (
        <Chunk key={index} count={rows.length} first={index < 2} keep={shown.length <= ALL_ROWS || rows.some(({ span }) => span.span_id === wanted)}>
          {() => rows.map(row)}
        </Chunk>
      ))}
      {shown.length < visible.length && <p class="muted small">{visible.length - shown.length} more spans</p>}
    </div>
  );
}

const NONE: never[] = [];

function chunks(rows: Row[]): Row[][] {
  const all: Row[][] = [];
  for (let from = 0; from < rows.length; from += CHUNK) all.push(rows.slice(from, from + CHUNK));
  return all;
}

interface ChunkProps {
  count: number;
  /** Drawn before it is known what is in view. */
  first: boolean;
  /** Drawn wherever it is. */
  keep: boolean;
  children: () => ComponentChildren;
}

function Chunk({ count, first, keep, children }: ChunkProps) {
  const self = useRef<HTMLDivElement>(null);
  const [near, setNear] = useState(first);
  useEffect(() => {
    const observer = new IntersectionObserver((entries) => setNear(entries.at(-1)!.isIntersecting), { rootMargin: '800px 0px' });
    observer.observe(self.current!);
    return () => observer.disconnect();
  }, []);
  const drawn = near || keep;
  return <div ref={self} style={{ minHeight: drawn ? '0' : `${count * ROW_HEIGHT}px` }}>{drawn && children()}</div>;
}

function Ruler({ duration }: { duration: number }) {
  return (
    <div class="span-row ruler" aria-hidden="true">
      <span />
      <span class="track">
        <span class="lane">
          {[0, 0.25, 0.5, 0.75, 1].map((share) => (
            <i key={share} style={{ left: `${share * 100}%` }}>{nanoseconds(duration * share)}</i>
          ))}
        </span>
      </span>
    </div>
  );
}

function bySpan(logs: LogRecord[]): Map<string, LogRecord[]> {
  const all = new Map<string, LogRecord[]>();
  for (const record of logs) {
    if (!record.span_id) continue;
    const own = all.get(record.span_id);
    if (own) own.push(record);
    else all.set(record.span_id, [record]);
  }
  return all;
}

function stepsBySpan(path: CriticalPath | undefined): Map<string, CriticalPath['steps']> {
  const all = new Map<string, CriticalPath['steps']>();
  for (const step of path?.steps ?? []) all.set(step.span_id, [...(all.get(step.span_id) ?? []), step]);
  return all;
}

/** Up and down go from span to span. */
function moveFocus(event: KeyboardEvent) {
  const direction = { ArrowUp: -1, ArrowDown: 1 }[event.key];
  const here = document.activeElement as HTMLElement | null;
  if (!direction || !here?.classList.contains('span-open')) return;
  const rows = [...(event.currentTarget as Element).querySelectorAll<HTMLElement>('.span-open')];
  const next = rows[rows.indexOf(here) + direction];
  if (!next) return;
  event.preventDefault();
  next.focus();
}
