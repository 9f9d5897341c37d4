//! One alert: what fires, since when, and until when.

use serde::{Deserialize, Serialize};
use sonde_proto::{Fingerprint, Labels, UnixNanos};

/// An alert as a rule or a client reports it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Alert {
    /// What identifies it.
    pub labels: Labels,
    /// What explains it.
    pub annotations: Labels,
    /// When it began to fire; zero stands for the time it is received.
    pub starts_at: UnixNanos,
    /// When it ended or, in the future, when it ends unless it is reported again.
    pub ends_at: Option<UnixNanos>,
    /// Where its rule can be seen.
    pub generator_url: String,
}

/// Whether an alert fires.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum AlertState {
    /// It fires.
    Firing,
    /// It has ended.
    Resolved,
}

impl AlertState {
    /// The state as notifications name it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Firing => "firing",
            Self::Resolved => "resolved",
        }
    }
}

/// An alert as it is kept: every time is known.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct KeptAlert {
    /// What identifies it.
    pub labels: Labels,
    /// What explains it.
    pub annotations: Labels,
    /// When it began to fire.
    pub starts_at: UnixNanos,
    /// When it ended, or will if nobody reports it again.
    pub ends_at: UnixNanos,
    /// Whether `ends_at` is only our own `resolve_timeout`, which any reported end outranks.
    pub ends_by_timeout: bool,
    /// When it was last reported.
    pub updated_at: UnixNanos,
    /// When this firing was first reported: groups wait from here.
    pub received_at: UnixNanos,
    /// Where its rule can be seen.
    pub generator_url: String,
}

impl KeptAlert {
    /// The alert's identity: the hash of its labels.
    #[must_use]
    pub(crate) fn fingerprint(&self) -> Fingerprint {
        self.labels.fingerprint()
    }

    /// Whether it fires at a time.
    #[must_use]
    pub(crate) fn state_at(&self, now: UnixNanos) -> AlertState {
        if self.ends_at <= now {
            AlertState::Resolved
        } else {
            AlertState::Firing
        }
    }

    /// Completes a report: missing times are filled in.
    #[must_use]
    pub(crate) fn from_report(
        alert: Alert,
        now: UnixNanos,
        resolve_timeout: std::time::Duration,
    ) -> Self {
        let ends_at = alert.ends_at.unwrap_or_else(|| now.plus(resolve_timeout));
        let starts_at = match alert.starts_at {
            UnixNanos(0) => now,
            starts_at => starts_at,
        };
        Self {
            labels: alert.labels,
            annotations: alert.annotations,
            starts_at: starts_at.min(ends_at),
            ends_at,
            ends_by_timeout: alert.ends_at.is_none(),
            updated_at: now,
            received_at: now,
            generator_url: alert.generator_url,
        }
    }

    /// Joins a newer report of the same alert to this one, when their times overlap: it began
    /// with the earlier; a reported end outranks a timeout, and otherwise the newer end counts,
    /// also while it lies a moment ahead because the reporter's clock does.
    #[must_use]
    pub(crate) fn joined(&self, mut newer: Self, now: UnixNanos) -> Self {
        let overlaps = self.starts_at <= newer.ends_at && newer.starts_at <= self.ends_at;
        if !overlaps {
            return newer;
        }
        newer.starts_at = newer.starts_at.min(self.starts_at);
        if self.state_at(now) == AlertState::Firing || newer.state_at(now) == AlertState::Resolved {
            newer.received_at = newer.received_at.min(self.received_at);
        }
        let keep_end = match newer.state_at(now) {
            AlertState::Resolved => self.state_at(now) == AlertState::Resolved,
            AlertState::Firing => newer.ends_by_timeout && !self.ends_by_timeout,
        };
        if keep_end && self.ends_at > newer.ends_at {
            newer.ends_at = self.ends_at;
            newer.ends_by_timeout = self.ends_by_timeout;
        }
        newer
    }
}

/// The order in which notifications list alerts: by job, instance, then all labels.
#[must_use]
pub(crate) fn listing_order(a: &KeptAlert, b: &KeptAlert) -> std::cmp::Ordering {
    let key = |alert: &KeptAlert, name: &str| alert.labels.get(name).to_owned();
    key(a, "job")
        .cmp(&key(b, "job"))
        .then_with(|| key(a, "instance").cmp(&key(b, "instance")))
        .then_with(|| a.labels.cmp(&b.labels))
}

/// An alert as it is shown.
#[derive(Clone, Debug, Serialize)]
pub struct AlertStatus {
    /// The hash of its labels, 16 hex digits in JSON.
    #[serde(serialize_with = "as_text")]
    pub fingerprint: Fingerprint,
    /// What identifies it.
    pub labels: Labels,
    /// What explains it.
    pub annotations: Labels,
    /// When it began to fire.
    pub starts_at: UnixNanos,
    /// When it ended; `None` while it fires.
    pub ends_at: Option<UnixNanos>,
    /// When it was last reported.
    pub updated_at: UnixNanos,
    /// Whether it fires.
    pub state: AlertState,
    /// Whether it fires but nobody is told, because of an inhibition.
    pub suppressed: bool,
    /// The alerts that inhibit it.
    #[serde(serialize_with = "as_texts")]
    pub inhibited_by: Vec<Fingerprint>,
    /// Where its rule can be seen.
    pub generator_url: String,
    /// Who is told, in the order of the routes.
    pub receivers: Vec<String>,
}

/// Writes a value as its text.
pub(crate) fn as_text<S: serde::Serializer>(
    value: &impl std::fmt::Display,
    s: S,
) -> Result<S::Ok, S::Error> {
    s.collect_str(value)
}

/// Writes values as a list of their texts.
pub(crate) fn as_texts<S: serde::Serializer, T: std::fmt::Display>(
    values: &[T],
    s: S,
) -> Result<S::Ok, S::Error> {
    s.collect_seq(values.iter().map(ToString::to_string))
}

#[cfg(test)]
mod tests;
