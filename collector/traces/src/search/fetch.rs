//! A trace, put together from the tail and every segment: whole, or page by page.
//!
//! Small ones are read at once. Of a large one the heads of all spans are read first, some fifty
//! bytes each, and then again the spans of one page ([`super::large`]), so that memory is bounded
//! by the page and by [`super::large::HEADS_MAX`], however many spans a trace has.

use super::SearchError;
use super::large::{HEADS_MAX, Totals};
use super::whole::both;
use crate::model::{Span, Trace};
use crate::raw::{RawSpan, Shell, collapse};
use crate::segment::Segment;
use crate::store::{TraceStore, View};
use ahash::AHashSet;
use sonde_proto::{SpanId, Tenant, TraceId, UnixNanos};
use sonde_segment::blocks::BlockError;
use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

/// How many bytes of a trace are shown for each of the spans that may be: spans are smaller, so
/// this only stops pages that are large beyond all sense.
const SPAN_BYTES: usize = 4 << 10;
/// How many bytes of a trace are shown at least.
const PAGE_BYTES_MIN: usize = 4 << 20;
/// A trace of more stored bytes is large.
const SMALL_BYTES: usize = 16 << 20;

/// Where a span stands in its trace: spans are in the order of their places.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct SpanPlace {
    /// When it began.
    pub start: UnixNanos,
    /// Its ID, for spans that began at the same time.
    pub span_id: SpanId,
}

impl SpanPlace {
    pub(super) fn of(span: &RawSpan) -> Self {
        Self {
            start: span.start,
            span_id: span.span_id,
        }
    }
}

impl fmt::Display for SpanPlace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}", self.start.0, self.span_id)
    }
}

impl FromStr for SpanPlace {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (start, id) = text.split_once('-').unwrap_or_default();
        match (start.parse(), SpanId::from_hex(id)) {
            (Ok(start), Ok(span_id)) => Ok(Self {
                start: UnixNanos(start),
                span_id,
            }),
            _ => Err(format!(
                "{text:?} is no place in a trace; take it from `next` of the page before"
            )),
        }
    }
}

/// How much is shown at once.
#[derive(Clone, Copy, Debug)]
pub(super) struct PageLimits {
    pub(super) spans: usize,
    pub(super) bytes: usize,
    /// A trace of more bytes is not read at once.
    pub(super) small_bytes: usize,
    /// Whether what spans share counts once for all of them, since they are judged, and not once
    /// for each that it is shown with. Of a large trace it counts once for each all the same.
    pub(super) are_judged: bool,
    /// So many spans of a large trace are looked at, and up to twice as many where they are
    /// all.
    pub(super) heads: usize,
}

impl PageLimits {
    fn of(spans: usize) -> Self {
        let spans = spans.max(1);
        let bytes = spans.saturating_mul(SPAN_BYTES).max(PAGE_BYTES_MIN);
        Self {
            spans,
            bytes,
            small_bytes: bytes.min(SMALL_BYTES),
            are_judged: false,
            heads: HEADS_MAX,
        }
    }
}

/// A page of a trace, which is not decoded.
#[derive(Debug, Default)]
pub(super) struct RawTrace {
    /// By their places, one of every ID.
    pub(super) spans: Vec<RawSpan>,
    /// Why there may be more spans than these, when there may.
    pub(super) cut: Option<String>,
    /// The place of the last span, where more come after it.
    pub(super) next: Option<SpanPlace>,
    /// What the whole trace is, where these are not all of it.
    pub(super) totals: Option<Totals>,
    /// Whether a segment was left out that is damaged.
    pub(super) is_damaged: bool,
}

impl TraceStore {
    /// A trace, whenever it happened; of one with very many spans, those after a place, and
    /// the place to go on from.
    ///
    /// # Errors
    /// [`SearchError`] when a segment could not be read.
    pub fn trace_after(
        &self,
        tenant: &Tenant,
        id: &TraceId,
        after: Option<SpanPlace>,
    ) -> Result<Option<Trace>, SearchError> {
        let Some(view) = self.view(tenant) else {
            return Ok(None);
        };
        let raw = self.raw_page(&view, id, after, &self.page_limits())?;
        Ok(self.decode(tenant, id, &raw))
    }

    /// The first spans of a trace, to be judged.
    pub(super) fn raw(&self, view: &View, id: &TraceId) -> Result<RawTrace, SearchError> {
        let limits = PageLimits {
            are_judged: true,
            ..self.page_limits()
        };
        self.raw_page(view, id, None, &limits)
    }

