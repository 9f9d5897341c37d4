// A made-up shop with a fault in its payments, in the shapes of the native API.

const NS = 1e6;
const MINUTE = 60_000;
const now = () => Math.floor(Date.now() / 5000) * 5000;
const started = Date.now();

/** Repeatable noise, so that two screenshots differ only by what was changed. */
function noise(seed) {
  let state = seed >>> 0 || 1;
  return () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return state / 2 ** 32;
  };
}

const series = (seed, from, step, value) => {
  const random = noise(seed);
  const samples = [];
  for (let time = from; time <= now(); time += step) samples.push([time, value(time, random())]);
  return samples;
};

const hex = (seed, length) => {
  const random = noise(seed);
  return Array.from({ length }, () => Math.floor(random() * 16).toString(16)).join('');
};

const TRACE = hex(77, 32);
const REQUEST = 'req-7f3a91c0-52de';
const FAULT = MINUTE * 9;

const SERVICES = [
  ['frontend', 48.2, 0.031, 0.041, 0.18, 1.42, 0],
  ['checkout', 12.6, 0.118, 0.093, 0.91, 2.41, 1],
  ['payments', 12.4, 0.121, 0.061, 0.84, 2.2, 1],
  ['inventory', 31.9, 0, 0.0031, 0.0092, 0.021, 0],
  ['shipping', 3.1, 0.0004, 0.012, 0.033, 0.081, 0],
  ['nightly-report', null, null, null, null, null, 0],
].map(([name, rate, error_ratio, p50_seconds, p95_seconds, p99_seconds, alerts]) =>
  ({ name, rate, error_ratio, p50_seconds, p95_seconds, p99_seconds, alerts }));

const alerts = () => [
  {
    fingerprint: '9c1d4e8f02ab7735',
    labels: { alertname: 'HighErrorRatio', service: 'checkout', severity: 'page', host_name: 'node-a', team: 'shop' },
    annotations: {
      summary: '11.8 % of requests to checkout fail',
      description: 'More than 5 % of the server spans of checkout ended with an error for 2 minutes. The example trace below shows one of them.',
      runbook_url: 'https://runbooks.example.com/high-error-ratio',
    },
    starts_at: (now() - FAULT) * NS, ends_at: null, updated_at: now() * NS, state: 'firing',
    generator_url: '', receivers: ['shop-pager', 'shop-slack'],
  },
  {
    fingerprint: '11aa22bb33cc44dd',
    labels: { alertname: 'HighLatency', service: 'payments', severity: 'warning' },
    annotations: { summary: 'p99 of payments is 2.2 s' },
    starts_at: (now() - FAULT + 2 * MINUTE) * NS, ends_at: null, updated_at: now() * NS, state: 'firing', generator_url: '', receivers: ['shop-slack'],
  },
  {
    fingerprint: '00ff00ff00ff00ff',
    labels: { alertname: 'NodeMemoryFull', instance: 'node-b', severity: 'warning' },
    annotations: { summary: 'node-b had under 5 % of its memory left' },
    starts_at: (now() - 210 * MINUTE) * NS, ends_at: (now() - 182 * MINUTE) * NS, updated_at: now() * NS, state: 'resolved', generator_url: '', receivers: ['infra'],
  },
];

function span(id, parent, service, name, kind, at, took, more = {}) {
  const base = now() - 4 * MINUTE;
  return {
    span_id: hex(id, 16), parent: parent === null ? null : hex(parent, 16), service, name, kind,
    resource: [['service.name', service], ['service.version', '2.14.1'], ['host.name', 'node-a'], ['k8s.pod.name', `${service}-6d9f7c-x2x`]],
    scope: 'io.opentelemetry.http', start: (base + at) * NS, end: (base + at + took) * NS, status: 'unset', status_message: '',
    attributes: [['http.request.method', 'POST'], ['http.route', '/pay'], ['http.response.status_code', '200']], events: [], links: [], ...more,
  };
}

