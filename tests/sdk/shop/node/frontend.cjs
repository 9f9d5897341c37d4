// The frontend of the shop: Express over HTTP in, gRPC and HTTP out, with the instrumentation
// that OpenTelemetry has for each, and logs of its own.
//
//   node frontend.cjs
//
// OTEL_* as the specification says; CHECKOUT and CART are host:port of whom it calls. Prints
// `listening HOST:PORT`, serves until its standard input ends, then prints one JSON line of
// what it sent: spans and log records, and how many of each were acknowledged.

'use strict';

const { trace } = require('@opentelemetry/api');
const { SeverityNumber } = require('@opentelemetry/api-logs');
const { OTLPLogExporter } = require('@opentelemetry/exporter-logs-otlp-http');
const { OTLPTraceExporter } = require('@opentelemetry/exporter-trace-otlp-http');
const { registerInstrumentations } = require('@opentelemetry/instrumentation');
const { ExpressInstrumentation } = require('@opentelemetry/instrumentation-express');
const { GrpcInstrumentation } = require('@opentelemetry/instrumentation-grpc');
const { HttpInstrumentation } = require('@opentelemetry/instrumentation-http');
const { BatchLogRecordProcessor, LoggerProvider } = require('@opentelemetry/sdk-logs');
const { BatchSpanProcessor, NodeTracerProvider } = require('@opentelemetry/sdk-trace-node');
const { defaultResource, resourceFromAttributes } = require('@opentelemetry/resources');
const { join } = require('node:path');

const sent = { spans: 0, spans_acknowledged: 0, logs: 0, logs_acknowledged: 0 };

/** The SDK's own exporter, with what it takes and gets acknowledged counted. */
function counted(inner, what) {
  const send = inner.export.bind(inner);
  inner.export = (items, done) => {
    sent[what] += items.length;
    send(items, (result) => {
      if (result.code === 0) sent[`${what}_acknowledged`] += items.length;
      else console.error(`frontend: ${what}: ${result.error?.message}`);
      done(result);
    });
  };
  return inner;
}

const resource = defaultResource().merge(resourceFromAttributes({ 'service.name': process.env.OTEL_SERVICE_NAME }));
const traces = new NodeTracerProvider({
  resource,
  spanProcessors: [new BatchSpanProcessor(counted(new OTLPTraceExporter(), 'spans'))],
});
traces.register();
const logs = new LoggerProvider({
  resource,
  processors: [new BatchLogRecordProcessor({ exporter: counted(new OTLPLogExporter(), 'logs') })],
});
const logger = logs.getLogger('frontend');
// Before Express, http and grpc-js are loaded: that is when they are instrumented.
registerInstrumentations({
  tracerProvider: traces,
  instrumentations: [
    new HttpInstrumentation({ headersToSpanAttributes: { server: { requestHeaders: ['x-request-id'] } } }),
    new ExpressInstrumentation(),
    new GrpcInstrumentation(),
  ],
});

const http = require('node:http');
const express = require('express');
const grpc = require('@grpc/grpc-js');
const { loadSync } = require('@grpc/proto-loader');

const { shop } = grpc.loadPackageDefinition(loadSync(join(__dirname, '..', 'shop.proto')));
const checkout = new shop.Checkout(process.env.CHECKOUT, grpc.credentials.createInsecure());
const HTTP_OF_GRPC = {
  [grpc.status.NOT_FOUND]: 404,
  [grpc.status.FAILED_PRECONDITION]: 402,
  [grpc.status.UNAVAILABLE]: 503,
};

/** Answers, says so in a log line, and tells the caller which trace it was. */
function answer(request, response, status, text) {
  const failed = status >= 500;
  logger.emit({
    severityNumber: failed ? SeverityNumber.ERROR : SeverityNumber.INFO,
    severityText: failed ? 'ERROR' : 'INFO',
    body: `${request.method} ${request.path} answered ${status} request_id=${request.get('x-request-id')}`,
  });
  response.set('x-trace-id', trace.getActiveSpan().spanContext().traceId).status(status).send(text);
}

const app = express();

app.post('/orders/:number', (request, response) => {
  const order = { number: Number(request.params.number), requestId: request.get('x-request-id') };
  checkout.place(order, (error, receipt) => {
    if (error) answer(request, response, HTTP_OF_GRPC[error.code] ?? 500, error.details);
    else answer(request, response, 200, receipt.parcel);
  });
});

app.get('/carts/:number', (request, response) => {
  const headers = { 'x-request-id': request.get('x-request-id') };
  const asked = http.get(`http://${process.env.CART}/carts/${request.params.number}`, { headers }, (cart) => {
    let text = '';
    cart.setEncoding('utf8').on('data', (part) => { text += part; });
    cart.on('end', () => answer(request, response, cart.statusCode, text));
  });
  asked.on('error', (error) => answer(request, response, 502, error.message));
});

const server = app.listen(0, '127.0.0.1', () => console.log(`listening 127.0.0.1:${server.address().port}`));

process.stdin.resume().on('end', async () => {
  server.close();
  server.closeAllConnections();
  checkout.close();
  await Promise.allSettled([traces.shutdown(), logs.shutdown()]);
  process.stdout.write(`${JSON.stringify(sent)}\n`, () => process.exit(0));
});
