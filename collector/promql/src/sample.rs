//! Samples, and the one bit pattern that says "this series ended here".

use crate::histogram;
use crate::rest::Rest;
use sonde_proto::Histogram;
use std::sync::Arc;

/// The value that marks a series as ended, bit for bit.
pub const STALE_NAN_BITS: u64 = 0x7ff0_0000_0000_0002;

/// The value that marks a series as ended: a NaN with the bits of [`STALE_NAN_BITS`].
#[must_use]
pub fn stale_nan() -> f64 {
    f64::from_bits(STALE_NAN_BITS)
}

/// Whether a value is the stale marker, which no other NaN is.
#[must_use]
pub fn is_stale(value: f64) -> bool {
    value.to_bits() == STALE_NAN_BITS
}

/// Times in milliseconds and their values, side by side, by time; and histograms, by time.
#[derive(Clone, Debug, Default)]
pub struct Samples {
    /// Milliseconds since 1970.
    pub times: Vec<i64>,
    /// The values.
    pub values: Vec<f64>,
    /// Since when each value counts; see [`Self::start`]. Those behind the last do not say it,
    /// so that a series that never does has none.
    starts: Vec<i64>,
    /// Samples that are histograms. No time is in both.
    pub histograms: Vec<HistogramSample>,
    /// What is known of others that were dropped, by their ends.
    pub rests: Vec<Rest>,
}

/// A sample that is a histogram. The end of a series is a float, the stale marker.
#[derive(Clone, Debug, PartialEq)]
pub struct HistogramSample {
    /// Milliseconds since 1970.
    pub time: i64,
    /// What was counted.
    pub value: Arc<Histogram>,
    /// Since when, in milliseconds since 1970; 0 where that is not known.
    pub start: i64,
}

impl Samples {
    /// None, with room for so many floats.
    #[must_use]
    pub fn with_capacity(floats: usize) -> Self {
        Self {
            times: Vec::with_capacity(floats),
            values: Vec::with_capacity(floats),
            ..Self::default()
        }
    }

