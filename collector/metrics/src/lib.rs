//! The time-series database, asked in PromQL.
//!
//! The path of a sample: an OTLP request is read in place ([`translate`]), or what a
//! Prometheus wrote ([`remote`]), and its points are
//! appended to the series in memory ([`head`]), found by the bytes that identify them. Sealing
//! writes what is in memory as one immutable file per tenant ([`segment`]) and swaps the
//! manifest that says which journal position the files cover. A query ([`promql`], a crate of its
//! own) selects series over segments and memory ([`select`]) one at a time.
//!
//! Nothing here knows the journal, HTTP or another store, reads a clock, or reads
//! configuration files.

mod config;
mod chunk;
mod symbols;
mod postings;
mod translate;
mod head;
mod segment;
mod tenant;
mod admission;
mod deletion;
mod downsampling;
mod ingest;
mod remote;
mod select;
mod store;
mod telemetry;
#[cfg(test)]
mod testing;

pub use admission::{Offender, Verdict};
pub use config::Config;
pub use downsampling::{Downsampling, Step};
pub use select::{Limited, Reads};
pub use sonde_promql as promql;
pub use sonde_promql::{
    Answer, Features, InstantSample, ParseError, QueryError, QueryLimits, QueryValue, RangeSeries,
    STALE_NAN_BITS, Sample, Samples, is_stale, parse_selector, parse_selectors, stale_nan,
};
pub use store::{
    Cardinality, Counted, Delete, DeleteError, Lookup, MetricStore, NewestSample, OpenError,
    Question, Selection, Stats, StoreError, Thinned, When,
};
pub use tenant::Metadata;
pub use translate::exemplar::Exemplar;
