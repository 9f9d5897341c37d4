//! What was decided of traces, for spans that come late and for a lookup.
//!
//! A decision is remembered with the position that the journal had reached: spans of a trace
//! that was not kept which come again from before that position, because they are replayed,
//! were judged with the rest and are not judged alone.

use super::config::DecisionCache;
use super::file::{put_tenant, take_tenant};
use ahash::AHashMap;
use sonde_proto::{Position, Tenant, TraceId, UnixNanos};
use sonde_segment::blocks::{put_varint, take_varint};
use std::collections::VecDeque;
use std::time::Duration;

/// None is remembered for longer.
const AGE_MAX: Duration = Duration::from_secs(24 * 3600);

/// What became of a trace.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fate {
    Kept,
    /// It was not, but spans that came later were.
    Partial,
    NotKept,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Decision {
    pub(super) fate: Fate,
    /// Spans of entries before this position were judged.
    pub(super) judged_to: Position,
    pub(super) at: UnixNanos,
}

/// The decisions of all tenants; of those that were kept and of those that were not, the oldest
/// are forgotten.
#[derive(Clone, Debug)]
pub(super) struct Decisions {
    limits: DecisionCache,
    by_tenant: AHashMap<Tenant, AHashMap<TraceId, Decision>>,
    kept: VecDeque<(UnixNanos, Tenant, TraceId)>,
    not_kept: VecDeque<(UnixNanos, Tenant, TraceId)>,
}

impl Fate {
    const ALL: [Self; 3] = [Self::Kept, Self::Partial, Self::NotKept];

    pub(super) fn is_kept(self) -> bool {
        self != Self::NotKept
    }
}

impl Decisions {
    pub(super) fn new(limits: DecisionCache) -> Self {
        Self {
            limits,
            by_tenant: AHashMap::new(),
            kept: VecDeque::new(),
            not_kept: VecDeque::new(),
        }
    }

    pub(super) fn of(&self, tenant: &Tenant, id: &TraceId) -> Option<Decision> {
        self.by_tenant.get(tenant)?.get(id).copied()
    }

    pub(super) fn remember(&mut self, tenant: &Tenant, id: TraceId, decision: Decision) {
        let traces = self.by_tenant.entry(tenant.clone()).or_default();
        let before = traces.insert(id, decision);
        if before.is_none_or(|before| before.fate.is_kept() != decision.fate.is_kept()) {
            let queue = match decision.fate.is_kept() {
                true => &mut self.kept,
                false => &mut self.not_kept,
            };
            queue.push_back((decision.at, tenant.clone(), id));
        }
        self.forget(decision.at);
    }

    fn forget(&mut self, now: UnixNanos) {
        let queues = [
            (&mut self.kept, self.limits.sampled_cache_size, true),
            (
                &mut self.not_kept,
                self.limits.non_sampled_cache_size,
                false,
            ),
        ];
        for (queue, max, is_kept) in queues {
            while let Some((at, tenant, id)) = queue.front()
                && (queue.len() > max || now.since(*at) > AGE_MAX)
            {
                if let Some(traces) = self.by_tenant.get_mut(tenant) {
                    // It may stand in the other queue by now.
                    if traces.get(id).is_some_and(|d| d.fate.is_kept() == is_kept) {
                        traces.remove(id);
                    }
                    if traces.is_empty() {
                        self.by_tenant.remove(tenant);
                    }
                }
                queue.pop_front();
            }
        }
    }

    /// How many are remembered of those that were kept, and of those that were not.
    #[cfg(test)]
    pub(super) fn len(&self) -> (usize, usize) {
        (self.kept.len(), self.not_kept.len())
    }

    /// Up to where anything was judged.
    pub(super) fn judged_to(&self) -> Position {
        let all = self.by_tenant.values().flat_map(|traces| traces.values());
        all.map(|d| d.judged_to).max().unwrap_or_default()
    }

