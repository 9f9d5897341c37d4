//! What evaluation asks of a trace. Whoever has spans implements it; this crate knows no store.

use crate::ast::Scope;
use crate::value::{Kind, Status, Value};
use sonde_proto::{SpanId, TraceId};

/// The spans of one trace, each of another ID, ordered by start and then by ID.
pub trait Trace {
    /// The trace's ID.
    fn id(&self) -> TraceId;

    /// How many spans it has.
    fn len(&self) -> usize;

    /// Whether it has none.
    fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// What every span has.
    fn span(&self, at: usize) -> Span<'_>;

    /// An attribute of a span. [`Scope::Any`] looks on the span, then on its resource. Where
    /// several events or links have it, or where it is a list, the answer is a
    /// [`Value::List`]; where nothing has it, [`Value::Nil`].
    fn attribute(&self, at: usize, scope: Scope, name: &str) -> Value<'_>;

    /// Every attribute of a span, its resource, events, links and instrumentation.
    fn each_attribute<'a>(&'a self, at: usize, each: &mut dyn FnMut(Scope, &'a str, Value<'a>));

    /// The name and the time of every event, in nanoseconds since 1970.
    fn each_event<'a>(&'a self, at: usize, each: &mut dyn FnMut(&'a str, u64));

    /// What every link points to.
    fn each_link(&self, at: usize, each: &mut dyn FnMut(TraceId, SpanId));
}

/// What every span has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Span<'a> {
    /// Its ID.
    pub id: SpanId,
    /// The span it happened within.
    pub parent: Option<SpanId>,
    /// When it began, in nanoseconds since 1970.
    pub start: u64,
    /// When it ended; not before it began.
    pub end: u64,
    /// What was done.
    pub name: &'a str,
    /// What part it plays.
    pub kind: Kind,
    /// How it ended.
    pub status: Status,
    /// What went wrong, in words.
    pub status_message: &'a str,
    /// Its service.
    pub service: &'a str,
    /// The name and version of what recorded it.
    pub instrumentation: (&'a str, &'a str),
}

impl Span<'_> {
    /// How long it took.
    #[must_use]
    pub fn nanos(&self) -> u64 {
        self.end.saturating_sub(self.start)
    }
}
