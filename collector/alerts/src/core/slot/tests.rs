//! Tests of what a slot decides.

use super::*;

fn set(alerts: &[u64]) -> BTreeSet<Fingerprint> {
    alerts.iter().copied().map(Fingerprint).collect()
}

fn view(firing: &[u64], resolved: &[u64]) -> View {
    View {
        firing: set(firing),
        resolved: set(resolved),
        muted: set(&[]),
    }
}

fn told(firing: &[u64], resolved: &[u64]) -> SlotState {
    let mut state = SlotState::default();
    state.confirm(&view(firing, resolved), UnixNanos::from_secs(1000));
    state
}

fn check(state: &SlotState, view: &View, send_resolved: bool, at: u64, expected: Decision) {
    let wishes = Wishes {
        send_resolved,
        repeat_interval: Duration::from_secs(100),
    };
    assert_eq!(
        state.decide(view, wishes, UnixNanos::from_secs(at)),
        expected,
        "{state:?} {view:?}"
    );
}

#[test]
fn an_alert_that_ended_before_anybody_was_told_is_not_told() {
    check(
        &SlotState::default(),
        &view(&[], &[1]),
        true,
        1000,
        Decision::Nothing,
    );
    check(
        &SlotState::default(),
        &view(&[2], &[1]),
        true,
        1000,
        Decision::Tell(Reason::Firing),
    );
}

#[test]
fn known_alerts_are_told_again_only_when_it_is_time_to_repeat() {
    check(
        &told(&[1, 2], &[]),
        &view(&[1], &[]),
        true,
        1099,
        Decision::Nothing,
    );
    check(
        &told(&[1, 2], &[]),
        &view(&[1], &[]),
        true,
        1100,
        Decision::Tell(Reason::Repeat),
    );
    check(
        &told(&[], &[1]),
        &view(&[], &[1]),
        true,
        5000,
        Decision::Nothing,
    );
}

#[test]
fn the_end_is_told_to_whoever_wants_it_and_remembered_otherwise() {
    check(
        &told(&[1], &[]),
        &view(&[], &[1]),
        true,
        1001,
        Decision::Tell(Reason::Resolved),
    );
    check(
        &told(&[1], &[]),
        &view(&[], &[1]),
        false,
        1001,
        Decision::Forget,
    );
    check(
        &told(&[1, 2], &[]),
        &view(&[2], &[1]),
        true,
        1001,
        Decision::Tell(Reason::Resolved),
    );
    check(
        &told(&[1, 2], &[]),
        &view(&[2], &[1]),
        false,
        1001,
        Decision::Forget,
    );
    check(
        &told(&[2], &[1]),
        &view(&[2], &[1]),
        true,
        1001,
        Decision::Nothing,
    );
}

#[test]
fn an_alert_that_fires_again_is_told_again() {
    let mut state = told(&[1, 2], &[]);
    state.forget(&view(&[2], &[1]));
    check(
        &state,
        &view(&[1, 2], &[]),
        false,
        1002,
        Decision::Tell(Reason::Firing),
    );
    check(
        &told(&[2], &[1]),
        &view(&[1, 2], &[]),
        true,
        1002,
        Decision::Tell(Reason::Firing),
    );
}

#[test]
fn a_page_that_could_not_be_delivered_while_it_fired_is_delivered_late() {
    let mut state = SlotState::default();
    state.intend("id", &view(&[1], &[]), &set(&[]));
    for send_resolved in [true, false] {
        check(
            &state,
            &view(&[], &[1]),
            send_resolved,
            1000,
            Decision::Tell(Reason::Late),
        );
    }
    state.confirm(&view(&[], &[1]), UnixNanos::from_secs(1000));
    check(&state, &view(&[], &[1]), false, 1000, Decision::Nothing);
}

#[test]
fn a_muted_alert_stays_known_while_others_fire_and_is_told_anew_after_all_others_ended() {
    let muted = |firing: &[u64], resolved: &[u64]| View {
        muted: set(&[1]),
        ..view(firing, resolved)
    };
    let mut state = told(&[1, 2], &[]);
    state.confirm(&muted(&[2, 3], &[]), UnixNanos::from_secs(1001));
    check(
        &state,
        &view(&[1, 2, 3], &[]),
        true,
        1002,
        Decision::Nothing,
    );
    state.confirm(&muted(&[], &[2, 3]), UnixNanos::from_secs(1003));
    check(
        &state,
        &view(&[1], &[]),
        true,
        1004,
        Decision::Tell(Reason::Firing),
    );
}

#[test]
fn an_end_that_may_have_been_told_makes_the_next_firing_news() {
    let mut state = told(&[1], &[]);
    state.intend("id", &view(&[], &[1]), &set(&[1]));
    check(
        &state,
        &view(&[1], &[]),
        true,
        1001,
        Decision::Tell(Reason::Firing),
    );
    check(
        &state,
        &view(&[], &[1]),
        true,
        1001,
        Decision::Tell(Reason::Late),
    );
}
