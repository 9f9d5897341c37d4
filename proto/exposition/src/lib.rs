//! Prometheus' exposition formats, read and written. No I/O happens here: a body that was
//! fetched, decompressed and bounded by the caller goes in, families and samples come out.
//!
//! | format | read | written |
//! |---|---|---|
//! | text 0.0.4, 1.0.0 | all | all but native histograms, start times and exemplars |
//! | OpenMetrics 0.0.1, 1.0.0 | all; of 2.0 the start times (`st@`), not values in braces | all but native histograms |
//! | protobuf, delimited | all | all; infos and state sets as gauges |
//!
//! Read in the order of a scrape: what to ask for ([`accept`]), what came ([`format_of`]),
//! the body ([`read`]) within [`Bounds`], family by family into a [`Sink`]; and for answers
//! what was asked for ([`negotiate`]), names as the other side can take them ([`Escaping`]),
//! the body ([`Writer`]).
//!
//! Invariants: no input panics; what a body makes us hold is bounded by [`Bounds`]; on the
//! text path a sample allocates nothing unless a label has an escape, an exemplar or a bound
//! that is not written as OpenMetrics writes it; not a number is always the same NaN, so no
//! body can claim that a series went stale.

mod bounds;
mod content;
mod names;
mod family;
mod number;
mod error;
mod read;
mod write;

pub use bounds::{Bounds, Options};
pub use content::{Answer, Format, FormatError, Protocol, accept, format_of, negotiate};
pub use error::{Malformed, Place};
pub use family::{Exemplar, Family, Kind, Label, Sample, Sink};
pub use names::{Escaping, is_legacy_label_name, is_legacy_metric_name, unescape as unescape_name};
pub use read::read;
pub use sonde_proto::{
    BucketSpan, Buckets, CUSTOM_SCHEMA, Histogram, HistogramError, ResetHint, SampleValue,
};
pub use write::Writer;
