//! Scenes: seconds after the start, what happens, and what is sent.

use super::*;

struct Scene {
    core: Core,
    log: Vec<Record>,
    under_way: Vec<Delivery>,
    verdict: Verdict,
    sent: Vec<String>,
}

impl Scene {
    fn new(plan: Arc<Plan>) -> Self {
        let core = Core::new(plan, limits(), UnixNanos::from_secs(T0));
        Self {
            core,
            log: vec![],
            under_way: vec![],
            verdict: Verdict::Sent,
            sent: vec![],
        }
    }

    fn act(&mut self, event: Event, at: u64) {
        let actions = self.core.on_event(event, UnixNanos::from_secs(T0 + at));
        self.log.extend(actions.records);
        for delivery in actions.deliveries {
            let name = |(alert, state): &(Arc<KeptAlert>, crate::alert::AlertState)| {
                let mark = if *state == crate::alert::AlertState::Firing {
                    ""
                } else {
                    "-"
                };
                format!("{mark}{}", alert.labels.get("alertname"))
            };
            let names: Vec<String> = delivery.alerts.iter().map(name).collect();
            self.sent.push(format!(
                "{at} {} {}",
                delivery.slot.receiver,
                names.join(",")
            ));
            self.under_way.push(delivery);
        }
        if let Some(delivery) = self.under_way.pop() {
            let verdict = self.verdict.clone();
            self.act(
                Event::Ended {
                    slot: delivery.slot,
                    verdict,
                },
                at,
            );
        }
    }

    fn report(&mut self, at: u64, alerts: &[(&str, Option<u64>)]) {
        self.until(at);
        let alerts = alerts.iter().map(|(name, ends)| {
            let ends = ends.map_or(T0 + 1_000_000, |ends| T0 + ends);
            alert(&[("alertname", name), ("team", "a")], T0 + at, Some(ends))
        });
        self.act(Event::Reported(alerts.collect()), at);
    }

    fn until(&mut self, at: u64) {
        while let Some(wake) = self
            .core
            .next_wake()
            .filter(|wake| *wake <= UnixNanos::from_secs(T0 + at))
        {
            let after = wake.since(UnixNanos::from_secs(T0));
            let second = after.as_secs() + u64::from(after.subsec_nanos() > 0);
            self.act(Event::Tick, second);
        }
    }

    fn restart(&mut self, at: u64) {
        self.until(at);
        self.start_again(at);
    }

    /// A start after a time in which nothing ran.
    fn start_again(&mut self, at: u64) {
        let log = std::mem::take(&mut self.log);
        self.under_way.clear();
        self.core = Core::restore(
            Arc::clone(&self.core.plan),
            limits(),
            log,
            UnixNanos::from_secs(T0 + at),
        );
        self.log = self.core.snapshot();
    }

    fn sent(&mut self, until: u64, expected: &[&str]) {
        self.until(until);
        assert_eq!(self.sent, expected);
    }
}

fn one() -> Arc<Plan> {
    plan(vec![route("{}", "r", &["team"], &[])], &[("r", &[true])])
}

#[test]
fn a_group_waits_then_tells_changes_at_its_interval_then_repeats() {
    let mut scene = Scene::new(one());
    scene.report(0, &[("A", None)]);
    scene.report(10, &[("B", None)]);
    scene.report(40, &[("C", None)]);
    scene.sent(14_730, &["30 r A,B", "330 r A,B,C", "14730 r A,B,C"]);
}

#[test]
fn an_alert_that_ends_before_the_group_was_told_is_not_told_and_the_group_ends() {
    let mut scene = Scene::new(one());
    scene.report(0, &[("A", None)]);
    scene.report(20, &[("A", Some(20))]);
    scene.sent(1000, &[]);
    assert!(scene.core.groups(scene.core.now).is_empty());
}

#[test]
fn ends_are_told_and_a_new_firing_waits_anew() {
    let mut scene = Scene::new(one());
    scene.report(0, &[("A", None)]);
    scene.report(60, &[("A", Some(60))]);
    scene.report(400, &[("A", None)]);
    scene.sent(2000, &["30 r A", "330 r -A", "430 r A"]);
}

#[test]
fn an_alert_that_fires_for_long_does_not_wait() {
    let mut scene = Scene::new(one());
    let old = alert(&[("alertname", "A")], T0 - 31, None);
    scene.act(Event::Reported(vec![old]), 0);
    scene.sent(10, &["0 r A"]);
}

#[test]
fn an_alert_nobody_reports_again_ends_by_timeout() {
    let mut scene = Scene::new(one());
    scene.act(
        Event::Reported(vec![alert(&[("alertname", "A")], 0, None)]),
        0,
    );
    scene.sent(1000, &["30 r A", "330 r -A"]);
}

#[test]
fn a_restart_neither_repeats_a_page_nor_loses_its_end() {
    let mut scene = Scene::new(one());
    scene.report(0, &[("A", None)]);
    scene.restart(10);
    scene.sent(29, &[]);
    scene.restart(31);
    scene.restart(100);
    scene.report(200, &[("A", Some(200))]);
    scene.restart(250);
    scene.sent(2000, &["30 r A", "330 r -A"]);
    scene.restart(2001);
    scene.sent(40_000, &["30 r A", "330 r -A"]);
}

