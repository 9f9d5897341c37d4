// Walks through the services, nodes, traces and lookups of a running demo, in a real browser.
//
//   node signals.mjs --url URL --screenshots DIRECTORY [--otlp URL] [--chromium PATH] [--timeout SECONDS]
//
// URL is the collector's; --otlp is where it takes OTLP over HTTP, and adds what a shop does not
// do by itself: large and odd traces, changes, many services. Prints one JSON line, {"graph",
// "exemplars", "traces", "moments", "drawn", "pages", "screenshots"}. Exit code 1, with the reason and a
// screenshot of where it stopped, when something is missing or wrong.

import { commandLine, run } from './page.mjs';
import { walkSignals } from './walk-signals.mjs';

const options = commandLine('signals');
await run('signals', options, walkSignals);
