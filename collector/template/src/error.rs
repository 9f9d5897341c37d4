//! What is wrong with a template, and where.

/// A template that cannot be read, or a step of it that cannot be taken.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{}{line}:{column}: {message}", prefix(template))]
pub struct TemplateError {
    /// The name of the text in which the problem stands; empty for a nameless one.
    pub template: String,
    /// What is wrong.
    pub message: String,
    /// The line, from 1.
    pub line: usize,
    /// The column in characters, from 1.
    pub column: usize,
}

fn prefix(template: &str) -> String {
    if template.is_empty() {
        String::new()
    } else {
        format!("{template}:")
    }
}

/// Where something stands in a template's text.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Place {
    pub(crate) line: u32,
    pub(crate) column: u32,
}

impl Place {
    /// The place of byte `offset` of `text`.
    pub(crate) fn of(text: &str, offset: usize) -> Self {
        let before = text.get(..offset).unwrap_or(text);
        let line_start = before.rfind('\n').map_or(0, |at| at + 1);
        let count = |n: usize| u32::try_from(n + 1).unwrap_or(u32::MAX);
        Self {
            line: count(before.matches('\n').count()),
            column: count(before[line_start..].chars().count()),
        }
    }

    /// An error here.
    pub(crate) fn error(self, template: &str, message: impl Into<String>) -> TemplateError {
        TemplateError {
            template: template.into(),
            message: message.into(),
            line: self.line as usize,
            column: self.column as usize,
        }
    }
}
