// A small shop on the OpenTelemetry SDK for Node: sends traces, metrics and logs the way
// an application does, then prints one JSON line of what it sent.
//
//   node app.mjs --protocol grpc|http/protobuf|http/json --endpoint URL
//                [--service NAME] [--requests N] [--run-id ID]
//
// Exit code 1 when the SDK's exporters report that anything was not delivered.

import { parseArgs } from 'node:util';
import { context, SpanKind, SpanStatusCode, trace } from '@opentelemetry/api';
import { SeverityNumber } from '@opentelemetry/api-logs';
import { resourceFromAttributes } from '@opentelemetry/resources';
import { BatchLogRecordProcessor, LoggerProvider } from '@opentelemetry/sdk-logs';
import { MeterProvider, PeriodicExportingMetricReader } from '@opentelemetry/sdk-metrics';
import { BatchSpanProcessor, NodeTracerProvider } from '@opentelemetry/sdk-trace-node';

const PACKAGES = { 'grpc': 'grpc', 'http/protobuf': 'proto', 'http/json': 'http' };
const COUNTER = 'shop.requests';
const HISTOGRAM = 'shop.request.duration';

const { values: options } = parseArgs({
  options: {
    'protocol': { type: 'string', default: 'grpc' },
    'endpoint': { type: 'string' },
    'service': { type: 'string', default: 'shop-node' },
    'requests': { type: 'string', default: '100' },
    'run-id': { type: 'string', default: 'run' },
  },
});
const requests = Number(options.requests);
if (!options.endpoint || !(options.protocol in PACKAGES) || !(requests > 0)) {
  console.error('usage: node app.mjs --protocol grpc|http/protobuf|http/json --endpoint URL [--service NAME] [--requests N] [--run-id ID]');
  process.exit(2);
}

const failures = [];
// As long as the tests wait.
const PATIENCE = 240_000;

/** The SDK's own exporter, with its failures heard. */
async function exporter(signal, kind, path) {
  const module = await import(`@opentelemetry/exporter-${signal}-otlp-${PACKAGES[options.protocol]}`);
  const url = options.protocol === 'grpc' ? options.endpoint : options.endpoint.replace(/\/$/, '') + path;
  const inner = new module[kind]({ url, timeoutMillis: PATIENCE });
  const send = inner.export.bind(inner);
  inner.export = (items, done) => send(items, (result) => {
    if (result.code !== 0) failures.push(`${signal}: ${result.error?.message ?? 'not delivered'}`);
    done(result);
  });
  return inner;
}

const resource = resourceFromAttributes({
  'service.name': options.service,
  'service.instance.id': `${options.service}-${options['run-id']}`,
  'service.version': '1.0.0',
});
const queue = { maxQueueSize: 1 << 20, maxExportBatchSize: 512, exportTimeoutMillis: PATIENCE };
const traces = new NodeTracerProvider({
  resource,
  spanProcessors: [new BatchSpanProcessor(await exporter('trace', 'OTLPTraceExporter', '/v1/traces'), queue)],
});
// Registered for its context manager: a log record finds its span through the context.
traces.register();
const logs = new LoggerProvider({
  resource,
  processors: [new BatchLogRecordProcessor({ exporter: await exporter('logs', 'OTLPLogExporter', '/v1/logs'), ...queue })],
});
const metrics = new MeterProvider({
  resource,
  readers: [new PeriodicExportingMetricReader({
    exporter: await exporter('metrics', 'OTLPMetricExporter', '/v1/metrics'),
    exportIntervalMillis: 3_600_000,
    exportTimeoutMillis: PATIENCE,
  })],
});

const tracer = traces.getTracer('shop');
const logger = logs.getLogger('shop');
const counter = metrics.getMeter('shop').createCounter(COUNTER, { description: 'Requests served.', unit: '{request}' });
const histogram = metrics.getMeter('shop').createHistogram(HISTOGRAM, { description: 'How long requests took.', unit: 's' });

const sent = {
  trace_ids: [], request_ids: [], spans: 0, logs: 0, errors: 0,
  counter: { name: COUNTER, value: 0 }, histogram: { name: HISTOGRAM, count: 0, sum: 0 },
};

function serve(number) {
  const id = `${options['run-id']}-${String(number).padStart(6, '0')}`;
  const failed = number % 10 === 9;
  const span = tracer.startSpan('POST /checkout', {
    kind: SpanKind.SERVER,
    attributes: {
      'http.request.method': 'POST',
      'http.route': '/checkout',
      'http.request.header.x-request-id': [id],
      'http.response.status_code': failed ? 500 : 200,
    },
  });
  context.with(trace.setSpan(context.active(), span), () => {
    const call = tracer.startSpan('POST /pay', { kind: SpanKind.CLIENT, attributes: { 'server.address': 'payments' } });
    if (failed) call.setStatus({ code: SpanStatusCode.ERROR, message: 'card declined' });
    call.end();
    logger.emit({
      severityNumber: failed ? SeverityNumber.ERROR : SeverityNumber.INFO,
      severityText: failed ? 'ERROR' : 'INFO',
      body: `${failed ? 'payment failed' : 'order placed'} request_id=${id}`,
      attributes: { 'order.number': number },
    });
  });
  if (failed) span.setStatus({ code: SpanStatusCode.ERROR, message: 'payment failed' });
  span.end();
  const seconds = ((number % 10) + 1) / 100;
  counter.add(1, { 'run.id': options['run-id'] });
  histogram.record(seconds, { 'run.id': options['run-id'] });

  sent.trace_ids.push(span.spanContext().traceId);
  sent.request_ids.push(id);
  sent.spans += 2;
  sent.logs += 1;
  sent.errors += failed ? 1 : 0;
  sent.counter.value += 1;
  sent.histogram.count += 1;
  sent.histogram.sum += seconds;
}

for (let number = 0; number < requests; number += 1) serve(number);
try {
  await Promise.all([traces.forceFlush(), logs.forceFlush(), metrics.forceFlush()]);
  await Promise.all([traces.shutdown(), logs.shutdown(), metrics.shutdown()]);
} catch (error) {
  failures.push(`flush: ${error}`);
}
if (failures.length > 0) {
  console.error(`not everything was delivered to ${options.endpoint}:\n${[...new Set(failures)].join('\n')}`);
  process.exit(1);
}
console.log(JSON.stringify(sent));
