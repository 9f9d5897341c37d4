//! Raw spans: cut out of a payload, not decoded, and put together again by trace.
//!
//! What is stored for a trace is an OTLP `TracesData` message of its spans, so that the
//! store keeps everything it was given, fields it does not know included:
//!
//! ```text
//! TracesData.resource_spans[] { resource, scope_spans[1] { scope, spans[] } }
//! ```

use crate::wire::{Field, WireError, field_len, fields, put_bytes, put_head};
use bytes::Bytes;
use sonde_proto::{SpanId, TraceId, UnixNanos};
use sonde_segment::blocks::hash64;
use std::cmp::{Ordering, Reverse};
use std::sync::Arc;

/// The largest stored value: a trace with more is cut into several.
const CHUNK_BYTES: usize = 1 << 20;
/// A single span larger than this is refused.
pub(crate) const SPAN_BYTES_MAX: usize = 32 << 20;

/// The resource and scope that spans of one payload share.
#[derive(Debug)]
pub(crate) struct Context {
    pub(crate) resource: Bytes,
    pub(crate) scope: Bytes,
    key: u64,
}

impl Context {
    /// Whether both say the same. The keys bring equal ones together; a sender can make keys
    /// of different ones collide, so they do not decide.
    fn is_as(self: &Arc<Self>, other: &Arc<Self>) -> bool {
        let equal = || {
            (self.key, &self.resource, &self.scope) == (other.key, &other.resource, &other.scope)
        };
        Arc::ptr_eq(self, other) || equal()
    }

    /// The same in memory of its own.
    pub(crate) fn copied(&self) -> Self {
        Self {
            resource: Bytes::copy_from_slice(&self.resource),
            scope: Bytes::copy_from_slice(&self.scope),
            key: self.key,
        }
    }

    /// How many bytes it has.
    fn len(&self) -> usize {
        self.resource.len() + self.scope.len()
    }
}

/// One span as it came.
#[derive(Clone, Debug)]
pub(crate) struct RawSpan {
    pub(crate) context: Arc<Context>,
    pub(crate) span_id: SpanId,
    pub(crate) start: UnixNanos,
    pub(crate) end: UnixNanos,
    pub(crate) bytes: Bytes,
}

/// Why a span of a good payload was left out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Refusal {
    TraceId,
    SpanId,
    TooLarge,
    /// Its resource and scope would be written too often.
    Repeated,
}

impl RawSpan {
    /// The time in which the span ran; a span that ends before it starts ran at its start.
    pub(crate) fn last(&self) -> UnixNanos {
        self.end.max(self.start)
    }

    /// How many bytes the span has together with what it shares with others.
    pub(crate) fn bytes_with_context(&self) -> usize {
        self.bytes.len() + self.context.len()
    }

    /// A hash of all that the span says.
    pub(crate) fn content_hash(&self) -> u64 {
        hash64(&self.bytes) ^ self.context.key
    }

    /// How long the span ran.
    pub(crate) fn nanos(&self) -> u64 {
        self.last().0 - self.start.0
    }
}

/// Cuts an `ExportTraceServiceRequest` (or `TracesData`, which is the same) into its spans.
pub(crate) fn split(
    payload: &Bytes,
    mut each: impl FnMut(TraceId, RawSpan),
    mut refuse: impl FnMut(Refusal),
) -> Result<(), WireError> {
    for field in fields(payload) {
        if let (1, Field::Bytes(resource_spans)) = field? {
            split_resource(payload, resource_spans, &mut each, &mut refuse)?;
        }
    }
    Ok(())
}

fn split_resource(
    payload: &Bytes,
    resource_spans: &[u8],
    each: &mut impl FnMut(TraceId, RawSpan),
    refuse: &mut impl FnMut(Refusal),
) -> Result<(), WireError> {
    let resource = last_message(resource_spans, 1)?;
    // Once: there may be very many scopes.
    let resource_hash = hash64(resource).rotate_left(1);
    for field in fields(resource_spans) {
        let (2, Field::Bytes(scope_spans)) = field? else {
            continue;
        };
        let scope = last_message(scope_spans, 1)?;
        let context = Arc::new(Context {
            resource: payload.slice_ref(resource),
            scope: payload.slice_ref(scope),
            key: resource_hash ^ hash64(scope),
        });
        for field in fields(scope_spans) {
            let (2, Field::Bytes(span)) = field? else {
                continue;
            };
            match read_head(&context, payload.slice_ref(span))? {
                Ok((trace_id, span)) => each(trace_id, span),
                Err(refusal) => refuse(refusal),
            }
        }
    }
    Ok(())
}

