//! The manifest: the list of segments and the journal position that they cover.
//!
//! ```text
//! sonde-manifest 1 9a3bc01f\n     format version, CRC-32C of everything after the newline
//! { "version": 1, "covers": … }   JSON, so that a person can read it when it matters
//! ```

use serde::{Deserialize, Serialize};
use sonde_proto::{Position, Tenant, UnixNanos};

/// The format version this code writes, and the only one it reads.
pub const FORMAT_VERSION: u32 = 1;

const WORD: &str = "sonde-manifest";

/// What a store consists of at one instant.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Manifest {
    /// The format version: [`FORMAT_VERSION`].
    pub version: u32,
    /// Everything before this position lies in the segments; the journal is replayed from here.
    pub covers: Position,
    /// The number of the next segment. Numbers are never used twice.
    pub next_id: u64,
    /// The visible segments.
    pub segments: Vec<SegmentMeta>,
    /// What the store itself wants to keep beside `covers`, changed in the same step.
    #[serde(default)]
    pub extra: serde_json::Value,
}

/// One segment, as the manifest lists it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct SegmentMeta {
    /// The segment's number, unique in its directory for ever.
    pub id: u64,
    /// Whose data it holds.
    #[serde(with = "tenant")]
    pub tenant: Tenant,
    /// The earliest time in it.
    pub start: UnixNanos,
    /// The latest time in it (inclusive).
    pub end: UnixNanos,
    /// The journal positions it was made from: first (inclusive), last (exclusive).
    pub positions: (Position, Position),
    /// Its size on disk.
    pub bytes: u64,
    /// How many records it holds.
    pub records: u64,
    /// A checksum of the whole segment, where the store has one.
    #[serde(default)]
    pub checksum: u32,
    /// What the store wants to know of the segment without opening it.
    #[serde(default)]
    pub extra: serde_json::Value,
}

/// Why a manifest cannot be read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ManifestError {
    /// It was written by a later version.
    #[error("its format version is {0}, this program reads version {FORMAT_VERSION}")]
    Version(u32),
    /// Its bytes are not what was written.
    #[error("it is damaged: {0}")]
    Damaged(String),
}

impl Default for Manifest {
    fn default() -> Self {
        Self {
            version: FORMAT_VERSION,
            covers: Position::START,
            next_id: 0,
            segments: Vec::new(),
            extra: serde_json::Value::Null,
        }
    }
}

impl Manifest {
    /// Hands out the number of a new segment.
    pub fn take_id(&mut self) -> u64 {
        let id = self.next_id;
        self.next_id += 1;
        id
    }

    /// The segment of that number, where it is listed.
    #[must_use]
    pub fn segment(&self, id: u64) -> Option<&SegmentMeta> {
        self.segments.iter().find(|s| s.id == id)
    }

    /// The manifest as it lies in the file.
    pub(crate) fn encode(&self) -> Result<Vec<u8>, serde_json::Error> {
        let body = serde_json::to_vec_pretty(self)?;
        let mut out =
            format!("{WORD} {FORMAT_VERSION} {:08x}\n", crc32c::crc32c(&body)).into_bytes();
        out.extend_from_slice(&body);
        Ok(out)
    }

    /// Reads a manifest from the bytes of its file.
    ///
    /// # Errors
    /// [`ManifestError`] when the version is not ours or any byte is not as written.
    pub fn decode(bytes: &[u8]) -> Result<Self, ManifestError> {
        let damaged = |why: &str| ManifestError::Damaged(why.to_owned());
        let newline = bytes
            .iter()
            .position(|b| *b == b'\n')
            .ok_or_else(|| damaged("its first line has no end"))?;
        let (head, body) = (&bytes[..newline], &bytes[newline + 1..]);
        let head = std::str::from_utf8(head).map_err(|_| damaged("its first line is no text"))?;
        let mut words = head.split(' ');
        let (word, version, checksum) = (words.next(), words.next(), words.next());
        if word != Some(WORD) {
            return Err(damaged("it does not start with \"sonde-manifest\""));
        }
        let version = version
            .and_then(|v| v.parse().ok())
            .ok_or_else(|| damaged("its version is no number"))?;
        if version != FORMAT_VERSION {
            return Err(ManifestError::Version(version));
        }
        if checksum != Some(&format!("{:08x}", crc32c::crc32c(body))) || words.next().is_some() {
            return Err(damaged("its checksum does not hold"));
        }
        serde_json::from_slice(body).map_err(|error| ManifestError::Damaged(error.to_string()))
    }
}

/// A tenant as its name.
mod tenant {
    use serde::{Deserialize as _, Deserializer, Serializer};
    use sonde_proto::Tenant;

    pub(super) fn serialize<S: Serializer>(tenant: &Tenant, to: S) -> Result<S::Ok, S::Error> {
        to.serialize_str(tenant.as_str())
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Tenant, D::Error> {
        let name = std::borrow::Cow::<'de, str>::deserialize(from)?;
        Tenant::new(&name).map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests;
