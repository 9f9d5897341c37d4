//! The labels of one record on its way through a pipeline.
//!
//! There are three layers: labels of the stream, structured metadata, and what the pipeline
//! took out of the line or set. A later layer covers an earlier one; metadata and parsed
//! labels whose name the stream has already are called `name_extracted`, and so are parsed
//! labels whose name the metadata has. Only the last layer is stored here, in buffers that
//! are used again for the next record; the others are read where they are.
//!
//! What a stage has set, no later parser sets, not even after it was removed.

mod below;
mod view;

use super::limits::PipelineLimits;
use crate::source::Record;
use below::{Marks, of_metadata, of_stream};

pub(super) use below::Below;
pub use view::{Category, LabelsView};

/// The label that says what went wrong with a record.
pub const ERROR: &str = "__error__";
/// The label that says it in detail.
pub const ERROR_DETAILS: &str = "__error_details__";

/// What is put behind a name that another layer has.
pub(super) const DUPLICATE_SUFFIX: &str = "_extracted";

/// What can go wrong with a record: the values of `__error__`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Mistake {
    Json,
    Logfmt,
    LabelFilter,
    TemplateFormat,
    SampleExtraction,
    Limit,
}

impl Mistake {
    pub(super) fn as_str(self) -> &'static str {
        match self {
            Self::Json => "JSONParserErr",
            Self::Logfmt => "LogfmtParserErr",
            Self::LabelFilter => "LabelFilterErr",
            Self::TemplateFormat => "TemplateFormatErr",
            Self::SampleExtraction => "SampleExtractionErr",
            Self::Limit => "PipelineLimitErr",
        }
    }
}

/// A place in [`LabelSet::text`].
#[derive(Clone, Copy, Debug, Default)]
struct Span {
    start: usize,
    end: usize,
}

#[derive(Clone, Copy, Debug)]
struct Pair {
    name: Span,
    value: Span,
}

/// What the pipeline changed.
#[derive(Clone, Debug, Default)]
pub(super) struct LabelSet {
    text: String,
    parsed: Vec<Pair>,
    /// Names of parsed labels that were removed.
    removed: Vec<Span>,
    /// The marks of the names of both.
    marks: Marks,
    /// Names whose labels of the stream and of the metadata are gone.
    hidden: Vec<Span>,
    /// Whether those of all names but the kept ones are gone too.
    is_keeping: bool,
    kept: Vec<Span>,
    /// What the stage at work keeps.
    kept_next: Vec<Span>,
    mistake: Option<Mistake>,
    details: String,
}

impl LabelSet {
    pub(super) fn clear(&mut self) {
        self.text.clear();
        self.parsed.clear();
        self.removed.clear();
        self.marks = Marks::default();
        self.hidden.clear();
        self.is_keeping = false;
        self.kept.clear();
        self.kept_next.clear();
        self.mistake = None;
        self.details.clear();
    }

    fn str(&self, span: Span) -> &str {
        &self.text[span.start..span.end]
    }

    pub(super) fn parsed(&self, name: &str) -> Option<&str> {
        self.place(name).map(|at| self.str(self.parsed[at].value))
    }

