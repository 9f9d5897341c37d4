//! What one body may hold, and what is made of it.

/// The most that one body may hold. What is more is refused with its place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bounds {
    /// Bytes of the whole body, decompressed.
    pub body_bytes: usize,
    /// Bytes of one line of a text format.
    pub line_bytes: usize,
    /// Samples; a classic histogram has one for each bucket, and two.
    pub samples: usize,
    /// Labels of one sample or one exemplar.
    pub labels: usize,
    /// Bytes of one name and of one label value, after escapes.
    pub label_bytes: usize,
    /// Exemplars of one sample.
    pub exemplars: usize,
    /// Buckets of one native histogram, and its spans.
    pub buckets: usize,
}

impl Default for Bounds {
    fn default() -> Self {
        Self {
            body_bytes: 64 << 20,
            line_bytes: 1 << 20,
            samples: 1_000_000,
            labels: 128,
            label_bytes: 64 << 10,
            exemplars: 64,
            buckets: 1 << 16,
        }
    }
}

/// How a body is read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Options {
    /// The most that the body may hold.
    pub bounds: Bounds,
    /// Whether OpenMetrics' `_created` lines are given as samples too. They always become the
    /// start of the samples that they speak of.
    pub created_as_samples: bool,
    /// Whether the classic buckets of a histogram that is native too are given as well.
    pub classic_beside_native: bool,
}
