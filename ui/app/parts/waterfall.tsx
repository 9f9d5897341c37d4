// A trace, span under span, over time.

import { useEffect, useMemo, useRef, useState } from 'preact/hooks';
import type { LogRecord, Span, Trace } from '../api';
import { nanoseconds } from '../format';
import { place } from '../router';
import { SpanDetails } from './span';
import { isError, layout, type Layout, type Row } from './tree';

const ROWS_FIRST = 300;

interface WaterfallProps {
  trace: Trace;
  logs?: LogRecord[];
  /** Fewer rows, no details: a look, not the page. */
  brief?: boolean;
}

export function Waterfall({ trace, logs = [], brief = false }: WaterfallProps) {
  const plan = useMemo(() => layout(trace), [trace]);
  const wanted = brief ? null : place.value.query.get('span');
  const [open, setOpen] = useState<string | null>(wanted);
  const [folded, setFolded] = useState<ReadonlySet<string>>(new Set());
  const [limit, setLimit] = useState(brief ? 12 : ROWS_FIRST);
  const visible = plan.rows.filter((row) => !row.above.some((id) => folded.has(id)));
  const logCounts = useMemo(() => countBySpan(logs), [logs]);
  const fold = (id: string) => {
    const next = new Set(folded);
    if (!next.delete(id)) next.add(id);
    setFolded(next);
  };
  if (plan.rows.length === 0) return <p class="muted">This trace has no spans yet.</p>;
  return (
    <div class={brief ? 'waterfall brief' : 'waterfall'} data-testid="trace-waterfall" onKeyDown={moveFocus}>
      <div class="services">
        {plan.services.map((service, index) => (
          <span key={service} class={`legend svc-${index % 8}`}><i />{service}</span>
        ))}
      </div>
      <Ruler duration={plan.duration} />
      {visible.slice(0, limit).map((row) => (
        <SpanRow
          key={row.span.span_id}
          row={row}
          plan={plan}
          logs={logCounts.get(row.span.span_id) ?? 0}
          open={open === row.span.span_id}
          folded={folded.has(row.span.span_id)}
          wanted={wanted === row.span.span_id}
          onOpen={() => setOpen(open === row.span.span_id ? null : row.span.span_id)}
          onFold={() => fold(row.span.span_id)}
        />
      ))}
      {visible.length > limit && (
        <button type="button" class="more" onClick={() => setLimit(limit + 1000)}>
          {visible.length - limit} more spans
        </button>
      )}
    </div>
  );
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

interface SpanRowProps {
  row: Row;
  plan: Layout;
  logs: number;
  open: boolean;
  folded: boolean;
  wanted: boolean;
  onOpen(): void;
  onFold(): void;
}

function SpanRow({ row, plan, logs, open, folded, wanted, onOpen, onFold }: SpanRowProps) {
  const { span } = row;
  const self = useRef<HTMLDivElement>(null);
  useEffect(() => {
    if (wanted) self.current?.scrollIntoView({ block: 'center' });
  }, [wanted]);
  const tone = `svc-${plan.services.indexOf(span.service) % 8}`;
  return (
    <div ref={self} class={open ? `span ${tone} open` : `span ${tone}`} data-testid="trace-span">
      <div class={isError(span) ? 'span-row error' : 'span-row'}>
        <span class="span-name" style={{ paddingLeft: `${Math.min(row.depth, 24) * 14}px` }}>
          {row.children > 0 ? (
            <button type="button" class="fold" aria-expanded={!folded} aria-label={`${folded ? 'Show' : 'Hide'} the ${row.children} spans below`} onClick={onFold}>
              {folded ? '▸' : '▾'}
            </button>
          ) : <i class="leaf" />}
          <button type="button" class="span-open" aria-expanded={open} onClick={onOpen}>
            <span class="span-text"><b>{span.service}</b> {span.name}</span>
            {isError(span) && <span class="state state-error">error</span>}
            {logs > 0 && <span class="log-count" title={`${logs} log lines`}>{logs} {logs === 1 ? 'log' : 'logs'}</span>}
          </button>
        </span>
        <span class="track" onClick={onOpen}><span class="lane"><Bar span={span} plan={plan} /></span></span>
      </div>
      {open && <SpanDetails span={span} start={plan.start} />}
    </div>
  );
}

function Bar({ span, plan }: { span: Span; plan: Layout }) {
  const left = ((span.start - plan.start) / plan.duration) * 100;
  const width = Math.max(((span.end - span.start) / plan.duration) * 100, 0.15);
  return (
    <>
      <i class="bar" style={{ left: `${left}%`, width: `${width}%` }} />
      {span.events.map((event, index) => (
        <i key={index} class="event" title={event.name} style={{ left: `${((event.time - plan.start) / plan.duration) * 100}%` }} />
      ))}
      <span class="took" style={{ left: `${left + width}%` }}>{nanoseconds(span.end - span.start)}</span>
    </>
  );
}

function countBySpan(logs: LogRecord[]): Map<string, number> {
  const counts = new Map<string, number>();
  for (const { span_id } of logs) if (span_id) counts.set(span_id, (counts.get(span_id) ?? 0) + 1);
  return counts;
}

/** Up and down go from span to span. */
function moveFocus(event: KeyboardEvent) {
  const direction = { ArrowUp: -1, ArrowDown: 1 }[event.key];
  if (!direction) return;
  const rows = [...(event.currentTarget as Element).querySelectorAll<HTMLElement>('.span-open')];
  const next = rows[rows.indexOf(document.activeElement as HTMLElement) + direction];
  if (!next) return;
  event.preventDefault();
  next.focus();
}
