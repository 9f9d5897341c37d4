//! What of a request its store would leave out, in words for the sender.

use sonde_proto::walk::{self, Bounds, Measure, Unkept};
use sonde_proto::{Signal, UnixNanos};

/// The times a data point may have, as the time-series database has them.
#[derive(Clone, Copy, Debug)]
pub(crate) struct PointTimes {
    /// How old a point may be, in seconds.
    pub(crate) late_max_seconds: u64,
    /// How far ahead of this machine's clock it may be, in seconds.
    pub(crate) future_max_seconds: u64,
}

impl PointTimes {
    /// The times for what arrives at `now`.
    pub(super) fn at(self, now: UnixNanos) -> Bounds {
        let millis = |seconds: u64| i64::try_from(seconds.saturating_mul(1000)).unwrap_or(i64::MAX);
        let now = now.as_millis();
        Bounds {
            earliest_millis: now.saturating_sub(millis(self.late_max_seconds)),
            latest_millis: now.saturating_add(millis(self.future_max_seconds)),
        }
    }
}

/// What was taken of a request.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Taken {
    /// How many spans or data points will not be kept.
    pub(crate) rejected: u64,
    /// Why, and what to do; empty where everything is kept.
    pub(crate) message: String,
}

impl Taken {
    /// So many more are not kept, for that reason.
    pub(super) fn add(&mut self, rejected: u64, message: &str) {
        self.rejected += rejected;
        add(&mut self.message, message);
    }
}

/// One reason more, which may be none.
pub(super) fn add(message: &mut String, more: &str) {
    if !message.is_empty() && !more.is_empty() {
        message.push_str("; ");
    }
    message.push_str(more);
}

/// Looks at a valid request of that measure that arrived at `now`.
pub(super) fn look(
    signal: Signal,
    payload: &[u8],
    measure: &Measure,
    now: UnixNanos,
    times: PointTimes,
) -> Taken {
    let unkept = match signal {
        Signal::Logs | Signal::Spans => measure.unkept,
        Signal::Metrics => walk::unkept_points(payload, times.at(now)),
    };
    Taken {
        rejected: unkept.count(),
        message: message(&unkept),
    }
}

fn message(unkept: &Unkept) -> String {
    let reasons = [
        (
            unkept.bad_trace_ids,
            "spans have no trace ID of 16 bytes that are not all zero; correct what makes the IDs",
        ),
        (
            unkept.bad_span_ids,
            "spans have no span ID of 8 bytes that are not all zero; correct what makes the IDs",
        ),
        (
            unkept.too_large,
            "spans have more than 32 MiB; send less with them",
        ),
        (
            unkept.too_old,
            "data points are older than metrics.late_max_seconds allows; send them sooner or raise it",
        ),
        (
            unkept.too_new,
            "data points lie further in the future than metrics.future_max_seconds allows; set the sender's clock",
        ),
        (
            unkept.too_coarse,
            "exponential histograms have a scale below -4, and no native histogram has; send finer buckets",
        ),
    ];
    told(&reasons)
}

/// How many for each reason, where there are any.
pub(super) fn told(reasons: &[(u64, &str)]) -> String {
    let told = reasons.iter().filter(|(count, _)| *count > 0);
    let told: Vec<_> = told.map(|(count, why)| format!("{count} {why}")).collect();
    told.join("; ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_reason_is_told_with_its_number_and_nothing_where_all_is_kept() {
        assert_eq!(message(&Unkept::default()), "");
        let unkept = Unkept {
            bad_trace_ids: 2,
            too_new: 7,
            ..Unkept::default()
        };
        let text = message(&unkept);
        assert!(text.starts_with("2 spans have no trace ID"), "{text}");
        assert!(text.contains("; 7 data points lie further"), "{text}");
    }
}
