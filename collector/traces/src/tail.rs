//! The tail: spans of one tenant that no segment holds yet, by trace.

use crate::codes::SpanCode;
use crate::narrow::Needs;
use crate::raw::RawSpan;
use crate::segment::Fragment;
use crate::token;
use ahash::AHashMap;
use parking_lot::RwLock;
use sonde_proto::{Position, TraceId, UnixNanos};
use std::collections::BTreeSet;
use std::collections::hash_map::Entry;
use std::sync::Arc;

/// How many pairs of service and operation a segment lists.
pub(crate) const NAMES_MAX: usize = 10_000;
/// A service and an operation that are longer together are not listed; a search finds them.
pub(crate) const NAME_BYTES_MAX: usize = 1 << 10;
/// What a listed pair takes beside its bytes.
const NAME_OVERHEAD: usize = 2 * size_of::<(Arc<str>, Box<str>)>() + 16;
/// What a raw span takes beside its bytes.
const SPAN_OVERHEAD: usize = size_of::<RawSpan>() + size_of::<SpanCode>() + 16;
/// What a trace takes beside its spans: its place in a table that may be half empty, and the
/// first room of its lists.
const TRACE_OVERHEAD: usize = 2 * size_of::<(TraceId, TailTrace)>() + 3 * size_of::<RawSpan>();

/// Spans with their tokens, ready to be put into a tail.
#[derive(Debug, Default)]
pub(crate) struct Parsed {
    pub(crate) spans: Vec<ParsedSpan>,
    pub(crate) tokens: Vec<u64>,
    pub(crate) contexts: Vec<ParsedContext>,
    pub(crate) payload_bytes: usize,
    pub(crate) received: UnixNanos,
    /// How many bytes of entries came before, where the store samples.
    pub(crate) taken: u64,
}

/// A span and which of the tokens are its own.
#[derive(Debug)]
pub(crate) struct ParsedSpan {
    pub(crate) trace_id: TraceId,
    pub(crate) span: RawSpan,
    pub(crate) code: SpanCode,
    pub(crate) tokens: std::ops::Range<usize>,
    pub(crate) context: usize,
    /// The operation, where this payload names it for the first time.
    pub(crate) name: Option<Box<str>>,
}

/// A resource's service, and which of the tokens are its own.
#[derive(Debug)]
pub(crate) struct ParsedContext {
    /// `None` where it is too long to be listed.
    pub(crate) service: Option<Box<str>>,
    pub(crate) code: u32,
    pub(crate) tokens: std::ops::Range<usize>,
}

/// A tail that queries read while it takes spans.
pub(crate) type SharedTail = Arc<RwLock<Tail>>;

/// The tail of one tenant.
#[derive(Debug, Default)]
pub(crate) struct Tail {
    pub(crate) traces: AHashMap<TraceId, TailTrace>,
    pub(crate) names: BTreeSet<(Arc<str>, Box<str>)>,
    pub(crate) spans: u64,
    pub(crate) bytes: usize,
    pub(crate) received: Option<(UnixNanos, UnixNanos)>,
    /// When the first span began and the last ended.
    pub(crate) ran: Option<(UnixNanos, UnixNanos)>,
    pub(crate) positions: Option<(Position, Position)>,
}

/// One trace's part of the tail.
#[derive(Clone, Debug)]
pub(crate) struct TailTrace {
    /// The first and the last entry it has spans of.
    pub(crate) first: Position,
    pub(crate) last: Position,
    /// When these arrived.
    pub(crate) arrived: (UnixNanos, UnixNanos),
    /// How many bytes of entries came before it.
    pub(crate) taken: u64,
    pub(crate) fragment: Fragment,
    pub(crate) spans: Vec<RawSpan>,
    /// Of each of the spans.
    pub(crate) codes: Vec<SpanCode>,
    tokens: Vec<u64>,
    tokens_distinct: usize,
    /// Which entry's context its last span has.
    context: Option<(Position, usize)>,
}

