//! A trace that is too large to be read at once: its heads first, then the spans of a page.

use super::SearchError;
use super::fetch::{PageLimits, RawTrace, SpanPlace, why_cut};
use crate::codes;
use crate::model::{Span, TraceSummary};
use crate::raw::{Context, RawSpan, Shell};
use crate::store::{TraceStore, View};
use crate::tail::NAME_BYTES_MAX;
use crate::token;
use crate::wire::{Field, fields};
use ahash::{AHashMap, AHashSet};
use sonde_proto::{Deadline, SpanId, TraceId, UnixNanos};
use sonde_segment::blocks::BlockError;
use std::cmp::Reverse;
use std::collections::BTreeSet;
use std::sync::Arc;

/// So many spans of a trace are looked at, copies not counted; the answer says when there are
/// more.
pub(super) const HEADS_MAX: usize = 1 << 20;
/// A deadline is looked at every so many spans.
const LOOK_EVERY: usize = 1024;
/// So many services of a trace are named.
const SERVICES_MAX: usize = 10_000;

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
    services: AHashMap<String, u32>,
    /// The last resource, and its service.
    resource: Option<(Arc<Shell>, u32)>,
}

impl Heads {
    fn add(&mut self, span: &RawSpan, source: u32, at: u32) {
        let service = self.service(&span.context.resource);
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

    fn service(&mut self, resource: &Arc<Shell>) -> u32 {
        if let Some((known, service)) = &self.resource
            && Arc::ptr_eq(known, resource)
        {
            return *service;
        }
        let name = token::of_resource(resource, &[], &mut Vec::new());
        let number = match self.services.get(&*name) {
            Some(known) => *known,
            None => self.add_service(&name),
        };
        self.resource = Some((Arc::clone(resource), number));
        number
    }

    /// A number for a service; that of no service where it is too long or one too many.
    fn add_service(&mut self, name: &str) -> u32 {
        if self.services.len() >= SERVICES_MAX || name.len() > NAME_BYTES_MAX {
            return u32::MAX;
        }
        let number = u32::try_from(self.services.len()).unwrap_or(u32::MAX);
        self.services.insert(name.to_owned(), number);
        number
    }

    /// Makes room for another head, where copies of spans leave some. It is looked for when as
    /// many came as may stay, so that each head is sorted a few times and not once for each other.
    fn has_room(&mut self, heads_max: usize) -> bool {
        if self.heads.len() < heads_max.saturating_mul(2) {
            return true;
        }
        self.collapse();
        self.heads.len() <= heads_max
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
        let services = self.services.iter().filter(|(_, n)| used.contains(n));
        let services = services.map(|(name, _)| name);
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

/// What is known of a trace before its spans are read.
struct Known {
    heads: Heads,
    /// Whether there was room for all.
    is_all: bool,
    is_damaged: bool,
    /// Whether the deadline passed before all had been looked at.
    is_late: bool,
}

/// How far the spans of a trace were visited.
pub(super) struct Visited {
    /// Why not to the end.
    pub(super) cut: Option<String>,
    pub(super) is_damaged: bool,
}

impl TraceStore {
    pub(super) fn read_large(
        &self,
        view: &View,
        id: &TraceId,
        after: Option<SpanPlace>,
        limits: &PageLimits,
    ) -> Result<RawTrace, SearchError> {
        let Known {
            mut heads,
            is_all,
            is_damaged,
            ..
        } = self.heads(view, id, limits.heads, &Deadline::never())?;
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
                limits.heads,
                page.len()
            ))
        };
        Ok(RawTrace {
            spans,
            cut,
            next: page.last().filter(|_| end < all).map(|head| head.place),
            totals: (page.len() < all).then_some(totals),
            is_damaged,
        })
    }

    /// The heads of a trace, one of every span.
    fn heads(
        &self,
        view: &View,
        id: &TraceId,
        heads_max: usize,
        deadline: &Deadline,
    ) -> Result<Known, SearchError> {
        let mut known = Known {
            heads: Heads::default(),
            is_all: true,
            is_damaged: false,
            is_late: false,
        };
        let Known {
            heads,
            is_all,
            is_damaged,
            is_late,
        } = &mut known;
        let mut looked_at = 0_usize;
        self.each_source(view, id, |source, at, span| {
            match span {
                Some(span) => {
                    *is_all = heads.has_room(heads_max);
                    if *is_all {
                        heads.add(&span, source, at);
                    }
                }
                None => {
                    heads.heads.retain(|head| head.source != source);
                    *is_damaged = true;
                }
            }
            looked_at += 1;
            *is_late = looked_at.is_multiple_of(LOOK_EVERY) && deadline.has_passed();
            *is_all && !*is_late
        })?;
        heads.collapse();
        Ok(known)
    }

