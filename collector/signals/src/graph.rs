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

use crate::OVERFLOW;
use crate::histogram::{Example, Histogram, Life, Shape};
use crate::span::{Kind, Span, Status, cut};
use crate::weight::Count;
use ahash::HashMap;
use serde::{Deserialize, Serialize};
use sonde_proto::{SpanId, TraceId, UnixNanos};
use std::collections::VecDeque;
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
const DATABASE_KEYS: [&str; 6] = [
    "service.peer.name",
    "peer.service",
    "db.namespace",
    "db.name",
    "db.system.name",
    "db.system",
];
/// The first was called the second before.
const PEER_KEYS: [&str; 5] = [
    "service.peer.name",
    "peer.service",
    "server.address",
    "net.peer.name",
    "http.host",
];

/// How many sides of one span may wait: one asks, and a message has some consumers. More is
/// one span sent again and again, and each would be compared with each.
const SIDES_MAX: usize = 64;

/// What lies between the two sides.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub(crate) enum Connection {
    Direct,
    Messaging,
    Database,
    Virtual,
}

/// Who asks whom.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub(crate) struct EdgeKey {
    pub(crate) client: Box<str>,
    pub(crate) server: Box<str>,
    pub(crate) connection: Connection,
}

/// The counters of one edge.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Edge {
    pub(crate) life: Life,
    pub(crate) requests: Count,
    pub(crate) failed: Count,
    pub(crate) server: Histogram,
    pub(crate) client: Histogram,
    /// The slowest request since the last collection.
    pub(crate) example: Option<Example>,
    /// When one was told last.
    #[serde(default)]
    pub(crate) example_told: UnixNanos,
}

/// One side of a request that waits for the other.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Side {
    kind: Kind,
    service: Box<str>,
    peer: Option<Box<str>>,
    failed: bool,
    matched: bool,
    #[serde(default = "one")]
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
    #[serde(with = "crate::snapshot::pairs")]
    edges: HashMap<EdgeKey, Edge>,
    #[serde(with = "crate::snapshot::pairs")]
    pending: HashMap<JoinKey, Vec<Side>>,
    expiry: VecDeque<(UnixNanos, JoinKey)>,
    waiting: usize,
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

