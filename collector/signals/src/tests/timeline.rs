//! What queries see: every sample that was ever told, of programs that were killed at any
//! time, beside a plain pass over all spans.

use super::model::{entry, span};
use crate::{Config, SpanSignals, red};
use prometheus_client::registry::Registry;
use rand::{Rng as _, SeedableRng as _};
use rand_chacha::ChaCha8Rng;
use sonde_proto::otlp::metrics::metric::Data;
use sonde_proto::otlp::metrics::number_data_point::Value;
use sonde_proto::otlp::trace::Span;
use sonde_proto::{Entry, Position, UnixNanos, otlp};
use std::collections::BTreeMap;

const STALE: u64 = 100;
const WINDOW: u64 = 40;
const SERVICES: [&str; 3] = ["checkout", "cart", "pay"];
const STATES: [&str; 6] = [
    "",
    "ot=th:8",
    "ot=th:4",
    "ot=th:fd70a4;rv:ffffffffffffff",
    "x=y, ot=th:c",
    "ot=th:zz",
];

/// Samples by time; `None` where a series ended.
type Timeline = BTreeMap<(String, String), BTreeMap<u64, Option<u64>>>;

fn config(native: bool) -> Config {
    Config {
        stale_seconds: STALE,
        repeat_window_seconds: WINDOW,
        native_histograms: native,
        ..Config::default()
    }
}

/// Spans with sampling weights, silences longer than a series lives, and batches sent twice.
fn journal(rng: &mut ChaCha8Rng) -> Vec<(Position, Entry)> {
    let (mut journal, mut seconds, mut id) = (Vec::new(), 1_000, 0);
    let mut sent: Vec<(u64, Vec<(&str, Span)>)> = Vec::new();
    for position in 0..120 {
        seconds += match rng.random_range(0..12) {
            0 => rng.random_range(0..3 * STALE),
            _ => rng.random_range(0..10),
        };
        let again = rng
            .random_bool(0.2)
            .then(|| sent.last().map(|(_, spans)| spans.clone()))
            .flatten();
        let spans = again.unwrap_or_else(|| {
            (0..rng.random_range(1..6))
                .map(|_| {
                    id += 1;
                    let mut span = span([2, 3, 5][rng.random_range(0..3)], id, id, 0);
                    span.name = ["GET /", "POST /pay"][rng.random_range(0..2)].to_owned();
                    let nanos = rng.random::<u64>() >> rng.random_range(24..60);
                    span.end_time_unix_nano = span.start_time_unix_nano + nanos;
                    STATES[rng.random_range(0..STATES.len())].clone_into(&mut span.trace_state);
                    (SERVICES[rng.random_range(0..3)], span)
                })
                .collect()
        });
        journal.push(entry(position, seconds, &spans));
        sent.push((seconds, spans));
    }
    journal
}

/// Calls by series, rounded down once for each life of a series; in 2^-32ths while summed.
fn plain_pass(journal: &[(Position, Entry)]) -> BTreeMap<String, u64> {
    use prost::Message as _;
    use sonde_proto::otlp::trace_service::ExportTraceServiceRequest;
    let mut seen: BTreeMap<Vec<u8>, u64> = BTreeMap::new();
    let mut lives: BTreeMap<String, (u64, u128, u64)> = BTreeMap::new();
    for (_, entry) in journal {
        let now = entry.received_at.0 / 1_000_000_000;
        let before = seen.get(&entry.payload[..]).copied();
        if before.is_some_and(|at| at + WINDOW >= now) {
            continue;
        }
        seen.insert(entry.payload.to_vec(), now);
        let request = ExportTraceServiceRequest::decode(entry.payload.clone()).unwrap();
        for resource in &request.resource_spans {
            let service = &resource.resource.as_ref().unwrap().attributes;
            let service = otlp::attribute_text(service, "service.name").unwrap();
            for span in &resource.scope_spans[0].spans {
                let kind = match span.kind {
                    2 => "SERVER",
                    5 => "CONSUMER",
                    _ => continue,
                };
                let weight = match &span.trace_state[..] {
                    "ot=th:8" => 2 << 32,
                    "ot=th:4" => 5_726_623_061,
                    "ot=th:fd70a4;rv:ffffffffffffff" => (100 << 32) + 409_600,
                    "x=y, ot=th:c" => 4 << 32,
                    _ => 1_u128 << 32,
                };
                let labels = format!(
                    "service={service} span_name={} span_kind=SPAN_KIND_{kind} status_code=STATUS_CODE_UNSET",
                    span.name
                );
                let (last, sum, ended) = lives.entry(labels).or_insert((now, 0, 0));
                if *last + STALE < now {
                    *ended += (*sum >> 32) as u64;
                    *sum = 0;
                }
                (*last, *sum) = (now, *sum + weight);
            }
        }
    }
    let total = |(_, sum, ended): (u64, u128, u64)| ended + (sum >> 32) as u64;
    lives
        .into_iter()
        .map(|(labels, life)| (labels, total(life)))
        .collect()
}

