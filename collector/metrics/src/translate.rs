//! From OTLP metrics to Prometheus series.
//!
//! [`wire`] reads the request in place, [`point`] turns each data point into the values of
//! one or more series, [`names`] and [`labels`] say what those series are called, and
//! [`verbatim`] what was scraped, whose names Prometheus has given already. Names and
//! labels are only worked out for a series that was not seen before; see `head::groups`.

pub(crate) mod wire;
pub(crate) mod names;
pub(crate) mod units;
pub(crate) mod labels;
pub(crate) mod verbatim;
pub(crate) mod exponential;
pub(crate) mod point;
pub(crate) mod exemplar;

#[cfg(test)]
mod tests;
