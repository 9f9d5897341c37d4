//! A text that stops growing at its bound.

/// A text that stops growing at its bound: printing a value that holds another many times
/// must not take time or memory beyond what may be printed.
pub(super) struct Out {
    text: String,
    bytes_max: usize,
    full: bool,
}

impl Out {
    pub(super) fn new(bytes_max: usize) -> Self {
        Self {
            text: String::new(),
            bytes_max,
            full: false,
        }
    }

    /// Whether something did not fit; then nothing more is worth printing.
    pub(super) fn is_full(&self) -> bool {
        self.full
    }

    pub(super) fn push_str(&mut self, text: &str) {
        self.full |= text.len() > self.bytes_max - self.text.len();
        if !self.full {
            self.text.push_str(text);
        }
    }

    pub(super) fn push(&mut self, c: char) {
        self.push_str(c.encode_utf8(&mut [0; 4]));
    }

    pub(super) fn fill(&mut self, c: char, count: usize) {
        if !self.full && count <= self.bytes_max - self.text.len() {
            self.text.extend(std::iter::repeat_n(c, count));
        } else {
            self.full |= count > 0;
        }
    }

    /// The text, if all of it fitted.
    pub(super) fn finish(self) -> Result<String, String> {
        if self.full {
            return Err(format!("a text is longer than {} bytes", self.bytes_max));
        }
        Ok(self.text)
    }

    /// As much of the text as fitted.
    pub(super) fn cut(self) -> String {
        self.text
    }
}