fn tell(timeline: &mut Timeline, signals: &mut SpanSignals, seconds: u64, seed: u64) {
    let mut put = |metric: &str, labels: &[otlp::common::KeyValue], at: u64, value: Option<u64>| {
        let labels: Vec<_> = labels
            .iter()
            .map(|kv| format!("{}={}", kv.key, otlp::text(kv.value.as_ref().unwrap())))
            .collect();
        let series = timeline
            .entry((metric.to_owned(), labels.join(" ")))
            .or_default();
        let newest = series.last_key_value().map(|(at, _)| *at);
        if newest.is_some_and(|newest| at < newest) {
            // The past is not written anew; a zero may be told again, or of just before an end.
            assert!(
                series.get(&at).is_some_and(|known| *known == value) || value == Some(0),
                "seed {seed}: {metric} {labels:?} at {at}: {value:?} in {series:?}"
            );
        }
        series.insert(at, value);
    };
    // Never at the very moment of an arrival: a series has a zero before its first value.
    let now = UnixNanos(seconds * 1_000_000_000 + 1);
    for (_, request) in signals.collect(now) {
        for metric in &request.resource_metrics[0].scope_metrics[0].metrics {
            match metric.data.as_ref().unwrap() {
                Data::Sum(sum) => {
                    for p in &sum.data_points {
                        let Some(Value::AsInt(n)) = p.value else {
                            panic!("whole")
                        };
                        assert!(p.start_time_unix_nano <= p.time_unix_nano);
                        let value = (p.flags == 0).then(|| u64::try_from(n).unwrap());
                        put(&metric.name, &p.attributes, p.time_unix_nano, value);
                    }
                }
                Data::Histogram(histogram) => {
                    for p in &histogram.data_points {
                        assert_eq!(p.count, p.bucket_counts.iter().sum::<u64>());
                        let value = (p.flags == 0).then_some(p.count);
                        put(&metric.name, &p.attributes, p.time_unix_nano, value);
                    }
                }
                Data::ExponentialHistogram(native) => {
                    let name = format!("{} natively", metric.name);
                    for p in &native.data_points {
                        let buckets = &p.positive.as_ref().unwrap().bucket_counts;
                        assert_eq!(p.count, p.zero_count + buckets.iter().sum::<u64>());
                        let value = (p.flags == 0).then_some(p.count);
                        put(&name, &p.attributes, p.time_unix_nano, value);
                    }
                }
                other => panic!("unexpected {other:?}"),
            }
        }
    }
}

/// The sum of all increases, as `increase` takes them: a smaller value began again at zero.
fn increase(samples: &BTreeMap<u64, Option<u64>>) -> u64 {
    let (mut sum, mut before) = (0, 0);
    for sample in samples.values() {
        match sample {
            Some(value) if *value >= before => sum += value - before,
            Some(value) => sum += value,
            None => {}
        }
        before = sample.unwrap_or(0);
    }
    sum
}

