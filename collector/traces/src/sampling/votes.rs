//! Trace IDs that someone else named: a log of an error, an alert, an exemplar.
//!
//! A vote is given once and remembered until its trace was surely judged. There are at most so
//! many; one that finds no room cannot be counted, so that for as long as it would have been
//! remembered every trace is kept.
//!
//! Votes for traces that were judged already, and not kept, are remembered by themselves: they
//! count for spans that come later still, and whoever looks for the trace is told.

use super::file::{put_tenant, take_tenant};
use ahash::AHashMap;
use sonde_proto::{Position, Tenant, TraceId, UnixNanos};
use sonde_segment::blocks::{put_varint, take_varint};
use std::collections::VecDeque;
use std::time::Duration;

/// Who names a trace.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Vote {
    /// A log record of an error or worse.
    ErrorLog,
    /// An alert that fires.
    Alert,
    /// An exemplar of a metric.
    Exemplar,
}

/// Who named a trace.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Voted(u8);

impl Voted {
    fn of(vote: Vote) -> Self {
        Self(1 << vote as u8)
    }

    fn has(self, vote: Vote) -> bool {
        self.0 & Self::of(vote).0 != 0
    }

    pub(super) fn by_error_log(self) -> bool {
        self.has(Vote::ErrorLog)
    }

    pub(super) fn by_alert(self) -> bool {
        self.has(Vote::Alert)
    }

    pub(super) fn by_exemplar(self) -> bool {
        self.has(Vote::Exemplar)
    }

    pub(super) fn and(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// In words; `None` where nobody did.
    pub(super) fn said(self) -> Option<&'static str> {
        match (self.by_error_log(), self.by_alert()) {
            (true, true) => Some("an error log and an alert"),
            (true, false) => Some("an error log"),
            (false, true) => Some("an alert"),
            (false, false) => self.by_exemplar().then_some("an exemplar"),
        }
    }
}

/// Votes that are remembered.
#[derive(Debug)]
pub(super) struct Votes {
    max: usize,
    ttl: Duration,
    by_tenant: AHashMap<Tenant, AHashMap<TraceId, (Voted, UnixNanos)>>,
    /// In the order in which they were given; one that was given again stands here as often.
    queue: VecDeque<(UnixNanos, Tenant, TraceId)>,
    overflowed_at: Option<UnixNanos>,
    /// Logs before this position had their votes.
    heard: Position,
    is_saved: bool,
}

impl Votes {
    pub(super) fn new(max: usize, ttl: Duration) -> Self {
        Self {
            max,
            ttl,
            by_tenant: AHashMap::new(),
            queue: VecDeque::new(),
            overflowed_at: None,
            heard: Position::START,
            is_saved: true,
        }
    }

    /// Counts a vote; whether there was room for it.
    pub(super) fn add(&mut self, tenant: &Tenant, id: TraceId, vote: Vote, at: UnixNanos) -> bool {
        self.expire(at);
        if let Some((voted, last)) = self
            .by_tenant
            .get_mut(tenant)
            .and_then(|traces| traces.get_mut(&id))
        {
            let before = *voted;
            voted.0 |= Voted::of(vote).0;
            self.is_saved &= before == *voted;
            // So that a trace which is named all the time does not fill the queue.
            if at.since(*last) < self.ttl / 2 {
                return true;
            }
        }
        if self.queue.len() >= self.max {
            self.overflowed_at = self.overflowed_at.max(Some(at));
            self.is_saved = false;
            return false;
        }
        self.put(tenant, id, Voted::of(vote), at);
        true
    }

    fn put(&mut self, tenant: &Tenant, id: TraceId, voted: Voted, at: UnixNanos) {
        let traces = self.by_tenant.entry(tenant.clone()).or_default();
        let known = traces.entry(id).or_default();
        known.0.0 |= voted.0;
        known.1 = known.1.max(at);
        self.queue.push_back((at, tenant.clone(), id));
        self.is_saved = false;
    }

    /// Who named a trace.
    pub(super) fn of(&self, tenant: &Tenant, id: &TraceId) -> Voted {
        let found = self.by_tenant.get(tenant).and_then(|all| all.get(id));
        found.map_or_else(Voted::default, |(voted, _)| *voted)
    }

    /// Whether a vote that should still be known may be missing.
    pub(super) fn may_miss(&self, now: UnixNanos) -> bool {
        self.overflowed_at
            .is_some_and(|at| now.since(at) < self.ttl)
    }

    pub(super) fn len(&self) -> usize {
        self.queue.len()
    }

    /// Notes that logs before a position had their votes.
    pub(super) fn hear(&mut self, position: Position) {
        self.heard = self.heard.max(position);
    }

    pub(super) fn heard(&self) -> Position {
        self.heard
    }

    /// Whether everything was saved that is new.
    pub(super) fn is_saved(&self) -> bool {
        self.is_saved
    }

    pub(super) fn note_saved(&mut self, is_saved: bool) {
        self.is_saved = is_saved;
    }

    fn expire(&mut self, now: UnixNanos) {
        while let Some((at, tenant, id)) = self.queue.front()
            && now.since(*at) >= self.ttl
        {
            if let Some(traces) = self.by_tenant.get_mut(tenant) {
                if traces.get(id).is_some_and(|(_, last)| last <= at) {
                    traces.remove(id);
                }
                if traces.is_empty() {
                    self.by_tenant.remove(tenant);
                }
            }
            self.queue.pop_front();
        }
    }

