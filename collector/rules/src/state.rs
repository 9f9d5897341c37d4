//! What outlives the process: the alerts and the series of every rule, as JSON.
//!
//! ```text
//! {"version": 1, "downtime": {"evaluatedAt": …, "grace": {"since": …, "until": …}},
//!  "orphans": [labels …], "groups": [
//!   {"file": …, "name": …, "rules": [{"rule": {…}, "series": [labels …], "alerts": [{…}]}]}
//! ]}
//! ```
//!
//! A rule is found again by its file, its group and everything that decides about its
//! results: what it is called, its expression, its waits and its labels. Rules without
//! alerts and series are left out. Times are nanoseconds since 1970. Values are texts,
//! because JSON has no NaN. A state without `downtime` is of an earlier version, and is
//! read as one of a process that was not down.

use crate::alert::{Alert, Finding, Phase};
use crate::alerting::Alerting;
use crate::downtime::Downtime;
use crate::engine::Engine;
use crate::group::{Group, Kind, Rule};
use serde::{Deserialize, Serialize};
use sonde_proto::{Labels, UnixNanos};
use std::collections::{BTreeMap, BTreeSet};

const VERSION: u32 = 1;

/// Why a state cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum StateError {
    /// It is not what was written.
    #[error("the state of rules is damaged: {0}")]
    Damaged(String),
    /// Another version of this program has written it.
    #[error("the state of rules has version {0}; this program reads version {VERSION}")]
    Version(u32),
}

#[derive(Serialize, Deserialize)]
struct State {
    version: u32,
    #[serde(default)]
    downtime: Downtime,
    orphans: BTreeSet<Labels>,
    groups: Vec<GroupState>,
}

/// What is read first, so that another version is told from damage.
#[derive(Deserialize)]
struct Version {
    version: u32,
}

#[derive(Serialize, Deserialize)]
struct GroupState {
    file: String,
    name: String,
    rules: Vec<RuleState>,
}

#[derive(Serialize, Deserialize)]
struct RuleState {
    rule: Identity,
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    series: BTreeSet<Labels>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    alerts: Vec<AlertState>,
}

/// What makes a rule the same rule.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Identity {
    Record {
        name: String,
        expr: String,
        labels: Labels,
    },
    Alert {
        name: String,
        expr: String,
        labels: Labels,
        for_ms: u64,
        keep_firing_for_ms: u64,
    },
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct AlertState {
    labels: Labels,
    annotations: Labels,
    value: String,
    active_at: UnixNanos,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    fired_at: Option<UnixNanos>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    keep_firing_since: Option<UnixNanos>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    resolved_at: Option<UnixNanos>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    last_sent: Option<UnixNanos>,
}

/// The state of an engine.
pub(crate) fn of(engine: &Engine) -> Vec<u8> {
    let groups = engine.groups.iter().map(|group| GroupState {
        file: group.file.clone(),
        name: group.name.clone(),
        rules: group.rules.iter().filter_map(of_rule).collect(),
    });
    let state = State {
        version: VERSION,
        downtime: engine.downtime,
        orphans: engine.orphans.clone(),
        groups: groups.filter(|group| !group.rules.is_empty()).collect(),
    };
    serde_json::to_vec(&state).expect("texts, numbers and maps with text keys are JSON")
}

/// Gives an engine a state.
pub(crate) fn restore(engine: &mut Engine, bytes: &[u8]) -> Result<(), StateError> {
    let damaged = |error: serde_json::Error| StateError::Damaged(error.to_string());
    let Version { version } = serde_json::from_slice(bytes).map_err(damaged)?;
    if version != VERSION {
        return Err(StateError::Version(version));
    }
    let state: State = serde_json::from_slice(bytes).map_err(damaged)?;
    let mut kept = Kept::default();
    for group in state.groups {
        for rule in group.rules {
            let alerts = rule.alerts.into_iter().map(AlertState::read);
            let past = Past {
                series: rule.series,
                alerts: alerts.collect::<Result<_, _>>()?,
            };
            let key = (group.file.clone(), group.name.clone(), rule.rule);
            kept.0.entry(key).or_default().push(past);
        }
    }
    for group in &mut engine.groups {
        for at in 0..group.rules.len() {
            if let Some(past) = kept.take(group, at) {
                past.give(&mut group.rules[at]);
            }
        }
    }
    engine.downtime = state.downtime;
    engine.orphans = state.orphans;
    engine.orphans.extend(kept.rest());
    Ok(())
}

