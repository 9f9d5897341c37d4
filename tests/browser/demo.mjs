// Walks the path of whoever is paged, in a real browser: the alert's page, its example
// trace, that trace's logs; and then through all logs.
//
//   node demo.mjs --url URL --screenshots DIRECTORY [--chromium PATH] [--timeout SECONDS]
//
// URL is an alert's page (…/alerts/FINGERPRINT). Prints one JSON line,
// {"alert", "status", "spans", "log_lines", "use_rows", "logs", "screenshots"}, where "logs" is
// what logs.mjs prints. Exit code 1, with the reason and a screenshot of where it stopped,
// when something is missing or wrong.

import { byId, commandLine, run } from './page.mjs';
import { walkLogs } from './walk-logs.mjs';

const options = commandLine('demo');

await run('demo', options, async (page) => {
  await page.open(options.url);
  for (const id of ['alert-name', 'alert-status', 'red-rate', 'red-errors', 'red-duration', 'example-trace', 'use-panel']) {
    await page.wait(byId(id), `the alert page's ${id}`);
  }
  // Charts and tables are there at once; what they show comes with the data.
  for (const id of ['red-rate', 'red-errors', 'red-duration']) await page.wait(`${byId(id)} svg path.line`, `a line in ${id}`);
  await page.wait(`${byId('use-panel')} tbody tr`, 'a row of the USE table');
  const alert = await page.text(byId('alert-name'));
  const status = await page.text(byId('alert-status'));
  const use_rows = await page.count(`${byId('use-panel')} tbody tr`);
  await page.shoot('alert');

  await page.click(byId('example-trace-link'), 'the link to the example trace');
  await page.waitFor(() => location.pathname.startsWith('/trace/'), 'the page of the example trace');
  await page.wait(`${byId('trace-waterfall')} ${byId('trace-span')}`, 'a span of the trace');
  await page.wait(`${byId('trace-logs')} ${byId('log-line')}`, 'a log line of the trace');
  const spans = await page.count(byId('trace-span'));
  const log_lines = await page.count(`${byId('trace-logs')} ${byId('log-line')}`);
  await page.shoot('trace');
  const logs = await walkLogs(page);
  return { alert, status, spans, log_lines, use_rows, logs };
});
