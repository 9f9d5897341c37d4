//! The service graph: requests between services, from the two sides of each.
//!
//! A client span and the server span whose parent it is are one request; a producer and a
//! consumer are one message, also where the consumer only links to the producer. The two
//! sides arrive in any order, so the first waits a bounded time for the second. A side that
//! asked stays until its time is up, because a message may be consumed more than once.
//!
//! What has no second side:
//! - a client span to a database is a request to that database, at once;
//! - a server span that is a trace's first is a request from `user`, at once;
//! - a client span that names its peer is, when its time is up, a request to that peer;
//! - anything else is counted as expired.

mod edges;

pub(crate) use edges::{Connection, Edge, EdgeKey};

use crate::histogram::{Example, Shape};
use crate::span::{Kind, Span, Status, cut, first_text};
use crate::weight::Count;
use ahash::HashMap;
use edges::{EdgeRef, Edges};
use serde::{Deserialize, Serialize};
use sonde_proto::walk::Unread;
use sonde_proto::{SpanId, TraceId, UnixNanos};
use std::borrow::Cow;
use std::collections::VecDeque;
use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;

/// Requests: a counter.
pub const REQUESTS: &str = "traces_service_graph_request_total";
/// Requests of which either side failed: a counter.
pub const FAILED: &str = "traces_service_graph_request_failed_total";
/// How long the answering side took, in seconds: a histogram.
pub const SERVER_SECONDS: &str = "traces_service_graph_request_server_seconds";
/// How long the asking side waited, in seconds: a histogram.
pub const CLIENT_SECONDS: &str = "traces_service_graph_request_client_seconds";
/// The label of the asking service.
pub const CLIENT: &str = "client";
/// The label of the answering service.
pub const SERVER: &str = "server";
/// The label of what lies between: empty, `messaging_system`, `database` or `virtual_node`.
pub const CONNECTION_TYPE: &str = "connection_type";

/// The client of requests that come from outside.
const USER: &str = "user";
/// What names the other side, in the order in which it is believed: of a database the first
/// six, the last three of which say that it is one; of others the first two and the last three.
/// The first was called the second before.
const PEER_KEYS: [&str; 9] = [
    "service.peer.name",
    "peer.service",
    "db.namespace",
    "db.name",
    "db.system.name",
    "db.system",
    "server.address",
    "net.peer.name",
    "http.host",
];
const DATABASE: Range<usize> = 0..6;
const IS_DATABASE: Range<usize> = 3..6;
const HOST: Range<usize> = 6..9;

/// The values of these.
type Peers<'a> = [Option<Unread<'a>>; PEER_KEYS.len()];

/// How many sides of one span may wait: one asks, and a message has some consumers. More is
/// one span sent again and again, and each would be compared with each.
const SIDES_MAX: usize = 64;

/// One side of a request that waits for the other.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Side {
    kind: Kind,
    service: Arc<str>,
    peer: Option<Box<str>>,
    failed: bool,
    matched: bool,
    #[serde(default = "one")]
    weight: Count,
    example: Example,
}

/// What counts of a side.
#[derive(Clone, Copy, Debug)]
struct Facts {
    kind: Kind,
    failed: bool,
    weight: Count,
    example: Example,
}

/// What a side of a snapshot weighs that was written before there were weights.
fn one() -> Count {
    Count::ONE
}

/// What joins two sides: the span that asked.
type JoinKey = (TraceId, SpanId);

/// All edges of a tenant, and the sides that wait.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Graph {
    edges: Edges,
    #[serde(with = "crate::snapshot::pairs")]
    pending: HashMap<JoinKey, Vec<Side>>,
    expiry: VecDeque<(UnixNanos, JoinKey)>,
    waiting: usize,
    /// How many of those that wait have found another side already. They make room for those
    /// that have not.
    #[serde(default)]
    matched: usize,
}

/// What bounds a [`Graph`].
#[derive(Clone, Copy, Debug)]
pub(crate) struct Limits {
    pub(crate) edges_max: usize,
    pub(crate) pending_max: usize,
    pub(crate) wait: Duration,
    /// After how long without a request an edge ends.
    pub(crate) stale: Duration,
    pub(crate) name_bytes_max: usize,
}

/// What could not be counted as a request.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Lost {
    /// Sides whose time was up.
    pub(crate) expired: u64,
    /// Sides that found no room to wait.
    pub(crate) dropped: u64,
    /// Requests counted under `__overflow__`.
    pub(crate) overflowed: u64,
}