/// Applies in small steps, tells every few seconds where it has caught up, and is killed at
/// any time.
fn run(
    rng: &mut ChaCha8Rng,
    journal: &[(Position, Entry)],
    config: &Config,
    seed: u64,
) -> Timeline {
    const TELL_EVERY: u64 = 20;
    const LAG: u64 = 30;
    let arrived = |at: usize| journal[at].1.received_at.0 / 1_000_000_000;
    let started = UnixNanos(0);
    let mut signals = SpanSignals::new(config, &mut Registry::default(), started);
    let (mut timeline, mut snapshot, mut at) = (Timeline::new(), None::<Vec<u8>>, 0);
    // How far the program had come when it was killed: before that nothing is told.
    let (mut caught_up, mut clock) = (0, 0);
    while at < journal.len() {
        let until = (at + rng.random_range(1..5)).min(journal.len());
        while at < until {
            at += 1;
            if at < until && arrived(at) > arrived(at - 1) + TELL_EVERY {
                break;
            }
        }
        signals.apply(&journal[..at]);
        let killed = rng.random_bool(0.2);
        if at >= caught_up && !(killed && rng.random_bool(0.5)) {
            // Until the next entry arrives, or a little after it has.
            let end = arrived(at - 1) + 4 * STALE;
            let end = (journal.get(at)).map_or(end, |_| arrived(at) + rng.random_range(0..LAG));
            clock = clock.max(arrived(at - 1));
            while clock <= end {
                tell(&mut timeline, &mut signals, clock, seed);
                clock += rng.random_range(1..TELL_EVERY);
            }
        }
        if rng.random_bool(0.3) {
            snapshot = Some(signals.snapshot());
        }
        if killed {
            caught_up = caught_up.max(at);
            let mut registry = Registry::default();
            let now = UnixNanos::from_secs(clock);
            signals = match &snapshot {
                Some(bytes) => SpanSignals::restore(config, &mut registry, bytes, now).unwrap(),
                None => SpanSignals::new(config, &mut registry, started),
            };
            at = usize::try_from(signals.applied_to().0).unwrap();
            // It catches up before anything else arrives.
            signals.apply(&journal[..caught_up]);
            at = at.max(caught_up);
            tell(
                &mut timeline,
                &mut signals,
                clock.max(arrived(at - 1)),
                seed,
            );
        }
    }
    tell(
        &mut timeline,
        &mut signals,
        clock.max(arrived(at - 1)),
        seed,
    );
    timeline
}

#[test]
fn the_increase_of_all_that_was_told_is_a_plain_count_of_the_spans() {
    for seed in 0..50 {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        let journal = journal(&mut rng);
        let timeline = run(&mut rng, &journal, &config(false), seed);
        let expected = plain_pass(&journal);
        for name in [red::CALLS, red::LATENCY] {
            for (labels, calls) in &expected {
                let told = &timeline[&(name.to_owned(), labels.clone())];
                let found = increase(told);
                assert_eq!(found, *calls, "seed {seed} {name} {labels} {told:?}");
            }
            let series = timeline.keys().filter(|(metric, _)| metric == name).count();
            assert_eq!(series, expected.len(), "seed {seed} {name}");
        }
    }
}

#[test]
fn native_histograms_count_what_the_classic_ones_count_but_for_fractions() {
    for seed in 0..20 {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        let journal = journal(&mut rng);
        let timeline = run(&mut rng, &journal, &config(true), seed);
        for ((name, labels), told) in &timeline {
            if name == red::LATENCY {
                let native = &timeline[&(format!("{name} natively"), labels.clone())];
                let (classic, native) = (increase(told), increase(native));
                assert!(
                    native <= classic && classic - native <= told.len() as u64 * 10,
                    "seed {seed} {labels}: {native} of {classic}"
                );
            }
        }
    }
}

#[test]
fn counters_that_were_lost_begin_at_the_restart_and_not_with_what_is_left_of_the_journal() {
    let mut timeline = Timeline::new();
    let journal: Vec<_> = (0..10)
        .map(|n| entry(n, n, &[("pay", span(2, n + 1, n + 1, 0))]))
        .collect();
    let config = Config::default();
    let mut first = SpanSignals::new(&config, &mut Registry::default(), UnixNanos(0));
    first.apply(&journal);
    tell(&mut timeline, &mut first, 10, 0);
    // The snapshot is gone, and half of the journal is trimmed.
    let now = UnixNanos::from_secs(20);
    let mut second = SpanSignals::new(&config, &mut Registry::default(), now);
    second.apply(&journal[5..]);
    second.apply(&[entry(10, 21, &[("pay", span(2, 50, 50, 0))])]);
    tell(&mut timeline, &mut second, 25, 0);
    let calls: Vec<_> = timeline
        .iter()
        .filter(|((name, _), _)| name == red::CALLS)
        .collect();
    assert_eq!(calls.len(), 1);
    assert_eq!(increase(calls[0].1), 11);
}
