//! Columns of whole numbers, packed to the bits they need.
//!
//! ```text
//! column = frame*             of 128 numbers each, the last of fewer
//! frame  = lowest zigzag varint │ width u8 │ (number - lowest) in `width` bits each
//! ```
//!
//! Numbers lie from the lowest bit up, little endian; a width of more than 56 bits is
//! written as 64, so that every number lies within eight bytes. A column does not say how
//! many numbers it has.

const FRAME: usize = 128;
/// Room for a frame of the widest numbers, and to read eight bytes from its last one.
const PADDED: usize = FRAME * 8 + 8;

/// Appends a column.
pub(super) fn put(values: &[i64], out: &mut Vec<u8>) {
    for frame in values.chunks(FRAME) {
        put_frame(frame, out);
    }
}

#[expect(
    clippy::cast_sign_loss,
    reason = "the difference of two i64 fits into a u64, and zigzag and packing are about bits"
)]
fn put_frame(frame: &[i64], out: &mut Vec<u8>) {
    let (mut lowest, mut highest) = (i64::MAX, i64::MIN);
    for value in frame {
        lowest = lowest.min(*value);
        highest = highest.max(*value);
    }
    put_varint((lowest << 1 ^ lowest >> 63) as u64, out);
    let bits = 64 - (highest.wrapping_sub(lowest) as u64).leading_zeros();
    let width = if bits > 56 { 64 } else { bits };
    out.push(width as u8);
    out.reserve((frame.len() * width as usize).div_ceil(8));
    let (mut pending, mut count) = (0_u64, 0);
    for value in frame {
        let value = value.wrapping_sub(lowest) as u64;
        pending |= value << count;
        count += width;
        if count >= 64 {
            out.extend_from_slice(&pending.to_le_bytes());
            count -= 64;
            // What of the value had no room; nothing where it ended with the eight bytes.
            pending = value.checked_shr(width - count).unwrap_or(0);
        }
    }
    let left = count.div_ceil(8) as usize;
    out.extend_from_slice(&pending.to_le_bytes()[..left]);
}

/// Reads a column of `count` numbers at the start of `at` and moves `at` behind it; nothing
/// where the bytes are none.
#[expect(
    clippy::cast_possible_wrap,
    reason = "the bits of a difference are added without a carry out"
)]
pub(super) fn take(at: &mut &[u8], count: usize, into: &mut Vec<i64>) -> Option<()> {
    into.clear();
    // Every frame takes two bytes, so a wrong count cannot ask for much more than there is.
    into.reserve(count.min(at.len().saturating_mul(FRAME)));
    let (mut padded, mut frame) = ([0; PADDED], [0; FRAME]);
    while into.len() < count {
        let length = FRAME.min(count - into.len());
        let lowest = take_varint(at)?;
        let lowest = (lowest >> 1) as i64 ^ -((lowest & 1) as i64);
        let (width, rest) = at.split_first()?;
        let width = usize::from(*width);
        if width > 56 && width != 64 {
            return None;
        }
        let (packed, rest) = rest.split_at_checked((length * width).div_ceil(8))?;
        *at = rest;
        if width == 0 {
            into.resize(into.len() + length, lowest);
            continue;
        }
        padded[..packed.len()].copy_from_slice(packed);
        match EIGHTS.get(width - 1) {
            Some(eights) => {
                eights(&padded, lowest, &mut frame);
                into.extend_from_slice(&frame[..length]);
            }
            None => into.extend((0..length).map(|n| {
                let bit = n * width;
                let bytes = padded[bit / 8..].first_chunk().unwrap_or(&[0; 8]);
                let value = u64::from_le_bytes(*bytes) >> (bit % 8) & u64::MAX >> (64 - width);
                lowest.wrapping_add(value as i64)
            })),
        }
    }
    Some(())
}

/// Unpacks a whole frame of numbers that are more than the lowest by what lies in the bytes. A
/// function for each of the usual widths: shifts that are known beforehand take half of the
/// instructions.
type Eights = fn(&[u8; PADDED], i64, &mut [i64; FRAME]);

