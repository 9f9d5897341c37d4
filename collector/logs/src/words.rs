//! Where words begin and end, for the index and for needles alike.
//!
//! A word is a longest run of ASCII letters, digits, `_` and bytes of 0x80 and above, as it
//! is: no case folding, so that folding can never disagree with the case-sensitive search.
//! Every run is indexed whatever its length: one of more than [`WORD_BYTES_MAX`] bytes
//! becomes its hash (so a needle that holds it whole finds it) and [`LONG_MARKER`] (so a
//! needle that holds a part of it still reaches every record that has long words).

mod tokenizer;

pub(crate) use tokenizer::WordTokenizer;

/// The longest run that is a term as it is; longer ones are hashed.
pub(crate) const WORD_BYTES_MAX: usize = 64;

/// The term of every record that has a word of more than [`WORD_BYTES_MAX`] bytes. Its one
/// byte is no word byte, so no word is equal to it.
pub(crate) const LONG_MARKER: &str = "\u{1}";

/// Whether a byte belongs to a word.
pub(crate) const fn is_word_byte(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'_' || byte >= 0x80
}

/// One word of a text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Run<'a> {
    /// The word.
    pub(crate) text: &'a str,
    /// Whether something that is no word stands before it in the text.
    pub(crate) starts: bool,
    /// Whether something that is no word stands after it in the text.
    pub(crate) ends: bool,
}

/// The words of a text, in order.
pub(crate) fn runs(text: &str) -> impl Iterator<Item = Run<'_>> {
    let bytes = text.as_bytes();
    let mut at = 0;
    std::iter::from_fn(move || {
        let (from, to) = next_run(bytes, at)?;
        at = to;
        Some(Run {
            text: &text[from..to],
            starts: from > 0,
            ends: to < bytes.len(),
        })
    })
}

/// The next run at or after `at`. Its ends are at ASCII bytes or the text's ends, so they
/// are character boundaries.
pub(crate) fn next_run(bytes: &[u8], at: usize) -> Option<(usize, usize)> {
    let from = at + bytes[at..].iter().position(|b| is_word_byte(*b))?;
    let length = bytes[from..].iter().position(|b| !is_word_byte(*b));
    Some((from, length.map_or(bytes.len(), |n| from + n)))
}

/// Writes the index term of a whole word into `term`.
pub(crate) fn term_of(word: &str, term: &mut String) {
    use std::fmt::Write as _;
    term.clear();
    if word.len() <= WORD_BYTES_MAX {
        term.push_str(word);
    } else {
        term.push_str(LONG_MARKER);
        write!(term, "{:016x}", hash(word.as_bytes())).expect("a String takes everything");
    }
}

/// FNV-1a: written into segments, so it must never change.
fn hash(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0xcbf2_9ce4_8422_2325, |h, b| {
        (h ^ u64::from(*b)).wrapping_mul(0x0100_0000_01b3)
    })
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
