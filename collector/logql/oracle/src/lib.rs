//! What LogQL's documentation says, as plain loops: the evaluator that the fast one is held
//! against. Only tests use it.
//!
//! ```text
//! seed ─▶ World (streams, records) ─┬─▶ query ─▶ AST ─┬─▶ log, metric: the right answer
//!                                   │                 └─▶ text ─▶ what is tested
//!                                   └─▶ what is tested
//! ```
//!
//! Nothing of the fast evaluator is used here but the AST; where the documentation is silent,
//! the order of operations is Loki's, and where two readings are possible the answer is
//! [`Refused::Undefined`], so that a test can leave it out and count it.

pub mod world;

mod lines;
pub mod json;

mod units;
mod template;
mod state;
mod parsers;
mod filters;
pub mod stages;

mod log;
mod metric;
mod aggregate;
mod binary;

mod stage_gen;
mod parser_gen;
mod range_gen;
pub mod query;
pub mod text;

pub use binary::Refused;
pub use log::{Direction, Row, check_rows, rows};
pub use metric::{Errors, Grid, Table, evaluate};
pub use world::{Record, Stream, World};

/// Names and values of labels.
pub type Key = std::collections::BTreeMap<String, String>;
