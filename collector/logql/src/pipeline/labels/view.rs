//! All three layers of a record's labels, as one.

use super::below::{INDEXED_FROM, Marks, of_metadata, of_stream};
use super::{DUPLICATE_SUFFIX, ERROR, ERROR_DETAILS, LabelSet, Mistake};
use crate::ast::Grouping;
use crate::source::Record;
use ahash::AHashSet;
use sonde_proto::{Labels, LabelsBuilder};
use std::borrow::Cow;

/// Where a label comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Category {
    /// It is a label of the stream.
    Stream,
    /// It is structured metadata of the record or its stream.
    StructuredMetadata,
    /// The pipeline took it out of the line or set it.
    Parsed,
}

/// The labels of a record that went through a pipeline.
#[derive(Clone, Copy, Debug)]
pub struct LabelsView<'s> {
    pub(in crate::pipeline) record: Record<'s>,
    pub(in crate::pipeline) set: &'s LabelSet,
}

impl<'s> LabelsView<'s> {
    /// The value of a label; `None` where the record has none of this name.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&'s str> {
        if name.starts_with("__error") {
            match name {
                ERROR => return self.error(),
                ERROR_DETAILS => return self.error_details(),
                _ => {}
            }
        }
        if let Some(value) = self.set.parsed(name) {
            return Some(value);
        }
        self.below(name)
    }

    /// The value of a label of the stream or the metadata that is not gone.
    pub(in crate::pipeline) fn below(&self, name: &str) -> Option<&'s str> {
        self.set.below(&self.record, name)
    }

    /// What went wrong with the record: `JSONParserErr` and its kind.
    #[must_use]
    pub fn error(&self) -> Option<&'s str> {
        self.set.mistake.map(Mistake::as_str)
    }

    /// What went wrong, in detail.
    #[must_use]
    pub fn error_details(&self) -> Option<&'s str> {
        let details = self.set.details.as_str();
        (!details.is_empty()).then_some(details)
    }

    /// Calls `each` with every label and its category: those of the stream, the metadata,
    /// the parsed ones and the error, each name once. Parsed values may be empty.
    pub fn for_each(&self, mut each: impl FnMut(Cow<'s, str>, &'s str, Category)) {
        self.for_each_of_stream(&mut each);
        self.for_each_metadata(&mut each);
        for pair in &self.set.parsed {
            let (name, value) = (self.set.str(pair.name), self.set.str(pair.value));
            each(name.into(), value, Category::Parsed);
        }
        if let Some(error) = self.error() {
            each(ERROR.into(), error, Category::Parsed);
        }
        if let Some(details) = self.error_details() {
            each(ERROR_DETAILS.into(), details, Category::Parsed);
        }
    }

    /// All labels, with their categories, by name.
    #[must_use]
    pub fn sorted(&self) -> Vec<(Cow<'s, str>, &'s str, Category)> {
        let mut all = Vec::new();
        self.for_each(|name, value, category| all.push((name, value, category)));
        all.sort_unstable();
        all
    }

    /// All labels.
    #[must_use]
    pub fn all(&self) -> Labels {
        let mut builder = LabelsBuilder::default();
        self.for_each(|name, value, _| {
            builder.set(&name, value);
        });
        builder.build()
    }

    /// The labels of the group the record belongs to.
    #[must_use]
    pub fn grouped(&self, grouping: &Grouping) -> Labels {
        let mut builder = LabelsBuilder::default();
        if grouping.is_without {
            self.for_each(|name, value, _| {
                if !grouping.labels.iter().any(|label| *label == name) {
                    builder.set(&name, value);
                }
            });
        } else {
            for name in &grouping.labels {
                if let Some(value) = self.get(name) {
                    builder.set(name, value);
                }
            }
        }
        builder.build()
    }

    fn metadata(&self, name: &str) -> Option<&'s str> {
        of_metadata(&self.record, name)
    }

    /// Whether the label of the stream or the metadata is gone or has been set anew.
    fn is_covered(&self, name: &str) -> bool {
        self.set.is_hidden(name) || self.set.parsed(name).is_some()
    }

    fn for_each_of_stream(&self, each: &mut impl FnMut(Cow<'s, str>, &'s str, Category)) {
        for (name, value) in self.record.stream.labels.iter() {
            let is_metadata = name.ends_with(DUPLICATE_SUFFIX) && self.metadata(name).is_some();
            if !is_metadata && !self.is_covered(name) {
                each(name.into(), value, Category::Stream);
            }
        }
    }

    /// Of one name, the last counts.
    fn for_each_metadata(&self, each: &mut impl FnMut(Cow<'s, str>, &'s str, Category)) {
        let own = self.record.metadata.iter();
        let common = self.record.stream.metadata.iter();
        let all = common
            .map(|(name, value)| (name.as_str(), value.as_str()))
            .chain(own.copied());
        let count = self.record.metadata.len() + self.record.stream.metadata.len();
        if count >= INDEXED_FROM {
            let mut seen = AHashSet::with_capacity(count);
            let all: Vec<_> = all.collect();
            for (name, value) in all.into_iter().rev() {
                let name = self.called(name);
                if seen.insert(name.clone()) {
                    self.one_of_metadata(name, value, each);
                }
            }
            return;
        }
        // A bit for each name that may come again: nearly none does.
        let (mut again, mut later) = (0_u64, Marks::default());
        let own = self.record.metadata.iter().rev().map(|(name, _)| *name);
        let common = self.record.stream.metadata.iter().rev();
        let names = own.chain(common.map(|(name, _)| name.as_str()));
        for (behind, name) in names.enumerate() {
            again |= u64::from(later.may_have(name)) << (count - 1 - behind);
            later.add(name);
        }
        for (at, (name, value)) in all.clone().enumerate() {
            let called = self.called(name);
            let is_suffixed = called.ends_with(DUPLICATE_SUFFIX);
            let comes_again = (is_suffixed || again >> at & 1 == 1) && {
                let mut later = all.clone().skip(at + 1);
                later.any(|(later, _)| self.is_called(later, &called))
            };
            if !comes_again {
                self.one_of_metadata(called, value, each);
            }
        }
    }

    /// What metadata of this name is called: another name where the stream has this one.
    fn called(&self, name: &'s str) -> Cow<'s, str> {
        match of_stream(&self.record, name) {
            None => Cow::Borrowed(name),
            Some(_) => Cow::Owned(format!("{name}{DUPLICATE_SUFFIX}")),
        }
    }

    fn is_called(&self, name: &'s str, called: &str) -> bool {
        let rest = called.strip_prefix(name);
        rest.is_some_and(|rest| rest.is_empty() || rest == DUPLICATE_SUFFIX)
            && self.called(name) == called
    }

    fn one_of_metadata(
        &self,
        name: Cow<'s, str>,
        value: &'s str,
        each: &mut impl FnMut(Cow<'s, str>, &'s str, Category),
    ) {
        if !self.is_covered(&name) && name != ERROR && name != ERROR_DETAILS {
            each(name, value, Category::StructuredMetadata);
        }
    }
}
