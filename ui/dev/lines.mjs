// Made-up answers of Loki's API, and made-up lines that come live.

import { logs } from './fixtures.mjs';

const ROUNDS = 60;

/** The lines of the made-up shop, again and again back in time. */
const lines = () => Array.from({ length: ROUNDS }, (_, round) => logs().map((one) => ({ ...one, time: one.time - round * 41e9 })))
  .flat()
  .sort((a, b) => b.time - a.time);

const digits = (time) => String(BigInt(Math.round(time)));

function metadataOf({ trace_id, span_id, level, attributes }) {
  const pairs = [...attributes.map(([name, value]) => [name.replaceAll('.', '_'), value]), ['detected_level', level]];
  if (trace_id) pairs.push(['trace_id', trace_id], ['span_id', span_id]);
  return Object.fromEntries(pairs);
}

const success = (data, warnings) => ({ status: 200, body: { status: 'success', data, ...(warnings && { warnings }) } });

const STATS = { summary: { totalLinesProcessed: 51_203, totalBytesProcessed: 7_340_032, execTime: 0.0412 } };

/** Of the parameters, only the times, the limit, and some words of the query count. */
export function lokiAnswer(path, query) {
  const text = query.get('query') ?? '';
  const wrong = text.indexOf('wrong');
  if (wrong >= 0) return { status: 400, body: `parse error at line 1, col ${wrong + 1}: expected a stage such as |= "text" or | json, found "wrong"\n` };
  const found = text.includes('nothing') ? [] : within(query);
  switch (path) {
    case 'query_range': return /^\s*\{/.test(text) ? streams(found, query, text) : matrix(found, query);
    case 'query': return topk(found, text);
    case 'detected_labels': return { status: 200, body: { detectedLabels: [['level', 5], ['service_name', 4], ['host_name', 1], ['k8s_pod_name', 4]].map(([label, cardinality]) => ({ label, cardinality })) } };
    case 'detected_fields': return { status: 200, body: { fields: [['amount', 'int', 1, ['json']], ['request_id', 'string', 1, []], ['exception_type', 'string', 1, []]].map(([label, type, cardinality, parsers]) => ({ label, type, cardinality, parsers })) } };
    case 'patterns': return success(patterns(found));
    default: return { status: 404, body: `there is nothing at ${path}\n` };
  }
}

/** Milliseconds of a time in seconds or in nanoseconds. */
const millis = (text, without) => (text ? Number(text) / (text.length > 15 ? 1e6 : 1e-3) : without);

function within(query) {
  const [start, end] = [millis(query.get('start'), 0), millis(query.get('end'), Infinity)];
  return lines().filter(({ time }) => time / 1e6 >= start && time / 1e6 < end);
}

function streams(found, query, text) {
  const forward = query.get('direction') === 'forward';
  const chosen = (forward ? [...found].reverse() : found).slice(0, Number(query.get('limit') ?? 100));
  const result = chosen.map((one) => ({ stream: one.labels, values: [[digits(one.time), one.body, { structuredMetadata: metadataOf(one) }]] }));
  return success({ resultType: 'streams', result, stats: STATS }, text.includes('slow') ? ['only the newest 128 MiB were read; ask for a shorter time'] : undefined);
}

function matrix(found, query) {
  const [start, end] = [millis(query.get('start')) / 1000, millis(query.get('end')) / 1000];
  const step = Number(query.get('step'));
  const counts = new Map();
  for (const { time, level } of found) {
    const at = start + Math.ceil((time / 1e9 - start) / step) * step;
    if (at > end + step / 2) continue;
    const own = counts.get(level) ?? counts.set(level, new Map()).get(level);
    own.set(at, (own.get(at) ?? 0) + 1);
  }
  const result = [...counts].map(([level, own]) => ({ metric: { level }, values: [...own].sort((a, b) => a[0] - b[0]).map(([at, count]) => [at, String(count)]) }));
  return success({ resultType: 'matrix', result, stats: STATS });
}

function topk(found, text) {
  const name = /sum by \((\w+)/.exec(text)?.[1];
  const counts = new Map();
  for (const one of found) {
    const value = one.labels[name] ?? metadataOf(one)[name] ?? '';
    counts.set(value, (counts.get(value) ?? 0) + 1);
  }
  return success({ resultType: 'vector', result: [...counts].map(([value, count]) => ({ metric: { [name]: value }, value: [0, String(count)] })) });
}

function patterns(found) {
  const counts = new Map();
  for (const { body, time } of found) {
    const text = body.replace(/\d+/g, '<_>');
    const own = counts.get(text) ?? counts.set(text, new Map()).get(text);
    const at = Math.floor(time / 60e9) * 60;
    own.set(at, (own.get(at) ?? 0) + 1);
  }
  return [...counts].map(([pattern, own]) => ({ pattern, samples: [...own] }));
}

/** A line every half of a second, until the page goes. */
export function followed(response) {
  response.writeHead(200, { 'content-type': 'application/x-ndjson' });
  const all = logs();
  let number = 0;
  const timer = setInterval(() => {
    const one = all[number % all.length];
    number += 1;
    response.write(`{"time":${digits(Date.now() * 1e6)},"line":${JSON.stringify(`${one.body} #${number}`)},"labels":${JSON.stringify(one.labels)},"metadata":${JSON.stringify(metadataOf(one))}}\n`);
  }, 500);
  response.on('close', () => clearInterval(timer));
}
