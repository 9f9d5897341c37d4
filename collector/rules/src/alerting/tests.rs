//! Alerting rules as they are written, over answers that a store could give.

use crate::engine::EngineConfig;
use crate::fake::{Store, at, engine, engine_with, evaluate, labels, restarted, texts};
use sonde_proto::UnixNanos;
use std::time::Duration;

const START: UnixNanos = UnixNanos::from_secs(1_000_000);

const HIGH: &str = r#"
groups:
- name: g
  interval: 1m
  labels: {team: shop, severity: info}
  rules:
  - alert: High
    expr: load > 1
    labels: {severity: '{{ if gt $value 5.0 }}page{{ else }}ticket{{ end }}'}
    annotations: {summary: '{{ $labels.host }} is at {{ $value | humanize }}'}
"#;

#[test]
fn labels_and_annotations_are_expanded_and_the_group_adds_its_own() {
    let store = Store::default();
    store.set(
        "load > 1",
        &[
            (&[("__name__", "load"), ("host", "a")], 2.0),
            (&[("__name__", "load"), ("host", "b")], 9000.0),
        ],
    );
    let config = EngineConfig {
        external_url: "http://sonde".into(),
        ..EngineConfig::default()
    };
    let (now, evaluation) = evaluate(&mut engine_with(HIGH, &config), &store, START);
    let [a, b] = &evaluation.alerts[..] else {
        panic!("{:?}", evaluation.alerts);
    };
    let of = |host, severity| {
        let own = [
            ("alertname", "High"),
            ("host", host),
            ("severity", severity),
        ];
        labels(&[own[0], own[1], own[2], ("team", "shop")])
    };
    assert_eq!(
        (&a.labels, &b.labels),
        (&of("a", "ticket"), &of("b", "page"))
    );
    assert_eq!(a.annotations, labels(&[("summary", "a is at 2")]));
    assert_eq!(b.annotations, labels(&[("summary", "b is at 9k")]));
    assert_eq!(
        a.generator_url,
        "http://sonde/graph?g0.expr=load+%3E+1&g0.tab=1"
    );
    assert_eq!(
        (a.starts_at, a.ends_at),
        (now, Some(now.plus(Duration::from_secs(240))))
    );
}

