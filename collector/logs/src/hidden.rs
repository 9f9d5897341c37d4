//! What lies there and is not to be seen: what somebody asked to delete, and what the
//! retention of its stream has let go, until segments are rewritten without it.
//!
//! ```text
//! Hidden   of a tenant, at one instant; part of every snapshot
//!  └ Veil  of a segment or a batch: what of it can apply there at all; mostly nothing
//!     └ Veils, StreamVeil   of each stream: here records are decided
//! ```
//!
//! A request hides the records that were applied before it was made, by their journal
//! positions: the same ones before and after a crash, however they are sealed and merged.

use sonde_logql::LogQuery;
use sonde_proto::{Labels, Matcher, Position, UnixNanos};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use crate::stream::Stream;

/// A request to delete records, in force.
#[derive(Debug)]
pub(crate) struct Request {
    /// Later requests have greater numbers.
    pub(crate) number: u64,
    /// A selector and line filters.
    pub(crate) query: LogQuery,
    /// The earliest time.
    pub(crate) start: UnixNanos,
    /// The latest time, which is among them.
    pub(crate) end: UnixNanos,
    /// The position before which records were there when it was made.
    pub(crate) before: Position,
}

/// How long the streams of a tenant are kept.
#[derive(Clone, Debug, Default)]
pub(crate) struct Ages {
    /// The first that fits decides.
    pub(crate) rules: Vec<AgeRule>,
    /// What no rule fits; 0 is for ever.
    pub(crate) seconds: u64,
}

/// How long some streams are kept.
#[derive(Clone, Debug)]
pub(crate) struct AgeRule {
    pub(crate) matchers: Vec<Matcher>,
    /// 0 is for ever.
    pub(crate) seconds: u64,
}

impl Ages {
    /// How long a stream is kept; 0 is for ever.
    pub(crate) fn of(&self, labels: &Labels) -> u64 {
        let fits = |rule: &&AgeRule| rule.matchers.iter().all(|m| m.matches_labels(labels));
        let rule = self.rules.iter().find(fits);
        rule.map_or(self.seconds, |rule| rule.seconds)
    }

    /// How long records of any stream are kept at least.
    pub(crate) fn shortest(&self) -> Option<u64> {
        let finite = self.all().filter(|seconds| *seconds > 0);
        finite.min()
    }

    /// How long any of its records may be kept; nothing where that is for ever.
    pub(crate) fn longest(&self) -> Option<u64> {
        let all = self.all().map(|seconds| (seconds > 0).then_some(seconds));
        all.reduce(|a, b| Some(a?.max(b?))).flatten()
    }

    fn all(&self) -> impl Iterator<Item = u64> {
        let rules = self.rules.iter().map(|rule| rule.seconds);
        rules.chain([self.seconds])
    }
}

/// What of a tenant's records is hidden.
#[derive(Clone, Debug, Default)]
pub(crate) struct Hidden {
    pub(crate) requests: Vec<Arc<Request>>,
    /// Where streams are kept for different times, and what time it is.
    pub(crate) ages: Option<(Arc<Ages>, UnixNanos)>,
}

/// Where records lie.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Place {
    /// First, and one past the last.
    pub(crate) positions: (Position, Position),
    /// The earliest and the latest time.
    pub(crate) times: (UnixNanos, UnixNanos),
    /// When the last of them arrived: none counts as younger.
    pub(crate) received: UnixNanos,
    /// The requests up to this number were carried out there.
    pub(crate) deletes_through: u64,
}

impl Hidden {
    /// What can be hidden of records that lie there.
    pub(crate) fn at(&self, place: &Place) -> Veil {
        let applies = |request: &&Arc<Request>| {
            request.number > place.deletes_through
                && place.positions.0 < request.before
                && request.start <= place.times.1
                && place.times.0 <= request.end
        };
        let first = place.times.0.min(place.received);
        let ages = self.ages.as_ref().filter(|(ages, now)| {
            ages.shortest()
                .is_some_and(|seconds| first < horizon(*now, seconds))
        });
        Veil {
            requests: self.requests.iter().filter(applies).cloned().collect(),
            ages: ages.cloned(),
            received: place.received,
        }
    }

    /// The same with the requests up to a number only.
    pub(crate) fn through(mut self, number: u64) -> Self {
        self.requests.retain(|request| request.number <= number);
        self
    }
}

/// From when on records are kept.
pub(crate) fn horizon(now: UnixNanos, seconds: u64) -> UnixNanos {
    match seconds {
        0 => UnixNanos(0),
        seconds => now.minus(Duration::from_secs(seconds)),
    }
}

/// What can be hidden of a segment, or of a batch of the tail.
#[derive(Clone, Debug, Default)]
pub(crate) struct Veil {
    requests: Vec<Arc<Request>>,
    ages: Option<(Arc<Ages>, UnixNanos)>,
    received: UnixNanos,
}

