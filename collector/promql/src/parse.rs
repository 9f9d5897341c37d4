//! Tokens into a checked tree: precedence climbing, in the order of PromQL's operators.
//!
//! First the whole text must be an expression, then ([`check`]) its types must fit: so what
//! is said first is what Prometheus says first. Its texts are kept where they say enough,
//! because rule editors and people know them.

mod call;
mod check;
mod duration;
mod modifiers;
mod selector;
mod unexpected;

pub(crate) use duration::Given;

use super::ast::{Binary, BinaryOp, Expr, ExprKind, Span};
use super::error::ParseError;
use super::features::Features;
use super::lex::{Spanned, Token, is_one_of, lex};
use sonde_proto::Matcher;
use sonde_proto::re2::PatternBudget;

/// The longest text that is read.
const TEXT_BYTES_MAX: usize = 64 << 10;
/// The most selectors that are asked for together.
const SELECTORS_MAX: usize = 1_000;
/// The deepest tree that is made: evaluation walks down on the stack.
const DEPTH_MAX: usize = 96;

/// Words that are never a metric's name.
const RESERVED: [&str; 6] = [
    "bool",
    "on",
    "ignoring",
    "group_left",
    "group_right",
    "atan2",
];

/// Reads and checks an expression.
///
/// # Errors
/// [`ParseError`] says what is wrong and where.
pub fn parse(text: &str, features: &Features) -> Result<Expr, ParseError> {
    Parser::new(text, *features)?.whole()
}

/// Reads a selector such as `up{job="a"}` into its matchers.
///
/// # Errors
/// [`ParseError`] when the text is anything else.
pub fn parse_selector(text: &str) -> Result<Vec<Matcher>, ParseError> {
    selector_within(text, PatternBudget::default()).map(|(matchers, _)| matchers)
}

/// Reads selectors that are asked for together, each as [`parse_selector`] does: what one
/// expression may have of regular expressions is for all of them.
///
/// # Errors
/// [`ParseError`] when one of them is no selector, and when they are too many.
pub fn parse_selectors<'t>(
    texts: impl IntoIterator<Item = &'t str>,
) -> Result<Vec<Vec<Matcher>>, ParseError> {
    let mut selectors = Vec::new();
    let mut patterns = PatternBudget::default();
    for text in texts {
        if selectors.len() >= SELECTORS_MAX {
            return Err(ParseError::new(
                text,
                0,
                format!("at most {SELECTORS_MAX} selectors are asked for together; ask in parts"),
            ));
        }
        let (matchers, left) = selector_within(text, patterns)?;
        selectors.push(matchers);
        patterns = left;
    }
    Ok(selectors)
}

/// A selector that is the whole text, and what it leaves of a budget.
fn selector_within(
    text: &str,
    patterns: PatternBudget,
) -> Result<(Vec<Matcher>, PatternBudget), ParseError> {
    let mut parser = Parser::new(text, Features::default())?;
    parser.patterns = patterns;
    let expr = parser.whole()?;
    match expr.kind {
        ExprKind::Selector(selector) if selector.when == Default::default() => {
            Ok((selector.matchers, parser.patterns))
        }
        _ => Err(ParseError::new(
            text,
            expr.span.start as usize,
            "expected a series selector such as name{label=\"value\"}",
        )),
    }
}

/// The matchers of every vector selector of an expression, in the order of the text.
///
/// # Errors
/// [`ParseError`] when the text is no expression.
pub fn selectors(text: &str, features: &Features) -> Result<Vec<Vec<Matcher>>, ParseError> {
    let mut found = Vec::new();
    parse(text, features)?.each_selector(&mut |selector| found.push(selector.matchers.clone()));
    Ok(found)
}

struct Parser<'a> {
    text: &'a str,
    features: Features,
    tokens: Vec<Spanned<'a>>,
    next: usize,
    depth: usize,
    /// How many aggregations are around the next token.
    aggregations: usize,
    /// What is left for regular expressions.
    patterns: PatternBudget,
}

impl<'a> Parser<'a> {
    fn new(text: &'a str, features: Features) -> Result<Self, ParseError> {
        if text.len() > TEXT_BYTES_MAX {
            return Err(ParseError::new(
                text,
                TEXT_BYTES_MAX,
                format!("the expression is longer than {TEXT_BYTES_MAX} bytes"),
            ));
        }
        Ok(Self {
            text,
            features,
            tokens: lex(text),
            next: 0,
            depth: 0,
            aggregations: 0,
            patterns: PatternBudget::default(),
        })
    }

    /// An expression that is the whole text.
    fn whole(&mut self) -> Result<Expr, ParseError> {
        if *self.peek() == Token::End {
            return Err(self.error_at(0, "no expression found in input"));
        }
        let expr = self.expr(0)?;
        if *self.peek() != Token::End {
            return Err(self.unexpected("", ""));
        }
        check::check(self.text, &expr)?;
        Ok(expr)
    }

