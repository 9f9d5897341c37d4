//! Due slots become deliveries, and the ends of deliveries become knowledge.

use super::slot::{Decision, Reason, SlotKey, SlotState, View, Wishes};
use super::{Actions, Core, GroupId, Outlet, Timer};
use crate::alert::{AlertState, KeptAlert, listing_order};
use crate::record::{Notification, Outcome, Record};
use sha2::{Digest, Sha256};
use sonde_proto::{Fingerprint, Labels, UnixNanos};
use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

/// A message to be sent.
#[derive(Clone, Debug)]
pub(crate) struct Delivery {
    /// For whom and about what.
    pub slot: SlotKey,
    /// The same for every attempt to send the same content, also after a crash.
    pub id: String,
    /// The labels that the alerts share by definition.
    pub group_labels: Labels,
    /// The alerts, in the order in which they are listed, each with its state now.
    pub alerts: Vec<(Arc<KeptAlert>, AlertState)>,
    /// Whether any of them fires.
    pub status: AlertState,
    /// Why it is sent.
    pub reason: Reason,
    /// The time it speaks of.
    pub at: UnixNanos,
    /// Which attempt this is, from 1.
    pub attempt: u32,
}

/// How a delivery ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// The receiver confirmed it.
    Sent,
    /// It may work later.
    Retry {
        /// What went wrong.
        error: String,
        /// How long the receiver asked to be left alone.
        after: Option<Duration>,
    },
    /// It will not work until something changes; the group's next flush tries again.
    Rejected {
        /// What went wrong.
        error: String,
    },
}

/// A slot with what is under way.
#[derive(Debug, Default)]
pub(super) struct Slot {
    pub(super) state: SlotState,
    pub(super) failures: u32,
    group: Option<GroupId>,
    live: Live,
    again: bool,
}

#[derive(Debug, Default)]
enum Live {
    #[default]
    Idle,
    Queued,
    Waiting(UnixNanos),
    UnderWay(Box<UnderWay>),
}

#[derive(Debug)]
struct UnderWay {
    view: View,
    at: UnixNanos,
    notification: Notification,
}

/// One integration: receiver and its name there.
pub(super) type LaneKey = (String, String);

/// What waits for one integration, and how much is under way: a slow one delays no other.
#[derive(Debug, Default)]
pub(super) struct Lane {
    queue: VecDeque<SlotKey>,
    under_way: usize,
}

const PAUSE_MIN: Duration = Duration::from_millis(500);
const PAUSE_MAX: Duration = Duration::from_secs(60);

/// How long to pause after a failure: doubling up to a minute, between half and all of it. The
/// fraction comes from the delivery's identity, so receivers' retries spread and tests repeat.
fn pause(id: &str, failures: u32) -> Duration {
    let full = PAUSE_MIN
        .saturating_mul(1 << failures.saturating_sub(1).min(10))
        .min(PAUSE_MAX);
    let seed = [("id", id), ("failures", &failures.to_string())]
        .into_iter()
        .collect::<Labels>()
        .fingerprint()
        .0;
    let thousandths = u32::try_from(seed % 501).unwrap_or(0);
    full / 2 + full * thousandths / 1000
}

impl Slot {
    /// A slot known from before a restart.
    pub(super) fn restored(state: SlotState) -> Self {
        Self {
            again: state.intent.is_some(),
            state,
            ..Self::default()
        }
    }

    pub(super) fn is_idle(&self) -> bool {
        matches!(self.live, Live::Idle)
    }

    /// Whether nothing is under way, waiting or failed.
    pub(super) fn is_quiet(&self) -> bool {
        self.is_idle() && self.failures == 0
    }

    pub(super) fn is_remembered(&self, now: UnixNanos, limit: Duration) -> bool {
        let believes = |told: &super::Told| !told.firing.is_empty() && now.since(told.at) < limit;
        !self.state.owed.is_empty() || self.state.told.as_ref().is_some_and(believes)
    }

