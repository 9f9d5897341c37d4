//! What is known of samples that were dropped.
//!
//! ```text
//!   kept   ●───────────●─────────────●─────────────●        each sample as it was written
//!          first       least         most          last
//!   rest   ├ count, sum, lost, resets, changes of ─┤        all others of the interval
//!          start       the others                end
//! ```
//!
//! A rest is what the kept samples lack: whatever is counted over a range is what the kept ones
//! come to and what the rests say. So samples that come late count as they are, and rests of
//! rests add up. Between `start` and `end` of a rest the series lived: no two of its samples
//! were further apart than the lookback, and it had not ended.

/// The samples of one series that were dropped between two that were kept.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Rest {
    /// When the first sample of the interval is, which was kept.
    pub start: i64,
    /// When the last one is, which was kept.
    pub end: i64,
    /// How many were dropped.
    pub count: f64,
    /// Their sum; of histograms nothing.
    pub sum: f64,
    /// What a counter had counted before it was reset, more than the kept samples show.
    pub lost: f64,
    /// How often it fell, more than they show.
    pub resets: f64,
    /// How often it changed, more than they show.
    pub changes: f64,
    /// Whether they were histograms.
    pub of_histograms: bool,
}

impl Rest {
    /// Takes over what another one says.
    pub(crate) fn add(&mut self, other: &Self, share: f64) {
        self.count += share * other.count;
        self.sum += share * other.sum;
        self.lost += share * other.lost;
        self.resets += share * other.resets;
        self.changes += share * other.changes;
    }
}