const trace = () => ({
  trace_id: TRACE,
  spans: [
    span(1, null, 'frontend', 'POST /cart/checkout', 'server', 0, 2412, { status: 'error', status_message: '502', attributes: [['http.request.method', 'POST'], ['http.request.header.x-request-id', `["${REQUEST}"]`], ['http.response.status_code', '502']] }),
    span(2, 1, 'frontend', 'validate cart', 'internal', 4, 11),
    span(3, 1, 'frontend', 'POST', 'client', 21, 2384, { status: 'error' }),
    span(4, 3, 'checkout', 'POST /checkout', 'server', 28, 2371, { status: 'error', status_message: 'payment failed' }),
    span(5, 4, 'inventory', 'POST /reserve', 'server', 39, 19),
    span(6, 5, 'inventory', 'SELECT stock', 'client', 42, 9),
    span(7, 4, 'checkout', 'POST payments/pay', 'client', 71, 2311, { status: 'error' }),
    span(8, 7, 'payments', 'POST /pay', 'server', 80, 2298, {
      status: 'error', status_message: 'card gateway timed out',
      events: [{ time: (now() - 4 * MINUTE + 2350) * NS, name: 'exception', attributes: [['exception.type', 'GatewayTimeout'], ['exception.message', 'no answer from card gateway after 2000 ms']] }],
      links: [{ trace_id: hex(5, 32), span_id: hex(6, 16), attributes: [] }],
    }),
    span(9, 8, 'payments', 'POST card-gateway', 'client', 102, 2003, { status: 'error' }),
    span(10, 8, 'payments', 'refund hold', 'internal', 2120, 240),
    span(11, 4, 'checkout', 'enqueue mail', 'producer', 2384, 9),
  ],
});

function log(at, level, service, body, spanSeed, attributes = []) {
  return {
    time: (now() - 4 * MINUTE + at) * NS, observed: (now() - 4 * MINUTE + at + 40) * NS,
    labels: { service_name: service, level, host_name: 'node-a', k8s_pod_name: `${service}-6d9f7c-x2x` },
    severity: { debug: 5, info: 9, warn: 13, error: 17, fatal: 21 }[level] ?? 0, level, body,
    trace_id: spanSeed ? TRACE : null, span_id: spanSeed ? hex(spanSeed, 16) : null, attributes,
  };
}

export const logs = () => [
  log(6, 'info', 'frontend', `checkout started request_id=${REQUEST}`, 1, [['request_id', REQUEST]]),
  log(44, 'debug', 'inventory', 'reserved 2 of sku 88-104', 5),
  log(72, 'info', 'checkout', '{"msg":"calling payments","amount":4210,"currency":"EUR"}', 7),
  log(1105, 'warn', 'payments', 'card gateway is slow: 1000 ms without an answer', 9),
  log(2106, 'error', 'payments', 'no answer from card gateway after 2000 ms, giving up', 9, [['exception.type', 'GatewayTimeout']]),
  log(2361, 'error', 'checkout', 'payment failed: 504 from payments', 4, [['order.id', '441-9012']]),
  log(2408, 'fatal', 'frontend', 'answered 502 <script>alert(1)</script>', 1),
];

const red = (service) => {
  const from = now() - 60 * MINUTE;
  const bad = (time) => time > now() - FAULT - 2 * MINUTE;
  return {
    service,
    rate: series(3, from, 15_000, (time, random) => 12 + 2 * Math.sin(time / 4e5) + random),
    errors: series(5, from, 15_000, (time, random) => (bad(time) ? 0.09 + 0.05 * random : 0.002 * random)),
    p50_seconds: series(9, from, 15_000, (_, random) => 0.06 + 0.02 * random),
    p95_seconds: series(11, from, 15_000, (time, random) => (bad(time) ? 1.1 : 0.16) + 0.04 * random),
    p99_seconds: series(7, from, 15_000, (time, random) => (bad(time) ? 2.2 + 0.3 * random : 0.21 + 0.06 * random)),
    operations: SERVICES.slice(0, 3).map(({ rate, ...rest }, n) => ({ ...rest, name: ['POST /pay', 'GET /cards', 'POST /refund'][n], rate: rate / (n + 2) })),
    exemplars: Array.from({ length: 12 }, (_, n) => ({
      time: (now() - n * 5 * MINUTE - 20_000) * NS, trace_id: TRACE, span_id: hex(8 + n, 16), operation: 'POST /pay',
      status_code: n % 3 ? 'STATUS_CODE_UNSET' : 'STATUS_CODE_ERROR', seconds: 0.2 + 1.8 * noise(n)(),
    })),
    cut: null,
  };
};