/// What came of looking for other sides.
#[derive(Clone, Copy, Debug, Default)]
struct Joined {
    matched: bool,
    /// How many sides of the same span wait on.
    others: usize,
}

/// By what a request is counted.
#[derive(Clone, Copy, Debug)]
struct By<'a> {
    shape: &'a Shape,
    limits: Limits,
    now: UnixNanos,
}

impl Graph {
    /// Takes one side of a request.
    pub(crate) fn add(
        &mut self,
        span: &Span<'_>,
        shape: &Shape,
        limits: Limits,
        now: UnixNanos,
    ) -> Lost {
        let by = By { shape, limits, now };
        let (mut lost, facts) = (Lost::default(), Facts::of(span));
        let service = cut(span.service, limits.name_bytes_max);
        let peers = match span.kind {
            Kind::Client => span.values(&PEER_KEYS),
            _ => [None; PEER_KEYS.len()],
        };
        if let Some(database) = database(&peers) {
            let server = cut(&database, limits.name_bytes_max);
            let edge = EdgeRef::new(service, server, Connection::Database);
            self.edges.count(edge, Some(facts), None, by, &mut lost);
            return lost;
        }
        match join_key(span) {
            Some(key) => {
                let Joined { matched, others } = self.join(key, service, facts, by, &mut lost);
                if !(matched && span.kind.answers()) {
                    let named = || Some(cut(&peer(&peers)?, limits.name_bytes_max).into());
                    let service = match service.len() == span.service.len() {
                        true => Arc::clone(span.service),
                        false => service.into(),
                    };
                    let side = || Side::new(service, named(), facts, matched);
                    let waits = others < SIDES_MAX && self.let_wait(key, limits, now, side);
                    lost.dropped += u64::from(!waits && !matched);
                }
            }
            None if span.kind == Kind::Server => {
                let edge = EdgeRef::new(USER, service, Connection::Virtual);
                self.edges.count(edge, None, Some(facts), by, &mut lost);
            }
            None => lost.expired += 1,
        }
        lost
    }

    /// Lets go of sides whose time is up.
    pub(crate) fn expire(&mut self, shape: &Shape, limits: Limits, now: UnixNanos) -> Lost {
        let mut lost = Lost::default();
        while let Some((deadline, key)) = self.expiry.front().copied()
            && deadline <= now
        {
            self.expiry.pop_front();
            let by = By {
                shape,
                limits,
                now: deadline,
            };
            for side in self.pending.remove(&key).unwrap_or_default() {
                self.forget(&side);
                match &side.peer {
                    _ if side.matched => {}
                    Some(peer) if side.kind == Kind::Client => {
                        let edge = EdgeRef::new(&side.service, peer, Connection::Virtual);
                        self.edges
                            .count(edge, Some(side.facts()), None, by, &mut lost);
                    }
                    _ => lost.expired += 1,
                }
            }
        }
        lost
    }

    /// How many deadlines are remembered.
    #[cfg(test)]
    pub(crate) fn deadlines(&self) -> usize {
        self.expiry.len()
    }

    /// How many sides have not found another one yet.
    pub(crate) fn waiting(&self) -> usize {
        self.waiting.saturating_sub(self.matched)
    }

    /// How many edges there are.
    pub(crate) fn len(&self) -> usize {
        self.edges.len()
    }

    /// Visits all edges; those for which `keep` is false are forgotten.
    pub(crate) fn visit(&mut self, keep: impl FnMut(&EdgeKey, &mut Edge) -> bool) {
        self.edges.retain(keep);
    }

    /// Counts the requests between this side and those that wait.
    fn join(
        &mut self,
        key: JoinKey,
        service: &str,
        facts: Facts,
        by: By<'_>,
        lost: &mut Lost,
    ) -> Joined {
        let Some(others) = self.pending.get_mut(&key) else {
            return Joined::default();
        };
        let (answers, mut matched) = (facts.kind.answers(), false);
        for other in others.iter_mut() {
            if other.kind.answers() == answers {
                continue;
            }
            let other_facts = other.facts();
            let (client, server, edge) = if answers {
                (other_facts, facts, (&*other.service, service))
            } else {
                (facts, other_facts, (service, &*other.service))
            };
            let messaging = client.kind == Kind::Producer || server.kind == Kind::Consumer;
            let connection = if messaging {
                Connection::Messaging
            } else {
                Connection::Direct
            };
            let edge = EdgeRef::new(edge.0, edge.1, connection);
            self.edges.count(edge, Some(client), Some(server), by, lost);
            self.matched += usize::from(!other.matched);
            (other.matched, matched) = (true, true);
        }
        // A side that answered has found its one asker; sides that asked wait on for more.
        let found = others.extract_if(.., |other| other.matched && other.kind.answers());
        let found = found.count();
        self.waiting -= found;
        self.matched = self.matched.saturating_sub(found);
        let others = others.len();
        if others == 0 {
            self.pending.remove(&key);
        }
        Joined { matched, others }
    }

