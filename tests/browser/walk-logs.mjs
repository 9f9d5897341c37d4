// The walk through the logs: see logs.mjs, which goes it alone, and demo.mjs, which ends
// with it.

import { byId } from './page.mjs';

const LINE = `${byId('log-table')} ${byId('log-line')}`;

/** What is in view: of hundreds of lines, those that are not are not drawn. */
async function shoot(page, name) {
  await page.page.evaluate(() => window.scrollTo(0, 0));
  await page.shoot(name, { fullPage: false });
}

/** Pushes a line as Loki's clients do. */
async function push({ options }, text) {
  const stream = { service_name: 'browser-test', level: 'info' };
  const body = { streams: [{ stream, values: [[`${Date.now()}000000`, text]] }] };
  const response = await fetch(new URL('/loki/api/v1/push', options.origin), {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify(body),
  });
  if (response.status !== 204) throw new Error(`the push was answered ${response.status}: ${await response.text()}`);
}

/** Types a query and asks it. */
async function ask({ page }, query) {
  await page.$eval(byId('query-input'), (input) => {
    input.focus();
    input.select();
  });
  await page.keyboard.press('Backspace');
  await page.keyboard.type(query);
  await page.keyboard.press('Enter');
}

const asked = (page, what, test) => page.waitFor((text) => new URLSearchParams(location.search).get('query')?.includes(text), what, test);

async function search(page) {
  await page.open(new URL('/logs', page.options.origin).href);
  await page.wait(LINE, 'a line of everything');
  await ask(page, '{service_name=~".+"} |= "checkout"');
  await asked(page, 'the query in the address', '|= "checkout"');
  await page.wait(`${LINE} mark`, 'a line with the word that was looked for');
  await page.wait(`${byId('histogram')} rect.bar-of`, 'a column of the histogram');
  await page.wait(`${byId('facets')} ${byId('facet-value')}`, 'a value of a facet');
  const lines = await page.count(LINE);
  await shoot(page, 'logs');
  return lines;
}

/** Clicks "error" among the levels. */
async function facet(page) {
  const errors = `${byId('facets')} li.lvl-error ${byId('facet-value')}`;
  await page.click(errors, 'the errors among the levels');
  await asked(page, 'a matcher for errors in the query', 'level="error"');
  await page.waitFor((line) => {
    const all = [...document.querySelectorAll(line)];
    return all.length > 0 && all.every((one) => one.classList.contains('level-error'));
  }, 'errors alone', LINE);
  await page.wait(`${byId('facets')} .wanted`, 'the facet that is chosen');
  await page.wait(`${byId('histogram')} rect.bar-of`, 'a column of errors');
  await shoot(page, 'logs-facet');
  return page.count(LINE);
}

async function context(page) {
  await page.click(`${LINE} .log-open`, 'the first line');
  await page.wait(byId('log-details'), 'what the line carries');
  await page.click(byId('context-button'), 'the button for the context');
  await page.wait(`${byId('log-context')} ${byId('context-line')}`, 'a line around it');
  await page.wait(byId('context-here'), 'the line itself among them');
  await shoot(page, 'logs-context');
  return page.count(byId('context-line'));
}

async function patterns(page) {
  await ask(page, '{service_name=~".+"}');
  await page.click(byId('view-patterns'), 'the patterns');
  await page.wait(`${byId('pattern-row')} svg.spark`, 'a pattern with its counts over time');
  const count = await page.count(byId('pattern-row'));
  await shoot(page, 'logs-patterns');
  await page.click(byId('view-lines'), 'the lines again');
  await page.wait(LINE, 'a line again');
  return count;
}

async function numbers(page) {
  await ask(page, 'sum by (service_name, level) (count_over_time({service_name=~".+"} [10s]))');
  await page.wait(`${byId('numbers')} svg path.line, ${byId('numbers')} svg circle.dot`, 'a series');
  const count = await page.count(byId('series-row'));
  await shoot(page, 'logs-numbers');
  return count;
}

