//! Which file it is, whatever it is called now.
//!
//! An inode alone does not say: it is given away again minutes after a file is deleted, and
//! truncation keeps it. So a file is known by device and inode, *and* by its head (the
//! first line, at most 1 KiB), *and* by the bytes just before the place we read up to.
//!
//! The identity that goes into every record's `log.record.uid` is computed once, when the
//! head is complete, and kept in the cursors from then on:
//!
//! ```text
//! SHA-256( device u64 │ inode u64 │ born u64 │ generation u64 │ head )[..8], low two bits 0
//! ```
//!
//! Each truncation, and each reuse of an inode that we still remember, counts the generation
//! up. An identity is durable before a record carries it: after a crash, what has taken the
//! file's place since may have the same inode and the same first line.
//! The low two bits are the record's stream: each stream of a file is a sequence of its own
//! with strictly increasing offsets.

use super::disk::{FileKey, Stat};
use sha2::{Digest as _, Sha256};

/// The longest head, in bytes.
pub(crate) const HEAD_BYTES_MAX: usize = 1024;
/// How many bytes before a position are remembered, to notice that they changed.
pub(crate) const TAIL_BYTES_MAX: usize = 64;

/// The identity of one generation of a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct Identity(pub(crate) u64);

impl Identity {
    /// The identity of a file that was never seen in this generation.
    pub(crate) fn new(stat: &Stat, generation: u64, head: &[u8]) -> Self {
        let mut hash = Sha256::new();
        for part in [stat.key.device, stat.key.inode, stat.born, generation] {
            hash.update(part.to_le_bytes());
        }
        hash.update(head);
        Self(first_u64(hash) & !0b11)
    }

    /// The identity in a record's `log.record.uid`.
    pub(crate) fn of_stream(self, stream: super::cri::Stream) -> u64 {
        self.0 | stream as u64
    }
}

impl serde::Serialize for Identity {
    fn serialize<S: serde::Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        s.collect_str(&format_args!("{:016x}", self.0))
    }
}

impl<'de> serde::Deserialize<'de> for Identity {
    fn deserialize<D: serde::Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        let text = <std::borrow::Cow<'de, str>>::deserialize(d)?;
        u64::from_str_radix(&text, 16)
            .map(Self)
            .map_err(serde::de::Error::custom)
    }
}

/// The head of a file whose beginning is `bytes`; `None` while it may still grow.
pub(crate) fn head(bytes: &[u8]) -> Option<&[u8]> {
    let window = &bytes[..bytes.len().min(HEAD_BYTES_MAX)];
    match memchr::memchr(b'\n', window) {
        Some(at) => Some(&window[..=at]),
        None if window.len() == HEAD_BYTES_MAX => Some(window),
        None => None,
    }
}

/// A run of bytes at a known place, by length and hash.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub(crate) struct Print {
    pub(crate) bytes: u32,
    pub(crate) hash: u64,
}

impl Print {
    pub(crate) fn of(bytes: &[u8]) -> Self {
        if bytes.is_empty() {
            return Self::default();
        }
        let hash = Sha256::new_with_prefix(bytes);
        Self {
            bytes: u32::try_from(bytes.len()).unwrap_or(u32::MAX),
            hash: first_u64(hash),
        }
    }

    /// How many bytes it covers.
    pub(crate) fn len(self) -> usize {
        self.bytes as usize
    }
}

/// The last bytes before a position.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Tail {
    bytes: [u8; TAIL_BYTES_MAX],
    len: u8,
}

impl Tail {
    /// Nothing is remembered: the position is the file's start.
    pub(crate) const NONE: Self = Self {
        bytes: [0; TAIL_BYTES_MAX],
        len: 0,
    };

    /// Remembers the end of `consumed`.
    pub(crate) fn of(consumed: &[u8]) -> Self {
        let kept = &consumed[consumed.len().saturating_sub(TAIL_BYTES_MAX)..];
        let mut tail = Self::NONE;
        tail.bytes[..kept.len()].copy_from_slice(kept);
        tail.len = kept.len() as u8;
        tail
    }

    pub(crate) fn as_bytes(&self) -> &[u8] {
        &self.bytes[..self.len as usize]
    }
}

/// Where a file lives and what it begins with, as the cursors keep it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub(crate) struct Known {
    pub(crate) key: FileKey,
    /// Creation of the inode; 0 where the file system does not tell.
    #[serde(default)]
    pub(crate) born: u64,
    pub(crate) head: Print,
    /// What it began with when it was established: as many bytes as there were, up to the
    /// longest head. First lines are often alike.
    #[serde(default)]
    pub(crate) start: Print,
    pub(crate) generation: u64,
}

impl Known {
    /// How many bytes of a file show that it is this one.
    pub(crate) fn shown_by(&self) -> usize {
        self.head.len().max(self.start.len()).min(HEAD_BYTES_MAX)
    }

    /// Whether a file that begins with `bytes` is this one.
    pub(crate) fn begins(&self, bytes: &[u8]) -> bool {
        let is = |print: Print| {
            bytes
                .get(..print.len())
                .is_some_and(|b| Print::of(b) == print)
        };
        is(self.head) && is(self.start)
    }

    /// Whether the inode was given to another file since.
    pub(crate) fn was_given_away(&self, stat: &Stat) -> bool {
        self.key == stat.key && self.born != 0 && stat.born != 0 && self.born != stat.born
    }
}

fn first_u64(hash: Sha256) -> u64 {
    let digest = hash.finalize();
    let mut first = [0; 8];
    first.copy_from_slice(&digest[..8]);
    u64::from_le_bytes(first)
}