    /// How many samples there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.times.len() + self.histograms.len()
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.times.is_empty() && self.histograms.is_empty()
    }

    /// Adds a sample at the end.
    pub fn push(&mut self, time: i64, value: f64) {
        self.times.push(time);
        self.values.push(value);
    }

    /// Adds a sample at the end that may say since when it counts.
    pub fn push_since(&mut self, time: i64, value: f64, start: i64) {
        let at = self.times.len();
        self.push(time, value);
        self.set_start(at, start);
    }

    /// Adds a histogram at the end.
    pub fn push_histogram(&mut self, time: i64, value: Arc<Histogram>) {
        self.histograms.push(HistogramSample {
            time,
            value,
            start: 0,
        });
    }

    /// Since when the value at this place counts, in milliseconds since 1970; 0 where that is
    /// not known.
    #[must_use]
    pub fn start(&self, at: usize) -> i64 {
        self.starts.get(at).copied().unwrap_or_default()
    }

    /// Says since when the value at this place counts.
    pub fn set_start(&mut self, at: usize, start: i64) {
        match self.starts.get_mut(at) {
            Some(known) => *known = start,
            None if start != 0 && at < self.times.len() => {
                self.starts.resize(at, 0);
                self.starts.push(start);
            }
            None => {}
        }
    }

    /// Since when the values at the first places count; those behind do not say it.
    pub(crate) fn starts(&self) -> &[i64] {
        &self.starts
    }

    /// Whether any sample says since when it counts.
    #[must_use]
    pub fn has_starts(&self) -> bool {
        self.starts.iter().any(|start| *start != 0)
            || self.histograms.iter().any(|sample| sample.start != 0)
    }

    /// Forgets since when samples count.
    pub fn forget_starts(&mut self) {
        self.starts.clear();
        self.histograms
            .iter_mut()
            .for_each(|sample| sample.start = 0);
    }

    /// How much there is to read, in floats: a histogram is as much as its bytes.
    pub(crate) fn weight(&self) -> u64 {
        const FLOAT_BYTES: u64 = size_of::<(i64, f64)>() as u64;
        let weights = self.histograms.iter();
        let weights = weights.map(|sample| histogram::bytes(&sample.value) / FLOAT_BYTES);
        (self.times.len() + 3 * self.rests.len()) as u64 + weights.sum::<u64>()
    }

    /// Removes all samples, keeping the memory.
    pub fn clear(&mut self) {
        self.times.clear();
        self.values.clear();
        self.starts.clear();
        self.histograms.clear();
        self.rests.clear();
    }

    /// Keeps the first so many floats and histograms.
    pub fn truncate(&mut self, floats: usize, histograms: usize) {
        self.times.truncate(floats);
        self.values.truncate(floats);
        self.starts.truncate(floats);
        self.histograms.truncate(histograms);
    }

    /// Removes floats from a place on that are not to be kept.
    pub fn retain_from(&mut self, from: usize, mut keep: impl FnMut(i64, f64) -> bool) {
        let mut kept = from.min(self.times.len());
        for at in from..self.times.len() {
            let (time, value, start) = (self.times[at], self.values[at], self.start(at));
            if keep(time, value) {
                (self.times[kept], self.values[kept]) = (time, value);
                self.set_start(kept, start);
                kept += 1;
            }
        }
        self.truncate(kept, self.histograms.len());
    }

    /// The floats, both columns in step.
    pub fn iter(&self) -> impl Iterator<Item = (i64, f64)> + '_ {
        self.times.iter().copied().zip(self.values.iter().copied())
    }

    /// Puts the samples in the order of time and drops those at a time that is already
    /// taken: the first one that was pushed wins.
    pub fn sort_first_wins(&mut self) {
        self.sort_rests();
        self.sort_histograms();
        if self.times.windows(2).all(|pair| pair[0] < pair[1]) {
            return;
        }
        let mut order: Vec<(i64, usize)> = self.times.iter().copied().zip(0..).collect();
        order.sort_unstable();
        order.dedup_by_key(|(time, _)| *time);
        let unsorted = std::mem::take(self);
        for (time, at) in order {
            self.push_since(time, unsorted.values[at], unsorted.start(at));
        }
        (self.histograms, self.rests) = (unsorted.histograms, unsorted.rests);
    }

    /// The same for samples of several places, of which `ends` says how many floats and
    /// histograms there were when each had been read: at a time that is taken twice the sample
    /// of the earlier place wins, whichever of them is a histogram.
    pub fn sort_first_place_wins(&mut self, ends: &[(usize, usize)]) {
        if self.times.is_empty() || self.histograms.is_empty() {
            return self.sort_first_wins();
        }
        self.sort_rests();
        let floats = (0..self.times.len()).map(|at| {
            let place = ends.partition_point(|(floats, _)| *floats <= at);
            (self.times[at], place, false, at)
        });
        let histograms = self.histograms.iter().enumerate().map(|(at, sample)| {
            let place = ends.partition_point(|(_, histograms)| *histograms <= at);
            (sample.time, place, true, at)
        });
        let mut order: Vec<_> = floats.chain(histograms).collect();
        order.sort_unstable();
        order.dedup_by_key(|(time, ..)| *time);
        let unsorted = Self {
            rests: std::mem::take(&mut self.rests),
            ..Self::default()
        };
        let unsorted = std::mem::replace(self, unsorted);
        for (time, _, is_histogram, at) in order {
            if is_histogram {
                self.histograms.push(unsorted.histograms[at].clone());
            } else {
                self.push_since(time, unsorted.values[at], unsorted.start(at));
            }
        }
    }

    fn sort_rests(&mut self) {
        self.rests.sort_by_key(|rest| (rest.end, rest.start));
    }

    fn sort_histograms(&mut self) {
        if self.histograms.is_empty() {
            return;
        }
        self.histograms.sort_by_key(|sample| sample.time);
        self.histograms.dedup_by_key(|sample| sample.time);
        let mut times = self.times.clone();
        times.sort_unstable();
        // A float wins at its time: the marker that ends a series is one.
        self.histograms
            .retain(|sample| times.binary_search(&sample.time).is_err());
    }

    /// Keeps the samples of a time range, both ends included.
    pub fn clip(&mut self, start: i64, end: i64) {
        let to = self.times.partition_point(|t| *t <= end);
        let from = self.times.partition_point(|t| *t < start).min(to);
        self.truncate(to, self.histograms.len());
        self.times.drain(..from);
        self.values.drain(..from);
        self.starts.drain(..from.min(self.starts.len()));
        self.histograms
            .retain(|sample| (start..=end).contains(&sample.time));
        self.rests
            .retain(|rest| rest.start <= end && rest.end >= start);
    }
}

/// Compares bit for bit, so that a NaN equals itself and markers do not blur.
impl PartialEq for Samples {
    fn eq(&self, other: &Self) -> bool {
        let bits = |s: &Self| s.values.iter().map(|v| v.to_bits()).collect::<Vec<_>>();
        let starts = |s: &Self| (0..s.times.len()).map(|n| s.start(n)).collect::<Vec<_>>();
        self.times == other.times
            && bits(self) == bits(other)
            && starts(self) == starts(other)
            && self.histograms == other.histograms
            && self.rests == other.rests
    }
}
