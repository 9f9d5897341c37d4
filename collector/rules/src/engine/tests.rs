//! Groups over time: order, lateness, staleness, what is counted.

use super::*;
use crate::fake;
use crate::fake::{Store, engine, evaluate, restarted, texts};

const START: UnixNanos = UnixNanos::from_secs(1_000_000);
const MINUTE: Duration = Duration::from_secs(60);

const RECORDS: &str = r#"
groups:
- name: g
  interval: 1m
  labels: {team: shop, zone: a}
  rules:
  - {record: job:up, expr: sum(up), labels: {zone: b, drop: ""}}
"#;

#[test]
fn a_recording_has_its_name_and_labels_and_ends_when_it_is_gone() {
    let store = Store::default();
    store.set(
        "sum(up)",
        &[
            (&[("__name__", "up"), ("job", "a"), ("drop", "x")], 2.0),
            (&[("job", "b")], 3.0),
        ],
    );
    let mut engine = engine(RECORDS);
    let (now, evaluation) = evaluate(&mut engine, &store, START);
    assert_eq!(
        texts(&evaluation.samples),
        [
            r#"{__name__="job:up", job="a", team="shop", zone="b"} 2"#,
            r#"{__name__="job:up", job="b", team="shop", zone="b"} 3"#,
        ]
    );
    assert!(evaluation.samples.iter().all(|sample| sample.time == now));

    store.fail("sum(up)", "busy");
    let (now, evaluation) = evaluate(&mut engine, &store, now);
    assert!(evaluation.samples.is_empty(), "a failure ends nothing");

    store.set("sum(up)", &[(&[("job", "b")], 3.0)]);
    let mut engine = restarted(&engine, RECORDS);
    let (_, evaluation) = evaluate(&mut engine, &store, now.plus(MINUTE));
    assert_eq!(
        texts(&evaluation.samples),
        [
            r#"{__name__="job:up", job="b", team="shop", zone="b"} 3"#,
            r#"{__name__="job:up", job="a", team="shop", zone="b"} stale"#,
        ]
    );
}

