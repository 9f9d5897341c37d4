// The pages against made-up answers, for working on them without a collector.
//
//   npm run dev            http://127.0.0.1:7071, bundled anew at every page load
//   npm run dev -- URL     the same, but what is no page is asked of the collector at URL
//
// Served with the same content security policy as the collector's, so that what it
// forbids fails here first.

import { readFileSync } from 'node:fs';
import { createServer } from 'node:http';
import { tmpdir } from 'node:os';
import { dirname, extname, join } from 'node:path';
import { Readable } from 'node:stream';
import { fileURLToPath } from 'node:url';
import { bundle } from '../bundle.mjs';
import { answer, prometheusAnswer } from './fixtures.mjs';
import { followed, lokiAnswer } from './lines.mjs';

const here = dirname(fileURLToPath(import.meta.url));
const dist = join(tmpdir(), 'sonde-ui-dev');
const upstream = process.argv[2];
const policy = readFileSync(join(here, '../src/lib.rs'), 'utf8')
  .match(/CONTENT_SECURITY_POLICY: &str =\s*"([^;]*(?:;[^;"]*)*)";/)[1]
  .replaceAll(/\\\s*/g, '');
const types = { '.html': 'text/html; charset=utf-8', '.js': 'text/javascript', '.css': 'text/css', '.svg': 'image/svg+xml' };

const server = createServer(async (request, response) => {
  const url = new URL(request.url, 'http://localhost');
  try {
    if (/^\/(sonde|loki|prometheus|tempo|metrics|v1)\//.test(url.pathname)) return await api(url, request, response);
    return await page(url.pathname, response);
  } catch (error) {
    response.writeHead(500, { 'content-type': 'text/plain' }).end(String(error?.stack ?? error));
  }
});

async function api(url, request, response) {
  if (upstream) return passed(url, request, response);
  if (/^\/(prometheus|tempo)\//.test(url.pathname)) {
    const body = url.pathname.endsWith('/query_range') ? prometheusAnswer(url.searchParams) : { tagValues: [{ type: 'string', value: 'node-a' }] };
    return response.writeHead(200, { 'content-type': 'application/json' }).end(JSON.stringify(body));
  }
  if (url.pathname === '/loki/api/v1/series') return response.writeHead(200, { 'content-type': 'application/json' }).end('{"data":[]}');
  if (url.pathname === '/sonde/v1/logs/follow') return followed(response);
  if (url.pathname.startsWith('/loki/api/v1/')) {
    const { status, body } = lokiAnswer(url.pathname.slice('/loki/api/v1/'.length), url.searchParams);
    response.writeHead(status, { 'content-type': typeof body === 'string' ? 'text/plain' : 'application/json' });
    return response.end(typeof body === 'string' ? body : JSON.stringify(body));
  }
  const { status, body } = answer(url.pathname.slice('/sonde/v1'.length), url.searchParams);
  response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(body));
}

/** Asks the collector, and ends its answer when the page does not want it any more. */
async function passed(url, request, response) {
  const stop = new AbortController();
  response.on('close', () => stop.abort());
  const { method } = request;
  const wanted = Object.entries(request.headers).filter(([name]) => /^(x-|accept$|content-type$)/.test(name));
  const sent = method === 'POST' ? { body: Readable.toWeb(request), duplex: 'half' } : {};
  const real = await fetch(new URL(url.pathname + url.search, upstream), { method, headers: Object.fromEntries(wanted), signal: stop.signal, ...sent });
  response.writeHead(real.status, { 'content-type': real.headers.get('content-type') ?? 'text/plain' });
  if (!real.body) return response.end();
  Readable.fromWeb(real.body).on('error', () => response.end()).pipe(response);
}

async function page(path, response) {
  const asset = path.startsWith('/assets/');
  if (!asset) await bundle(dist);
  const file = asset ? path : '/index.html';
  response
    .writeHead(200, { 'content-type': types[extname(file)] ?? 'text/plain', 'content-security-policy': policy })
    .end(readFileSync(join(dist, file)));
}

const port = Number(process.env.PORT ?? 7071);
server.listen(port, '127.0.0.1', () => console.log(`http://127.0.0.1:${server.address().port}`));
