//! What one query sees: the segments and the tails of one instant.

use super::TraceStore;
use crate::raw::RawSpan;
use crate::segment::{IdsOnly, Segment};
use crate::tail::{SharedTail, Tail};
use sonde_proto::{Position, Tenant, TraceId};
use sonde_segment::blocks::BlockError;
use std::sync::Arc;

/// The segments and the tails of one tenant. Neither loses anything while it is held: a
/// seal replaces the active tail by an empty one and leaves the old one as it was, and a
/// merge or retention closes the files of a segment only when the last view lets go.
pub(crate) struct View {
    pub(crate) segments: Vec<Arc<Segment>>,
    /// What is left of segments whose spans were let go.
    pub(crate) ids_only: Vec<Arc<IdsOnly>>,
    tails: Vec<SharedTail>,
    /// Whether a damaged segment is left out until maintenance moves it aside.
    pub(crate) is_partial: bool,
    pub(crate) applied_to: Position,
}

impl TraceStore {
    /// The view of a tenant; `None` when there is nothing of it.
    pub(crate) fn view(&self, tenant: &Tenant) -> Option<View> {
        let state = self.state.read();
        let mine = state.segments.iter().filter(|s| s.meta.tenant == *tenant);
        let (damaged, segments): (Vec<_>, Vec<_>) = mine.cloned().partition(|s| s.is_damaged());
        let tails = state.tails.get(tenant).cloned().unwrap_or_default();
        let left = state.ids_only.iter().filter(|s| s.meta.tenant == *tenant);
        let view = View {
            segments,
            ids_only: left.filter(|s| !s.is_damaged()).cloned().collect(),
            tails,
            is_partial: !damaged.is_empty(),
            applied_to: state.applied_to,
        };
        let is_empty = view.segments.is_empty() && view.tails.is_empty();
        (!is_empty || !view.ids_only.is_empty() || view.is_partial).then_some(view)
    }

    /// Notes that a segment is damaged; the next maintenance moves it aside.
    pub(crate) fn note_damage(&self, segment: &Segment, error: &BlockError) {
        if segment.mark_damaged() {
            self.metrics.damaged.inc();
            tracing::error!(segment = segment.meta.id, %error, "a segment of traces is damaged and is left out from now on");
        }
    }

    /// The same of what is left of one.
    pub(crate) fn note_damaged_ids(&self, ids: &IdsOnly, error: &BlockError) {
        if ids.mark_damaged() {
            self.metrics.damaged.inc();
            tracing::error!(segment = ids.meta.id, %error, "a segment of request IDs is damaged and is left out from now on");
        }
    }
}

impl View {
    /// Visits every tail.
    pub(crate) fn each_tail(&self, mut visit: impl FnMut(&Tail)) {
        self.tails.iter().for_each(|tail| visit(&tail.read()));
    }

    /// The spans that each tail has of a trace. Whoever judges them holds no tail meanwhile, for
    /// which those who add to it would wait.
    pub(crate) fn in_tails(&self, id: &TraceId) -> impl Iterator<Item = Vec<RawSpan>> {
        self.tails.iter().map(|tail| {
            let tail = tail.read();
            tail.traces
                .get(id)
                .map_or_else(Vec::new, |t| t.spans.clone())
        })
    }
}
