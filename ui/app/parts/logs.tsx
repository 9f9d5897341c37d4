// Log lines: dense, coloured by level, each one opening to all it carries.

import { useState } from 'preact/hooks';
import type { LogRecord } from '../api';
import { instant, moment } from '../format';
import { quoted, to } from '../router';
import { Attributes } from './span';

const LEVELS = ['trace', 'debug', 'info', 'warn', 'error', 'fatal'];

interface LogTableProps {
  records: LogRecord[];
  /** Leave out the link to the trace, where the reader already is. */
  inTrace?: boolean;
}

export function LogTable({ records, inTrace = false }: LogTableProps) {
  const [open, setOpen] = useState<string | null>(null);
  const seen = new Map<string, number>();
  return (
    <div class="logs" data-testid="log-table" role="list">
      {records.map((record) => {
        const base = `${record.time} ${record.span_id ?? ''} ${record.body}`;
        const copy = seen.get(base) ?? 0;
        seen.set(base, copy + 1);
        const key = `${base} ${copy}`;
        return (
          <LogLine key={key} record={record} inTrace={inTrace} open={open === key} onOpen={() => setOpen(open === key ? null : key)} />
        );
      })}
    </div>
  );
}

export const levelOf = (record: LogRecord): string => {
  const level = (record.level || record.labels['level'] || '').toLowerCase();
  return LEVELS.includes(level) ? level : 'unknown';
};

const serviceOf = (record: LogRecord): string => record.labels['service_name'] ?? record.labels['service'] ?? '';

interface LogLineProps {
  record: LogRecord;
  inTrace: boolean;
  open: boolean;
  onOpen(): void;
}

function LogLine({ record, inTrace, open, onOpen }: LogLineProps) {
  const level = levelOf(record);
  const origin = serviceOf(record) || record.labels['k8s_pod_name'] || record.labels['host_name'] || '';
  return (
    <div class={`log level-${level}`} data-testid="log-line" role="listitem">
      <div class="log-row">
        <button type="button" class="log-open" aria-expanded={open} onClick={onOpen}>
          <time title={instant(record.time)}>{moment(record.time, true)}</time>
          <span class="level">{level === 'unknown' ? '–' : level}</span>
          <span class="origin" title={origin}>{origin}</span>
          <span class="body">{record.body}</span>
        </button>
        {record.trace_id && !inTrace && (
          <a class="log-trace" href={to.trace(record.trace_id, record.span_id ?? undefined)} title={`Trace ${record.trace_id}`}>trace</a>
        )}
      </div>
      {open && <LogDetails record={record} />}
    </div>
  );
}

function LogDetails({ record }: { record: LogRecord }) {
  const pretty = prettyJson(record.body);
  return (
    <div class="details">
      <pre class="whole">{pretty ?? record.body}</pre>
      <Attributes title="Attributes" pairs={record.attributes} />
      <h4>Stream</h4>
      <p class="line">
        {Object.entries(record.labels).map(([name, value]) => (
          <a key={name} class="chip" href={to.logs(`{${name}=${quoted(value)}}`)} title="Lines of this label">
            <span class="chip-name">{name}</span><span class="chip-value">{value}</span>
          </a>
        ))}
      </p>
      {record.trace_id && (
        <p class="small"><a href={to.trace(record.trace_id, record.span_id ?? undefined)}>Trace <code>{record.trace_id}</code></a></p>
      )}
    </div>
  );
}

function prettyJson(body: string): string | null {
  if (!/^\s*[{[]/.test(body)) return null;
  try {
    return JSON.stringify(JSON.parse(body), null, 2);
  } catch {
    return null;
  }
}
