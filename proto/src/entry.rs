//! What the journal keeps, and where.

use crate::remote_write::Version;
use crate::{Signal, Tenant, UnixNanos};
use bytes::Bytes;

/// One thing that arrived and must not be lost.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// Whose it is.
    pub tenant: Tenant,
    /// What the payload is.
    pub signal: Signal,
    /// How the payload is written.
    pub format: Format,
    /// When it was admitted, by this machine's clock.
    pub received_at: UnixNanos,
    /// The request, valid, as it came.
    pub payload: Bytes,
}

impl Entry {
    /// An OTLP request.
    #[must_use]
    pub fn otlp(tenant: Tenant, signal: Signal, received_at: UnixNanos, payload: Bytes) -> Self {
        Self {
            tenant,
            signal,
            format: Format::Otlp,
            received_at,
            payload,
        }
    }

    /// What a Prometheus wrote: the body, still compressed.
    #[must_use]
    pub fn remote_write(
        tenant: Tenant,
        version: Version,
        received_at: UnixNanos,
        payload: Bytes,
    ) -> Self {
        let format = match version {
            Version::V1 => Format::RemoteWrite1,
            Version::V2 => Format::RemoteWrite2,
        };
        Self {
            tenant,
            signal: Signal::Metrics,
            format,
            received_at,
            payload,
        }
    }
}

/// How an entry's payload is written. The numbers are those in the journal.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum Format {
    /// An OTLP `Export…ServiceRequest` in protobuf.
    #[default]
    Otlp = 0,
    /// Prometheus' `prometheus.WriteRequest`, in snappy's block format.
    RemoteWrite1 = 1,
    /// Prometheus' `io.prometheus.write.v2.Request`, in snappy's block format.
    RemoteWrite2 = 2,
}

impl Format {
    /// Every format, in the order of their numbers.
    pub const ALL: [Self; 3] = [Self::Otlp, Self::RemoteWrite1, Self::RemoteWrite2];

    /// The format of a number written by `format as u8`.
    #[must_use]
    pub fn from_u8(n: u8) -> Option<Self> {
        Self::ALL.into_iter().find(|format| *format as u8 == n)
    }
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
