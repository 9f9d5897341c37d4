//! "Is this key perhaps here?", from memory: a binary fuse filter over the keys' hashes.

use super::BlockError;
use xorf::{BinaryFuse8, DmaSerializable, Filter as _, FilterRef as _};

/// The filter of one file, as it lies there.
#[derive(Debug)]
pub(super) struct Filter {
    descriptor: [u8; DESCRIPTOR_LEN],
    fingerprints: Vec<u8>,
}

const DESCRIPTOR_LEN: usize = BinaryFuse8::DESCRIPTOR_LEN;

/// The bytes of a filter over `hashes`; none when there are no hashes or no filter can be
/// built, which readers take for "perhaps".
pub(super) fn encode(mut hashes: Vec<u64>) -> Vec<u8> {
    sort_spread(&mut hashes);
    hashes.dedup();
    if hashes.is_empty() {
        return Vec::new();
    }
    let Ok(filter) = BinaryFuse8::try_from(&hashes) else {
        return Vec::new();
    };
    let mut out = vec![0; DESCRIPTOR_LEN];
    filter.dma_copy_descriptor_to(&mut out);
    out.extend_from_slice(filter.dma_fingerprints());
    out
}

/// Sorts hashes. They are spread evenly, so they are dealt out by their upper bits into piles that
/// fit a processor's first cache; where they are not, it is a sort as any other.
fn sort_spread(hashes: &mut Vec<u64>) {
    const PILE: usize = 512;
    let bits = (hashes.len() / PILE).checked_ilog2().unwrap_or(0).min(16);
    if bits == 0 {
        return hashes.sort_unstable();
    }
    let pile = |hash: u64| (hash >> (u64::BITS - bits)) as usize;
    let (mut ends, mut all) = (vec![0; 1 << bits], 0);
    for hash in &*hashes {
        ends[pile(*hash)] += 1;
    }
    for end in &mut ends {
        (*end, all) = (all, all + *end);
    }
    let mut dealt = vec![0; all];
    for hash in &*hashes {
        let end = &mut ends[pile(*hash)];
        dealt[*end] = *hash;
        *end += 1;
    }
    let mut start = 0;
    for end in ends {
        dealt[start..end].sort_unstable();
        start = end;
    }
    *hashes = dealt;
}

impl Filter {
    /// Reads what [`encode`] wrote; `None` where there is no filter.
    pub(super) fn decode(bytes: &[u8]) -> Result<Option<Self>, BlockError> {
        if bytes.is_empty() {
            return Ok(None);
        }
        let Some((descriptor, fingerprints)) = bytes.split_first_chunk::<DESCRIPTOR_LEN>() else {
            return Err(BlockError::Damaged("its filter is cut short"));
        };
        // Seed u64, then these three: what the filter's own arithmetic stays within.
        let u32_at =
            |at: usize| u64::from(u32::from_le_bytes([0, 1, 2, 3].map(|i| descriptor[at + i])));
        let (length, mask, count_length) = (u32_at(8), u32_at(12), u32_at(16));
        let fits = length.is_power_of_two()
            && mask == length - 1
            && count_length + 2 * length <= fingerprints.len() as u64;
        if !fits {
            return Err(BlockError::Damaged("its filter has an impossible shape"));
        }
        Ok(Some(Self {
            descriptor: *descriptor,
            fingerprints: fingerprints.to_vec(),
        }))
    }

    /// `false` only when the key of this hash is surely not in the file.
    pub(super) fn may_contain(&self, hash: u64) -> bool {
        xorf::BinaryFuse8Ref::from_dma(&self.descriptor, &self.fingerprints).contains(&hash)
    }

    /// How much memory it takes.
    pub(super) fn bytes(&self) -> usize {
        self.fingerprints.len() + DESCRIPTOR_LEN
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #![proptest_config(ProptestConfig { cases: 64, failure_persistence: None, ..ProptestConfig::default() })]
        #[test]
        fn hashes_are_sorted_however_they_are_spread(
            mut hashes in proptest::collection::vec(any::<u64>(), 0..5_000),
            shift in 0_u32..64,
        ) {
            hashes.iter_mut().for_each(|hash| *hash >>= shift);
            let mut expected = hashes.clone();
            expected.sort_unstable();
            sort_spread(&mut hashes);
            prop_assert_eq!(hashes, expected);
        }
    }
}
