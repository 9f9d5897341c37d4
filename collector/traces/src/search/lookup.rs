//! The traces of a request ID or of a span ID, whenever they happened.

use super::candidates::Wanted;
use super::{Examined, SearchError};
use crate::narrow::{Narrowing, SpanNeeds};
use crate::raw::{RawSpan, Shell, collapse};
use crate::segment::Where;
use crate::store::{TraceStore, View};
use crate::token::{self, Kind};
use ahash::AHashSet;
use sonde_proto::{Deadline, SpanId, Tenant, TraceId, UnixNanos};
use std::cmp::Reverse;
use std::collections::BTreeSet;
use std::sync::Arc;

/// An identifier, and how a span is known to carry it.
struct Asked<'a> {
    id: &'a str,
    span_id: Option<SpanId>,
    request_id_keys: &'a [String],
    limit: usize,
    deadline: &'a Deadline,
}

/// Judges spans, of which neighbours share their resource: it is judged once for all of them.
struct Judge<'a> {
    asked: &'a Asked<'a>,
    /// The last resource, and whether it carries the identifier.
    resource: Option<(Arc<Shell>, bool)>,
}

impl<'a> Judge<'a> {
    fn new(asked: &'a Asked<'a>) -> Self {
        Self {
            asked,
            resource: None,
        }
    }

    fn is_meant(&mut self, span: &RawSpan) -> bool {
        let Asked {
            id,
            span_id,
            request_id_keys,
            ..
        } = self.asked;
        Some(span.span_id) == *span_id
            || token::span_holds(&span.bytes, request_id_keys, id)
            || self.is_meant_by(&span.context.resource)
    }

    fn is_meant_by(&mut self, resource: &Arc<Shell>) -> bool {
        if let Some((known, is_meant)) = &self.resource
            && Arc::ptr_eq(known, resource)
        {
            return *is_meant;
        }
        let is_meant = token::resource_holds(resource, self.asked.request_id_keys, self.asked.id);
        self.resource = Some((Arc::clone(resource), is_meant));
        is_meant
    }
}

/// Which traces carry an identifier.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Carriers {
    /// The traces, newest first.
    pub trace_ids: Vec<TraceId>,
    /// Why there may be more, when there may for another reason than the limit.
    pub cut: Option<String>,
}

/// How far a lookup came.
#[derive(Default)]
struct Lookup {
    found: BTreeSet<Where>,
    judged: AHashSet<TraceId>,
    examined: Examined,
    cut: Option<String>,
}

impl Lookup {
    fn stop(&mut self) {
        self.cut = Some(format!(
            "looking for the ID ended after {} traces; others may carry it",
            self.examined.traces
        ));
    }
}

impl TraceStore {
    /// The traces of a request ID or of a span ID in hex, whenever they happened; newest
    /// first, at most `limit`. Of a request ID that is kept longer than its spans, also those
    /// of which the spans that carried it are gone.
    ///
    /// # Errors
    /// [`SearchError`] when a segment could not be read.
    pub fn lookup(
        &self,
        tenant: &Tenant,
        id: &str,
        limit: usize,
        deadline: &Deadline,
    ) -> Result<Carriers, SearchError> {
        let Some(view) = self.view(tenant) else {
            return Ok(Carriers::default());
        };
        let asked = Asked {
            id,
            span_id: SpanId::from_hex(id).ok(),
            request_id_keys: &self.config().request_id_keys,
            limit,
            deadline,
        };
        let request_id = token::token(Kind::RequestId, "", id.as_bytes());
        let (mut lookup, mut gone) = (Lookup::default(), Vec::new());
        let mut damaged = view.is_partial;
        if let Some(token) = request_id {
            let (kept, others) = self.carriers(&view, token)?;
            let kept = kept.into_iter().map(|(_, id)| Ok(id));
            self.find(&view, &asked, kept, &mut lookup)?;
            gone = others;
        }
        // What lies in the tail, and span IDs, are found as any other token.
        let tokens = [request_id, asked.span_id.as_ref().map(token::span_id)];
        for token in tokens.into_iter().flatten() {
            let narrowing = Narrowing::default().and(vec![SpanNeeds::of_token(token)]);
            let wanted = Wanted {
                narrowing: &narrowing,
                times: (UnixNanos(0), UnixNanos(u64::MAX)),
                deadline,
            };
            let mut fragments = self.candidates(&view, &wanted);
            let next = || fragments.pop().transpose();
            let ids = std::iter::from_fn(next).map(|found| found.map(|f| f.trace_id));
            self.find(&view, &asked, ids, &mut lookup)?;
            damaged |= fragments.damaged;
            if fragments.is_late {
                lookup.stop();
            }
        }
        // Of one that was found, spans are kept as well as others let go.
        let found: AHashSet<TraceId> = lookup.found.iter().map(|(_, id)| *id).collect();
        let gone = gone.into_iter().filter(|(_, id)| !found.contains(id));
        lookup.found.extend(gone.take(limit));
        damaged |= view.segments.iter().any(|s| s.is_damaged());
        let damaged = damaged.then(|| "a damaged segment was left out".to_owned());
        Ok(Carriers {
            trace_ids: lookup
                .found
                .into_iter()
                .take(limit)
                .map(|(_, id)| id)
                .collect(),
            cut: lookup.cut.or(damaged),
        })
    }

