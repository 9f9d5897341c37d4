//! The counters of edges, found without a name of their own.

use super::{By, Facts, Lost};
use crate::OVERFLOW;
use crate::histogram::{Example, Histogram, Life};
use crate::weight::Count;
use ahash::RandomState;
use hashbrown::{Equivalent, HashMap};
use serde::{Deserialize, Serialize};
use sonde_proto::UnixNanos;

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

/// The same, of names that lie elsewhere.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct EdgeRef<'a> {
    client: &'a str,
    server: &'a str,
    connection: Connection,
}

/// All edges of a tenant.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(transparent)]
pub(super) struct Edges(
    #[serde(with = "crate::snapshot::pairs")] HashMap<EdgeKey, Edge, RandomState>,
);

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

impl<'a> EdgeRef<'a> {
    pub(super) fn new(client: &'a str, server: &'a str, connection: Connection) -> Self {
        Self {
            client,
            server,
            connection,
        }
    }

    fn to_key(self) -> EdgeKey {
        EdgeKey {
            client: self.client.into(),
            server: self.server.into(),
            connection: self.connection,
        }
    }
}

/// Both derive the same hash: names are hashed as text, wherever they lie.
impl Equivalent<EdgeKey> for EdgeRef<'_> {
    fn equivalent(&self, key: &EdgeKey) -> bool {
        (self.client, self.server, self.connection) == (&key.client, &key.server, key.connection)
    }
}

impl Edges {
    pub(super) fn len(&self) -> usize {
        self.0.len()
    }

    pub(super) fn retain(&mut self, keep: impl FnMut(&EdgeKey, &mut Edge) -> bool) {
        self.0.retain(keep);
    }

    /// Counts a request of which one side is known, or both.
    pub(super) fn count(
        &mut self,
        of: EdgeRef<'_>,
        client: Option<Facts>,
        server: Option<Facts>,
        by: By<'_>,
        lost: &mut Lost,
    ) {
        if let Some(edge) = self.0.get_mut(&of) {
            edge.count(client, server, by);
            return;
        }
        let fits = self.0.len() < by.limits.edges_max;
        lost.overflowed += u64::from(!fits);
        let key = if fits {
            of.to_key()
        } else {
            EdgeRef::new(OVERFLOW, OVERFLOW, of.connection).to_key()
        };
        let edge = self.0.entry(key).or_insert_with(|| Edge::new(by.now));
        edge.count(client, server, by);
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

    fn count(&mut self, client: Option<Facts>, server: Option<Facts>, by: By<'_>) {
        if self.life.has_ended(by.now, by.limits.stale) {
            *self = Self::new(by.now);
        }
        self.life.last = self.life.last.max(by.now);
        let sides = || [client, server].into_iter().flatten();
        // Both were kept because neither sampled them out: the rarer decides.
        let weight = sides().map(|side| side.weight).max().unwrap_or(Count::ONE);
        self.requests.add(weight);
        if sides().any(|side| side.failed) {
            self.failed.add(weight);
        }
        for (side, histogram) in [(client, &mut self.client), (server, &mut self.server)] {
            if let Some(side) = side {
                histogram.add(by.shape, side.example.nanos, weight, by.now);
                Example::keep_slower(&mut self.example, side.example);
            }
        }
    }
}
