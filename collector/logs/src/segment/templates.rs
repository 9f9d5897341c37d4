//! `templates`: the dictionary of a segment's templated bodies; not there where all are plain.
//!
//! ```text
//! CRC-32C u32 of the rest │ the dictionary, as `sonde_patterns` writes it
//! ```
//!
//! A dictionary is read when a query first needs it. Those that were used last stay in
//! memory, as long as they fit into the bytes that all segments have for it together.

use super::Damage;
use ahash::AHashMap;
use parking_lot::Mutex;
use sonde_patterns::Dictionary;
use std::sync::Arc;
use tantivy::directory::OwnedBytes;

pub(super) const FILE: &str = "templates";
const CHECKSUM: usize = 4;

/// The file, around what the encoder wrote behind the room for the checksum.
pub(super) fn write(dictionary: impl FnOnce(&mut Vec<u8>)) -> Vec<u8> {
    let mut out = vec![0; CHECKSUM];
    dictionary(&mut out);
    let checksum = crc32c::crc32c(&out[CHECKSUM..]);
    out[..CHECKSUM].copy_from_slice(&checksum.to_le_bytes());
    out
}

/// The templates of an open segment.
pub(super) struct Templates {
    bytes: Option<OwnedBytes>,
    /// By which its dictionary is known among those of other segments.
    id: u64,
}

impl Templates {
    /// Takes the bytes of the file, where there is one.
    pub(super) fn new(bytes: Option<OwnedBytes>, kept: &Dictionaries) -> Self {
        let id = kept.next_id();
        Self { bytes, id }
    }

    /// The dictionary, from `kept` or from the file.
    pub(super) fn dictionary(&self, kept: &Dictionaries) -> Result<Arc<Dictionary>, Damage> {
        let Some(bytes) = &self.bytes else {
            return Err(Damage(format!(
                "it has templated bodies, but the file {FILE} is missing"
            )));
        };
        kept.get(self.id, || read(bytes))
    }

    /// Whether the file, where there is one, is as it was written.
    pub(super) fn check(&self) -> Result<(), Damage> {
        self.bytes.as_ref().map_or(Ok(()), |b| read(b).map(drop))
    }
}

fn read(bytes: &[u8]) -> Result<Dictionary, Damage> {
    let damaged = || Damage(format!("the checksum of {FILE} does not hold"));
    let (checksum, rest) = bytes.split_at_checked(CHECKSUM).ok_or_else(damaged)?;
    if crc32c::crc32c(rest).to_le_bytes() != checksum {
        return Err(damaged());
    }
    Dictionary::read(rest).map_err(|damage| Damage(format!("{FILE}: {damage}")))
}

/// The dictionaries that were used last.
pub(super) struct Dictionaries {
    bytes_max: usize,
    kept: Mutex<Kept>,
}

#[derive(Default)]
struct Kept {
    dictionaries: AHashMap<u64, (Arc<Dictionary>, u64)>,
    bytes: usize,
    ids: u64,
    /// How often a dictionary was asked for: the later of two uses has the greater number.
    uses: u64,
}

impl Dictionaries {
    /// None yet, and room for so many bytes.
    pub(super) fn new(bytes_max: usize) -> Self {
        Self {
            bytes_max,
            kept: Mutex::default(),
        }
    }

    fn next_id(&self) -> u64 {
        let mut kept = self.kept.lock();
        kept.ids += 1;
        kept.ids
    }

    /// The dictionary with this ID; `read` where it is not kept. Two that ask at once may
    /// both read it.
    fn get(
        &self,
        id: u64,
        read: impl FnOnce() -> Result<Dictionary, Damage>,
    ) -> Result<Arc<Dictionary>, Damage> {
        if let Some(known) = self.kept.lock().find(id) {
            return Ok(known);
        }
        let new = Arc::new(read()?);
        let mut kept = self.kept.lock();
        kept.put(id, Arc::clone(&new));
        kept.shrink_to(self.bytes_max);
        Ok(new)
    }
}

impl Kept {
    fn find(&mut self, id: u64) -> Option<Arc<Dictionary>> {
        self.uses += 1;
        let (dictionary, used) = self.dictionaries.get_mut(&id)?;
        *used = self.uses;
        Some(Arc::clone(dictionary))
    }

    fn put(&mut self, id: u64, dictionary: Arc<Dictionary>) {
        self.bytes += dictionary.memory();
        if let Some((old, _)) = self.dictionaries.insert(id, (dictionary, self.uses)) {
            self.bytes -= old.memory();
        }
    }

    /// Forgets those that were not used for longest, but never the last.
    fn shrink_to(&mut self, bytes_max: usize) {
        while self.bytes > bytes_max && self.dictionaries.len() > 1 {
            let oldest = self.dictionaries.iter().min_by_key(|(_, (_, used))| *used);
            let Some(id) = oldest.map(|(id, _)| *id) else {
                return;
            };
            if let Some((gone, _)) = self.dictionaries.remove(&id) {
                self.bytes -= gone.memory();
            }
        }
    }
}

impl std::fmt::Debug for Dictionaries {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let kept = self.kept.lock();
        f.debug_struct("Dictionaries")
            .field("kept", &kept.dictionaries.len())
            .field("bytes", &kept.bytes)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use sonde_patterns::{Encoder, Limits};

    #[test]
    fn what_was_not_used_for_longest_is_read_anew() {
        let read = || {
            let mut out = Vec::new();
            Encoder::new(Limits::default()).finish(&mut out);
            Ok(Dictionary::read(&out).unwrap())
        };
        let memory = read().unwrap().memory();
        let kept = Dictionaries::new(2 * memory);
        let [a, b, c] = [kept.next_id(), kept.next_id(), kept.next_id()];
        let known = |id| {
            kept.get(id, || Err(Damage("it was not kept".into())))
                .is_ok()
        };
        for id in [a, b] {
            kept.get(id, read).unwrap();
        }
        assert!(known(a) && known(b) && known(a));
        kept.get(c, read).unwrap();
        assert!(known(a) && known(c) && !known(b));
        assert_eq!(kept.kept.lock().bytes, 2 * memory);
        assert!(kept.get(b, || Err(Damage("gone".into()))).is_err());
    }
}
