//! Policies one by one, and what is remembered of what they decided.

mod plain;

use super::{Policies, Sampling, Vote};
use crate::tests::model::{entry, open, payload, tenant, trace_id};
use crate::{Config, Search, TraceQuery, TraceStore};
use opentelemetry_proto::tonic::common::v1::any_value::Value;
use opentelemetry_proto::tonic::trace::v1::{Span, Status};
use serde_json::{Value as Json, json};
use sonde_proto::period::Period;
use sonde_proto::{Deadline, Entry, Position, TraceId, UnixNanos, otlp};
use std::collections::BTreeSet;

const MILLI: u64 = 1_000_000;
const WAIT: u64 = 10;
const WAIT_MAX: u64 = 40;

fn policies(written: Json) -> Policies {
    serde_json::from_value(written).unwrap()
}

fn config(written: Json) -> Config {
    Config {
        merge_fan_in: 2,
        sampling: Sampling {
            policies: policies(written),
            decision_wait: Period::of_seconds(WAIT),
            decision_wait_max: Period::of_seconds(WAIT_MAX),
            ..Sampling::default()
        },
        ..Config::default()
    }
}

fn span(trace: u64, number: u64) -> Span {
    Span {
        trace_id: trace_id(trace).as_bytes().to_vec(),
        span_id: (trace * 100 + number + 1).to_be_bytes().to_vec(),
        name: format!("operation {}", number % 3),
        start_time_unix_nano: 1_000 * MILLI,
        end_time_unix_nano: 1_010 * MILLI,
        ..Span::default()
    }
}

fn at(seconds: u64) -> UnixNanos {
    UnixNanos::from_secs(seconds)
}

/// The traces there are.
fn all(store: &TraceStore) -> BTreeSet<TraceId> {
    let search = Search {
        query: TraceQuery::parse("").unwrap(),
        start: UnixNanos(0),
        end: UnixNanos(u64::MAX),
        limit: 10_000,
        spans_per_set: 1,
        deadline: Deadline::never(),
    };
    let answer = store.search(&tenant(), &search).unwrap();
    let ids = answer.traces.iter().map(|t| t.summary.trace_id);
    ids.collect()
}

/// Traces of which each has something that others have not.
fn samples() -> Vec<Span> {
    let mut spans: Vec<Span> = (0..8).map(|n| span(n, 0)).collect();
    let status = |code| {
        Some(Status {
            code,
            ..Status::default()
        })
    };
    spans[1].status = status(2);
    spans[2].status = status(1);
    spans[3].end_time_unix_nano = 1_500 * MILLI;
    spans[4].attributes = vec![otlp::kv("http.route", "/pay")];
    spans[5].attributes = vec![otlp::any_kv("code", Value::IntValue(503))];
    spans[6].attributes = vec![otlp::any_kv("retry", Value::BoolValue(true))];
    // Its spans are short, and far apart.
    spans.push(Span {
        start_time_unix_nano: 3_000 * MILLI,
        end_time_unix_nano: 3_000 * MILLI,
        ..span(7, 1)
    });
    spans
}

#[track_caller]
fn check(written: &Json, expected: &[u64]) {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path(), &config(written.clone()));
    store.apply(&[entry(1, &payload("shop", samples()))]);
    assert_eq!(all(&store).len(), 8, "all are found before they are judged");
    store.seal(at(1 + WAIT)).unwrap();
    let expected: BTreeSet<_> = expected.iter().map(|n| trace_id(*n)).collect();
    assert_eq!(all(&store), expected, "{written}");
    let report = store.sampling().unwrap();
    let count = |kept| {
        let counts = report.iter().filter(|count| count.kept == kept);
        counts.map(|count| count.traces).sum::<u64>()
    };
    assert_eq!(count(true), expected.len() as u64);
    assert_eq!(count(false), 8 - expected.len() as u64);
    for n in 0..8 {
        let is_told = store.not_kept(&tenant(), &trace_id(n)).is_some();
        assert_eq!(is_told, !expected.contains(&trace_id(n)));
    }
}

