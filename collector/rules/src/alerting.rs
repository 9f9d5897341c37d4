//! An alerting rule: an alert for each element of the answer to its expression.

use crate::alert::{Alert, Finding, Phase, Waits};
use crate::file::AlertingSpec;
use crate::group::Turn;
use crate::query::{Query, RuleSample, Sample};
use crate::series::{self, NAME};
use crate::template::{Expansion, link};
use sonde_proto::{Labels, SampleValue, UnixNanos};
use std::collections::{BTreeMap, BTreeSet};

const ALERT_NAME: &str = "alertname";

/// An alert to be told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AlertUpdate {
    /// What identifies it.
    pub labels: Labels,
    /// What explains it.
    pub annotations: Labels,
    /// When it began to fire.
    pub starts_at: UnixNanos,
    /// When it ended. While it fires, a time in the future: unless the alert is told again
    /// by then, nobody evaluates its rule any more.
    pub ends_at: Option<UnixNanos>,
    /// Where its expression can be seen.
    pub generator_url: String,
}

/// An alerting rule and its alerts.
#[derive(Debug)]
pub(crate) struct Alerting {
    pub(crate) spec: AlertingSpec,
    /// By labels.
    pub(crate) alerts: BTreeMap<Labels, Alert>,
}

impl Alerting {
    pub(crate) fn new(spec: AlertingSpec) -> Self {
        Self {
            spec,
            alerts: BTreeMap::new(),
        }
    }

    /// Moves every alert on by one evaluation. When that fails, all stay as they were.
    pub(crate) fn evaluate(
        &mut self,
        turn: &Turn<'_>,
        query: &dyn Query,
    ) -> Result<Vec<RuleSample>, String> {
        let answer = query.instant(&self.spec.expr, turn.sampled_at)?;
        turn.check_alerts_max(answer.len())?;
        let found = self.found(&answer, turn, query)?;
        let active = self.active_after(&found, turn.at);
        turn.check_alerts_max(active)?;
        turn.check_limit(active, "alerts")?;

        let before = self.all_series();
        self.step(found, turn);
        let mut samples = self.samples(turn.sampled_at);
        let now = series::of(&samples);
        samples.extend(series::ended(&before, &now, turn.sampled_at));
        Ok(samples)
    }

    /// The alerts to tell. What fires is valid from when it is told, which after slow
    /// queries is long after the time that was evaluated.
    pub(crate) fn updates(&mut self, turn: &Turn<'_>, told_at: UnixNanos) -> Vec<AlertUpdate> {
        let delay = turn.config.resend_delay;
        let valid_until = told_at.plus(turn.interval.max(delay).saturating_mul(4));
        let url = format!("{}{}", turn.config.external_url, link(&self.spec.expr, "1"));
        let mut updates = Vec::new();
        for (labels, alert) in &mut self.alerts {
            if !alert.is_due(delay, turn.at) {
                continue;
            }
            let (starts_at, ends_at) = match alert.phase {
                Phase::Pending => continue,
                Phase::Firing { fired_at, .. } => (fired_at, valid_until),
                Phase::Resolved {
                    fired_at,
                    resolved_at,
                } => (fired_at, resolved_at),
            };
            alert.last_sent = Some(turn.at);
            updates.push(AlertUpdate {
                labels: labels.clone(),
                annotations: alert.finding.annotations.clone(),
                starts_at,
                ends_at: Some(ends_at),
                generator_url: url.clone(),
            });
        }
        updates
    }

    /// The alerts that are pending or firing.
    pub(crate) fn active(&self) -> impl Iterator<Item = (&Labels, &Alert)> {
        self.alerts.iter().filter(|(_, alert)| !alert.is_resolved())
    }

    /// The labels of an active alert's `ALERTS` and `ALERTS_FOR_STATE`.
    pub(crate) fn series(labels: &Labels, alert: &Alert) -> [Labels; 2] {
        let mut state = labels.to_builder();
        state
            .set(NAME, "ALERTS")
            .set("alertstate", name(alert.phase));
        let mut since = labels.to_builder();
        since.set(NAME, "ALERTS_FOR_STATE");
        [state.build(), since.build()]
    }

