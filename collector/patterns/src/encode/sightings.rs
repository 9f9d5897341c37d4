//! Which templates were seen before: a template is worth its place in the dictionary once it
//! comes a second time.

const SLOTS: usize = 1 << 16;

/// A fingerprint for each of the last templates. Two templates that fall on one slot push
/// each other out, which costs a raw row.
pub(super) struct Sightings {
    slots: Box<[u32]>,
}

impl Sightings {
    pub(super) fn new() -> Self {
        Self {
            slots: vec![0; SLOTS].into_boxed_slice(),
        }
    }

    /// Notes a template by its hash; whether it was noted before.
    pub(super) fn again(&mut self, hash: u64) -> bool {
        let mark = hash as u32 | 1;
        let slot = &mut self.slots[(hash >> 48) as usize % SLOTS];
        let again = *slot == mark;
        *slot = mark;
        again
    }
}
