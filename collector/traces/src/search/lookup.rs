//! The traces of a request ID or of a span ID, whenever they happened.

use super::candidates::Wanted;
use super::{Examined, SearchError};
use crate::model::Span;
use crate::narrow::{Narrowing, SpanNeeds};
use crate::raw::RawSpan;
use crate::segment::Where;
use crate::store::{TraceStore, View};
use crate::token::{self, Kind};
use ahash::AHashSet;
use sonde_proto::{Deadline, SpanId, Tenant, TraceId, UnixNanos};
use std::cmp::Reverse;
use std::collections::BTreeSet;

/// An identifier, and how a span is known to carry it.
struct Asked<'a> {
    id: &'a str,
    span_id: Option<SpanId>,
    request_id_keys: &'a [String],
    limit: usize,
    deadline: &'a Deadline,
}

impl Asked<'_> {
    fn is_meant(&self, span: &RawSpan) -> bool {
        let Some(span) = Span::decode(span) else {
            return false;
        };
        let names = |(key, value): &(String, String)| {
            let mut named = false;
            if self.request_id_keys.contains(key) {
                token::each_request_id(value, |held| named |= held == self.id);
            }
            named
        };
        let mut attributes = span.attributes.iter().chain(&span.resource);
        Some(span.span_id) == self.span_id || attributes.any(names)
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
            };
            let mut fragments = self.candidates(&view, &wanted);
            let next = || fragments.pop().transpose();
            let ids = std::iter::from_fn(next).map(|found| found.map(|f| f.trace_id));
            self.find(&view, &asked, ids, &mut lookup)?;
            damaged |= fragments.damaged;
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
            let raw = self.raw(view, &id)?;
            lookup.examined.add(&raw);
            let mut is_meant = raw.spans.iter().any(|span| asked.is_meant(span));
            if !is_meant && raw.next.is_some() {
                is_meant = self.any_is_meant(view, asked, &id, lookup)?;
            }
            if is_meant {
                let start = raw.spans.first().map_or(UnixNanos(0), |span| span.start);
                lookup.found.insert((Reverse(start), id));
                new += 1;
            }
        }
        Ok(())
    }

    /// Whether any span of a large trace carries the identifier. Of copies of a span that
    /// differ, each may.
    fn any_is_meant(
        &self,
        view: &View,
        asked: &Asked<'_>,
        id: &TraceId,
        lookup: &mut Lookup,
    ) -> Result<bool, SearchError> {
        let (mut is_meant, mut in_time) = (false, true);
        self.each_source(view, id, |_, _, span| {
            if let Some(span) = span {
                lookup.examined.bytes += span.bytes.len() as u64;
                is_meant = asked.is_meant(&span);
                in_time = !asked.deadline.has_passed();
            }
            !is_meant && in_time
        })?;
        if !is_meant && !in_time {
            lookup.stop();
        }
        Ok(is_meant)
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
