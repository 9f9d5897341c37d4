// The shapes of Loki's API, and its lines as the pages see them.
//
// Times of lines stay the digits of their nanoseconds: a number does not hold them, and the
// next page of an answer begins at exactly the last one.

import type { LabelMap, LogRecord } from './api';

export interface Line {
  /** Nanoseconds since the epoch, in digits. */
  time: string;
  text: string;
  labels: LabelMap;
  metadata: LabelMap;
  parsed: LabelMap;
}

type Entry = [string, string, { structuredMetadata?: LabelMap; parsed?: LabelMap }?];

export interface Series {
  metric: LabelMap;
  values: [number, string][];
}

interface Streams {
  resultType: 'streams';
  result: { stream: LabelMap; values: Entry[] }[];
}

interface Matrix {
  resultType: 'matrix';
  result: Series[];
}

export interface Stats {
  summary?: { totalLinesProcessed?: number; totalBytesProcessed?: number; execTime?: number };
}

export interface RangeAnswer {
  data: (Streams | Matrix) & { stats?: Stats };
  warnings?: string[];
}

export interface VectorAnswer {
  data: { result: { metric: LabelMap; value: [number, string] }[] };
  warnings?: string[];
}

export interface DetectedField {
  label: string;
  type: string;
  cardinality: number;
  parsers: string[] | null;
}

export interface FoundPattern {
  pattern: string;
  samples: [number, number][];
}

/** Why an answer may not be everything. */
export const cutOf = (answer: { warnings?: string[] }): string | null => answer.warnings?.join('; ') || null;

/** The lines of an answer, newest first. */
export function linesOf({ data }: RangeAnswer): Line[] {
  if (data.resultType !== 'streams') return [];
  const lines = data.result.flatMap(({ stream, values }) => values.map(([time, text, more]) => (
    { time, text, labels: stream, metadata: more?.structuredMetadata ?? {}, parsed: more?.parsed ?? {} }
  )));
  return lines.sort((a, b) => byTime(b.time, a.time));
}

/** Compares digits as the numbers they are. */
export const byTime = (a: string, b: string): number => a.length - b.length || (a < b ? -1 : a > b ? 1 : 0);

/** A record of the native API as a line. Names are as LogQL writes them. */
export function lineOf(record: LogRecord): Line {
  const metadata: LabelMap = {};
  const add = (name: string, value: string | null) => {
    if (value) metadata[name.replace(/[^A-Za-z0-9_]/g, '_')] ??= value;
  };
  add('trace_id', record.trace_id);
  add('span_id', record.span_id);
  add('detected_level', record.level);
  for (const [name, value] of record.attributes) add(name, value);
  return { time: String(record.time), text: record.body, labels: record.labels, metadata, parsed: {} };
}

export const nanosOf = (line: Line): number => Number(line.time);

/** The first value of a name, wherever the line has it. */
export const valueOf = (line: Line, name: string): string => line.labels[name] ?? line.metadata[name] ?? line.parsed[name] ?? '';

export const originOf = (line: Line): string =>
  ['service_name', 'service', 'k8s_pod_name', 'host_name'].map((name) => line.labels[name]).find(Boolean) ?? '';

export const LEVELS = ['trace', 'debug', 'info', 'warn', 'error', 'fatal'] as const;
export type Level = (typeof LEVELS)[number] | 'unknown';

const SYNONYMS: Record<string, Level> = {
  verbose: 'trace', dbg: 'debug', information: 'info', notice: 'info', warning: 'warn', err: 'error',
  critical: 'fatal', crit: 'fatal', emergency: 'fatal', emerg: 'fatal', alert: 'fatal', panic: 'fatal',
};

/** One of the levels that have a colour. */
export function levelNamed(name: string): Level {
  const lower = name.toLowerCase();
  return LEVELS.find((level) => level === lower) ?? SYNONYMS[lower] ?? 'unknown';
}

export function levelOf(line: Line): Level {
  const level = levelNamed(valueOf(line, 'level'));
  return level === 'unknown' ? levelNamed(valueOf(line, 'detected_level')) : level;
}

export const traceOf = (line: Line): string => {
  const id = valueOf(line, 'trace_id');
  return /^[0-9a-f]{32}$/i.test(id) ? id : '';
};
