//! A trace in outline: what holds its spans together, without what they carry.
//!
//! Of a trace with a million spans this takes some sixty bytes each, so that what is computed of
//! a whole trace, as its critical path, need not be computed of a page.

use super::SearchError;
use super::large::{HEADS_MAX, parent};
use super::whole::both;
use crate::raw::{RawSpan, Shell};
use crate::store::TraceStore;
use crate::tail::NAME_BYTES_MAX;
use crate::token;
use crate::wire::{Field, fields};
use ahash::AHashMap;
use sonde_proto::{Deadline, SpanId, Tenant, TraceId, UnixNanos};
use std::sync::Arc;

/// So many operations of a trace are told apart.
const OPERATIONS_MAX: usize = 100_000;
/// What the others are called.
const OTHERS: &str = "(others)";

/// A trace in outline.
#[derive(Clone, Debug, Default)]
pub struct Outline {
    /// Its spans by start time, one of every span ID.
    pub spans: Vec<SpanOutline>,
    /// Why there may be more spans than these, when there may.
    pub cut: Option<String>,
    /// Services and names.
    operations: Vec<(Arc<str>, Box<str>)>,
}

/// A span in outline.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SpanOutline {
    /// Its ID within the trace.
    pub span_id: SpanId,
    /// The span it happened within.
    pub parent: Option<SpanId>,
    /// When it began.
    pub start: UnixNanos,
    /// When it ended.
    pub end: UnixNanos,
    operation: u32,
}

impl Outline {
    /// The service and the name of one of its spans.
    #[must_use]
    pub fn operation(&self, span: &SpanOutline) -> (&str, &str) {
        let found = self.operations.get(span.operation as usize);
        found.map_or((OTHERS, OTHERS), |(service, name)| (service, name))
    }
}

/// An outline on its way.
#[derive(Default)]
struct Draft {
    spans: Vec<SpanOutline>,
    numbers: AHashMap<(Arc<str>, Box<str>), u32>,
    /// The last resource, and its service.
    service: Option<(Arc<Shell>, Arc<str>)>,
    services: AHashMap<String, Arc<str>>,
}

impl Draft {
    fn add(&mut self, span: &RawSpan) {
        let service = self.service(&span.context.resource);
        let operation = self.number(service, name(span));
        self.spans.push(SpanOutline {
            span_id: span.span_id,
            parent: parent(span),
            start: span.start,
            end: span.end,
            operation,
        });
    }

    fn service(&mut self, resource: &Arc<Shell>) -> Arc<str> {
        if let Some((known, service)) = &self.service
            && Arc::ptr_eq(known, resource)
        {
            return Arc::clone(service);
        }
        let name = token::of_resource(resource, &[], &mut Vec::new());
        let service = match self.services.get(&*name) {
            Some(known) => Arc::clone(known),
            None if self.services.len() < OPERATIONS_MAX && name.len() <= NAME_BYTES_MAX => {
                let service: Arc<str> = (&*name).into();
                self.services
                    .insert(name.into_owned(), Arc::clone(&service));
                service
            }
            None => OTHERS.into(),
        };
        self.service = Some((Arc::clone(resource), Arc::clone(&service)));
        service
    }

    fn number(&mut self, service: Arc<str>, name: &str) -> u32 {
        let name = if name.len() <= NAME_BYTES_MAX {
            name
        } else {
            OTHERS
        };
        let key = (service, name.into());
        let next = u32::try_from(self.numbers.len()).unwrap_or(u32::MAX);
        match self.numbers.get(&key) {
            Some(number) => *number,
            None if self.numbers.len() < OPERATIONS_MAX => {
                self.numbers.insert(key, next);
                next
            }
            None => u32::MAX,
        }
    }

    fn finish(self, cut: Option<String>) -> Outline {
        let mut spans = self.spans;
        spans.sort_unstable_by_key(|span| (span.start, span.span_id));
        let mut operations: Vec<_> = self.numbers.into_iter().collect();
        operations.sort_unstable_by_key(|(_, number)| *number);
        Outline {
            spans,
            cut,
            operations: operations.into_iter().map(|(key, _)| key).collect(),
        }
    }
}

fn name(span: &RawSpan) -> &str {
    let mut found = "";
    for field in fields(&span.bytes) {
        if let Ok((5, Field::Bytes(bytes))) = field {
            found = std::str::from_utf8(bytes).unwrap_or("");
        }
    }
    found
}

impl TraceStore {
    /// A whole trace in outline, whenever it happened, as far as its spans can be read until the
    /// deadline.
    ///
    /// # Errors
    /// [`SearchError`] when a segment could not be read.
    pub fn outline(
        &self,
        tenant: &Tenant,
        id: &TraceId,
        deadline: &Deadline,
    ) -> Result<Outline, SearchError> {
        let Some(view) = self.view(tenant) else {
            return Ok(Outline::default());
        };
        let mut draft = Draft::default();
        let visited = self.each_span(&view, id, HEADS_MAX, deadline, |span| draft.add(&span))?;
        let lacks = self.in_part_of(tenant, id, visited.is_damaged);
        Ok(draft.finish(both(visited.cut, lacks.as_ref())))
    }
}

#[cfg(test)]
mod tests {
    use crate::Config;
    use crate::tests::model::{entry, open, payload, random_span, tenant, trace_id};
    use rand::SeedableRng as _;
    use sonde_proto::Deadline;
    use std::time::Duration;

    /// Seed 3.
    #[test]
    fn an_outline_is_of_all_spans_of_which_a_page_has_a_few() {
        const SPANS: u64 = 3_000;
        let mut rng = rand_chacha::ChaCha8Rng::seed_from_u64(3);
        let spans: Vec<_> = (1..=SPANS)
            .map(|n| {
                let mut span = random_span(&mut rng, 1);
                span.trace_id = trace_id(0).as_bytes().to_vec();
                span.span_id = n.to_be_bytes().to_vec();
                span
            })
            .collect();
        let dir = tempfile::tempdir().unwrap();
        let config = Config {
            trace_spans_max: 50,
            ..Config::default()
        };
        let store = open(dir.path(), &config);
        let (sealed, open) = spans.split_at(2_000);
        store.apply(&[entry(0, &payload("web", sealed.to_vec()))]);
        store.seal(sonde_proto::UnixNanos(0)).unwrap();
        // Some come twice.
        store.apply(&[entry(1, &payload("web", spans[1_900..2_000].to_vec()))]);
        store.apply(&[entry(2, &payload("shop", open.to_vec()))]);
        let page = store.trace(&tenant(), &trace_id(0)).unwrap().unwrap();
        assert_eq!(page.spans.len(), 50);
        let outline = store.outline(&tenant(), &trace_id(0), &Deadline::never());
        let outline = outline.unwrap();
        assert_eq!(
            (outline.spans.len() as u64, outline.cut.as_deref()),
            (SPANS, None)
        );
        for (span, known) in page.spans.iter().zip(&outline.spans) {
            assert_eq!(span.span_id, known.span_id);
            assert_eq!(
                (span.parent, span.start, span.end),
                (known.parent, known.start, known.end)
            );
            assert_eq!((&*span.service, &*span.name), outline.operation(known));
        }
        let late = Deadline::within(Duration::ZERO);
        let outline = store.outline(&tenant(), &trace_id(0), &late).unwrap();
        assert!(outline.spans.is_empty());
        assert!(outline.cut.unwrap().contains("the time was over"));
        let none = store.outline(&tenant(), &trace_id(9), &Deadline::never());
        assert!(none.unwrap().spans.is_empty());
    }
}
