//! The trace store: spans by trace, search over them, and the lookup of request IDs.
//!
//! The path of a span: an entry is cut into raw spans ([`raw`]) without decoding them, and what
//! a search can ask for is read of each ([`read`]); they wait in the tail by trace ([`tail`]),
//! where queries already see them; where not all are
//! kept, a seal has them judged ([`sampling`]); it writes them
//! as a segment ([`segment`]) and moves the manifest; merging makes few segments of many.
//! Two questions have an index of their own: "this trace" (sorted blocks by trace ID) and
//! "which traces" (token lists over the traces of a segment, newest first).
//!
//! Invariants:
//! - A trace is the union of its fragments in all segments and the tail. Spans of one ID
//!   collapse by a rule on their content ([`raw::prefer`]), so that neither the order of
//!   arrival nor a merge changes an answer.
//! - Indexes only narrow. Whether a trace matches is decided on its decoded spans.
//! - Entries before [`TraceStore::applied_to`] are ignored, and the manifest's position is
//!   swapped with the segments: replaying the journal changes nothing.

mod config;
mod wire;
mod raw;
mod token;
mod codes;
mod narrow;
mod model;
mod read;
mod tail;
mod segment;
mod decoded;
mod query;
mod search;
mod sampling;
mod metrics;
mod store;

pub use config::Config;
pub use model::{Event, Link, Span, Stats, Trace, TraceSummary};
pub use narrow::{Narrowing, SpanNeeds};
pub use sampling::{DecisionCache, Policies, Policy, Sampling, SamplingCount, Vote};
pub use search::{
    Carriers, FoundTrace, Matched, MetricsAnswer, MetricsProgress, MetricsSearch, OtlpTrace,
    Outline, Search, SearchError, SearchProgress, SpanOutline, SpanPlace, TagAnswer, TagSearch,
    TraceAnswer, ValueAnswer,
};
pub use sonde_traceql::{
    Exemplar, Field, Intrinsic, Kind, MatchedSpan, ParseError, Query as TraceQuery, Scope, Series,
    SpanSet, Static, Status, Value, Window,
};
pub use store::{Applying, OpenError, ServiceUsage, StoreError, TraceStore, TraceUsage};

#[cfg(test)]
mod tests;
