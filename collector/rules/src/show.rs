//! Groups and alerts as Prometheus' `/api/v1/rules` and `/api/v1/alerts` show them
//! (`web/api/v1/api.go`). The order of the fields is Prometheus'.

use crate::alert::{Alert, Phase};
use crate::alerting::{self, Alerting};
use crate::group::{Group, Kind, Last, Rule};
use serde::{Serialize, Serializer};
use sonde_proto::{Labels, UnixNanos};
use std::time::Duration;

/// A group and its rules.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct GroupStatus {
    /// Its name.
    pub name: String,
    /// The file it is from.
    pub file: String,
    /// Its rules, in the order in which they are evaluated.
    pub rules: Vec<RuleStatus>,
    /// How often it is evaluated.
    #[serde(serialize_with = "seconds")]
    pub interval: Duration,
    /// How many series or alerts a rule may yield; 0 is without end.
    pub limit: usize,
    /// How long the last evaluation took.
    #[serde(serialize_with = "seconds")]
    pub evaluation_time: Duration,
    /// When it was last evaluated.
    #[serde(serialize_with = "time_or_never")]
    pub last_evaluation: Option<UnixNanos>,
}

/// A rule and how it fares.
#[derive(Clone, Debug, Serialize)]
#[serde(tag = "type", rename_all = "lowercase")]
pub enum RuleStatus {
    /// An alerting rule.
    #[serde(rename_all = "camelCase")]
    Alerting {
        /// The state of its most advanced alert.
        state: &'static str,
        /// The name of its alerts.
        name: String,
        /// Its expression.
        query: String,
        /// `for`.
        #[serde(serialize_with = "seconds")]
        duration: Duration,
        /// `keep_firing_for`.
        #[serde(serialize_with = "seconds")]
        keep_firing_for: Duration,
        /// The labels it sets, as written.
        labels: Labels,
        /// The annotations it sets, as written.
        annotations: Labels,
        /// Its alerts that are pending or firing.
        alerts: Vec<AlertStatus>,
        /// How it fares.
        #[serde(flatten)]
        health: Health,
    },
    /// A recording rule.
    Recording {
        /// The name of what it records.
        name: String,
        /// Its expression.
        query: String,
        /// The labels it sets.
        #[serde(skip_serializing_if = "Labels::is_empty")]
        labels: Labels,
        /// How it fares.
        #[serde(flatten)]
        health: Health,
    },
}

/// How a rule fares.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Health {
    /// `ok`, `err`, or `unknown` before the first evaluation.
    pub health: &'static str,
    /// Why the last evaluation failed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_error: Option<String>,
    /// How long the last evaluation took.
    #[serde(serialize_with = "seconds")]
    pub evaluation_time: Duration,
    /// When it was last evaluated.
    #[serde(serialize_with = "time_or_never")]
    pub last_evaluation: Option<UnixNanos>,
}

/// An alert that is pending or firing.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct AlertStatus {
    /// What identifies it.
    pub labels: Labels,
    /// What explains it.
    pub annotations: Labels,
    /// `pending` or `firing`.
    pub state: &'static str,
    /// Since when its condition has held.
    #[serde(serialize_with = "time")]
    pub active_at: UnixNanos,
    /// When its condition ceased to hold, while it fires all the same.
    #[serde(
        serialize_with = "time_or_never",
        skip_serializing_if = "Option::is_none"
    )]
    pub keep_firing_since: Option<UnixNanos>,
    /// The value of its expression.
    #[serde(serialize_with = "number")]
    pub value: f64,
}

pub(crate) fn group(group: &Group) -> GroupStatus {
    GroupStatus {
        name: group.name.clone(),
        file: group.file.clone(),
        rules: group.rules.iter().map(rule).collect(),
        interval: group.interval,
        limit: group.limit,
        evaluation_time: took(group.last),
        last_evaluation: group.last.map(|last| last.at),
    }
}

/// The alerts of a rule that are pending or firing.
pub(crate) fn alerts(rule: &Rule) -> Vec<AlertStatus> {
    match &rule.kind {
        Kind::Recording(_) => Vec::new(),
        Kind::Alerting(rule) => rule.active().map(alert).collect(),
    }
}

