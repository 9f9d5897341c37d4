//! The name and the labels at the start of a sample line.

use super::cursor::{Cursor, Fault};
use crate::bounds::Bounds;
use crate::family::Label;
use std::borrow::Cow;

/// How strictly a line is read.
#[derive(Clone, Copy)]
pub(super) struct Rules {
    /// Whether words may stand apart by any number of spaces and tabs, as in the text format.
    pub(super) loose: bool,
    pub(super) bounds: Bounds,
}

impl Rules {
    #[inline]
    fn blanks(self, cursor: &mut Cursor<'_>) {
        if self.loose {
            cursor.blanks();
        }
    }

    /// Takes what stands between two words.
    #[inline]
    pub(super) fn gap(self, cursor: &mut Cursor<'_>) -> bool {
        if self.loose {
            cursor.blanks() > 0
        } else {
            cursor.take(b' ')
        }
    }
}

/// Reads `name`, `name{label="value"}` or `{"name",label="value"}`, replacing `labels`.
#[inline]
pub(super) fn read<'a>(
    cursor: &mut Cursor<'a>,
    rules: Rules,
    labels: &mut Vec<Label<'a>>,
) -> Result<Cow<'a, str>, Fault> {
    labels.clear();
    let start = *cursor;
    let outside = cursor.metric_name();
    if outside.len() > rules.bounds.label_bytes {
        return Err(start.fault(format!(
            "the name is longer than {} bytes",
            rules.bounds.label_bytes
        )));
    }
    let mut name = (!outside.is_empty()).then_some(Cow::Borrowed(outside));
    let after_name = *cursor;
    rules.blanks(cursor);
    if cursor.take(b'{') {
        in_braces(cursor, rules, &mut name, labels)?;
    } else if name.is_some() {
        // The gap before the value is read by who reads the value.
        *cursor = after_name;
    }
    match name {
        Some(name) if !name.is_empty() => Ok(name),
        Some(_) => Err(start.fault("the name of the metric is empty")),
        None if labels.is_empty() => Err(start.expected("a metric name, '{' or '#'")),
        None => Err(start.fault("the metric has no name; write name{...} or {\"name\",...}")),
    }
}

/// Reads the labels of an exemplar, whose `{` was taken.
pub(super) fn exemplar_labels<'a>(
    cursor: &mut Cursor<'a>,
    rules: Rules,
    labels: &mut Vec<Label<'a>>,
) -> Result<(), Fault> {
    labels.clear();
    // A name counts as given, so that a quoted text alone is refused.
    in_braces(cursor, rules, &mut Some(Cow::Borrowed("")), labels)
}

fn in_braces<'a>(
    cursor: &mut Cursor<'a>,
    rules: Rules,
    name: &mut Option<Cow<'a, str>>,
    labels: &mut Vec<Label<'a>>,
) -> Result<(), Fault> {
    loop {
        rules.blanks(cursor);
        if cursor.take(b'}') {
            return Ok(());
        }
        let start = *cursor;
        let quoted = cursor.peek() == Some(b'"');
        let label = if quoted {
            cursor.quoted(rules.bounds.label_bytes)?
        } else {
            Cow::Borrowed(cursor.label_name())
        };
        rules.blanks(cursor);
        if quoted && matches!(cursor.peek(), Some(b',' | b'}')) {
            if name.is_some() {
                return Err(start.fault("the metric has a name already; a label needs a value"));
            }
            *name = Some(label);
        } else if label.is_empty() {
            return Err(start.expected("a label name or '}'"));
        } else {
            let value = value(cursor, rules)?;
            add(labels, Label { name: label, value }, rules.bounds, &start)?;
        }
        rules.blanks(cursor);
        if !cursor.take(b',') && cursor.peek() != Some(b'}') {
            return Err(cursor.expected("',' or '}'"));
        }
    }
}

#[inline]
fn value<'a>(cursor: &mut Cursor<'a>, rules: Rules) -> Result<Cow<'a, str>, Fault> {
    if !cursor.take(b'=') {
        return Err(cursor.expected("'='"));
    }
    rules.blanks(cursor);
    cursor.quoted(rules.bounds.label_bytes)
}

#[inline]
fn add<'a>(
    labels: &mut Vec<Label<'a>>,
    label: Label<'a>,
    bounds: Bounds,
    at: &Cursor<'_>,
) -> Result<(), Fault> {
    if label.name.len() > bounds.label_bytes {
        return Err(at.fault(format!(
            "the label name is longer than {} bytes",
            bounds.label_bytes
        )));
    }
    if labels.len() == bounds.labels {
        return Err(at.fault(format!("there are more than {} labels", bounds.labels)));
    }
    if label.name == "__name__" {
        return Err(
            at.fault("the name stands before the braces or alone in quotes, not in __name__")
        );
    }
    if labels.iter().any(|other| other.name == label.name) {
        return Err(at.fault(format!("label {:?} stands here twice", label.name)));
    }
    labels.push(label);
    Ok(())
}
