//! Text as it lies in a request: whether it is UTF-8, and pairs of texts.

/// Whether all bytes are ASCII, and so UTF-8. Most texts are, and are of ten to forty bytes:
/// looking at eight of them at a time takes a third of the time of checking for UTF-8.
#[inline]
pub(super) fn is_ascii(bytes: &[u8]) -> bool {
    const HIGH: u64 = 0x8080_8080_8080_8080;
    if bytes.len() >= 64 {
        return bytes.is_ascii();
    }
    let (eights, rest) = bytes.as_chunks::<8>();
    let all = eights
        .iter()
        .fold(0, |all, eight| all | u64::from_le_bytes(*eight));
    // What is left over is looked at together with bytes before it, where there are any.
    let last = match (bytes.last_chunk::<8>(), bytes.first_chunk::<4>()) {
        (Some(last), _) => u64::from_le_bytes(*last),
        (None, Some(first)) => {
            let last = bytes.last_chunk::<4>().unwrap_or(first);
            u64::from(u32::from_le_bytes(*first) | u32::from_le_bytes(*last))
        }
        (None, None) => rest.iter().fold(0, |all, byte| all | u64::from(*byte)),
    };
    (all | last) & HIGH == 0
}

/// How much nesting a pair of texts takes: a message with a message in it.
pub(super) const PAIR_DEPTH: u32 = 2;

/// Name and value of a `KeyValue` that is written as nearly every one is: the name, then a
/// value that is a text, nothing else, and none longer than a byte can say.
#[inline]
pub(super) fn pair(key_value: &[u8]) -> Option<(&[u8], &[u8])> {
    let [0x0a, length, rest @ ..] = key_value else {
        return None;
    };
    if *length >= 0x80 {
        return None;
    }
    let (name, rest) = rest.split_at_checked(usize::from(*length))?;
    match rest {
        [0x12, outer, 0x0a, inner, value @ ..]
            if *inner < 0x7e && *outer == *inner + 2 && value.len() == usize::from(*inner) =>
        {
            Some((name, value))
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_byte_beyond_ascii_is_seen_wherever_it_is() {
        for length in 0..200 {
            let mut bytes = vec![b'a'; length];
            assert!(is_ascii(&bytes), "{length}");
            for at in 0..length {
                bytes[at] = 0x80;
                assert!(!is_ascii(&bytes), "{at} of {length}");
                bytes[at] = 0x7f;
            }
        }
    }

    #[test]
    fn only_a_name_and_then_a_text_are_a_pair() {
        let texts: (&[u8], &[u8]) = (b"k", b"v!");
        let pair_of = |bytes: &[u8]| pair(bytes).is_some();
        assert_eq!(pair(b"\x0a\x01k\x12\x04\x0a\x02v!"), Some(texts));
        assert!(!pair_of(b"\x0a\x01k\x12\x03\x0a\x02v!"));
        assert!(!pair_of(b"\x0a\x01k\x12\x04\x0a\x02v!\x18\x01"));
        assert!(!pair_of(b"\x0a\x01k\x12\x04\x12\x02v!"));
        assert!(!pair_of(b"\x12\x04\x0a\x02v!\x0a\x01k"));
        assert!(!pair_of(b"\x0a\x09k\x12\x04\x0a\x02v!"));
        let long = [&b"\x0a\x01k\x12\x80\x0a\x7e"[..], &[b'x'; 126]].concat();
        assert!(!pair_of(&long));
        // A length whose first byte is 254 takes more than one byte.
        let wrapped = [&b"\x0a\x01k\x12\x00\x0a\xfe"[..], &[1; 254]].concat();
        assert!(!pair_of(&wrapped));
        assert!(!pair_of(b""));
    }
}
