//! A record on its way through a pipeline: a line, and labels of three kinds.

use crate::Key;
use std::collections::{BTreeMap, BTreeSet};

/// A line and its labels.
///
/// A parsed label hides one of the metadata, which hides one of the stream. A label with an
/// empty value is there: it can be compared and formatted. It is only not shown.
#[derive(Clone, Debug, Default)]
pub(crate) struct State {
    pub(crate) line: Vec<u8>,
    stream: Key,
    gone: BTreeSet<String>,
    metadata: Key,
    parsed: Key,
    /// What was ever set by a stage: a later parser leaves it.
    extracted: BTreeSet<String>,
    /// The value of `__error__`; empty where there is none.
    pub(crate) error: String,
}

impl State {
    pub(crate) fn new<'a>(
        line: &[u8],
        stream: impl Iterator<Item = (&'a str, &'a str)>,
        metadata: impl Iterator<Item = (&'a str, &'a str)>,
    ) -> Self {
        let stream: Key = stream.map(|(n, v)| (n.to_owned(), v.to_owned())).collect();
        let mut all = Key::new();
        for (name, value) in metadata {
            let name = if stream.contains_key(name) {
                format!("{name}_extracted")
            } else {
                name.to_owned()
            };
            all.insert(name, value.to_owned());
        }
        Self {
            line: line.to_vec(),
            stream,
            metadata: all,
            ..Self::default()
        }
    }

    /// A label's value, if it is there.
    pub(crate) fn get(&self, name: &str) -> Option<&str> {
        if let Some(value) = self.parsed.get(name).or_else(|| self.metadata.get(name)) {
            return Some(value);
        }
        if self.gone.contains(name) {
            return None;
        }
        self.stream.get(name).map(String::as_str)
    }

    /// Sets a label, as stages do.
    pub(crate) fn set(&mut self, name: &str, value: &str) {
        self.metadata.remove(name);
        self.parsed.insert(name.to_owned(), value.to_owned());
        self.extracted.insert(name.to_owned());
    }

    /// Whether a parser puts what it found beside a label of this name: one of the stream, also
    /// where it was dropped, or one of the metadata.
    pub(crate) fn is_taken(&self, name: &str) -> bool {
        self.stream.contains_key(name) || self.metadata.contains_key(name)
    }

    /// The name under which a parser puts what it found.
    pub(crate) fn name_beside(&self, name: &str) -> String {
        if self.is_taken(name) {
            format!("{name}_extracted")
        } else {
            name.to_owned()
        }
    }

    /// Sets what a parser found, unless the name was ever set before.
    pub(crate) fn extract(&mut self, name: &str, value: &str) {
        if name.is_empty() {
            return;
        }
        let name = self.name_beside(name);
        if !self.extracted.contains(&name) {
            self.set(&name, value);
        }
    }

    /// Removes a label.
    pub(crate) fn remove(&mut self, name: &str) {
        self.parsed.remove(name);
        self.metadata.remove(name);
        self.gone.insert(name.to_owned());
    }

    /// All labels that are there, by name, without the error.
    pub(crate) fn labels(&self) -> Key {
        let mut all: Key = self.stream.clone();
        all.retain(|name, _| !self.gone.contains(name));
        all.extend(self.metadata.clone());
        all.extend(self.parsed.clone());
        all
    }

    /// The labels that are shown, by kind: stream, metadata, parsed.
    pub(crate) fn shown(&self) -> [Key; 3] {
        let mut kinds: [Key; 3] = Default::default();
        for (name, value) in self.labels() {
            let kind = if self.parsed.contains_key(&name) {
                2
            } else if self.metadata.contains_key(&name) {
                1
            } else {
                0
            };
            if !value.is_empty() {
                kinds[kind].insert(name, value);
            }
        }
        kinds
    }

    /// What a template sees.
    pub(crate) fn template_data(&self) -> BTreeMap<String, String> {
        let mut data = self.labels();
        if !self.error.is_empty() {
            data.insert("__error__".into(), self.error.clone());
        }
        data
    }
}

/// A key of a line as a label's name: letters, digits and underscores.
pub(crate) fn sanitized(key: &str) -> String {
    let key = key.trim();
    let digit = key.starts_with(|c: char| c.is_ascii_digit());
    let name: String = key
        .chars()
        .map(|c| if c.is_ascii_alphanumeric() { c } else { '_' })
        .collect();
    if digit { format!("_{name}") } else { name }
}
