//! One alert, driven through random schedules with restarts, against a definition of its
//! state by the whole history.

use super::*;
use crate::engine::Engine;
use crate::fake::{self, Store, labels};
use proptest::prelude::*;
use std::collections::BTreeSet;

/// One evaluation: when, and whether the condition was found.
#[derive(Clone, Copy, Debug)]
struct Seen {
    at: u64,
    found: bool,
}

/// The state by definition: looks back over everything that was seen.
struct Model<'a> {
    seen: &'a [Seen],
    hold: u64,
    keep: u64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Expected {
    Nothing,
    Pending { since: u64 },
    Firing { since: u64 },
}

impl Model<'_> {
    /// The first of the equal observations that end with the `i`-th.
    fn run(&self, i: usize) -> usize {
        let same = |at: &usize| self.seen[*at].found == self.seen[i].found;
        (0..=i).rev().take_while(same).last().unwrap_or(i)
    }

    fn state(&self, i: usize) -> Expected {
        let start = self.run(i);
        let before = match start {
            0 => Expected::Nothing,
            start => self.state(start - 1),
        };
        let lasted = self.seen[i].at - self.seen[start].at;
        match (self.seen[i].found, before) {
            (true, Expected::Firing { since }) => Expected::Firing { since },
            (true, Expected::Nothing | Expected::Pending { .. }) => {
                let since = self.seen[start].at;
                if lasted >= self.hold {
                    Expected::Firing { since }
                } else {
                    Expected::Pending { since }
                }
            }
            (false, Expected::Firing { since }) if lasted < self.keep => Expected::Firing { since },
            (false, _) => Expected::Nothing,
        }
    }
}

/// When absence does not count, by definition: after a restart, for as long as nothing was
/// evaluated before it, up to five minutes.
#[derive(Default)]
struct Grace {
    evaluated: Option<u64>,
    restarted: bool,
    down_since: u64,
    until: u64,
}

impl Grace {
    fn evaluate(&mut self, now: u64) {
        if let Some(last) = self.evaluated.filter(|_| self.restarted) {
            self.down_since = last;
            self.until = self.until.max(now + (now - last).min(300));
        }
        self.restarted = false;
        self.evaluated = Some(now);
    }

    /// Whether it is as if nobody had looked that this alert is absent.
    fn covers(&self, alert: Expected, now: u64) -> bool {
        match alert {
            Expected::Nothing => false,
            Expected::Pending { since } | Expected::Firing { since } => {
                now < self.until && since <= self.down_since
            }
        }
    }
}

/// What happens at one slot.
#[derive(Clone, Copy, Debug)]
enum Step {
    Found,
    Gone,
    QueryFails,
    Restart,
    Sleep(u64),
}

const INTERVAL: u64 = 10;

fn rules(hold: u64, keep: u64) -> String {
    format!(
        "groups:\n- name: g\n  interval: {INTERVAL}s\n  rules:\n  - alert: A\n    expr: e\n    for: {hold}s\n    keep_firing_for: {keep}s\n"
    )
}

fn actual(engine: &Engine) -> Expected {
    match &engine.alerts()[..] {
        [] => Expected::Nothing,
        [alert] => {
            let since = alert.active_at.0 / 1_000_000_000;
            match alert.state {
                "pending" => Expected::Pending { since },
                "firing" => Expected::Firing { since },
                other => panic!("state {other}"),
            }
        }
        more => panic!("{} alerts", more.len()),
    }
}

fn series(expected: Expected) -> BTreeSet<Labels> {
    let state = match expected {
        Expected::Nothing => return BTreeSet::new(),
        Expected::Pending { .. } => "pending",
        Expected::Firing { .. } => "firing",
    };
    let alert = ("alertname", "A");
    BTreeSet::from([
        labels(&[("__name__", "ALERTS"), alert, ("alertstate", state)]),
        labels(&[("__name__", "ALERTS_FOR_STATE"), alert]),
    ])
}

