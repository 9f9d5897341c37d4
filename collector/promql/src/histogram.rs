//! Arithmetic of native histograms.
//!
//! ```text
//! exponential (schema -4..=8)                        custom (schema -53)
//!  -4   -2   -1  -z   z   1    2    4                -Inf   5    10   +Inf
//!   [====)[==)     [z]     (=](==](====]               [====](====](====]
//!   negative      zero     positive                    first  …    last
//! ```
//!
//! What is computed of two exponential histograms has the coarser schema and the wider zero
//! bucket of both; of two custom ones, the bounds that both have. An exponential and a custom
//! one are [`Unlike`]. Everything here takes any histogram that passes
//! [`sonde_proto::Histogram::check`], and negative counts, which differences have.

mod side;
mod buckets;
mod layout;
mod combine;
mod resets;
mod estimate;
mod total;
mod trim;
mod text;

pub use buckets::{Bucket, buckets};
pub(crate) use combine::{Combined, Unlike, add, divide, equal, scale, subtract};
pub(crate) use estimate::{Nan, fraction, quantile, variance};
pub(crate) use layout::{compact, reduce};
pub(crate) use resets::is_reset;
pub use text::text;
pub(crate) use total::Total;
pub(crate) use trim::{Keep, trim};

use sonde_proto::{CUSTOM_SCHEMA, Histogram};

/// Adds what was counted since to a total. Where one is exponential and the other custom that
/// is not possible: `false`, and the total is what it was.
#[must_use]
pub fn accumulate(total: &mut Histogram, since: &Histogram) -> bool {
    add(total, since).is_ok()
}

/// Whether its buckets have bounds of their own.
pub(crate) fn is_custom(histogram: &Histogram) -> bool {
    histogram.schema == CUSTOM_SCHEMA
}

/// About how many bytes a histogram takes.
pub(crate) fn bytes(histogram: &Histogram) -> u64 {
    let buckets = [&histogram.positive, &histogram.negative];
    let numbers: usize = buckets.iter().map(|b| b.spans.len() + b.counts.len()).sum();
    (size_of::<Histogram>() + numbers * size_of::<f64>()) as u64
}

#[cfg(test)]
mod tests;
