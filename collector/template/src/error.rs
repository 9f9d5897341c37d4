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
    pub(crate) const START: Self = Self { line: 1, column: 1 };

    /// The place after a text that begins here.
    pub(crate) fn after(self, text: &str) -> Self {
        let count = |n: usize| u32::try_from(n).unwrap_or(u32::MAX);
        match text.rfind('\n') {
            None => Self {
                line: self.line,
                column: self.column.saturating_add(count(text.chars().count())),
            },
            Some(at) => Self {
                line: self.line.saturating_add(count(text.matches('\n').count())),
                column: count(text[at + 1..].chars().count() + 1),
            },
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
