//! What kind of byte a byte is: for cutting text into words, and for knowing what a column
//! cannot contain.

/// Stands in a template for a variable that is a word with a digit, or an IPv4 address.
pub(crate) const WORD_SLOT: u8 = 0x0e;
/// Stands in a template for a variable that may be any text.
pub(crate) const TEXT_SLOT: u8 = 0x0f;
/// Ends a template where many stand one after the other.
pub(crate) const END: u8 = 0x10;

/// Whether a body holds a byte that templates use for themselves. Such bytes are shifts of
/// code pages and link escapes: no text of this century has them, and a body that does is
/// kept raw.
pub(crate) fn has_reserved(body: &[u8]) -> bool {
    memchr::memchr3(WORD_SLOT, TEXT_SLOT, END, body).is_some()
}

/// Whether a byte belongs to a word: an ASCII letter or digit, `_`, or one of 0x80 and above.
pub(crate) const fn is_word_byte(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'_' || byte >= 0x80
}

/// The bits of [`SIGNATURE`] that are digits.
pub(crate) const DIGITS: u64 = (1 << 10) - 1;
/// The bits of [`SIGNATURE`] that are lower-case hexadecimal digits.
pub(crate) const LOWER_HEX: u64 = (1 << 16) - 1;

/// The bit of [`SIGNATURE`] of bytes that belong to no word.
pub(crate) const NO_WORD: u64 = 1 << 63;

/// A bit for each byte: 0–9, a–z, A–Z one each, then all other word bytes, then the rest. A
/// text whose bits are not all among a column's occurs in none of the column's values.
pub(crate) const SIGNATURE: [u64; 256] = {
    let mut table = [0; 256];
    let mut byte = 0;
    while byte < 256 {
        let b = byte as u8;
        let bit = match b {
            b'0'..=b'9' => b - b'0',
            b'a'..=b'z' => b - b'a' + 10,
            b'A'..=b'Z' => b - b'A' + 36,
            _ if is_word_byte(b) => 62,
            _ => 63,
        };
        table[byte] = 1 << bit;
        byte += 1;
    }
    table
};

/// The bits of all bytes of a text.
pub(crate) fn signature(text: &[u8]) -> u64 {
    text.iter()
        .fold(0, |all, b| all | SIGNATURE[usize::from(*b)])
}

/// Which bytes of a text belong to words and which are digits, a bit for each byte.
#[derive(Default)]
pub(crate) struct Masks {
    words: Vec<u64>,
    digits: Vec<u64>,
}

impl Masks {
    /// Looks at every byte of `text` once.
    pub(crate) fn read(&mut self, text: &[u8]) {
        self.words.clear();
        self.digits.clear();
        let (chunks, tail) = text.as_chunks::<64>();
        for chunk in chunks {
            self.push(chunk);
        }
        if !tail.is_empty() {
            let mut chunk = [0; 64];
            chunk[..tail.len()].copy_from_slice(tail);
            self.push(&chunk);
        }
    }

    fn push(&mut self, chunk: &[u8; 64]) {
        let (words, digits) = masks_of(chunk);
        self.words.push(words);
        self.digits.push(digits);
    }

    /// The first digit at or after `at`.
    pub(crate) fn digit_from(&self, at: usize) -> Option<usize> {
        first_from(&self.digits, at, |mask| mask)
    }

    /// The first word byte at or after `at`.
    pub(crate) fn word_from(&self, at: usize) -> Option<usize> {
        first_from(&self.words, at, |mask| mask)
    }

    /// Where the word that reaches to `at` or beyond ends: the first byte that is of no word.
    pub(crate) fn gap_from(&self, at: usize) -> Option<usize> {
        first_from(&self.words, at, |mask| !mask)
    }

    /// Where the word with the byte `at` begins.
    pub(crate) fn word_start(&self, at: usize) -> usize {
        let (chunk, bit) = (at / 64, at % 64);
        let before = !self.words[chunk] & ((1 << bit) - 1);
        if before != 0 {
            return chunk * 64 + 64 - before.leading_zeros() as usize;
        }
        for chunk in (0..chunk).rev() {
            let before = !self.words[chunk];
            if before != 0 {
                return chunk * 64 + 64 - before.leading_zeros() as usize;
            }
        }
        0
    }
}

fn first_from(masks: &[u64], at: usize, of: impl Fn(u64) -> u64) -> Option<usize> {
    let (mut chunk, bit) = (at / 64, at % 64);
    let mut mask = of(*masks.get(chunk)?) & (u64::MAX << bit);
    while mask == 0 {
        chunk += 1;
        mask = of(*masks.get(chunk)?);
    }
    Some(chunk * 64 + mask.trailing_zeros() as usize)
}

/// The words and the digits among 64 bytes. Written so that the compiler compares sixteen
/// bytes at once: measured at three to four times the speed of a table of classes.
pub(crate) fn masks_of(chunk: &[u8; 64]) -> (u64, u64) {
    let (mut words, mut digits) = ([0_u8; 64], [0_u8; 64]);
    for (i, b) in chunk.iter().enumerate() {
        let digit = b.wrapping_sub(b'0') < 10;
        let letter = (b | 0x20).wrapping_sub(b'a') < 26;
        digits[i] = u8::from(digit);
        words[i] = u8::from(digit | letter | (*b == b'_') | (*b >= 0x80));
    }
    (gather(&words), gather(&digits))
}

/// The lowest bit of each of 64 bytes.
fn gather(flags: &[u8; 64]) -> u64 {
    const TOP_BYTE: u64 = 0x0102_0408_1020_4080;
    let (eights, _) = flags.as_chunks::<8>();
    eights.iter().enumerate().fold(0, |mask, (i, eight)| {
        let top = u64::from_le_bytes(*eight).wrapping_mul(TOP_BYTE) >> 56;
        mask | top << (8 * i)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_byte_is_classed_alike_at_once_and_alone() {
        for shift in 0..64_usize {
            for byte in 0..=255_u8 {
                let mut chunk = [b' '; 64];
                chunk[shift] = byte;
                let (words, digits) = masks_of(&chunk);
                assert_eq!(words, u64::from(is_word_byte(byte)) << shift);
                assert_eq!(digits, u64::from(byte.is_ascii_digit()) << shift);
            }
        }
    }

    #[test]
    fn words_are_found_over_the_edges_of_chunks() {
        let text = format!("{} x{}9 {}", "-".repeat(60), "a".repeat(150), "b".repeat(3));
        let mut masks = Masks::default();
        masks.read(text.as_bytes());
        let digit = masks.digit_from(0).unwrap();
        assert_eq!(digit, 212);
        assert_eq!(masks.word_start(digit), 61);
        assert_eq!(masks.gap_from(digit), Some(213));
        assert_eq!(masks.word_from(213), Some(214));
        assert_eq!(masks.digit_from(213), None);
    }
}
