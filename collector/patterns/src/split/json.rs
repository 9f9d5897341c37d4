//! JSON: keys and structure are static, every value is one variable.
//!
//! Cutting the words inside values as well was measured: thirteen times as many templates for
//! two percent less size. This is no parser: text that only looks like JSON is cut somehow,
//! and exactly.

use super::Splitter;
use crate::class::{TEXT_SLOT, is_word_byte};
use crate::text::append;

impl Splitter {
    pub(super) fn json(&mut self, body: &[u8]) {
        let (mut copied, mut at) = (0, 0);
        while at < body.len() {
            match body[at] {
                b'"' => {
                    let end = string_end(body, at + 1);
                    if !is_key(body, end) {
                        append(&mut self.template, &body[copied..=at]);
                        self.variable(TEXT_SLOT, at + 1, end);
                        copied = end;
                    }
                    at = end + 1;
                }
                byte if is_scalar_byte(byte) => {
                    let length = body[at..].iter().position(|b| !is_scalar_byte(*b));
                    let end = length.map_or(body.len(), |n| at + n);
                    append(&mut self.template, &body[copied..at]);
                    self.variable(TEXT_SLOT, at, end);
                    (copied, at) = (end, end);
                }
                _ => at += 1,
            }
        }
        self.template.extend_from_slice(&body[copied..]);
    }
}

/// Whether a byte outside of strings belongs to a number, `true`, `false` or `null`. All word
/// bytes do, so that no word lies partly in a variable.
fn is_scalar_byte(byte: u8) -> bool {
    is_word_byte(byte) || matches!(byte, b'-' | b'+' | b'.')
}

/// Where the string ends that begins at `from`: at its closing quote, or with the body.
fn string_end(body: &[u8], from: usize) -> usize {
    let mut at = from;
    while let Some(next) = memchr::memchr2(b'"', b'\\', body.get(at..).unwrap_or_default()) {
        at += next;
        if body[at] == b'"' {
            return at;
        }
        at += 2;
    }
    body.len()
}

/// Whether the string that ends at `end` is the key of a member.
fn is_key(body: &[u8], end: usize) -> bool {
    let after = body.get(end + 1..).unwrap_or_default();
    after.iter().find(|b| !matches!(**b, b' ' | b'\t')) == Some(&b':')
}
