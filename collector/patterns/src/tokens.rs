//! The words of a text, as a store's lists name them, and those that a needle demands.
//!
//! A word is a longest run of word bytes (see `class`), case kept. Four groups of one to
//! three digits joined by dots are one word, the IPv4 address that they almost always are:
//! its groups are too short to be listed alone.
//!
//! Invariant: a text that contains a needle has every word that [`needle_tokens`] names
//! among its [`tokens`].

use crate::class::{is_word_byte, masks_of};

/// Calls `each` with every word of `text`, in order.
pub fn tokens(text: &[u8], mut each: impl FnMut(&[u8])) {
    let mut address_end = 0;
    words(text, |from, to| {
        if from < address_end {
            return;
        }
        match address(text, from, to) {
            Some(end) => {
                address_end = end;
                each(&text[from..end]);
            }
            None => each(&text[from..to]),
        }
    });
}

/// Calls `each` with the words that every text has which contains `needle`: those that the
/// needle holds with both their ends.
pub fn needle_tokens(needle: &[u8], mut each: impl FnMut(&[u8])) {
    let inside = |at: usize| at > 0 && at < needle.len();
    let mut address_end = 0;
    words(needle, |from, to| {
        if from < address_end {
            return;
        }
        let end = address(needle, from, to);
        if let Some(end) = end {
            address_end = end;
        }
        let to = end.unwrap_or(to);
        // Beside a dot at the needle's edge nobody can tell whether an address goes on there.
        let dot_at_edge =
            (from == 1 && needle[0] == b'.') || (to + 1 == needle.len() && needle[to] == b'.');
        let part_of_address = end.is_none() && is_group(&needle[from..to]) && {
            let dot = |at: Option<usize>| at.and_then(|at| needle.get(at)) == Some(&b'.');
            dot(from.checked_sub(1)) || dot(Some(to))
        };
        let certain = !part_of_address && (end.is_none() || !dot_at_edge);
        if inside(from) && inside(to) && certain {
            each(&needle[from..to]);
        }
    });
}

/// Where the words of a text begin and end.
fn words(text: &[u8], mut each: impl FnMut(usize, usize)) {
    let (mut from, mut open, mut carry) = (0, false, 0);
    let mut chunk_at = |base: usize, chunk: &[u8; 64]| {
        let mask = masks_of(chunk).0;
        let mut changes = mask ^ (mask << 1 | carry);
        carry = mask >> 63;
        while changes != 0 {
            let at = base + changes.trailing_zeros() as usize;
            if open {
                each(from, at);
            }
            (from, open) = (at, !open);
            changes &= changes - 1;
        }
    };
    let (chunks, tail) = text.as_chunks::<64>();
    for (i, chunk) in chunks.iter().enumerate() {
        chunk_at(i * 64, chunk);
    }
    let mut last = [0; 64];
    last[..tail.len()].copy_from_slice(tail);
    chunk_at(chunks.len() * 64, &last);
}

/// Whether a word may be a group of an IPv4 address.
fn is_group(word: &[u8]) -> bool {
    (1..=3).contains(&word.len()) && word.iter().all(u8::is_ascii_digit)
}

/// Where the IPv4 address ends whose first group is the word `from..to`, if there is one.
#[inline]
pub(crate) fn address(text: &[u8], from: usize, to: usize) -> Option<usize> {
    if text.get(to) != Some(&b'.') || !is_group(&text[from..to]) {
        return None;
    }
    address_from(text, from, to)
}

/// The same, of a group with a dot behind it.
fn address_from(text: &[u8], from: usize, to: usize) -> Option<usize> {
    let word_at = |at: usize| text.get(at).copied().is_some_and(is_word_byte);
    let goes_on_before = from >= 2 && text[from - 1] == b'.' && word_at(from - 2);
    let mut end = to;
    for _ in 0..3 {
        if text.get(end) != Some(&b'.') {
            return None;
        }
        let group = end + 1;
        end = group;
        while word_at(end) {
            end += 1;
            if end - group > 3 {
                return None;
            }
        }
        if !is_group(&text[group..end]) {
            return None;
        }
    }
    let goes_on_after = text.get(end) == Some(&b'.') && word_at(end + 1);
    (!goes_on_before && !goes_on_after).then_some(end)
}

#[cfg(test)]
mod tests;