#[test]
fn a_failed_delivery_is_tried_again_with_growing_pauses_and_tells_what_is_the_case_then() {
    let mut scene = Scene::new(one());
    scene.verdict = Verdict::Retry {
        error: "503".into(),
        after: None,
    };
    scene.report(0, &[("A", None)]);
    scene.until(32);
    let failed = scene.sent.len();
    assert!((2..=4).contains(&failed), "{:?}", scene.sent);
    scene.report(33, &[("A", Some(33))]);
    scene.verdict = Verdict::Sent;
    scene.until(100);
    assert_eq!(scene.sent.len(), failed + 1);
    assert!(
        scene.sent.last().is_some_and(|last| last.ends_with("-A")),
        "{:?}",
        scene.sent
    );
    let notification = scene.core.notifications(1);
    assert_eq!(notification[0].outcome, crate::record::Outcome::Sent);
}

#[test]
fn a_receiver_that_asks_for_time_gets_it_and_one_that_rejects_is_asked_at_the_next_flush() {
    let mut scene = Scene::new(one());
    scene.verdict = Verdict::Retry {
        error: "429".into(),
        after: Some(secs(100)),
    };
    scene.report(0, &[("A", None)]);
    scene.until(31);
    scene.verdict = Verdict::Rejected {
        error: "400".into(),
    };
    scene.sent(429, &["30 r A", "130 r A", "330 r A"]);
    scene.verdict = Verdict::Sent;
    scene.sent(3000, &["30 r A", "130 r A", "330 r A", "630 r A"]);
}

#[test]
fn an_alert_that_lapsed_while_nothing_ran_is_not_told_to_have_ended() {
    let mut scene = Scene::new(one());
    scene.report(0, &[("A", Some(240)), ("B", Some(240))]);
    scene.sent(100, &["30 r A,B"]);
    scene.start_again(3600);
    scene.report(3620, &[("A", Some(3900))]);
    scene.report(3800, &[("A", Some(100_000))]);
    // A is reported again; B, which nobody reports, ends after the resolve timeout.
    let ends = scene.core.plan.resolve_timeout.as_secs();
    assert_eq!(ends, 300);
    scene.sent(5000, &["30 r A,B", "3900 r A,-B"]);
}

#[test]
fn inhibited_alerts_are_told_when_the_inhibition_ends() {
    let mut plan = (*one()).clone();
    plan.inhibit_rules.push(crate::inhibit::InhibitRule {
        source: crate::matchers::parse("alertname=B").unwrap_or_default(),
        target: crate::matchers::parse("alertname=A").unwrap_or_default(),
        equal: vec!["team".into()],
    });
    let mut scene = Scene::new(Arc::new(plan));
    scene.report(0, &[("A", None), ("B", None)]);
    scene.report(100, &[("B", Some(100))]);
    scene.sent(1000, &["30 r B", "330 r A,-B"]);
}

#[test]
fn a_muted_route_keeps_quiet_and_tells_afterwards() {
    let minute = crate::interval::TimeInterval {
        times: vec![crate::interval::Range {
            start: 0,
            end: 24 * 60,
        }],
        weekdays: vec![],
        days_of_month: vec![crate::interval::Range { start: 14, end: 14 }],
        months: vec![],
        years: vec![],
        location: jiff::tz::TimeZone::UTC,
    };
    let mut muted = route("{}", "r", &[], &[]);
    muted
        .mute
        .push(Arc::new(crate::interval::TimeIntervals(vec![minute])));
    let mut scene = Scene::new(plan(vec![muted], &[("r", &[true])]));
    // T0 is 2023-11-14T22:13:20Z; midnight is 6400 s later.
    scene.report(0, &[("A", None)]);
    scene.sent(7000, &["6630 r A"]);
}

#[test]
fn a_new_plan_keeps_what_was_told_and_tells_new_receivers() {
    let mut scene = Scene::new(one());
    scene.report(0, &[("A", None)]);
    scene.until(60);
    let new = plan(
        vec![
            route("{}", "r", &["team"], &[1, 2]),
            route("team=a", "r", &["team"], &[]),
            route("team=a", "s", &["team"], &[]),
        ],
        &[("r", &[true]), ("s", &[true])],
    );
    scene.act(Event::Reload(one()), 60);
    scene.until(400);
    scene.act(Event::Reload(new), 400);
    scene.until(1000);
    assert_eq!(scene.sent[0], "30 r A");
    assert!(
        scene.sent.contains(&"430 s A".to_owned()) || scene.sent.contains(&"400 s A".to_owned()),
        "{:?}",
        scene.sent
    );
}

#[test]
fn a_clock_that_is_set_back_delays_nothing() {
    let mut scene = Scene::new(one());
    scene.report(5000, &[("A", None)]);
    scene.act(Event::Tick, 1000);
    scene.sent(1031, &["1030 r A"]);
}

#[test]
fn more_alerts_than_allowed_are_refused_and_known_ones_are_still_updated() {
    let few = CoreLimits {
        alerts_max: 2,
        alert_bytes_max: 100,
        ..limits()
    };
    let mut core = Core::new(one(), few, UnixNanos::from_secs(T0));
    let named = |name: &str| alert(&[("alertname", name)], T0, None);
    let large = alert(&[("alertname", &"x".repeat(200))], T0, None);
    let alerts = vec![
        named("A"),
        named("B"),
        named("C"),
        named("A"),
        large,
        alert(&[], T0, None),
    ];
    let actions = core.on_event(Event::Reported(alerts), UnixNanos::from_secs(T0));
    assert_eq!(
        actions.refused,
        Refused {
            no_labels: 1,
            too_large: 1,
            too_many: 1
        }
    );
    assert_eq!(core.list(UnixNanos::from_secs(T0)).len(), 2);
}
