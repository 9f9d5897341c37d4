// The walk through what spans and samples tell: services, one service, nodes, a search of
// traces and why some are slow, a trace of thousands of spans, one with clocks that differ, and
// everything about one request. See signals.mjs, which goes it alone, and demo.mjs.

import { byId } from './page.mjs';
import { HTML, bank, largeTrace, manyServices, oddTrace, pods, versions } from './seed.mjs';

const LARGE = 4000;
const SERVICES = 40;
const SHOP = ['catalog', 'checkout', 'frontend', 'inventory', 'payment'];

const to = (page, path) => page.open(new URL(path, page.options.origin).href);
const texts = ({ page }, selector) => page.$$eval(selector, (all) => all.map((one) => one.textContent));

function must(condition, what) {
  if (!condition) throw new Error(what);
}

/** Nothing stands wider than the window, on a wide one and on a narrow one, dark and light. */
async function looks(page, name) {
  const { page: tab } = page;
  for (const [width, scheme] of [[1440, 'dark'], [800, 'light']]) {
    await tab.setViewport({ width, height: 900 });
    await tab.emulateMediaFeatures([{ name: 'prefers-color-scheme', value: scheme }]);
    await tab.evaluate(() => new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done))));
    const over = await tab.evaluate(() => document.documentElement.scrollWidth - window.innerWidth);
    must(over <= 0, `${name} is ${over} pixels wider than a window of ${width}`);
    await tab.evaluate(() => window.scrollTo(0, 0));
    await page.shoot(`${name}-${width}`, { fullPage: false });
  }
  await tab.setViewport({ width: 1440, height: 900 });
  await tab.emulateMediaFeatures([{ name: 'prefers-color-scheme', value: 'dark' }]);
}

async function services(page) {
  await to(page, '/services');
  for (const name of SHOP) {
    await page.waitFor((row, name) => [...document.querySelectorAll(row)].some((one) => one.querySelector('th')?.textContent === name), `${name} among the services`, byId('service-row'), name);
  }
  await page.wait(`${byId('services')} svg.spark`, 'a line of the last hour');
  // Edges are told one after the other.
  await page.waitFor((node, names) => {
    const drawn = [...document.querySelectorAll(node)].map((one) => one.textContent);
    return names.every((name) => drawn.includes(name));
  }, `the graph of ${SHOP}`, `${byId('graph-node')} b`, SHOP);
  const drawn = await texts(page, `${byId('graph-node')} b`);
  const overlap = await page.page.$$eval(byId('graph-node'), (all) => {
    const boxes = all.map((one) => one.getBoundingClientRect());
    return boxes.some((a, n) => boxes.slice(n + 1).some((b) => a.left < b.right && b.left < a.right && a.top < b.bottom && b.top < a.bottom));
  });
  must(!overlap, 'two services stand on one another');
  await looks(page, 'services');
  return drawn.length;
}

/** With changes of a version, and a graph of many. */
async function seeded(page) {
  const { otlp } = page.options;
  await versions(otlp, 'seeded-shop');
  await manyServices(otlp, SERVICES);
  await to(page, '/services/seeded-shop');
  await page.wait(byId('change'), 'the change of its version');
  must((await page.text(byId('change'))).includes('1.4.0 → 1.4.1'), 'the change says from what to what');
  await page.waitFor((row) => document.querySelectorAll(row).length >= 2, 'both operations', byId('operation-row'));
  await page.wait(`${byId('red-rate')} ${byId('mark-change')}`, 'the change on the chart');
  await looks(page, 'service-changed');
  await to(page, '/services');
  await page.waitFor((node, least) => document.querySelectorAll(node).length >= least, 'the graph of many', byId('graph-node'), SERVICES);
  await page.wait(`${byId('graph')} svg path.line`, 'a line between two of many');
  await page.page.$eval(byId('graph'), (graph) => graph.scrollIntoView());
  await page.shoot('services-many', { fullPage: false });
}

/** Payment is broken: what its page says, and the trace that a point leads to. */
async function service(page) {
  await to(page, '/services/payment');
  for (const id of ['red-rate', 'red-errors', 'red-duration']) await page.wait(`${byId(id)} svg path.line`, `a line in ${id}`);
  await page.wait(byId('operation-row'), 'an operation');
  must((await page.text(byId('operation-row'))).includes('POST /pay'), 'its operation is POST /pay');
  await page.wait(`${byId('runs-on')} ${byId('place-row')}`, 'the node it runs on');
  await page.wait(byId('exemplar'), 'a call among the durations');
  await looks(page, 'service');
  const exemplars = await page.count(byId('exemplar'));
  await page.click(byId('exemplar'), 'a call among the durations');
  await page.waitFor(() => location.pathname.startsWith('/trace/'), 'the trace of that call');
  await page.wait(`${byId('trace-span')}.open ${byId('span-details')}`, 'its span, open');
  return exemplars;
}

