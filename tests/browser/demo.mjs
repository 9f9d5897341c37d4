// Walks the path of whoever is paged, in a real browser: the alert's page, its example
// trace, that trace's logs.
//
//   node demo.mjs --url URL --screenshots DIRECTORY [--chromium PATH] [--timeout SECONDS]
//
// URL is an alert's page (…/alerts/FINGERPRINT). Prints one JSON line,
// {"alert", "status", "spans", "log_lines", "use_rows", "screenshots"}. Exit code 1, with the
// reason and a screenshot of where it stopped, when something is missing, when a script
// fails or logs an error, when the content security policy is violated, or when the page
// asks another origin for anything.

import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import puppeteer from 'puppeteer-core';

const { values: options } = parseArgs({
  options: {
    url: { type: 'string' },
    screenshots: { type: 'string' },
    chromium: { type: 'string', default: process.env.CHROMIUM ?? '/usr/bin/chromium' },
    timeout: { type: 'string', default: '30' },
  },
});
if (!options.url || !options.screenshots) {
  console.error('usage: node demo.mjs --url URL --screenshots DIRECTORY [--chromium PATH] [--timeout SECONDS]');
  process.exit(2);
}
const origin = new URL(options.url).origin;
const timeout = Number(options.timeout) * 1000;
mkdirSync(options.screenshots, { recursive: true });

const screenshots = [];
const wrongs = [];
const byId = (id) => `[data-testid="${id}"]`;

/** Hears everything a page may do wrong. */
async function watch(page) {
  page.on('console', (message) => {
    if (message.type() === 'error') wrongs.push(`console: ${message.text()} (${message.location().url ?? ''})`);
  });
  page.on('pageerror', (error) => wrongs.push(`script: ${error.message}`));
  page.on('request', (request) => {
    const url = new URL(request.url());
    if (url.protocol !== 'data:' && url.origin !== origin) wrongs.push(`another origin was asked: ${request.url()}`);
  });
  page.on('requestfailed', (request) => {
    // A page that is left gives up what it was waiting for; that is no failure.
    if (request.failure()?.errorText !== 'net::ERR_ABORTED') wrongs.push(`not loaded: ${request.url()}: ${request.failure()?.errorText}`);
  });
  await page.exposeFunction('sondeTestViolation', (text) => wrongs.push(`content security policy: ${text}`));
  await page.evaluateOnNewDocument(() => {
    document.addEventListener('securitypolicyviolation', (event) => {
      globalThis.sondeTestViolation(`${event.violatedDirective} forbids ${event.blockedURI || 'inline code'}`);
    });
  });
}

async function wait(page, selector, what) {
  try {
    await page.waitForSelector(selector, { timeout, visible: true });
  } catch {
    throw new Error(`${what} (${selector}) was not on ${page.url()} within ${options.timeout} s`);
  }
}

async function waitFor(page, condition, what, ...args) {
  try {
    await page.waitForFunction(condition, { timeout, polling: 100 }, ...args);
  } catch {
    throw new Error(`${what}: not on ${page.url()} within ${options.timeout} s`);
  }
}

async function shoot(page, name) {
  const path = join(options.screenshots, `${name}.png`);
  await page.screenshot({ path, fullPage: true });
  screenshots.push(path);
}

const text = (page, id) => page.$eval(byId(id), (element) => element.textContent.trim());
const count = async (page, selector) => (await page.$$(selector)).length;

async function walk(page) {
  const response = await page.goto(options.url, { waitUntil: 'load', timeout });
  if (!response?.ok()) throw new Error(`${options.url} answered ${response?.status()}`);
  if (!response.headers()['content-security-policy']) throw new Error(`${options.url} is served without a content security policy`);
  for (const id of ['alert-name', 'alert-status', 'red-rate', 'red-errors', 'red-duration', 'example-trace', 'use-panel']) {
    await wait(page, byId(id), `the alert page's ${id}`);
  }
  // Charts and tables are there at once; what they show comes with the data.
  for (const id of ['red-rate', 'red-errors', 'red-duration']) await wait(page, `${byId(id)} svg path.line`, `a line in ${id}`);
  await wait(page, `${byId('use-panel')} tbody tr`, 'a row of the USE table');
  const alert = await text(page, 'alert-name');
  const status = await text(page, 'alert-status');
  const use_rows = await count(page, `${byId('use-panel')} tbody tr`);
  await shoot(page, 'alert');

  await page.click(byId('example-trace-link'));
  await waitFor(page, () => location.pathname.startsWith('/trace/'), 'the page of the example trace');
  await wait(page, `${byId('trace-waterfall')} ${byId('trace-span')}`, 'a span of the trace');
  await wait(page, `${byId('trace-logs')} ${byId('log-line')}`, 'a log line of the trace');
  const spans = await count(page, byId('trace-span'));
  const log_lines = await count(page, `${byId('trace-logs')} ${byId('log-line')}`);
  await shoot(page, 'trace');
  return { alert, status, spans, log_lines, use_rows };
}

async function main() {
  // Chromium's own sandbox needs what a container's root often lacks.
  const args = process.getuid?.() === 0 ? ['--no-sandbox'] : [];
  const browser = await puppeteer.launch({ executablePath: options.chromium, args: [...args, '--disable-dev-shm-usage'] });
  try {
    const page = await browser.newPage();
    await page.setViewport({ width: 1440, height: 900 });
    await page.emulateMediaFeatures([{ name: 'prefers-color-scheme', value: 'dark' }]);
    await watch(page);
    const seen = await walk(page).catch(async (error) => {
      await shoot(page, 'failed').catch(() => {});
      throw error;
    });
    if (wrongs.length > 0) throw new Error(`the pages did wrong:\n${[...new Set(wrongs)].join('\n')}`);
    console.log(JSON.stringify({ ...seen, screenshots }));
  } finally {
    await browser.close();
  }
}

try {
  await main();
} catch (error) {
  console.error(`demo: ${error.message}`);
  if (wrongs.length > 0) console.error([...new Set(wrongs)].join('\n'));
  if (screenshots.length > 0) console.error(`screenshots: ${screenshots.join(' ')}`);
  process.exit(1);
}
