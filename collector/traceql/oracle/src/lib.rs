//! TraceQL again, slow and plain: what the fast evaluation is tested against.
//!
//! [`Plain`] holds spans as lists, and [`Plain::search`] carries a query out by comparing
//! every span with every other. [`query`] makes queries from a seed, over the few names and
//! values in [`NAMES`], [`SERVICES`] and the rest, of which tests make spans.

mod generate;
mod naive;
mod plain;

pub use generate::{ATTRIBUTES, NAMES, SERVICES, query};
pub use naive::Found;
pub use plain::{Plain, PlainSpan};