    fn peek(&self) -> &Token<'a> {
        self.peek_at(0)
    }

    fn peek_at(&self, ahead: usize) -> &Token<'a> {
        let last = self.tokens.len() - 1;
        &self.tokens[(self.next + ahead).min(last)].token
    }

    /// The next token with its place.
    fn spanned(&self) -> &Spanned<'a> {
        &self.tokens[self.next.min(self.tokens.len() - 1)]
    }

    /// Where the next token begins.
    fn at(&self) -> usize {
        self.spanned().at
    }

    /// Where the token before the next one ends.
    fn end(&self) -> usize {
        let last = self.next.checked_sub(1);
        last.map_or(0, |last| self.tokens[last].end)
    }

    fn error_at(&self, at: usize, message: impl Into<String>) -> ParseError {
        ParseError::new(self.text, at, message)
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

    fn expect_sign(&mut self, sign: &str, context: &str, expected: &str) -> Result<(), ParseError> {
        if self.take_sign(sign) {
            Ok(())
        } else {
            Err(self.unexpected(context, expected))
        }
    }

    /// The stretch from a place to the end of the token before the next one.
    fn span_from(&self, start: usize) -> Span {
        Span {
            // Texts are shorter than 64 KiB.
            start: start as u32,
            end: self.end() as u32,
        }
    }

    /// Makes a node that begins at `start` and ends before the next token, unless the tree
    /// becomes too deep.
    fn node(&self, kind: ExprKind, start: usize, below: u16) -> Result<Expr, ParseError> {
        if usize::from(below) >= DEPTH_MAX {
            return Err(self.too_deep(start));
        }
        Ok(Expr {
            kind,
            span: self.span_from(start),
            depth: below + 1,
        })
    }

    fn too_deep(&self, at: usize) -> ParseError {
        self.error_at(
            at,
            format!("the expression is nested more than {DEPTH_MAX} deep"),
        )
    }

    fn deeper(&mut self) -> Result<(), ParseError> {
        self.depth += 1;
        if self.depth > DEPTH_MAX {
            return Err(self.too_deep(self.at()));
        }
        Ok(())
    }

    /// An expression of operators that bind at least as tight as `power`.
    fn expr(&mut self, power: u8) -> Result<Expr, ParseError> {
        self.deeper()?;
        let mut lhs = self.operand()?;
        while let Some(op) = self.operator().filter(|op| op.power() >= power) {
            self.next += 1;
            let (is_bool, matching) = self.matching()?;
            let above = if op == BinaryOp::Pow {
                op.power()
            } else {
                op.power() + 1
            };
            let rhs = self.expr(above)?;
            let below = lhs.depth.max(rhs.depth);
            let start = lhs.span.start as usize;
            let binary = Binary {
                op,
                lhs,
                rhs,
                is_bool,
                matching,
            };
            lhs = self.node(ExprKind::Binary(Box::new(binary)), start, below)?;
        }
        self.depth -= 1;
        Ok(lhs)
    }

    fn operator(&self) -> Option<BinaryOp> {
        Some(match self.peek() {
            Token::Sign(sign) => return BinaryOp::from_sign(sign),
            Token::Word(word) => match word.to_ascii_lowercase().as_str() {
                "and" => BinaryOp::And,
                "or" => BinaryOp::Or,
                "unless" => BinaryOp::Unless,
                "atan2" => BinaryOp::Atan2,
                _ => return None,
            },
            _ => return None,
        })
    }

    /// An operand with its sign and what follows it.
    fn operand(&mut self) -> Result<Expr, ParseError> {
        let at = self.at();
        let negative = self.take_sign("-");
        if !negative && !self.take_sign("+") {
            let primary = self.primary()?;
            return self.modifiers(primary);
        }
        let inner = self.expr(BinaryOp::Pow.power())?;
        let below = inner.depth;
        let kind = match (inner.kind, negative) {
            (ExprKind::Number(n), true) => return self.node(ExprKind::Number(-n), at, 0),
            (ExprKind::Duration(n), true) => return self.node(ExprKind::Duration(-n), at, 0),
            (kind @ (ExprKind::Number(_) | ExprKind::Duration(_)), false) => {
                return self.node(kind, at, 0);
            }
            (kind, true) => ExprKind::Negate(Box::new(Expr { kind, ..inner })),
            (kind, false) => ExprKind::Plus(Box::new(Expr { kind, ..inner })),
        };
        self.node(kind, at, below)
    }

    fn primary(&mut self) -> Result<Expr, ParseError> {
        let at = self.at();
        match self.peek().clone() {
            Token::Number(n) => self.leaf(ExprKind::Number(n), at),
            Token::Duration(millis) => self.leaf(ExprKind::Duration(millis), at),
            Token::Text(text) => self.leaf(ExprKind::String(text.into_owned()), at),
            Token::Sign("(") => {
                self.next += 1;
                let inner = self.expr(0)?;
                self.expect_sign(")", "", "")?;
                let below = inner.depth;
                self.node(ExprKind::Paren(Box::new(inner)), at, below)
            }
            Token::Sign("{") => self.selector(None, at),
            Token::Word(word) => self.word(word, at),
            _ => Err(self.unexpected("", "")),
        }
    }

    fn leaf(&mut self, kind: ExprKind, at: usize) -> Result<Expr, ParseError> {
        self.next += 1;
        self.node(kind, at, 0)
    }

    /// An aggregation, a call or a metric.
    fn word(&mut self, word: &'a str, at: usize) -> Result<Expr, ParseError> {
        if let Some(op) = self.aggregation(word) {
            self.next += 1;
            return self.aggregate(op, at);
        }
        if self.is_call(word) {
            return self.call(word, at);
        }
        if is_one_of(word, &RESERVED) {
            return Err(self.unexpected("", ""));
        }
        self.next += 1;
        self.selector(Some(word), at)
    }
}
