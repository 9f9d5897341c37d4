//! Where words begin and end, for the index and for needles alike.
//!
//! A word is a longest run of ASCII letters, digits, `_` and bytes of 0x80 and above, as it
//! is: no case folding, so that folding can never disagree with the case-sensitive search.
//! There are two kinds of them, kept in two kinds of index:
//!
//! - **plain words**: letters and `_` only, at most [`WORD_BYTES_MAX`] bytes. There are few
//!   different ones, so a dictionary of them is small.
//! - **identifiers**: everything else. There are as many as there are requests, so only a
//!   hash of each is kept; those of fewer than [`IDENTIFIER_BYTES_MIN`] bytes are not kept.

mod needle;
mod reach;

pub(crate) use needle::{Needle, Part, Whole};
pub(crate) use reach::Reach;

/// The longest run of letters that is a plain word.
pub(crate) const WORD_BYTES_MAX: usize = 64;

/// The shortest identifier that is worth its hash.
pub(crate) const IDENTIFIER_BYTES_MIN: usize = 4;

/// Whether a byte belongs to a word.
pub(crate) const fn is_word_byte(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'_' || byte >= 0x80
}

/// Whether a byte makes a word an identifier.
const fn is_mark(byte: u8) -> bool {
    byte.is_ascii_digit() || byte >= 0x80
}

/// Whether a word is an identifier.
pub(crate) fn is_identifier(word: &[u8]) -> bool {
    word.len() > WORD_BYTES_MAX || word.iter().any(|b| is_mark(*b))
}

/// Calls `each` with every word of `text`, in order, and whether it is an identifier.
///
/// 64 bytes are classified at a time, without a branch a byte: a third of the time of
/// looking at one byte after the other.
pub(crate) fn for_each_word<'a>(text: &'a [u8], mut each: impl FnMut(&'a [u8], bool)) {
    let mut open = Open::default();
    let mut base = 0;
    while base < text.len() {
        let masks = match text[base..].first_chunk() {
            Some(chunk) => Masks::of(chunk),
            None => {
                let mut padded = [0; 64];
                padded[..text.len() - base].copy_from_slice(&text[base..]);
                Masks::of(&padded)
            }
        };
        let mut at = 0;
        while at < 64 {
            if let Some(from) = open.from {
                let ends = !masks.word >> at;
                let length = ends.trailing_zeros().min(64 - at);
                open.marked |= masks.mark >> at & ones(length) != 0;
                at += length;
                if ends != 0 {
                    let word = &text[from..base + at as usize];
                    each(word, open.marked || word.len() > WORD_BYTES_MAX);
                    open = Open::default();
                }
            } else {
                let starts = masks.word >> at;
                if starts == 0 {
                    break;
                }
                at += starts.trailing_zeros();
                open.from = Some(base + at as usize);
            }
        }
        base += 64;
    }
    if let Some(from) = open.from {
        let word = &text[from..];
        each(word, open.marked || word.len() > WORD_BYTES_MAX);
    }
}

/// A word that began and has not ended yet.
#[derive(Clone, Copy, Default)]
struct Open {
    from: Option<usize>,
    marked: bool,
}

/// A bit a byte: whether it is of a word, and whether it makes that an identifier.
#[derive(Clone, Copy)]
struct Masks {
    word: u64,
    mark: u64,
}

impl Masks {
    fn of(chunk: &[u8; 64]) -> Self {
        let (mut word, mut mark) = ([0; 64], [0; 64]);
        for (byte, (word, mark)) in chunk.iter().zip(word.iter_mut().zip(mark.iter_mut())) {
            let letter = (byte | 0x20).wrapping_sub(b'a') < 26;
            let marked = (byte.wrapping_sub(b'0') < 10) | (*byte >= 0x80);
            *mark = u8::from(marked);
            *word = u8::from(marked | letter | (*byte == b'_'));
        }
        Self {
            word: packed(&word),
            mark: packed(&mark),
        }
    }
}

/// The lowest bits of 64 bytes, each 0 or 1, as one number.
fn packed(flags: &[u8; 64]) -> u64 {
    // The product moves bit 8i to bit 56 + i, and no two of its terms meet.
    const GATHER: u64 = 0x0102_0408_1020_4080;
    let (eights, _) = flags.as_chunks::<8>();
    let bits = |flags: &[u8; 8]| u64::from_le_bytes(*flags).wrapping_mul(GATHER) >> 56;
    eights
        .iter()
        .rev()
        .fold(0, |all, eight| all << 8 | bits(eight))
}

/// As many ones at the low end.
const fn ones(count: u32) -> u64 {
    if count == 0 {
        0
    } else {
        u64::MAX >> (64 - count)
    }
}

/// A word's hash: written into segments, so it must never change.
pub(crate) fn hash(word: &[u8]) -> u32 {
    const K: u64 = 0x9e37_79b9_7f4a_7c15;
    let mix = |h: u64, n: u64| {
        let product = u128::from(h ^ n) * u128::from(K);
        (product as u64) ^ (product >> 64) as u64
    };
    let mut h = (word.len() as u64).wrapping_mul(K) ^ 0x5bf0_3635_dcd0_6a1f;
    let (eights, rest) = word.as_chunks::<8>();
    for eight in eights {
        h = mix(h, u64::from_le_bytes(*eight));
    }
    // What is left over is read together with bytes before it, where there are any: a copy
    // of so few bytes would take longer than all the rest.
    let left = match (rest, word.last_chunk::<8>()) {
        ([], _) => 0,
        (_, Some(last)) => u64::from_le_bytes(*last),
        (_, None) => match (word.first_chunk::<4>(), word.last_chunk::<4>()) {
            (Some(first), Some(last)) => {
                u64::from(u32::from_le_bytes(*first)) << 32 | u64::from(u32::from_le_bytes(*last))
            }
            _ => rest.iter().fold(0, |n, b| n << 8 | u64::from(*b)),
        },
    };
    h = mix(h, left);
    (h >> 32) as u32
}

/// The text by which a trace ID is found.
pub(crate) fn hex(id: &[u8; 16]) -> [u8; 32] {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    let mut text = [0; 32];
    for (two, byte) in text.as_chunks_mut::<2>().0.iter_mut().zip(id) {
        *two = [
            DIGITS[usize::from(byte >> 4)],
            DIGITS[usize::from(byte & 15)],
        ];
    }
    text
}

/// Whether `token` occurs in `text` with no word going on before or after it.
pub(crate) fn contains_token(text: &[u8], token: &[u8]) -> bool {
    let (Some(first), Some(last)) = (token.first(), token.last()) else {
        return false;
    };
    memchr::memmem::find_iter(text, token).any(|at| {
        let before = at.checked_sub(1).map(|i| text[i]);
        let after = text.get(at + token.len()).copied();
        let goes_on =
            |inner: u8, outer: Option<u8>| is_word_byte(inner) && outer.is_some_and(is_word_byte);
        !goes_on(*first, before) && !goes_on(*last, after)
    })
}

#[cfg(test)]
mod tests;