#[test]
fn every_policy_keeps_what_it_wants() {
    check(
        &json!([{"name": "a", "type": "always_sample"}]),
        &[0, 1, 2, 3, 4, 5, 6, 7],
    );
    let status = |codes: Json| json!([{"name": "a", "type": "status_code", "status_code": {"status_codes": codes}}]);
    check(&status(json!(["ERROR"])), &[1]);
    check(&status(json!(["ERROR", "OK"])), &[1, 2]);
    check(&status(json!(["UNSET"])), &[0, 3, 4, 5, 6, 7]);
    let latency = |of: Json| json!([{"name": "a", "type": "latency", "latency": of}]);
    check(&latency(json!({"threshold_ms": 500})), &[3, 7]);
    check(&latency(json!({"threshold_ms": 501})), &[7]);
    check(
        &latency(json!({"threshold_ms": 400, "upper_threshold_ms": 1_999})),
        &[3],
    );
    let text =
        |of: Json| json!([{"name": "a", "type": "string_attribute", "string_attribute": of}]);
    check(
        &text(json!({"key": "http.route", "values": ["/", "/pay"]})),
        &[4],
    );
    check(
        &text(json!({"key": "service.name", "values": ["shop"]})),
        &[0, 1, 2, 3, 4, 5, 6, 7],
    );
    check(&text(json!({"key": "http.route", "values": ["/p"]})), &[]);
    check(
        &text(json!({"key": "http.route", "values": ["^/p"], "enabled_regex_matching": true})),
        &[4],
    );
    check(
        &text(json!({"key": "http.route", "values": ["/pay"], "invert_match": true})),
        &[0, 1, 2, 3, 5, 6, 7],
    );
    let number =
        |of: Json| json!([{"name": "a", "type": "numeric_attribute", "numeric_attribute": of}]);
    check(
        &number(json!({"key": "code", "min_value": 500, "max_value": 599})),
        &[5],
    );
    check(&number(json!({"key": "code", "min_value": 504})), &[]);
    let boolean =
        |of: Json| json!([{"name": "a", "type": "boolean_attribute", "boolean_attribute": of}]);
    check(&boolean(json!({"key": "retry", "value": true})), &[6]);
    check(&boolean(json!({"key": "retry", "value": false})), &[]);
    let query = |text: &str| json!([{"name": "a", "type": "traceql", "traceql": {"query": text}}]);
    check(&query("{ .code > 500 } || { status = error }"), &[1, 5]);
    check(&query("{} | count() > 1"), &[7]);
    check(
        &json!([{"name": "a", "type": "and", "and": {"and_sub_policy": [
            {"name": "b", "type": "latency", "latency": {"threshold_ms": 500}},
            {"name": "c", "type": "traceql", "traceql": {"query": "{} | count() = 1"}},
        ]}}]),
        &[3],
    );
    check(
        &json!([
            {"name": "a", "type": "always_sample"},
            {"name": "b", "type": "drop", "drop": {"drop_sub_policy": [
                {"name": "c", "type": "status_code", "status_code": {"status_codes": ["UNSET"]}},
            ]}},
        ]),
        &[1, 2],
    );
    check(&json!([{"name": "a", "type": "error_log"}]), &[]);
}