const changes = () => [
  { time: (now() - FAULT - 90_000) * NS, service: 'payments', attribute: 'service.version', before: '2.14.0', after: '2.15.0' },
  { time: (now() - 31 * MINUTE) * NS, service: 'inventory', attribute: 'k8s.replicaset.name', before: 'inventory-5b7f', after: 'inventory-77cd' },
];

const golden = () => ({
  services: SERVICES.filter(({ rate }) => rate !== null).map(({ alerts: _, rate, ...rest }) => ({ ...rest, rate_1m: rate, rate_5m: rate * 0.98, rate_15m: rate * 1.02, calls: Math.round(rate * 5e4), under_way: rate * rest.p50_seconds })),
  saturated: use().filter(({ method, value }) => method === 'saturation' && value > 0.01).map(({ metric, unit, help, labels, value }) => ({ metric, unit, help, labels, value })),
  cut: null,
});

const comparison = (query) => ({
  query: query.get('query') || '{ }', found: 812, of: query.get('of') ?? 'slow', slow: 81, others: 100,
  ...(query.get('of') === 'failed' ? {} : { slow_nanos: 1.9e9, others_nanos: 8.1e7 }),
  attributes: [['resource.service.version', '2.15.0', 0.98, 0.12], ['span.card.network', 'visa', 0.71, 0.34], ['span.http.response.status_code', '502', 0.66, 0.01]].map(([name, value, slow, others]) => ({ name, value, slow, others, difference: slow - others })),
  operations: [['payments', 'POST card-gateway', 1.7e9, 3e7], ['inventory', 'SELECT stock', 9e6, 8e6]].map(([service, name, slow_nanos, others_nanos]) => ({ service, name, slow_nanos, others_nanos, difference_nanos: slow_nanos - others_nanos })),
  cut: null,
});

const use = () => [
  ['cpu', 'utilization', 'node:cpu_utilization:ratio', 'ratio', 0.42, {}],
  ['cpu', 'saturation', 'node:cpu_saturation:ratio', 'ratio', 0.031, {}],
  ['cpu', 'saturation', 'node:cpu_load:ratio', 'ratio', 1.31, {}],
  ['memory', 'utilization', 'node:memory_utilization:ratio', 'ratio', 0.87, {}],
  ['memory', 'saturation', 'node:memory_saturation:ratio', 'ratio', 0, {}],
  ['memory', 'saturation', 'node:memory_paging:rate', '1/s', 12.4, {}],
  ['disk', 'utilization', 'node:disk_utilization:ratio', 'ratio', 0.974, { system_device: 'nvme0n1' }],
  ['disk', 'utilization', 'node:disk_utilization:ratio', 'ratio', 0.02, { system_device: 'sda' }],
  ...[0.31, 0.82, 0.11, 0.4, 0.02].map((value, n) => ['disk', 'utilization', 'node:filesystem_utilization:ratio', 'ratio', value, { system_filesystem_mountpoint: ['/', '/var', '/boot', '/home', '/mnt'][n] }]),
  ['disk', 'saturation', 'node:disk_saturation:ratio', 'ratio', 0.22, {}],
  ['disk', 'saturation', 'node:disk_queue:operations', 'operations', 1.7, { system_device: 'nvme0n1' }],
  ['network', 'utilization', 'node:network_throughput:bytes_rate', 'bytes/s', 18_400_000, { network_interface_name: 'eth0', network_io_direction: 'receive' }],
  ['network', 'utilization', 'node:network_throughput:bytes_rate', 'bytes/s', 2_400_000, { network_interface_name: 'eth0', network_io_direction: 'transmit' }],
  ['network', 'saturation', 'node:network_drops:rate', '1/s', 0, { network_interface_name: 'eth0' }],
  ['network', 'errors', 'node:network_errors:rate', '1/s', 0.4, { network_interface_name: 'eth0' }],
].map(([resource, method, metric, unit, value, labels], index) => ({
  resource, method, metric, unit, help: `The ${method} of ${resource}.`, labels: { host_name: 'node-a', ...labels }, value,
  samples: series(20 + index, now() - 60 * MINUTE, 30_000, (_, random) => value * (0.8 + 0.4 * random)),
}));

