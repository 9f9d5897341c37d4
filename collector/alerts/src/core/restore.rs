//! The core after a restart or with a new plan: groups are built anew from the alerts, and
//! continue to wait as they did.

use super::deliver::Slot;
use super::group::{Group, GroupId};
use super::{Core, CoreLimits, Plan, Timer};
use crate::alert::AlertState;
use crate::record::Record;
use sonde_proto::{Fingerprint, UnixNanos};
use std::collections::BTreeMap;
use std::sync::Arc;

/// When groups of a receiver were and are to be flushed, by receiver and group key.
type Schedule = BTreeMap<(String, String), (UnixNanos, Option<UnixNanos>)>;

impl Core {
    /// The core as its records describe it.
    #[must_use]
    pub(crate) fn restore(
        plan: Arc<Plan>,
        limits: CoreLimits,
        records: Vec<Record>,
        now: UnixNanos,
    ) -> Self {
        let mut core = Self::new(plan, limits, now);
        for record in records {
            core.recall(record);
        }
        for slot in core.slots.values_mut() {
            slot.shift_back(std::time::Duration::ZERO, now);
        }
        core.hold_lapsed();
        core.regroup(&Schedule::new());
        core
    }

    /// While nobody ran, nobody could be told that an alert still fires. One that a receiver
    /// believes to be firing, and that only lapsed, gets the time to be reported again; an
    /// end that was reported stands.
    fn hold_lapsed(&mut self) {
        let until = self.now.plus(self.plan.resolve_timeout);
        for (fingerprint, alert) in &mut self.alerts {
            let lapses = alert.ends_at > alert.updated_at && alert.ends_at < until;
            let believed = |slot: &Slot| slot.state.believes_firing(*fingerprint);
            if lapses && self.slots.values().any(believed) {
                let held = Arc::make_mut(alert);
                held.ends_at = until;
                held.ends_by_timeout = true;
            }
        }
    }

    fn recall(&mut self, record: Record) {
        match record {
            Record::Alert(alert) => {
                self.alerts.insert(alert.fingerprint(), alert);
            }
            Record::Slot { key, state } => {
                self.slots.insert(key, Slot::restored(state));
            }
            Record::Notification(notification) => {
                self.history.retain(|earlier| earlier.id != notification.id);
                self.remember(notification);
            }
        }
    }

    /// Everything that the log must hold: it begins anew with these records.
    #[must_use]
    pub(crate) fn snapshot(&self) -> Vec<Record> {
        let mut alerts: Vec<_> = self.alerts.iter().collect();
        alerts.sort_unstable_by_key(|(fingerprint, _)| **fingerprint);
        let alerts = alerts
            .into_iter()
            .map(|(_, alert)| Record::Alert(Arc::clone(alert)));
        let slots = self.slots.iter().map(|(key, slot)| Record::Slot {
            key: key.clone(),
            state: slot.state.clone(),
        });
        let history = self.history.iter().cloned().map(Record::Notification);
        alerts.chain(slots).chain(history).collect()
    }

    /// Follows a new plan. Waits go on; what failed is tried again at once.
    pub(super) fn replan(&mut self, plan: Arc<Plan>) {
        let waits = |(id, group): (&GroupId, &Group)| {
            let receiver = self.route(id).receiver.clone();
            (
                (receiver, group.key.clone()),
                (group.next_flush, group.last_flush),
            )
        };
        let schedule: Schedule = self.groups.iter().map(waits).collect();
        self.plan = plan;
        self.timers.retain(|(_, timer)| *timer == Timer::Sweep);
        self.groups.clear();
        self.unhook_slots();
        self.regroup(&schedule);
    }

    fn regroup(&mut self, schedule: &Schedule) {
        let mut created: BTreeMap<GroupId, UnixNanos> = BTreeMap::new();
        let alerts: Vec<(Fingerprint, _)> = self
            .alerts
            .iter()
            .map(|(f, alert)| (*f, Arc::clone(alert)))
            .collect();
        for (fingerprint, alert) in alerts {
            for route in self.plan.routes.matching(&alert.labels) {
                let id = GroupId {
                    route,
                    labels: self.plan.routes.0[route].group_labels(&alert.labels),
                };
                if alert.state_at(self.now) == AlertState::Firing
                    || self.is_believed(&id, fingerprint)
                {
                    let first = created.entry(id.clone()).or_insert(alert.received_at);
                    *first = (*first).min(alert.received_at);
                    let key = self.route(&id).group_key(&id.labels);
                    let empty = || Group {
                        key,
                        alerts: [].into(),
                        next_flush: self.now,
                        last_flush: None,
                    };
                    self.groups
                        .entry(id)
                        .or_insert_with(empty)
                        .alerts
                        .insert(fingerprint);
                }
            }
        }
        for (id, created) in created {
            self.schedule(id, created, schedule);
        }
    }

    /// Sets when a group that was built anew is flushed.
    fn schedule(&mut self, id: GroupId, created: UnixNanos, schedule: &Schedule) {
        let route = self.route(&id);
        let (now, group_wait, group_interval) = (self.now, route.group_wait, route.group_interval);
        let known = schedule
            .get(&(route.receiver.clone(), route.group_key(&id.labels)))
            .copied();
        let slots: Vec<&Slot> = self
            .slot_keys(&id)
            .iter()
            .filter_map(|key| self.slots.get(key))
            .collect();
        let told = slots
            .iter()
            .filter_map(|slot| slot.state.told.as_ref())
            .map(|told| told.at)
            .max();
        let is_due = slots.iter().any(|slot| slot.is_owed_a_flush());
        let (next_flush, last_flush) = match (known, told) {
            _ if is_due => (now, told),
            (Some((next, last)), _) => (next.max(now), last),
            (None, Some(told)) => (
                told.plus(group_interval)
                    .clamp(now, now.plus(group_interval)),
                Some(told),
            ),
            (None, None) => (
                created.plus(group_wait).clamp(now, now.plus(group_wait)),
                None,
            ),
        };
        for key in self.slot_keys(&id) {
            if let Some(slot) = self.slots.get_mut(&key) {
                slot.hook(&id);
            }
        }
        if let Some(group) = self.groups.get_mut(&id) {
            (group.next_flush, group.last_flush) = (next_flush, last_flush);
            self.timers.insert((next_flush, Timer::Flush(id)));
        }
    }
}
