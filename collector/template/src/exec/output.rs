//! The bounded output of an execution.

use super::Mode;
use crate::format::print_bounded;
use crate::html::Page;
use crate::value::Value;

/// What has been written.
pub(super) struct Output {
    text: String,
    bytes_max: usize,
    /// Where in the page the end of the text stands; `None` when it is plain.
    page: Option<Page>,
}

impl Output {
    pub(super) fn new(mode: Mode, bytes_max: usize) -> Self {
        Self {
            text: String::new(),
            bytes_max,
            page: match mode {
                Mode::Text => None,
                Mode::Html => Some(Page::default()),
            },
        }
    }

    pub(super) fn into_text(self) -> String {
        self.text
    }

    /// Adds a text of the template.
    pub(super) fn text(&mut self, text: &str) -> Result<(), String> {
        match &mut self.page {
            None => self.text.push_str(text),
            Some(page) => page.text(text, &mut self.text),
        }
        self.check()
    }

    /// Adds what an action yielded.
    pub(super) fn value(&mut self, value: &Value) -> Result<(), String> {
        let left = self.bytes_max.saturating_sub(self.text.len());
        let text = match (value, &self.page) {
            (Value::Nil, Some(_)) => String::new(),
            _ => print_bounded(value, left)?,
        };
        match &mut self.page {
            None => self.text.push_str(&text),
            Some(page) => page.value(value, &text, &mut self.text)?,
        }
        self.check()
    }

    fn check(&self) -> Result<(), String> {
        if self.text.len() > self.bytes_max {
            return Err(format!(
                "the output is longer than {} bytes",
                self.bytes_max
            ));
        }
        Ok(())
    }
}
