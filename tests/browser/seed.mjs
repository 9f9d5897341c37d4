// What a shop does not do by itself: a change of version, a trace of thousands of spans, spans
// whose clocks differ or whose parents are missing, texts that look like HTML, pods that are
// busy. Sent as applications send it, over OTLP and to the door for pushed metrics.

const NS = 1_000_000n;

/** Digits that depend on nothing but the number. */
const hex = (seed, length) => {
  let state = (seed * 2654435761) >>> 0 || 1;
  let text = '';
  while (text.length < length) {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    text += (state >>> 8).toString(16).padStart(6, '0');
  }
  return text.slice(0, length);
};

const attributes = (of) => Object.entries(of).map(([key, value]) => ({
  key, value: typeof value === 'number' ? { intValue: String(value) } : { stringValue: value },
}));

async function post(origin, path, type, body) {
  const response = await fetch(new URL(path, origin), { method: 'POST', headers: { 'content-type': type }, body });
  if (!response.ok) throw new Error(`${path} was answered ${response.status}: ${await response.text()}`);
}

/** Spans by service, as `{ service, version, spans }`. */
function sendSpans(origin, groups) {
  const resourceSpans = groups.map(({ service, version = '1.0.0', resource = {}, spans }) => ({
    resource: { attributes: attributes({ 'service.name': service, 'service.version': version, ...resource }) },
    scopeSpans: [{ scope: { name: 'seed' }, spans }],
  }));
  return post(origin, '/v1/traces', 'application/json', JSON.stringify({ resourceSpans }));
}

/** `at` and `took` are milliseconds from the trace's begin. */
function span(trace, id, parent, name, at, took, { begin, kind = 2, failed = false, ...more }) {
  const start = begin + BigInt(Math.round(at * 1000)) * (NS / 1000n);
  return {
    traceId: trace, spanId: hex(id, 16), parentSpanId: parent === null ? '' : hex(parent, 16), name, kind,
    startTimeUnixNano: String(start), endTimeUnixNano: String(start + BigInt(Math.round(took * 1000)) * (NS / 1000n)),
    status: failed ? { code: 2, message: 'seeded to fail' } : {},
    attributes: attributes(more.attributes ?? {}), events: more.events ?? [], links: more.links ?? [],
  };
}

const nowNanos = () => BigInt(Date.now()) * NS;
const runSeed = () => Math.floor(Date.now() / 1000) % 1_000_000;

export const HTML = '<img src="x" onerror="document.title=\'harm\'"><b>bold</b>';

/** A trace of `count` spans, one of them with HTML in its texts. Returns its ID. */
export async function largeTrace(origin, count) {
  const seed = runSeed() * 100_000;
  const trace = hex(seed + 1, 32);
  const begin = nowNanos() - 20_000n * NS;
  const of = { begin };
  const groups = [
    { service: 'bulk-import', spans: [span(trace, seed + 1, null, 'import', 0, count + 20, { ...of, attributes: { rows: count } })] },
    { service: 'bulk-store', spans: [] },
  ];
  for (let n = 2; n <= count; n += 1) {
    groups[1].spans.push(span(trace, seed + n, n % 10 === 2 ? seed + 1 : seed + n - (((n - 2) % 10) || 1), `write ${n}`, n, 0.9 + (n % 7) / 10, {
      ...of, kind: n % 2 ? 3 : 2, failed: n % 500 === 0, attributes: { 'row.number': n },
    }));
  }
  await sendSpans(origin, groups);
  return trace;
}

/** A trace with a clock that is off, a missing parent, links, events and HTML. Returns IDs. */
export async function oddTrace(origin) {
  const seed = runSeed() * 100_000 + 50_000;
  const trace = hex(seed, 32);
  const begin = nowNanos() - 15_000n * NS;
  const of = { begin };
  const event = { timeUnixNano: String(begin + 40n * NS), name: 'exception', attributes: attributes({ 'exception.message': HTML }) };
  const link = { traceId: hex(seed + 9, 32), spanId: hex(seed + 9, 16), attributes: attributes({ reason: 'retry' }) };
  await sendSpans(origin, [
    { service: 'odd-front', spans: [span(trace, seed + 1, null, 'GET /odd', 0, 100, { ...of, attributes: { note: HTML }, links: [link] })] },
    { service: 'odd-back', spans: [
      span(trace, seed + 2, seed + 1, `GET ${HTML}`, -12, 60, { ...of, failed: true, events: [event] }),
      span(trace, seed + 3, seed + 77, 'work without a parent', 30, 20, { ...of, kind: 1 }),
    ] },
  ]);
  return { trace, link: link.traceId };
}

