//! Short texts: most of what is compared and copied here has less than thirty bytes, for which
//! a call of the system's library takes longer than the work.

/// Whether two texts are equal.
#[inline]
pub(crate) fn same(a: &[u8], b: &[u8]) -> bool {
    if a.len() != b.len() {
        return false;
    }
    if let (Some(a8), Some(b8)) = (a.first_chunk::<8>(), b.first_chunk::<8>()) {
        // Two pieces that overlap are all of a text of up to sixteen bytes.
        return a8 == b8 && a.last_chunk::<8>() == b.last_chunk::<8>() && (a.len() <= 16 || a == b);
    }
    if let (Some(a4), Some(b4)) = (a.first_chunk::<4>(), b.first_chunk::<4>()) {
        return a4 == b4 && a.last_chunk::<4>() == b.last_chunk::<4>();
    }
    a.iter().zip(b).all(|(a, b)| a == b)
}

/// Appends a text.
#[inline]
pub(crate) fn append(out: &mut Vec<u8>, text: &[u8]) {
    let end = out.len() + text.len();
    match text.len() {
        0..4 => text.iter().for_each(|byte| out.push(*byte)),
        4..8 => ends::<4>(out, text, end),
        8..16 => ends::<8>(out, text, end),
        16..32 => ends::<16>(out, text, end),
        _ => out.extend_from_slice(text),
    }
}

/// Appends the first and the last `N` bytes of a text of at least so many and less than twice
/// as many, which overlap.
#[inline]
fn ends<const N: usize>(out: &mut Vec<u8>, text: &[u8], end: usize) {
    if let (Some(first), Some(last)) = (text.first_chunk::<N>(), text.last_chunk::<N>()) {
        out.extend_from_slice(first);
        out.truncate(end - N);
        out.extend_from_slice(last);
    }
}

/// The last bytes of a text that are not among its whole eights, as a number: those before
/// them too, where there are any.
#[inline]
pub(crate) fn rest(text: &[u8]) -> u64 {
    if let Some(last) = text.last_chunk::<8>() {
        return u64::from_le_bytes(*last);
    }
    match (text.first_chunk::<4>(), text.last_chunk::<4>()) {
        (Some(first), Some(last)) => {
            u64::from(u32::from_le_bytes(*first)) << 32 | u64::from(u32::from_le_bytes(*last))
        }
        _ => text.iter().fold(0, |all, byte| all << 8 | u64::from(*byte)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_of_every_length_are_copied_and_compared_byte_for_byte() {
        for length in 0..100_u8 {
            let text: Vec<u8> = (0..length).collect();
            let mut out = b"before".to_vec();
            append(&mut out, &text);
            assert_eq!(out, [b"before".as_slice(), &text].concat());
            assert!(same(&text, &out[6..]));
            for at in 0..text.len() {
                let mut other = text.clone();
                other[at] ^= 1;
                assert!(!same(&text, &other), "{at} of {length}");
            }
            assert!(!same(&text, &out[5..]));
        }
    }
}
