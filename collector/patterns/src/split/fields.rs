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

/// What a byte means for fields.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Means {
    /// It stands between fields.
    Gap,
    /// It makes its field a variable.
    Variable,
    /// It does so with something on both sides of it.
    Joint,
    Letter,
}

const MEANS: [Means; 256] = {
    let mut table = [Means::Letter; 256];
    let mut byte = 0;
    while byte < 256 {
        table[byte] = match byte as u8 {
            b'0'..=b'9' => Means::Variable,
            b'.' | b':' | b'-' | b'/' | b'@' | b'_' | b'+' | b'\\' | b'~' => Means::Joint,
            b if b < 0x80 && !b.is_ascii_alphanumeric() => Means::Gap,
            _ => Means::Letter,
        };
        byte += 1;
    }
    table
};

impl Splitter {
    pub(super) fn fields(&mut self, body: &[u8]) {
        let (mut copied, mut at) = (0, 0);
        while at < body.len() {
            let from = at;
            let (mut variable, mut joint, mut joined, mut letters) = (false, false, false, 0);
            while let Some(byte) = body.get(at) {
                match MEANS[usize::from(*byte)] {
                    Means::Gap => break,
                    Means::Joint => joint = letters > 0,
                    means => {
                        variable |= means == Means::Variable;
                        joined |= joint;
                        letters += 1;
                    }
                }
                at += 1;
            }
            if variable || joined {
                // Punctuation that ends a sentence is none of the field.
                let field = &body[from..at];
                let ends = field.iter().rposition(|b| !matches!(b, b'.' | b':'));
                let to = from + ends.map_or(0, |last| last + 1);
                self.template.extend_from_slice(&body[copied..from]);
                self.variable(TEXT_SLOT, from, to);
                copied = to;
            }
            at += 1;
        }
        self.template.extend_from_slice(&body[copied..]);
    }
}
