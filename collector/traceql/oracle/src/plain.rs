//! Spans as lists, which is also what the fast evaluation reads in its own tests.

use sonde_proto::{SpanId, TraceId};
use sonde_traceql::{Kind, Scope, Span, Static, Status, Trace, Value};

/// A trace: spans by start and then by ID.
#[derive(Clone, Debug, PartialEq)]
pub struct Plain {
    /// Its ID.
    pub id: TraceId,
    /// Its spans.
    pub spans: Vec<PlainSpan>,
}

/// A span.
#[derive(Clone, Debug, PartialEq)]
pub struct PlainSpan {
    /// Its ID.
    pub id: SpanId,
    /// Its parent's ID.
    pub parent: Option<SpanId>,
    /// When it began.
    pub start: u64,
    /// When it ended, not before that.
    pub end: u64,
    /// Its name.
    pub name: String,
    /// Its kind.
    pub kind: Kind,
    /// Its status.
    pub status: Status,
    /// What went wrong.
    pub message: String,
    /// Its service.
    pub service: String,
    /// The name and version of what recorded it.
    pub instrumentation: (String, String),
    /// Attributes of the span and of what belongs to it, in order.
    pub attributes: Vec<(Scope, String, Static)>,
    /// Names and times of events.
    pub events: Vec<(String, u64)>,
    /// What it links to.
    pub links: Vec<(TraceId, SpanId)>,
}

impl PlainSpan {
    /// A span that is nothing but its ID and its parent's.
    ///
    /// # Panics
    /// Where `id` is zero.
    #[must_use]
    pub fn new(id: u64, parent: u64) -> Self {
        let span_id = |n: u64| SpanId::from_slice(&n.to_be_bytes()).ok();
        Self {
            id: span_id(id).expect("the number of a span is not zero"),
            parent: span_id(parent),
            start: 1_000 * id,
            end: 1_000 * id + 500,
            name: String::new(),
            kind: Kind::Unspecified,
            status: Status::Unset,
            message: String::new(),
            service: "unknown_service".to_owned(),
            instrumentation: (String::new(), String::new()),
            attributes: Vec::new(),
            events: Vec::new(),
            links: Vec::new(),
        }
    }

    pub(crate) fn attribute(&self, scope: Scope, name: &str) -> Static {
        if scope == Scope::Any {
            let own = self.attribute(Scope::Span, name);
            return if own == Value::Nil {
                self.attribute(Scope::Resource, name)
            } else {
                own
            };
        }
        let all = self.attributes.iter();
        let mut found: Vec<&Static> = all
            .filter(|(s, n, value)| *s == scope && n == name && *value != Value::Nil)
            .map(|(_, _, value)| value)
            .collect();
        let is_many = [Scope::Event, Scope::Link].contains(&scope);
        match (found.len(), is_many) {
            (0, _) => Value::Nil,
            (1, _) | (_, false) => found.pop().cloned().unwrap_or(Value::Nil),
            (_, true) => {
                let mut all = Vec::new();
                for value in found {
                    match value {
                        Value::List(values) => all.extend(values.iter().cloned()),
                        value => all.push(value.clone()),
                    }
                }
                Value::List(all)
            }
        }
    }
}

fn borrowed(value: &Static) -> Value<'_> {
    value.clone()
}

impl Trace for Plain {
    fn id(&self) -> TraceId {
        self.id
    }

    fn len(&self) -> usize {
        self.spans.len()
    }

    fn span(&self, at: usize) -> Span<'_> {
        let span = &self.spans[at];
        Span {
            id: span.id,
            parent: span.parent,
            start: span.start,
            end: span.end,
            name: &span.name,
            kind: span.kind,
            status: span.status,
            status_message: &span.message,
            service: &span.service,
            instrumentation: (&span.instrumentation.0, &span.instrumentation.1),
        }
    }

    fn attribute(&self, at: usize, scope: Scope, name: &str) -> Value<'_> {
        self.spans[at].attribute(scope, name)
    }

    fn each_attribute<'a>(&'a self, at: usize, each: &mut dyn FnMut(Scope, &'a str, Value<'a>)) {
        for (scope, name, value) in &self.spans[at].attributes {
            each(*scope, name, borrowed(value));
        }
    }

    fn each_event<'a>(&'a self, at: usize, each: &mut dyn FnMut(&'a str, u64)) {
        for (name, time) in &self.spans[at].events {
            each(name, *time);
        }
    }

    fn each_link(&self, at: usize, each: &mut dyn FnMut(TraceId, SpanId)) {
        for (trace, span) in &self.spans[at].links {
            each(*trace, *span);
        }
    }
}
