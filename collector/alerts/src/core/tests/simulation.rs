//! A seeded world around the core: rules that report, receivers that fail, a process that is
//! killed, a clock that jumps. Every run ends in calm, and then everybody must know the truth,
//! and nobody may have been told the same thing twice without need.

use super::*;
use crate::alert::AlertState;
use rand::seq::IndexedRandom;
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

/// Which alert, whether it fires, since when.
type Facts = BTreeSet<(Fingerprint, AlertState, UnixNanos)>;

/// What arrived at a receiver.
struct Message {
    id: String,
    at: UnixNanos,
    facts: Facts,
    sequence: usize,
}

/// How wild a world is.
#[derive(Clone, Copy)]
struct Weather {
    crash: f64,
    fail: f64,
    jump: f64,
}

struct World {
    rng: ChaCha8Rng,
    weather: Weather,
    plan: Arc<Plan>,
    core: Core,
    now: UnixNanos,
    log: Vec<Record>,
    under_way: Vec<Delivery>,
    truth: BTreeMap<usize, (u64, Option<u64>)>,
    arrived: BTreeMap<SlotKey, Vec<Message>>,
    meant: BTreeSet<(SlotKey, Fingerprint)>,
    /// Deliveries whose outcome the core could not know.
    doubtful: BTreeSet<String>,
    steps: usize,
}

const ALERTS: usize = 8;
const REPEAT: u64 = 4 * 3600;

fn world_plan() -> Arc<Plan> {
    let routes = vec![
        route("{}", "all", &["team"], &[1, 2, 3]),
        route("team=a", "pager", &["alertname"], &[]),
        route("team=~\"a|b\"", "chat", &[], &[]),
        route("team=c", "nobody", &[], &[]),
    ];
    plan(
        routes,
        &[
            ("all", &[true]),
            ("pager", &[true, false]),
            ("chat", &[false]),
            ("nobody", &[]),
        ],
    )
}

fn labels_of(number: usize) -> Labels {
    let team = ["a", "b", "c", "d"][number % 4];
    [
        ("alertname", format!("A{number}")),
        ("team", team.to_owned()),
    ]
    .into_iter()
    .collect()
}

impl World {
    fn new(seed: u64, weather: Weather) -> Self {
        let (plan, now) = (world_plan(), UnixNanos::from_secs(T0));
        Self {
            rng: ChaCha8Rng::seed_from_u64(seed),
            weather,
            core: Core::new(Arc::clone(&plan), limits(), now),
            plan,
            now,
            log: vec![],
            under_way: vec![],
            truth: BTreeMap::new(),
            arrived: BTreeMap::new(),
            meant: BTreeSet::new(),
            doubtful: BTreeSet::new(),
            steps: 0,
        }
    }

    fn chance(&mut self, probability: f64) -> bool {
        self.rng.random_bool(probability)
    }

    /// Feeds an event; `false` when the process died before it was durable.
    fn feed(&mut self, event: Event) -> bool {
        self.steps += 1;
        let actions = self.core.on_event(event, self.now);
        if self.chance(self.weather.crash) {
            // Some of the records may have reached the disk before the sync returned.
            let kept = self.rng.random_range(0..=actions.records.len());
            self.log.extend(actions.records.into_iter().take(kept));
            self.restart();
            return false;
        }
        self.log.extend(actions.records);
        for delivery in actions.deliveries {
            let firing = delivery
                .alerts
                .iter()
                .filter(|(_, state)| *state == AlertState::Firing);
            self.meant
                .extend(firing.map(|(alert, _)| (delivery.slot.clone(), alert.fingerprint())));
            self.under_way.push(delivery);
        }
        for ((receiver, integration), count) in self.lanes() {
            assert!(
                count <= limits().deliveries_at_once,
                "{receiver}/{integration} has {count} under way"
            );
        }
        if self.chance(self.weather.crash) {
            self.restart();
        }
        true
    }

    fn lanes(&self) -> BTreeMap<(String, String), usize> {
        let mut lanes = BTreeMap::new();
        for delivery in &self.under_way {
            *lanes
                .entry((
                    delivery.slot.receiver.clone(),
                    delivery.slot.integration.clone(),
                ))
                .or_default() += 1;
        }
        lanes
    }

