//! What a parser found, on its way into the labels.

use super::labels::{Below, DUPLICATE_SUFFIX, ERROR, LabelSet, LabelsView, Mistake};
use super::limits::{PipelineLimits, Wanted};
use crate::source::Record;

/// Takes names and values, as long as some are wanted.
pub(super) struct Taker<'t> {
    record: &'t Record<'t>,
    labels: &'t mut LabelSet,
    wanted: &'t Wanted,
    limits: &'t PipelineLimits,
    below: Below<'t>,
    /// Whether a look for [`Taker::has_all`] may find another answer than the last one.
    is_changed: bool,
    /// Where a name with a suffix is put together.
    name: &'t mut String,
}

impl<'t> Taker<'t> {
    pub(super) fn new(
        record: &'t Record<'t>,
        labels: &'t mut LabelSet,
        wanted: &'t Wanted,
        limits: &'t PipelineLimits,
        name: &'t mut String,
    ) -> Self {
        Self {
            record,
            labels,
            wanted,
            limits,
            below: Below::new(record),
            is_changed: true,
            name,
        }
    }

    pub(super) fn wanted(&self) -> &'t Wanted {
        self.wanted
    }

    pub(super) fn limits(&self) -> &'t PipelineLimits {
        self.limits
    }

    fn view(&self) -> LabelsView<'_> {
        LabelsView {
            record: *self.record,
            set: self.labels,
        }
    }

    /// Takes a value: under its name, or with a suffix where another layer has the name.
    /// Where a stage has set the name before, that value stays. `false`: there is nothing
    /// more to be found.
    pub(super) fn take(&mut self, name: &str, write: impl FnOnce(&mut String)) -> bool {
        self.put(name, false, write);
        !self.has_all()
    }

    /// Takes a value that was asked for by name: it replaces an earlier one.
    pub(super) fn take_asked(&mut self, name: &str, write: impl FnOnce(&mut String)) {
        self.put(name, true, write);
    }

    /// Gives a label that is asked for, and may be found, an empty value before the search.
    pub(super) fn begin_asked(&mut self, name: &str) {
        if self.wanted.has(name) && !self.below.is_taken(name, self.labels) {
            self.labels.set(name, self.limits, |_| {});
        }
    }

    /// Gives a label that was asked for and not found an empty value, where the record has
    /// none of the name at all.
    pub(super) fn take_missing(&mut self, name: &str) {
        if self.wanted.has(name) && self.view().get(name).is_none() {
            self.labels.set(name, self.limits, |_| {});
        }
    }

    fn put(&mut self, name: &str, replaces: bool, write: impl FnOnce(&mut String)) {
        if name.is_empty() || !self.wanted.may_have(name) {
            return;
        }
        let name = if self.below.is_taken(name, self.labels) {
            self.name.clear();
            self.name.push_str(name);
            self.name.push_str(DUPLICATE_SUFFIX);
            self.name.as_str()
        } else {
            name
        };
        if !self.wanted.has(name) {
            return;
        }
        self.is_changed = true;
        if replaces {
            self.labels.set(name, self.limits, write);
        } else {
            self.labels.set_first(name, self.limits, write);
        }
    }

    /// Whether all that is wanted is there, or can come from no parser. Where mistakes are
    /// wanted too, a line is read to its end.
    fn has_all(&mut self) -> bool {
        let Wanted::Only(names) = self.wanted else {
            return false;
        };
        // Only what is taken changes the answer, and `true` ends the search.
        std::mem::take(&mut self.is_changed)
            && names
                .iter()
                .all(|name| name != ERROR && self.below.is_settled(name, self.labels))
    }

    pub(super) fn fail(&mut self, mistake: Mistake, details: &str) {
        self.labels.fail(mistake, details);
    }
}

/// Appends a key as the name of a label: without blanks around it, a digit at the start
/// behind an underscore, and underscores for what names do not have.
pub(super) fn push_name(out: &mut String, key: &str) {
    let key = key.trim();
    if out.is_empty() && key.starts_with(|c: char| c.is_ascii_digit()) {
        out.push('_');
    }
    let is_plain = |b: u8| b.is_ascii_alphanumeric() || b == b'_';
    if key.bytes().all(is_plain) {
        out.push_str(key);
    } else {
        out.extend(key.chars().map(|c| match c {
            c if c.is_ascii_alphanumeric() => c,
            _ => '_',
        }));
    }
}

/// The first byte of U+FFFD.
const REPLACEMENT_BEGINS: u8 = 0xEF;

/// Appends a value; what was not UTF-8 becomes a blank.
pub(super) fn push_value(out: &mut String, value: &str) {
    if memchr::memchr(REPLACEMENT_BEGINS, value.as_bytes()).is_some()
        && value.contains(char::REPLACEMENT_CHARACTER)
    {
        out.extend(value.chars().map(blank_for_bad));
    } else {
        out.push_str(value);
    }
}

/// A blank for U+FFFD, which stands for what was not UTF-8.
pub(super) fn blank_for_bad(c: char) -> char {
    if c == char::REPLACEMENT_CHARACTER {
        ' '
    } else {
        c
    }
}
