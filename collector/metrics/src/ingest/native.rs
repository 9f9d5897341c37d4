//! Native histograms into one tenant's head.

use super::{Ingest, Taken, TimeBounds, reason};
use crate::chunk::histogram::BUCKETS_MAX;
use crate::head::groups::Group;
use crate::head::{Outcome, Refusal};
use crate::postings::Index as _;
use crate::promql::{HistogramSample, histogram_accumulate};
use crate::telemetry::Reason;
use sonde_proto::walk::remote_write::HistogramAt;
use sonde_proto::{Histogram, ResetHint, SampleValue};
use std::sync::Arc;

impl Ingest<'_> {
    /// Takes a histogram that a Prometheus wrote.
    pub(crate) fn written_histogram(&mut self, series: u32, bounds: TimeBounds, at: HistogramAt) {
        if let Some(reason) = bounds.reason(at.time) {
            return self.telemetry.refuse(reason, 1);
        }
        let taken = Taken {
            time: at.time,
            start: at.start,
        };
        match at.value {
            Ok(SampleValue::Histogram(mut value)) => {
                // It was not after what its sender had sent before, which need not be what is
                // before it here. That there was a reset is true in any case.
                if value.hint == ResetHint::NotReset {
                    Arc::make_mut(&mut value).hint = ResetHint::Unknown;
                }
                self.push_histogram(series, taken, &value);
            }
            Ok(SampleValue::Float(end)) => self.push_one(series, taken, end),
            Err(_) => self.telemetry.refuse(Reason::BadHistogram, 1),
        }
    }

    /// Takes the histogram of an exponential one's point.
    pub(super) fn exponential(
        &mut self,
        group: &Group,
        value: &Arc<Histogram>,
        taken: Taken,
        delta: bool,
    ) {
        let Some(series) = group.series.first().copied() else {
            return;
        };
        if delta && Refusal::of(series).is_none() {
            self.push_delta_histogram(series, value, taken);
        } else {
            self.push_histogram(series, taken, value);
        }
    }

    /// Adds a delta to what its series came to so far.
    fn push_delta_histogram(&mut self, series: u32, value: &Arc<Histogram>, mut taken: Taken) {
        if self.state.head.total(series).is_none() {
            let labels = self.state.head.labels(series);
            if let Some(last) = self.state.last_sealed_histogram(&labels, self.indexes) {
                self.state.head.continue_after(series, last);
            }
        }
        let newest = self.state.head.last(series).map(|(time, _)| time);
        if newest.is_some_and(|newest| taken.time <= newest) {
            return self.telemetry.refuse(Reason::DeltaOutOfOrder, 1);
        }
        taken.start = taken.start_of_sum(newest.is_none());
        let mut total = Arc::clone(value);
        if let Some(so_far) = self.state.head.total(series) {
            let mut sum = (**so_far).clone();
            // What became no histogram, or one of too many buckets, begins anew.
            if histogram_accumulate(&mut sum, value) && sum.check(BUCKETS_MAX).is_ok() {
                // A sum that is no number must not spoil all that follow.
                if !sum.sum.is_finite() {
                    sum.sum = value.sum;
                }
                total = Arc::new(sum);
            }
        }
        self.state.head.set_total(series, Arc::clone(&total));
        self.push_histogram(series, taken, &total);
    }

    fn push_histogram(&mut self, series: u32, taken: Taken, value: &Arc<Histogram>) {
        if let Some(refusal) = Refusal::of(series) {
            return self.telemetry.refuse(reason(refusal), 1);
        }
        let Taken { time, start } = taken;
        let sample = HistogramSample {
            time,
            value: Arc::clone(value),
            start,
        };
        let head = &mut self.state.head;
        match head.push_histogram(series, sample) {
            Outcome::Appended => head.note_start(series, time, start),
            Outcome::Known => {}
            Outcome::Late => {
                head.note_start(series, time, start);
                self.telemetry.late.inc();
            }
            Outcome::Duplicate => {
                // What a sender repeats is no fault.
                let known = self.state.head.histogram_at(series, time);
                if !known.is_some_and(|known| is_same(&known, value)) {
                    self.telemetry.refuse(Reason::Duplicate, 1);
                }
            }
        }
    }
}

fn is_same(a: &Histogram, b: &Histogram) -> bool {
    let of_sum = |h: &Histogram| Histogram {
        sum: 0.0,
        ..h.clone()
    };
    a.sum.to_bits() == b.sum.to_bits() && of_sum(a) == of_sum(b)
}
