//! What others know of traces that are not judged yet, and what was decided of those that are.
//! Where everything is kept, there is nothing to know.

use super::{StoreError, TraceStore};
use crate::sampling::{Sampler, SamplingCount, Vote};
use sonde_proto::{Position, Tenant, TraceId, UnixNanos};
use std::sync::Arc;

impl TraceStore {
    /// Whether traces are judged, and not all kept.
    #[must_use]
    pub fn samples(&self) -> bool {
        self.judging().is_some()
    }

    /// The sampler, where traces are judged.
    pub(super) fn judging(&self) -> Option<&Arc<Sampler>> {
        self.sampler.as_ref().filter(|sampler| sampler.judges())
    }

    /// Names a trace, so that it is kept, as far as a policy goes by such names. False where it
    /// is known that the trace was not kept, or where there was no room to note it. An exemplar is
    /// a promise: it is refused as well where the trace is not surely judged after it. It is for
    /// the thread that applies spans to name one.
    pub fn vote(&self, tenant: &Tenant, id: TraceId, vote: Vote, at: UnixNanos) -> bool {
        let Some(sampler) = self.judging() else {
            return true;
        };
        let is_too_late = || !sampler.has_kept(tenant, &id) && !self.is_to_be_judged(tenant, &id);
        if vote == Vote::Exemplar && is_too_late() {
            return false;
        }
        sampler.vote(tenant, id, vote, at)
    }

    /// Whether a trace is where the next freeze looks: one that is being judged is not, nor one
    /// that was judged and forgotten.
    fn is_to_be_judged(&self, tenant: &Tenant, id: &TraceId) -> bool {
        let state = self.state.read();
        let active = state.tails.get(tenant).and_then(|tails| tails.last());
        active.is_some_and(|tail| tail.read().traces.contains_key(id))
    }

    /// Makes the votes durable that were given, where there are new ones or those of logs before
    /// a position are not; returns up to which position of logs they are.
    ///
    /// # Errors
    /// [`StoreError`] when they cannot be written; the next call tries again.
    pub fn save_votes(&self, needed: Position) -> Result<Position, StoreError> {
        let sampler = self.judging();
        sampler.map_or(Ok(needed), |sampler| sampler.save_votes(needed))
    }

    /// Says that the logs before a position had their votes, which are all that arrived until a
    /// time: no trace is judged, but for want of room, whose last span arrived too shortly
    /// before. Until this is said, all are taken to be there.
    pub fn hear(&self, position: Position, until: UnixNanos) {
        if let Some(sampler) = &self.sampler {
            sampler.hear(position, until);
        }
    }

    /// Says whether what is applied is replayed: then the time is that of the newest entry.
    pub fn note_replaying(&self, is_replaying: bool) {
        if let Some(sampler) = &self.sampler {
            sampler.note_replaying(is_replaying);
        }
    }

    /// Why nothing of a trace is here, where it is remembered that it was judged and not kept.
    #[must_use]
    pub fn not_kept(&self, tenant: &Tenant, id: &TraceId) -> Option<String> {
        self.sampler.as_ref()?.told(tenant, id, false)
    }

    /// Why not everything of a trace is here that has spans, where that is remembered.
    pub(crate) fn kept_in_part(&self, tenant: &Tenant, id: &TraceId) -> Option<String> {
        self.sampler.as_ref()?.told(tenant, id, true)
    }

    /// How much was kept by which policy, and how much was not, since the start.
    #[must_use]
    pub fn sampling(&self) -> Option<Vec<SamplingCount>> {
        self.judging().map(|sampler| sampler.report())
    }
}