async function nodes(page) {
  await to(page, '/nodes');
  await page.wait(byId('place-row'), 'a node');
  await page.click(`${byId('place-row')} th a`, 'the first node');
  await page.wait(`${byId('place-details')} tbody tr`, 'all its signals');
  await page.waitFor(() => new URLSearchParams(location.search).has('of'), 'the node in the address');
  await looks(page, 'nodes');
  await pods(page.options.origin, 12);
  await page.click(byId('scope-container'), 'the containers');
  await page.waitFor((row) => document.querySelectorAll(row).length === 12, 'twelve containers', byId('place-row'));
  const [first] = await texts(page, `${byId('place-row')} th`);
  must(first === 'shop/web-3/web', `${first} stands first, and web-3 waits most`);
  await page.waitFor((row) => [...document.querySelectorAll(row)].some((one) => one.textContent.includes('web-3')), 'web-3 among what is saturated', byId('saturated-row'));
  await looks(page, 'nodes-containers');
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

async function search(page) {
  const query = '{ span.http.route = "/pay" && status = error }';
  await to(page, '/traces');
  await page.wait(byId('trace-row'), 'a trace of everything');
  await ask(page, query);
  await page.wait(byId('matched-span'), 'a span that matched');
  must((await texts(page, byId('matched-span'))).every((text) => text.startsWith('payment POST /pay')), 'only calls of payment match');
  const all = await page.count(byId('trace-row'));
  await page.click(`${byId('durations')} button:not([disabled])`, 'a column of the durations');
  await page.waitFor(() => new URLSearchParams(location.search).has('until'), 'the column in the address');
  await page.wait(byId('trace-row'), 'a trace of that column');
  const some = await page.count(byId('trace-row'));
  must(some >= 1 && some <= all, `${some} of ${all} traces are in one column`);
  await looks(page, 'traces');
  page.expected.push('status of 400');
  const mistaken = '{ status = eror }';
  await ask(page, mistaken);
  await page.wait(byId('query-error'), 'what is wrong with the query');
  const [line, caret] = (await page.page.$eval(`${byId('query-error')} pre`, (pre) => pre.textContent)).split('\n');
  must(line === mistaken && caret.indexOf('^') === mistaken.indexOf('eror'), `the caret is not under the mistake:\n${line}\n${caret}`);
  await page.shoot('traces-mistake', { fullPage: false });
  return { query, found: all };
}

/** The search's trace, with its spans marked and what was waited for. */
async function found(page, query) {
  await to(page, `/traces?${new URLSearchParams({ query })}`);
  await page.click(`${byId('matched-span')} a`, 'a span that matched');
  await page.wait(`${byId('trace-span')}.is-matched.open`, 'the span, marked and open');
  must((await page.text(`${byId('trace-span')}.is-matched`)).includes('payment'), 'the span of payment is marked');
  must((await page.count(`${byId('trace-span')}.is-matched`)) === 1, 'only one span is marked');
  await page.wait(`${byId('trace-span')}.on-path .step`, 'the critical path in the rows');
  await page.wait(byId('waited-row'), 'what it waited for');
  await page.wait(`${byId('span-details')} ${byId('log-line')}`, 'a line of the span, beside it');
  await page.click(byId('only-matched'), 'the spans that were found alone');
  await page.waitFor(() => new URLSearchParams(location.search).get('only') === 'matched', 'that in the address');
  await page.waitFor((span) => document.querySelectorAll(span).length < 9, 'fewer spans', byId('trace-span'));
  await page.click('.tools .views a', 'all spans again');
  await looks(page, 'trace-found');
}

async function compare(page, service) {
  await to(page, `/traces?${new URLSearchParams({ query: `{ resource.service.name = "${service}" }` })}`);
  await page.click(byId('view-slow'), 'why slow');
  await page.wait(byId('compare-operation'), 'an operation that was waited for');
  const waited = await page.text(byId('compare-operation'));
  await looks(page, 'traces-slow');
  await page.click(byId('view-failed'), 'why failed');
  await page.waitFor((row) => [...document.querySelectorAll(row)].some((one) => one.textContent.includes('500')), 'that failed ones answered 500', byId('compare-attribute'));
  await page.click(`${byId('compare-attribute')} a`, 'the first attribute');
  await page.waitFor(() => new URLSearchParams(location.search).get('query')?.includes(' && '), 'it in the query');
  await page.wait(byId('trace-row'), 'the traces that have it');
  return waited;
}

/** What one waits for, where it does not depend on how busy the machine is. */
async function slow(page) {
  const id = await bank(page.options.otlp, 'seeded-bank');
  await known(page, id);
  const waited = await compare(page, 'seeded-bank');
  must(waited.includes('seeded-bank POST /charge'), `slow ones waited for ${waited}`);
  await to(page, `/trace/${id}`);
  await page.wait(byId('waited-row'), 'what it waited for');
  const most = await page.text(byId('waited-row'));
  must(most.includes('seeded-bank'), `most of the time was ${most}`);
}

/** Thousands of spans: few are drawn, all can be reached. */
async function large(page) {
  const id = await largeTrace(page.options.otlp, LARGE);
  await known(page, id);
  await to(page, `/trace/${id}`);
  await page.wait(byId('trace-span'), 'the first span');
  const pages = await allPages(page);
  must((await page.page.$eval(byId('trace-waterfall'), (all) => all.dataset.rows)) === String(LARGE), 'all rows have their room');
  const drawn = await page.count(byId('trace-span'));
  must(drawn < 600, `${drawn} rows are drawn at once`);
  const height = () => page.page.$eval(byId('trace-waterfall'), (all) => all.getBoundingClientRect().height);
  const before = await height();
  await page.page.evaluate(() => window.scrollTo(0, 60_000));
  await page.waitFor((span) => [...document.querySelectorAll(span)].some((one) => one.getBoundingClientRect().top > 0 && one.getBoundingClientRect().top < 900), 'spans where one has scrolled to', byId('trace-span'));
  must(Math.abs((await height()) - before) < 2, 'the page jumps when rows are drawn');
  await page.page.evaluate(() => window.scrollTo(0, 0));
  await page.page.type(byId('find-span'), 'write 3999');
  await page.waitFor((count) => document.querySelector(count)?.textContent === '1', 'one span found', byId('find-count'));
  await page.page.keyboard.press('Enter');
  await page.waitFor((open) => {
    const row = document.querySelector(open);
    const top = row?.getBoundingClientRect().top;
    return row?.textContent.includes('write 3999') && top > 0 && top < 900;
  }, 'the span that was found, open and in view', `${byId('trace-span')}.open`);
  await page.shoot('trace-large', { fullPage: false });
  await page.click(byId('only-errors'), 'errors alone');
  await page.waitFor((all, most) => Number(document.querySelector(all)?.dataset.rows) <= most, 'fewer rows', byId('trace-waterfall'), LARGE / 100);
  return { drawn, pages };
}

/** Asks for more spans until there are no more. Returns how often. */
async function allPages(page) {
  const rows = () => page.page.$eval(byId('trace-waterfall'), (all) => Number(all.dataset.rows));
  for (let asked = 0; ; asked += 1) {
    if (!(await page.count(byId('more-spans')))) return asked;
    must((await page.text(byId('cut'))).includes(`${LARGE} spans`), 'of how many spans these are the first');
    const before = await rows();
    await page.click(byId('more-spans'), 'the button for more spans');
    await page.waitFor((all, before) => Number(document.querySelector(all)?.dataset.rows) > before, 'more spans', byId('trace-waterfall'), before);
  }
}

/** Waits until the collector has a trace: what is sent is searchable a little later. */
async function known(page, id) {
  await page.waitFor((id) => fetch(`/sonde/v1/services`).then(() => fetch(`/tempo/api/traces/${id}`)).then(({ ok }) => ok), 'the trace that was sent', id);
}

/** A clock that is off, a parent that is missing, HTML in every text. */
async function odd(page) {
  const { trace, link } = await oddTrace(page.options.otlp);
  await known(page, trace);
  await to(page, `/trace/${trace}`);
  await page.waitFor((span) => document.querySelectorAll(span).length === 3, 'its three spans', byId('trace-span'));
  must((await page.text(byId('early'))).startsWith('12 ms'), 'how early the clock is');
  await page.wait(byId('orphan'), 'that a parent is missing');
  const lanes = await page.page.$$eval('.bar', (all) => all.map((bar) => Number.parseFloat(bar.style.left)));
  must(lanes.every((left) => left >= 0 && left <= 100), `bars stand outside of their lane: ${lanes}`);
  for (const at of [0, 1]) {
    await page.page.$$eval('.span-open', (all, at) => all[at].click(), at);
    await page.wait(byId('span-details'), 'what the span says');
    must((await texts(page, byId('span-details'))).some((text) => text.includes(HTML)), 'the text of the attribute, as it is');
    if (at === 0) must((await texts(page, `${byId('span-details')} a code`)).includes(link), 'the linked trace');
  }
  must((await page.count(`main img, ${byId('span-details')} td b`)) === 0 && (await page.page.title()) !== 'harm', 'the text of a span became an element');
  await looks(page, 'trace-odd');
}

/** Everything about one request, from the ID that a line carries. */
async function lookup(page) {
  const id = await page.page.evaluate(async () => {
    const query = encodeURIComponent('{service_name="payment"} |= "demo-" |= "failed"');
    const { data } = await (await fetch(`/loki/api/v1/query_range?query=${query}&since=5m&limit=1`)).json();
    return /demo-[0-9a-f]+/.exec(data.result[0].values[0][1])[0];
  });
  // The line comes before the spans and, in the beginning, before the alert.
  await page.waitFor(async (id, wanted) => {
    const { timeline } = await (await fetch(`/sonde/v1/lookup/${id}`)).json();
    const kinds = timeline.map((moment) => moment.kind);
    return wanted.every((kind) => kinds.includes(kind));
  }, 'all that is known about the request', id, ['alert', 'span', 'log']);
  await to(page, '/lookup');
  await page.wait(byId('lookup-input'), 'the box for an ID');
  await page.page.type(byId('lookup-input'), id);
  await page.page.keyboard.press('Enter');
  await page.wait(byId('moment'), 'a moment of the timeline');
  const kinds = await page.page.$$eval(byId('moment'), (all) => all.map((one) => one.dataset.kind));
  for (const kind of ['alert', 'span', 'log']) must(kinds.includes(kind), `no ${kind} in the timeline`);
  const times = await page.page.$$eval(`${byId('moment')} time`, (all) => all.map((time) => time.title));
  must(times.every((time, n) => n === 0 || time >= times[n - 1]), 'the timeline is not in the order of time');
  for (const [what, row] of [['what it waited for', 'waited-row'], ['where it ran', 'load-row'], ['its spans', 'trace-span'], ['its lines', 'log-line']]) {
    await page.wait(byId(row), what);
  }
  await looks(page, 'lookup');
  await page.click(byId('kind-span'), 'spans away');
  await page.waitFor((moment) => ![...document.querySelectorAll(moment)].some((one) => one.dataset.kind === 'span'), 'no span any more', byId('moment'));
  must(page.page.url().includes('without=span'), 'what is left out stands in the address');
  await page.click(byId('only-bad'), 'only what is bad');
  await page.waitFor((moment) => [...document.querySelectorAll(moment)].every((one) => one.classList.contains('bad')), 'only what is bad', byId('moment'));
  page.expected.push('status of 404');
  await to(page, '/lookup?id=nobody-has-this-id');
  await page.waitFor(() => document.body.textContent.includes('Nothing is known about nobody-has-this-id'), 'that nothing is known');
  return times.length;
}

/** Without a mouse: from the top of the page into the graph and to a service. */
async function keyboard(page) {
  await to(page, '/services');
  await page.wait(`a${byId('graph-node')}`, 'a service in the graph');
  await page.page.$eval(`a${byId('graph-node')}`, (node) => node.focus());
  await page.wait(`.graph-node.dim, .graph-edge`, 'what is beside it');
  await page.page.keyboard.press('Enter');
  await page.waitFor(() => /^\/services\/./.test(location.pathname), 'the page of that service');
  await page.waitFor(() => document.activeElement?.id === 'main', 'the focus at the top of the page');
}

export async function walkSignals(page) {
  const seen = { graph: await services(page), exemplars: await service(page) };
  const { query, found: traces } = await search(page);
  await found(page, query);
  await compare(page, 'payment');
  await keyboard(page);
  Object.assign(seen, { traces, moments: await lookup(page) });
  await nodes(page);
  if (page.options.otlp) {
    await seeded(page);
    await slow(page);
    Object.assign(seen, await large(page));
    await odd(page);
  }
  return seen;
}
