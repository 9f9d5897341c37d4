//! The grace after a downtime, and alerts that live through it.

use super::*;
use crate::engine::{Engine, Evaluation};
use crate::fake::{self, Store, at};

const RULES: &str = "groups:\n- name: g\n  interval: 1s\n  rules:\n  - {alert: A, expr: e}\n  - {alert: B, expr: p, for: 1h}\n";
const SECOND: Duration = Duration::from_secs(1);

/// An engine with a firing and a pending alert, last evaluated at the time returned.
fn active(store: &Store) -> (Engine, UnixNanos) {
    store.set("e", &[(&[], 1.0)]);
    store.set("p", &[(&[], 1.0)]);
    let mut engine = fake::engine(RULES);
    let (now, evaluation) = fake::evaluate(&mut engine, store, at(1_000_000));
    assert_eq!(evaluation.alerts.len(), 1);
    (engine, now)
}

fn absent(store: &Store) {
    store.set("e", &[]);
    store.set("p", &[]);
}

/// The engine after having been down since `last`, and its first evaluation.
fn down(
    engine: &Engine,
    store: &Store,
    last: UnixNanos,
    lasted: Duration,
) -> (Engine, UnixNanos, Evaluation) {
    let mut engine = fake::restarted(engine, RULES);
    let up = last.plus(lasted);
    fake::start(&mut engine, up.minus(SECOND));
    let evaluation = fake::evaluate_due(&mut engine, up, store);
    (engine, up, evaluation)
}

/// How many seconds after `begin` the firing alert is resolved.
fn resolves_after(engine: &mut Engine, store: &Store, begin: UnixNanos) -> u64 {
    for seconds in 0..1_000 {
        let now = begin.plus(SECOND * seconds);
        let evaluation = fake::evaluate_due(engine, now, store);
        if evaluation.alerts.iter().any(|a| a.ends_at == Some(now)) {
            return seconds.into();
        }
    }
    panic!("it never resolves");
}

#[test]
fn an_alert_whose_window_ran_empty_neither_resolves_nor_fires_anew() {
    let store = Store::default();
    let (engine, last) = active(&store);
    let before = serde_json::to_value(engine.alerts()).unwrap();
    absent(&store);
    let (mut engine, up, first) = down(&engine, &store, last, SECOND * 120);
    let mut told = first.alerts;
    for second in 1..119 {
        let now = up.plus(SECOND * second);
        told.extend(fake::evaluate_due(&mut engine, now, &store).alerts);
    }
    store.set("e", &[(&[], 1.0)]);
    store.set("p", &[(&[], 1.0)]);
    for second in 119..400 {
        let now = up.plus(SECOND * second);
        told.extend(fake::evaluate_due(&mut engine, now, &store).alerts);
    }
    assert!(told.len() > 5, "it is told on: {told:?}");
    for alert in told {
        assert_eq!(alert.starts_at, last, "{alert:?}");
        assert!(alert.ends_at > Some(up.plus(SECOND * 180)), "{alert:?}");
    }
    assert_eq!(serde_json::to_value(engine.alerts()).unwrap(), before);
}

fn check(lasted: u64, resolves: u64) {
    let store = Store::default();
    let (engine, last) = active(&store);
    absent(&store);
    let lasted = Duration::from_secs(lasted);
    let (mut engine, up, first) = down(&engine, &store, last, lasted);
    assert_eq!(engine.alerts().len(), 2, "after {lasted:?}");
    assert!(first.alerts.iter().all(|a| a.ends_at > Some(up)));
    let after = 1 + resolves_after(&mut engine, &store, up.plus(SECOND));
    // The last evaluation is kept in whole seconds.
    assert!(
        after == resolves || after + 1 == resolves,
        "{after} s after {lasted:?}"
    );
    assert!(engine.alerts().is_empty(), "the pending one is gone too");
}

#[test]
fn absence_counts_once_the_process_has_run_for_as_long_as_it_was_down() {
    check(3, 3);
    check(70, 70);
    check(300, 300);
    check(301, 300);
    check(1_000_000, 300);
}

