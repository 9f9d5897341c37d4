//! Text into a checked tree: recursive descent, and operators by precedence.
//!
//! The grammar is Loki's, and so is what is refused: what a function takes, which aggregation
//! may be grouped, where a range stands. Wider than Loki's on purpose:
//!
//! - `{}` and a selector that is left out ask for every stream; [`parse_narrow`] refuses both.
//! - A word of the language is a name wherever a name stands (`by (json)`, `| by="a"`).
//! - `Inf` and `NaN` are numbers, numbers may have a sign everywhere, a comma may close a
//!   selector, and ranges and offsets take Prometheus' durations as well as Go's.
//!
//! Everything is bounded: the text, how deep it nests, how many stages, names and regular
//! expressions it has; so that no tree is deeper than a walk of it may be.

mod lex;
mod selector;
mod lines;
mod stage;
mod labels;
mod range;
mod metric;
mod binary;

use crate::ast::{Expr, LogExpr, Stage};
use crate::{CompileError, Pipeline, PipelineLimits};
use lex::{Spanned, Token, lex};
use selector::Patterns;
use sonde_lex::ParseError;
use sonde_proto::Matcher;

/// The longest text that is read, in bytes.
pub const TEXT_BYTES_MAX: usize = 128 << 10;
/// The deepest tree that is made, and how deep parentheses may nest.
const DEPTH_MAX: usize = 100;
/// The most stages of a pipeline, names of a list, matchers of a selector, label filters of a stage.
const LIST_MAX: usize = 100;
/// The most regular expressions of a query, or of selectors that are asked for together: each
/// may take a megabyte, and those behind the first few what is left of
/// [`sonde_proto::re2::COMPILED_BYTES_MAX`].
const PATTERNS_MAX: usize = 100;
/// How many may take a megabyte each, whatever the others take: to find out what one takes is to
/// compile it once more.
const PATTERNS_FEW: usize = 8;
/// The most selectors that are asked for together.
const SELECTORS_MAX: usize = 100;

/// Reads and checks a query: for lines or for numbers.
///
/// An empty text, and one that begins with a stage, ask for every stream, as `{}` does.
///
/// # Errors
/// [`ParseError`] says what is wrong, where, and what would be right.
pub fn parse(text: &str) -> Result<Expr, ParseError> {
    Parser::new(text)?.root()
}

/// As [`parse`], but every selector needs at least one matcher that an empty value does not
/// satisfy, as Loki demands it: such a query cannot ask for every stream by mistake.
///
/// # Errors
/// [`ParseError`] says what is wrong, where, and what would be right.
pub fn parse_narrow(text: &str) -> Result<Expr, ParseError> {
    let mut parser = Parser::new(text)?;
    parser.is_narrow = true;
    parser.root()
}

/// Reads a selector alone, such as `{service_name="checkout"}`; an empty text is `{}`.
///
/// # Errors
/// [`ParseError`] when the text is anything else.
pub fn parse_selector(text: &str) -> Result<Vec<Matcher>, ParseError> {
    Parser::new(text)?.selector_alone()
}

/// Reads selectors that are asked for together, each as [`parse_selector`] does: what one query
/// may have of regular expressions is for all of them.
///
/// # Errors
/// [`ParseError`] when one of them is no selector, and when they are too many.
pub fn parse_selectors<'t>(
    texts: impl IntoIterator<Item = &'t str>,
) -> Result<Vec<Vec<Matcher>>, ParseError> {
    let mut selectors = Vec::new();
    let mut patterns = Patterns::default();
    for text in texts {
        let mut parser = Parser::new(text)?;
        if selectors.len() >= SELECTORS_MAX {
            return Err(parser.error(format!(
                "at most {SELECTORS_MAX} selectors are asked for together; use a regular expression, or ask in parts"
            )));
        }
        parser.patterns = patterns;
        selectors.push(parser.selector_alone()?);
        patterns = parser.patterns;
    }
    Ok(selectors)
}