#[test]
fn what_is_wrong_with_a_policy_is_said() {
    let check = |written: Json, expected: &str| {
        let error = serde_json::from_value::<Policies>(written.clone()).unwrap_err();
        assert!(error.to_string().contains(expected), "{written}: {error}");
    };
    check(json!([{"name": "", "type": "alert"}]), "has no name");
    check(
        json!([{"name": "a", "type": "alert"}, {"name": "a", "type": "error_log"}]),
        "two policies are called \"a\"",
    );
    check(
        json!([{"name": "a", "type": "latency"}]),
        "says nothing under latency",
    );
    check(
        json!([{"name": "a", "type": "alert", "latency": {"threshold_ms": 1}}]),
        "says something under latency",
    );
    check(
        json!([{"name": "a", "type": "latency", "latency": {"threshold_ms": 5, "upper_threshold_ms": 5}}]),
        "not more than its threshold_ms",
    );
    check(
        json!([{"name": "a", "type": "probabilistic", "probabilistic": {"sampling_percentage": 101}}]),
        "give 0 to 100",
    );
    check(
        json!([{"name": "a", "type": "status_code", "status_code": {"status_codes": []}}]),
        "names no status",
    );
    check(
        json!([{"name": "a", "type": "string_attribute", "string_attribute":
            {"key": "k", "values": ["("], "enabled_regex_matching": true}}]),
        "no regular expression",
    );
    check(
        json!([{"name": "a", "type": "numeric_attribute", "numeric_attribute":
            {"key": "k", "min_value": 2, "max_value": 1}}]),
        "no number is both",
    );
    check(
        json!([{"name": "a", "type": "traceql", "traceql": {"query": "{ .a = "}}]),
        "the query of the policy \"a\"",
    );
    check(
        json!([{"name": "a", "type": "traceql", "traceql": {"query": "{} | rate()"}}]),
        "counts spans",
    );
    check(
        json!([{"name": "a", "type": "and", "and": {"and_sub_policy": []}}]),
        "has no and_sub_policy",
    );
    check(
        json!([{"name": "a", "type": "and", "and": {"and_sub_policy": [
            {"name": "b", "type": "drop", "drop": {"drop_sub_policy": []}}]}}]),
        "its parts must be of other types",
    );
    check(
        json!([{"name": "a", "type": "drop", "drop": {"drop_sub_policy": [
            {"name": "b", "type": "rate_limiting", "rate_limiting": {"spans_per_second": 1}}]}}]),
        "drops by a rate",
    );
}

#[test]
fn policies_are_written_as_they_were_read() {
    let written = json!([
        {"name": "a", "type": "error_log"},
        {"name": "b", "type": "latency", "latency": {"threshold_ms": 5, "upper_threshold_ms": 0}},
    ]);
    assert_eq!(
        serde_json::to_value(policies(written.clone())).unwrap(),
        written
    );
}

#[test]
fn a_rate_keeps_the_first_of_every_second_and_of_every_tenant() {
    let dir = tempfile::tempdir().unwrap();
    let rate =
        json!([{"name": "a", "type": "rate_limiting", "rate_limiting": {"spans_per_second": 3}}]);
    let store = open(dir.path(), &config(rate));
    // Two spans each; three arrive in each of two seconds.
    for position in 0..6 {
        let spans = vec![span(position, 0), span(position, 1)];
        let (at, mut entry) = entry(position, &payload("shop", spans));
        entry.received_at = UnixNanos::from_secs(100 + position / 3);
        store.apply(&[(at, entry)]);
    }
    store.seal(at(200)).unwrap();
    assert_eq!(all(&store), [0, 3].map(trace_id).into());
    // A second that was spent is spent also for one that is judged later.
    let (at_, mut late) = entry(6, &payload("shop", vec![span(6, 0), span(6, 1)]));
    late.received_at = UnixNanos::from_secs(101);
    store.apply(&[(at_, late)]);
    store.seal(at(200)).unwrap();
    assert_eq!(all(&store), [0, 3].map(trace_id).into());
}

#[test]
fn of_too_many_that_wait_the_oldest_are_judged_early() {
    let dir = tempfile::tempdir().unwrap();
    let mut config = config(json!([{"name": "a", "type": "alert"}]));
    config.sampling.num_traces = 5;
    let store = open(dir.path(), &config);
    for position in 0..20 {
        store.apply(&[entry(position, &payload("shop", vec![span(position, 0)]))]);
    }
    store.seal(at(20)).unwrap();
    assert_eq!(all(&store), (15..20).map(trace_id).collect());
    assert_eq!(store.resume_from(), Position(15));
    // Within half of the memory that a tail may take, as well, without their names.
    config.sampling.num_traces = 1000;
    config.sampling.decision_wait_max = Period::of_seconds(1000);
    config.seal_bytes = 20_000;
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path(), &config);
    for position in 0..200 {
        store.apply(&[entry(position, &payload("shop", vec![span(position, 0)]))]);
        assert!(store.stats().tail_bytes < 3 * config.seal_bytes);
    }
    store.seal(at(0)).unwrap();
    assert!(store.stats().tail_bytes <= config.seal_bytes / 4 * 3);
    assert!(!all(&store).is_empty());
}