    /// The series of every active alert.
    pub(crate) fn all_series(&self) -> BTreeSet<Labels> {
        self.active()
            .flat_map(|(labels, alert)| Self::series(labels, alert))
            .collect()
    }

    /// `ALERTS` is 1, `ALERTS_FOR_STATE` is since when the condition has held.
    fn samples(&self, time: UnixNanos) -> Vec<RuleSample> {
        let samples = self.active().flat_map(|(labels, alert)| {
            let [state, since] = Self::series(labels, alert);
            let active_at = (alert.active_at.0 / 1_000_000_000) as f64;
            [(state, 1.0), (since, active_at)].map(|(labels, value)| RuleSample {
                labels,
                time,
                value: SampleValue::Float(value),
            })
        });
        samples.collect()
    }

    /// What the answer says, by the labels of the alerts it is about.
    fn found(
        &self,
        answer: &[Sample],
        turn: &Turn<'_>,
        query: &dyn Query,
    ) -> Result<BTreeMap<Labels, Finding>, String> {
        let expansion = Expansion::new(turn, query);
        let mut found = BTreeMap::new();
        for sample in answer {
            let scope = expansion.scope(sample);
            let mut labels = sample.labels.to_builder();
            labels.remove(NAME);
            for (name, text) in &self.spec.labels {
                labels.set(name, &expansion.expand(text, &scope));
            }
            labels.set(ALERT_NAME, &self.spec.alert);
            let annotations = self.spec.annotations.iter();
            let finding = Finding {
                annotations: annotations
                    .map(|(name, text)| (name, expansion.expand(text, &scope)))
                    .collect(),
                value: sample.number(),
            };
            let labels = labels.build();
            if found.contains_key(&labels) {
                return Err(format!(
                    "two results are the same alert {labels}; aggregate the expression or keep the labels that differ"
                ));
            }
            found.insert(labels, finding);
        }
        Ok(found)
    }

    fn waits(&self) -> Waits {
        Waits {
            hold: self.spec.hold,
            keep_firing: self.spec.keep_firing_for,
        }
    }

    /// How many alerts will be pending or firing, but for those that only a downtime keeps:
    /// they were counted before it, and must not make a new one fail.
    fn active_after(&self, found: &BTreeMap<Labels, Finding>, now: UnixNanos) -> usize {
        let waits = self.waits();
        let kept = |(labels, alert): &(&Labels, &Alert)| {
            !found.contains_key(*labels) && alert.outlives_its_condition(&waits, now)
        };
        found.len() + self.alerts.iter().filter(kept).count()
    }

    fn step(&mut self, mut found: BTreeMap<Labels, Finding>, turn: &Turn<'_>) {
        let (waits, now) = (self.waits(), turn.at);
        self.alerts
            .retain(|labels, alert| match found.remove(labels) {
                Some(finding) => {
                    alert.hold(finding, &waits, now);
                    true
                }
                None => alert.release(&waits, turn.down_since, now),
            });
        for (labels, finding) in found {
            let mut alert = Alert::new(finding.clone(), now);
            alert.hold(finding, &waits, now);
            self.alerts.insert(labels, alert);
        }
        self.forget_oldest(turn.config.alerts_max);
    }

    /// Alerts that come and go quickly must not pile up as resolved ones.
    fn forget_oldest(&mut self, resolved_max: usize) {
        let resolved = self
            .alerts
            .iter()
            .filter_map(|(labels, alert)| match alert.phase {
                Phase::Resolved { resolved_at, .. } => Some((resolved_at, labels.clone())),
                Phase::Pending | Phase::Firing { .. } => None,
            });
        let mut resolved: Vec<_> = resolved.collect();
        let excess = resolved.len().saturating_sub(resolved_max);
        if excess > 0 {
            resolved.sort_unstable();
            for (_, labels) in &resolved[..excess] {
                self.alerts.remove(labels);
            }
        }
    }
}

/// The word for a phase in labels and in the API.
pub(crate) fn name(phase: Phase) -> &'static str {
    match phase {
        Phase::Pending => "pending",
        Phase::Firing { .. } => "firing",
        Phase::Resolved { .. } => "inactive",
    }
}

#[cfg(test)]
mod tests;
