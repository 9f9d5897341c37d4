//! LogQL: the language in which logs are asked for, as Loki's documentation defines it.
//!
//! ```text
//! text ─▶ parse ─▶ ast ─┬─▶ query     selector, leading line filters, pipeline ─▶ the store searches
//!                       └─▶ eval      range, vector and binary aggregations over a `Source`
//! ```
//!
//! Nothing here does I/O or knows a store: metric queries ask a [`Source`] for times, lengths
//! or whole records and fold what comes, in any order and from several threads.

pub mod ast;

mod parse;
pub mod format;

pub use parse::{
    TEXT_BYTES_MAX, locate, parse, parse_labels, parse_narrow, parse_selector, parse_selectors,
};
pub use sonde_lex::ParseError;

mod filter;
mod pipeline;
mod query;

pub mod source;

mod value;

pub mod eval;

pub use filter::{CompileError, LineFilter};
pub use pipeline::{
    Category, ERROR, ERROR_DETAILS, LabelsView, Pipeline, PipelineLimits, Processed, SampleError,
    Scratch, Unwrapper, Wanted, unwrap_value,
};
pub use query::{LogQuery, QueryError};

pub use value::{Grid, Sample, Series, Value};

#[cfg(test)]
mod testing;
