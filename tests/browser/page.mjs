// A page in a real browser, watched: a script that fails or logs an error, a violation of the
// content security policy, and a question to another origin are each wrong.

import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import puppeteer from 'puppeteer-core';

export const byId = (id) => `[data-testid="${id}"]`;

/** What the command line says. */
export function commandLine(script) {
  const { values } = parseArgs({
    options: {
      url: { type: 'string' },
      screenshots: { type: 'string' },
      otlp: { type: 'string' },
      chromium: { type: 'string', default: process.env.CHROMIUM ?? '/usr/bin/chromium' },
      timeout: { type: 'string', default: '30' },
    },
  });
  if (!values.url || !values.screenshots) {
    console.error(`usage: node ${script}.mjs --url URL --screenshots DIRECTORY [--otlp URL] [--chromium PATH] [--timeout SECONDS]`);
    process.exit(2);
  }
  return { ...values, origin: new URL(values.url).origin, timeout: Number(values.timeout) * 1000 };
}

/** A page that waits, clicks and is photographed. */
export class Page {
  screenshots = [];
  wrongs = [];
  /** Texts of errors that are called for, because what is asked is meant to be refused. */
  expected = [];

  constructor(page, options) {
    this.page = page;
    this.options = options;
  }

  /** Hears everything the page may do wrong. */
  async watch() {
    const { page, wrongs } = this;
    page.on('console', (message) => {
      if (message.type() !== 'error' || this.expected.some((text) => message.text().includes(text))) return;
      wrongs.push(`console: ${message.text()} (${message.location().url ?? ''})`);
    });
    page.on('pageerror', (error) => wrongs.push(`script: ${error.message}`));
    page.on('request', (request) => {
      const url = new URL(request.url());
      if (url.protocol !== 'data:' && url.origin !== this.options.origin) wrongs.push(`another origin was asked: ${request.url()}`);
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

  async open(url) {
    const response = await this.page.goto(url, { waitUntil: 'load', timeout: this.options.timeout });
    // The page as it was before, with the policy it had.
    if (response?.status() === 304) return;
    if (!response?.ok()) throw new Error(`${url} answered ${response?.status()}`);
    if (!response.headers()['content-security-policy']) throw new Error(`${url} is served without a content security policy`);
  }

  async wait(selector, what) {
    try {
      await this.page.waitForSelector(selector, { timeout: this.options.timeout, visible: true });
    } catch {
      throw new Error(`${what} (${selector}) was not on ${this.page.url()} within ${this.options.timeout / 1000} s`);
    }
  }

  async waitFor(condition, what, ...args) {
    try {
      await this.page.waitForFunction(condition, { timeout: this.options.timeout, polling: 100 }, ...args);
    } catch {
      throw new Error(`${what}: not on ${this.page.url()} within ${this.options.timeout / 1000} s`);
    }
  }

  async click(selector, what) {
    await this.wait(selector, what);
    // By script: what is clicked may just be drawn anew.
    await this.page.$eval(selector, (element) => element.click());
  }

  /** The whole page, or what of it is in view. */
  async shoot(name, { fullPage = true } = {}) {
    const path = join(this.options.screenshots, `${name}.png`);
    await this.page.screenshot({ path, fullPage });
    this.screenshots.push(path);
  }

  text(selector) {
    return this.page.$eval(selector, (element) => element.textContent.trim());
  }

  async count(selector) {
    return (await this.page.$$(selector)).length;
  }
}

/**
 * Walks through pages and prints one JSON line of what was seen. Exit code 1, with the reason
 * and a screenshot of where it stopped, when something is missing or wrong.
 */
export async function run(name, options, walk) {
  mkdirSync(options.screenshots, { recursive: true });
  let watched;
  try {
    // Chromium's own sandbox needs what a container's root often lacks.
    const args = process.getuid?.() === 0 ? ['--no-sandbox'] : [];
    const browser = await puppeteer.launch({
      executablePath: options.chromium,
      args: [...args, '--disable-dev-shm-usage'],
      timeout: options.timeout,
      // A wait is one call.
      protocolTimeout: options.timeout * 2,
    });
    try {
      watched = new Page(await browser.newPage(), options);
      await watched.page.setViewport({ width: 1440, height: 900 });
      await watched.page.emulateMediaFeatures([{ name: 'prefers-color-scheme', value: 'dark' }]);
      await watched.watch();
      const seen = await walk(watched).catch(async (error) => {
        await watched.shoot(`${name}-failed`).catch(() => {});
        throw error;
      });
      if (watched.wrongs.length > 0) throw new Error('the pages did wrong');
      console.log(JSON.stringify({ ...seen, screenshots: watched.screenshots }));
    } finally {
      await browser.close();
    }
  } catch (error) {
    console.error(`${name}: ${error.message}`);
    if (watched?.wrongs.length) console.error([...new Set(watched.wrongs)].join('\n'));
    if (watched?.screenshots.length) console.error(`screenshots: ${watched.screenshots.join(' ')}`);
    process.exit(1);
  }
}