/// Reads the labels of a stream as they are written: `{service_name="checkout"}`. No regular
/// expression is compiled for whoever writes one there.
///
/// # Errors
/// [`ParseError`] when the text is anything else.
pub fn parse_labels(text: &str) -> Result<Vec<(String, String)>, ParseError> {
    let mut parser = Parser::new(text)?;
    let labels = parser.labels()?;
    parser.nothing_behind()?;
    Ok(labels)
}

/// Where in a query the stage stands that could not be compiled, and why. Compiling knows
/// stages but no places; so what was wrong is looked for in the text once more.
#[must_use]
pub fn locate(text: &str, error: &CompileError) -> ParseError {
    let found = Parser::new(text).and_then(|mut parser| {
        parser.is_compiling = true;
        parser.root()
    });
    match found {
        Err(found) => found,
        Ok(_) => ParseError::new(text, 0, error.to_string()),
    }
}

struct Parser<'a> {
    text: &'a str,
    tokens: Vec<Spanned<'a>>,
    next: usize,
    depth: usize,
    patterns: Patterns,
    /// How many label filters the current stage has.
    filters: usize,
    /// Whether every selector must choose.
    is_narrow: bool,
    /// Whether stages are compiled as they are read, to find the one that cannot be.
    is_compiling: bool,
}

impl<'a> Parser<'a> {
    fn new(text: &'a str) -> Result<Self, ParseError> {
        if text.len() > TEXT_BYTES_MAX {
            let message = format!(
                "a query has at most {TEXT_BYTES_MAX} bytes, this one has {}; ask for less at once",
                text.len()
            );
            return Err(ParseError::new(text, TEXT_BYTES_MAX, message));
        }
        Ok(Self {
            text,
            tokens: lex(text)?,
            next: 0,
            depth: 0,
            patterns: Patterns::default(),
            filters: 0,
            is_narrow: false,
            is_compiling: false,
        })
    }

    /// A selector that is the whole text; an empty text is `{}`.
    fn selector_alone(&mut self) -> Result<Vec<Matcher>, ParseError> {
        if *self.peek() == Token::End {
            return Ok(Vec::new());
        }
        let matchers = self.selector()?;
        self.nothing_behind()?;
        Ok(matchers)
    }

    fn nothing_behind(&self) -> Result<(), ParseError> {
        match self.peek() {
            Token::End => Ok(()),
            _ => Err(self.unexpected("nothing behind the selector: only labels are chosen here")),
        }
    }

    fn root(mut self) -> Result<Expr, ParseError> {
        if *self.peek() == Token::End || self.is_stage() {
            self.check_narrow(&[], self.at())?;
            let log = LogExpr {
                matchers: Vec::new(),
                stages: self.log_stages()?,
            };
            self.end(true)?;
            return Ok(Expr::Log(log));
        }
        let node = self.expr()?;
        self.end(matches!(node.expr, Expr::Log(_)))?;
        Ok(node.expr)
    }

    fn end(&self, is_log: bool) -> Result<(), ParseError> {
        match self.peek() {
            Token::End => Ok(()),
            Token::Sign("[") if is_log => Err(self.error(
                "a query for lines has no range; write it inside of a function, such as count_over_time({…}[5m])",
            )),
            Token::Word(word) if is_log && word.eq_ignore_ascii_case("offset") => Err(self.error(
                "a query for lines has no offset; write it behind a range, such as count_over_time({…}[5m] offset 1h)",
            )),
            _ if is_log => Err(self.unexpected("a stage such as |= \"text\" or | json, or the end of the query")),
            _ => Err(self.unexpected("an operator such as + or the end of the query")),
        }
    }

