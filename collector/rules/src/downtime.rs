//! How long after a downtime an absent alert does not count as ended.
//!
//! While no process evaluated, none stored samples either. After a downtime longer than the
//! window of `rate(x[1m])` that window holds one sample or none, and every alert that
//! depends on it is absent, however bad things are.
//!
//! ```text
//!    last evaluation         first after the restore
//! ─────────┼───────── down ─────────┼───────── grace ─────────┼────▶
//!          since                    absence does not count    until
//! ```
//!
//! The grace lasts as long as the downtime did, because the windows of such rules fill up
//! at the speed at which they ran empty, but no longer than the lookback.

use serde::{Deserialize, Serialize};
use sonde_proto::UnixNanos;
use std::time::Duration;

/// The lookback of queries: a sample older than this is not seen anyway.
const GRACE_MAX: Duration = Duration::from_secs(5 * 60);

/// When there were evaluations, as far as it must outlive the process.
#[derive(Clone, Copy, Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Downtime {
    /// The last evaluation, rounded up to a second: many within one second change the
    /// state once.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    evaluated_at: Option<UnixNanos>,
    /// Kept with the state, so that a second restart does not cut it short.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    grace: Option<Grace>,
    /// Whether this process has evaluated anything.
    #[serde(skip)]
    is_over: bool,
}

#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
struct Grace {
    since: UnixNanos,
    until: UnixNanos,
}

impl Downtime {
    /// An evaluation begins. Returns since when it was down, during the grace: the absence
    /// of alerts that were active by then does not count.
    pub(crate) fn evaluates(&mut self, now: UnixNanos) -> Option<UnixNanos> {
        if let Some(since) = self.evaluated_at
            && !self.is_over
        {
            let until = now.plus(now.since(since).min(GRACE_MAX));
            let earlier = self.grace.map_or(until, |grace| grace.until);
            let until = until.max(earlier);
            self.grace = Some(Grace { since, until });
        }
        self.is_over = true;
        self.evaluated_at = Some(whole_second(now));
        // Further away than it can be, the end is of a clock that was ahead.
        self.grace = self
            .grace
            .filter(|grace| now < grace.until && grace.until.since(now) <= GRACE_MAX);
        self.grace.map(|grace| grace.since)
    }
}

fn whole_second(time: UnixNanos) -> UnixNanos {
    UnixNanos::from_secs(time.0.div_ceil(1_000_000_000))
}

#[cfg(test)]
mod tests;