    pub(super) fn page_limits(&self) -> PageLimits {
        PageLimits::of(self.config().trace_spans_max)
    }

    pub(super) fn raw_page(
        &self,
        view: &View,
        id: &TraceId,
        after: Option<SpanPlace>,
        limits: &PageLimits,
    ) -> Result<RawTrace, SearchError> {
        let mut is_damaged = view.is_partial;
        let small = self.read_small(view, id, limits.small_bytes, &mut is_damaged)?;
        let Some(mut spans) = small else {
            let large = self.read_large(view, id, after, limits)?;
            return Ok(RawTrace {
                is_damaged: is_damaged || large.is_damaged,
                ..large
            });
        };
        collapse(&mut spans);
        spans.sort_unstable_by_key(SpanPlace::of);
        let all = spans.len();
        let totals = || Totals::of(&spans);
        let first = after.map_or(0, |after| {
            spans.partition_point(|span| SpanPlace::of(span) <= after)
        });
        let shown = first_within(&spans[first..], limits);
        let end = first + shown;
        let totals = (shown < all).then(totals);
        let next = (end < all).then(|| SpanPlace::of(&spans[end - 1]));
        spans.truncate(end);
        spans.drain(..first);
        Ok(RawTrace {
            cut: why_cut(all, first, shown),
            spans,
            next,
            totals,
            is_damaged,
        })
    }

    /// All spans of a trace, copies among them; `None` where it is large.
    pub(super) fn read_small(
        &self,
        view: &View,
        id: &TraceId,
        bytes_max: usize,
        is_damaged: &mut bool,
    ) -> Result<Option<Vec<RawSpan>>, SearchError> {
        let (mut spans, mut bytes) = (Vec::new(), 0);
        view.each_tail(|tail| {
            for span in tail.traces.get(id).into_iter().flat_map(|t| &t.spans) {
                bytes += span.bytes.len();
                if bytes <= bytes_max {
                    spans.push(span.clone());
                }
            }
        });
        for segment in &view.segments {
            let before = spans.len();
            if bytes > bytes_max {
                return Ok(None);
            }
            match segment.spans_of(id, bytes_max - bytes, &mut spans) {
                Ok(read) => bytes += read,
                Err(error) => {
                    spans.truncate(before);
                    self.tolerate(segment, error)?;
                    *is_damaged = true;
                }
            }
        }
        Ok((bytes <= bytes_max).then_some(spans))
    }

    fn decode(&self, tenant: &Tenant, id: &TraceId, raw: &RawTrace) -> Option<Trace> {
        let spans: Vec<Span> = raw.spans.iter().filter_map(Span::decode).collect();
        let is_known = !spans.is_empty() || raw.totals.is_some();
        is_known.then(|| {
            let in_part = self.in_part(tenant, id, raw);
            Trace {
                trace_id: *id,
                spans,
                cut: both(raw.cut.clone(), in_part.as_ref()),
                in_part,
                next: raw.next.map(|next| next.to_string()),
            }
        })
    }

    /// Damage is noted and left out; a disk that fails is the caller's to hear of.
    pub(super) fn tolerate(&self, segment: &Segment, error: BlockError) -> Result<(), SearchError> {
        if !error.is_damage() {
            return Err(SearchError::Read(error));
        }
        self.note_damage(segment, &error);
        Ok(())
    }
}

/// How many of the first spans are shown or judged: within a number, and within bytes, where a
/// span that is shown counts with its resource, because it is shown with it. At least one.
fn first_within(spans: &[RawSpan], limits: &PageLimits) -> usize {
    let (mut bytes, mut known) = (0_usize, AHashSet::new());
    let mut context = |span: &RawSpan| -> usize {
        let shells = [&span.context.resource, &span.context.scope];
        let counts = |shell: &&Arc<Shell>| !limits.are_judged || known.insert(Arc::as_ptr(shell));
        let counting = shells.into_iter().filter(counts);
        counting.map(|shell| shell.bytes.len()).sum()
    };
    let fits = |span: &&RawSpan| {
        bytes = bytes.saturating_add(span.bytes.len() + context(span));
        bytes <= limits.bytes
    };
    let fitting = spans.iter().take(limits.spans).take_while(fits).count();
    fitting.max(1).min(spans.len())
}

pub(super) fn why_cut(all: usize, before: usize, shown: usize) -> Option<String> {
    (shown < all).then(|| match before {
        0 => format!("the trace has {all} spans; these are the first {shown}"),
        _ => format!("the trace has {all} spans; these are {shown} after the first {before}"),
    })
}