const notifications = () => [
  { time: (now() - FAULT + 30_000) * NS, receiver: 'shop-pager', integration: 'pagerduty', group_key: '{}:{alertname="HighErrorRatio"}', group_labels: {}, alerts: ['9c1d4e8f02ab7735'], status: 'firing', outcome: 'sent', error: null, attempts: 1 },
  { time: (now() - FAULT + 31_000) * NS, receiver: 'shop-slack', integration: 'slack', group_key: '{}', group_labels: {}, alerts: ['9c1d4e8f02ab7735'], status: 'firing', outcome: 'sent', error: null, attempts: 3 },
  { time: (now() - FAULT + 61_000) * NS, receiver: 'shop-mail', integration: 'email', group_key: '{}', group_labels: {}, alerts: ['9c1d4e8f02ab7735'], status: 'firing', outcome: 'failed', error: 'smtp.example.com:587 refused the recipient: 550 no such user', attempts: 4 },
];

const summaries = () => Array.from({ length: 14 }, (_, index) => {
  const random = noise(index + 400);
  const failed = index % 3 === 0;
  return {
    trace_id: index === 0 ? TRACE : hex(index + 900, 32), root_service: 'frontend', root_name: failed ? 'POST /cart/checkout' : 'GET /product/{id}',
    start: (now() - index * 7300) * NS, duration_nanos: (failed ? 2.2e9 : 4e7) * (0.7 + 0.6 * random()), spans: failed ? 11 : 4, errors: failed ? 6 : 0,
    services: failed ? ['frontend', 'checkout', 'inventory', 'payments'] : ['frontend', 'inventory'],
  };
});

const edges = [
  ['user', 'frontend', 48.2, 0.031, 0.18], ['frontend', 'checkout', 12.6, 0.118, 0.91], ['checkout', 'payments', 12.4, 0.121, 0.84],
  ['checkout', 'inventory', 12.5, 0, 0.009], ['payments', 'card-gateway', 12.4, 0.12, 0.8],
].map(([client, server, rate, failed_ratio, p95_seconds]) => ({ client, server, connection_type: '', rate, failed_ratio, p95_seconds }));

const nodes = () => [...new Set(edges.flatMap(({ client, server }) => [client, server]))].sort().map((name) => {
  const asked = edges.find(({ server }) => server === name);
  return { name, kind: name === 'user' || name === 'card-gateway' ? 'virtual' : 'service', rate: asked?.rate ?? 0, failed_ratio: asked?.failed_ratio ?? null };
});

const ok = (body) => ({ status: 200, body });
const failed = (status, error) => ({ status, body: { error } });

function signals(method, query) {
  switch (method) {
    case 'graph': return { nodes: nodes(), edges };
    case 'use': return { signals: (query.get('scope') ?? 'node') === 'node' ? use() : [], cut: null };
    case 'golden': return golden();
    case 'changes': return { changes: changes().filter(({ service }) => !query.get('service') || service === query.get('service')), cut: null };
    case 'compare': return comparison(query);
    default: return red(query.get('service'));
  }
}

/** What PromQL says of every service: a line each. */
export const prometheusAnswer = (query) => ({
  status: 'success',
  data: { resultType: 'matrix', result: SERVICES.filter(({ rate }) => rate !== null).map((service, n) => ({
    metric: { service: service.name },
    values: series(40 + n, now() - 60 * MINUTE, 30_000, (_, random) => 0.5 + random).map(([time, value]) => [time / 1000, String(value * (query.get('query').includes('STATUS_CODE_ERROR') ? service.error_ratio : service.rate))]),
  })) },
});

/** What the collector would say; `?` addresses as in its native API. */
export function answer(path, query) {
  const [, room, argument] = path.split('/');
  const id = decodeURIComponent(argument ?? '');
  switch (room) {
    case 'services': return ok({ services: SERVICES });
    case 'alerts': return id ? alert(id) : ok({ alerts: alerts() });
    case 'lookup': return lookup(id);
    case 'trace': if (path.endsWith('/matched')) return ok({ span_sets: [{ matched: 1, attributes: [], spans: [{ span_id: hex(8, 16) }] }], cut: null });
      return id === TRACE ? ok(trace()) : failed(404, `no span of trace ${id} is kept`);
    case 'traces': return (query.get('query') ?? '').includes('nothing') ? ok({ traces: [], searched_through: 4, cut: null }) : ok({ traces: summaries(), searched_through: 4, cut: null });
    case 'signals': return ok(signals(id, query));
    case 'status': return ok(status());
    default: return failed(404, `nothing at ${path}`);
  }
}

