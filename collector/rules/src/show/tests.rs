//! The JSON that Grafana and others read.

use super::*;
use crate::fake::{Store, at, engine, evaluate};
use serde_json::json;

#[test]
fn groups_and_alerts_are_shown_as_prometheus_shows_them() {
    let text = r#"
groups:
- name: g
  interval: 90s
  limit: 7
  rules:
  - {alert: High, expr: load > 1, for: 1m30s, keep_firing_for: 500ms, labels: {severity: page}, annotations: {s: '{{ $value }}'}}
  - {record: job:up, expr: sum(up), labels: {a: b}}
  - {record: r, expr: bad}
"#;
    let store = Store::default();
    store.set("load > 1", &[(&[("host", "a")], 2.5)]);
    store.fail("bad", "no such thing");
    let mut engine = engine(text);
    let never = "0001-01-01T00:00:00Z";
    let new = serde_json::to_value(engine.groups()).unwrap();
    assert_eq!(new[0]["lastEvaluation"], never);
    assert_eq!(new[0]["rules"][0]["health"], "unknown");
    assert_eq!(new[0]["rules"][0]["state"], "inactive");

    let (now, _) = evaluate(&mut engine, &store, at(1_700_000_000));
    let time = jiff::Timestamp::from_nanosecond(now.0.into())
        .unwrap()
        .to_string();
    let alert = json!({
        "labels": {"alertname": "High", "host": "a", "severity": "page"},
        "annotations": {"s": "2.5"},
        "state": "pending",
        "activeAt": time,
        "value": "2.5e+00",
    });
    assert_eq!(
        serde_json::to_value(engine.alerts()).unwrap(),
        json!([alert])
    );
    let expected = json!([{
        "name": "g",
        "file": "f.yaml",
        "interval": 90,
        "limit": 7,
        "evaluationTime": 0,
        "lastEvaluation": time,
        "rules": [
            {
                "state": "pending",
                "name": "High",
                "query": "load > 1",
                "duration": 90,
                "keepFiringFor": 0.5,
                "labels": {"severity": "page"},
                "annotations": {"s": "{{ $value }}"},
                "alerts": [alert],
                "health": "ok",
                "evaluationTime": 0,
                "lastEvaluation": time,
                "type": "alerting",
            },
            {
                "name": "job:up",
                "query": "sum(up)",
                "labels": {"a": "b"},
                "health": "ok",
                "evaluationTime": 0,
                "lastEvaluation": time,
                "type": "recording",
            },
            {
                "name": "r",
                "query": "bad",
                "health": "err",
                "lastError": "no such thing",
                "evaluationTime": 0,
                "lastEvaluation": time,
                "type": "recording",
            },
        ],
    }]);
    assert_eq!(serde_json::to_value(engine.groups()).unwrap(), expected);
}

#[test]
fn an_alert_that_outlives_its_condition_says_since_when() {
    let text = "groups:\n- name: g\n  interval: 1m\n  rules:\n  - {alert: A, expr: e, keep_firing_for: 1h}\n";
    let store = Store::default();
    store.set("e", &[(&[], 1.0)]);
    let mut engine = engine(text);
    let (now, _) = evaluate(&mut engine, &store, at(1_700_000_000));
    let shown = serde_json::to_value(engine.alerts()).unwrap();
    assert_eq!(shown[0].get("keepFiringSince"), None);
    store.set("e", &[]);
    let (now, _) = evaluate(&mut engine, &store, now);
    let shown = serde_json::to_value(engine.alerts()).unwrap();
    let time = jiff::Timestamp::from_nanosecond(now.0.into()).unwrap();
    assert_eq!(shown[0]["keepFiringSince"], time.to_string());
}

#[test]
fn values_are_written_as_go_writes_them() {
    for (value, text) in [
        (0.0, "0e+00"),
        (1.0, "1e+00"),
        (-1234.5, "-1.2345e+03"),
        (1e-7, "1e-07"),
        (1.5e300, "1.5e+300"),
        (f64::NAN, "NaN"),
        (f64::INFINITY, "+Inf"),
        (f64::NEG_INFINITY, "-Inf"),
    ] {
        assert_eq!(scientific(value), text);
    }
}