#[test]
fn a_histogram_is_recorded_as_such_and_ends_with_the_same_marker() {
    let store = Store::default();
    let histogram = sonde_proto::Histogram {
        count: 7.0,
        ..Default::default()
    };
    let sample = crate::Sample {
        labels: fake::labels(&[("job", "a")]),
        value: sonde_proto::SampleValue::Histogram(histogram.into()),
    };
    store.answer("sum(up)", vec![sample]);
    let mut engine = engine(RECORDS);
    let (now, evaluation) = evaluate(&mut engine, &store, START);
    assert_eq!(
        texts(&evaluation.samples),
        [r#"{__name__="job:up", job="a", team="shop", zone="b"} histogram of 7"#]
    );
    store.set("sum(up)", &[]);
    let (_, evaluation) = evaluate(&mut engine, &store, now.plus(MINUTE));
    assert_eq!(
        texts(&evaluation.samples),
        [r#"{__name__="job:up", job="a", team="shop", zone="b"} stale"#]
    );
}

#[test]
fn results_with_equal_labels_and_results_beyond_the_limit_are_errors() {
    for (samples, error) in [
        (&[("zone", "x"), ("zone", "y")], "the same labels"),
        (
            &[("job", "x"), ("job", "y")],
            "exceeded limit of 1 with 2 series",
        ),
    ] {
        let store = Store::default();
        store.set("sum(up)", &[(&samples[..1], 1.0), (&samples[1..], 1.0)]);
        let mut engine = engine(&RECORDS.replace("  interval", "  limit: 1\n  interval"));
        let (_, evaluation) = evaluate(&mut engine, &store, START);
        assert!(evaluation.samples.is_empty());
        let shown = serde_json::to_value(engine.groups()).unwrap();
        let told = shown[0]["rules"][0]["lastError"].as_str().unwrap();
        assert!(told.contains(error), "{told}");
    }
}

#[test]
fn a_group_queries_and_writes_earlier_by_its_offset() {
    let text = "groups:\n- name: g\n  interval: 1m\n  query_offset: 30s\n  rules:\n  - {record: a, expr: x}\n  - {alert: B, expr: y}\n";
    let store = Store::default();
    store.set("x", &[(&[], 1.0)]);
    store.set("y", &[(&[], 1.0)]);
    let (now, evaluation) = evaluate(&mut engine(text), &store, START);
    let earlier = now.minus(Duration::from_secs(30));
    assert_eq!(
        *store.asked.borrow(),
        [("x".to_owned(), earlier), ("y".to_owned(), earlier)]
    );
    assert!(
        evaluation
            .samples
            .iter()
            .all(|sample| sample.time == earlier)
    );
    assert_eq!(evaluation.alerts[0].starts_at, now);
}

#[test]
fn the_rules_of_a_group_are_asked_in_order_for_one_time() {
    let text = "groups:\n- name: g\n  rules:\n  - {record: c, expr: c1}\n  - {record: a, expr: a1}\n  - {alert: B, expr: b1}\n";
    let store = Store::default();
    evaluate(&mut engine(text), &store, START);
    let asked = store.asked.borrow();
    let exprs: Vec<_> = asked.iter().map(|(expr, _)| expr.as_str()).collect();
    assert_eq!(exprs, ["c1", "a1", "b1"]);
    assert!(asked.iter().all(|(_, time)| *time == asked[0].1));
}

#[test]
fn an_engine_without_groups_is_never_due() {
    let mut engine = engine("");
    assert_eq!(engine.next_due(START), UnixNanos(u64::MAX));
    assert_eq!(engine.evaluate_next(START, &Store::default()), None);
}

#[test]
fn series_of_rules_that_are_gone_are_ended_once_and_edited_ones_live_on() {
    let both = "groups:\n- name: g\n  interval: 1m\n  rules:\n  - {record: kept, expr: x}\n  - {record: gone, expr: x}\n  - {alert: A, expr: x}\n";
    let edited = "groups:\n- name: g\n  interval: 1m\n  rules:\n  - {record: kept, expr: x2}\n";
    let store = Store::default();
    store.set("x", &[(&[], 1.0)]);
    store.set("x2", &[(&[], 1.0)]);
    let mut engine = engine(both);
    let (now, _) = evaluate(&mut engine, &store, START);
    // The orphans outlive a second restart before anything was evaluated.
    let engine = restarted(&engine, edited);
    let mut engine = restarted(&engine, edited);
    let (now, evaluation) = evaluate(&mut engine, &store, now.plus(MINUTE));
    assert_eq!(
        texts(&evaluation.samples),
        [
            r#"{__name__="kept"} 1"#,
            r#"{__name__="ALERTS", alertname="A", alertstate="firing"} stale"#,
            r#"{__name__="ALERTS_FOR_STATE", alertname="A"} stale"#,
            r#"{__name__="gone"} stale"#,
        ]
    );
    let (_, evaluation) = evaluate(&mut engine, &store, now.plus(MINUTE));
    assert_eq!(texts(&evaluation.samples), [r#"{__name__="kept"} 1"#]);
}

#[test]
fn evaluations_failures_and_lateness_are_counted() {
    let text = "groups:\n- name: g\n  interval: 10s\n  rules:\n  - {record: a, expr: x}\n  - {alert: B, expr: y}\n";
    let mut registry = Registry::default();
    let config = EngineConfig::default();
    let mut engine = Engine::new(vec![fake::file(text)], &config, &mut registry);
    let store = Store::default();
    store.fail("y", "no");
    store.takes.set(Duration::from_secs(6));
    let (now, _) = evaluate(&mut engine, &store, START);
    evaluate(&mut engine, &store, now.plus(Duration::from_secs(40)));
    let mut text = String::new();
    prometheus_client::encoding::text::encode(&mut text, &registry).unwrap();
    let group = r#"{file="f.yaml",group="g"}"#;
    for line in [
        format!("sonde_rules_evaluations_total{group} 4\n"),
        format!("sonde_rules_failures_total{group} 2\n"),
        format!("sonde_rules_missed_evaluations_total{group} 3\n"),
        format!("sonde_rules_slow_evaluations_total{group} 2\n"),
        format!("sonde_rules_last_evaluation_seconds{group} 12.0\n"),
        "sonde_rules_evaluation_seconds_count 4\n".into(),
    ] {
        assert!(text.contains(&line), "no {line} in:\n{text}");
    }
}

#[test]
fn a_slot_is_evaluated_once_and_not_before_the_start() {
    let mut engine = engine(RECORDS);
    let store = Store::default();
    fake::start(&mut engine, START);
    fake::evaluate_due(&mut engine, START, &store);
    assert!(store.asked.borrow().is_empty());
    let now = engine.next_due(START);
    assert!(now > START);
    fake::evaluate_due(&mut engine, now, &store);
    fake::evaluate_due(&mut engine, now, &store);
    assert_eq!(store.asked.borrow().len(), 1);
    assert_eq!(engine.next_due(now), now.plus(MINUTE));
}

const TWO: &str = "groups:\n- name: slow\n  interval: 10s\n  rules:\n  - {alert: A, expr: x}\n- name: fast\n  interval: 1s\n  rules:\n  - {record: y, expr: y}\n";

#[test]
fn groups_take_turns_and_none_waits_for_more_than_one_evaluation_of_another() {
    let store = Store::default();
    let mut engine = engine(TWO);
    fake::start(&mut engine, START);
    // Every query takes longer than either interval.
    let takes = Duration::from_secs(30);
    let mut now = START.plus(takes);
    for round in 0..20 {
        let before = store.asked.borrow().len();
        assert!(engine.evaluate_next(now, &store).is_some());
        let asked = store.asked.borrow();
        assert_eq!(asked.len(), before + 1, "one group at a time");
        let (expr, time) = asked.last().unwrap();
        assert!(now.since(*time) < Duration::from_secs(10), "of now");
        if round > 0 {
            assert_ne!(*expr, asked[before - 1].0, "the other one's turn");
        }
        now = now.plus(takes);
    }
}

#[test]
fn an_alert_is_valid_from_when_it_is_told_however_late_that_is() {
    let text = "groups:\n- name: g\n  interval: 1m\n  rules:\n  - {alert: A, expr: x}\n  - {alert: B, expr: slow}\n";
    let store = Store::default();
    store.set("x", &[(&[], 1.0)]);
    store.takes.set(Duration::from_secs(150));
    let mut engine = engine(text);
    fake::start(&mut engine, START);
    let slot = engine.next_due(START);
    let late = Duration::from_secs(50);
    let evaluation = engine.evaluate_next(slot.plus(late), &store).unwrap();
    let [alert] = &evaluation.alerts[..] else {
        panic!("{:?}", evaluation.alerts);
    };
    assert_eq!(alert.starts_at, slot);
    let told = slot.plus(late + Duration::from_secs(300));
    assert_eq!(alert.ends_at, Some(told.plus(4 * MINUTE)));
}