/// From a width of one bit on.
const EIGHTS: [Eights; 32] = [
    eights::<1>,
    eights::<2>,
    eights::<3>,
    eights::<4>,
    eights::<5>,
    eights::<6>,
    eights::<7>,
    eights::<8>,
    eights::<9>,
    eights::<10>,
    eights::<11>,
    eights::<12>,
    eights::<13>,
    eights::<14>,
    eights::<15>,
    eights::<16>,
    eights::<17>,
    eights::<18>,
    eights::<19>,
    eights::<20>,
    eights::<21>,
    eights::<22>,
    eights::<23>,
    eights::<24>,
    eights::<25>,
    eights::<26>,
    eights::<27>,
    eights::<28>,
    eights::<29>,
    eights::<30>,
    eights::<31>,
    eights::<32>,
];

/// The bytes that are read for eight numbers: the last begins in the byte 28 at most, and is read
/// with the seven behind that.
const EIGHT_REACH: usize = 36;

#[expect(
    clippy::cast_possible_wrap,
    reason = "the bits of a difference are added without a carry out"
)]
fn eights<const WIDTH: usize>(packed: &[u8; PADDED], lowest: i64, into: &mut [i64; FRAME]) {
    for (n, eight) in into.as_chunks_mut::<8>().0.iter_mut().enumerate() {
        let near = packed[n * WIDTH..].first_chunk::<EIGHT_REACH>();
        let near = near.unwrap_or(&[0; EIGHT_REACH]);
        for (at, number) in eight.iter_mut().enumerate() {
            let bit = at * WIDTH;
            let word = near[bit / 8..].first_chunk().unwrap_or(&[0; 8]);
            let value = u64::from_le_bytes(*word) >> (bit % 8) & u64::MAX >> (64 - WIDTH);
            *number = lowest.wrapping_add(value as i64);
        }
    }
}

/// Appends a number in as many groups of seven bits as it needs.
#[expect(
    clippy::cast_possible_truncation,
    reason = "the low seven bits are what is meant"
)]
pub(super) fn put_varint(mut n: u64, out: &mut Vec<u8>) {
    while n >= 0x80 {
        out.push(n as u8 | 0x80);
        n >>= 7;
    }
    out.push(n as u8);
}

/// Reads what [`put_varint`] wrote.
pub(super) fn take_varint(at: &mut &[u8]) -> Option<u64> {
    let mut n = 0;
    for shift in (0..64).step_by(7) {
        let (byte, rest) = at.split_first()?;
        *at = rest;
        n |= u64::from(byte & 0x7f) << shift;
        if byte & 0x80 == 0 {
            return Some(n);
        }
    }
    None
}

/// Reads a number that counts bytes or things in memory.
pub(super) fn take_count(at: &mut &[u8]) -> Option<usize> {
    usize::try_from(take_varint(at)?).ok()
}

/// Takes `length` bytes.
pub(super) fn take_bytes<'a>(at: &mut &'a [u8], length: usize) -> Option<&'a [u8]> {
    let (taken, rest) = at.split_at_checked(length)?;
    *at = rest;
    Some(taken)
}

/// Appends bytes after their length.
pub(super) fn put_sized(bytes: &[u8], out: &mut Vec<u8>) {
    put_varint(bytes.len() as u64, out);
    out.extend_from_slice(bytes);
}

/// Reads what [`put_sized`] wrote.
pub(super) fn take_sized<'a>(at: &mut &'a [u8]) -> Option<&'a [u8]> {
    let length = take_count(at)?;
    take_bytes(at, length)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn a_column_reads_back_and_leaves_what_follows(
            values in prop::collection::vec(any::<i64>(), 0..400),
            shift in 0_u32..64,
        ) {
            let values: Vec<i64> = values.into_iter().map(|n| n >> shift).collect();
            let mut bytes = Vec::new();
            put(&values, &mut bytes);
            bytes.push(7);
            let (mut at, mut read) = (&bytes[..], Vec::new());
            take(&mut at, values.len(), &mut read).unwrap();
            prop_assert_eq!(&read, &values);
            prop_assert_eq!(at, &[7][..]);
            prop_assert!(values.is_empty() || take(&mut &bytes[..bytes.len() - 2], values.len(), &mut read).is_none());
        }

        #[test]
        fn no_bytes_make_the_reader_panic(bytes in prop::collection::vec(any::<u8>(), 0..60), count in 0_usize..1_000_000) {
            let mut read = Vec::new();
            take(&mut &bytes[..], count, &mut read);
            prop_assert!(read.len() <= count);
        }
    }

    #[test]
    fn numbers_that_are_all_one_take_three_bytes_a_frame() {
        let mut bytes = Vec::new();
        put(&[900; 1280], &mut bytes);
        assert_eq!(bytes.len(), 30);
    }
}
