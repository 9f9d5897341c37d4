//! Reports come in: they are bounded, joined to what is known, and put into their groups.

use super::{Actions, Core, GroupId};
use crate::alert::{Alert, AlertState, KeptAlert};
use crate::record::Record;
use sonde_proto::Fingerprint;
use std::collections::hash_map::Entry;
use std::sync::Arc;

/// How many reported alerts were not accepted, by reason.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Refused {
    /// They have no labels, so nothing tells them apart.
    pub no_labels: u64,
    /// They are larger than `alert_bytes_max`.
    pub too_large: u64,
    /// There are `alerts_max` already; those that are known are still updated.
    pub too_many: u64,
}

impl Refused {
    /// All of them.
    #[must_use]
    pub fn total(&self) -> u64 {
        self.no_labels + self.too_large + self.too_many
    }
}

impl Core {
    pub(super) fn receive(&mut self, alerts: Vec<Alert>, actions: &mut Actions) {
        for alert in alerts {
            if alert.labels.is_empty() {
                actions.refused.no_labels += 1;
            } else if bytes(&alert) > self.limits.alert_bytes_max {
                actions.refused.too_large += 1;
            } else if let Some((fingerprint, alert)) = self.keep(alert) {
                self.join_groups(fingerprint, &alert);
                actions.records.push(Record::Alert(alert));
            } else {
                actions.refused.too_many += 1;
            }
        }
    }

    /// Joins a report to what is known. `None` when there is no room for another alert.
    fn keep(&mut self, alert: Alert) -> Option<(Fingerprint, Arc<KeptAlert>)> {
        let mut alert = KeptAlert::from_report(alert, self.now, self.plan.resolve_timeout);
        let fingerprint = alert.fingerprint();
        let has_room = self.alerts.len() < self.limits.alerts_max;
        match self.alerts.entry(fingerprint) {
            Entry::Occupied(mut known) => {
                alert = known.get().joined(alert, self.now);
                let alert = Arc::new(alert);
                known.insert(Arc::clone(&alert));
                Some((fingerprint, alert))
            }
            Entry::Vacant(place) if has_room => {
                Some((fingerprint, Arc::clone(place.insert(Arc::new(alert)))))
            }
            Entry::Vacant(_) => None,
        }
    }

    fn join_groups(&mut self, fingerprint: Fingerprint, alert: &KeptAlert) {
        let fires = alert.state_at(self.now) == AlertState::Firing;
        for route in self.plan.routes.matching(&alert.labels) {
            let id = GroupId {
                route,
                labels: self.plan.routes.0[route].group_labels(&alert.labels),
            };
            if fires || self.groups.contains_key(&id) || self.is_believed(&id, fingerprint) {
                self.join(id, fingerprint, alert);
            }
        }
    }
}

fn bytes(alert: &Alert) -> usize {
    let pairs = alert.labels.iter().chain(alert.annotations.iter());
    pairs
        .map(|(name, value)| name.len() + value.len())
        .sum::<usize>()
        + alert.generator_url.len()
}