impl Tail {
    /// Takes the spans of one entry.
    pub(crate) fn insert(&mut self, position: Position, parsed: Parsed) {
        let first = self.positions.map_or(position, |(first, _)| first);
        self.positions = Some((first, position.next()));
        let (oldest, newest) = self.received.unwrap_or((parsed.received, parsed.received));
        self.received = Some((oldest.min(parsed.received), newest.max(parsed.received)));
        self.bytes += parsed.payload_bytes;
        for span in parsed.spans {
            let context = &parsed.contexts[span.context];
            if let (Some(service), Some(name)) = (&context.service, span.name) {
                self.add_name(service, name);
            }
            let trace = match self.traces.entry(span.trace_id) {
                Entry::Occupied(known) => known.into_mut(),
                Entry::Vacant(place) => {
                    self.bytes += TRACE_OVERHEAD;
                    let mut trace = TailTrace::new(span.trace_id, &span.span);
                    trace.first = position;
                    trace.arrived = (parsed.received, parsed.received);
                    trace.taken = parsed.taken;
                    place.insert(trace)
                }
            };
            trace.last = position;
            trace.arrived.1 = trace.arrived.1.max(parsed.received);
            let before = trace.tokens.len();
            // Spans of one context follow one another, so that it is the last one or new.
            if trace.context.replace((position, span.context)) != Some((position, span.context)) {
                trace
                    .tokens
                    .extend_from_slice(&parsed.tokens[context.tokens.clone()]);
            }
            trace.tokens.extend_from_slice(&parsed.tokens[span.tokens]);
            self.bytes += SPAN_OVERHEAD + (trace.tokens.len() - before) * 8;
            self.bytes -= trace.thin_tokens() * 8;
            trace.fragment.include(&span.span);
            let (start, end) = (span.span.start, span.span.last());
            trace.spans.push(span.span);
            trace.codes.push(span.code);
            self.spans += 1;
            self.note_run(start, end);
        }
    }

    /// Widens the time in which its spans ran.
    pub(crate) fn note_run(&mut self, start: UnixNanos, end: UnixNanos) {
        let (first, last) = self.ran.unwrap_or((start, end));
        self.ran = Some((first.min(start), last.max(end)));
    }

    /// Services and operations seen in this tail.
    pub(crate) fn names(&self) -> impl Iterator<Item = (&str, &str)> {
        self.names
            .iter()
            .map(|(service, operation)| (&**service, &**operation))
    }

    pub(crate) fn add_name(&mut self, service: &str, operation: Box<str>) {
        let bytes = service.len() + operation.len();
        let is_listed = self.names.len() < NAMES_MAX && bytes <= NAME_BYTES_MAX;
        if is_listed && self.names.insert((service.into(), operation)) {
            self.bytes += bytes + NAME_OVERHEAD;
        }
    }
}

impl TailTrace {
    fn new(trace_id: TraceId, span: &RawSpan) -> Self {
        Self {
            first: Position::START,
            last: Position::START,
            arrived: Default::default(),
            taken: 0,
            fragment: Fragment::new(trace_id, span),
            spans: Vec::new(),
            codes: Vec::new(),
            tokens: Vec::new(),
            tokens_distinct: 0,
            context: None,
        }
    }

    /// Whether the trace may have a span that is one of these.
    pub(crate) fn may_have_any(&self, alternatives: &[Needs]) -> bool {
        let has_tokens = |needs: &Needs| {
            let mut tokens = needs.tokens.iter();
            tokens.all(|token| self.tokens.contains(token))
                || self.tokens.contains(&token::overflow())
        };
        let has_code = |needs: &Needs| self.codes.iter().any(|code| needs.code.may_be(code));
        let mut alternatives = alternatives.iter();
        alternatives.any(|needs| has_code(needs) && has_tokens(needs))
    }

    /// About how many bytes it takes, without what its spans share with others.
    pub(crate) fn bytes(&self) -> usize {
        let spans = self.spans.iter().map(|s| SPAN_OVERHEAD + s.bytes.len());
        TRACE_OVERHEAD + self.tokens.len() * 8 + spans.sum::<usize>()
    }

    /// The tokens, perhaps some more than once.
    pub(crate) fn tokens(&self) -> &[u64] {
        &self.tokens
    }

    /// Throws copies out when they may be half of all; returns how many went.
    fn thin_tokens(&mut self) -> usize {
        if self.tokens.len() < 64 + 2 * self.tokens_distinct {
            return 0;
        }
        let before = self.tokens.len();
        self.tokens.sort_unstable();
        self.tokens.dedup();
        self.tokens_distinct = self.tokens.len();
        before - self.tokens.len()
    }
}