    /// The value of a label of the stream or the metadata that is not gone.
    fn below<'r>(&self, record: &Record<'r>, name: &str) -> Option<&'r str> {
        if self.is_hidden(name) {
            return None;
        }
        match of_stream(record, name) {
            // Only a name with the suffix can be that of metadata too.
            Some(value) if !name.ends_with(DUPLICATE_SUFFIX) => Some(value),
            value => of_metadata(record, name).or(value),
        }
    }

    /// Whether a stage has set a label of this name, even where it was removed since.
    pub(super) fn was_set(&self, name: &str) -> bool {
        self.marks.may_have(name)
            && (self.place(name).is_some() || self.removed.iter().any(|at| self.str(*at) == name))
    }

    /// Gives the label `source` the name `name`, where there is one.
    pub(super) fn rename(
        &mut self,
        name: &str,
        source: &str,
        record: &Record<'_>,
        limits: &PipelineLimits,
    ) {
        if let Some(at) = self.place(source) {
            if name != source {
                // Both pairs have the same text until the older one goes.
                let value = self.parsed[at].value;
                self.set(name, limits, |_| {});
                if let Some(at) = self.place(name) {
                    self.parsed[at].value = value;
                    self.remove(source);
                }
            }
        } else if let Some(value) = self.below(record, source) {
            self.set(name, limits, |out| out.push_str(value));
            if name != source {
                self.remove(source);
            }
        }
    }

    /// Where among the parsed labels the one of this name is.
    fn place(&self, name: &str) -> Option<usize> {
        if !self.marks.may_have(name) {
            return None;
        }
        let (text, name) = (self.text.as_bytes(), name.as_bytes());
        // Lengths first: most names differ in theirs.
        self.parsed.iter().position(|pair| {
            pair.name.end - pair.name.start == name.len()
                && &text[pair.name.start..pair.name.end] == name
        })
    }

    pub(super) fn is_hidden(&self, name: &str) -> bool {
        self.hidden.iter().any(|span| self.str(*span) == name)
            || (self.is_keeping && !self.kept.iter().any(|span| self.str(*span) == name))
    }

    /// Keeps the labels of this name when [`LabelSet::keep_marked`] removes the others.
    pub(super) fn mark_kept(&mut self, name: &str) {
        let span = self.push(name);
        self.kept_next.push(span);
    }

    /// Removes the labels of the stream and of the metadata that were not marked.
    pub(super) fn keep_marked(&mut self) {
        std::mem::swap(&mut self.kept, &mut self.kept_next);
        self.kept_next.clear();
        self.is_keeping = true;
    }

    fn push(&mut self, text: &str) -> Span {
        let start = self.text.len();
        self.text.push_str(text);
        Span {
            start,
            end: self.text.len(),
        }
    }

    /// Sets a parsed label to what `write` appends. Where the record has no room for it, it
    /// stays as it was and the record is marked.
    pub(super) fn set(
        &mut self,
        name: &str,
        limits: &PipelineLimits,
        write: impl FnOnce(&mut String),
    ) {
        let known = self.place(name);
        self.set_at(known, name, limits, write);
    }

    /// Sets a parsed label that no stage has set yet; otherwise all stays as it is.
    pub(super) fn set_first(
        &mut self,
        name: &str,
        limits: &PipelineLimits,
        write: impl FnOnce(&mut String),
    ) {
        if self.parsed.len() >= limits.labels_max && self.mistake == Some(Mistake::Limit) {
            // Nothing fits any more, which was said: no look at a thousand names for each key.
            return;
        }
        if !self.was_set(name) {
            self.set_at(None, name, limits, write);
        }
    }

    fn set_at(
        &mut self,
        known: Option<usize>,
        name: &str,
        limits: &PipelineLimits,
        write: impl FnOnce(&mut String),
    ) {
        let start = self.text.len();
        if known.is_none() {
            self.text.push_str(name);
        }
        let middle = self.text.len();
        write(&mut self.text);
        let end = self.text.len();
        let is_too_much = end > limits.label_bytes_max
            || (known.is_none() && self.parsed.len() >= limits.labels_max);
        if is_too_much {
            self.text.truncate(start);
            self.limit_reached(limits);
            return;
        }
        let value = Span { start: middle, end };
        self.marks.add(name);
        match known {
            Some(at) => self.parsed[at].value = value,
            None => self.parsed.push(Pair {
                name: Span { start, end: middle },
                value,
            }),
        }
    }

    fn limit_reached(&mut self, limits: &PipelineLimits) {
        let details = format!(
            "the record has more than {} labels or {} bytes of them; take out fewer, as in | json name=\"path\"",
            limits.labels_max, limits.label_bytes_max
        );
        self.fail(Mistake::Limit, &details);
    }

    /// Removes a label from all layers.
    pub(super) fn remove(&mut self, name: &str) {
        if let Some(at) = self.place(name) {
            let pair = self.parsed.remove(at);
            self.removed.push(pair.name);
        }
        if !self.is_hidden(name) {
            let span = self.push(name);
            self.hidden.push(span);
        }
    }

    /// Removes the parsed labels for which `keep` is false.
    pub(super) fn retain_parsed(&mut self, mut keep: impl FnMut(&str, &str) -> bool) {
        let (text, removed) = (&self.text, &mut self.removed);
        let str = |span: Span| &text[span.start..span.end];
        self.parsed.retain(|pair| {
            let stays = keep(str(pair.name), str(pair.value));
            if !stays {
                removed.push(pair.name);
            }
            stays
        });
    }

    /// Marks the record.
    pub(super) fn fail(&mut self, mistake: Mistake, details: &str) {
        self.mistake = Some(mistake);
        self.details.clear();
        self.details.push_str(details);
    }

    pub(super) fn has_failed(&self) -> bool {
        self.mistake.is_some()
    }

    pub(super) fn forget_mistake(&mut self) {
        self.mistake = None;
    }

    pub(super) fn forget_details(&mut self) {
        self.details.clear();
    }
}
