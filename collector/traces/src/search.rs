//! The questions: this trace, the traces of this ID, the newest traces that match.
//!
//! A search walks the fragments of the tail and of every segment together, newest first,
//! fetches the whole trace of each, and lets the spans decide. A trace never starts after
//! any of its fragments ([`crate::raw::prefer`]), so once `limit` traces are found that start
//! later than the next fragment, nothing better can come.

mod otlp;

pub use otlp::OtlpTrace;

use crate::model::{Span, Trace, TraceSummary};
use crate::query::TraceQuery;
use crate::raw::{RawSpan, collapse};
use crate::segment::{Fragment, Order, Segment};
use crate::store::{TraceStore, View};
use crate::token::{self, Kind};
use ahash::AHashSet;
use serde::Serialize;
use sonde_proto::{Deadline, Position, SpanId, Tenant, TraceId, UnixNanos};
use sonde_segment::blocks::BlockError;
use std::cmp::Reverse;
use std::collections::{BTreeSet, BinaryHeap};

/// How many bytes of a trace are read for each of the spans that may be shown: spans are
/// smaller, so this only stops traces that are large beyond all sense.
const SPAN_BYTES: usize = 4 << 10;
/// How many bytes of a trace are read at least.
const TRACE_BYTES_MIN: usize = 4 << 20;

/// What to search for.
#[derive(Clone, Debug)]
pub struct Search {
    /// The conditions.
    pub query: TraceQuery,
    /// A matching span runs at or after this time.
    pub start: UnixNanos,
    /// A matching span starts before this time.
    pub end: UnixNanos,
    /// How many traces are wanted.
    pub limit: usize,
    /// When to stop searching and return what was found.
    pub deadline: Deadline,
}

/// What a search found.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct TraceAnswer {
    /// The traces, newest first.
    pub traces: Vec<TraceSummary>,
    /// Everything before this position was searched.
    pub searched_through: Position,
    /// Why there may be more, when there may for another reason than the limit.
    pub cut: Option<String>,
}

/// Why a question has no answer. What is damaged is left out and repaired later; this is
/// for what may work when it is tried again.
#[derive(Debug, thiserror::Error)]
pub enum SearchError {
    /// A segment could not be read.
    #[error("cannot read a segment of traces: {0}")]
    Read(#[source] BlockError),
}

impl TraceStore {
    /// A trace, whenever it happened.
    ///
    /// # Errors
    /// [`SearchError`] when a segment could not be read.
    pub fn trace(&self, tenant: &Tenant, id: &TraceId) -> Result<Option<Trace>, SearchError> {
        let Some(view) = self.view(tenant) else {
            return Ok(None);
        };
        self.fetch(&view, id)
    }

    /// The traces of a request ID or of a span ID in hex, whenever they happened; newest
    /// first, at most `limit`.
    ///
    /// # Errors
    /// [`SearchError`] when a segment could not be read.
    pub fn lookup(
        &self,
        tenant: &Tenant,
        id: &str,
        limit: usize,
    ) -> Result<Vec<TraceId>, SearchError> {
        let Some(view) = self.view(tenant) else {
            return Ok(Vec::new());
        };
        let span_id = SpanId::from_hex(id).ok();
        let tokens = [
            token::token(Kind::RequestId, "", id.as_bytes()),
            span_id.as_ref().map(token::span_id),
        ];
        let keys = &self.config().request_id_keys;
        let names = |(key, value): &(String, String)| {
            let mut named = false;
            if keys.contains(key) {
                token::each_request_id(value, |held| named |= held == id);
            }
            named
        };
        let is_meant = |span: &Span| {
            Some(span.span_id) == span_id || span.attributes.iter().chain(&span.resource).any(names)
        };
        let mut found = BTreeSet::new();
        for token in tokens.into_iter().flatten() {
            let mut fragments =
                self.candidates(&view, &[token], (UnixNanos(0), UnixNanos(u64::MAX)), |_| {
                    true
                });
            let mut examined = 0;
            while let Some(fragment) = fragments.pop()? {
                examined += 1;
                if found.len() >= limit || examined > self.config().search_traces_max {
                    break;
                }
                let trace = self.fetch(&view, &fragment.trace_id)?;
                if let Some(trace) = trace.filter(|trace| trace.spans.iter().any(is_meant)) {
                    let start = trace
                        .spans
                        .first()
                        .map_or(fragment.start, |span| span.start);
                    found.insert((Reverse(start), trace.trace_id));
                }
            }
        }
        Ok(found.into_iter().take(limit).map(|(_, id)| id).collect())
    }

