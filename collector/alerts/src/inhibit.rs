//! Inhibition: an alert is not told while a greater one explains it.
//!
//! A rule mutes its targets while a source fires that has the same values of the labels under
//! `equal` (missing and empty are the same). An alert that is both source and target of a rule
//! is not muted by others that are both too, so no alert mutes itself.

use crate::alert::{AlertState, KeptAlert};
use sonde_proto::{Fingerprint, Labels, Matcher, UnixNanos};
use std::collections::HashMap;

/// One rule.
#[derive(Clone, Debug)]
pub(crate) struct InhibitRule {
    /// Which alerts mute.
    pub source: Vec<Matcher>,
    /// Which alerts are muted.
    pub target: Vec<Matcher>,
    /// The labels that must be equal.
    pub equal: Vec<String>,
}

/// The sources that fire now, by rule and by the values of the rule's `equal` labels.
#[derive(Debug, Default)]
pub(crate) struct Inhibitor {
    sources: Vec<HashMap<Vec<String>, Vec<Source>>>,
}

#[derive(Debug)]
struct Source {
    fingerprint: Fingerprint,
    is_target: bool,
}

fn all(matchers: &[Matcher], labels: &Labels) -> bool {
    matchers
        .iter()
        .all(|matcher| matcher.matches_labels(labels))
}

impl InhibitRule {
    fn key(&self, labels: &Labels) -> Vec<String> {
        self.equal
            .iter()
            .map(|name| labels.get(name).to_owned())
            .collect()
    }
}

impl Inhibitor {
    /// Finds the sources among the alerts that fire at a time.
    pub(crate) fn new<'a>(
        rules: &[InhibitRule],
        alerts: impl Iterator<Item = (Fingerprint, &'a KeptAlert)>,
        now: UnixNanos,
    ) -> Self {
        let mut sources: Vec<HashMap<Vec<String>, Vec<Source>>> =
            rules.iter().map(|_| HashMap::new()).collect();
        if rules.is_empty() {
            return Self { sources };
        }
        for (fingerprint, alert) in
            alerts.filter(|(_, alert)| alert.state_at(now) == AlertState::Firing)
        {
            for (rule, found) in rules.iter().zip(&mut sources) {
                if all(&rule.source, &alert.labels) {
                    let source = Source {
                        fingerprint,
                        is_target: all(&rule.target, &alert.labels),
                    };
                    found
                        .entry(rule.key(&alert.labels))
                        .or_default()
                        .push(source);
                }
            }
        }
        Self { sources }
    }

    /// Alerts that mute this one; at most one per rule.
    #[must_use]
    pub(crate) fn inhibitors_of(&self, rules: &[InhibitRule], labels: &Labels) -> Vec<Fingerprint> {
        let by_rule = |(rule, sources): (&InhibitRule, &HashMap<Vec<String>, Vec<Source>>)| {
            if !all(&rule.target, labels) {
                return None;
            }
            let is_source = all(&rule.source, labels);
            let same = sources.get(&rule.key(labels))?;
            same.iter()
                .find(|source| !(is_source && source.is_target))
                .map(|source| source.fingerprint)
        };
        rules
            .iter()
            .zip(&self.sources)
            .filter_map(by_rule)
            .collect()
    }
}

#[cfg(test)]
mod tests;
