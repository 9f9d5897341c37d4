//! Which spans of one trace a query finds.

use super::SearchError;
use crate::decoded::Decoder;
use crate::store::TraceStore;
use sonde_proto::{Deadline, Tenant, TraceId, UnixNanos};
use sonde_traceql::{Bounds, Query, SPAN_SETS_MAX, SpanSet};

/// The span sets, and why there may be more of them.
pub type Matched = (Vec<SpanSet>, Option<String>);

impl TraceStore {
    /// What a query finds in one trace, whenever it happened, up to `spans_max` spans of each
    /// span set. `None` where there is no such trace; nothing is found where the deadline passes.
    ///
    /// # Errors
    /// [`SearchError`] when a segment could not be read.
    pub fn matched(
        &self,
        tenant: &Tenant,
        id: &TraceId,
        query: &Query,
        spans_max: usize,
        deadline: &Deadline,
    ) -> Result<Option<Matched>, SearchError> {
        let Some(view) = self.view(tenant) else {
            return Ok(None);
        };
        let raw = self.raw(&view, id)?;
        if raw.spans.is_empty() {
            return Ok(None);
        }
        let bounds = Bounds {
            start: UnixNanos(0),
            end: UnixNanos(u64::MAX),
            spans_max,
        };
        let decoded = Decoder::default().decode(*id, &raw.spans);
        let (span_sets, why) = query.search_until(&decoded, &bounds, deadline);
        let many = span_sets.iter().any(|set| set.matched > set.spans.len());
        let many = many.then(|| format!("more than {spans_max} spans match; these are the first"));
        // How many there would be is not known; they seldom are exactly as many as are told.
        let sets = span_sets.len() >= SPAN_SETS_MAX;
        let sets = sets.then(|| format!("these are the first {SPAN_SETS_MAX} span sets"));
        let why = why.map(str::to_owned);
        Ok(Some((span_sets, raw.cut.or(why).or(many).or(sets))))
    }
}
