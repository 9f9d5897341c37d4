//! `templates`: the dictionaries of a segment's templated bodies; not there where all are plain.
//!
//! ```text
//! dictionary*   one a part that has templated bodies, as `sonde_patterns` writes it
//! ```
//!
//! Where each lies, and its checksum, says the table of parts (`parts`). A dictionary is read
//! when a query first needs it. Those that were used last stay in memory, as long as they fit
//! into the bytes that all segments have for it together.

use super::Damage;
use super::parts::{Part, Place};
use ahash::AHashMap;
use parking_lot::Mutex;
use sonde_patterns::Dictionary;
use std::sync::Arc;
use tantivy::directory::OwnedBytes;

pub(super) const FILE: &str = "templates";

/// The file, being written.
#[derive(Debug, Default)]
pub(super) struct TemplatesBuilder {
    bytes: Vec<u8>,
}

impl TemplatesBuilder {
    /// Adds the dictionary of the next part, which is empty where it needs none. Nothing
    /// where it is too long.
    pub(super) fn add(&mut self, dictionary: &[u8]) -> Option<Place> {
        let place = Place {
            offset: self.bytes.len() as u64,
            length: u32::try_from(dictionary.len()).ok()?,
            checksum: crc32c::crc32c(dictionary),
        };
        self.bytes.extend_from_slice(dictionary);
        Some(place)
    }

    /// The file; nothing where no part needs one.
    pub(super) fn finish(self) -> Option<Vec<u8>> {
        (!self.bytes.is_empty()).then_some(self.bytes)
    }
}

/// The templates of an open segment.
pub(super) struct Templates {
    bytes: Option<OwnedBytes>,
    /// By which the dictionary of its first part is known among those of other segments;
    /// those of the others follow.
    first_id: u64,
}

impl Templates {
    /// Takes the bytes of the file, where there is one; its dictionaries have the IDs from
    /// `first_id` on.
    pub(super) fn new(bytes: Option<OwnedBytes>, first_id: u64) -> Self {
        Self { bytes, first_id }
    }

    /// The dictionary of the part with this number, from `kept` or from the file.
    pub(super) fn dictionary(
        &self,
        (number, part): (u32, &Part),
        kept: &Dictionaries,
    ) -> Result<Arc<Dictionary>, Damage> {
        kept.get(self.first_id + u64::from(number), || {
            read(self.written(part)?)
        })
    }

    /// The dictionary of a part as it was written; empty where it has none.
    pub(super) fn written(&self, part: &Part) -> Result<&[u8], Damage> {
        let place = part.dictionary;
        if place.length == 0 {
            return Ok(&[]);
        }
        let Some(bytes) = &self.bytes else {
            return Err(Damage(format!(
                "it has templated bodies, but the file {FILE} is missing"
            )));
        };
        let bytes = place.range().and_then(|range| bytes.get(range));
        bytes
            .filter(|bytes| crc32c::crc32c(bytes) == place.checksum)
            .ok_or_else(|| Damage(format!("a checksum of {FILE} does not hold")))
    }

    /// Whether the file, where there is one, is as it was written and has nothing else.
    pub(super) fn check(&self, parts: impl Iterator<Item = Part>) -> Result<(), Damage> {
        let mut end = 0;
        for part in parts.filter(|part| part.dictionary.length > 0) {
            read(self.written(&part)?)?;
            let next = part.dictionary.range().filter(|range| range.start == end);
            end = next.ok_or_else(|| Damage(format!("{FILE} has gaps")))?.end;
        }
        match end == self.bytes.as_ref().map_or(0, OwnedBytes::len) {
            true => Ok(()),
            false => Err(Damage(format!("{FILE} has another length"))),
        }
    }
}

fn read(bytes: &[u8]) -> Result<Dictionary, Damage> {
    if bytes.is_empty() {
        return Err(Damage(
            "it has templated bodies in a part without templates".into(),
        ));
    }
    Dictionary::read(bytes).map_err(|damage| Damage(format!("{FILE}: {damage}")))
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

    /// How many bytes those take that are kept.
    #[cfg(test)]
    pub(super) fn bytes(&self) -> u64 {
        self.kept.lock().bytes as u64
    }

    /// The first of so many IDs that follow each other and that no other dictionaries have.
    pub(super) fn next_ids(&self, count: u32) -> u64 {
        let mut kept = self.kept.lock();
        let first = kept.ids;
        kept.ids += u64::from(count);
        first
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
        let first = kept.next_ids(2);
        let [a, b, c] = [first, first + 1, kept.next_ids(1)];
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
