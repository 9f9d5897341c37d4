//! How much of a payload is written more often than it was sent.
//!
//! A segment has the spans of a trace side by side, each with its resource and scope; so what
//! many traces of a payload share is written once for each. That costs little where resources
//! are small, and most of what is the same is compressed away. But a payload may also be one
//! resource of megabytes and a hundred thousand traces: its segment would fill any disk. So
//! spans are taken until their resources and scopes come to a multiple of the payload.

use crate::raw::{Context, RawSpan};
use ahash::AHashSet;
use sonde_proto::TraceId;
use std::sync::Arc;

/// How often a payload may be written, as far as resources and scopes go.
const TIMES_MAX: usize = 16;
/// So much may be in any case: a small payload of a large resource does no harm.
const BYTES_MIN: usize = 16 << 20;

/// What is written of the resources and scopes of a payload.
pub(super) struct Repeated {
    seen: AHashSet<(TraceId, *const Context)>,
    left: usize,
}

impl Repeated {
    pub(super) fn of_payload(bytes: usize) -> Self {
        Self {
            seen: AHashSet::new(),
            left: bytes.saturating_mul(TIMES_MAX).saturating_add(BYTES_MIN),
        }
    }

    /// Whether all of these can be taken, as nearly always, so that nobody need ask for each.
    pub(super) fn takes_all(&self, spans: &[(TraceId, RawSpan)]) -> bool {
        let shared = |span: &RawSpan| span.bytes_with_context() - span.bytes.len();
        let most = spans.iter().map(|(_, span)| shared(span)).max();
        most.unwrap_or(0).saturating_mul(spans.len()) <= self.left
    }

    /// Whether a span can be taken; counts what it shares, where that is new to its trace.
    /// All spans of the payload are held meanwhile, so that contexts are told by their places.
    pub(super) fn takes(&mut self, trace_id: TraceId, span: &RawSpan) -> bool {
        let pair = (trace_id, Arc::as_ptr(&span.context));
        if self.seen.contains(&pair) {
            return true;
        }
        let shared = span.bytes_with_context() - span.bytes.len();
        let Some(left) = self.left.checked_sub(shared) else {
            return false;
        };
        self.left = left;
        self.seen.insert(pair)
    }
}
