//! Raw spans: cut out of a payload, not decoded, and put together again by trace.
//!
//! What is kept of a payload are its spans as they came, and the messages around them without the
//! spans ([`Shell`]), fields included that nothing here knows:
//!
//! ```text
//! TracesData.resource_spans[] { resource, schema_url, …, scope_spans[] }   a shell: all but scope_spans
//!            scope_spans[]    { scope, schema_url, …, spans[] }            a shell: all but spans
//! ```
//!
//! Fields of the request itself that OTLP does not have are not kept.

use crate::wire::{Field, WireError, field_len, fields, put_bytes, put_head};
use bytes::Bytes;
use sonde_proto::walk::{self, WalkError};
use sonde_proto::{SpanId, TraceId, UnixNanos};
use sonde_segment::blocks::hash64;
use std::borrow::{Borrow, Cow};
use std::cmp::{Ordering, Reverse};
use std::sync::Arc;

/// A single span larger than this is refused.
pub(crate) const SPAN_BYTES_MAX: usize = sonde_proto::walk::SPAN_BYTES_MAX;
/// About how many bytes of spans are in one `ResourceSpans` that is written.
const PIECE_BYTES: usize = 1 << 20;

/// A `ResourceSpans` or a `ScopeSpans` without what is in it.
#[derive(Debug)]
pub(crate) struct Shell {
    pub(crate) bytes: Bytes,
    hash: u64,
    place: Place,
}

/// Where a shell's bytes lie.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Place {
    /// In the payload or value that it was cut out of, which is held as long as it is.
    Within,
    /// In memory of their own.
    Apart,
    /// In the list that a merge is going to write, under this number.
    Listed(u32),
}

impl Shell {
    /// The shell of a message of a payload, as a walk of it found it.
    #[expect(
        clippy::ptr_arg,
        reason = "what is borrowed lies in the payload, and what is not lies apart"
    )]
    pub(crate) fn cut_out(payload: &Bytes, shell: &Cow<'_, [u8]>) -> Self {
        match shell {
            Cow::Borrowed(within) => Self::new(payload.slice_ref(within), Place::Within),
            Cow::Owned(joined) => Self::new(Bytes::copy_from_slice(joined), Place::Apart),
        }
    }

    /// One whose bytes lie in memory of their own.
    pub(crate) fn apart(bytes: Bytes) -> Self {
        Self::new(bytes, Place::Apart)
    }

    /// Stands for one with this number and hash among others whose numbers are in the order of
    /// their bytes: it compares with these as the one it stands for.
    pub(crate) fn listed(number: u32, hash: u64) -> Self {
        Self {
            bytes: Bytes::copy_from_slice(&number.to_be_bytes()),
            hash,
            place: Place::Listed(number),
        }
    }

    fn new(bytes: Bytes, place: Place) -> Self {
        Self {
            hash: hash64(&bytes),
            bytes,
            place,
        }
    }

    /// Its number, where it stands for one that is listed.
    pub(crate) fn number(&self) -> Option<u32> {
        match self.place {
            Place::Listed(number) => Some(number),
            Place::Within | Place::Apart => None,
        }
    }

    /// The bytes of memory that it takes for itself.
    pub(crate) fn bytes_apart(&self) -> usize {
        match self.place {
            Place::Within => 0,
            Place::Apart | Place::Listed(_) => self.bytes.len(),
        }
    }

    /// The same in memory of its own.
    pub(crate) fn set_apart(self: &Arc<Self>) -> Arc<Self> {
        match self.place {
            Place::Within => Arc::new(Self {
                bytes: Bytes::copy_from_slice(&self.bytes),
                hash: self.hash,
                place: Place::Apart,
            }),
            Place::Apart | Place::Listed(_) => Arc::clone(self),
        }
    }

    /// Whether both say the same. The hashes bring equal ones together; a sender can make hashes
    /// of different ones collide, so they do not decide.
    fn is_as(self: &Arc<Self>, other: &Arc<Self>) -> bool {
        Arc::ptr_eq(self, other) || (self.hash, &self.bytes) == (other.hash, &other.bytes)
    }
}

/// The resource and scope that spans share.
#[derive(Debug)]
pub(crate) struct Context {
    pub(crate) resource: Arc<Shell>,
    pub(crate) scope: Arc<Shell>,
}

impl Context {
    fn key(&self) -> u64 {
        self.resource.hash.rotate_left(1) ^ self.scope.hash
    }

