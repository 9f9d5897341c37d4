// The pages against made-up answers, for working on them without a collector.
//
//   npm run dev            http://127.0.0.1:7071, bundled anew at every page load
//   npm run dev -- URL     the same, but /sonde/v1 is asked of the collector at URL
//
// Served with the same content security policy as the collector's, so that what it
// forbids fails here first.

import { readFileSync } from 'node:fs';
import { createServer } from 'node:http';
import { tmpdir } from 'node:os';
import { dirname, extname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { bundle } from '../bundle.mjs';
import { answer } from './fixtures.mjs';

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
    if (url.pathname.startsWith('/sonde/v1')) return await api(url, response);
    return await page(url.pathname, response);
  } catch (error) {
    response.writeHead(500, { 'content-type': 'text/plain' }).end(String(error?.stack ?? error));
  }
});

async function api(url, response) {
  if (upstream) {
    const real = await fetch(new URL(url.pathname + url.search, upstream));
    response.writeHead(real.status, { 'content-type': 'application/json' }).end(await real.text());
    return;
  }
  const { status, body } = answer(url.pathname.slice('/sonde/v1'.length), url.searchParams);
  response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(body));
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
