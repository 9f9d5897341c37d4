//! What the journal keeps, and where.

use crate::{Signal, Tenant, UnixNanos};
use bytes::Bytes;

/// One thing that arrived and must not be lost.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// Whose it is.
    pub tenant: Tenant,
    /// What the payload is.
    pub signal: Signal,
    /// When it was admitted, by this machine's clock.
    pub received_at: UnixNanos,
    /// The OTLP `Export…ServiceRequest` in protobuf, valid, as it came.
    pub payload: Bytes,
}

/// The place of an entry in its partition: 0, 1, 2, … without gaps on append.
///
/// A reader may meet a gap where a damaged entry was quarantined; positions never repeat
/// and never go back. "Resume from `p`" means that everything before `p` is covered.
#[derive(
    Clone,
    Copy,
    Debug,
    Default,
    PartialEq,
    Eq,
    Hash,
    PartialOrd,
    Ord,
    serde::Serialize,
    serde::Deserialize,
)]
#[serde(transparent)]
pub struct Position(pub u64);

impl Position {
    /// The first position of every partition.
    pub const START: Self = Self(0);

    /// The position after this one.
    #[must_use]
    pub fn next(self) -> Self {
        Self(self.0 + 1)
    }
}

impl std::fmt::Display for Position {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.fmt(f)
    }
}
