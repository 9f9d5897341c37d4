//! What the engine reads from.

use crate::Samples;
use crate::value::QueryLimits;
use sonde_proto::{Labels, Matcher};

/// Milliseconds since 1970, both ends included.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TimeRange {
    /// The first time that is wanted.
    pub start: i64,
    /// The last time that is wanted.
    pub end: i64,
}

/// Why an evaluation was given up.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Stop {
    /// It needs more samples than this.
    SamplesMax(u64),
    /// A selector matches more series than this.
    SeriesMax(usize),
    /// It would keep more bytes of labels than this.
    LabelBytesMax(u64),
    /// It would keep more bytes of values than this.
    ValueBytesMax(u64),
    /// A function would make a label value longer than this.
    LabelValueMax {
        /// The function.
        function: &'static str,
        /// The label, shortened where it is long.
        label: String,
        /// How many bytes it may have.
        max: usize,
    },
    /// The deadline has passed.
    Deadline,
    /// The expression does not fit the data.
    Expression(String),
    /// The data could not be read.
    Source(String),
}

/// Something that has series.
pub trait Source {
    /// A series that was selected.
    type Series: Series;

    /// The series that satisfy every matcher and may have samples in the range.
    ///
    /// # Errors
    /// What there is no room for.
    fn select(
        &self,
        matchers: &[Matcher],
        range: TimeRange,
        room: &mut Room,
    ) -> Result<Vec<Self::Series>, Stop>;

    /// The coarsest resolution, in milliseconds, that samples in the range were thinned to; 0
    /// where all are as they were written.
    fn resolution(&self, _range: TimeRange) -> i64 {
        0
    }
}

/// What selecting may take before anything is read. What it takes it charges first.
#[derive(Clone, Debug)]
pub struct Room {
    /// How many series one selector may match.
    pub series_max: usize,
    label_bytes_max: u64,
    samples_max: u64,
    label_bytes: u64,
    samples: u64,
}

impl Room {
    /// All that a query may take.
    #[must_use]
    pub fn new(limits: &QueryLimits) -> Self {
        Self {
            series_max: limits.series_max,
            label_bytes_max: limits.label_bytes_max,
            samples_max: limits.samples_max,
            label_bytes: 0,
            samples: 0,
        }
    }

    /// Charges bytes of label sets.
    ///
    /// # Errors
    /// [`Stop::LabelBytesMax`] where they are too many.
    pub fn take_label_bytes(&mut self, bytes: u64) -> Result<(), Stop> {
        self.label_bytes = self.label_bytes.saturating_add(bytes);
        if self.label_bytes > self.label_bytes_max {
            return Err(Stop::LabelBytesMax(self.label_bytes_max));
        }
        Ok(())
    }

    /// Charges samples that will be read.
    ///
    /// # Errors
    /// [`Stop::SamplesMax`] where they are too many.
    pub fn take_samples(&mut self, samples: u64) -> Result<(), Stop> {
        self.samples = self.samples.saturating_add(samples);
        if self.samples > self.samples_max {
            return Err(Stop::SamplesMax(self.samples_max));
        }
        Ok(())
    }
}

/// A series that was selected.
pub trait Series {
    /// Its labels, the name included.
    fn labels(&self) -> Labels;

    /// Replaces `out` by the samples in the range, by time, stale markers included.
    ///
    /// # Errors
    /// [`Stop::Source`] when they cannot be read.
    fn read(&self, out: &mut Samples) -> Result<(), Stop>;

    /// What reading it takes.
    fn cost(&self) -> ReadCost {
        ReadCost::default()
    }
}

/// What reading a series takes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ReadCost {
    /// How many chunks are opened.
    pub chunks: u64,
    /// How many bytes those have.
    pub bytes: u64,
}
