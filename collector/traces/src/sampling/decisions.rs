//! What was decided of traces, for spans that come late and for a lookup.
//!
//! A decision is remembered with the position that the journal had reached: spans of a trace
//! that was not kept which come again from before that position, because they are replayed,
//! were judged with the rest and are not judged alone.
//!
//! That a trace is there in part is remembered as long as its spans are, or it would be taken
//! for whole.

use super::config::DecisionCache;
use super::file::{Version, put_tenant, take_tenant};
use ahash::AHashMap;
use sonde_proto::{Position, Tenant, TraceId, UnixNanos};
use sonde_segment::blocks::{put_varint, take_varint};
use std::collections::VecDeque;
use std::time::Duration;

/// None is remembered for longer, but of a trace that is there in part.
pub(super) const AGE_MAX: Duration = Duration::from_secs(24 * 3600);

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

/// How many decisions of each fate are remembered, and for how long.
#[derive(Clone, Copy, Debug)]
pub(super) struct Limits {
    most: [usize; 3],
    age_max: [Duration; 3],
}

/// The decisions of all tenants; of each fate the oldest are forgotten.
#[derive(Clone, Debug)]
pub(super) struct Decisions {
    limits: Limits,
    by_tenant: AHashMap<Tenant, AHashMap<TraceId, Decision>>,
    /// Of each fate. One whose trace has another fate by now stands here until it is its turn.
    queues: [VecDeque<(UnixNanos, Tenant, TraceId)>; 3],
    /// Of a trace that was kept, with spans before this position, it may be forgotten that it was,
    /// though it is not old: there were too many.
    forgotten_to: Position,
}

impl Fate {
    const ALL: [Self; 3] = [Self::Kept, Self::Partial, Self::NotKept];

    pub(super) fn is_kept(self) -> bool {
        self != Self::NotKept
    }
}

impl Limits {
    /// Those of a store that keeps spans for so long.
    pub(super) fn new(cache: DecisionCache, retention: Duration) -> Self {
        let (kept, not_kept) = (cache.sampled_cache_size, cache.non_sampled_cache_size);
        Self {
            most: [kept, kept, not_kept],
            age_max: [AGE_MAX, retention.max(AGE_MAX), AGE_MAX],
        }
    }
}

impl Decisions {
    pub(super) fn new(limits: Limits) -> Self {
        Self {
            limits,
            by_tenant: AHashMap::new(),
            queues: [const { VecDeque::new() }; 3],
            forgotten_to: Position::START,
        }
    }

    pub(super) fn of(&self, tenant: &Tenant, id: &TraceId) -> Option<Decision> {
        self.by_tenant.get(tenant)?.get(id).copied()
    }

    pub(super) fn remember(&mut self, tenant: &Tenant, id: TraceId, decision: Decision) {
        let traces = self.by_tenant.entry(tenant.clone()).or_default();
        let before = traces.insert(id, decision);
        if before.is_none_or(|before| before.fate != decision.fate) {
            let queue = &mut self.queues[decision.fate as usize];
            queue.push_back((decision.at, tenant.clone(), id));
        }
        self.forget(decision.at);
    }