    /// As they lie in a file, those that were kept first, each kind the oldest first:
    ///
    /// ```text
    /// n varint │ n × (tenant, trace ID 16 B, fate u8, judged to varint, when varint)
    /// ```
    pub(super) fn encode(&self) -> Vec<u8> {
        let mut out = Vec::new();
        let listed = |(queue, is_kept): (&VecDeque<(UnixNanos, Tenant, TraceId)>, bool)| {
            let all = queue.iter().filter_map(move |(_, tenant, id)| {
                let decision = self.of(tenant, id)?;
                (decision.fate.is_kept() == is_kept).then(|| (tenant.clone(), *id, decision))
            });
            all.collect::<Vec<_>>()
        };
        let all = [(&self.kept, true), (&self.not_kept, false)].map(listed);
        put_varint(&mut out, all.iter().map(|some| some.len() as u64).sum());
        for (tenant, id, decision) in all.iter().flatten() {
            put_tenant(&mut out, tenant);
            out.extend_from_slice(id.as_bytes());
            out.push(decision.fate as u8);
            put_varint(&mut out, decision.judged_to.0);
            put_varint(&mut out, decision.at.0);
        }
        out
    }

    /// Adds what lay in a file; `None` where that is none of ours.
    pub(super) fn decode(&mut self, mut bytes: &[u8]) -> Option<()> {
        let bytes = &mut bytes;
        for _ in 0..take_varint(bytes)? {
            let tenant = take_tenant(bytes)?;
            let id = TraceId::from_slice(bytes.split_off(..16)?).ok()?;
            let fate = Fate::ALL.get(usize::from(*bytes.split_off_first()?))?;
            let decision = Decision {
                fate: *fate,
                judged_to: Position(take_varint(bytes)?),
                at: UnixNanos(take_varint(bytes)?),
            };
            self.remember(&tenant, id, decision);
        }
        bytes.is_empty().then_some(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id(n: u64) -> TraceId {
        TraceId::from_slice(&[[1; 8], n.to_be_bytes()].concat()).unwrap()
    }

    fn decision(fate: Fate, n: u64) -> Decision {
        Decision {
            fate,
            judged_to: Position(n),
            at: UnixNanos::from_secs(n),
        }
    }

    fn small() -> Decisions {
        Decisions::new(DecisionCache {
            sampled_cache_size: 3,
            non_sampled_cache_size: 2,
        })
    }

    #[test]
    fn the_oldest_of_each_kind_are_forgotten_first() {
        let (mut all, a) = (small(), Tenant::default());
        for n in 0..6 {
            let fate = if n % 2 == 0 {
                Fate::Kept
            } else {
                Fate::NotKept
            };
            all.remember(&a, id(n), decision(fate, n));
        }
        assert_eq!(all.len(), (3, 2));
        assert_eq!(all.of(&a, &id(1)), None);
        assert_eq!(all.of(&a, &id(3)).unwrap().fate, Fate::NotKept);
        // Of one that was not kept, a span is: it counts as kept from now on.
        all.remember(&a, id(3), decision(Fate::Partial, 7));
        assert_eq!(all.of(&a, &id(0)), None);
        all.remember(&a, id(9), decision(Fate::NotKept, 8));
        assert_eq!(all.of(&a, &id(3)).unwrap().fate, Fate::Partial);
        assert_eq!(all.judged_to(), Position(8));
    }

    #[test]
    fn they_are_the_same_after_a_file() {
        let mut before = small();
        for n in 0..9 {
            let tenant = Tenant::new(["a", "b"][n as usize % 2]).unwrap();
            before.remember(&tenant, id(n), decision(Fate::ALL[n as usize % 3], n));
        }
        let bytes = before.encode();
        let mut after = small();
        after.decode(&bytes).unwrap();
        assert_eq!(after.encode(), bytes);
        for n in 0..9 {
            let tenant = Tenant::new(["a", "b"][n as usize % 2]).unwrap();
            assert_eq!(after.of(&tenant, &id(n)), before.of(&tenant, &id(n)));
        }
        for end in 0..bytes.len() {
            assert_eq!(small().decode(&bytes[..end]), None, "{end}");
        }
    }
}