fn read_head(
    context: &Arc<Context>,
    bytes: Bytes,
) -> Result<Result<(TraceId, RawSpan), Refusal>, WireError> {
    let (mut trace_id, mut span_id, mut start, mut end) = (&[][..], &[][..], 0, 0);
    for field in fields(&bytes) {
        match field? {
            (1, Field::Bytes(id)) => trace_id = id,
            (2, Field::Bytes(id)) => span_id = id,
            (7, Field::Fixed64(nanos)) => start = nanos,
            (8, Field::Fixed64(nanos)) => end = nanos,
            _ => {}
        }
    }
    let (Ok(trace_id), Ok(span_id)) = (TraceId::from_slice(trace_id), SpanId::from_slice(span_id))
    else {
        return Ok(Err(if TraceId::from_slice(trace_id).is_err() {
            Refusal::TraceId
        } else {
            Refusal::SpanId
        }));
    };
    if bytes.len() > SPAN_BYTES_MAX {
        return Ok(Err(Refusal::TooLarge));
    }
    let (start, end) = (UnixNanos(start), UnixNanos(end));
    Ok(Ok((
        trace_id,
        RawSpan {
            context: Arc::clone(context),
            span_id,
            start,
            end,
            bytes,
        },
    )))
}

/// The last message of a field that should come once; empty where it is missing.
fn last_message(message: &[u8], number: u64) -> Result<&[u8], WireError> {
    let mut found = &message[..0];
    for field in fields(message) {
        match field? {
            (n, Field::Bytes(bytes)) if n == number => found = bytes,
            _ => {}
        }
    }
    Ok(found)
}

/// Which of two spans with one ID is kept: the earlier start, then the later end, then the
/// one that says more. A rule on content alone, so that no order of arrival and no merge
/// changes it; the earlier start, so that a trace never starts before any fragment of it.
pub(crate) fn prefer(a: &RawSpan, b: &RawSpan) -> Ordering {
    let rank = |s: &RawSpan| (Reverse(s.start), s.end, s.bytes.len());
    let hash = |s: &RawSpan| s.content_hash();
    let whole = |s: &RawSpan| {
        (
            s.bytes.clone(),
            s.context.resource.clone(),
            s.context.scope.clone(),
        )
    };
    rank(a)
        .cmp(&rank(b))
        .then_with(|| hash(a).cmp(&hash(b)))
        .then_with(|| whole(a).cmp(&whole(b)))
}

/// Leaves one span of every ID.
pub(crate) fn collapse(spans: &mut Vec<RawSpan>) {
    spans.sort_unstable_by(|a, b| a.span_id.cmp(&b.span_id).then_with(|| prefer(b, a)));
    spans.dedup_by_key(|span| span.span_id);
}

/// The stored values of a trace, from collapsed spans: spans of one resource and scope
/// together, by start.
pub(crate) fn encode(spans: &mut [RawSpan]) -> Vec<Vec<u8>> {
    spans.sort_unstable_by(|a, b| {
        (a.context.key, a.start, a.span_id).cmp(&(b.context.key, b.start, b.span_id))
    });
    let mut chunks = vec![Vec::new()];
    for group in spans.chunk_by(|a, b| a.context.is_as(&b.context)) {
        let mut rest = group;
        while !rest.is_empty() {
            let (fitting, later) = rest.split_at(fitting(rest));
            let full = chunks
                .last()
                .is_some_and(|chunk| chunk.len() + bytes_of(fitting) > CHUNK_BYTES);
            if full && chunks.last().is_some_and(|chunk| !chunk.is_empty()) {
                chunks.push(Vec::new());
            }
            if let Some(chunk) = chunks.last_mut() {
                put_group(chunk, fitting);
            }
            rest = later;
        }
    }
    chunks
}

/// How many spans of a group fit one value; at least one.
fn fitting(group: &[RawSpan]) -> usize {
    let mut bytes = 0;
    let fits = |span: &&RawSpan| {
        bytes += field_len(span.bytes.len());
        bytes <= CHUNK_BYTES
    };
    group.iter().take_while(fits).count().max(1)
}

fn bytes_of(group: &[RawSpan]) -> usize {
    group.iter().map(|span| field_len(span.bytes.len())).sum()
}

fn put_group(out: &mut Vec<u8>, group: &[RawSpan]) {
    let Some(first) = group.first() else { return };
    let context = &first.context;
    let scope_spans = field_len(context.scope.len()) + bytes_of(group);
    put_head(
        out,
        1,
        field_len(context.resource.len()) + field_len(scope_spans),
    );
    put_bytes(out, 1, &context.resource);
    put_head(out, 2, scope_spans);
    put_bytes(out, 1, &context.scope);
    for span in group {
        put_bytes(out, 2, &span.bytes);
    }
}