fn simulate(hold: u64, keep: u64, steps: &[Step]) -> Result<(), TestCaseError> {
    let text = rules(hold, keep);
    let store = Store::default();
    let mut engine = fake::engine(&text);
    fake::start(&mut engine, UnixNanos::from_secs(1_000_000));
    let mut now = engine.next_due(UnixNanos::from_secs(1_000_000));
    let (mut seen, mut alive) = (Vec::new(), BTreeSet::new());
    let (mut expected, mut grace) = (Expected::Nothing, Grace::default());
    // When the receiver takes the alert for ended.
    let mut told_until: Option<UnixNanos> = None;
    for step in steps {
        let (mut fails, mut awake) = (false, true);
        match step {
            Step::Found => store.set("e", &[(&[], 1.0)]),
            Step::Gone => store.set("e", &[]),
            Step::QueryFails => {
                store.fail("e", "no store");
                fails = true;
            }
            Step::Restart => {
                engine = fake::restarted(&engine, &text);
                fake::start(&mut engine, UnixNanos(now.0 - 1));
                grace.restarted = true;
                continue;
            }
            Step::Sleep(slots) => {
                now = now.plus(Duration::from_secs(INTERVAL * slots));
                awake = false;
            }
        }
        if awake {
            let second = now.0 / 1_000_000_000;
            let evaluation = fake::evaluate_due(&mut engine, now, &store);
            grace.evaluate(second);
            if !fails {
                let found = matches!(step, Step::Found);
                if found || !grace.covers(expected, second) {
                    seen.push(Seen { at: second, found });
                }
                let model = Model {
                    seen: &seen,
                    hold,
                    keep,
                };
                let before = expected;
                expected = model.state(seen.len() - 1);
                fake::show(&mut alive, &evaluation.samples);
                prop_assert_eq!(&alive, &series(expected));
                let fired = matches!(before, Expected::Firing { .. });
                let fires = matches!(expected, Expected::Firing { .. });
                if fires != fired {
                    prop_assert_eq!(evaluation.alerts.len(), 1, "a change is told at once");
                    prop_assert_eq!(evaluation.alerts[0].ends_at == Some(now), fired);
                }
            }
            for update in &evaluation.alerts {
                told_until = update.ends_at;
            }
            if matches!(expected, Expected::Firing { .. }) {
                let told = told_until.is_some_and(|until| until > now);
                prop_assert!(told, "the receiver lets a firing alert end");
            }
            now = now.plus(Duration::from_secs(INTERVAL));
        }
        prop_assert_eq!(actual(&engine), expected);
    }
    Ok(())
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        6 => Just(Step::Found),
        4 => Just(Step::Gone),
        2 => Just(Step::QueryFails),
        3 => Just(Step::Restart),
        1 => (1..6u64).prop_map(Step::Sleep),
        1 => (6..60u64).prop_map(Step::Sleep),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: 400,
        rng_seed: proptest::test_runner::RngSeed::Fixed(11),
        failure_persistence: None,
        ..ProptestConfig::default()
    })]

    #[test]
    fn the_state_is_what_the_history_says_whatever_restarts(
        hold in 0..60u64,
        keep in prop_oneof![Just(0), 0..60u64],
        steps in proptest::collection::vec(step(), 1..120),
    ) {
        simulate(hold, keep, &steps)?;
    }
}

#[test]
fn a_restart_continues_any_wait() {
    for hold in [0, 5, 10, 30, 600, 3_600] {
        let text = rules(hold, 0);
        let store = Store::default();
        store.set("e", &[(&[], 1.0)]);
        let mut engine = fake::engine(&text);
        fake::start(&mut engine, fake::at(1_000_000));
        let begin = engine.next_due(fake::at(1_000_000));
        let mut now = begin;
        loop {
            engine = fake::restarted(&engine, &text);
            fake::start(&mut engine, UnixNanos(now.0 - 1));
            fake::evaluate_due(&mut engine, now, &store);
            if engine.alerts()[0].state == "firing" {
                break;
            }
            now = engine.next_due(now);
        }
        let waited = now.since(begin).as_secs();
        assert_eq!(waited, hold.next_multiple_of(INTERVAL), "for: {hold}s");
    }
}

#[test]
fn a_resolved_alert_is_told_again_for_a_quarter_of_an_hour() {
    let store = Store::default();
    store.set("e", &[(&[], 1.0)]);
    let mut engine = fake::engine(&rules(0, 0));
    let (begin, first) = fake::evaluate(&mut engine, &store, fake::at(1_000_000));
    assert_eq!(first.alerts[0].starts_at, begin);
    store.set("e", &[]);
    let mut told = Vec::new();
    let mut now = begin;
    let mut resolved_at = None;
    while now.since(begin) < Duration::from_secs(1_200) {
        let (at, evaluation) = fake::evaluate(&mut engine, &store, now);
        now = at;
        for alert in evaluation.alerts {
            let end = *resolved_at.get_or_insert(at);
            assert_eq!((alert.starts_at, alert.ends_at), (begin, Some(end)));
            told.push(at.since(end).as_secs());
        }
    }
    let minutes: Vec<u64> = (0..=15).map(|minute| minute * 60).collect();
    assert_eq!(told, minutes);
    assert!(
        !String::from_utf8(engine.state())
            .unwrap()
            .contains("resolvedAt")
    );
}

#[test]
fn times_from_a_clock_that_was_ahead_are_not_waited_for() {
    let waits = Waits {
        hold: Duration::from_secs(60),
        keep_firing: Duration::ZERO,
    };
    let finding = Finding {
        annotations: Labels::empty(),
        value: 1.0,
    };
    let mut alert = Alert::new(finding.clone(), fake::at(1_000_000));
    alert.hold(finding.clone(), &waits, fake::at(1_000));
    alert.hold(finding, &waits, fake::at(1_060));
    assert!(matches!(alert.phase, Phase::Firing { .. }));
}
