// A program that logs with other people's loggers, which push what it says to Loki's API,
// then prints one JSON line of what it said.
//
//   node loki.mjs --client winston-json|winston-protobuf|pino --url URL [--lines N] [--run-id ID]
//
// Exit code 1 when a logger reports that anything was not delivered.

import { once } from 'node:events';
import { parseArgs } from 'node:util';
import pino from 'pino';
import { pinoLoki } from 'pino-loki';
import winston from 'winston';
import LokiTransport from 'winston-loki';

const { values: options } = parseArgs({
  options: {
    'client': { type: 'string' },
    'url': { type: 'string' },
    'lines': { type: 'string', default: '500' },
    'run-id': { type: 'string', default: 'run' },
  },
});
const CLIENTS = { 'winston-json': withWinston, 'winston-protobuf': withWinston, 'pino': withPino };
const lines = Number(options.lines);
if (!(options.client in CLIENTS) || !options.url || !(lines > 0)) {
  console.error('usage: node loki.mjs --client winston-json|winston-protobuf|pino --url URL [--lines N] [--run-id ID]');
  process.exit(2);
}

const failures = [];
const labels = { job: 'shop', run: options['run-id'] };
const line = (number) => `line ${String(number).padStart(6, '0')}: "größe" \\ of ${options['run-id']}`;
const isError = (number) => number % 10 === 9;

/** winston, with winston-loki's transport: JSON, or protobuf and snappy. */
async function withWinston() {
  const json = options.client === 'winston-json';
  const transport = new LokiTransport({
    host: options.url,
    json,
    labels,
    interval: 0.1,
    format: winston.format.printf((info) => info.message),
    onConnectionError: (error) => failures.push(error.message),
  });
  // It falls back to JSON without a word where it cannot load snappy.
  if (!json && transport.batcher.options.json) failures.push('winston-loki did not load snappy');
  const logger = winston.createLogger({ transports: [transport] });
  for (let number = 0; number < lines; number++) {
    logger.log(isError(number) ? 'error' : 'info', line(number), { order: number });
    // Several batches, as over time.
    if (number % 200 === 199) await transport.flush();
  }
  await transport.flush();
  await transport.close();
  return { levels: { info: 'info', error: 'error' }, metadata: json ? 'order' : null };
}

/** pino, with pino-loki's transport. */
async function withPino() {
  const complain = console.error;
  console.error = (...words) => {
    failures.push(words.join(' '));
    complain(...words);
  };
  const stream = pinoLoki({
    host: options.url,
    labels,
    batching: { interval: 0.1, maxBufferSize: 0 },
    logFormat: '{msg}',
  });
  const logger = pino({ base: null }, stream);
  for (let number = 0; number < lines; number++) {
    logger[isError(number) ? 'error' : 'info']({ meta: { order: number } }, line(number));
  }
  stream.end();
  await once(stream, 'close');
  return { levels: { info: 'info', error: 'error' }, metadata: 'order' };
}

const said = await CLIENTS[options.client]();
if (failures.length > 0) {
  console.error(`not everything was delivered to ${options.url}:\n${[...new Set(failures)].join('\n')}`);
  process.exit(1);
}
const errors = Array.from({ length: lines }, (_, number) => number).filter(isError).length;
console.log(JSON.stringify({ lines: Array.from({ length: lines }, (_, number) => line(number)), labels, errors, ...said }));
process.exit(0);
