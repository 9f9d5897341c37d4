//! From a query to what the indexes of the store can be asked.

use crate::token::{Kind, span_id, token};
use sonde_proto::SpanId;
use sonde_traceql::{Alternative, Need, Query};

/// What one span of a trace must have for the trace to be found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Narrowing {
    /// Tokens of the part of the trace that has the span.
    pub(crate) tokens: Vec<u64>,
    /// The shortest and the longest that the span may be.
    pub(crate) nanos: (u64, u64),
}

impl Narrowing {
    /// The clause of a query that says most; `None` where nothing can be found.
    pub(crate) fn of(query: &Query) -> Option<Self> {
        let clauses = query.clauses();
        if clauses.iter().any(Vec::is_empty) {
            return None;
        }
        // A clause of several alternatives would be several questions.
        let single = clauses.iter().filter_map(|clause| match &clause[..] {
            [alternative] => Some(Self::of_alternative(alternative)),
            _ => None,
        });
        let most = single.max_by_key(|narrowing| narrowing.tokens.len());
        Some(most.unwrap_or(Self {
            tokens: Vec::new(),
            nanos: (0, u64::MAX),
        }))
    }

    fn of_alternative(alternative: &Alternative) -> Self {
        let (mut tokens, mut nanos) = (Vec::new(), (0, u64::MAX));
        for need in &alternative.needs {
            let named = |kind, name: &str| token(kind, "", name.as_bytes());
            tokens.extend(match need {
                Need::Service(name) => named(Kind::Service, name),
                Need::Name(name) => named(Kind::Operation, name),
                Need::Status(status) => named(Kind::Status, status.name()),
                Need::Kind(kind) => named(Kind::Role, kind.name()),
                Need::SpanId(id) => SpanId::from_hex(id).ok().map(|id| span_id(&id)),
                Need::Attribute(key, value) => token(Kind::Attribute, key, value.as_bytes()),
                Need::AtLeast(least) => {
                    nanos.0 = nanos.0.max(*least);
                    None
                }
                Need::AtMost(most) => {
                    nanos.1 = nanos.1.min(*most);
                    None
                }
            });
        }
        Self { tokens, nanos }
    }
}