    /// Visits every span of a trace, one of every ID, in no order, until the deadline.
    pub(super) fn each_span(
        &self,
        view: &View,
        id: &TraceId,
        heads_max: usize,
        deadline: &Deadline,
        mut visit: impl FnMut(RawSpan),
    ) -> Result<Visited, SearchError> {
        let known = self.heads(view, id, heads_max, deadline)?;
        if known.is_late {
            return Ok(Visited {
                cut: Some("the time was over before its spans had been counted".to_owned()),
                is_damaged: known.is_damaged,
            });
        }
        let heads = &known.heads.heads;
        let mut left: AHashSet<(u32, u32)> = heads.iter().map(|h| (h.source, h.at)).collect();
        let all = left.len();
        drop(known.heads);
        let (mut visited, mut is_late, mut is_damaged) = (0_usize, false, known.is_damaged);
        self.each_source(view, id, |source, at, span| {
            is_damaged |= span.is_none();
            if let Some(span) = span.filter(|_| left.remove(&(source, at))) {
                visit(span);
                visited += 1;
                is_late = visited.is_multiple_of(LOOK_EVERY) && deadline.has_passed();
            }
            !is_late && !left.is_empty()
        })?;
        let cut = match (is_late && !left.is_empty(), known.is_all) {
            (true, _) => Some(format!(
                "the time was over after {visited} of its {all} spans"
            )),
            (false, false) => Some(format!(
                "it has more than the {visited} spans that were read"
            )),
            (false, true) => None,
        };
        Ok(Visited { cut, is_damaged })
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
        let (mut copies, mut left) = (Copies::default(), wanted.len());
        self.each_source(view, id, |source, at, span| {
            let Some(span) = span else { return true };
            if Some((source, at)) == root {
                root_span = Some(span.clone());
            }
            if wanted.contains(&(source, at)) {
                left -= 1;
                spans.push(copies.of(&span));
            }
            left > 0 || root_span.is_none() && root.is_some()
        })?;
        spans.sort_unstable_by_key(SpanPlace::of);
        Ok((spans, root_span))
    }

    /// Visits every span of every tail and segment, in the same order each time, until `visit`
    /// wants no more. `None` takes back what was seen of a source, which turned out to be
    /// damaged.
    pub(super) fn each_source(
        &self,
        view: &View,
        id: &TraceId,
        mut visit: impl FnMut(u32, u32, Option<RawSpan>) -> bool,
    ) -> Result<(), SearchError> {
        let (mut source, mut goes_on) = (0, true);
        for spans in view.in_tails(id) {
            for (at, span) in (0..).zip(spans) {
                goes_on = goes_on && visit(source, at, Some(span));
            }
            source += 1;
        }
        for segment in &view.segments {
            if !goes_on {
                return Ok(());
            }
            let mut at = 0;
            let read: Result<(), BlockError> = segment.each_span_of(id, |span| {
                goes_on = goes_on && visit(source, at, Some(span));
                at += 1;
                goes_on
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

/// Copies spans out of the values they lie in.
#[derive(Default)]
struct Copies {
    /// The last context, and its copy: those of one context lie side by side. Of more than the
    /// last nothing is kept, or every value that a page has a span of stayed in memory.
    last: Option<(Arc<Context>, Arc<Context>)>,
}

impl Copies {
    fn of(&mut self, span: &RawSpan) -> RawSpan {
        let known = self.last.as_ref();
        let known = known.filter(|(from, _)| Arc::ptr_eq(from, &span.context));
        let context = match known {
            Some((_, copy)) => Arc::clone(copy),
            None => Arc::new(Context {
                resource: span.context.resource.set_apart(),
                scope: span.context.scope.set_apart(),
            }),
        };
        self.last = Some((Arc::clone(&span.context), Arc::clone(&context)));
        RawSpan {
            context,
            bytes: bytes::Bytes::copy_from_slice(&span.bytes),
            ..*span
        }
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
    let (status, _) = codes::parts(codes::of_span(&span.bytes));
    status == 2
}

fn is_root(span: &RawSpan) -> bool {
    parent(span).is_none()
}

/// The span that it happened within.
pub(super) fn parent(span: &RawSpan) -> Option<SpanId> {
    let mut parent = &[][..];
    for field in fields(&span.bytes) {
        if let Ok((4, Field::Bytes(id))) = field {
            parent = id;
        }
    }
    SpanId::from_slice(parent).ok()
}

fn named(span: &RawSpan) -> Option<(String, String)> {
    let span = Span::decode(span)?;
    Some((span.service, span.name))
}

#[cfg(test)]
mod tests;
