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
  entryPoints: ['format.ts', 'logql.ts', 'loki.ts', 'logs/buckets.ts', 'logs/inside.ts', 'logs/marked.tsx', 'logs/older.ts', 'logs/period.ts', 'logs/shown.ts', 'logs/tail.ts', 'parts/scale.ts', 'parts/tree.ts', 'lookup/kinds.ts', 'nodes/places.ts', 'services/layout.ts', 'services/series.ts', 'traces/durations.ts', 'traces/traceql.ts'].map((file) => join(app, file)),
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
// What these need of a browser when they are loaded.
globalThis.window ??= { location: { pathname: '/', search: '', origin: '' } };
const { layout, says, unfolded, withAncestors } = await load('parts/tree');

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

test('rows_know_what_is_above_them_which_parents_are_missing_and_whose_clock_is_early', () => {
  const { rows } = layout({ spans: [span('a', null, 10, 50), span('b', 'a', 7), span('c', 'b', 9), span('x', 'gone', 20)] });
  const told = rows.map(({ span: { span_id }, above, isOrphan, early }) => [span_id, above, isOrphan, early]);
  assert.deepEqual(told, [['a', -1, false, 0], ['b', 0, false, 3], ['c', 1, false, 0], ['x', -1, true, 0]]);
});

test('what_is_folded_hides_all_below_it_and_what_is_wanted_keeps_all_above_it', () => {
  const { rows } = layout({ spans: [span('a', null, 0), span('b', 'a', 1), span('c', 'b', 2), span('d', 'a', 3), span('e', null, 4)] });
  const ids = (of) => of.map(({ span: { span_id } }) => span_id).join('');
  assert.equal(ids(unfolded(rows, new Set(['a']))), 'ae');
  assert.equal(ids(unfolded(rows, new Set(['b']))), 'abde');
  assert.equal(ids(withAncestors(rows, ({ span_id }) => span_id === 'c')), 'abc');
  assert.equal(ids(withAncestors(rows, () => false)), '');
});

test('a_wide_and_a_deep_trace_of_many_spans_are_laid_out_in_no_time', () => {
  const count = 50_000;
  const wide = [span('0', null, 0), ...Array.from({ length: count }, (_, n) => span(`${n + 1}`, '0', n + 1))];
  const deep = Array.from({ length: count }, (_, n) => span(`${n}`, n ? `${n - 1}` : null, n));
  const begun = process.cpuUsage().user;
  assert.equal(layout({ spans: wide }).rows.length, count + 1);
  const { rows } = layout({ spans: deep });
  assert.equal(rows.at(-1).depth, count - 1);
  assert.equal(unfolded(rows, new Set(['10'])).length, 11);
  assert.equal(withAncestors(rows, ({ span_id }) => span_id === '99').length, 100);
  assert.ok(process.cpuUsage().user - begun < 5e6, 'it takes time that grows with the square');
});

test('a_text_is_found_in_whatever_a_span_says', () => {
  const one = { ...span('a', null, 0), name: 'GET /', status_message: 'Timed out', attributes: [['http.route', '/pay']], events: [{ name: 'exception', attributes: [['why', 'Full']] }] };
  check([['get', true], ['timed', true], ['ROUTE', true], ['/pay', true], ['full', true], ['nothing', false]], (text) => says(one, text));
});

const { field, has, narrowed } = await load('traces/traceql');

test('a_condition_comes_into_the_braces_where_there_are_only_these', () => {
  check([
    ['', '{ a = 1 }'],
    ['{ }', '{ a = 1 }'],
    ['{ true }', '{ a = 1 }'],
    ['{ b = 2 }', '{ b = 2 && a = 1 }'],
    ['{b = "}" }', '{ b = "}" && a = 1 }'],
    ['{ b = 2 || c = 3 }', '{ (b = 2 || c = 3) && a = 1 }'],
    ['{ b = "||" }', '{ b = "||" && a = 1 }'],
    ['{ b = 2 } >> { c = 3 }', '{ a = 1 }'],
    ['{ b = 2 } | count() > 1', '{ a = 1 }'],
    ['nonsense', '{ a = 1 }'],
  ], (query) => narrowed(query, 'a = 1'));
});

