// Walks through the logs of a running demo, in a real browser: a query, its histogram, a
// facet, the context of a line, patterns, numbers, a mistake, older lines, a part of the
// time, and lines as they come.
//
//   node logs.mjs --url URL --screenshots DIRECTORY [--chromium PATH] [--timeout SECONDS]
//
// URL is the collector's. Prints one JSON line, {"lines", "errors", "context", "patterns",
// "series", "older", "live", "screenshots"}. Exit code 1, with the reason and a screenshot of
// where it stopped, when something is missing or wrong.

import { commandLine, run } from './page.mjs';
import { walkLogs } from './walk-logs.mjs';

const options = commandLine('logs');
await run('logs', options, walkLogs);