impl Connection {
    /// The name in labels.
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Direct => "",
            Self::Messaging => "messaging_system",
            Self::Database => "database",
            Self::Virtual => "virtual_node",
        }
    }
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
        let mut lost = Lost::default();
        let side = Side::of(span, limits.name_bytes_max);
        if span.kind == Kind::Client
            && let Some(database) = span
                .first_of(&["db.system.name", "db.system", "db.name"])
                .and_then(|_| span.first_of(&DATABASE_KEYS))
        {
            let key = side.edge_to(cut(&database, limits.name_bytes_max), Connection::Database);
            self.count(key, Some(&side), None, shape, limits, now, &mut lost);
            return lost;
        }
        match join_key(span) {
            Some(key) => self.join(key, side, shape, limits, now, &mut lost),
            None if span.kind == Kind::Server => {
                let key = EdgeKey {
                    client: USER.into(),
                    server: side.service.clone(),
                    connection: Connection::Virtual,
                };
                self.count(key, None, Some(&side), shape, limits, now, &mut lost);
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
            for side in self.pending.remove(&key).unwrap_or_default() {
                self.waiting -= 1;
                match &side.peer {
                    _ if side.matched => {}
                    Some(peer) if side.kind == Kind::Client => {
                        let edge = side.edge_to(peer, Connection::Virtual);
                        self.count(edge, Some(&side), None, shape, limits, deadline, &mut lost);
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

    /// How many edges there are.
    pub(crate) fn len(&self) -> usize {
        self.edges.len()
    }

    /// Visits all edges; those for which `keep` is false are forgotten.
    pub(crate) fn visit(&mut self, keep: impl FnMut(&EdgeKey, &mut Edge) -> bool) {
        self.edges.retain(keep);
    }

    fn join(
        &mut self,
        key: JoinKey,
        mut side: Side,
        shape: &Shape,
        limits: Limits,
        now: UnixNanos,
        lost: &mut Lost,
    ) {
        let answers = side.kind.answers();
        let mut others = self.pending.remove(&key).unwrap_or_default();
        for other in others
            .iter_mut()
            .filter(|other| other.kind.answers() != answers)
        {
            let (client, server) = if answers {
                (&*other, &side)
            } else {
                (&side, &*other)
            };
            let messaging = client.kind == Kind::Producer || server.kind == Kind::Consumer;
            let connection = if messaging {
                Connection::Messaging
            } else {
                Connection::Direct
            };
            self.count(
                client.edge_to(&server.service, connection),
                Some(client),
                Some(server),
                shape,
                limits,
                now,
                lost,
            );
            other.matched = true;
            side.matched = true;
        }
        // A side that answered has found its one asker; sides that asked wait on for more.
        let before = others.len();
        others.retain(|other| !(other.matched && other.kind.answers()));
        self.waiting -= before - others.len();
        if !(side.matched && answers) {
            if self.waiting >= limits.pending_max
                || others.len() >= SIDES_MAX
                || !self.has_room_to_expire(&key, limits)
            {
                lost.dropped += u64::from(!side.matched);
            } else {
                self.waiting += 1;
                self.expiry.push_back((now.plus(limits.wait), key));
                others.push(side);
            }
        }
        if !others.is_empty() {
            self.pending.insert(key, others);
        }
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

    #[expect(
        clippy::too_many_arguments,
        reason = "the two sides, and what the caller was given to count them by"
    )]
    fn count(
        &mut self,
        key: EdgeKey,
        client: Option<&Side>,
        server: Option<&Side>,
        shape: &Shape,
        limits: Limits,
        now: UnixNanos,
        lost: &mut Lost,
    ) {
        let fits = self.edges.len() < limits.edges_max || self.edges.contains_key(&key);
        lost.overflowed += u64::from(!fits);
        let key = if fits {
            key
        } else {
            EdgeKey {
                client: OVERFLOW.into(),
                server: OVERFLOW.into(),
                connection: key.connection,
            }
        };
        let edge = self.edges.entry(key).or_insert_with(|| Edge::new(now));
        if edge.life.has_ended(now, limits.stale) {
            *edge = Edge::new(now);
        }
        edge.life.last = edge.life.last.max(now);
        let sides = || [client, server].into_iter().flatten();
        // Both were kept because neither sampled them out: the rarer decides.
        let weight = sides().map(|side| side.weight).max().unwrap_or(Count::ONE);
        edge.requests.add(weight);
        if sides().any(|side| side.failed) {
            edge.failed.add(weight);
        }
        for (side, histogram) in [(client, &mut edge.client), (server, &mut edge.server)] {
            if let Some(side) = side {
                histogram.add(shape, side.example.nanos, weight, now);
                Example::keep_slower(&mut edge.example, side.example.clone());
            }
        }
    }
}

impl Edge {
    fn new(now: UnixNanos) -> Self {
        Self {
            life: Life::new(now),
            requests: Count::default(),
            failed: Count::default(),
            server: Histogram::default(),
            client: Histogram::default(),
            example: None,
            example_told: UnixNanos::default(),
        }
    }
}

impl Side {
    fn of(span: &Span<'_>, name_bytes_max: usize) -> Self {
        let peer = || {
            span.first_of(&PEER_KEYS)
                .map(|peer| cut(&peer, name_bytes_max).into())
        };
        Self {
            kind: span.kind,
            service: cut(span.service, name_bytes_max).into(),
            peer: if span.kind == Kind::Client {
                peer()
            } else {
                None
            },
            failed: span.status == Status::Error,
            matched: false,
            weight: span.weight,
            example: span.example(),
        }
    }

    fn edge_to(&self, server: &str, connection: Connection) -> EdgeKey {
        EdgeKey {
            client: self.service.clone(),
            server: server.into(),
            connection,
        }
    }
}

/// The span that asked: this one, or the parent of one that answers, or what it links to.
fn join_key(span: &Span<'_>) -> Option<JoinKey> {
    if !span.kind.answers() {
        return Some((span.trace_id, span.span_id));
    }
    let parent = SpanId::from_slice(&span.wire.parent_span_id)
        .ok()
        .map(|parent| (span.trace_id, parent));
    let link = || {
        let link = span
            .wire
            .links
            .first()
            .filter(|_| span.kind == Kind::Consumer)?;
        Some((
            TraceId::from_slice(&link.trace_id).ok()?,
            SpanId::from_slice(&link.span_id).ok()?,
        ))
    };
    parent.or_else(link)
}
