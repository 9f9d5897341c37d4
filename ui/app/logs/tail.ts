// Lines as they come: the collector's answer, a JSON object a line, read until it ends.
//
// `{"time", "line", "labels", "metadata", "parsed"}`, `{"gap": time}` where lines were left
// out, `{"late": n, "before": time}` where so many lines came too late to be among them,
// `{"alive": time}` where nothing came for a while, `{"error": "…"}` at the end.

import { ApiError, reach, refusal, withQuery } from '../api';
import type { LabelMap } from '../api';
import type { Line } from '../loki';

/** The collector says that it is there every 5 seconds. */
const SILENCE_MAX = 20_000;
/** No event is longer: a line has a megabyte at most. */
const EVENT_CHARS_MAX = 32_000_000;

export interface Tail {
  onLines(lines: Line[]): void;
  onGap(): void;
  /** So many lines of the query's streams came too late to be followed; a search finds them. */
  onLate(lines: number): void;
}

interface Event {
  line?: string;
  labels?: LabelMap;
  metadata?: LabelMap;
  parsed?: LabelMap;
  gap?: number;
  late?: number;
  error?: string;
}

/** Follows a query from a time on (such as `-1m`); ends only with an error, or when told to. */
export async function follow(query: string, start: string, limit: number, tail: Tail, signal: AbortSignal): Promise<void> {
  const response = await reach(withQuery('/logs/follow', { query: query || '{}', start, limit }), signal);
  if (!response.ok || !response.body) throw refusal(response.status, await response.text());
  const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
  let rest = '';
  try {
    for (;;) {
      const { done, value } = await within(reader.read(), SILENCE_MAX);
      if (done) throw new ApiError('The collector ended it: it may be restarting.', 0);
      const events = (rest + value).split('\n');
      rest = events.pop() ?? '';
      if (rest.length > EVENT_CHARS_MAX) throw new ApiError('A line is too long to be shown.', 0);
      deliver(events, tail);
    }
  } finally {
    // Whoever ends the reading also ends the answer.
    await reader.cancel().catch(() => undefined);
  }
}

/** Hands on what whole events say. */
export function deliver(events: string[], tail: Tail) {
  const lines: Line[] = [];
  for (const text of events) {
    if (!text) continue;
    const event = JSON.parse(text) as Event;
    if (event.error !== undefined) throw new ApiError(event.error, 0);
    if (event.gap !== undefined) tail.onGap();
    if (event.late !== undefined) tail.onLate(event.late);
    if (event.line !== undefined) lines.push(lineOf(text, event));
  }
  if (lines.length > 0) tail.onLines(lines);
}

/** The time is taken from the text: as a number it would lose its last digits. */
function lineOf(text: string, { line = '', labels = {}, metadata = {}, parsed = {} }: Event): Line {
  const time = /^\{"time":(\d+)/.exec(text)?.[1] ?? '0';
  return { time, text: line, labels, metadata, parsed };
}

async function within<T>(promise: Promise<T>, millis: number): Promise<T> {
  let timer: ReturnType<typeof setTimeout> | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new ApiError('The collector has been silent for too long.', 0)), millis);
  });
  try {
    return await Promise.race([promise, late]);
  } finally {
    clearTimeout(timer);
  }
}
