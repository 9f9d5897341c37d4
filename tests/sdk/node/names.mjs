// Every kind of instrument of the OpenTelemetry SDK for Node, sent once.
//
//   node names.mjs --protocol grpc|http/protobuf|http/json --endpoint URL
//                  --temporality cumulative|delta --service NAME
//
// Exit code 1 when anything was not delivered.

import { parseArgs } from 'node:util';
import { resourceFromAttributes } from '@opentelemetry/resources';
import { AggregationType, MeterProvider, PeriodicExportingMetricReader } from '@opentelemetry/sdk-metrics';

const { values: options } = parseArgs({
  options: {
    protocol: { type: 'string', default: 'grpc' },
    endpoint: { type: 'string' },
    temporality: { type: 'string', default: 'cumulative' },
    service: { type: 'string', default: 'names-node' },
  },
});

// As long as the tests wait.
const PATIENCE = 240_000;
// AggregationTemporalityPreference of the exporters.
const temporalityPreference = options.temporality === 'delta' ? 0 : 1;

async function exporter() {
  const kind = { grpc: 'grpc', 'http/protobuf': 'proto', 'http/json': 'http' }[options.protocol];
  const { OTLPMetricExporter } = await import(`@opentelemetry/exporter-metrics-otlp-${kind}`);
  const url = kind === 'grpc' ? options.endpoint : `${options.endpoint}/v1/metrics`;
  return new OTLPMetricExporter({ url, temporalityPreference, timeoutMillis: PATIENCE });
}

const provider = new MeterProvider({
  resource: resourceFromAttributes({
    'service.name': options.service,
    'service.instance.id': `${options.service}-1`,
  }),
  views: [
    {
      instrumentName: 'names.histogram',
      aggregation: { type: AggregationType.EXPLICIT_BUCKET_HISTOGRAM, options: { boundaries: [1, 2] } },
    },
    { instrumentName: 'names.exponential', aggregation: { type: AggregationType.EXPONENTIAL_HISTOGRAM } },
  ],
  readers: [new PeriodicExportingMetricReader({ exporter: await exporter(), exportIntervalMillis: 3_600_000, exportTimeoutMillis: PATIENCE })],
});

const meter = provider.getMeter('names');
const counter = meter.createCounter('names.counter', { unit: '{request}' });
const bytes = meter.createCounter('names.bytes', { unit: 'By' });
const upDown = meter.createUpDownCounter('names.up_down', { unit: 'By' });
const gauge = meter.createGauge('names.gauge', { unit: 'Cel' });
const share = meter.createGauge('names.share', { unit: '1' });
const histogram = meter.createHistogram('names.histogram', { unit: 's' });
const exponential = meter.createHistogram('names.exponential', { unit: 'ms' });
meter.createObservableCounter('names.observable.counter', { unit: 's' }).addCallback((seen) => seen.observe(11));
meter.createObservableUpDownCounter('names.observable.up_down').addCallback((seen) => seen.observe(-12));
meter.createObservableGauge('names.observable.gauge', { unit: 'm/s' }).addCallback((seen) => seen.observe(13));

counter.add(1, { 'http.route': '/a' });
bytes.add(2);
upDown.add(5);
upDown.add(-2);
gauge.record(4);
share.record(0.5);
for (const value of [0.5, 1.5, 6]) {
  histogram.record(value);
  exponential.record(value);
}
await provider.forceFlush();
await provider.shutdown();
