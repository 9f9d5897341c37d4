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
  entryPoints: ['format.ts', 'logql.ts', 'loki.ts', 'logs/buckets.ts', 'logs/inside.ts', 'logs/marked.tsx', 'logs/older.ts', 'logs/period.ts', 'logs/shown.ts', 'logs/tail.ts', 'parts/scale.ts', 'parts/tree.ts'].map((file) => join(app, file)),
  bundle: true,
  jsx: 'automatic',
  jsxImportSource: 'preact',
  format: 'esm',
  outdir: out,
  outbase: app,
  outExtension: { '.js': '.mjs' },
  logLevel: 'warning',
});
const load = (name) => import(join(out, `${name}.mjs`));
const { bytes, compact, inUnit, percent, seconds, since } = await load('format');
const { nearest, runs, ticksAround, timeTicks, valueTicks } = await load('parts/scale');
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

test('values_below_zero_have_ticks_on_both_sides', () => {
  assert.deepEqual(ticksAround(0, 14.2, 3), [0, 5, 10, 15]);
  assert.deepEqual(ticksAround(-4, 14.2, 3), [-5, 0, 5, 10, 15]);
  assert.deepEqual(ticksAround(-12, -1, 3), [-15, -10, -5, 0]);
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

const { counted, fieldStage, hasMatcher, hasStage, mistake, skeleton, sought, streamSelector, withField, withMatcher, withoutMatcher, withoutStage } = await load('logql');

test('a_matcher_comes_into_the_selector_and_nothing_else_changes', () => {
  const cases = [
    ['', '{a="b"}'],
    ['{}', '{a="b"}'],
    ['{x="y"} |= "{z}" | json', '{x="y", a="b"} |= "{z}" | json'],
    ['{x="}", y=~`a"}`}', '{x="}", y=~`a"}`, a="b"}'],
    ['{a="old", x="y"}', '{x="y", a="b"}'],
    ['{a!="b", a!="c"}', '{a!="c", a="b"}'],
    ['{a="b"}', '{a="b"}'],
    ['sum(count_over_time({x="y"}[1m]))', 'sum(count_over_time({x="y", a="b"}[1m]))'],
    ['# {no}\n{x="y"}', '# {no}\n{x="y", a="b"}'],
    ['{x=}', '{x=, a="b"}'],
    ['what is this', 'what is this'],
    ['{x="y"', '{x="y"'],
  ];
  check(cases, (query) => withMatcher(query, 'a', '=', 'b'));
  assert.equal(withMatcher('{a="b", x="y"}', 'a', '!=', 'b'), '{x="y", a!="b"}');
  assert.equal(withMatcher('{a="c"}', 'a', '!=', 'b'), '{a="c", a!="b"}');
});

test('values_stand_in_quotes_whatever_is_in_them', () => {
  const value = 'a"b\\c\nd`e}';
  const query = withMatcher('{x="y"}', 'a', '=', value);
  assert.equal(query, '{x="y", a="a\\"b\\\\c\\nd`e}"}');
  assert.ok(hasMatcher(query, 'a', '=', value));
  assert.equal(withoutMatcher(query, 'a', '=', value), '{x="y"}');
  assert.ok(hasMatcher('{a=`b`}', 'a', '=', 'b') && !hasMatcher('{a!="b"}', 'a', '=', 'b'));
});

test('a_field_is_filtered_after_its_parser_and_only_once', () => {
  const query = withField('{x="y"}', 'status', '=', '500', 'json');
  assert.equal(query, '{x="y"} | json | status="500"');
  assert.equal(withField(query, 'status', '=', '500', 'json'), query);
  assert.equal(withField(query, 'status', '!=', '500', 'json'), '{x="y"} | json | status!="500"');
  assert.equal(withField('{x="| json"} # so', 'pod', '=', 'p', 'json'), '{x="| json"} # so\n| json\n| pod="p"');
  assert.equal(withoutStage(query, fieldStage('status', '=', '500')), '{x="y"} | json');
  const either = '{x="y"} | status="500" or status="501"';
  assert.ok(!hasStage(either, fieldStage('status', '=', '500')));
  assert.equal(withoutStage(either, fieldStage('status', '=', '500')), either);
});

test('strings_and_comments_are_no_structure', () => {
  assert.equal(skeleton('{a="}"} # {'), '{a=   }    ');
  assert.equal(skeleton('"open'), '     ');
  assert.equal(skeleton('`a"`"b`"'), '        ');
});

test('counts_and_streams_are_asked_as_logql', () => {
  assert.equal(counted('', ['level'], '5s'), 'sum by (level) (count_over_time({}\n[5s]))');
  assert.equal(streamSelector({ app: 'a', level: 'error', pod: 'p"1' }), '{app="a", pod="p\\"1"}');
  assert.deepEqual(sought('{a="|= x"} |= "one" != "two" |= `th"ree` |~ "four"'), ['one', 'th"ree']);
});

test('a_mistake_is_shown_where_it_is', () => {
  const query = '{a="b"}\n| lofmt';
  const expected = { message: 'unknown stage "lofmt"', shown: '| lofmt', before: 2 };
  assert.deepEqual(mistake(query, 'parse error at line 2, col 3: unknown stage "lofmt"\n'), expected);
  assert.deepEqual(mistake(query, 'parse error at line 2, col 3: 2:3: unknown stage "lofmt"\n  | lofmt\n    ^'), expected);
  assert.deepEqual(mistake(query, '2:3: unknown stage "lofmt"\n  | lofmt\n    ^'), expected);
  assert.deepEqual(mistake(query, 'the step is too short'), { message: 'the step is too short' });
  assert.deepEqual(mistake(query, 'parse error at line 9, col 1: odd'), { message: 'odd' });
});

const { levelNamed, lineOf, linesOf } = await load('loki');
const line = (time, text, more = {}) => ({ time, text, labels: {}, metadata: {}, parsed: {}, ...more });

test('lines_of_all_streams_come_newest_first_with_every_digit_of_their_time', () => {
  const result = [
    { stream: { app: 'a' }, values: [['1795734398206876661', 'b'], ['999', 'd']] },
    { stream: { app: 'b' }, values: [['1795734398206876662', 'a', { structuredMetadata: { pod: 'p' } }], ['1795734398206876660', 'c']] },
  ];
  const lines = linesOf({ data: { resultType: 'streams', result } });
  assert.deepEqual(lines.map(({ text }) => text), ['a', 'b', 'c', 'd']);
  assert.equal(lines[0].time, '1795734398206876662');
  assert.deepEqual([lines[0].metadata, lines[0].labels], [{ pod: 'p' }, { app: 'b' }]);
  assert.deepEqual(linesOf({ data: { resultType: 'matrix', result: [] } }), []);
});

test('levels_have_one_name_each', () => {
  check([['ERROR', 'error'], ['Warning', 'warn'], ['crit', 'fatal'], ['notice', 'info'], ['', 'unknown'], ['loud', 'unknown']], levelNamed);
});

test('attributes_of_records_have_the_names_that_a_query_gives_them', () => {
  const record = { time: 5, labels: { app: 'a' }, level: 'info', body: 'x', trace_id: 't', span_id: null, attributes: [['order.id', '7'], ['order_id', '8']] };
  assert.deepEqual(lineOf(record).metadata, { trace_id: 't', detected_level: 'info', order_id: '7' });
});

const { after, unseen } = await load('logs/older');

test('a_line_that_was_shown_is_not_shown_again_and_its_twin_is', () => {
  const twin = line('10', 'same');
  assert.deepEqual(unseen([twin, twin, line('10', 'new'), line('9', 'old')], [line('10', 'same')]), [twin, line('10', 'new'), line('9', 'old')]);
  assert.equal(after('1795734398206876661'), '1795734398206876662');
});

const { columnsOf, gridOf, totals } = await load('logs/buckets');
const { duration, millisOf, stepOf } = await load('logs/period');

test('columns_cover_the_period_at_round_times', () => {
  const grid = gridOf({ from: 61_000, until: 3_661_000 });
  assert.deepEqual(grid, { step: 60_000, first: 120_000, last: 3_720_000 });
  assert.deepEqual(gridOf({ from: 5, until: 25 }), { step: 10, first: 10, last: 30 });
  const series = [
    { metric: { level: 'error' }, values: [[120, '3'], [240, '1']] },
    { metric: { detected_level: 'WARN' }, values: [[120, '2'], [9000, '7'], [180, 'NaN']] },
  ];
  const columns = columnsOf(grid, series);
  assert.equal(columns.length, 61);
  assert.deepEqual(columns[0], { from: 60_000, until: 120_000, total: 5, counts: { error: 3, warn: 2 } });
  assert.deepEqual(totals(columns), [['error', 4], ['warn', 2]]);
});

test('times_are_written_as_logql_reads_them', () => {
  check([[1000, '1s'], [3_600_000, '3600s'], [250, '250ms'], [1500, '1500ms'], [0.2, '1ms']], duration);
  check([['15m', 900_000], ['2h', 7_200_000], ['', 0], ['-1h', 0], ['1y', 0]], millisOf);
  assert.ok(stepOf({ from: 0, until: 1e13 }, 90) * 90 >= 1e13);
});

const { fieldsIn } = await load('logs/inside');

test('fields_in_json_have_the_names_that_the_parser_gives_them', () => {
  const text = '{"level":"warn","http":{"status.code":500,"list":[1]},"ok":true,"none":null,"1st":"x"}';
  const fields = fieldsIn(line('1', text, { labels: { level: 'error' }, metadata: { ok: 'true' } }));
  assert.deepEqual(fields, [['level_extracted', 'warn'], ['http_status_code', '500'], ['_1st', 'x']]);
  for (const odd of ['[1]', '{"a":', 'plain', '']) assert.deepEqual(fieldsIn(line('1', odd)), []);
  let deep = '1';
  for (let depth = 0; depth < 200; depth += 1) deep = `{"a":${deep}}`;
  assert.deepEqual(fieldsIn(line('1', deep)), []);
});

const { pieces } = await load('logs/marked');

test('what_was_looked_for_is_every_second_piece', () => {
  assert.deepEqual(pieces('a card, a card', ['card']), ['a ', 'card', ', a ', 'card', '']);
  assert.deepEqual(pieces('abcabc', ['bc', 'ab']), ['', 'ab', 'c', 'ab', 'c']);
  assert.deepEqual(pieces('text', ['', 'none']), ['text']);
  assert.equal(pieces('x'.repeat(5000), ['x']).join(''), 'x'.repeat(5000));
});

const { KEPT_MAX, NOTHING, step } = await load('logs/shown');

test('live_lines_are_bounded_and_wait_while_paused', () => {
  const came = (...times) => ({ came: times.map((time) => line(String(time), `${time}`)), gaps: 0, late: 0 });
  const texts = ({ lines }) => lines.map(({ text }) => text).join(' ');
  let state = step(step(NOTHING, came(1, 2)), 'pause');
  state = step(state, came(3));
  assert.deepEqual([texts(state), state.waiting.length, state.lost], ['2 1', 1, 0]);
  state = step(state, came(...Array.from({ length: KEPT_MAX + 5 }, (_, n) => 100 + n)));
  assert.deepEqual([state.waiting.length, state.lost], [KEPT_MAX, 6]);
  state = step(state, 'resume');
  assert.deepEqual([state.lines.length, state.waiting.length, state.lost, state.paused], [KEPT_MAX, 0, 0, false]);
  assert.equal(state.lines[0].text, String(99 + KEPT_MAX + 5));
  assert.equal(step(state, 'clear').lines.length, 0);
});

const { deliver } = await load('logs/tail');

test('what_a_tail_says_beside_lines_is_counted_and_shown_until_it_is_cleared', () => {
  const told = { came: [], gaps: 0, late: 0 };
  const tail = {
    onLines: (lines) => told.came.push(...lines),
    onGap: () => { told.gaps += 1; },
    onLate: (lines) => { told.late += lines; },
  };
  deliver(['{"gap":5}', '{"late":3,"before":7}', '{"time":1784160000000000001,"line":"a","labels":{}}', '', '{"late":2,"before":9}', '{"alive":9}'], tail);
  assert.deepEqual([told.came.map(({ time, text }) => [time, text]), told.gaps, told.late], [[['1784160000000000001', 'a']], 1, 5]);
  const state = step(step(NOTHING, told), { came: [], gaps: 0, late: 1 });
  assert.deepEqual([state.lines.length, state.gaps, state.late], [1, 1, 6]);
  assert.deepEqual([step(step(state, 'pause'), told).late, step(state, 'clear').late], [11, 0]);
  assert.throws(() => deliver(['{"error":"the query cannot be answered"}'], tail), /cannot be answered/);
});
