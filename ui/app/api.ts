// The native API: its shapes, and one way to ask.
//
// Times are nanoseconds since the epoch. A JavaScript number holds them to a quarter of
// a microsecond, which is finer than anything drawn here; samples of charts come in
// milliseconds, as `[time, value]`.

export type Nanos = number;
export type Pairs = [string, string][];
export type LabelMap = Record<string, string>;
export type Sample = [number, number | null];

export interface Service {
  name: string;
  rate: number | null;
  error_ratio: number | null;
  p50_seconds: number | null;
  p95_seconds: number | null;
  p99_seconds: number | null;
  alerts: number;
}

export interface LogRecord {
  time: Nanos;
  observed: Nanos;
  labels: LabelMap;
  severity: number;
  level: string;
  body: string;
  trace_id: string | null;
  span_id: string | null;
  attributes: Pairs;
}

export interface SpanEvent {
  time: Nanos;
  name: string;
  attributes: Pairs;
}

export interface SpanLink {
  trace_id: string;
  span_id: string;
  attributes: Pairs;
}

export interface Span {
  span_id: string;
  parent: string | null;
  service: string;
  resource: Pairs;
  scope: string;
  name: string;
  kind: string;
  start: Nanos;
  end: Nanos;
  status: string;
  status_message: string;
  attributes: Pairs;
  events: SpanEvent[];
  links: SpanLink[];
}

export interface Trace {
  trace_id: string;
  spans: Span[];
  /** Why there may be more spans, and what to ask for to get them. */
  cut?: string;
  next?: string;
  /** Why it is not whole however much of it is read: a part was not kept, or is gone. */
  in_part?: string;
}

export interface MatchedSpan {
  span_id: string;
  name: string;
  service: string;
  start: Nanos;
  duration_nanos: number;
  attributes: [string, unknown][];
}

export interface SpanSet {
  matched: number;
  attributes: [string, unknown][];
  spans: MatchedSpan[];
}

export interface TraceSummary {
  trace_id: string;
  root_service: string;
  root_name: string;
  start: Nanos;
  duration_nanos: number;
  spans: number;
  errors: number;
  services: string[];
  span_sets?: SpanSet[];
}

export interface TraceAnswer {
  traces: TraceSummary[];
  cut: string | null;
}

export interface Alert {
  fingerprint: string;
  labels: LabelMap;
  annotations: LabelMap;
  starts_at: Nanos;
  ends_at: Nanos | null;
  updated_at: Nanos;
  state: string;
  /** It fires, but an inhibition keeps it from being told. */
  suppressed?: boolean;
  inhibited_by?: string[];
  generator_url: string;
  receivers: string[];
}

export interface Notification {
  time: Nanos;
  receiver: string;
  integration: string;
  status: string;
  outcome: string;
  error: string | null;
  attempts: number;
}

export interface Red {
  service: string;
  rate: Sample[];
  errors: Sample[];
  p50_seconds?: Sample[];
  p95_seconds?: Sample[];
  p99_seconds: Sample[];
  operations?: Operation[];
  exemplars?: Exemplar[];
  cut?: string | null;
}

export interface Operation {
  name: string;
  rate: number | null;
  error_ratio: number | null;
  p50_seconds: number | null;
  p95_seconds: number | null;
  p99_seconds: number | null;
}

/** A call that stands for many. */
export interface Exemplar {
  time: Nanos;
  trace_id: string;
  span_id: string | null;
  operation: string;
  status_code: string;
  seconds: number;
}

export interface Change {
  time: Nanos;
  service: string;
  attribute: string;
  before: string;
  after: string;
}

export interface UseSignal {
  resource: string;
  method: string;
  metric: string;
  unit: string;
  help: string;
  labels: LabelMap;
  value: number | null;
  samples: Sample[];
}

export interface AlertAnswer {
  alert: Alert;
  service: string | null;
  notifications: Notification[];
  red: Red | null;
  use: UseSignal[];
  example_trace: Trace | null;
  logs: LogRecord[];
}

export interface CriticalPath {
  trace_id: string;
  root: string;
  duration_nanos: number;
  steps: { span_id: string; start: Nanos; end: Nanos }[];
  operations: { service: string; name: string; nanos: number; share: number }[];
  cut?: string;
}

export interface Load {
  metric: string;
  resource: string;
  method: string;
  unit: string;
  help: string;
  labels: LabelMap;
  value: number;
}

export type MomentKind = 'change' | 'alert' | 'alert_end' | 'span' | 'span_event' | 'log' | 'exemplar';

