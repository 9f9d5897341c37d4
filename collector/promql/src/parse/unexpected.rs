//! What a token is called in errors, in Prometheus' words.

use super::Parser;
use crate::ast::AggregateOp;
use crate::error::ParseError;
use crate::lex::{Spanned, Token, is_one_of};

const KEYWORDS: [&str; 10] = [
    "bool",
    "by",
    "group_left",
    "group_right",
    "ignoring",
    "offset",
    "on",
    "without",
    "anchored",
    "smoothed",
];

const OPERATORS: [&str; 18] = [
    "</", ">/", "+", "-", "*", "/", "%", "^", "==", "!=", ">", "<", ">=", "<=", "=~", "!~", "@",
    "atan2",
];

const SET_OPERATORS: [&str; 3] = ["and", "or", "unless"];

/// Words with a meaning that are shown as they stand.
const PLAIN_WORDS: [&str; 4] = ["start", "end", "step", "range"];

/// How many characters of a string or number are shown.
const SHOWN_MAX: usize = 10;

impl Parser<'_> {
    /// The next token is wrong: where it stands (`in …`) and what would be right.
    pub(super) fn unexpected(&self, context: &str, expected: &str) -> ParseError {
        let found = self.spanned();
        if let Token::Bad(message) = &found.token {
            return self.error_at(found.at, message.clone());
        }
        let described = match &found.token {
            // In braces no word has a meaning.
            Token::Word(word) if context == super::selector::CONTEXT => {
                format!("identifier {word:?}")
            }
            _ => self.described(found),
        };
        let mut message = format!("unexpected {described}");
        let context = if context.is_empty() && self.aggregations > 0 {
            "aggregation"
        } else {
            context
        };
        if !context.is_empty() {
            message.push_str(&format!(" in {context}"));
        }
        if !expected.is_empty() {
            message.push_str(&format!(", expected {expected}"));
        }
        self.error_at(found.at, message)
    }

    fn described(&self, found: &Spanned<'_>) -> String {
        let text = &self.text[found.at..found.end];
        match &found.token {
            Token::Word(word) => described_word(word),
            Token::Number(_) => format!("number {}", shortened(text)),
            Token::Duration(_) => format!("duration {}", shortened(text)),
            Token::Text(_) => format!("string {}", shortened(text)),
            Token::Sign(sign) if OPERATORS.contains(sign) => format!("<op:{sign}>"),
            Token::Sign(sign) => format!("{sign:?}"),
            Token::Bad(message) => message.clone(),
            Token::End => "end of input".into(),
        }
    }
}

fn described_word(word: &str) -> String {
    if is_one_of(word, &KEYWORDS) {
        format!("<{word}>")
    } else if is_one_of(word, &OPERATORS) || is_one_of(word, &SET_OPERATORS) {
        format!("<op:{word}>")
    } else if AggregateOp::from_word(word).is_some() {
        format!("<aggr:{word}>")
    } else if is_one_of(word, &PLAIN_WORDS) {
        format!("{word:?}")
    } else if word.contains(':') {
        format!("metric identifier {word:?}")
    } else {
        format!("identifier {word:?}")
    }
}

fn shortened(text: &str) -> String {
    match text.char_indices().nth(SHOWN_MAX) {
        Some((end, _)) => format!("{:?}...", &text[..end]),
        None => format!("{text:?}"),
    }
}
