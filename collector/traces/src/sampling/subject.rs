//! A trace that is judged, as far as it has arrived.
//!
//! Most traces are wanted by nobody, so the cheap answers come first: times and the codes and
//! tokens of the tail say of most traces that they cannot match, and only of the others are
//! spans decoded.

use super::chance;
use super::votes::Voted;
use crate::codes::CodeNeeds;
use crate::decoded::{Decoded, Decoder};
use crate::narrow::{Narrowing, Needs, SpanNeeds};
use crate::raw::{RawSpan, collapse};
use crate::tail::TailTrace;
use sonde_proto::{TraceId, UnixNanos};
use sonde_traceql::{Bounds, Query, Scope, Status, Trace as _, Value};
use std::cell::{OnceCell, RefCell};

/// Of a trace with more bytes of spans, the first so many are decoded.
const DECODED_BYTES_MAX: usize = 16 << 20;

/// A trace that is judged.
pub(super) struct Subject<'a> {
    id: TraceId,
    trace: &'a TailTrace,
    /// By their places, one of every ID.
    spans: Vec<RawSpan>,
    decoder: &'a RefCell<Decoder>,
    decoded: OnceCell<Decoded>,
    voted: Voted,
}

impl<'a> Subject<'a> {
    pub(super) fn new(
        id: TraceId,
        trace: &'a TailTrace,
        voted: Voted,
        decoder: &'a RefCell<Decoder>,
    ) -> Self {
        let mut spans = trace.spans.clone();
        collapse(&mut spans);
        spans.sort_unstable_by_key(|span| (span.start, span.span_id));
        Self {
            id,
            trace,
            spans,
            decoder,
            decoded: OnceCell::new(),
            voted,
        }
    }

    /// Who names it.
    pub(super) fn voted(&self) -> Voted {
        self.voted
    }

    pub(super) fn randomness(&self) -> u64 {
        chance::randomness(&self.id, &self.spans)
    }

    /// How many spans it has, and their bytes.
    pub(super) fn size(&self) -> (u64, u64) {
        let bytes = self.spans.iter().map(|span| span.bytes.len() as u64);
        (self.spans.len() as u64, bytes.sum())
    }

    /// From its first start to its last end.
    pub(super) fn nanos(&self) -> u64 {
        let (first, last) = (
            self.spans.iter().map(|span| span.start).min(),
            self.spans.iter().map(RawSpan::last).max(),
        );
        last.unwrap_or_default()
            .0
            .saturating_sub(first.unwrap_or_default().0)
    }

    fn decoded(&self) -> &Decoded {
        self.decoded.get_or_init(|| {
            let mut left = DECODED_BYTES_MAX;
            let fits = |span: &&RawSpan| {
                let fitting = left.checked_sub(span.bytes.len());
                left = fitting.unwrap_or(0);
                fitting.is_some()
            };
            let fitting = self.spans.iter().take_while(fits).count();
            let mut decoder = self.decoder.borrow_mut();
            decoder.decode(self.id, &self.spans[..fitting])
        })
    }

    pub(super) fn has_status(&self, wanted: u8) -> bool {
        let needs = |status: u64| {
            let mut code = CodeNeeds::default();
            code.need_status(status);
            code
        };
        let may = (0..3_u64).any(|status| {
            wanted & 1 << status != 0 && self.trace.codes.iter().any(|c| needs(status).may_be(c))
        });
        let bit = |status: Status| match status {
            Status::Unset => 1,
            Status::Ok => 2,
            Status::Error => 4,
        };
        may && (0..self.decoded().len()).any(|at| wanted & bit(self.decoded().span(at).status) != 0)
    }

    /// Whether a span or its resource may have an attribute of this value.
    pub(super) fn may_have(&self, key: &str, value: &str) -> bool {
        let needs = SpanNeeds {
            attributes: vec![(key.to_owned(), value.to_owned())],
            ..SpanNeeds::default()
        };
        let clauses = Narrowing::default().and(vec![needs]).clauses();
        clauses.iter().all(|clause| self.trace.may_have_any(clause))
    }

    /// Whether a span or its resource has such a value.
    pub(super) fn has_value(&self, key: &str, is_it: impl Fn(&Value<'_>) -> bool) -> bool {
        let trace = self.decoded();
        (0..trace.len()).any(|at| {
            is_it(&trace.attribute(at, Scope::Span, key))
                || is_it(&trace.attribute(at, Scope::Resource, key))
        })
    }

    pub(super) fn is_found_by(&self, query: &Query, clauses: &[Vec<Needs>]) -> bool {
        let mut clauses = clauses.iter();
        let may = clauses.all(|clause| self.trace.may_have_any(clause));
        let bounds = Bounds {
            start: UnixNanos(0),
            end: UnixNanos(u64::MAX),
            spans_max: 1,
        };
        may && !query.places(self.decoded(), &bounds).is_empty()
    }
}
