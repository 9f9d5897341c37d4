//! Groups: alerts of one route that share the values of its `group_by` labels.

use super::slot::SlotKey;
use super::{Actions, Core, Timer};
use crate::alert::{AlertState, KeptAlert};
use crate::route::Route;
use sonde_proto::{Fingerprint, Labels, UnixNanos};
use std::collections::BTreeSet;
use std::time::Duration;

/// Which group: the route's place in the tree, and the labels that its alerts share.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct GroupId {
    pub(super) route: usize,
    pub(super) labels: Labels,
}

/// A group. It exists while it holds an alert.
#[derive(Debug)]
pub(super) struct Group {
    pub(super) key: String,
    pub(super) alerts: BTreeSet<Fingerprint>,
    pub(super) next_flush: UnixNanos,
    pub(super) last_flush: Option<UnixNanos>,
}

impl Group {
    pub(super) fn shift_back(&mut self, by: Duration) {
        self.next_flush = self.next_flush.minus(by);
        self.last_flush = self.last_flush.map(|at| at.minus(by));
    }
}

impl Core {
    pub(super) fn route(&self, id: &GroupId) -> &Route {
        &self.plan.routes.0[id.route]
    }

    /// The slots of a group, whether or not they exist yet.
    pub(super) fn slot_keys(&self, id: &GroupId) -> Vec<SlotKey> {
        let route = self.route(id);
        let group_key = route.group_key(&id.labels);
        let key = |outlet: &super::Outlet| SlotKey {
            receiver: route.receiver.clone(),
            integration: outlet.integration.clone(),
            group_key: group_key.clone(),
        };
        self.plan.outlets(&route.receiver).iter().map(key).collect()
    }

    /// Whether any receiver of a group may believe that an alert fires.
    pub(super) fn is_believed(&self, id: &GroupId, alert: Fingerprint) -> bool {
        self.is_believed_by(&self.slot_keys(id), alert)
    }

    fn is_believed_by(&self, keys: &[SlotKey], alert: Fingerprint) -> bool {
        keys.iter()
            .filter_map(|key| self.slots.get(key))
            .any(|slot| slot.state.believes_firing(alert))
    }

    /// Puts an alert into a group, which begins to wait if it is new. An alert that has fired
    /// for `group_wait` already makes a group that was never flushed due at once.
    pub(super) fn join(&mut self, id: GroupId, fingerprint: Fingerprint, alert: &KeptAlert) {
        let (now, route) = (self.now, self.route(&id));
        let (key, group_wait) = (route.group_key(&id.labels), route.group_wait);
        let has_waited = alert.starts_at.plus(group_wait) < now;
        let timers = &mut self.timers;
        let group = self.groups.entry(id.clone()).or_insert_with(|| {
            let next_flush = now.plus(group_wait);
            timers.insert((next_flush, Timer::Flush(id.clone())));
            Group {
                key,
                alerts: BTreeSet::new(),
                next_flush,
                last_flush: None,
            }
        });
        group.alerts.insert(fingerprint);
        if has_waited && group.last_flush.is_none() && group.next_flush > now {
            timers.remove(&(group.next_flush, Timer::Flush(id.clone())));
            group.next_flush = now;
            timers.insert((now, Timer::Flush(id)));
        }
    }

    /// A group's time has come: its slots become due.
    pub(super) fn flush(&mut self, id: &GroupId, at: UnixNanos) {
        let group_interval = self.route(id).group_interval;
        let now = self.now;
        let Some(group) = self
            .groups
            .get_mut(id)
            .filter(|group| group.next_flush == at)
        else {
            return;
        };
        group.last_flush = Some(now);
        group.next_flush = now.plus(group_interval);
        self.timers
            .insert((group.next_flush, Timer::Flush(id.clone())));
        for key in self.slot_keys(id) {
            self.make_due(key, id);
        }
        self.settle(id);
    }

    /// Lets go of alerts that ended before the last flush and that no receiver believes to be
    /// firing, and of the group when it is empty.
    pub(super) fn settle(&mut self, id: &GroupId) {
        let keys = self.slot_keys(id);
        let is_quiet = keys
            .iter()
            .filter_map(|key| self.slots.get(key))
            .all(super::deliver::Slot::is_quiet);
        let Some((group, flushed)) = self
            .groups
            .get(id)
            .and_then(|group| Some((group, group.last_flush?)))
        else {
            return;
        };
        if !is_quiet {
            return;
        }
        let is_over = |alert: &&Fingerprint| match self.alerts.get(alert) {
            Some(kept) => {
                kept.ends_at <= flushed
                    && kept.updated_at <= flushed
                    && !self.is_believed_by(&keys, **alert)
            }
            None => true,
        };
        let over: Vec<Fingerprint> = group.alerts.iter().filter(is_over).copied().collect();
        self.leave(id, &over);
    }

    fn leave(&mut self, id: &GroupId, over: &[Fingerprint]) {
        let Some(group) = self.groups.get_mut(id) else {
            return;
        };
        for alert in over {
            group.alerts.remove(alert);
        }
        if group.alerts.is_empty() {
            self.timers
                .remove(&(group.next_flush, Timer::Flush(id.clone())));
            self.groups.remove(id);
        }
    }

    /// Clears away what is over: alerts nobody waits for, and slots without a group.
    pub(super) fn sweep(&mut self, actions: &mut Actions) {
        self.give_up(actions);
        let in_groups: BTreeSet<Fingerprint> = self
            .groups
            .values()
            .flat_map(|group| &group.alerts)
            .copied()
            .collect();
        let (now, limits) = (self.now, self.limits);
        self.alerts.retain(|fingerprint, alert| {
            in_groups.contains(fingerprint)
                || alert.state_at(now) == AlertState::Firing
                || now.since(alert.ends_at) < limits.resolved_retention
        });
        let group_keys: BTreeSet<&str> = self
            .groups
            .values()
            .map(|group| group.key.as_str())
            .collect();
        self.slots.retain(|key, slot| {
            group_keys.contains(key.group_key.as_str())
                || !slot.is_idle()
                || slot.is_remembered(now, limits.undeliverable_max)
        });
    }

    /// Gives up on ended alerts that could not be told for too long.
    fn give_up(&mut self, actions: &mut Actions) {
        let limit = self.limits.undeliverable_max;
        for id in self.groups.keys().cloned().collect::<Vec<_>>() {
            let is_hopeless = |alert: &&Fingerprint| {
                self.alerts
                    .get(alert)
                    .is_none_or(|kept| self.now.since(kept.ends_at) > limit)
            };
            let hopeless: Vec<Fingerprint> = self
                .groups
                .get(&id)
                .map(|group| group.alerts.iter().filter(is_hopeless).copied().collect())
                .unwrap_or_default();
            for key in self.slot_keys(&id) {
                if let Some(slot) = self.slots.get_mut(&key) {
                    actions.given_up += slot.give_up(&hopeless);
                }
            }
            self.leave(&id, &hopeless);
        }
    }
}
