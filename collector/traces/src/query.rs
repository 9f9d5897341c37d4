//! From a query to what the indexes of the store can be asked.

use crate::narrow::{Narrowing, SpanNeeds};
use crate::token;
use sonde_proto::SpanId;
use sonde_traceql::{Alternative, Need, Query};

/// What a trace must have for a query to find something in it.
pub(crate) fn narrowing(query: &Query) -> Narrowing {
    let mut narrowing = Narrowing::default();
    for clause in query.clauses() {
        narrowing = narrowing.and(clause.iter().map(of_alternative).collect());
    }
    narrowing
}

fn of_alternative(alternative: &Alternative) -> SpanNeeds {
    let mut needs = SpanNeeds::default();
    for need in &alternative.needs {
        match need {
            Need::Service(name) => needs.service = Some(name.clone()),
            Need::Name(name) => needs.name = Some(name.clone()),
            Need::Status(status) => needs.status = Some(*status as u64),
            Need::Kind(kind) => needs.kind = Some(*kind as u64),
            Need::SpanId(id) => {
                let id = SpanId::from_hex(id).ok();
                needs.tokens.extend(id.map(|id| token::span_id(&id)));
            }
            Need::Attribute(key, value) => needs.attributes.push((key.clone(), value.clone())),
            Need::AtLeast(least) => needs.nanos.0 = needs.nanos.0.max(*least),
            Need::AtMost(most) => needs.nanos.1 = needs.nanos.1.min(*most),
        }
    }
    needs
}