    fn peek(&self) -> &Token<'a> {
        self.peek_at(0)
    }

    fn peek_at(&self, ahead: usize) -> &Token<'a> {
        // The last token is the end.
        &self.tokens[(self.next + ahead).min(self.tokens.len() - 1)].token
    }

    /// Where the next token begins.
    fn at(&self) -> usize {
        self.tokens[self.next.min(self.tokens.len() - 1)].at
    }

    /// An error at the next token.
    fn error(&self, message: impl Into<String>) -> ParseError {
        self.error_at(self.at(), message)
    }

    fn error_at(&self, at: usize, message: impl Into<String>) -> ParseError {
        ParseError::new(self.text, at, message)
    }

    fn unexpected(&self, wanted: &str) -> ParseError {
        self.error(format!("expected {wanted}, found {}", self.peek()))
    }

    fn is_sign(&self, sign: &str) -> bool {
        matches!(self.peek(), Token::Sign(found) if *found == sign)
    }

    fn is_word(&self, word: &str) -> bool {
        matches!(self.peek(), Token::Word(found) if found.eq_ignore_ascii_case(word))
    }

    fn take_sign(&mut self, sign: &str) -> bool {
        let found = self.is_sign(sign);
        self.next += usize::from(found);
        found
    }

    fn take_word(&mut self, word: &str) -> bool {
        let found = self.is_word(word);
        self.next += usize::from(found);
        found
    }

    fn expect_sign(&mut self, sign: &str, place: &str) -> Result<(), ParseError> {
        if self.take_sign(sign) {
            Ok(())
        } else {
            Err(self.unexpected(&format!("{sign:?} {place}")))
        }
    }

    /// A label's name; any word may be one.
    fn name(&mut self, what: &str) -> Result<String, ParseError> {
        match self.peek() {
            Token::Word(word) => {
                let name = (*word).to_owned();
                self.next += 1;
                if self.is_sign(".") {
                    return Err(self.error(
                        "names have underscores where attributes have dots; write service_name for service.name",
                    ));
                }
                Ok(name)
            }
            Token::Text(_) => Err(self.error(format!(
                "expected {what}, found a text; write names without quotes"
            ))),
            _ => Err(self.unexpected(what)),
        }
    }

    fn quoted(&mut self, what: &str) -> Result<String, ParseError> {
        let Token::Text(text) = self.peek() else {
            return Err(self.unexpected(what));
        };
        let text = text.clone().into_owned();
        self.next += 1;
        Ok(text)
    }

    /// A number with or without a sign.
    fn signed_number(&mut self, what: &str) -> Result<f64, ParseError> {
        let is_signed = self.is_sign("-") || self.is_sign("+");
        let number = match self.peek_at(usize::from(is_signed)) {
            Token::Number(number) => Some(*number),
            Token::Word(word) => sonde_lex::number_word(word),
            _ => None,
        };
        let Some(number) = number else {
            return Err(self.unexpected(what));
        };
        let is_negative = self.is_sign("-");
        self.next += 1 + usize::from(is_signed);
        Ok(if is_negative { -number } else { number })
    }

    /// A stage that began with the token `from`. An error stands at its first text.
    fn compiled(&self, stage: Stage, from: usize) -> Result<Stage, ParseError> {
        if !self.is_compiling {
            return Ok(stage);
        }
        let limits = PipelineLimits::default();
        let Err(error) = Pipeline::compile(std::slice::from_ref(&stage), &limits) else {
            return Ok(stage);
        };
        let tokens = &self.tokens[from..self.next];
        let is_text = |spanned: &&Spanned<'_>| matches!(spanned.token, Token::Text(_));
        let place = tokens.iter().find(is_text).or(tokens.first());
        Err(self.error_at(place.map_or(0, |spanned| spanned.at), error.reason))
    }

    /// What `read` reads, one level deeper.
    fn deeper<T>(
        &mut self,
        read: impl FnOnce(&mut Self) -> Result<T, ParseError>,
    ) -> Result<T, ParseError> {
        self.check_depth(self.depth + 1)?;
        self.depth += 1;
        let result = read(self);
        self.depth -= 1;
        result
    }

    fn check_depth(&self, depth: usize) -> Result<(), ParseError> {
        if depth <= DEPTH_MAX {
            return Ok(());
        }
        Err(self.error(format!(
            "a query is nested at most {DEPTH_MAX} deep; take parentheses away or ask in parts"
        )))
    }

    /// Refuses one more of `what` where there are `count` already.
    fn check_count(&self, count: usize, what: &str) -> Result<(), ParseError> {
        if count < LIST_MAX {
            return Ok(());
        }
        Err(self.error(format!(
            "at most {LIST_MAX} {what} stand here; use a regular expression, or ask in parts"
        )))
    }
}

#[cfg(test)]
mod tests;
