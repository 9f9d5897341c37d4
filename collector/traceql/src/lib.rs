//! TraceQL: parser, printer, and evaluation over the spans of a trace.
//!
//! The path of a query: it is read ([`Query::parse`]), what every match must have is found so
//! that a store can leave most traces aside ([`Query::clauses`]), and the traces that are left
//! are given to it one by one through the trait [`Trace`].
//!
//! The crate never does I/O and knows no store. The language and its semantics are those of
//! Tempo's documentation; where that leaves a question open, the answer stands with the code.

mod value;
mod pattern;
mod ast;
mod parse;
mod format;
mod source;
mod eval;
mod needs;
mod single;
mod metrics;
mod lenient;

pub use ast::{
    Aggregate, Attribute, Compare, Field, FieldOp, Form, Function, Intrinsic, Math, Metrics,
    Pipeline, Query, Relation, Scalar, Scope, Second, SetOp, Spansets, Stage,
};
pub use eval::{Bounds, MatchedSpan, SPAN_SETS_MAX, SpanSet};
pub use metrics::{Counting, Exemplar, Series, Window};
pub use needs::{Alternative, Need};
pub use pattern::Pattern;
pub use sonde_lex::ParseError;
pub use source::{Span, Trace};
pub use value::{Kind, Static, Status, Value};

#[cfg(test)]
mod tests;
