//! Which indexes stay in memory, within bytes.

use super::{Segment, SegmentError, SegmentIndex};
use parking_lot::Mutex;
use std::sync::Arc;

/// Indexes of the segments that were asked last. What was read of them, over all of them, is
/// held against the bound whenever one is asked for: what is above it is what is in use.
#[derive(Debug)]
pub(crate) struct IndexCache {
    bytes_max: u64,
    /// The least recently used first.
    indexes: Mutex<Kept>,
}

impl IndexCache {
    pub(crate) fn new(bytes_max: u64) -> Self {
        Self {
            bytes_max,
            indexes: Mutex::default(),
        }
    }

    /// The index of a segment, with what was read of it before if that is still there.
    pub(crate) fn get(&self, segment: &Segment) -> Result<Arc<SegmentIndex>, SegmentError> {
        let id = segment.meta.id;
        let (known, left) = {
            let mut indexes = self.indexes.lock();
            let at = indexes.iter().position(|(other, _)| *other == id);
            let known = at.map(|at| indexes.remove(at));
            indexes.extend(known.clone());
            let left = trim(&mut indexes, self.bytes_max);
            (known, left)
        };
        // Freeing takes a while: not while others wait for the lock.
        drop(left);
        if let Some((_, index)) = known {
            return Ok(index);
        }
        let index = Arc::new(segment.index()?);
        let mut indexes = self.indexes.lock();
        if let Some((_, other)) = indexes.iter().find(|(other, _)| *other == id) {
            // Two asked at once: what the other reads is read for both.
            return Ok(Arc::clone(other));
        }
        indexes.push((id, Arc::clone(&index)));
        Ok(index)
    }

    /// Lets go of what is above the bound.
    pub(crate) fn trim(&self) {
        let left = trim(&mut self.indexes.lock(), self.bytes_max);
        drop(left);
    }

    /// Forgets segments that are gone.
    pub(crate) fn forget(&self, gone: &[u64]) {
        self.indexes.lock().retain(|(id, _)| !gone.contains(id));
    }
}

type Kept = Vec<(u64, Arc<SegmentIndex>)>;

/// Takes out those that were not used for longest.
fn trim(indexes: &mut Kept, bytes_max: u64) -> Kept {
    let bytes = |kept: &[(u64, Arc<SegmentIndex>)]| -> u64 {
        kept.iter().map(|(_, index)| index.bytes()).sum()
    };
    let (mut all, mut gone) = (bytes(indexes), 0);
    while all > bytes_max && gone < indexes.len() {
        all -= bytes(&indexes[gone..=gone]).min(all);
        gone += 1;
    }
    indexes.drain(..gone).collect()
}