#[test]
fn when_spans_ran_is_known_while_they_wait_and_after() {
    let dir = tempfile::tempdir().unwrap();
    let all = json!([{"name": "a", "type": "always_sample"}]);
    let store = open(dir.path(), &config(all));
    store.apply(&[entry(1, &payload("shop", samples()))]);
    let ran = || {
        let stats = store.stats();
        (stats.records, stats.oldest, stats.newest)
    };
    let expected = (
        9,
        Some(UnixNanos(1_000 * MILLI)),
        Some(UnixNanos(3_000 * MILLI)),
    );
    assert_eq!(ran(), expected);
    for (seconds, waits) in [(2, true), (3, true), (1 + WAIT, false)] {
        store.seal(at(seconds)).unwrap();
        assert_eq!(store.stats().segments == 0, waits, "{seconds}");
        assert_eq!(ran(), expected, "{seconds}");
    }
}

#[test]
fn while_a_vote_may_be_missing_everything_is_kept() {
    let dir = tempfile::tempdir().unwrap();
    let mut config = config(json!([{"name": "a", "type": "error_log"}]));
    config.sampling.votes_max = 1;
    let store = open(dir.path(), &config);
    store.apply(&[entry(0, &payload("shop", vec![span(0, 0)]))]);
    store.vote(&tenant(), trace_id(7), Vote::ErrorLog, at(1));
    store.vote(&tenant(), trace_id(8), Vote::ErrorLog, at(1));
    store.seal(at(50)).unwrap();
    assert_eq!(all(&store), [trace_id(0)].into());
    store.apply(&[entry(1000, &payload("shop", vec![span(1, 0)]))]);
    store.seal(at(1050)).unwrap();
    assert_eq!(all(&store), [trace_id(0)].into());
}

#[test]
fn nothing_is_judged_before_the_logs_were_heard() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(
        dir.path(),
        &config(json!([{"name": "a", "type": "error_log"}])),
    );
    store.hear(Position(0), UnixNanos(0));
    store.apply(&[entry(1, &payload("shop", vec![span(0, 0)]))]);
    store.seal(at(30)).unwrap();
    assert_eq!((all(&store).len(), store.resume_from()), (1, Position(1)));
    store.hear(Position(9), at(30));
    assert!(store.vote(&tenant(), trace_id(0), Vote::ErrorLog, at(30)));
    store.seal(at(30)).unwrap();
    assert_eq!((all(&store).len(), store.resume_from()), (1, Position(2)));
    // While they are replayed, the time is that of the entries.
    store.note_replaying(true);
    store.apply(&[entry(31, &payload("shop", vec![span(1, 0)]))]);
    store.seal(at(1000)).unwrap();
    assert_eq!((all(&store).len(), store.resume_from()), (2, Position(31)));
}

#[test]
fn what_began_long_ago_is_not_judged_before_the_logs_were_heard_either() {
    let dir = tempfile::tempdir().unwrap();
    let written = json!([{"name": "a", "type": "error_log"}]);
    let store = open(dir.path(), &config(written));
    store.hear(Position(0), UnixNanos(0));
    store.apply(&[entry(1, &payload("shop", vec![span(0, 0)]))]);
    store.seal(at(1000)).unwrap();
    assert_eq!((all(&store).len(), store.resume_from()), (1, Position(1)));
    store.vote(&tenant(), trace_id(0), Vote::ErrorLog, at(2));
    store.hear(Position(9), UnixNanos(u64::MAX));
    store.seal(at(1000)).unwrap();
    assert_eq!((all(&store).len(), store.resume_from()), (1, Position(2)));
}

#[test]
fn what_arrived_when_the_clock_was_ahead_is_judged_all_the_same() {
    let dir = tempfile::tempdir().unwrap();
    let written = json!([{"name": "a", "type": "alert"}]);
    let store = open(dir.path(), &config(written));
    store.apply(&[entry(9_000, &payload("shop", vec![span(0, 0)]))]);
    store.seal(at(20)).unwrap();
    assert_eq!(
        (all(&store).len(), store.resume_from()),
        (0, Position(9_001))
    );
}

