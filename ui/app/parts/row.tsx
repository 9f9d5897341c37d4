// One span in the waterfall: its name, its bar, and when it is open all it says.

import { useEffect, useRef } from 'preact/hooks';
import type { CriticalPath, LogRecord, Span } from '../api';
import { nanoseconds } from '../format';
import { SpanDetails } from './span';
import { isError, type Layout, type Row } from './tree';

interface SpanRowProps {
  row: Row;
  plan: Layout;
  tone: number;
  logs: LogRecord[];
  steps: CriticalPath['steps'];
  isMatched: boolean;
  open: boolean;
  folded: boolean;
  /** Come into view when opened from elsewhere. */
  scroll: boolean;
  onOpen(id: string): void;
  onFold(id: string): void;
}

export function SpanRow({ row, plan, tone, logs, steps, isMatched, open, folded, scroll, onOpen, onFold }: SpanRowProps) {
  const { span } = row;
  const self = useRef<HTMLDivElement>(null);
  useEffect(() => {
    if (!open || !scroll || !self.current) return;
    const { top, bottom } = self.current.getBoundingClientRect();
    if (bottom < 60 || top > window.innerHeight - 40) self.current.scrollIntoView({ block: 'center' });
  }, [open]);
  const classes = ['span', `svc-${tone}`, open && 'open', isMatched && 'is-matched', steps.length > 0 && 'on-path'];
  return (
    <div ref={self} class={classes.filter(Boolean).join(' ')} data-testid="trace-span">
      <div class={isError(span) ? 'span-row error' : 'span-row'}>
        <span class="span-name" style={{ paddingLeft: `${Math.min(row.depth, 24) * 14}px` }}>
          {row.children > 0 ? (
            <button type="button" class="fold" aria-expanded={!folded} aria-label={`${folded ? 'Show' : 'Hide'} the ${row.children} spans below`} onClick={() => onFold(span.span_id)}>
              {folded ? '▸' : '▾'}
            </button>
          ) : <i class="leaf" />}
          <button type="button" class="span-open" aria-expanded={open} onClick={() => onOpen(span.span_id)}>
            <span class="span-text"><b>{span.service}</b> {span.name}</span>
            {isError(span) && <span class="state state-error">error</span>}
            {isMatched && <span class="state state-matched">found</span>}
            {row.isOrphan && <span class="state state-pending" data-testid="orphan" title={`Its parent ${span.parent} is not here: it has not arrived, was not sent, or is on another page of the trace`}>no parent</span>}
            {row.early > 0 && <span class="state state-pending" data-testid="early" title={`It says that it began ${nanoseconds(row.early)} before its parent did: the clocks of the two differ. It is drawn where it says`}>{nanoseconds(row.early)} early</span>}
            {logs.length > 0 && <span class="log-count" title={`${logs.length} log lines`}>{logs.length} {logs.length === 1 ? 'log' : 'logs'}</span>}
          </button>
        </span>
        <span class="track" onClick={() => onOpen(span.span_id)}><span class="lane"><Bar {...{ span, plan, steps }} /></span></span>
      </div>
      {open && <SpanDetails span={span} start={plan.start} logs={logs} />}
    </div>
  );
}

function Bar({ span, plan, steps }: { span: Span; plan: Layout; steps: CriticalPath['steps'] }) {
  const place = (time: number) => ((time - plan.start) / plan.duration) * 100;
  const left = place(span.start);
  const width = Math.max(place(span.end) - left, 0.15);
  return (
    <>
      <i class="bar" style={{ left: `${left}%`, width: `${width}%` }} />
      {steps.map((step) => (
        <i key={step.start} class="step" style={{ left: `${place(step.start)}%`, width: `${Math.max(place(step.end) - place(step.start), 0.1)}%` }} />
      ))}
      {span.events.map((event, index) => (
        <i key={index} class="event" title={event.name} style={{ left: `${place(event.time)}%` }} />
      ))}
      <span class="took" style={{ left: `${left + width}%` }}>{nanoseconds(Math.max(0, span.end - span.start))}</span>
    </>
  );
}