    pub(super) fn give_up(&mut self, alerts: &[Fingerprint]) -> u64 {
        let before = self.state.owed.len();
        self.state.owed.retain(|alert| !alerts.contains(alert));
        (before - self.state.owed.len()) as u64
    }

    pub(super) fn shift_back(&mut self, by: Duration, now: UnixNanos) {
        if let Live::Waiting(at) = &mut self.live {
            *at = at.minus(by);
        }
        if let Some(told) = &mut self.state.told {
            told.at = told.at.min(now);
        }
    }

    /// Before the groups are built anew: what waited becomes due again with its group.
    pub(super) fn unhook(&mut self) {
        self.group = None;
        let waits = matches!(self.live, Live::Queued | Live::Waiting(_)) || self.failures > 0;
        if !matches!(self.live, Live::UnderWay(_)) {
            self.again |= waits;
            self.failures = 0;
            self.live = Live::Idle;
        }
    }

    /// Its group was built anew.
    pub(super) fn hook(&mut self, id: &GroupId) {
        self.group = Some(id.clone());
    }

    /// Whether it waits for its group to be built anew.
    pub(super) fn is_owed_a_flush(&self) -> bool {
        self.is_idle() && self.again
    }
}

impl Core {
    /// A slot's group was flushed.
    pub(super) fn make_due(&mut self, key: SlotKey, id: &GroupId) {
        let slot = self.slots.entry(key.clone()).or_default();
        slot.group = Some(id.clone());
        match slot.live {
            Live::Idle => self.enqueue(key),
            Live::UnderWay(_) => slot.again = true,
            Live::Queued | Live::Waiting(_) => {}
        }
    }

    fn enqueue(&mut self, key: SlotKey) {
        if let Some(slot) = self.slots.get_mut(&key) {
            slot.live = Live::Queued;
            slot.again = false;
            let lane = self
                .lanes
                .entry((key.receiver.clone(), key.integration.clone()))
                .or_default();
            lane.queue.push_back(key);
        }
    }

    /// A pause is over.
    pub(super) fn retry(&mut self, key: &SlotKey, at: UnixNanos) {
        let waits = |slot: &Slot| matches!(slot.live, Live::Waiting(until) if until == at);
        if self.slots.get(key).is_some_and(waits) {
            self.enqueue(key.clone());
        }
    }

    /// Forgets what was queued and who paused, before the groups are built anew.
    pub(super) fn unhook_slots(&mut self) {
        self.slots.values_mut().for_each(Slot::unhook);
        self.lanes.values_mut().for_each(|lane| lane.queue.clear());
        self.lanes.retain(|_, lane| lane.under_way > 0);
    }

    /// Starts as many queued slots as each integration takes at once.
    pub(super) fn start_deliveries(&mut self, actions: &mut Actions) {
        for lane in self.lanes.keys().cloned().collect::<Vec<_>>() {
            while let Some(key) = self.next_queued(&lane) {
                self.start(&key, actions);
            }
        }
    }

    fn next_queued(&mut self, lane: &LaneKey) -> Option<SlotKey> {
        let at_once = self.limits.deliveries_at_once.max(1);
        let lane = self
            .lanes
            .get_mut(lane)
            .filter(|lane| lane.under_way < at_once)?;
        lane.queue.pop_front()
    }

    fn start(&mut self, key: &SlotKey, actions: &mut Actions) {
        let Some(slot) = self.slots.get_mut(key) else {
            return;
        };
        slot.live = Live::Idle;
        let Some(id) = slot.group.clone().filter(|id| self.groups.contains_key(id)) else {
            return;
        };
        if self.route(&id).is_muted(self.now) {
            return self.settle(&id);
        }
        let Some(wishes) = self.wishes(key, &id) else {
            return;
        };
        let view = self.view(key, &id);
        let Some(slot) = self.slots.get_mut(key) else {
            return;
        };
        match slot.state.decide(&view, wishes, self.now) {
            Decision::Tell(reason) => self.tell(key, &id, view, wishes, reason, actions),
            decision @ (Decision::Nothing | Decision::Forget) => {
                slot.failures = 0;
                if decision == Decision::Forget || slot.state.intent.take().is_some() {
                    slot.state.forget(&view);
                    actions.records.push(Record::Slot {
                        key: key.clone(),
                        state: slot.state.clone(),
                    });
                }
                self.settle(&id);
            }
        }
    }

