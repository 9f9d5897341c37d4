//! The core: decides who is told what and when, without doing anything itself.
//!
//! ```text
//!             on_event(event, now)                        Actions
//! reports ──▶ alerts ─▶ routes ─▶ groups ─(timer)─▶ slots ─▶ records, durable before …
//! outcomes ─▶ slots                                        └▶ deliveries are performed
//! ```
//!
//! An alert joins one *group* per route that takes it. A group is *flushed* after `group_wait`
//! and then every `group_interval`. A flush makes the group's *slots* (one per integration of
//! the receiver) due; a due slot compares what its receiver was told with what is the case, and
//! sends the difference. A failed slot becomes due again after a pause, so a retry tells what
//! is the case by then.
//!
//! Invariants, which the simulation checks:
//! - A slot has at most one delivery under way, an integration at most `deliveries_at_once`.
//! - The intent to send is durable before the delivery starts, its outcome after it ended. A
//!   crash in between leaves the outcome unknown, and only then the same state is told twice.
//! - An alert that a receiver may believe to be firing is kept until it was told otherwise (or
//!   `undeliverable_seconds_max` have passed, which is counted).
//!
//! This room never reads a clock, draws no random numbers and performs no I/O.

mod plan;
mod slot;
mod group;
mod deliver;
mod receive;
mod restore;
mod show;

pub(crate) use deliver::hex;
pub(crate) use deliver::{Delivery, Verdict};
pub use plan::CoreLimits;
pub(crate) use plan::{Outlet, Plan};
pub use receive::Refused;
pub use show::GroupStatus;
pub(crate) use slot::{SlotKey, SlotState, Told};

use crate::alert::{Alert, KeptAlert};
use crate::inhibit::Inhibitor;
use crate::record::{Notification, Record};
use deliver::{Lane, LaneKey, Slot};
use group::{Group, GroupId};
use sonde_proto::{Fingerprint, UnixNanos};
use std::collections::{BTreeMap, BTreeSet, HashMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

/// What happens to the core.
#[derive(Debug)]
pub(crate) enum Event {
    /// Alerts were reported.
    Reported(Vec<Alert>),
    /// Time passed.
    Tick,
    /// A delivery ended.
    Ended {
        /// Which one.
        slot: SlotKey,
        /// How.
        verdict: Verdict,
    },
    /// There is a new configuration.
    Reload(Arc<Plan>),
}

/// What is to be done about it: first the records are made durable, then the deliveries start.
#[derive(Debug, Default)]
pub(crate) struct Actions {
    /// To be made durable.
    pub records: Vec<Record>,
    /// To be sent, each one's outcome reported back.
    pub deliveries: Vec<Delivery>,
    /// What was not accepted.
    pub refused: Refused,
    /// Alerts given up on after `undeliverable_seconds_max`.
    pub given_up: u64,
}

#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Timer {
    Flush(GroupId),
    Retry(SlotKey),
    Sweep,
}

/// How often ended alerts and forgotten slots are cleared away.
const SWEEP_INTERVAL: Duration = Duration::from_secs(30);

/// A clock that goes back by less only stands still.
const CLOCK_STEP_IGNORED: Duration = Duration::from_secs(1);

/// The state machine.
#[derive(Debug)]
pub(crate) struct Core {
    plan: Arc<Plan>,
    limits: CoreLimits,
    now: UnixNanos,
    alerts: HashMap<Fingerprint, Arc<KeptAlert>>,
    groups: BTreeMap<GroupId, Group>,
    slots: BTreeMap<SlotKey, Slot>,
    lanes: BTreeMap<LaneKey, Lane>,
    timers: BTreeSet<(UnixNanos, Timer)>,
    history: VecDeque<Notification>,
    inhibitor: Option<Inhibitor>,
}

impl Core {
    /// A core that knows no alerts.
    #[must_use]
    pub(crate) fn new(plan: Arc<Plan>, limits: CoreLimits, now: UnixNanos) -> Self {
        Self {
            plan,
            limits,
            now,
            alerts: HashMap::new(),
            groups: BTreeMap::new(),
            slots: BTreeMap::new(),
            lanes: BTreeMap::new(),
            timers: BTreeSet::from([(now.plus(SWEEP_INTERVAL), Timer::Sweep)]),
            history: VecDeque::new(),
            inhibitor: None,
        }
    }

    /// Handles an event, and whatever became due meanwhile.
    pub(crate) fn on_event(&mut self, event: Event, now: UnixNanos) -> Actions {
        let mut actions = Actions::default();
        self.turn_clock(now);
        self.inhibitor = None;
        match event {
            Event::Reported(alerts) => self.receive(alerts, &mut actions),
            Event::Tick => {}
            Event::Ended { slot, verdict } => self.end(&slot, verdict, &mut actions),
            Event::Reload(plan) => self.replan(plan),
        }
        self.run_timers(&mut actions);
        self.start_deliveries(&mut actions);
        actions
    }

    /// When the next [`Event::Tick`] is due.
    #[must_use]
    pub(crate) fn next_wake(&self) -> Option<UnixNanos> {
        self.timers.first().map(|(time, _)| *time)
    }

    /// Follows the clock. When it was set back, every pending wait keeps its remaining length.
    fn turn_clock(&mut self, now: UnixNanos) {
        let back = self.now.since(now);
        if now >= self.now {
            self.now = now;
        } else if back > CLOCK_STEP_IGNORED {
            self.now = now;
            self.timers = std::mem::take(&mut self.timers)
                .into_iter()
                .map(|(at, timer)| (at.minus(back), timer))
                .collect();
            for group in self.groups.values_mut() {
                group.shift_back(back);
            }
            for slot in self.slots.values_mut() {
                slot.shift_back(back, now);
            }
        }
    }

    fn run_timers(&mut self, actions: &mut Actions) {
        while let Some((at, _)) = self.timers.first()
            && *at <= self.now
            && let Some((at, timer)) = self.timers.pop_first()
        {
            match timer {
                Timer::Flush(group) => self.flush(&group, at),
                Timer::Retry(slot) => self.retry(&slot, at),
                Timer::Sweep => {
                    self.sweep(actions);
                    self.timers
                        .insert((self.now.plus(SWEEP_INTERVAL), Timer::Sweep));
                }
            }
        }
    }

    /// The inhibitions as of now, computed at most once an event.
    fn inhibitor(&mut self) -> &Inhibitor {
        let (rules, alerts, now) = (&self.plan.inhibit_rules, &self.alerts, self.now);
        self.inhibitor.get_or_insert_with(|| {
            Inhibitor::new(
                rules,
                alerts
                    .iter()
                    .map(|(fingerprint, alert)| (*fingerprint, &**alert)),
                now,
            )
        })
    }
}

#[cfg(test)]
pub(crate) use slot::Reason;

#[cfg(test)]
mod tests;
