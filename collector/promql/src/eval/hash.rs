//! The hash of a label set by which `limit_ratio` chooses: Prometheus' own, so that both
//! choose the same series.
//!
//! ```text
//! xxHash64 of   size name size value   for every label, in order
//! size          one byte below 255; else 255 and three bytes, little endian
//! ```

use sonde_proto::Labels;

/// Sizes from here on take four bytes.
const LONG: usize = 255;

/// The hash of a label set.
pub(crate) fn label_hash(labels: &Labels) -> u64 {
    let mut bytes = Vec::new();
    for (name, value) in labels.iter() {
        push(&mut bytes, name);
        push(&mut bytes, value);
    }
    xxhash64(&bytes)
}

fn push(bytes: &mut Vec<u8>, text: &str) {
    if text.len() < LONG {
        bytes.push(text.len() as u8);
    } else {
        let size = (text.len() as u32).to_le_bytes();
        bytes.push(LONG as u8);
        bytes.extend_from_slice(&size[..3]);
    }
    bytes.extend_from_slice(text.as_bytes());
}

const PRIMES: [u64; 5] = [
    0x9e37_79b1_85eb_ca87,
    0xc2b2_ae3d_27d4_eb4f,
    0x1656_67b1_9e37_79f9,
    0x85eb_ca77_c2b2_ae63,
    0x27d4_eb2f_1656_67c5,
];

/// xxHash64 without a seed (<https://github.com/Cyan4973/xxHash/blob/dev/doc/xxhash_spec.md>).
fn xxhash64(bytes: &[u8]) -> u64 {
    let [p1, p2, p3, p4, p5] = PRIMES;
    let (stripes, rest) = bytes.as_chunks::<32>();
    let mut hash = p5;
    if !stripes.is_empty() {
        let mut lanes = [p1.wrapping_add(p2), p2, 0, 0u64.wrapping_sub(p1)];
        for stripe in stripes {
            let (words, _) = stripe.as_chunks::<8>();
            for (lane, word) in lanes.iter_mut().zip(words) {
                *lane = round(*lane, u64::from_le_bytes(*word));
            }
        }
        let turned = lanes.iter().zip([1, 7, 12, 18]);
        hash = turned.fold(0, |sum: u64, (lane, by)| {
            sum.wrapping_add(lane.rotate_left(by))
        });
        for lane in lanes {
            hash = (hash ^ round(0, lane)).wrapping_mul(p1).wrapping_add(p4);
        }
    }
    hash = hash.wrapping_add(bytes.len() as u64);
    let (words, rest) = rest.as_chunks::<8>();
    for word in words {
        hash ^= round(0, u64::from_le_bytes(*word));
        hash = hash.rotate_left(27).wrapping_mul(p1).wrapping_add(p4);
    }
    let (halves, rest) = rest.as_chunks::<4>();
    for half in halves {
        hash ^= u64::from(u32::from_le_bytes(*half)).wrapping_mul(p1);
        hash = hash.rotate_left(23).wrapping_mul(p2).wrapping_add(p3);
    }
    for byte in rest {
        hash ^= u64::from(*byte).wrapping_mul(p5);
        hash = hash.rotate_left(11).wrapping_mul(p1);
    }
    hash = (hash ^ (hash >> 33)).wrapping_mul(p2);
    hash = (hash ^ (hash >> 29)).wrapping_mul(p3);
    hash ^ (hash >> 32)
}

fn round(lane: u64, word: u64) -> u64 {
    let [p1, p2, ..] = PRIMES;
    lane.wrapping_add(word.wrapping_mul(p2))
        .rotate_left(31)
        .wrapping_mul(p1)
}

#[cfg(test)]
mod tests {
    use super::{label_hash, xxhash64};
    use sonde_proto::Labels;

    #[test]
    fn it_is_xxhash64() {
        for (text, hash) in [
            ("", 0xef46_db37_51d8_e999),
            ("a", 0xd24e_c4f1_a98c_6e5b),
            ("abc", 0x44bc_2cf5_ad77_0999),
            (
                "Nobody inspects the spammish repetition",
                0xfbce_a83c_8a37_8bf1,
            ),
        ] {
            assert_eq!(xxhash64(text.as_bytes()), hash, "{text:?}");
        }
    }

    #[test]
    fn every_name_and_value_follows_its_size() {
        let labels: Labels = [("a", "b"), ("cd", "")].into_iter().collect();
        assert_eq!(label_hash(&labels), xxhash64(b"\x01a\x01b"));
        let long = "x".repeat(300);
        let labels: Labels = [("a", long.as_str())].into_iter().collect();
        let mut bytes = b"\x01a\xff\x2c\x01\x00".to_vec();
        bytes.extend_from_slice(long.as_bytes());
        assert_eq!(label_hash(&labels), xxhash64(&bytes));
    }
}
