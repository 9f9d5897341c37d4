//! The layers that a record comes with: labels of its stream, and structured metadata.

use super::{DUPLICATE_SUFFIX, LabelSet};
use crate::source::Record;
use ahash::AHashSet;

/// From how much metadata on its names are looked up rather than looked through: fewer are
/// the bits of a number.
pub(super) const INDEXED_FROM: usize = 64;

/// A bit for each name of a set, so that most of the names that are not in it are told apart
/// without a look at the names: nearly every key of a line is new to its record.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Marks(u128);

impl Marks {
    fn of(name: &str, suffix: &str) -> u128 {
        let (first, last) = (name.as_bytes().first(), suffix.as_bytes().last());
        let last = last.or(name.as_bytes().last());
        let (first, last) = (first.map_or(0, |b| *b), last.map_or(0, |b| *b));
        let length = name.len() + suffix.len();
        let mixed = length + usize::from(first) * 5 + usize::from(last) * 23;
        1 << (mixed % 128)
    }

    pub(super) fn add(&mut self, name: &str) {
        self.0 |= Self::of(name, "");
    }

    pub(super) fn may_have(self, name: &str) -> bool {
        self.0 & Self::of(name, "") != 0
    }
}

/// Which names the layers have, for a parser that asks for one name after another.
pub(in crate::pipeline) struct Below<'r> {
    record: &'r Record<'r>,
    marks: Marks,
    /// The names of the metadata, where there are many.
    metadata: Option<AHashSet<&'r str>>,
}

impl<'r> Below<'r> {
    pub(in crate::pipeline) fn new(record: &'r Record<'r>) -> Self {
        let mut marks = Marks::default();
        for (name, _) in record.stream.labels.iter() {
            marks.add(name);
        }
        for name in metadata_names(record) {
            marks.0 |= Marks::of(name, "");
            // What it is called where the stream has the name.
            marks.0 |= Marks::of(name, DUPLICATE_SUFFIX);
        }
        let is_much = record.metadata.len() + record.stream.metadata.len() >= INDEXED_FROM;
        Self {
            record,
            marks,
            metadata: is_much.then(|| metadata_names(record).collect()),
        }
    }

    /// Whether a key of this name must be kept apart: the stream has it, even where it was
    /// dropped, or the metadata has it still.
    pub(in crate::pipeline) fn is_taken(&self, name: &str, set: &LabelSet) -> bool {
        self.marks.may_have(name)
            && (of_stream(self.record, name).is_some()
                || (self.has_metadata(name) && !set.is_hidden(name) && set.parsed(name).is_none()))
    }

    fn has_metadata(&self, name: &str) -> bool {
        let Some(names) = &self.metadata else {
            return of_metadata(self.record, name).is_some();
        };
        let [own, common] = raw_names(self.record, name);
        [own, common]
            .iter()
            .flatten()
            .any(|raw| names.contains(raw))
    }

    /// Whether nothing that a parser finds could become the label of this name any more.
    pub(in crate::pipeline) fn is_settled(&self, name: &str, set: &LabelSet) -> bool {
        let base = name.strip_suffix(DUPLICATE_SUFFIX);
        set.was_set(name)
            || (self.is_taken(name, set) && !base.is_some_and(|base| self.is_taken(base, set)))
    }
}

fn metadata_names<'r>(record: &Record<'r>) -> impl Iterator<Item = &'r str> {
    let common = record.stream.metadata.iter();
    let own = record.metadata.iter();
    common
        .map(|(name, _)| name.as_str())
        .chain(own.map(|(name, _)| *name))
}

/// The names under which metadata comes that is called `name`: by itself, and where the stream
/// has what stands before the suffix.
fn raw_names<'n>(record: &Record<'_>, name: &'n str) -> [Option<&'n str>; 2] {
    let base = name.strip_suffix(DUPLICATE_SUFFIX);
    let base = base.filter(|base| of_stream(record, base).is_some());
    [of_stream(record, name).is_none().then_some(name), base]
}

pub(super) fn of_stream<'r>(record: &Record<'r>, name: &str) -> Option<&'r str> {
    let value = record.stream.labels.get(name);
    (!value.is_empty()).then_some(value)
}

/// The metadata that is called `name`; the record's own covers that of its stream, and what
/// comes later what came before.
pub(super) fn of_metadata<'r>(record: &Record<'r>, name: &str) -> Option<&'r str> {
    if record.metadata.is_empty() && record.stream.metadata.is_empty() {
        return None;
    }
    let [itself, base] = raw_names(record, name);
    let is_it = |known: &str| itself == Some(known) || base == Some(known);
    let own = record.metadata.iter().rev().find(|(known, _)| is_it(known));
    own.map(|(_, value)| *value).or_else(|| {
        let common = record.stream.metadata.iter().rev();
        let mut common = common.filter(|(known, _)| is_it(known));
        common.next().map(|(_, value)| value.as_str())
    })
}
