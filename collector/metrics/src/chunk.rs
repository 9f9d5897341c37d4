//! Samples as bytes.
//!
//! [`open`] is what the head appends to: Gorilla, one bit stream of times and values, cheap
//! to write. [`columns`] is what segments keep: times and values apart, so that the series of
//! one scrape share one column of times, and values in the encoding that is smallest for them.
//! [`histogram`] is a column of native histograms, in head and segments alike. [`starts`] are
//! since when samples count, which stand before a column where any is known; [`rests`] is what
//! segments keep of samples that were dropped.

mod bits;
pub(crate) mod columns;
pub(crate) mod histogram;
pub(crate) mod open;
pub(crate) mod packed;
pub(crate) mod starts;
pub(crate) mod rests;

pub(crate) use bits::{Damaged, unzigzag, zigzag};

#[cfg(test)]
mod tests;
