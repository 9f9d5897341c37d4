//! Words as tantivy's tokenizer.

use super::{LONG_MARKER, WORD_BYTES_MAX, next_run, term_of};
use tantivy::tokenizer::{Token, TokenStream, Tokenizer};

/// Gives tantivy the words of a text.
#[derive(Clone, Default)]
pub(crate) struct WordTokenizer {
    token: Token,
}

impl Tokenizer for WordTokenizer {
    type TokenStream<'a> = Words<'a>;

    fn token_stream<'a>(&'a mut self, text: &'a str) -> Words<'a> {
        self.token.reset();
        Words {
            token: &mut self.token,
            text,
            at: 0,
            marker_due: false,
        }
    }
}

/// The words of one text.
pub(crate) struct Words<'a> {
    token: &'a mut Token,
    text: &'a str,
    at: usize,
    marker_due: bool,
}

impl TokenStream for Words<'_> {
    fn advance(&mut self) -> bool {
        // Positions are not indexed, so every token may stand at the same one.
        self.token.position = 0;
        if std::mem::take(&mut self.marker_due) {
            self.token.text.clear();
            self.token.text.push_str(LONG_MARKER);
            return true;
        }
        let Some((from, to)) = next_run(self.text.as_bytes(), self.at) else {
            return false;
        };
        self.at = to;
        self.marker_due = to - from > WORD_BYTES_MAX;
        (self.token.offset_from, self.token.offset_to) = (from, to);
        term_of(&self.text[from..to], &mut self.token.text);
        true
    }

    fn token(&self) -> &Token {
        self.token
    }

    fn token_mut(&mut self) -> &mut Token {
        self.token
    }
}