test('attributes_and_values_are_quoted_as_traceql_has_them', () => {
  check([['span.http.route', 'span.http.route'], ['resource.k8s.pod.name', 'resource.k8s.pod.name'], ['span.a b', 'span."a b"'], ['span.x"y', 'span."x\\"y"']], field);
  assert.equal(has('span.a', 'x"y\\'), 'span.a = "x\\"y\\\\"');
  assert.equal(has('span.a', '500'), '(span.a = 500 || span.a = "500")');
  assert.equal(has('span.a', 'true'), '(span.a = true || span.a = "true")');
  assert.equal(has('span.a', '12345678901234567890'), 'span.a = "12345678901234567890"');
});

const { columnsOf: durationColumns } = await load('traces/durations');

test('every_trace_is_in_one_column_and_columns_meet', () => {
  let state = 7;
  const random = () => (state = (Math.imul(state, 1664525) + 1013904223) >>> 0) / 2 ** 32;
  for (let round = 0; round < 200; round += 1) {
    const traces = Array.from({ length: 1 + Math.floor(random() * 50) }, () => ({ duration_nanos: Math.floor(10 ** (random() * (round % 12))), errors: random() < 0.3 ? 1 : 0 }));
    const columns = durationColumns(traces);
    assert.ok(columns.length >= 1 && columns.length <= 45, `${columns.length}`);
    assert.equal(columns.reduce((sum, { all }) => sum + all, 0), traces.length);
    for (const [index, { from, until, all, failed }] of columns.entries()) {
      if (index) assert.equal(from, columns[index - 1].until);
      const within = traces.filter(({ duration_nanos }) => duration_nanos >= from && duration_nanos < until);
      assert.deepEqual([within.length, within.filter(({ errors }) => errors).length], [all, failed]);
    }
  }
  assert.deepEqual(durationColumns([]), []);
});

const { around, planOf } = await load('services/layout');
const node = (name, rate = 1) => ({ name, kind: 'service', rate, failed_ratio: 0 });
const edge = (client, server) => ({ client, server, connection_type: '', rate: 1, failed_ratio: 0, p95_seconds: 1 });
const placed = (names, pairs, max) => planOf([...names].map((name) => node(name)), pairs.map(([a, b]) => edge(a, b)), max);

test('who_asks_stands_left_of_who_is_asked', () => {
  const plan = placed('abcd', ['ab', 'bc', 'ac', 'cd']);
  assert.deepEqual(plan.nodes.map(({ name, layer }) => name + layer), ['a0', 'b1', 'c2', 'd3']);
});

test('circles_and_services_that_ask_themselves_end', () => {
  const plan = placed('abc', ['ab', 'bc', 'ca', 'aa']);
  assert.deepEqual(plan.nodes.map(({ name, layer }) => name + layer), ['a0', 'b1', 'c2']);
  assert.equal(plan.edges.length, 3);
  assert.deepEqual(placed('', []).nodes, []);
});

test('no_two_services_stand_at_one_place_and_the_busiest_stay', () => {
  const names = Array.from({ length: 100 }, (_, n) => `s${n}`);
  const edges = names.flatMap((name, n) => [edge(names[(n * 7) % 100], name), edge(names[(n * n) % 100], name)]);
  const plan = planOf(names.map((name, n) => node(name, n)), edges, 40);
  assert.equal(plan.nodes.length, 40);
  assert.equal(plan.rest, 60);
  assert.equal(new Set(plan.nodes.map(({ layer, row }) => `${layer} ${row}`)).size, 40);
  assert.ok(plan.nodes.some(({ name }) => name === 's99') && !plan.nodes.some(({ name }) => name === 's0'));
  assert.ok(plan.nodes.every(({ layer, row }) => layer < plan.layers && row < plan.rows));
});

test('around_a_service_stand_those_it_speaks_with', () => {
  const near = around('b', [...'abcd'].map((name) => node(name)), [edge('a', 'b'), edge('b', 'c'), edge('c', 'd')]);
  assert.deepEqual([near.nodes.map(({ name }) => name).join(''), near.edges.length], ['abc', 2]);
});

const { latelyOf } = await load('services/series');

