//! Text of names: fields with a digit or with punctuation inside are variables, whole.
//!
//! ```text
//! status installed libxss-dev:amd64 1.2.3-1     template  status installed ▯ ▯
//! ```
//!
//! Package names, paths, host names and the like are of letters, so cut at words they would
//! make a template each.

use super::Splitter;
use crate::class::TEXT_SLOT;
use crate::text::append;

/// What a byte is to a field: it stands between fields, joins what is on both sides of it, is a
/// letter, or a digit.
const GAP: u8 = 0;
const JOINT: u8 = 1;
const LETTER: u8 = 2;
const DIGIT: u8 = 3;

const KINDS: [u8; 256] = {
    let mut table = [LETTER; 256];
    let mut byte = 0;
    while byte < 256 {
        table[byte] = match byte as u8 {
            b'0'..=b'9' => DIGIT,
            b'.' | b':' | b'-' | b'/' | b'@' | b'_' | b'+' | b'\\' | b'~' => JOINT,
            b if b < 0x80 && !b.is_ascii_alphanumeric() => GAP,
            _ => LETTER,
        };
        byte += 1;
    }
    table
};

/// What is known of a field: nothing yet, that it has letters, that it has a joint behind
/// letters, that it is a variable. By that, and by what the next byte is: what is known then.
const VARIABLE: u8 = 3;
const KNOWN: [[u8; 4]; 3] = [
    [0, 0, 1, VARIABLE],
    [1, 2, 1, VARIABLE],
    [2, 2, VARIABLE, VARIABLE],
];

fn kind(byte: u8) -> u8 {
    KINDS[usize::from(byte)]
}

/// Where the field ends that begins at `from`, and whether it is a variable.
fn field(body: &[u8], from: usize) -> (usize, bool) {
    let (mut at, mut known) = (from, 0);
    while let Some(byte) = body.get(at)
        && kind(*byte) != GAP
    {
        known = KNOWN[usize::from(known)][usize::from(kind(*byte))];
        at += 1;
        if known == VARIABLE {
            // Whatever follows, it stays one.
            let rest = body[at..].iter().position(|byte| kind(*byte) == GAP);
            return (rest.map_or(body.len(), |length| at + length), true);
        }
    }
    (at, false)
}

impl Splitter {
    pub(super) fn fields(&mut self, body: &[u8]) {
        let (mut copied, mut at) = (0, 0);
        while at < body.len() {
            let from = at;
            let is_variable;
            (at, is_variable) = field(body, from);
            if is_variable {
                // Punctuation that ends a sentence is none of the field.
                let field = &body[from..at];
                let ends = field.iter().rposition(|b| !matches!(b, b'.' | b':'));
                let to = from + ends.map_or(0, |last| last + 1);
                append(&mut self.template, &body[copied..from]);
                self.variable(TEXT_SLOT, from, to);
                copied = to;
            }
            at += 1;
        }
        self.template.extend_from_slice(&body[copied..]);
    }
}
