// Log lines: dense, coloured by level, each one opening to all it carries.
//
// By keyboard: Tab reaches the lines, the arrows (or j and k) go from one to the next, Enter
// opens one.

import { useMemo, useState } from 'preact/hooks';
import type { LogRecord } from '../api';
import { instant, moment } from '../format';
import { selector } from '../logql';
import { levelOf, lineOf, nanosOf, originOf, traceOf, valueOf, type Line } from '../loki';
import { to } from '../router';
import { LineDetails } from './details';
import { Marked } from './marked';

/** The address of a search that a change of its query leads to. */
export type Narrow = (change: (query: string) => string) => string;

/** From so many lines on, those out of view are not drawn. */
const LONG = 300;

interface LineTableProps {
  lines: Line[];
  narrow?: Narrow;
  /** Texts to point out in the lines. */
  marks?: string[];
  /** Leave out the link to the trace, where the reader already is. */
  inTrace?: boolean;
  /** Told when the reader begins to read a line. */
  onOpen?(): void;
}

export function LineTable({ lines, narrow, marks = [], inTrace = false, onOpen }: LineTableProps) {
  const [open, setOpen] = useState<string | null>(null);
  const keys = useMemo(() => keysOf(lines), [lines]);
  return (
    <div class={lines.length > LONG ? 'logs long' : 'logs'} data-testid="log-table" role="list" onKeyDown={walk}>
      {lines.map((line, index) => {
        const key = keys[index]!;
        return (
          <LogLine
            key={key}
            {...{ line, marks, inTrace }}
            narrow={narrow ?? elsewhere(line)}
            open={open === key}
            onOpen={() => {
              setOpen(open === key ? null : key);
              onOpen?.();
            }}
          />
        );
      })}
    </div>
  );
}

/** Records of the native API, as lines. */
export function LogTable({ records, inTrace = false }: { records: LogRecord[]; inTrace?: boolean }) {
  const lines = useMemo(() => records.map(lineOf), [records]);
  return <LineTable {...{ lines, inTrace }} />;
}

/** Away from a search, a filter begins one among the lines of the same service. */
const elsewhere = (line: Line): Narrow => (change) => {
  const service = line.labels['service_name'];
  return to.logs(change(service ? selector('service_name', service) : '{}'));
};

/** What tells a line from the others, also when there are more of them later. */
function keysOf(lines: Line[]): string[] {
  const seen = new Map<string, number>();
  return lines.map((line) => {
    const base = `${line.time} ${valueOf(line, 'span_id')} ${line.text.slice(0, 300)}`;
    const copy = seen.get(base) ?? 0;
    seen.set(base, copy + 1);
    return `${base} ${copy}`;
  });
}

const STEPS: Record<string, number> = { ArrowDown: 1, j: 1, ArrowUp: -1, k: -1 };

function walk(event: KeyboardEvent) {
  const step = STEPS[event.key];
  const here = (event.target as Element).closest('.log-open');
  if (!step || !here || event.ctrlKey || event.metaKey || event.altKey) return;
  const all = [...(event.currentTarget as Element).querySelectorAll<HTMLElement>('.log-open')];
  const next = all[all.indexOf(here as HTMLElement) + step];
  if (!next) return;
  event.preventDefault();
  next.focus();
}

interface LogLineProps {
  line: Line;
  narrow: Narrow;
  marks: string[];
  inTrace: boolean;
  open: boolean;
  onOpen(): void;
}

function LogLine({ line, narrow, marks, inTrace, open, onOpen }: LogLineProps) {
  const level = levelOf(line);
  const origin = originOf(line);
  const trace = traceOf(line);
  const time = nanosOf(line);
  return (
    <div class={`log level-${level}`} data-testid="log-line" role="listitem">
      <div class="log-row">
        <button type="button" class="log-open" aria-expanded={open} onClick={onOpen}>
          <time title={instant(time)}>{moment(time, true)}</time>
          <span class="level">{level === 'unknown' ? '–' : level}</span>
          <span class="origin" title={origin}>{origin}</span>
          <span class="body"><Marked text={line.text} marks={marks} /></span>
        </button>
        {trace && !inTrace && (
          <a class="log-trace" href={to.trace(trace, valueOf(line, 'span_id') || undefined)} title={`Trace ${trace}`}>trace</a>
        )}
      </div>
      {open && <LineDetails {...{ line, narrow }} />}
    </div>
  );
}
