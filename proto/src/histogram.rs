//! Native histograms as plain values: no arithmetic happens here.
//!
//! ```text
//! schema -4 ..= 8   bucket i holds (base^(i-1), base^i] with base = 2^(2^-schema)
//! schema -53        bucket i holds (bounds[i-1], bounds[i]], the last one up to +Inf
//! spans             runs of buckets that follow each other; `offset` is the index of the
//!                   first one, and from the second span on how many are left out before it
//! ```

use std::sync::Arc;

/// The schema of buckets with bounds of their own.
pub const CUSTOM_SCHEMA: i8 = -53;

/// A native histogram.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Histogram {
    /// How fine the buckets are: -4 to 8, or [`CUSTOM_SCHEMA`].
    pub schema: i8,
    /// What is known about resets.
    pub hint: ResetHint,
    /// Half of the width of the bucket around zero.
    pub zero_threshold: f64,
    /// Observations in the bucket around zero.
    pub zero_count: f64,
    /// All observations.
    pub count: f64,
    /// Their sum.
    pub sum: f64,
    /// Buckets above zero.
    pub positive: Buckets,
    /// Buckets below zero.
    pub negative: Buckets,
    /// The upper bounds of custom buckets without the last one, +Inf; else nothing.
    pub bounds: Arc<[f64]>,
}

/// Buckets on one side of zero.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Buckets {
    /// Which buckets there are.
    pub spans: Vec<BucketSpan>,
    /// What each of them holds, not added up.
    pub counts: Vec<f64>,
}

/// Buckets that follow each other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BucketSpan {
    /// The distance from the end of the span before.
    pub offset: i32,
    /// How many there are.
    pub length: u32,
}

/// What is known about whether counting started anew since the sample before.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ResetHint {
    /// Nothing.
    #[default]
    Unknown,
    /// It did.
    Reset,
    /// It did not.
    NotReset,
    /// The histogram is a gauge: there are no resets.
    Gauge,
}

/// What a sample holds.
#[derive(Clone, Debug, PartialEq)]
pub enum SampleValue {
    /// A number.
    Float(f64),
    /// A native histogram.
    Histogram(Arc<Histogram>),
}

/// A native histogram that contradicts itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum HistogramError {
    /// Neither -4 to 8 nor custom.
    #[error("the schema is {0}; schemas from -4 to 8 are known, and -53 with bounds")]
    Schema(i32),
    /// More buckets or spans than allowed.
    #[error("it has more than {0} buckets or spans")]
    Many(usize),
    /// Spans and counts do not go together.
    #[error("its spans name {spans} buckets, and {counts} have a count")]
    Spans {
        /// Buckets by the spans.
        spans: u64,
        /// Buckets by the counts.
        counts: usize,
    },
    /// A span that lies before the end of the one before, or beyond all numbers.
    #[error("span {0} overlaps the one before it or lies outside of all buckets")]
    Offset(usize),
    /// A count below zero or no number.
    #[error("a count is below zero or not a number")]
    Count,
    /// The zero bucket has no sensible width.
    #[error("the zero threshold is below zero or not a finite number")]
    Zero,
    /// Bounds that do not rise, bounds without custom schema, or buckets beyond them.
    #[error("the custom bounds do not rise, are missing or do not belong to the schema")]
    Bounds,
}

impl Histogram {
    /// Whether schema, spans, counts and bounds go together.
    ///
    /// # Errors
    /// What contradicts.
    pub fn check(&self, buckets_max: usize) -> Result<(), HistogramError> {
        let custom = self.schema == CUSTOM_SCHEMA;
        if !custom && !(-4..=8).contains(&self.schema) {
            return Err(HistogramError::Schema(i32::from(self.schema)));
        }
        if !(self.zero_threshold >= 0.0 && self.zero_threshold.is_finite()) {
            return Err(HistogramError::Zero);
        }
        if !is_count(self.count) || !is_count(self.zero_count) {
            return Err(HistogramError::Count);
        }
        self.check_bounds(custom, buckets_max)?;
        self.positive.check(buckets_max)?;
        self.negative.check(buckets_max)
    }

    fn check_bounds(&self, custom: bool, buckets_max: usize) -> Result<(), HistogramError> {
        if self.bounds.len() > buckets_max {
            return Err(HistogramError::Many(buckets_max));
        }
        let rises = self.bounds.windows(2).all(|two| two[0] < two[1]);
        let finite = self.bounds.iter().all(|bound| bound.is_finite());
        let belongs = if custom {
            let last = self.positive.indexes().last();
            let first = self.positive.spans.first().map_or(0, |span| span.offset);
            let inside = last.is_none_or(|last| last <= self.bounds.len() as i64);
            let nothing_else = self.negative.counts.is_empty()
                && self.negative.spans.is_empty()
                && self.zero_count == 0.0
                && self.zero_threshold == 0.0;
            inside && first >= 0 && nothing_else
        } else {
            self.bounds.is_empty()
        };
        if rises && finite && belongs {
            Ok(())
        } else {
            Err(HistogramError::Bounds)
        }
    }
}

impl Buckets {
    /// The index of each bucket that has a count, lowest first.
    pub fn indexes(&self) -> impl Iterator<Item = i64> {
        let mut next = 0_i64;
        let of_span = move |span: &BucketSpan| {
            let first = next + i64::from(span.offset);
            next = first + i64::from(span.length);
            first..next
        };
        self.spans.iter().flat_map(of_span).take(self.counts.len())
    }

    fn check(&self, buckets_max: usize) -> Result<(), HistogramError> {
        if self.counts.len() > buckets_max || self.spans.len() > buckets_max {
            return Err(HistogramError::Many(buckets_max));
        }
        let named: u64 = self.spans.iter().map(|span| u64::from(span.length)).sum();
        if named != self.counts.len() as u64 {
            return Err(HistogramError::Spans {
                spans: named,
                counts: self.counts.len(),
            });
        }
        let mut next = 0_i64;
        for (at, span) in self.spans.iter().enumerate() {
            next += i64::from(span.offset) + i64::from(span.length);
            if (at > 0 && span.offset < 0) || i32::try_from(next).is_err() {
                return Err(HistogramError::Offset(at));
            }
        }
        if self.counts.iter().all(|&count| is_count(count)) {
            Ok(())
        } else {
            Err(HistogramError::Count)
        }
    }
}

fn is_count(count: f64) -> bool {
    count >= 0.0 && count.is_finite()
}

#[cfg(test)]
mod tests;
