//! What the engine reads from.

use crate::Samples;
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
    /// [`Stop::SeriesMax`] when there are more than `series_max`.
    fn select(
        &self,
        matchers: &[Matcher],
        range: TimeRange,
        series_max: usize,
    ) -> Result<Vec<Self::Series>, Stop>;
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
