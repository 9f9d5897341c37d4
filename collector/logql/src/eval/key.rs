//! The bytes by which a series is found: names and values with their lengths, so that no two
//! label sets have one key.
//!
//! It is made anew for each record, in the same memory. Where the names are not known before,
//! labels are written as they come, and put in order only if they are not those of the last
//! record: most records of a stream have the labels of their neighbour.

use crate::eval::scan::Keep;
use crate::pipeline::LabelsView;

/// A key.
#[derive(Debug, Default)]
pub(crate) struct Key {
    bytes: Vec<u8>,
    /// Names and values in the order in which they came.
    raw: Vec<u8>,
    last_raw: Vec<u8>,
    /// Where in `raw` a pair, its name, and what is behind the name begin, and where it ends.
    pairs: Vec<Pair>,
}

#[derive(Clone, Copy, Debug)]
struct Pair {
    start: usize,
    name_end: usize,
    end: usize,
}

/// How many bytes say how long a text is.
const LENGTH: usize = size_of::<u64>();

impl Key {
    /// Writes the key of a record's series; whether it is another than before.
    pub(crate) fn write(&mut self, keep: &Keep, labels: LabelsView<'_>) -> bool {
        std::mem::swap(&mut self.raw, &mut self.last_raw);
        self.raw.clear();
        match keep {
            Keep::Only(names) => {
                for name in names {
                    push(&mut self.raw, labels.get(name).unwrap_or_default());
                }
                let is_other = self.is_other();
                if is_other {
                    self.bytes.clone_from(&self.raw);
                }
                is_other
            }
            Keep::AllBut(names) => {
                self.pairs.clear();
                let (raw, pairs) = (&mut self.raw, &mut self.pairs);
                labels.for_each(|name, value, _| {
                    if !value.is_empty() && !names.iter().any(|n| *n == name) {
                        let start = raw.len();
                        push(raw, &name);
                        let name_end = raw.len();
                        push(raw, value);
                        pairs.push(Pair {
                            start,
                            name_end,
                            end: raw.len(),
                        });
                    }
                });
                let is_other = self.is_other();
                if is_other {
                    self.order();
                }
                is_other
            }
        }
    }

    /// A key without labels is like the one before the first.
    fn is_other(&self) -> bool {
        self.raw != self.last_raw
    }

    fn order(&mut self) {
        let raw = &self.raw;
        self.pairs
            .sort_unstable_by_key(|pair| &raw[pair.start + LENGTH..pair.name_end]);
        self.bytes.clear();
        for pair in &self.pairs {
            self.bytes.extend_from_slice(&raw[pair.start..pair.end]);
        }
    }

    pub(crate) fn bytes(&self) -> &[u8] {
        &self.bytes
    }
}

fn push(out: &mut Vec<u8>, text: &str) {
    out.extend_from_slice(&(text.len() as u64).to_le_bytes());
    out.extend_from_slice(text.as_bytes());
}