#[test]
fn a_pending_alert_is_shown_and_not_told_and_its_series_end_when_it_fires() {
    let text = "groups:\n- name: g\n  interval: 1m\n  rules:\n  - {alert: A, expr: e, for: 1m}\n";
    let store = Store::default();
    store.set("e", &[(&[("x", "1")], 3.0)]);
    let mut engine = engine(text);
    let (first, pending) = evaluate(&mut engine, &store, START);
    assert!(pending.alerts.is_empty());
    let since = first.0 / 1_000_000_000;
    let for_state = format!(r#"{{__name__="ALERTS_FOR_STATE", alertname="A", x="1"}} {since}"#);
    assert_eq!(
        texts(&pending.samples),
        [
            r#"{__name__="ALERTS", alertname="A", alertstate="pending", x="1"} 1"#,
            &for_state,
        ]
    );
    let (second, firing) = evaluate(&mut engine, &store, first);
    assert_eq!(second, first.plus(Duration::from_secs(60)));
    assert_eq!(firing.alerts.len(), 1);
    assert_eq!(
        texts(&firing.samples),
        [
            r#"{__name__="ALERTS", alertname="A", alertstate="firing", x="1"} 1"#,
            &for_state,
            r#"{__name__="ALERTS", alertname="A", alertstate="pending", x="1"} stale"#,
        ]
    );
}

const SIMPLE: &str = "groups:\n- name: g\n  interval: 1m\n  rules:\n  - {alert: A, expr: e}\n";

#[test]
fn a_query_that_fails_resolves_nothing_and_the_alert_is_told_on() {
    let store = Store::default();
    store.set("e", &[(&[], 1.0)]);
    let mut engine = engine(SIMPLE);
    let (mut now, _) = evaluate(&mut engine, &store, START);
    store.fail("e", "the store is away");
    for _ in 0..30 {
        engine = restarted(&engine, SIMPLE);
        let (at, evaluation) = evaluate(&mut engine, &store, now.plus(Duration::from_secs(60)));
        now = at;
        assert!(evaluation.samples.is_empty());
        let [alert] = &evaluation.alerts[..] else {
            panic!("{:?}", evaluation.alerts);
        };
        assert!(alert.ends_at.unwrap() > now.plus(Duration::from_secs(60)));
    }
    let shown = serde_json::to_value(engine.groups()).unwrap();
    assert_eq!(shown[0]["rules"][0]["health"], "err");
    assert_eq!(shown[0]["rules"][0]["lastError"], "the store is away");
    assert_eq!(shown[0]["rules"][0]["state"], "firing");
}

#[test]
fn two_results_that_become_one_alert_are_an_error() {
    let text = "groups:\n- name: g\n  rules:\n  - {alert: A, expr: e, labels: {x: same}}\n";
    let store = Store::default();
    store.set("e", &[(&[("x", "1")], 1.0), (&[("x", "2")], 1.0)]);
    let mut engine = engine(text);
    let (_, evaluation) = evaluate(&mut engine, &store, START);
    assert!(evaluation.alerts.is_empty() && evaluation.samples.is_empty());
    let shown = serde_json::to_value(engine.groups()).unwrap();
    let error = shown[0]["rules"][0]["lastError"].as_str().unwrap();
    assert!(error.contains(r#"{alertname="A", x="same"}"#), "{error}");
}

#[test]
fn more_alerts_than_allowed_are_an_error_and_the_known_ones_stay() {
    let limited = SIMPLE.replace("  interval", "  limit: 1\n  interval");
    let bounded = EngineConfig {
        alerts_max: 1,
        ..EngineConfig::default()
    };
    for mut engine in [engine(&limited), engine_with(SIMPLE, &bounded)] {
        let store = Store::default();
        store.set("e", &[(&[("x", "1")], 1.0)]);
        let (now, _) = evaluate(&mut engine, &store, START);
        store.set("e", &[(&[("x", "1")], 1.0), (&[("x", "2")], 1.0)]);
        let (_, evaluation) = evaluate(&mut engine, &store, now);
        assert_eq!(evaluation.alerts.len(), 1);
        assert!(evaluation.alerts[0].ends_at > Some(now.plus(Duration::from_secs(60))));
        let shown = serde_json::to_value(engine.groups()).unwrap();
        assert_eq!(shown[0]["rules"][0]["health"], "err");
        assert_eq!(engine.alerts().len(), 1);
    }
}

#[test]
fn resolved_alerts_do_not_pile_up() {
    let bounded = EngineConfig {
        alerts_max: 3,
        default_interval: Duration::from_secs(1),
        ..EngineConfig::default()
    };
    let text = "groups:\n- name: g\n  rules:\n  - {alert: A, expr: e}\n";
    let mut engine = engine_with(text, &bounded);
    let store = Store::default();
    let mut now = START;
    for round in 0..100 {
        let host = round.to_string();
        store.set("e", &[(&[("host", &host)], 1.0)]);
        now = evaluate(&mut engine, &store, now.plus(Duration::from_secs(1))).0;
    }
    let state: serde_json::Value = serde_json::from_slice(&engine.state()).unwrap();
    let alerts = state["groups"][0]["rules"][0]["alerts"].as_array().unwrap();
    assert_eq!(
        alerts.len(),
        4,
        "one that fires and the newest three resolved"
    );
    assert_eq!(alerts[0]["labels"]["host"], "96");
}

#[test]
fn a_template_that_fails_says_so_and_the_alert_fires() {
    let text = "groups:\n- name: g\n  rules:\n  - {alert: A, expr: e, annotations: {s: '{{ query \"q\" | first | value }}'}}\n";
    let store = Store::default();
    store.set("e", &[(&[], 1.0)]);
    let (_, evaluation) = evaluate(&mut engine(text), &store, at(1_000));
    let summary = evaluation.alerts[0].annotations.get("s").to_owned();
    assert!(
        summary.starts_with("<error expanding template: ") && summary.contains("no elements"),
        "{summary}"
    );
}