export interface Moment {
  time: Nanos;
  kind: MomentKind;
  service: string;
  text: string;
  is_bad: boolean;
  duration_nanos?: number;
  trace_id?: string;
  span_id?: string;
}

export interface LookupAnswer {
  id: string;
  kind: string;
  traces: Trace[];
  logs: LogRecord[];
  alerts: Alert[];
  changes?: Change[];
  load?: Load[];
  critical_paths?: CriticalPath[];
  timeline?: Moment[];
  cut: string | null;
  /** Why a part is not everything, by its name. */
  cuts?: Record<string, string>;
  message?: string;
}

export interface GraphNode {
  name: string;
  kind: string;
  rate: number;
  failed_ratio: number | null;
}

export interface Edge {
  client: string;
  server: string;
  connection_type?: string;
  rate: number | null;
  failed_ratio: number | null;
  p95_seconds: number | null;
}

export interface Graph {
  nodes?: GraphNode[];
  edges: Edge[];
}

export interface Golden {
  services: GoldenService[];
  saturated: Saturated[];
  cut: string | null;
}

export interface GoldenService extends Operation {
  rate_1m: number | null;
  rate_5m: number | null;
  rate_15m: number | null;
  calls: number | null;
  under_way: number | null;
}

export interface Saturated {
  metric: string;
  unit: string;
  help: string;
  labels: LabelMap;
  value: number;
}

export interface Comparison {
  query: string;
  found: number;
  of: 'slow' | 'failed';
  slow_nanos?: number;
  others_nanos?: number;
  slow: number;
  others: number;
  attributes: { name: string; value: string; slow: number; others: number; difference: number }[];
  operations: { service: string; name: string; slow_nanos: number; others_nanos: number; difference_nanos: number }[];
  cut: string | null;
}

/** A question that was not answered, in words for the reader. */
export class ApiError extends Error {
  constructor(
    message: string,
    /** The HTTP status; 0 when nothing answered. */
    readonly status: number,
  ) {
    super(message);
  }
}

const TENANT = 'sonde.tenant';

/** Whose signals are shown; empty is the server's default. */
export function tenant(): string {
  return localStorage.getItem(TENANT) ?? '';
}

export function setTenant(name: string): void {
  if (name) localStorage.setItem(TENANT, name);
  else localStorage.removeItem(TENANT);
}

/** The headers that every question has. */
function headers(): Record<string, string> {
  // Labels come by where they are from: the stream, the record, or the query's own parsers.
  const all: Record<string, string> = { accept: 'application/json', 'x-loki-response-encoding-flags': 'categorize-labels' };
  if (tenant()) all['x-scope-orgid'] = tenant();
  return all;
}

/** A path of the native API, or one of another dialect, which begins with its name. */
const addressOf = (path: string): string => (/^\/(loki|prometheus|tempo)\//.test(path) ? path : `/sonde/v1${path}`);

/**
 * The body's text, so that a caller can tell an unchanged answer from a new one.
 *
 * `notFoundIsAnswer`: a 404 whose body is an answer like any other (lookup says so).
 */
export async function ask(path: string, signal: AbortSignal, notFoundIsAnswer = false): Promise<string> {
  const response = await reach(path, signal);
  const text = await response.text();
  if (response.ok) return text;
  if (notFoundIsAnswer && response.status === 404 && text.includes('"kind"')) return text;
  throw refusal(response.status, text);
}

/** The collector's response, whatever it is. */
export async function reach(path: string, signal: AbortSignal): Promise<Response> {
  return fetch(addressOf(path), { headers: headers(), signal }).catch((error: unknown) => {
    if (signal.aborted) throw error;
    throw new ApiError('The collector does not answer. Is it running?', 0);
  });
}

export function refusal(status: number, text: string): ApiError {
  return new ApiError(messageOf(text) || `The collector answered ${status} without saying why.`, status);
}

function messageOf(text: string): string {
  try {
    const body = JSON.parse(text) as { error?: unknown; message?: unknown };
    const message = body.error ?? body.message;
    return typeof message === 'string' ? message : '';
  } catch {
    return text.length < 4000 ? text.trimEnd() : '';
  }
}

/** A query string of the parameters that have a value. */
export function withQuery(path: string, parameters: Record<string, string | number | undefined>): string {
  const search = new URLSearchParams();
  for (const [name, value] of Object.entries(parameters)) {
    if (value !== undefined && value !== '') search.set(name, String(value));
  }
  const text = search.toString();
  return text ? `${path}?${text}` : path;
}
