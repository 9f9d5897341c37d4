//! When counting began, by OpenMetrics' `_created` lines.
//!
//! ```text
//! # TYPE requests counter
//! requests_total{code="200"} 17
//! requests_created{code="200"} 1520430000.123      after the sample that it speaks of
//! ```
//!
//! The start belongs to samples that stand before it, so a family is searched for such lines
//! when its first sample comes. Where the body has none, which one search tells, or the next
//! one is further on, nothing is searched: in all, each byte is looked at once more at most.

use super::cursor::Cursor;
use super::series::{self, Rules};
use crate::family::{Family, Label};
use crate::number;
use ahash::RandomState;
use memchr::memmem;

const SUFFIX: &[u8] = b"_created";

/// The starts of the family under way.
pub(super) struct Created<'a> {
    body: &'a [u8],
    /// Where the next line with the suffix may be; `usize::MAX` where there is none.
    next: usize,
    /// By a hash of the labels, bounds left out, sorted. Two groups of one family with one
    /// hash would exchange their starts; nothing else depends on it.
    starts: Vec<(u64, i64)>,
    hasher: RandomState,
}

impl<'a> Created<'a> {
    pub(super) fn new(body: &'a [u8]) -> Self {
        Self {
            body,
            next: 0,
            starts: Vec::new(),
            hasher: RandomState::with_seeds(0x5eed, 0xface, 0x1dea, 0xbead),
        }
    }

    /// Forgets the family.
    pub(super) fn clear(&mut self) {
        self.starts.clear();
    }

    /// Finds the starts of a family whose first sample's line begins at `from`.
    pub(super) fn look(&mut self, from: usize, family: &Family<'a>, rules: Rules) {
        self.starts.clear();
        if !family.kind.has_created() || self.next == usize::MAX {
            return;
        }
        if self.next < from {
            self.next = self.find(from).unwrap_or(usize::MAX);
        }
        if self.next == usize::MAX {
            return;
        }
        let rest = &self.body[from.min(self.body.len())..];
        let end = memmem::find(rest, b"\n#").map_or(self.body.len(), |end| from + end);
        if self.next >= end {
            return;
        }
        let mut at = self.next;
        while at < end {
            let line_end = memchr::memchr(b'\n', &self.body[at..end]).map_or(end, |len| at + len);
            let line_start = memchr::memrchr(b'\n', &self.body[from..at]);
            let line_start = line_start.map_or(from, |newline| from + newline + 1);
            if let Some(start) = self.read(&self.body[line_start..line_end], family, rules) {
                self.starts.push(start);
            }
            at = self.find(line_end).unwrap_or(usize::MAX);
        }
        self.next = at;
        self.starts.sort_unstable_by_key(|(key, _)| *key);
    }

    fn find(&self, from: usize) -> Option<usize> {
        memmem::find(self.body.get(from..)?, SUFFIX).map(|at| from + at)
    }

    /// A line that cannot be read is no start; it is refused when its turn comes.
    fn read(&self, line: &'a [u8], family: &Family<'a>, rules: Rules) -> Option<(u64, i64)> {
        let mut cursor = Cursor::new(std::str::from_utf8(line).ok()?);
        let mut labels = Vec::new();
        let name = series::read(&mut cursor, rules, &mut labels).ok()?;
        if !family.created_name_is(&name) || !rules.gap(&mut cursor) {
            return None;
        }
        let start = number::read_seconds(cursor.token())?;
        Some((self.key(&labels, None), start))
    }

    /// The start of a sample with these labels.
    #[inline]
    pub(super) fn of(&self, labels: &[Label<'_>], family: &Family<'_>) -> Option<i64> {
        if self.starts.is_empty() {
            return None;
        }
        let key = self.key(labels, family.kind.bound_label());
        let at = self.starts.binary_search_by_key(&key, |(key, _)| *key);
        at.ok().map(|at| self.starts[at].1)
    }

    /// The same for any order of labels.
    fn key(&self, labels: &[Label<'_>], without: Option<&str>) -> u64 {
        let kept = labels
            .iter()
            .filter(|label| Some(label.name.as_ref()) != without);
        kept.fold(0, |key: u64, label| {
            key.wrapping_add(self.hasher.hash_one((&label.name, &label.value)))
        })
    }
}