function alert(fingerprint) {
  const found = alerts().find((one) => one.fingerprint === fingerprint);
  if (!found) return failed(404, `no alert has the fingerprint ${fingerprint}`);
  if (!found.labels.service) return ok({ alert: found, service: null, notifications: [], red: null, use: use().slice(0, 4), example_trace: null, logs: [] });
  return ok({ alert: found, service: found.labels.service, notifications: notifications(), red: red(found.labels.service), use: use(), example_trace: trace(), logs: logs() });
}

/** What stands around the trace: what it waited for, all of it in the order of time. */
function around() {
  const { spans } = trace();
  const moment = (time, kind, service, text, is_bad, more = {}) => ({ time, kind, service, text, is_bad, ...more });
  const timeline = [
    ...changes().slice(0, 1).map((one) => moment(one.time, 'change', one.service, `${one.attribute}: ${one.before} → ${one.after}`, false)),
    ...alerts().slice(0, 1).map((one) => moment(one.starts_at, 'alert', one.labels.service, `${one.labels.alertname} fires`, true)),
    ...spans.map((one) => moment(one.start, 'span', one.service, one.name, one.status === 'error', { duration_nanos: one.end - one.start, trace_id: TRACE, span_id: one.span_id })),
    ...logs().map((one) => moment(one.time, 'log', one.labels.service_name, `${one.level} ${one.body}`, /error|fatal/.test(one.level), one.trace_id ? { trace_id: TRACE, span_id: one.span_id } : {})),
  ].sort((a, b) => a.time - b.time);
  const slow = spans[8];
  return {
    changes: changes().slice(0, 1), timeline, cut: null, cuts: {},
    load: use().map(({ samples: _, ...one }) => one),
    critical_paths: [{
      trace_id: TRACE, root: spans[0].span_id, duration_nanos: spans[0].end - spans[0].start,
      steps: [{ span_id: spans[0].span_id, start: spans[0].start, end: slow.start }, { span_id: slow.span_id, start: slow.start, end: slow.end }, { span_id: spans[0].span_id, start: slow.end, end: spans[0].end }],
      operations: [{ service: slow.service, name: slow.name, nanos: slow.end - slow.start, share: 0.83 }, { service: 'frontend', name: spans[0].name, nanos: 4.1e8, share: 0.17 }],
    }],
  };
}

function lookup(id) {
  const searched_through = { logs: 812, spans: 641 };
  if (id === TRACE || id === REQUEST) {
    return ok({ id, kind: id === TRACE ? 'trace' : 'request', traces: [trace()], logs: logs(), alerts: alerts().slice(0, 1), searched_through, ...around() });
  }
  return { status: 404, body: { id, kind: 'none', traces: [], logs: [], alerts: [], searched_through, message: `Neither a span nor a log line names ${id}.` } };
}

const status = () => ({
  version: '0.1.0', started: (started - 93 * MINUTE) * NS, now: Date.now() * NS,
  journal: { logs: { first: 120_000, end: 812_344, applied: 812_344 }, spans: { first: 1, end: 641_002, applied: 639_800, failed: false, troubles: ["cannot maintain its store: No space left on device (os error 28)"] }, metrics: { first: 1, end: 90_221, applied: 90_221 } },
  stores: {
    logs: { records: 5_120_331, bytes: 311_000_231, segments: 44, oldest: (now() - 3e7) * NS, newest: now() * NS },
    traces: { spans: 2_002_113, bytes: 99_000_231, segments: 12, oldest: (now() - 3e7) * NS, newest: now() * NS },
    metrics: { series: 8113, samples: 19_223_411, bytes: 41_000_000 },
  },
  agent: { files: 31, records_sent: 5_120_331, export: { endpoint: 'http://127.0.0.1:4317', failures: 0 } },
  alerts: { firing: 2, notifications_sent: 14, notifications_failed: 1 },
});
