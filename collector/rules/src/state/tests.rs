//! States that were written, damaged, or are of other rules.

use crate::fake::{Store, at, engine, evaluate, restarted};
use crate::state::StateError;
use proptest::prelude::*;

const RULES: &str = "groups:\n- name: g\n  interval: 1m\n  rules:\n  - {alert: A, expr: e, for: 1h, labels: {x: y}, annotations: {s: t}}\n  - {record: r, expr: e}\n";

fn written() -> Vec<u8> {
    let store = Store::default();
    store.set(
        "e",
        &[(&[("host", "a")], f64::NAN), (&[("host", "b")], -0.5)],
    );
    let mut engine = engine(RULES);
    evaluate(&mut engine, &store, at(1_000_000));
    engine.state()
}

#[test]
fn a_state_that_was_read_is_written_as_it_was() {
    let state = written();
    let mut next = engine(RULES);
    next.restore(&state).unwrap();
    let same = String::from_utf8(next.state()).unwrap();
    assert_eq!(same, String::from_utf8(state).unwrap());
}

/// How many alerts a restart with an edited rule takes over.
fn kept(from: &str, to: &str) -> usize {
    let mut before = engine(RULES);
    before.restore(&written()).unwrap();
    let edited = RULES.replace(from, to);
    assert_ne!(edited, RULES);
    restarted(&before, &edited).alerts().len()
}

#[test]
fn an_edited_rule_begins_anew() {
    for (from, to) in [
        ("alert: A", "alert: B"),
        ("expr: e, for", "expr: f, for"),
        ("for: 1h", "for: 2h"),
        ("for: 1h", "for: 1h, keep_firing_for: 1m"),
        ("x: y", "x: z"),
        ("name: g", "name: h"),
    ] {
        assert_eq!(kept(from, to), 0, "{from} → {to}");
    }
}

#[test]
fn a_rule_stays_the_same_when_only_its_surroundings_change() {
    for (from, to) in [
        ("s: t", "s: other"),
        ("for: 1h", "for: 60m"),
        ("interval: 1m", "interval: 2m"),
        ("  rules:\n", "  rules:\n  - {alert: First, expr: z}\n"),
    ] {
        assert_eq!(kept(from, to), 2, "{from} → {to}");
    }
}

#[test]
fn equal_rules_keep_their_states_apart() {
    let twice = "groups:\n- name: g\n  interval: 1m\n  rules:\n  - {record: r, expr: e}\n  - {record: r, expr: e}\n";
    let store = Store::default();
    store.set("e", &[(&[], 1.0)]);
    let mut engine = engine(twice);
    evaluate(&mut engine, &store, at(1_000_000));
    let next = restarted(&engine, twice);
    assert_eq!(next.state(), engine.state());
}

fn check(state: &str, error: &str) {
    let mut engine = engine(RULES);
    let before = engine.state();
    let told = engine.restore(state.as_bytes()).unwrap_err().to_string();
    assert!(told.contains(error), "{state}: {told}");
    assert_eq!(engine.state(), before, "nothing has changed");
}

#[test]
fn a_state_that_cannot_be_used_is_refused_whole() {
    check("", "damaged");
    check("{}", "damaged");
    check(r#"{"version":1}"#, "damaged");
    check(r#"{"version":2,"future":true}"#, "has version 2");
    let state = String::from_utf8(written()).unwrap();
    check(&state.replace("activeAt", "activeAs"), "damaged");
    check(
        &state.replace("\"NaN\"", "\"much\""),
        "its value is no number",
    );
    check(
        &state.replace("\"activeAt\"", "\"resolvedAt\":1,\"activeAt\""),
        "contradict",
    );
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: 300,
        rng_seed: proptest::test_runner::RngSeed::Fixed(12),
        failure_persistence: None,
        ..ProptestConfig::default()
    })]

    #[test]
    fn no_damage_panics(at in any::<prop::sample::Index>(), byte in any::<u8>(), cut in any::<bool>()) {
        let mut state = written();
        let at = at.index(state.len());
        state[at] = byte;
        if cut {
            state.truncate(at);
        }
        let mut next = engine(RULES);
        let before = next.state();
        if let Err(StateError::Damaged(_) | StateError::Version(_)) = next.restore(&state) {
            prop_assert_eq!(next.state(), before);
        }
        evaluate(&mut next, &Store::default(), crate::fake::at(2_000_000));
    }
}