    /// The newest traces that match.
    ///
    /// # Errors
    /// [`SearchError`] when a segment could not be read.
    pub fn search(&self, tenant: &Tenant, search: &Search) -> Result<TraceAnswer, SearchError> {
        let Some(view) = self.view(tenant) else {
            return Ok(TraceAnswer {
                traces: Vec::new(),
                searched_through: self.applied_to(),
                cut: None,
            });
        };
        let (shortest, longest) = search.query.nanos_range();
        let may_match = |f: &Fragment| {
            f.start < search.end
                && f.end >= search.start
                && f.longest >= shortest
                && f.shortest <= longest
        };
        let mut fragments = self.candidates(
            &view,
            &search.query.tokens(),
            (search.start, search.end),
            may_match,
        );
        let (mut best, mut seen) = (Best::new(search.limit), AHashSet::new());
        let mut cut = None;
        while let Some(fragment) = fragments.pop()? {
            if best.is_full_before(fragment.start) {
                break;
            }
            if !seen.insert(fragment.trace_id) {
                continue;
            }
            cut = self.why_stop(search, seen.len());
            if cut.is_some() {
                break;
            }
            if let Some(trace) = self.fetch(&view, &fragment.trace_id)? {
                let in_range = |span: &Span| {
                    span.start < search.end && span.end.max(span.start) >= search.start
                };
                if trace
                    .spans
                    .iter()
                    .any(|span| in_range(span) && search.query.matches(span))
                {
                    best.push(TraceSummary::of(&trace));
                }
            }
        }
        let damaged =
            view.is_partial || fragments.damaged || view.segments.iter().any(|s| s.is_damaged());
        let cut = cut.or_else(|| damaged.then(|| "a damaged segment was left out".to_owned()));
        Ok(TraceAnswer {
            traces: best.into_sorted(),
            searched_through: view.applied_to,
            cut,
        })
    }

    /// The services that have spans, by name.
    #[must_use]
    pub fn services(&self, tenant: &Tenant) -> Vec<String> {
        self.each_name(tenant, |service, _| Some(service.to_owned()))
    }

    /// The operations of a service, by name.
    #[must_use]
    pub fn operations(&self, tenant: &Tenant, service: &str) -> Vec<String> {
        self.each_name(tenant, |s, operation| {
            (s == service).then(|| operation.to_owned())
        })
    }

    fn each_name(
        &self,
        tenant: &Tenant,
        pick: impl Fn(&str, &str) -> Option<String>,
    ) -> Vec<String> {
        let Some(view) = self.view(tenant) else {
            return Vec::new();
        };
        let mut found: BTreeSet<String> = BTreeSet::new();
        view.each_tail(|tail| found.extend(tail.names().filter_map(|(s, o)| pick(s, o))));
        for segment in &view.segments {
            for name in segment.names() {
                match name {
                    Ok((service, operation)) => found.extend(pick(&service, &operation)),
                    Err(error) => {
                        self.note_damage(segment, &error);
                        break;
                    }
                }
            }
        }
        found.into_iter().collect()
    }

    fn why_stop(&self, search: &Search, examined: usize) -> Option<String> {
        if examined > self.config().search_traces_max {
            return Some(format!(
                "stopped after {} traces; narrow the query or the time range",
                self.config().search_traces_max
            ));
        }
        let late = search.deadline.has_passed();
        late.then(|| {
            "the time for this search ran out; narrow the query or the time range".to_owned()
        })
    }

    fn fetch(&self, view: &View, id: &TraceId) -> Result<Option<Trace>, SearchError> {
        let spans_max = self.config().trace_spans_max;
        let bytes_max = spans_max.saturating_mul(SPAN_BYTES).max(TRACE_BYTES_MIN);
        let mut raw: Vec<RawSpan> = Vec::new();
        view.each_tail(|tail| {
            raw.extend(
                tail.traces
                    .get(id)
                    .into_iter()
                    .flat_map(|t| t.spans.iter().cloned()),
            );
        });
        let mut bytes_left = bytes_max;
        for segment in &view.segments {
            let before = raw.len();
            match segment.spans_of(id, bytes_left, &mut raw) {
                Ok(read) => bytes_left = bytes_left.saturating_sub(read),
                Err(error) => {
                    raw.truncate(before);
                    self.tolerate(segment, error)?;
                }
            }
        }
        collapse(&mut raw);
        raw.sort_unstable_by_key(|span| (span.start, span.span_id));
        let shown = first_within(&raw, spans_max, bytes_max);
        let spans: Vec<Span> = raw[..shown].iter().filter_map(Span::decode).collect();
        let cut = if bytes_left == 0 {
            Some(format!(
                "the trace has more than {bytes_max} bytes of spans; these are some of them"
            ))
        } else {
            (shown < raw.len()).then(|| {
                format!(
                    "the trace has {} spans; these are the first {shown}",
                    raw.len()
                )
            })
        };
        Ok((!spans.is_empty()).then_some(Trace {
            trace_id: *id,
            spans,
            cut,
        }))
    }

