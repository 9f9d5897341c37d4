//! The state machine of one alert.
//!
//! ```text
//!            found for `for`           gone for `keep_firing_for`
//! pending ───────────────────▶ firing ───────────────────────────▶ resolved ──15 min──▶ ∅
//!    │ gone                       ▲ found: the wait begins anew        │ found
//!    ▼                                                                 ▼
//!    ∅                                                              pending
//! ```
//!
//! It decides by the times it is given and nothing else, so that a state that was written
//! and read again goes on as if nothing had happened.

use sonde_proto::{Labels, UnixNanos};
use std::time::Duration;

/// How long a resolved alert is kept, and told again in case it was not heard.
pub(crate) const RESOLVED_RETENTION: Duration = Duration::from_secs(15 * 60);

/// How long an alert's condition must hold, and how long it outlives its condition.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Waits {
    pub(crate) hold: Duration,
    pub(crate) keep_firing: Duration,
}

/// Where an alert stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Phase {
    /// Its condition holds, but not yet for long enough.
    Pending,
    /// It fires.
    Firing {
        fired_at: UnixNanos,
        /// When its condition ceased to hold, while it fires all the same.
        keep_since: Option<UnixNanos>,
    },
    /// It fired.
    Resolved {
        fired_at: UnixNanos,
        resolved_at: UnixNanos,
    },
}

/// What explains an alert, as of the last time its condition held.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Finding {
    pub(crate) annotations: Labels,
    pub(crate) value: f64,
}

/// One alert of a rule. Its labels are the key under which the rule keeps it.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Alert {
    pub(crate) finding: Finding,
    /// Since when its condition has held.
    pub(crate) active_at: UnixNanos,
    pub(crate) phase: Phase,
    pub(crate) last_sent: Option<UnixNanos>,
}

impl Alert {
    /// An alert whose condition holds for the first time.
    pub(crate) fn new(finding: Finding, now: UnixNanos) -> Self {
        Self {
            finding,
            active_at: now,
            phase: Phase::Pending,
            last_sent: None,
        }
    }

    pub(crate) fn is_resolved(&self) -> bool {
        matches!(self.phase, Phase::Resolved { .. })
    }

    /// Its condition holds.
    pub(crate) fn hold(&mut self, finding: Finding, waits: &Waits, now: UnixNanos) {
        if self.is_resolved() {
            *self = Self::new(finding, now);
        } else {
            self.finding = finding;
        }
        self.not_after(now);
        match &mut self.phase {
            Phase::Firing { keep_since, .. } => *keep_since = None,
            Phase::Pending if now.since(self.active_at) >= waits.hold => {
                self.phase = Phase::Firing {
                    fired_at: now,
                    keep_since: None,
                };
            }
            Phase::Pending | Phase::Resolved { .. } => {}
        }
    }

    /// Its condition does not hold. Returns whether the alert is kept.
    ///
    /// `down_since` is given while absence may be for want of samples: then an alert that
    /// was active by that time stays as it was.
    pub(crate) fn release(
        &mut self,
        waits: &Waits,
        down_since: Option<UnixNanos>,
        now: UnixNanos,
    ) -> bool {
        self.not_after(now);
        if !self.is_resolved() && down_since.is_some_and(|since| self.active_at <= since) {
            return true;
        }
        if let Phase::Firing {
            fired_at,
            keep_since,
        } = &mut self.phase
        {
            let since = *keep_since.get_or_insert(now);
            if now.since(since) >= waits.keep_firing {
                self.phase = Phase::Resolved {
                    fired_at: *fired_at,
                    resolved_at: now,
                };
            }
        }
        match self.phase {
            Phase::Pending => false,
            Phase::Firing { .. } => true,
            Phase::Resolved { resolved_at, .. } => now.since(resolved_at) <= RESOLVED_RETENTION,
        }
    }

    /// Whether it will be firing after [`Alert::release`].
    pub(crate) fn outlives_its_condition(&self, waits: &Waits, now: UnixNanos) -> bool {
        match self.phase {
            Phase::Firing { keep_since, .. } => {
                now.since(keep_since.unwrap_or(now)) < waits.keep_firing
            }
            Phase::Pending | Phase::Resolved { .. } => false,
        }
    }

    /// Whether it is to be told: when it begins and ends, and again after `resend_delay`.
    pub(crate) fn is_due(&self, resend_delay: Duration, now: UnixNanos) -> bool {
        let Some(sent) = self.last_sent.filter(|sent| *sent <= now) else {
            return self.phase != Phase::Pending;
        };
        match self.phase {
            Phase::Pending => false,
            Phase::Resolved { resolved_at, .. } if resolved_at > sent => true,
            Phase::Firing { .. } | Phase::Resolved { .. } => now.since(sent) >= resend_delay,
        }
    }

    /// A clock that was set back must not leave times in the future: they would be waited
    /// for.
    fn not_after(&mut self, now: UnixNanos) {
        let cap = |time: &mut UnixNanos| *time = (*time).min(now);
        cap(&mut self.active_at);
        match &mut self.phase {
            Phase::Pending => {}
            Phase::Firing {
                fired_at,
                keep_since,
            } => {
                cap(fired_at);
                keep_since.iter_mut().for_each(cap);
            }
            Phase::Resolved {
                fired_at,
                resolved_at,
            } => {
                cap(fired_at);
                cap(resolved_at);
            }
        }
    }
}

#[cfg(test)]
mod tests;