    /// Notes what time it is. A vote from a time to come was given by a clock that went wrong;
    /// now counts as its time, or it and all that follow were remembered until then.
    pub(super) fn note_now(&mut self, now: UnixNanos) {
        self.overflowed_at = self.overflowed_at.map(|at| at.min(now));
        if self.queue.front().is_none_or(|(at, ..)| *at <= now) {
            return;
        }
        for (at, ..) in &mut self.queue {
            *at = now.min(*at);
        }
        for (_, last) in self.by_tenant.values_mut().flat_map(|all| all.values_mut()) {
            *last = now.min(*last);
        }
    }

    /// As they lie in a file:
    ///
    /// ```text
    /// overflowed varint │ heard varint │ n varint │ n × (tenant, trace ID 16 B, who u8, when varint)
    /// ```
    pub(super) fn encode(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(self.queue.len() * 34);
        put_varint(&mut out, self.overflowed_at.map_or(0, |at| at.0));
        put_varint(&mut out, self.heard.0);
        put_varint(&mut out, self.queue.len() as u64);
        for (at, tenant, id) in &self.queue {
            put_tenant(&mut out, tenant);
            out.extend_from_slice(id.as_bytes());
            out.push(self.of(tenant, id).0);
            put_varint(&mut out, at.0);
        }
        out
    }

    /// Adds what lay in a file and takes it off `bytes`; `None` where that is none of ours.
    pub(super) fn decode(&mut self, bytes: &mut &[u8]) -> Option<()> {
        let overflowed = take_varint(bytes)?;
        self.overflowed_at = (overflowed > 0).then_some(UnixNanos(overflowed));
        self.heard = Position(take_varint(bytes)?);
        for _ in 0..take_varint(bytes)? {
            let tenant = take_tenant(bytes)?;
            let id = TraceId::from_slice(bytes.split_off(..16)?).ok()?;
            let voted = Voted(*bytes.split_off_first()?);
            let at = UnixNanos(take_varint(bytes)?);
            self.put(&tenant, id, voted, at);
        }
        self.is_saved = true;
        Some(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id(n: u64) -> TraceId {
        TraceId::from_slice(&[[1; 8], n.to_be_bytes()].concat()).unwrap()
    }

    fn votes(max: usize) -> Votes {
        Votes::new(max, Duration::from_secs(100))
    }

    fn at(seconds: u64) -> UnixNanos {
        UnixNanos::from_secs(seconds)
    }

    #[test]
    fn a_vote_is_known_for_its_time_and_by_its_tenant() {
        let (mut votes, a) = (votes(10), Tenant::new("a").unwrap());
        assert!(votes.add(&a, id(1), Vote::ErrorLog, at(0)));
        assert!(votes.add(&a, id(1), Vote::Alert, at(10)));
        let voted = votes.of(&a, &id(1));
        assert!(voted.by_error_log() && voted.by_alert() && !voted.by_exemplar());
        assert_eq!(votes.of(&Tenant::default(), &id(1)), Voted::default());
        // Named again late, it is known for longer.
        assert!(votes.add(&a, id(1), Vote::Alert, at(60)));
        votes.add(&a, id(2), Vote::Alert, at(110));
        assert!(votes.of(&a, &id(1)).by_error_log());
        votes.add(&a, id(3), Vote::Alert, at(160));
        assert_eq!(votes.of(&a, &id(1)), Voted::default());
        assert_eq!(votes.len(), 2);
    }

    #[test]
    fn what_finds_no_room_is_known_to_be_missing_for_its_time() {
        let (mut votes, a) = (votes(2), Tenant::default());
        assert!(votes.add(&a, id(1), Vote::Alert, at(0)));
        assert!(votes.add(&a, id(2), Vote::Alert, at(1)));
        assert!(!votes.may_miss(at(2)));
        assert!(!votes.add(&a, id(3), Vote::Alert, at(2)));
        assert!(votes.may_miss(at(2)) && votes.may_miss(at(101)) && !votes.may_miss(at(102)));
        // One that is known needs no room.
        assert!(votes.add(&a, id(1), Vote::Exemplar, at(3)));
        assert!(votes.add(&a, id(3), Vote::Alert, at(100)));
    }

    #[test]
    fn a_clock_that_was_ahead_does_not_keep_votes_until_then() {
        let (mut votes, a) = (votes(2), Tenant::default());
        votes.add(&a, id(1), Vote::Alert, at(1_000_000));
        votes.add(&a, id(2), Vote::Alert, at(1_000_001));
        assert!(!votes.add(&a, id(3), Vote::Alert, at(1_000_002)));
        votes.note_now(at(10));
        assert!(votes.may_miss(at(109)) && !votes.may_miss(at(110)));
        assert!(votes.of(&a, &id(1)).by_alert() && votes.of(&a, &id(2)).by_alert());
        assert!(votes.add(&a, id(3), Vote::Alert, at(110)));
        assert_eq!(votes.len(), 1);
        assert_eq!(votes.of(&a, &id(1)), Voted::default());
    }

    #[test]
    fn they_are_the_same_after_a_file() {
        let mut before = votes(10);
        for n in 0..5 {
            let tenant = Tenant::new(["a", "b"][n as usize % 2]).unwrap();
            before.add(&tenant, id(n % 3), Vote::ErrorLog, at(n * 30));
        }
        before.hear(Position(70));
        let bytes = before.encode();
        let mut after = votes(10);
        let mut rest = bytes.as_slice();
        after.decode(&mut rest).unwrap();
        assert!(rest.is_empty());
        assert_eq!(after.heard(), Position(70));
        assert_eq!(after.encode(), bytes);
        for end in 0..bytes.len() {
            assert_eq!(votes(10).decode(&mut &bytes[..end]), None, "{end}");
        }
    }
}
