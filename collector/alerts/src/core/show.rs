//! What people may look at.

use super::Core;
use crate::alert::{AlertState, AlertStatus, KeptAlert};
use crate::inhibit::Inhibitor;
use crate::record::Notification;
use serde::Serialize;
use sonde_proto::{Fingerprint, Labels, UnixNanos};

/// A group as it is shown.
#[derive(Clone, Debug, Serialize)]
pub struct GroupStatus {
    /// Its name, as notifications write it.
    pub key: String,
    /// Who is told.
    pub receiver: String,
    /// The labels that its alerts share by definition.
    pub labels: Labels,
    /// When its receivers are told of changes next.
    pub next_flush: UnixNanos,
    /// Its alerts.
    pub alerts: Vec<AlertStatus>,
}

impl Core {
    /// Every alert that fires or ended recently, by start, the newest first.
    #[must_use]
    pub(crate) fn list(&self, now: UnixNanos) -> Vec<AlertStatus> {
        let inhibitor = self.inhibitor_at(now);
        let mut all: Vec<AlertStatus> = self
            .alerts
            .iter()
            .map(|(fingerprint, alert)| self.status(*fingerprint, alert, &inhibitor, now))
            .collect();
        all.sort_by(|a, b| {
            b.starts_at
                .cmp(&a.starts_at)
                .then_with(|| a.labels.cmp(&b.labels))
        });
        all
    }

    /// Every group, in the order of the routes.
    #[must_use]
    pub(crate) fn groups(&self, now: UnixNanos) -> Vec<GroupStatus> {
        let inhibitor = self.inhibitor_at(now);
        let status = |alert: &Fingerprint| {
            Some(self.status(*alert, self.alerts.get(alert)?, &inhibitor, now))
        };
        let show = |(id, group): (&super::GroupId, &super::Group)| GroupStatus {
            key: group.key.clone(),
            receiver: self.route(id).receiver.clone(),
            labels: id.labels.clone(),
            next_flush: group.next_flush,
            alerts: group.alerts.iter().filter_map(status).collect(),
        };
        self.groups.iter().map(show).collect()
    }

    /// The newest notifications, the newest first.
    #[must_use]
    pub(crate) fn notifications(&self, limit: usize) -> Vec<Notification> {
        self.history.iter().rev().take(limit).cloned().collect()
    }

    /// How many alerts fire.
    #[must_use]
    pub(crate) fn firing(&self, now: UnixNanos) -> usize {
        self.alerts
            .values()
            .filter(|alert| alert.state_at(now) == AlertState::Firing)
            .count()
    }

    fn inhibitor_at(&self, now: UnixNanos) -> Inhibitor {
        let alerts = self
            .alerts
            .iter()
            .map(|(fingerprint, alert)| (*fingerprint, &**alert));
        Inhibitor::new(&self.plan.inhibit_rules, alerts, now)
    }

    fn status(
        &self,
        fingerprint: Fingerprint,
        alert: &KeptAlert,
        inhibitor: &Inhibitor,
        now: UnixNanos,
    ) -> AlertStatus {
        let state = alert.state_at(now);
        let inhibited_by = match state {
            AlertState::Firing => inhibitor.inhibitors_of(&self.plan.inhibit_rules, &alert.labels),
            AlertState::Resolved => Vec::new(),
        };
        let mut receivers = Vec::new();
        for route in self.plan.routes.matching(&alert.labels) {
            let receiver = &self.plan.routes.0[route].receiver;
            if !receivers.contains(receiver) {
                receivers.push(receiver.clone());
            }
        }
        AlertStatus {
            fingerprint,
            labels: alert.labels.clone(),
            annotations: alert.annotations.clone(),
            starts_at: alert.starts_at,
            ends_at: (state == AlertState::Resolved).then_some(alert.ends_at),
            updated_at: alert.updated_at,
            state,
            suppressed: !inhibited_by.is_empty(),
            inhibited_by,
            generator_url: alert.generator_url.clone(),
            receivers,
        }
    }
}
