//! A trace that is too large to be read at once: its heads first, then the spans of a page.

use super::SearchError;
use super::fetch::{PageLimits, RawTrace, SpanPlace, why_cut};
use crate::model::{Span, TraceSummary};
use crate::raw::{Context, RawSpan};
use crate::store::{TraceStore, View};
use crate::token;
use crate::wire::{Field, fields};
use ahash::{AHashMap, AHashSet};
use sonde_proto::{SpanId, TraceId, UnixNanos};
use sonde_segment::blocks::BlockError;
use std::cmp::Reverse;
use std::collections::BTreeSet;
use std::sync::Arc;

/// So many spans of a trace are looked at, copies not counted; the answer says when there are
/// more.
pub(super) const HEADS_MAX: usize = 1 << 20;

/// What is kept of every span while a page is looked for.
#[derive(Clone, Copy, Debug)]
struct Head {
    place: SpanPlace,
    end: UnixNanos,
    /// Of its content: of two spans of one ID and the same times and length one is taken.
    hash: u64,
    bytes: u32,
    context_bytes: u32,
    /// Which of the services.
    service: u32,
    /// Which tail or segment has it, and which of the spans there it is.
    source: u32,
    at: u32,
    is_error: bool,
    is_root: bool,
}

/// What a trace is, of which not all spans are shown.
#[derive(Clone, Debug)]
pub(super) struct Totals {
    start: UnixNanos,
    last: UnixNanos,
    spans: usize,
    errors: usize,
    services: BTreeSet<String>,
    /// The span without a parent, where there is one.
    root: Option<(String, String)>,
}

impl Totals {
    /// What these spans are, which are all.
    pub(super) fn of(spans: &[RawSpan]) -> Self {
        let mut heads = Heads::default();
        spans.iter().for_each(|span| heads.add(span, 0, 0));
        let root = spans.iter().find(|span| is_root(span));
        let mut totals = heads.totals();
        totals.root = root.and_then(named);
        totals
    }

    /// Corrects the summary that was made of a part of the trace.
    pub(super) fn complete(&self, summary: &mut TraceSummary) {
        summary.start = self.start;
        summary.duration_nanos = self.last.0 - self.start.0;
        (summary.spans, summary.errors) = (self.spans, self.errors);
        summary.services = self.services.iter().cloned().collect();
        if let Some((service, name)) = &self.root {
            summary.root_service.clone_from(service);
            summary.root_name.clone_from(name);
        }
    }
}

/// The heads of a trace.
#[derive(Default)]
struct Heads {
    heads: Vec<Head>,
    services: Vec<String>,
    /// The last context, and its service.
    context: Option<(Arc<Context>, u32)>,
}

impl Heads {
    fn add(&mut self, span: &RawSpan, source: u32, at: u32) {
        let service = self.service(&span.context);
        let length = |bytes: usize| u32::try_from(bytes).unwrap_or(u32::MAX);
        self.heads.push(Head {
            place: SpanPlace::of(span),
            end: span.end,
            hash: span.content_hash(),
            bytes: length(span.bytes.len()),
            context_bytes: length(span.bytes_with_context() - span.bytes.len()),
            service,
            source,
            at,
            is_error: is_error(span),
            is_root: is_root(span),
        });
    }

    fn service(&mut self, context: &Arc<Context>) -> u32 {
        if let Some((known, service)) = &self.context
            && Arc::ptr_eq(known, context)
        {
            return *service;
        }
        let name = token::of_context(context, &[], &mut Vec::new());
        let name = name.map_or(token::SERVICE_UNKNOWN.into(), |name| name);
        let known = self.services.iter().position(|service| **service == *name);
        let number = known.unwrap_or_else(|| {
            self.services.push(name.into_owned());
            self.services.len() - 1
        });
        let number = u32::try_from(number).unwrap_or(u32::MAX);
        self.context = Some((Arc::clone(context), number));
        number
    }

    /// Leaves one head of every span, as [`crate::raw::collapse`] does.
    fn collapse(&mut self) {
        let rank = |h: &Head| (Reverse(h.place.start), h.end, h.bytes, h.hash);
        let best_first =
            |a: &Head, b: &Head| (a.place.span_id, rank(b)).cmp(&(b.place.span_id, rank(a)));
        self.heads.sort_unstable_by(best_first);
        self.heads.dedup_by_key(|head| head.place.span_id);
    }

    fn totals(&self) -> Totals {
        let start = self.heads.iter().map(|h| h.place.start).min();
        let last = self.heads.iter().map(|h| h.end.max(h.place.start)).max();
        let used: AHashSet<u32> = self.heads.iter().map(|h| h.service).collect();
        let services = used.iter().filter_map(|n| self.services.get(*n as usize));
        Totals {
            start: start.unwrap_or_default(),
            last: last.unwrap_or_default(),
            spans: self.heads.len(),
            errors: self.heads.iter().filter(|h| h.is_error).count(),
            services: services.cloned().collect(),
            root: None,
        }
    }
}