/** A service that changes its version. */
export async function versions(origin, service) {
  for (const version of ['1.4.0', '1.4.1']) {
    const seed = runSeed() * 100_000 + 90_000 + (version === '1.4.0' ? 0 : 500);
    const begin = nowNanos() - 50n * NS;
    const spans = Array.from({ length: 20 }, (_, n) => span(hex(seed + n, 32), seed + n, null, n % 4 ? 'GET /a' : 'GET /b', n, 5 + n, { begin, failed: n % 5 === 0 }));
    await sendSpans(origin, [{ service, version, resource: { 'host.name': 'seed-node' }, spans }]);
  }
}

/**
 * A bank whose every fourth charge takes long and whose every third fails, whatever else the
 * machine does. Returns the ID of a trace of one that took long.
 */
export async function bank(origin, service) {
  const seed = runSeed() * 100_000 + 70_000;
  const begin = nowNanos() - 30_000n * NS;
  const groups = [{ service: `${service}-front`, spans: [] }, { service, spans: [] }];
  for (let n = 0; n < 40; n += 1) {
    const [id, took, failed] = [seed + n * 10, n % 4 ? 10 + (n % 5) : 900, n % 3 === 0];
    const of = { begin, failed };
    const attributes = { 'http.response.status_code': failed ? 500 : 200 };
    groups[0].spans.push(span(hex(id, 32), id + 1, null, 'GET /buy', n, took + 4, of));
    groups[1].spans.push(span(hex(id, 32), id + 2, id + 1, 'POST /charge', n + 2, took, { ...of, attributes }));
  }
  await sendSpans(origin, groups);
  return hex(seed + 360, 32);
}

/** Calls between `count` services, so that the graph is large. */
export async function manyServices(origin, count) {
  const name = (n) => `${['gateway', 'orders', 'stock', 'price', 'mail', 'search', 'users', 'carts'][n % 8]}-${Math.floor(n / 8)}`;
  const seed = runSeed() * 100_000 + 95_000;
  const begin = nowNanos() - 500n * NS;
  const groups = Array.from({ length: count }, (_, n) => ({ service: name(n), spans: [] }));
  for (let n = 1; n < count; n += 1) {
    for (const from of new Set([Math.floor((n - 1) / 3), Math.max(0, n - 5)])) {
      for (let call = 0; call < 1 + (n % 4) * 3; call += 1) {
        const [id, trace] = [seed * 10 + n * 100 + from * 10_000 + call * 3, hex(seed * 10 + n * 100 + from * 10_000 + call, 32)];
        const of = { begin, failed: n % 9 === 0 && call % 2 === 0 };
        groups[from].spans.push(span(trace, id, null, `call ${name(n)}`, 0, 20, { ...of, kind: 3 }));
        groups[n].spans.push(span(trace, id + 1, id, 'serve', 2, 12, of));
      }
    }
  }
  await sendSpans(origin, groups);
}

/** Pods and containers as recording rules would tell them. */
export function pods(origin, count) {
  const lines = [];
  for (let n = 0; n < count; n += 1) {
    const labels = `namespace="shop",pod="web-${n}",container="web"`;
    lines.push(`container:cpu_utilization:ratio{${labels}} ${((n * 37) % 100) / 100}`);
    lines.push(`container:cpu_saturation:ratio{${labels}} ${n === 3 ? 0.62 : 0}`);
    lines.push(`container:memory_utilization:ratio{${labels}} ${((n * 53) % 100) / 100}`);
    lines.push(`container:memory_failures:rate{${labels}} ${n === 5 ? 0.1 : 0}`);
    lines.push(`pod:network_throughput:bytes_rate{namespace="shop",pod="web-${n}"} ${(n + 1) * 300_000}`);
  }
  return post(origin, '/metrics/job/seed', 'text/plain', `${lines.join('\n')}\n`);
}