fn rule(rule: &Rule) -> RuleStatus {
    let health = health(rule);
    match &rule.kind {
        Kind::Recording(recording) => RuleStatus::Recording {
            name: recording.spec.record.clone(),
            query: recording.spec.expr.clone(),
            labels: recording.spec.labels.iter().collect(),
            health,
        },
        Kind::Alerting(alerting) => RuleStatus::Alerting {
            state: state(alerting),
            name: alerting.spec.alert.clone(),
            query: alerting.spec.expr.clone(),
            duration: alerting.spec.hold,
            keep_firing_for: alerting.spec.keep_firing_for,
            labels: alerting.spec.written_labels(),
            annotations: alerting.spec.written_annotations(),
            alerts: alerts(rule),
            health,
        },
    }
}

fn health(rule: &Rule) -> Health {
    Health {
        health: match (&rule.error, &rule.last) {
            (Some(_), _) => "err",
            (None, Some(_)) => "ok",
            (None, None) => "unknown",
        },
        last_error: rule.error.clone(),
        evaluation_time: took(rule.last),
        last_evaluation: rule.last.map(|last| last.at),
    }
}

fn state(rule: &Alerting) -> &'static str {
    let fires = |(_, alert): (_, &Alert)| matches!(alert.phase, Phase::Firing { .. });
    match (rule.active().next(), rule.active().any(fires)) {
        (_, true) => "firing",
        (Some(_), false) => "pending",
        (None, false) => "inactive",
    }
}

fn alert((labels, alert): (&Labels, &Alert)) -> AlertStatus {
    AlertStatus {
        labels: labels.clone(),
        annotations: alert.finding.annotations.clone(),
        state: alerting::name(alert.phase),
        active_at: alert.active_at,
        keep_firing_since: match alert.phase {
            Phase::Firing { keep_since, .. } => keep_since,
            Phase::Pending | Phase::Resolved { .. } => None,
        },
        value: alert.finding.value,
    }
}

fn took(last: Option<Last>) -> Duration {
    last.map_or(Duration::ZERO, |last| last.took)
}

fn seconds<S: Serializer>(duration: &Duration, s: S) -> Result<S::Ok, S::Error> {
    let seconds = duration.as_secs_f64();
    // Whole seconds without a fraction, as Go writes them.
    if duration.subsec_nanos() == 0 {
        return s.serialize_u64(duration.as_secs());
    }
    s.serialize_f64(seconds)
}

#[expect(
    clippy::trivially_copy_pass_by_ref,
    reason = "serde calls it with a reference"
)]
fn time<S: Serializer>(time: &UnixNanos, s: S) -> Result<S::Ok, S::Error> {
    let at = jiff::Timestamp::from_nanosecond(time.0.into()).unwrap_or_default();
    s.collect_str(&at)
}

/// Go's zero time stands for never.
fn time_or_never<S: Serializer>(time: &Option<UnixNanos>, s: S) -> Result<S::Ok, S::Error> {
    match time {
        Some(at) => self::time(at, s),
        None => s.serialize_str("0001-01-01T00:00:00Z"),
    }
}

#[expect(
    clippy::trivially_copy_pass_by_ref,
    reason = "serde calls it with a reference"
)]
fn number<S: Serializer>(value: &f64, s: S) -> Result<S::Ok, S::Error> {
    s.serialize_str(&scientific(*value))
}

/// A number as Go's `strconv.FormatFloat(value, 'e', -1, 64)` writes it: `1e+00`.
fn scientific(value: f64) -> String {
    if value.is_nan() {
        return "NaN".into();
    }
    if value.is_infinite() {
        return if value > 0.0 { "+Inf" } else { "-Inf" }.into();
    }
    let text = format!("{value:e}");
    let (digits, exponent) = text.split_once('e').unwrap_or((&text, "0"));
    let (sign, exponent) = match exponent.strip_prefix('-') {
        Some(exponent) => ('-', exponent),
        None => ('+', exponent),
    };
    format!("{digits}e{sign}{exponent:0>2}")
}

#[cfg(test)]
mod tests;