    /// Killed and started again. What was under way arrived or did not.
    fn restart(&mut self) {
        for delivery in std::mem::take(&mut self.under_way) {
            self.doubtful.insert(delivery.id.clone());
            if self.chance(0.5) {
                self.arrive(&delivery);
            }
        }
        let stored: Vec<String> = self
            .log
            .iter()
            .filter_map(|record| serde_json::to_string(record).ok())
            .collect();
        let read: Vec<Record> = stored
            .iter()
            .filter_map(|text| serde_json::from_str(text).ok())
            .collect();
        assert_eq!(read, self.log, "records survive their text");
        self.core = Core::restore(Arc::clone(&self.plan), limits(), read, self.now);
        if self.chance(0.3) {
            self.log = self.core.snapshot();
        }
    }

    fn arrive(&mut self, delivery: &Delivery) {
        let facts: Facts = delivery
            .alerts
            .iter()
            .map(|(alert, state)| (alert.fingerprint(), *state, alert.starts_at))
            .collect();
        let message = Message {
            id: delivery.id.clone(),
            at: delivery.at,
            facts,
            sequence: self.steps,
        };
        let messages = self.arrived.entry(delivery.slot.clone()).or_default();
        if let Some(last) = messages.last() {
            let is_same = last.id == message.id
                || (last.facts == message.facts && message.at.since(last.at) < secs(REPEAT));
            assert!(
                !is_same
                    || self.doubtful.contains(&last.id)
                    || self.weather.jump > 0.0 && last.id != message.id,
                "{:?} was told {:?} twice without doubt, at {:?} (step {}) and {:?} (step {})",
                delivery.slot,
                message.facts,
                last.at,
                last.sequence,
                message.at,
                message.sequence
            );
        }
        messages.push(message);
    }

    /// One of the deliveries under way ends.
    fn end_one(&mut self) {
        if self.under_way.is_empty() {
            return;
        }
        let at = self.rng.random_range(0..self.under_way.len());
        let delivery = self.under_way.swap_remove(at);
        let verdict = if self.chance(self.weather.fail) {
            let error = "broken".to_owned();
            match self.rng.random_range(0..4) {
                0 => Verdict::Rejected { error },
                1 => {
                    self.doubtful.insert(delivery.id.clone());
                    self.arrive(&delivery);
                    Verdict::Retry { error, after: None }
                }
                2 => Verdict::Retry {
                    error,
                    after: Some(secs(self.rng.random_range(0..200))),
                },
                _ => Verdict::Retry { error, after: None },
            }
        } else {
            self.arrive(&delivery);
            Verdict::Sent
        };
        let id = delivery.id.clone();
        let was_sent = verdict == Verdict::Sent;
        if !self.feed(Event::Ended {
            slot: delivery.slot,
            verdict,
        }) && was_sent
        {
            self.doubtful.insert(id);
        }
    }

    fn pass(&mut self, by: Duration) {
        let target = self.now.plus(by);
        while let Some(wake) = self.core.next_wake().filter(|wake| *wake <= target) {
            self.now = self.now.max(wake);
            self.feed(Event::Tick);
            while !self.under_way.is_empty() && self.chance(0.7) {
                self.end_one();
            }
        }
        self.now = target;
    }

    fn report(&mut self, number: usize) {
        let (starts, ends) = self.truth[&number];
        let report = Alert {
            labels: labels_of(number),
            ..alert(&[], starts, Some(ends.unwrap_or(starts + 10_000_000)))
        };
        while !self.feed(Event::Reported(vec![report.clone()])) {}
    }

    fn turn(&mut self) {
        let second = self.now.0 / 1_000_000_000;
        match self.rng.random_range(0..10) {
            0..=3 => {
                let number = self.rng.random_range(0..ALERTS);
                let fires = matches!(self.truth.get(&number), Some((_, None)));
                if fires {
                    let starts = self.truth[&number].0;
                    self.truth
                        .insert(number, (starts, Some(second.max(starts))));
                } else if self
                    .truth
                    .get(&number)
                    .is_none_or(|(_, ends)| ends.is_some_and(|ends| ends < second))
                {
                    self.truth.insert(number, (second, None));
                } else {
                    return;
                }
                self.report(number);
            }
            4..=5 => self.end_one(),
            6 if self.chance(self.weather.jump) => {
                let by = secs(*[1, 60, 3600, 7200].choose(&mut self.rng).unwrap_or(&1));
                self.now = if self.chance(0.5) {
                    self.now.plus(by)
                } else {
                    self.now.minus(by)
                };
                self.feed(Event::Tick);
            }
            _ => {
                let by = self.rng.random_range(0..400);
                self.pass(secs(by));
            }
        }
    }