    fn wishes(&self, key: &SlotKey, id: &GroupId) -> Option<Wishes> {
        let repeat_interval = self.route(id).repeat_interval;
        let is_ours = |outlet: &&Outlet| outlet.integration == key.integration;
        let outlet = self.plan.outlets(&key.receiver).iter().find(is_ours)?;
        Some(Wishes {
            send_resolved: outlet.send_resolved,
            repeat_interval,
        })
    }

    /// What a slot's receiver would be told of a group now. The end of an alert that the
    /// receiver knows is told although the alert is inhibited.
    fn view(&mut self, key: &SlotKey, id: &GroupId) -> View {
        self.inhibitor();
        let mut view = View::default();
        let (Some(group), Some(slot), Some(inhibitor)) =
            (self.groups.get(id), self.slots.get(key), &self.inhibitor)
        else {
            return view;
        };
        for (fingerprint, alert) in group
            .alerts
            .iter()
            .filter_map(|f| Some((*f, self.alerts.get(f)?)))
        {
            let is_muted = !inhibitor
                .inhibitors_of(&self.plan.inhibit_rules, &alert.labels)
                .is_empty();
            match alert.state_at(self.now) {
                AlertState::Firing if is_muted => view.muted.insert(fingerprint),
                AlertState::Firing => view.firing.insert(fingerprint),
                AlertState::Resolved if is_muted && !slot.state.believes_firing(fingerprint) => {
                    false
                }
                AlertState::Resolved => view.resolved.insert(fingerprint),
            };
        }
        view
    }

    fn tell(
        &mut self,
        key: &SlotKey,
        id: &GroupId,
        view: View,
        wishes: Wishes,
        reason: Reason,
        actions: &mut Actions,
    ) {
        let Some(slot) = self.slots.get_mut(key) else {
            return;
        };
        let resolved = slot.state.mentioned_resolved(&view, wishes);
        let alerts = listed(&self.alerts, &view, &resolved);
        let status = if view.firing.is_empty() {
            AlertState::Resolved
        } else {
            AlertState::Firing
        };
        let sequence = slot.state.told.as_ref().map_or(0, |told| told.sequence);
        let delivery = Delivery {
            slot: key.clone(),
            id: identity(key, sequence, &alerts),
            group_labels: id.labels.clone(),
            alerts,
            status,
            reason,
            at: self.now,
            attempt: slot.failures + 1,
        };
        slot.state.intend(&delivery.id, &view, &resolved);
        slot.again = false;
        let notification = notification(&delivery);
        slot.live = Live::UnderWay(Box::new(UnderWay {
            view,
            at: self.now,
            notification,
        }));
        actions.records.push(Record::Slot {
            key: key.clone(),
            state: slot.state.clone(),
        });
        actions.deliveries.push(delivery);
        self.lanes
            .entry((key.receiver.clone(), key.integration.clone()))
            .or_default()
            .under_way += 1;
    }

