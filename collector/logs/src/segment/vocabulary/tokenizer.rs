//! Words that were found already, as tantivy's tokenizer: what stands between spaces.

use tantivy::tokenizer::{Token, TokenStream, Tokenizer};

/// Gives tantivy the words of a text of words.
#[derive(Clone, Default)]
pub(super) struct SpaceTokenizer {
    token: Token,
}

impl Tokenizer for SpaceTokenizer {
    type TokenStream<'a> = Words<'a>;

    fn token_stream<'a>(&'a mut self, text: &'a str) -> Words<'a> {
        self.token.reset();
        Words {
            token: &mut self.token,
            words: text.split_ascii_whitespace(),
        }
    }
}

/// The words of one text.
pub(super) struct Words<'a> {
    token: &'a mut Token,
    words: std::str::SplitAsciiWhitespace<'a>,
}

impl TokenStream for Words<'_> {
    fn advance(&mut self) -> bool {
        let Some(word) = self.words.next() else {
            return false;
        };
        // Positions are not indexed, so every word may stand at the same one.
        self.token.position = 0;
        self.token.text.clear();
        self.token.text.push_str(word);
        true
    }

    fn token(&self) -> &Token {
        self.token
    }

    fn token_mut(&mut self) -> &mut Token {
        self.token
    }
}