    /// How many bytes it has.
    fn len(&self) -> usize {
        self.resource.bytes.len() + self.scope.bytes.len()
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
}

impl RawSpan {
    /// A span of a payload, as a walk of it found it, and its trace.
    pub(crate) fn cut_out(
        payload: &Bytes,
        span: &walk::Span<'_>,
        context: &Arc<Context>,
    ) -> Result<(TraceId, Self), Refusal> {
        let (trace_id, span_id) = ids(span)?;
        let span = Self {
            context: Arc::clone(context),
            span_id,
            start: UnixNanos(span.start_time_unix_nano),
            end: UnixNanos(span.end_time_unix_nano),
            bytes: payload.slice_ref(span.bytes),
        };
        Ok((trace_id, span))
    }

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
        hash64(&self.bytes) ^ self.context.key()
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
) -> Result<(), WalkError> {
    for resource_spans in walk::spans(payload)? {
        let resource = Arc::new(Shell::cut_out(payload, &resource_spans.shell));
        for scope_spans in &resource_spans.scopes {
            let context = Arc::new(Context {
                resource: Arc::clone(&resource),
                scope: Arc::new(Shell::cut_out(payload, &scope_spans.shell)),
            });
            for span in &scope_spans.spans {
                match RawSpan::cut_out(payload, span, &context) {
                    Ok((trace_id, span)) => each(trace_id, span),
                    Err(refusal) => refuse(refusal),
                }
            }
        }
    }
    Ok(())
}

/// The IDs of a span that is kept.
pub(crate) fn ids(span: &walk::Span<'_>) -> Result<(TraceId, SpanId), Refusal> {
    let trace_id = TraceId::from_slice(span.trace_id).map_err(|_| Refusal::TraceId)?;
    let span_id = SpanId::from_slice(span.span_id).map_err(|_| Refusal::SpanId)?;
    if span.bytes.len() > SPAN_BYTES_MAX {
        return Err(Refusal::TooLarge);
    }
    Ok((trace_id, span_id))
}

/// A span, from its bytes.
pub(crate) fn read_head(
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

/// Which of two spans with one ID is kept: the earlier start, then the later end, then the
/// one that says more. A rule on content alone, so that no order of arrival and no merge
/// changes it; the earlier start, so that a trace never starts before any fragment of it.
pub(crate) fn prefer(a: &RawSpan, b: &RawSpan) -> Ordering {
    let rank = |s: &RawSpan| (Reverse(s.start), s.end, s.bytes.len());
    let hash = |s: &RawSpan| s.content_hash();
    let whole = |s: &RawSpan| {
        (
            s.bytes.clone(),
            s.context.resource.bytes.clone(),
            s.context.scope.bytes.clone(),
        )
    };
    rank(a)
        .cmp(&rank(b))
        .then_with(|| hash(a).cmp(&hash(b)))
        .then_with(|| whole(a).cmp(&whole(b)))
}

/// Leaves one span of every ID.
pub(crate) fn collapse<S: Borrow<RawSpan>>(spans: &mut Vec<S>) {
    spans.sort_unstable_by(|a, b| {
        let (a, b) = (a.borrow(), b.borrow());
        a.span_id.cmp(&b.span_id).then_with(|| prefer(b, a))
    });
    spans.dedup_by(|later, first| {
        let (later, first): (&RawSpan, &RawSpan) = ((*later).borrow(), (*first).borrow());
        later.span_id == first.span_id
    });
}

/// An OTLP `TracesData` message of spans: those of one resource together, by scope and start, a
/// piece after the other, so that who reads one of its `ResourceSpans` does not have to hold all.
pub(crate) fn encode(spans: &mut [RawSpan]) -> Vec<u8> {
    spans.sort_unstable_by_key(|span| {
        let context = &span.context;
        (
            context.resource.hash,
            context.scope.hash,
            span.start,
            span.span_id,
        )
    });
    let mut out = Vec::new();
    for of_resource in spans.chunk_by(|a, b| a.context.resource.is_as(&b.context.resource)) {
        let mut rest = of_resource;
        while !rest.is_empty() {
            let (piece, later) = rest.split_at(piece(rest));
            put_piece(&mut out, piece);
            rest = later;
        }
    }
    out
}

/// How many spans go into one piece: more where a piece's resource and scope are large, so that
/// these are never most of the message.
fn piece(spans: &[RawSpan]) -> usize {
    let (mut bytes, most) = (0, PIECE_BYTES.max(spans[0].context.len()));
    let fits = |span: &&RawSpan| {
        bytes += span.bytes.len();
        bytes <= most
    };
    spans.iter().take_while(fits).count().max(1)
}

/// Writes spans of one resource.
fn put_piece(out: &mut Vec<u8>, spans: &[RawSpan]) {
    let scopes = || spans.chunk_by(|a, b| a.context.scope.is_as(&b.context.scope));
    let resource = &spans[0].context.resource.bytes;
    let inside: usize = scopes().map(|spans| field_len(scope_len(spans))).sum();
    put_head(out, 1, resource.len() + inside);
    out.extend_from_slice(resource);
    for spans in scopes() {
        put_head(out, 2, scope_len(spans));
        out.extend_from_slice(&spans[0].context.scope.bytes);
        for span in spans {
            put_bytes(out, 2, &span.bytes);
        }
    }
}

fn scope_len(spans: &[RawSpan]) -> usize {
    let inside: usize = spans.iter().map(|span| field_len(span.bytes.len())).sum();
    spans[0].context.scope.bytes.len() + inside
}
