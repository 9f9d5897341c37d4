// What the pages compute, apart from what they draw: `npm test`.

import assert from 'node:assert/strict';
import { mkdtempSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { build } from 'esbuild';

const app = join(dirname(fileURLToPath(import.meta.url)), '../app');
const out = mkdtempSync(join(tmpdir(), 'sonde-ui-test-'));
await build({
  entryPoints: ['format.ts', 'parts/scale.ts', 'parts/tree.ts'].map((file) => join(app, file)),
  bundle: true,
  format: 'esm',
  outdir: out,
  outbase: app,
  outExtension: { '.js': '.mjs' },
  logLevel: 'warning',
});
const load = (name) => import(join(out, `${name}.mjs`));
const { bytes, compact, inUnit, percent, seconds, since } = await load('format');
const { nearest, runs, timeTicks, valueTicks } = await load('parts/scale');
const { layout } = await load('parts/tree');

function check(cases, write) {
  for (const [value, expected] of cases) assert.equal(write(value), expected, `${value}`);
}

test('numbers_keep_three_digits_and_say_when_they_are_missing', () => {
  check([[0, '0'], [0.0312, '0.031'], [12.345, '12.3'], [1234, '1.23k'], [100, '100'], [2_500_000, '2.5M'], [null, '–'], [Infinity, '–']], compact);
});

test('shares_are_percent_and_tiny_ones_are_not_zero', () => {
  check([[0, '0 %'], [0.118, '11.8 %'], [1, '100 %'], [0.00001, '<0.01 %'], [null, '–']], percent);
});

test('durations_take_the_unit_that_reads_best', () => {
  check([[0, '0'], [0.0000021, '2.1 µs'], [0.0031, '3.1 ms'], [2.41, '2.41 s'], [125, '2 min 5 s'], [90_061, '1 d 1 h']], seconds);
  assert.equal(since(0, 252e9), '4 min 12 s');
});

test('units_that_signals_declare_are_written_as_people_know_them', () => {
  assert.equal(bytes(18_400_000), '17.5 MiB');
  assert.equal(inUnit(0.42, 'ratio'), '42 %');
  assert.equal(inUnit(1024, 'bytes/s'), '1 KiB/s');
  assert.equal(inUnit(0.4, '1/s'), '0.4/s');
  assert.equal(inUnit(null, 'ratio'), '–');
});

test('value_ticks_are_round_and_reach_the_maximum', () => {
  assert.deepEqual(valueTicks(14.2, 3), [0, 5, 10, 15]);
  assert.deepEqual(valueTicks(0.13, 3), [0, 0.05, 0.1, 0.15]);
  assert.deepEqual(valueTicks(0, 3), [0, 1]);
  assert.deepEqual(valueTicks(NaN, 3), [0, 1]);
});

test('time_ticks_stay_within_the_range_and_few', () => {
  const hour = 3_600_000;
  const ticks = timeTicks(10 * hour + 1, 11 * hour, 4);
  assert.ok(ticks.length > 0 && ticks.length <= 4);
  assert.ok(ticks.every((tick) => tick >= 10 * hour && tick <= 11 * hour));
});

test('a_missing_value_or_a_long_silence_ends_a_line', () => {
  assert.deepEqual(runs([[0, 1], [10, 2], [20, null], [30, 3], [40, 4], [100, 5]]), [[[0, 1], [10, 2]], [[30, 3], [40, 4]], [[100, 5]]]);
  assert.deepEqual(runs([]), []);
});

test('the_nearest_sample_is_found_on_both_sides', () => {
  const samples = [[0, 1], [10, 2], [20, 3]];
  check([[-5, 0], [4, 0], [6, 10], [99, 20]], (time) => nearest(samples, time)[0]);
  assert.equal(nearest([], 5), undefined);
});

const span = (span_id, parent, start, end = start + 1) => ({ span_id, parent, start, end, service: 's', name: span_id, events: [], links: [] });
const order = (spans) => layout({ trace_id: 't', spans }).rows.map(({ span: { span_id }, depth }) => `${span_id}${depth}`).join(' ');

test('spans_stand_under_their_parents_by_start', () => {
  assert.equal(order([span('c', 'a', 3), span('a', null, 0), span('b', 'a', 1), span('d', 'b', 2)]), 'a0 b1 d2 c1');
});

test('a_span_without_its_parent_is_a_root_and_circles_are_shown_once', () => {
  assert.equal(order([span('a', null, 0), span('x', 'gone', 1)]), 'a0 x0');
  assert.equal(order([span('a', 'b', 0), span('b', 'a', 1)]), 'a0 b1');
  assert.equal(order([span('a', 'a', 0)]), 'a0');
  assert.equal(order([]), '');
});