    /// Keeps a side until its time is up, if there is room.
    fn let_wait(
        &mut self,
        key: JoinKey,
        limits: Limits,
        now: UnixNanos,
        side: impl FnOnce() -> Side,
    ) -> bool {
        if !self.has_room_to_wait(limits) || !self.has_room_to_expire(&key, limits) {
            return false;
        }
        let side = side();
        self.waiting += 1;
        self.matched += usize::from(side.matched);
        self.expiry.push_back((now.plus(limits.wait), key));
        // Nearly every side waits alone.
        let sides = self.pending.entry(key);
        sides.or_insert_with(|| Vec::with_capacity(1)).push(side);
        true
    }

    /// Where there is no room, sides that have found another one go, all at once: they wait
    /// only in case there is one more. Not for a few of them, or every span would look at all.
    fn has_room_to_wait(&mut self, limits: Limits) -> bool {
        if self.waiting >= limits.pending_max && self.matched > limits.pending_max / 8 {
            let waiting = &mut self.waiting;
            self.pending.retain(|_, sides| {
                let before = sides.len();
                sides.retain(|side| !side.matched);
                *waiting -= before - sides.len();
                !sides.is_empty()
            });
            self.matched = 0;
        }
        self.waiting < limits.pending_max
    }

    /// Sides that found each other leave their deadlines behind; when these are more than may
    /// wait, they are swept out.
    fn has_room_to_expire(&mut self, current: &JoinKey, limits: Limits) -> bool {
        let max = limits.pending_max.saturating_mul(2);
        if self.expiry.len() >= max {
            let pending = &self.pending;
            self.expiry
                .retain(|(_, key)| key == current || pending.contains_key(key));
        }
        self.expiry.len() < max
    }

    fn forget(&mut self, side: &Side) {
        self.waiting -= 1;
        self.matched = self.matched.saturating_sub(usize::from(side.matched));
    }
}

impl Facts {
    fn of(span: &Span<'_>) -> Self {
        Self {
            kind: span.kind,
            failed: span.status == Status::Error,
            weight: span.weight,
            example: span.example(),
        }
    }
}

impl Side {
    fn new(service: Arc<str>, peer: Option<Box<str>>, facts: Facts, matched: bool) -> Self {
        Self {
            kind: facts.kind,
            service,
            peer,
            failed: facts.failed,
            matched,
            weight: facts.weight,
            example: facts.example,
        }
    }

    fn facts(&self) -> Facts {
        Facts {
            kind: self.kind,
            failed: self.failed,
            weight: self.weight,
            example: self.example,
        }
    }
}

/// The database that a span asks, where it asks one.
fn database<'a>(peers: &Peers<'a>) -> Option<Cow<'a, str>> {
    first_text(&peers[IS_DATABASE])?;
    first_text(&peers[DATABASE])
}

/// Whom a span says that it asks.
fn peer<'a>(peers: &Peers<'a>) -> Option<Cow<'a, str>> {
    first_text(&peers[..2]).or_else(|| first_text(&peers[HOST]))
}

/// The span that asked: this one, or the parent of one that answers, or what it links to.
fn join_key(span: &Span<'_>) -> Option<JoinKey> {
    if !span.kind.answers() {
        return Some((span.trace_id, span.span_id));
    }
    let parent = SpanId::from_slice(span.wire.parent_span_id)
        .ok()
        .map(|parent| (span.trace_id, parent));
    let link = || {
        let link = span.wire.first_link();
        let link = link.filter(|_| span.kind == Kind::Consumer)?;
        Some((
            TraceId::from_slice(link.trace_id).ok()?,
            SpanId::from_slice(link.span_id).ok()?,
        ))
    };
    parent.or_else(link)
}