#[test]
fn an_exemplar_is_of_a_trace_that_is_still_to_be_judged_or_was_kept() {
    let dir = tempfile::tempdir().unwrap();
    let mut config = config(json!([{"name": "a", "type": "error_log"}]));
    config.sampling.decision_cache.non_sampled_cache_size = 0;
    let store = open(dir.path(), &config);
    let spans = vec![span(0, 0), span(1, 0), span(2, 0)];
    store.apply(&[entry(1, &payload("shop", spans))]);
    let vote = |trace, vote| store.vote(&tenant(), trace_id(trace), vote, at(1));
    assert!(vote(0, Vote::Exemplar) && vote(1, Vote::ErrorLog));
    assert!(!vote(9, Vote::Exemplar), "its spans were refused");
    store.seal(at(1 + WAIT)).unwrap();
    assert_eq!(all(&store), [0, 1].map(trace_id).into());
    assert!(vote(0, Vote::Exemplar) && vote(1, Vote::Exemplar));
    assert!(!vote(2, Vote::Exemplar), "it was judged and forgotten");
}

fn rate() -> Config {
    config(
        json!([{"name": "a", "type": "rate_limiting", "rate_limiting": {"spans_per_second": 3}}]),
    )
}

/// A trace of two spans that arrives in a second.
fn pair(position: u64, trace: u64, second: u64) -> (Position, Entry) {
    let spans = vec![span(trace, 0), span(trace, 1)];
    let (at_, mut entry) = entry(position, &payload("shop", spans));
    entry.received_at = at(second);
    (at_, entry)
}

#[test]
fn what_a_rate_spent_is_spent_after_a_restart_too() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path(), &rate());
    store.apply(&[pair(0, 0, 100), pair(1, 1, 101), pair(2, 2, 101)]);
    store.seal(at(200)).unwrap();
    assert_eq!(all(&store), [0, 1].map(trace_id).into());
    drop(store);
    let store = open(dir.path(), &rate());
    store.apply(&[pair(3, 3, 101), pair(4, 4, 102)]);
    store.seal(at(200)).unwrap();
    assert_eq!(all(&store), [0, 1, 4].map(trace_id).into());
}

#[test]
fn what_a_rate_kept_and_nobody_remembers_finds_room_again_in_a_replay() {
    let dir = tempfile::tempdir().unwrap();
    let mut config = rate();
    config.sampling.decision_cache.sampled_cache_size = 1;
    let store = open(dir.path(), &config);
    let journal = [pair(0, 0, 100), pair(1, 1, 101)];
    store.apply(&journal);
    store.seal(at(200)).unwrap();
    assert_eq!(all(&store), [0, 1].map(trace_id).into());
    // A crash before the manifest was there: what was decided is ahead of it.
    let decided = std::fs::read(dir.path().join(super::DECISIONS)).unwrap();
    drop(store);
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join(super::DECISIONS), decided).unwrap();
    let store = open(dir.path(), &config);
    store.apply(&journal);
    store.seal(at(200)).unwrap();
    assert_eq!(all(&store), [0, 1].map(trace_id).into());
}