impl TraceStore {
    pub(super) fn read_large(
        &self,
        view: &View,
        id: &TraceId,
        after: Option<SpanPlace>,
        limits: &PageLimits,
    ) -> Result<RawTrace, SearchError> {
        let (mut heads, mut is_all) = (Heads::default(), true);
        self.each_source(view, id, |source, at, span| match span {
            Some(span) => {
                if heads.heads.len() >= 2 * HEADS_MAX {
                    heads.collapse();
                }
                is_all &= heads.heads.len() < 2 * HEADS_MAX;
                if is_all {
                    heads.add(&span, source, at);
                }
            }
            None => heads.heads.retain(|head| head.source != source),
        })?;
        heads.collapse();
        let mut totals = heads.totals();
        let all = heads.heads.len();
        heads.heads.sort_unstable_by_key(|head| head.place);
        let first = after.map_or(0, |after| {
            heads.heads.partition_point(|head| head.place <= after)
        });
        let page = &heads.heads[first..];
        let page = &page[..first_within(page, limits)];
        let root = heads.heads.iter().find(|head| head.is_root);
        let (spans, root) = self.read_page(view, id, page, root)?;
        totals.root = root.as_ref().and_then(named);
        let end = first + page.len();
        let cut = why_cut(all, first, page.len());
        let cut = if is_all {
            cut
        } else {
            Some(format!(
                "the trace has more than {} spans; these are {} of them",
                2 * HEADS_MAX,
                page.len()
            ))
        };
        Ok(RawTrace {
            spans,
            cut,
            next: page.last().filter(|_| end < all).map(|head| head.place),
            totals: (page.len() < all).then_some(totals),
        })
    }

    /// Reads the spans of a page, which are copied: of what they lie in, nothing is kept.
    fn read_page(
        &self,
        view: &View,
        id: &TraceId,
        page: &[Head],
        root: Option<&Head>,
    ) -> Result<(Vec<RawSpan>, Option<RawSpan>), SearchError> {
        let root = root.map(|head| (head.source, head.at));
        let wanted: AHashSet<(u32, u32)> = page.iter().map(|h| (h.source, h.at)).collect();
        let (mut spans, mut root_span) = (Vec::with_capacity(page.len()), None);
        let mut contexts: AHashMap<*const Context, (Arc<Context>, Arc<Context>)> = AHashMap::new();
        self.each_source(view, id, |source, at, span| {
            let Some(span) = span else { return };
            if Some((source, at)) == root {
                root_span = Some(span.clone());
            }
            if wanted.contains(&(source, at)) {
                let from = Arc::as_ptr(&span.context);
                let copied = || (Arc::clone(&span.context), Arc::new(span.context.copied()));
                let (_, context) = contexts.entry(from).or_insert_with(copied);
                spans.push(RawSpan {
                    context: Arc::clone(context),
                    bytes: bytes::Bytes::copy_from_slice(&span.bytes),
                    ..span
                });
            }
        })?;
        spans.sort_unstable_by_key(SpanPlace::of);
        Ok((spans, root_span))
    }

    /// Visits every span of every tail and segment, in the same order each time. `None` takes
    /// back what was seen of a source, which turned out to be damaged.
    fn each_source(
        &self,
        view: &View,
        id: &TraceId,
        mut visit: impl FnMut(u32, u32, Option<RawSpan>),
    ) -> Result<(), SearchError> {
        let mut source = 0;
        view.each_tail(|tail| {
            let spans = tail.traces.get(id).into_iter().flat_map(|t| &t.spans);
            (0..)
                .zip(spans)
                .for_each(|(at, span)| visit(source, at, Some(span.clone())));
            source += 1;
        });
        for segment in &view.segments {
            let mut at = 0;
            let read: Result<(), BlockError> = segment.each_span_of(id, |span| {
                visit(source, at, Some(span));
                at += 1;
            });
            if let Err(error) = read {
                visit(source, 0, None);
                self.tolerate(segment, error)?;
            }
            source += 1;
        }
        Ok(())
    }
}

fn first_within(heads: &[Head], limits: &PageLimits) -> usize {
    let mut bytes = 0_usize;
    let fits = |head: &&Head| {
        bytes =
            bytes.saturating_add((head.bytes as usize).saturating_add(head.context_bytes as usize));
        bytes <= limits.bytes
    };
    let fitting = heads.iter().take(limits.spans).take_while(fits).count();
    fitting.max(1).min(heads.len())
}

fn is_error(span: &RawSpan) -> bool {
    let mut code = 0;
    for field in fields(&span.bytes) {
        if let Ok((15, Field::Bytes(status))) = field {
            code = token::status_code(status).unwrap_or(0);
        }
    }
    code == 2
}

fn is_root(span: &RawSpan) -> bool {
    let mut parent = &[][..];
    for field in fields(&span.bytes) {
        if let Ok((4, Field::Bytes(id))) = field {
            parent = id;
        }
    }
    SpanId::from_slice(parent).is_err()
}

fn named(span: &RawSpan) -> Option<(String, String)> {
    let span = Span::decode(span)?;
    Some((span.service, span.name))
}