impl Veil {
    /// Whether everything is to be seen.
    pub(crate) fn is_empty(&self) -> bool {
        self.requests.is_empty() && self.ages.is_none()
    }

    /// The requests, where they are all that hides.
    pub(crate) fn only_requests(&self) -> Option<&[Arc<Request>]> {
        self.ages.is_none().then_some(&self.requests)
    }

    /// What can be hidden of a stream; nothing where all of it is to be seen.
    pub(crate) fn of(&self, labels: &Labels) -> Option<StreamVeil> {
        let wanted = |request: &&Arc<Request>| request.query.matches_labels(labels);
        let ages = self.ages.as_ref();
        let veil = StreamVeil {
            requests: self.requests.iter().filter(wanted).cloned().collect(),
            horizon: ages.map_or(UnixNanos(0), |(ages, now)| horizon(*now, ages.of(labels))),
            received: self.received,
        };
        (!veil.requests.is_empty() || veil.horizon > UnixNanos(0)).then_some(veil)
    }

    /// The veils of these streams, by their ordinals; nothing where all is to be seen.
    pub(crate) fn over(self, streams: &Arc<[Arc<Stream>]>) -> Option<Veils> {
        (!self.is_empty()).then(|| Veils {
            of: streams.iter().map(|_| OnceLock::new()).collect(),
            streams: Arc::clone(streams),
            veil: self,
        })
    }
}

/// The veils of all streams of a segment.
#[derive(Debug)]
pub(crate) struct Veils {
    veil: Veil,
    streams: Arc<[Arc<Stream>]>,
    of: Vec<OnceLock<Option<StreamVeil>>>,
}

/// What is hidden of streams, by their ordinals.
pub(crate) trait VeilsOf {
    /// What can be hidden of a stream; nothing where all of it is to be seen.
    fn of(&self, stream: u32) -> Option<&StreamVeil>;
}

impl VeilsOf for Veils {
    fn of(&self, stream: u32) -> Option<&StreamVeil> {
        let (veil, stream) = (
            self.of.get(stream as usize)?,
            self.streams.get(stream as usize)?,
        );
        veil.get_or_init(|| self.veil.of(&stream.labels)).as_ref()
    }
}

/// What can be hidden of a stream's records.
#[derive(Clone, Debug)]
pub(crate) struct StreamVeil {
    requests: Vec<Arc<Request>>,
    horizon: UnixNanos,
    received: UnixNanos,
}

impl StreamVeil {
    /// Whether records between these times, both among them, may be hidden.
    pub(crate) fn may_hide(&self, first: UnixNanos, last: UnixNanos) -> bool {
        self.is_past(first) || self.may_delete(first, last)
    }

    /// Whether somebody may have asked to delete records between these times, both among them.
    pub(crate) fn may_delete(&self, first: UnixNanos, last: UnixNanos) -> bool {
        let mut requests = self.requests.iter();
        requests.any(|request| request.start <= last && first <= request.end)
    }

    /// Whether all records between these times and positions, the last ones among them, are
    /// hidden for sure.
    pub(crate) fn hides_all(
        &self,
        times: (UnixNanos, UnixNanos),
        positions: (Position, Position),
    ) -> bool {
        let all = |request: &Arc<Request>| {
            request.query.filters().is_empty()
                && request.start <= times.0
                && times.1 <= request.end
                && positions.1 < request.before
        };
        self.is_past(times.1) || self.requests.iter().any(all)
    }

    /// Whether records up to this position have to be told apart by theirs.
    pub(crate) fn needs_position(&self, last: Position) -> bool {
        self.requests.iter().any(|request| last >= request.before)
    }

    /// Whether the bodies decide.
    pub(crate) fn needs_body(&self) -> bool {
        let filtered = |request: &Arc<Request>| !request.query.filters().is_empty();
        self.requests.iter().any(filtered)
    }

    /// Whether a record is hidden.
    pub(crate) fn hides(&self, time: UnixNanos, position: Position, body: &[u8]) -> bool {
        self.is_past(time) || self.deletes(time, position, body)
    }

    /// Whether somebody asked to delete a record.
    pub(crate) fn deletes(&self, time: UnixNanos, position: Position, body: &[u8]) -> bool {
        let wants = |request: &Arc<Request>| {
            position < request.before
                && request.start <= time
                && time <= request.end
                && request.query.matches_line(body)
        };
        self.requests.iter().any(wants)
    }

    /// Whether a record of this time is older than its stream is kept.
    pub(crate) fn is_past(&self, time: UnixNanos) -> bool {
        time.min(self.received) < self.horizon
    }
}

#[cfg(test)]
mod tests;