    /// Damage is noted and left out; a disk that fails is the caller's to hear of.
    fn tolerate(&self, segment: &Segment, error: BlockError) -> Result<(), SearchError> {
        if !error.is_damage() {
            return Err(SearchError::Read(error));
        }
        self.note_damage(segment, &error);
        Ok(())
    }

    /// All fragments that have the tokens and may match, newest first.
    fn candidates<'a, F: Fn(&Fragment) -> bool>(
        &'a self,
        view: &'a View,
        tokens: &[u64],
        range: (UnixNanos, UnixNanos),
        may_match: F,
    ) -> Candidates<'a, F> {
        let mut sources: Vec<Source<'a>> = Vec::new();
        view.each_tail(|tail| {
            let traces = tail
                .traces
                .values()
                .filter(|t| may_match(&t.fragment) && t.may_have_all(tokens));
            let mut fragments: Vec<Fragment> = traces.map(|t| t.fragment).collect();
            fragments.sort_unstable_by_key(Fragment::order);
            sources.push(Source {
                segment: None,
                head: None,
                fragments: Box::new(fragments.into_iter().map(Ok)),
            });
        });
        let mut damaged = false;
        for segment in &view.segments {
            if segment.meta.end < range.0 || segment.meta.start >= range.1 {
                continue;
            }
            match segment.ordinals(tokens) {
                Ok(ordinals) => sources.push(Source {
                    segment: Some(segment),
                    head: None,
                    fragments: Box::new(segment.fragments(ordinals)),
                }),
                Err(error) => {
                    damaged = true;
                    self.note_damage(segment, &error);
                }
            }
        }
        Candidates {
            store: self,
            sources,
            heads: BinaryHeap::new(),
            started: false,
            may_match,
            damaged,
        }
    }
}

/// How many of the first spans are shown: within a number, and within bytes, where a span
/// counts with its resource, because it is shown with it.
fn first_within(spans: &[RawSpan], spans_max: usize, bytes_max: usize) -> usize {
    let mut bytes = 0_usize;
    let fits = |span: &&RawSpan| {
        bytes = bytes.saturating_add(span.bytes_with_context());
        bytes <= bytes_max
    };
    let fitting = spans.iter().take(spans_max).take_while(fits).count();
    fitting.max(spans_max.min(1)).min(spans.len())
}

/// One sorted walk over fragments.
struct Source<'a> {
    segment: Option<&'a Segment>,
    head: Option<Fragment>,
    fragments: Box<dyn Iterator<Item = Result<Fragment, BlockError>> + 'a>,
}

/// All walks, merged.
struct Candidates<'a, F> {
    store: &'a TraceStore,
    sources: Vec<Source<'a>>,
    heads: BinaryHeap<Reverse<(Order, usize)>>,
    started: bool,
    may_match: F,
    damaged: bool,
}

impl<F: Fn(&Fragment) -> bool> Candidates<'_, F> {
    fn pop(&mut self) -> Result<Option<Fragment>, SearchError> {
        if !self.started {
            self.started = true;
            (0..self.sources.len()).try_for_each(|at| self.refill(at))?;
        }
        let Some(Reverse((_, at))) = self.heads.pop() else {
            return Ok(None);
        };
        let fragment = self.sources[at].head.take();
        self.refill(at)?;
        Ok(fragment)
    }

    fn refill(&mut self, at: usize) -> Result<(), SearchError> {
        let source = &mut self.sources[at];
        for fragment in source.fragments.by_ref() {
            match fragment {
                Ok(fragment) if (self.may_match)(&fragment) => {
                    self.heads.push(Reverse((fragment.order(), at)));
                    source.head = Some(fragment);
                    return Ok(());
                }
                Ok(_) => {}
                Err(error) => {
                    self.damaged = true;
                    return source
                        .segment
                        .map_or(Ok(()), |segment| self.store.tolerate(segment, error));
                }
            }
        }
        Ok(())
    }
}

/// The best summaries so far: newest first, then by trace ID.
struct Best {
    limit: usize,
    kept: std::collections::BTreeMap<(Reverse<UnixNanos>, TraceId), TraceSummary>,
}

impl Best {
    fn new(limit: usize) -> Self {
        Self {
            limit,
            kept: std::collections::BTreeMap::new(),
        }
    }

    fn is_full_before(&self, start: UnixNanos) -> bool {
        self.limit == 0
            || (self.kept.len() >= self.limit
                && self
                    .kept
                    .last_key_value()
                    .is_some_and(|((Reverse(worst), _), _)| start < *worst))
    }

    fn push(&mut self, summary: Option<TraceSummary>) {
        if let Some(summary) = summary {
            self.kept
                .insert((Reverse(summary.start), summary.trace_id), summary);
        }
        if self.kept.len() > self.limit {
            self.kept.pop_last();
        }
    }

    fn into_sorted(self) -> Vec<TraceSummary> {
        self.kept.into_values().collect()
    }
}