/** Asks what cannot be read: the caret stands under it. */
async function mistake(page) {
  page.expected.push('status of 400');
  const query = '{service_name="checkout"} | wrong';
  await ask(page, query);
  await asked(page, 'the mistaken query', 'wrong');
  await page.wait(byId('query-error'), 'what is wrong with the query');
  const shown = await page.page.$eval(`${byId('query-error')} pre`, (pre) => pre.textContent);
  const [line, caret] = shown.split('\n');
  if (line !== query || caret?.indexOf('^') !== query.indexOf('wrong')) throw new Error(`the caret is not under the mistake:\n${shown}`);
}

/** Asks for older lines, which are none of those that were there. */
async function older(page) {
  await ask(page, '{service_name=~".+"} != "nobody says this"');
  await page.wait(`${byId('older')}`, 'a button for older lines');
  const before = await page.count(LINE);
  await page.click(byId('older'), 'the button for older lines');
  await page.waitFor((line, count) => document.querySelectorAll(line).length > count, 'older lines', LINE, before);
  const times = await page.page.$$eval(`${LINE} time`, (all) => all.map((time) => time.title));
  if (times.some((time, index) => index > 0 && time > times[index - 1])) throw new Error('older lines are not older');
  return times.length;
}

/** Drags over a part of the histogram. */
async function zoom(page) {
  const bars = `${byId('histogram')} rect.bar-of`;
  await page.wait(bars, 'a column to zoom to');
  const place = await page.page.$eval(`${byId('histogram')} svg`, (svg) => {
    svg.scrollIntoView({ block: 'center' });
    const { left, top, width, height } = svg.getBoundingClientRect();
    return { left, top, width, height };
  });
  const { mouse } = page.page;
  const y = place.top + place.height / 2;
  await mouse.move(place.left + place.width * 0.8, y);
  await mouse.down();
  await mouse.move(place.left + place.width - 8, y, { steps: 8 });
  await page.wait(`${byId('histogram')} rect.chosen`, 'the columns that are chosen');
  await mouse.up();
  await page.waitFor(() => new URLSearchParams(location.search).has('from'), 'the part of the time in the address');
  await page.wait(bars, 'the columns of that part');
  await page.wait(LINE, 'its lines');
  await shoot(page, 'logs-zoom');
}

/** Follows lines: one that is pushed is shown; while paused it waits. */
async function live(page) {
  const own = `browser test ${Date.now()}`;
  await ask(page, '{service_name=~".+"}');
  await page.click(byId('view-live'), 'the live lines');
  await page.wait(`${byId('live')} ${LINE}`, 'a line that came live');
  await ask(page, '{service_name="browser-test"}');
  await asked(page, 'the query to follow', 'browser-test');
  await page.waitFor(() => document.querySelector('[data-testid="live-state"]')?.textContent.startsWith('Live, 0 lines'), 'nothing yet');
  const shows = (what, text) => page.waitFor((line, wanted) => [...document.querySelectorAll(line)].some((one) => one.textContent.includes(wanted)), what, LINE, text);
  await push(page, `${own} <img src="x" onerror="document.title='harm'"> first`);
  await shows('the line that was pushed', `${own} <img`);
  if (await page.count(`${LINE} img`)) throw new Error('the text of a line became an element');
  await page.click(byId('live-pause'), 'the button to pause');
  await push(page, `${own} second`);
  await page.wait(byId('live-waiting'), 'a line that waits');
  if ((await page.count(LINE)) !== 1) throw new Error('a line came while it was paused');
  await shoot(page, 'logs-live');
  await page.click(byId('live-pause'), 'the button to go on');
  await shows('the line that waited', `${own} second`);
  const count = await page.count(LINE);
  await mistake(page);
  return count;
}

export async function walkLogs(page) {
  const seen = { lines: await search(page), errors: await facet(page), context: await context(page) };
  Object.assign(seen, { patterns: await patterns(page), series: await numbers(page) });
  await mistake(page);
  await shoot(page, 'logs-mistake');
  Object.assign(seen, { older: await older(page) });
  await zoom(page);
  return { ...seen, live: await live(page) };
}