#[test]
fn a_restart_within_a_second_or_two_resolves_within_as_many() {
    for lasted in 1..=2 {
        let store = Store::default();
        let (engine, last) = active(&store);
        let lasted = Duration::from_secs(lasted);
        let (mut engine, up, _) = down(&engine, &store, last, lasted);
        absent(&store);
        let after = resolves_after(&mut engine, &store, up.plus(SECOND));
        assert!(after <= 1, "{after}");
    }
}

#[test]
fn a_second_restart_does_not_cut_the_grace_short() {
    let store = Store::default();
    let (engine, last) = active(&store);
    absent(&store);
    let (engine, up, _) = down(&engine, &store, last, SECOND * 100);
    let (mut engine, again, _) = down(&engine, &store, up, SECOND * 10);
    let after = 10 + resolves_after(&mut engine, &store, again);
    assert!((99..=100).contains(&after), "{after}");
}

#[test]
fn a_reload_is_no_downtime_and_keeps_the_grace() {
    let store = Store::default();
    let (mut engine, last) = active(&store);
    engine.reload(vec![fake::file(RULES)]).unwrap();
    absent(&store);
    fake::start(&mut engine, last);
    assert_eq!(resolves_after(&mut engine, &store, last.plus(SECOND)), 0);

    let (engine, last) = active(&store);
    absent(&store);
    let (mut engine, up, _) = down(&engine, &store, last, SECOND * 100);
    engine.reload(vec![fake::file(RULES)]).unwrap();
    fake::start(&mut engine, up);
    assert!(resolves_after(&mut engine, &store, up) >= 99);
}

#[test]
fn an_alert_that_began_after_the_downtime_resolves_at_once() {
    let store = Store::default();
    let (engine, last) = active(&store);
    let (mut engine, up, _) = down(&engine, &store, last, SECOND * 100);
    store.set("e", &[(&[], 1.0), (&[("x", "new")], 1.0)]);
    let begun = fake::evaluate_due(&mut engine, up.plus(SECOND), &store);
    assert_eq!(begun.alerts.len(), 1);
    absent(&store);
    let now = up.plus(SECOND * 2);
    let ended = fake::evaluate_due(&mut engine, now, &store).alerts;
    let [alert] = &ended[..] else {
        panic!("{ended:?}");
    };
    assert_eq!((alert.labels.get("x"), alert.ends_at), ("new", Some(now)));
}

#[test]
fn a_state_from_before_this_was_kept_is_read_and_has_no_grace() {
    let store = Store::default();
    let (engine, last) = active(&store);
    let mut state: serde_json::Value = serde_json::from_slice(&engine.state()).unwrap();
    assert!(state.as_object_mut().unwrap().remove("downtime").is_some());
    let mut engine = fake::engine(RULES);
    engine.restore(state.to_string().as_bytes()).unwrap();
    absent(&store);
    let up = last.plus(SECOND * 100);
    fake::start(&mut engine, up.minus(SECOND));
    assert_eq!(resolves_after(&mut engine, &store, up), 0);
}

#[test]
fn clocks_that_jump_leave_no_grace_behind() {
    let mut downtime = Downtime {
        evaluated_at: Some(at(2_000)),
        ..Downtime::default()
    };
    assert_eq!(downtime.evaluates(at(1_000)), None, "back while down");
    let mut downtime = Downtime {
        evaluated_at: Some(at(1_000)),
        ..Downtime::default()
    };
    assert_eq!(downtime.evaluates(at(9_000)), Some(at(1_000)));
    assert_eq!(downtime.evaluates(at(9_299)), Some(at(1_000)));
    assert_eq!(downtime.evaluates(at(2_000)), None, "back while it lasts");
    for now in [UnixNanos(0), UnixNanos(u64::MAX)] {
        let mut downtime = Downtime {
            evaluated_at: Some(at(1_000)),
            ..Downtime::default()
        };
        downtime.evaluates(now);
    }
}
