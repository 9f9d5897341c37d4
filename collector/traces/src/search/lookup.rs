//! The traces of a request ID or of a span ID, whenever they happened.

use super::SearchError;
use super::candidates::Wanted;
use crate::model::Span;
use crate::narrow::{Narrowing, SpanNeeds};
use crate::segment::Where;
use crate::store::{TraceStore, View};
use crate::token::{self, Kind};
use sonde_proto::{SpanId, Tenant, TraceId, UnixNanos};
use std::cmp::Reverse;
use std::collections::BTreeSet;

/// An identifier, and how a span is known to carry it.
struct Asked<'a> {
    id: &'a str,
    span_id: Option<SpanId>,
    request_id_keys: &'a [String],
}

impl Asked<'_> {
    fn is_meant(&self, span: &Span) -> bool {
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

impl TraceStore {
    /// The traces of a request ID or of a span ID in hex, whenever they happened; newest
    /// first, at most `limit`. Of a request ID that is kept longer than its spans, also those
    /// of which nothing else is left.
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
        let asked = Asked {
            id,
            span_id: SpanId::from_hex(id).ok(),
            request_id_keys: &self.config().request_id_keys,
        };
        let request_id = token::token(Kind::RequestId, "", id.as_bytes());
        let mut found = BTreeSet::new();
        if let Some(token) = request_id {
            let (kept, gone) = self.carriers(&view, token)?;
            let kept = kept.into_iter().map(|(_, id)| Ok(id));
            self.find(&view, &asked, kept, limit, &mut found)?;
            // Those of which spans are kept were asked above.
            let is_kept = |id: &TraceId| view.may_have(id);
            let gone = gone.into_iter().filter(|(_, id)| !is_kept(id));
            found.extend(gone.take(limit));
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
            self.find(&view, &asked, ids, limit, &mut found)?;
        }
        Ok(found.into_iter().take(limit).map(|(_, id)| id).collect())
    }

    /// Adds those of some traces that carry the identifier, until there are enough.
    fn find(
        &self,
        view: &View,
        asked: &Asked<'_>,
        ids: impl Iterator<Item = Result<TraceId, SearchError>>,
        limit: usize,
        found: &mut BTreeSet<Where>,
    ) -> Result<(), SearchError> {
        let mut new = 0;
        for id in ids.take(self.config().search_traces_max) {
            if new >= limit {
                break;
            }
            let id = id?;
            if let Some(trace) = self.fetch(view, &id)?
                && trace.spans.iter().any(|span| asked.is_meant(span))
            {
                let start = trace.spans.first().map_or(UnixNanos(0), |span| span.start);
                new += usize::from(found.insert((Reverse(start), id)));
            }
        }
        Ok(())
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