    /// Everything works again, for long enough.
    fn calm(&mut self) {
        self.weather = Weather {
            crash: 0.0,
            fail: 0.0,
            ..self.weather
        };
        for _ in 0..200 {
            self.pass(secs(10));
            while !self.under_way.is_empty() {
                self.end_one();
            }
        }
    }

    fn check_knowledge(&self) {
        for (slot, alert) in &self.meant {
            let mentioned = |message: &Message| {
                message
                    .facts
                    .iter()
                    .any(|(mentioned, _, _)| mentioned == alert)
            };
            let messages = self.arrived.get(slot).map_or(&[][..], Vec::as_slice);
            assert!(
                messages.iter().any(mentioned),
                "{slot:?} was never told about {alert}"
            );
        }
        for (number, (_, ends)) in &self.truth {
            let labels = labels_of(*number);
            let fingerprint = labels.fingerprint();
            for route in self.plan.routes.matching(&labels) {
                let route = &self.plan.routes.0[route];
                for outlet in self.plan.outlets(&route.receiver) {
                    let key = SlotKey {
                        receiver: route.receiver.clone(),
                        integration: outlet.integration.clone(),
                        group_key: route.group_key(&route.group_labels(&labels)),
                    };
                    let belief = self.belief(&key, fingerprint);
                    let settled = self.now.minus(secs(600));
                    match ends {
                        // The clock was set back, so that it ended only now or will: both are true.
                        Some(ends) if UnixNanos::from_secs(*ends) > settled => {}
                        None => assert_eq!(
                            belief,
                            Some(AlertState::Firing),
                            "{key:?} does not know that A{number} fires"
                        ),
                        Some(_) if outlet.send_resolved => {
                            assert_ne!(
                                belief,
                                Some(AlertState::Firing),
                                "{key:?} does not know that A{number} ended"
                            );
                        }
                        Some(_) => {}
                    }
                }
            }
        }
    }

    fn belief(&self, slot: &SlotKey, alert: Fingerprint) -> Option<AlertState> {
        let messages = self.arrived.get(slot)?;
        messages.iter().rev().find_map(|message| {
            message
                .facts
                .iter()
                .find(|(mentioned, _, _)| *mentioned == alert)
                .map(|(_, state, _)| *state)
        })
    }
}

fn run(seed: u64, weather: Weather) -> usize {
    let mut world = World::new(seed, weather);
    for _ in 0..60 {
        world.turn();
    }
    world.calm();
    world.check_knowledge();
    world.steps
}

fn check(seeds: std::ops::Range<u64>, weather: Weather) {
    for seed in seeds {
        let outcome = std::panic::catch_unwind(|| run(seed, weather));
        assert!(outcome.is_ok(), "seed {seed}");
    }
}

#[test]
fn in_calm_weather_everybody_is_told_once() {
    check(
        0..100,
        Weather {
            crash: 0.0,
            fail: 0.0,
            jump: 0.0,
        },
    );
}

#[test]
fn with_failing_receivers_everybody_is_told_in_the_end() {
    check(
        1000..1150,
        Weather {
            crash: 0.0,
            fail: 0.5,
            jump: 0.0,
        },
    );
}

#[test]
fn with_crashes_at_any_step_nothing_is_lost_and_only_the_doubtful_is_told_twice() {
    check(
        2000..2150,
        Weather {
            crash: 0.1,
            fail: 0.0,
            jump: 0.0,
        },
    );
}

#[test]
fn with_crashes_failures_and_a_jumping_clock_nothing_is_lost() {
    check(
        3000..3200,
        Weather {
            crash: 0.1,
            fail: 0.4,
            jump: 0.5,
        },
    );
}

#[test]
fn the_simulation_is_deterministic() {
    let weather = Weather {
        crash: 0.1,
        fail: 0.4,
        jump: 0.5,
    };
    assert_eq!(run(7, weather), run(7, weather));
}