test('series_of_services_have_numbers_and_gaps', () => {
  const result = [{ metric: { service: 'a' }, values: [[1, '2'], [2, 'NaN']] }];
  assert.deepEqual([...latelyOf({ data: { result } })], [['a', [[1000, 2], [2000, null]]]]);
  assert.equal(latelyOf(undefined).size, 0);
});

const { columnsOf: signalColumns, heatOf, placeOf, placesOf, queriesOf, restOf } = await load('nodes/places');
const use = (resource, method, value, labels, more = {}) => ({ metric: `node:${resource}_${method}:ratio`, resource, method, unit: 'ratio', help: '', samples: [], value, labels, ...more });

test('what_waits_stands_before_what_is_only_busy', () => {
  const signals = [
    use('cpu', 'utilization', 1, { host_name: 'busy' }), use('cpu', 'saturation', 0, { host_name: 'busy' }),
    use('cpu', 'utilization', 0.2, { host_name: 'waits' }), use('cpu', 'saturation', 0.4, { host_name: 'waits' }),
    use('disk', 'utilization', 0.3, { host_name: 'idle', device: 'a' }), use('disk', 'utilization', 0.1, { host_name: 'idle', device: 'b' }),
    use('cpu', 'saturation', 9, { host_name: 'idle' }, { metric: 'node:cpu_load:ratio' }),
  ];
  const places = placesOf(signals);
  assert.deepEqual(places.map(({ name }) => name), ['waits', 'busy', 'idle']);
  assert.equal(places[2].cells.get('node:disk_utilization:ratio').labels.device, 'a');
  assert.equal(placesOf(signals, 'node:cpu_utilization:ratio')[0].name, 'busy');
  assert.deepEqual(signalColumns(signals).map(({ resource, method }) => `${resource} ${method}`), ['cpu utilization', 'cpu saturation', 'cpu saturation', 'disk utilization']);
});

test('pods_are_named_with_their_namespace_and_heat_is_of_the_method', () => {
  assert.equal(placeOf({ namespace: 'n', pod: 'p', container: 'c' }), 'n/p/c');
  assert.deepEqual(restOf({ host_name: 'h', job: 'j', device: 'sda' }), ['sda']);
  check([[0.5, 'hot'], [0.2, 'warm'], [0.01, '']], (value) => heatOf(use('cpu', 'saturation', value, {})));
  check([[0.96, 'hot'], [0.85, 'warm'], [0.5, '']], (value) => heatOf(use('cpu', 'utilization', value, {})));
  check([[0, ''], [0.01, 'hot']], (value) => heatOf(use('network', 'errors', value, {}, { unit: '1/s' })));
  assert.equal(heatOf(use('cpu', 'saturation', 0.9, {}, { metric: 'node:cpu_load:ratio' })), '');
});

test('lines_and_traces_of_a_pod_are_those_of_its_namespace', () => {
  const of = (name, labels) => ({ name, signals: [use('cpu', 'saturation', 0, labels)] });
  assert.deepEqual(queriesOf('container', of('shop/web-0/app', { namespace: 'shop', pod: 'web-0', container: 'app' })), {
    lines: '{k8s_pod_name="web-0", k8s_namespace_name="shop"}',
    spans: '{ resource.k8s.pod.name = "web-0" && resource.k8s.namespace.name = "shop" }',
  });
  assert.equal(queriesOf('pod', of('web-0', { pod: 'web-0' })).lines, '{k8s_pod_name="web-0"}');
  assert.equal(queriesOf('node', of('a"b', { host_name: 'a"b' })).spans, '{ resource.host.name = "a\\"b" }');
});

const { leftOut, periodOf: periodOfMoments, toggled } = await load('lookup/kinds');

test('kinds_are_left_out_and_taken_in_by_name', () => {
  assert.deepEqual([...leftOut('log,nonsense,span')].sort(), ['log', 'span']);
  assert.equal(toggled(leftOut(null), 'log'), 'log');
  assert.equal(toggled(leftOut('log'), 'log'), undefined);
  assert.deepEqual(periodOfMoments([{ kind: 'alert', time: 1 }, { kind: 'span', time: 5, duration_nanos: 9 }, { kind: 'log', time: 7 }]), { start: 5, end: 14 });
  assert.equal(periodOfMoments([{ kind: 'change', time: 1 }]), null);
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