    /// Adds those of some traces that carry the identifier, until there are enough.
    fn find(
        &self,
        view: &View,
        asked: &Asked<'_>,
        ids: impl Iterator<Item = Result<TraceId, SearchError>>,
        lookup: &mut Lookup,
    ) -> Result<(), SearchError> {
        let mut new = 0;
        for id in ids {
            if new >= asked.limit || lookup.cut.is_some() {
                break;
            }
            let id = id?;
            if !lookup.judged.insert(id) {
                continue;
            }
            if self.why_stop(asked.deadline, &lookup.examined).is_some() {
                lookup.stop();
                break;
            }
            lookup.examined.traces += 1;
            if let Some(start) = self.start_if_meant(view, asked, &id, lookup)? {
                lookup.found.insert((Reverse(start), id));
                new += 1;
            }
        }
        Ok(())
    }

    /// When a trace began, where any of its spans carries the identifier. A large one is not put
    /// together for that, but walked through once; of copies of a span that differ, each may.
    fn start_if_meant(
        &self,
        view: &View,
        asked: &Asked<'_>,
        id: &TraceId,
        lookup: &mut Lookup,
    ) -> Result<Option<UnixNanos>, SearchError> {
        let mut judge = Judge::new(asked);
        let small_bytes = self.page_limits().small_bytes;
        // What is damaged is left out, and noted.
        if let Some(mut spans) = self.read_small(view, id, small_bytes, &mut false)? {
            collapse(&mut spans);
            let bytes: usize = spans.iter().map(|span| span.bytes.len()).sum();
            lookup.examined.bytes += bytes as u64;
            let is_meant = spans.iter().any(|span| judge.is_meant(span));
            let start = spans.iter().map(|span| span.start).min();
            return Ok(start.filter(|_| is_meant));
        }
        let (mut start, mut is_meant, mut in_time) = (None, false, true);
        self.each_source(view, id, |_, _, span| {
            if let Some(span) = span {
                lookup.examined.bytes += span.bytes.len() as u64;
                start = Some(start.map_or(span.start, |start| span.start.min(start)));
                is_meant = is_meant || judge.is_meant(&span);
                in_time = !asked.deadline.has_passed();
            }
            in_time
        })?;
        if !is_meant && !in_time {
            lookup.stop();
        }
        Ok(start.filter(|_| is_meant))
    }

    /// The traces that carry a request ID, the newest first: those that are kept, and those of
    /// which the spans were let go.
    fn carriers(&self, view: &View, token: u64) -> Result<(Vec<Where>, Vec<Where>), SearchError> {
        let (mut kept, mut gone) = (Vec::new(), Vec::new());
        for segment in &view.segments {
            if let Err(error) = segment.carriers(token, &mut kept) {
                self.tolerate(segment, error)?;
            }
        }
        for ids in &view.ids_only {
            match ids.carriers(token, &mut gone) {
                Ok(()) => {}
                Err(error) if error.is_damage() => self.note_damaged_ids(ids, &error),
                Err(error) => return Err(SearchError::Read(error)),
            }
        }
        for all in [&mut kept, &mut gone] {
            let mut seen = BTreeSet::new();
            all.sort_unstable();
            all.retain(|(_, id)| seen.insert(*id));
        }
        Ok((kept, gone))
    }
}

#[cfg(test)]
mod tests;