#[test]
fn what_was_not_kept_stays_out_when_it_is_replayed_without_policies() {
    let dir = tempfile::tempdir().unwrap();
    let failed =
        json!([{"name": "a", "type": "status_code", "status_code": {"status_codes": ["ERROR"]}}]);
    let store = open(dir.path(), &config(failed.clone()));
    // The third waits when the others are judged, so that the journal is held before them.
    let failed_span = |trace, number| Span {
        status: Some(Status {
            code: 2,
            ..Status::default()
        }),
        ..span(trace, number)
    };
    let of = |position: u64, second: u64, spans: Vec<Span>| {
        let (position, mut entry) = entry(position, &payload("shop", spans));
        entry.received_at = at(second);
        (position, entry)
    };
    let journal = vec![
        of(0, 100, vec![span(1, 0)]),
        of(1, 100, vec![span(0, 0), failed_span(2, 0)]),
        of(2, 100, vec![span(3, 0)]),
        of(3, 115, vec![span(1, 1), span(3, 1)]),
        of(4, 116, vec![span(2, 1), span(0, 1)]),
    ];
    store.apply(&journal[..4]);
    store.seal(at(112)).unwrap();
    assert_eq!(store.resume_from(), Position(0), "1 and 3 wait");
    assert_eq!(all(&store), [1, 2, 3].map(trace_id).into());
    drop(store);

    let store = open(dir.path(), &Config::default());
    assert!(!store.samples() && store.sampling().is_none());
    store.apply(&journal);
    store.seal(at(200)).unwrap();
    let spans = |trace: u64| {
        let found = store.trace(&tenant(), &trace_id(trace)).unwrap();
        found.map_or((0, None), |found| (found.spans.len(), found.in_part))
    };
    // Whole, but the one that was judged: of it the span that came after is kept, which is said.
    assert_eq!(spans(1), (2, None));
    assert_eq!(spans(2), (2, None));
    assert_eq!(spans(3), (2, None));
    let (count, in_part) = spans(0);
    assert_eq!(count, 1);
    assert!(in_part.unwrap().contains("those before were not"));
    assert!(store.vote(&tenant(), trace_id(0), Vote::ErrorLog, at(200)));
    drop(store);
    // It is the same whenever it is opened again, and with policies once more.
    for config in [Config::default(), config(failed)] {
        let store = open(dir.path(), &config);
        let found = store.trace(&tenant(), &trace_id(0)).unwrap().unwrap();
        assert_eq!(found.spans.len(), 1);
        assert!(found.in_part.is_some() && found.cut == found.in_part);
        assert_eq!(all(&store).len(), 4);
    }
}

#[test]
fn what_was_decided_long_ago_is_forgotten_where_there_are_no_policies() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path(), &config(json!([{"name": "a", "type": "alert"}])));
    store.apply(&[entry(0, &payload("shop", vec![span(0, 0)]))]);
    store.seal(at(100)).unwrap();
    drop(store);
    let open_at = |now| {
        let mut registry = prometheus_client::registry::Registry::default();
        TraceStore::open(dir.path(), &Config::default(), &mut registry, now).unwrap()
    };
    let told = |store: &TraceStore| store.not_kept(&tenant(), &trace_id(0)).is_some();
    assert!(told(&open_at(at(1_000))));
    assert!(!told(&open_at(at(100_000))));
}

#[test]
fn a_vote_that_comes_too_late_is_told_and_keeps_what_comes_later_still() {
    let dir = tempfile::tempdir().unwrap();
    let config = config(json!([{"name": "a", "type": "error_log"}]));
    let store = open(dir.path(), &config);
    store.apply(&[entry(0, &payload("shop", vec![span(0, 0), span(1, 0)]))]);
    store.seal(at(100)).unwrap();
    assert!(!store.vote(&tenant(), trace_id(0), Vote::ErrorLog, at(101)));
    assert!(!store.vote(&tenant(), trace_id(0), Vote::Alert, at(101)));
    store.save_votes(Position(0)).unwrap();
    drop(store);

    let store = open(dir.path(), &config);
    let told = |trace| store.not_kept(&tenant(), &trace_id(trace)).unwrap();
    assert!(told(0).ends_with("an error log and an alert named it only after it was judged"));
    assert!(!told(1).contains("named"));
    store.apply(&[entry(1, &payload("shop", vec![span(0, 1), span(1, 1)]))]);
    store.seal(at(200)).unwrap();
    assert_eq!(all(&store), [trace_id(0)].into());
    let found = store.trace(&tenant(), &trace_id(0)).unwrap().unwrap();
    assert_eq!(found.spans.len(), 1);
    let told = found.in_part.unwrap();
    assert!(told.contains("those before were not") && told.contains("named it only after"));
    let otlp = store.otlp(&tenant(), &trace_id(0)).unwrap().unwrap();
    assert_eq!(otlp.cut.unwrap(), told);
}

#[test]
fn without_policies_everything_is_kept_and_nothing_is_counted() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path(), &Config::default());
    assert!(!store.samples() && store.sampling().is_none());
    store.apply(&[entry(0, &payload("shop", samples()))]);
    assert_eq!(store.seal(at(0)).unwrap(), Position(1));
    assert_eq!(all(&store).len(), 8);
}