    /// A delivery ended.
    pub(super) fn end(&mut self, key: &SlotKey, verdict: Verdict, actions: &mut Actions) {
        let Some(slot) = self.slots.get_mut(key) else {
            return;
        };
        let Live::UnderWay(under_way) = std::mem::take(&mut slot.live) else {
            return;
        };
        let UnderWay {
            view,
            at,
            mut notification,
        } = *under_way;
        if let Some(lane) = self
            .lanes
            .get_mut(&(key.receiver.clone(), key.integration.clone()))
        {
            lane.under_way = lane.under_way.saturating_sub(1);
        }
        notification.time = self.now;
        match verdict {
            Verdict::Sent => {
                slot.state.confirm(&view, at);
                slot.failures = 0;
                notification.outcome = Outcome::Sent;
                actions.records.push(Record::Slot {
                    key: key.clone(),
                    state: slot.state.clone(),
                });
            }
            Verdict::Retry { error, after } => {
                slot.failures += 1;
                notification.error = Some(error);
                let asked = after.unwrap_or_default().min(self.limits.retry_after_max);
                let until = self
                    .now
                    .plus(pause(&notification.id, slot.failures).max(asked));
                if slot.group.is_some() {
                    slot.live = Live::Waiting(until);
                    self.timers.insert((until, Timer::Retry(key.clone())));
                }
            }
            Verdict::Rejected { error } => {
                slot.failures += 1;
                notification.error = Some(error);
            }
        }
        let (again, group) = (
            std::mem::take(&mut slot.again) && slot.is_idle(),
            slot.group.clone(),
        );
        self.note(notification, actions);
        if again && group.is_some() {
            self.enqueue(key.clone());
        } else if let Some(id) = group.filter(|id| self.groups.contains_key(id)) {
            self.settle(&id);
        }
    }

    /// Remembers a notification, in the place of its earlier attempts.
    fn note(&mut self, mut notification: Notification, actions: &mut Actions) {
        if let Some(at) = self
            .history
            .iter()
            .rposition(|earlier| earlier.id == notification.id)
        {
            notification.attempts += self
                .history
                .remove(at)
                .map_or(0, |earlier| earlier.attempts);
        }
        actions
            .records
            .push(Record::Notification(notification.clone()));
        self.remember(notification);
    }

    /// Adds a notification to the bounded history.
    pub(super) fn remember(&mut self, notification: Notification) {
        self.history.push_back(notification);
        while self.history.len() > self.limits.history_max {
            self.history.pop_front();
        }
    }
}

fn listed(
    known: &std::collections::HashMap<Fingerprint, Arc<KeptAlert>>,
    view: &View,
    resolved: &std::collections::BTreeSet<Fingerprint>,
) -> Vec<(Arc<KeptAlert>, AlertState)> {
    let with_state =
        |state: AlertState| move |alert: &Fingerprint| Some((Arc::clone(known.get(alert)?), state));
    let firing = view
        .firing
        .iter()
        .filter_map(with_state(AlertState::Firing));
    let mut alerts: Vec<_> = firing
        .chain(resolved.iter().filter_map(with_state(AlertState::Resolved)))
        .collect();
    alerts.sort_by(|(a, _), (b, _)| listing_order(a, b));
    alerts
}

fn notification(delivery: &Delivery) -> Notification {
    Notification {
        id: delivery.id.clone(),
        time: delivery.at,
        receiver: delivery.slot.receiver.clone(),
        integration: delivery.slot.integration.clone(),
        group_key: delivery.slot.group_key.clone(),
        group_labels: delivery.group_labels.clone(),
        alerts: delivery
            .alerts
            .iter()
            .map(|(alert, _)| alert.fingerprint())
            .collect(),
        status: delivery.status,
        outcome: Outcome::Failed,
        error: None,
        attempts: 1,
    }
}

/// The hash of what is told to whom: 64 hex digits.
fn identity(key: &SlotKey, sequence: u64, alerts: &[(Arc<KeptAlert>, AlertState)]) -> String {
    let mut hash = Sha256::new();
    for part in [&key.receiver, &key.integration, &key.group_key] {
        hash.update((part.len() as u64).to_le_bytes());
        hash.update(part.as_bytes());
    }
    hash.update(sequence.to_le_bytes());
    for (alert, state) in alerts {
        hash.update(alert.fingerprint().0.to_le_bytes());
        hash.update(alert.starts_at.0.to_le_bytes());
        hash.update(state.as_str());
    }
    hex(&hash.finalize())
}

/// Lower-case hex digits.
pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