    /// Forgets what is too old, and the oldest of what is too much.
    pub(super) fn forget(&mut self, now: UnixNanos) {
        for fate in Fate::ALL {
            let of = fate as usize;
            let (queue, max) = (&mut self.queues[of], self.limits.most[of]);
            while let Some((at, tenant, id)) = queue.front()
                && (queue.len() > max || now.since(*at) > self.limits.age_max[of])
            {
                if let Some(traces) = self.by_tenant.get_mut(tenant) {
                    // It may stand in another queue by now.
                    if let Some(decision) = traces.get(id).filter(|d| d.fate == fate) {
                        if fate.is_kept() && queue.len() > max {
                            self.forgotten_to = self.forgotten_to.max(decision.judged_to);
                        }
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

    /// Whether nothing is remembered.
    pub(super) fn is_empty(&self) -> bool {
        self.by_tenant.is_empty()
    }

    /// Whether it is known of every trace with spans from a position on, that was kept, that it
    /// was.
    pub(super) fn know_all_kept_from(&self, position: Position) -> bool {
        self.forgotten_to <= position
    }

    /// How many are remembered of each fate.
    #[cfg(test)]
    pub(super) fn len(&self) -> [usize; 3] {
        self.queues.each_ref().map(VecDeque::len)
    }

    /// Up to where anything was judged.
    pub(super) fn judged_to(&self) -> Position {
        let all = self.by_tenant.values().flat_map(|traces| traces.values());
        all.map(|d| d.judged_to).max().unwrap_or_default()
    }

    /// As they lie in a file, by their fates, of each the oldest first:
    ///
    /// ```text
    /// n varint │ n × (tenant, trace ID 16 B, fate u8, judged to varint, when varint)
    /// forgotten to varint                  since the second version
    /// ```
    pub(super) fn encode(&self, out: &mut Vec<u8>) {
        let listed = |fate: Fate| {
            let all = self.queues[fate as usize].iter();
            let of_it = all.filter_map(move |(_, tenant, id)| {
                let decision = self.of(tenant, id)?;
                (decision.fate == fate).then_some((tenant, *id, decision))
            });
            of_it.collect::<Vec<_>>()
        };
        let all = Fate::ALL.map(listed);
        put_varint(out, all.iter().map(|some| some.len() as u64).sum());
        for (tenant, id, decision) in all.iter().flatten() {
            put_tenant(out, tenant);
            out.extend_from_slice(id.as_bytes());
            out.push(decision.fate as u8);
            put_varint(out, decision.judged_to.0);
            put_varint(out, decision.at.0);
        }
        put_varint(out, self.forgotten_to.0);
    }

    /// Adds what lay in a file and takes it off `bytes`; `None` where that is none of ours.
    pub(super) fn decode(&mut self, version: Version, bytes: &mut &[u8]) -> Option<()> {
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
        if version >= Version::Second {
            let forgotten_to = Position(take_varint(bytes)?);
            self.forgotten_to = self.forgotten_to.max(forgotten_to);
        }
        Some(())
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
        let cache = DecisionCache {
            sampled_cache_size: 3,
            non_sampled_cache_size: 2,
        };
        Decisions::new(Limits::new(cache, 7 * AGE_MAX))
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
        assert_eq!(all.len(), [3, 0, 2]);
        assert_eq!(all.of(&a, &id(1)), None);
        assert_eq!(all.of(&a, &id(3)).unwrap().fate, Fate::NotKept);
        assert!(all.know_all_kept_from(Position(0)));
        // Of one that was not kept, a span is: it has its place among its like.
        all.remember(&a, id(3), decision(Fate::Partial, 7));
        all.remember(&a, id(9), decision(Fate::NotKept, 8));
        assert_eq!(all.of(&a, &id(3)).unwrap().fate, Fate::Partial);
        assert_eq!(all.judged_to(), Position(8));
        all.remember(&a, id(10), decision(Fate::Kept, 10));
        assert_eq!(all.of(&a, &id(0)), None);
        all.remember(&a, id(12), decision(Fate::Kept, 12));
        assert_eq!(all.of(&a, &id(2)), None);
        assert!(!all.know_all_kept_from(Position(1)) && all.know_all_kept_from(Position(2)));
    }

    #[test]
    fn that_a_trace_is_there_in_part_is_remembered_as_long_as_its_spans_are() {
        let (mut all, a) = (small(), Tenant::default());
        all.remember(&a, id(1), decision(Fate::Kept, 1));
        all.remember(&a, id(2), decision(Fate::Partial, 1));
        let day = AGE_MAX.as_secs();
        all.forget(UnixNanos::from_secs(day + 2));
        assert_eq!(all.of(&a, &id(1)), None);
        assert_eq!(all.of(&a, &id(2)).unwrap().fate, Fate::Partial);
        all.forget(UnixNanos::from_secs(7 * day + 2));
        assert!(all.is_empty());
        assert!(all.know_all_kept_from(Position(0)), "these were old");
    }

    #[test]
    fn they_are_the_same_after_a_file() {
        let mut before = small();
        for n in 0..19 {
            let tenant = Tenant::new(["a", "b"][n as usize % 2]).unwrap();
            before.remember(&tenant, id(n), decision(Fate::ALL[n as usize % 3], n));
        }
        let encoded = |decisions: &Decisions| {
            let mut bytes = Vec::new();
            decisions.encode(&mut bytes);
            bytes
        };
        let decoded = |version, mut bytes: &[u8]| {
            let mut after = small();
            after.decode(version, &mut bytes)?;
            bytes.is_empty().then_some(after)
        };
        let bytes = encoded(&before);
        let after = decoded(Version::Second, &bytes).unwrap();
        assert_eq!(encoded(&after), bytes);
        // The last byte says what was forgotten, which the first version did not.
        let first = &bytes[..bytes.len() - 1];
        let first = decoded(Version::First, first).unwrap();
        for n in 0..19 {
            let tenant = Tenant::new(["a", "b"][n as usize % 2]).unwrap();
            assert_eq!(after.of(&tenant, &id(n)), before.of(&tenant, &id(n)));
            assert_eq!(first.of(&tenant, &id(n)), before.of(&tenant, &id(n)));
        }
        for end in 0..bytes.len() {
            assert!(decoded(Version::Second, &bytes[..end]).is_none(), "{end}");
        }
    }
}