/// What a rule has done so far.
struct Past {
    series: BTreeSet<Labels>,
    alerts: BTreeMap<Labels, Alert>,
}

impl Past {
    fn give(self, rule: &mut Rule) {
        match &mut rule.kind {
            Kind::Recording(rule) => rule.series = self.series,
            Kind::Alerting(rule) => rule.alerts = self.alerts,
        }
    }
}

/// Pasts by file, group and rule. Equal rules are told apart by their order.
#[derive(Default)]
struct Kept(BTreeMap<(String, String, Identity), Vec<Past>>);

impl Kept {
    fn take(&mut self, group: &Group, at: usize) -> Option<Past> {
        let identity = identity(&group.rules[at].kind);
        let key = (group.file.clone(), group.name.clone(), identity);
        let pasts = self.0.get_mut(&key)?;
        (!pasts.is_empty()).then(|| pasts.remove(0))
    }

    /// The series of rules that nobody has taken.
    fn rest(self) -> impl Iterator<Item = Labels> {
        self.0.into_values().flatten().flat_map(|past| {
            let active = past.alerts.iter().filter(|(_, alert)| !alert.is_resolved());
            let alerts: Vec<Labels> = active
                .flat_map(|(labels, alert)| Alerting::series(labels, alert))
                .collect();
            past.series.into_iter().chain(alerts)
        })
    }
}

fn of_rule(rule: &Rule) -> Option<RuleState> {
    let (series, alerts) = match &rule.kind {
        Kind::Recording(recording) => (recording.series.clone(), Vec::new()),
        Kind::Alerting(alerting) => {
            let alerts = alerting.alerts.iter().map(AlertState::of).collect();
            (BTreeSet::new(), alerts)
        }
    };
    let is_worth_it = !series.is_empty() || !alerts.is_empty();
    is_worth_it.then(|| RuleState {
        rule: identity(&rule.kind),
        series,
        alerts,
    })
}

fn identity(kind: &Kind) -> Identity {
    match kind {
        Kind::Recording(rule) => Identity::Record {
            name: rule.spec.record.clone(),
            expr: rule.spec.expr.clone(),
            labels: rule.spec.labels.iter().collect(),
        },
        Kind::Alerting(rule) => Identity::Alert {
            name: rule.spec.alert.clone(),
            expr: rule.spec.expr.clone(),
            labels: rule.spec.written_labels(),
            for_ms: millis(rule.spec.hold),
            keep_firing_for_ms: millis(rule.spec.keep_firing_for),
        },
    }
}

fn millis(duration: std::time::Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

impl AlertState {
    fn of((labels, alert): (&Labels, &Alert)) -> Self {
        let (fired_at, keep_firing_since, resolved_at) = match alert.phase {
            Phase::Pending => (None, None, None),
            Phase::Firing {
                fired_at,
                keep_since,
            } => (Some(fired_at), keep_since, None),
            Phase::Resolved {
                fired_at,
                resolved_at,
            } => (Some(fired_at), None, Some(resolved_at)),
        };
        Self {
            labels: labels.clone(),
            annotations: alert.finding.annotations.clone(),
            value: alert.finding.value.to_string(),
            active_at: alert.active_at,
            fired_at,
            keep_firing_since,
            resolved_at,
            last_sent: alert.last_sent,
        }
    }

    fn read(self) -> Result<(Labels, Alert), StateError> {
        let phase = match (self.fired_at, self.keep_firing_since, self.resolved_at) {
            (None, None, None) => Phase::Pending,
            (Some(fired_at), keep_since, None) => Phase::Firing {
                fired_at,
                keep_since,
            },
            (Some(fired_at), None, Some(resolved_at)) => Phase::Resolved {
                fired_at,
                resolved_at,
            },
            (None, _, _) | (Some(_), Some(_), Some(_)) => {
                return Err(self.damaged("its times contradict one another"));
            }
        };
        let Ok(value) = self.value.parse() else {
            return Err(self.damaged("its value is no number"));
        };
        let alert = Alert {
            finding: Finding {
                annotations: self.annotations,
                value,
            },
            active_at: self.active_at,
            phase,
            last_sent: self.last_sent,
        };
        Ok((self.labels, alert))
    }

    fn damaged(&self, why: &str) -> StateError {
        StateError::Damaged(format!("alert {}: {why}", self.labels))
    }
}

#[cfg(test)]
mod tests;
