// Says what Grafana's own grammar of LogQL, the one its query editor reads with, takes.
//
//   node logql.mjs < QUERIES
//
// Reads one query a line, as a JSON string; writes one line for each: "ok", or "error at N",
// N being the first place, in UTF-16 units, that the grammar cannot read.

import { createInterface } from 'node:readline';
import { parser } from '@grafana/lezer-logql';

/** The first place of an error in the tree, or -1. */
function firstError(query) {
  let at = -1;
  parser.parse(query).iterate({
    enter(node) {
      if (at < 0 && node.type.isError) at = node.from;
    },
  });
  return at;
}

for await (const line of createInterface({ input: process.stdin })) {
  const at = firstError(JSON.parse(line));
  process.stdout.write(at < 0 ? 'ok\n' : `error at ${at}\n`);
}
