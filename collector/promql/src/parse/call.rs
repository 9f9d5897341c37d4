//! Aggregations and function calls.

use super::Parser;
use crate::ast::{Aggregate, AggregateOp, Expr, ExprKind};
use crate::error::ParseError;
use crate::functions::Function;
use crate::lex::{Token, is_one_of};

/// Words of the language that may be a function's name.
const CALLABLE: [&str; 4] = ["start", "end", "step", "range"];
/// Words of the language that are never a function's name.
const NOT_CALLABLE: [&str; 12] = [
    "by", "without", "offset", "and", "or", "unless", "atan2", "anchored", "smoothed", "on",
    "ignoring", "bool",
];

impl<'a> Parser<'a> {
    /// The aggregation that a word begins, if it does not name a metric here.
    pub(super) fn aggregation(&self, word: &str) -> Option<AggregateOp> {
        let begins = match self.peek_at(1) {
            Token::Sign("(") => true,
            Token::Word(next) => is_one_of(next, &["by", "without"]),
            _ => false,
        };
        AggregateOp::from_word(word).filter(|_| begins)
    }

    /// Whether a word is followed by arguments.
    pub(super) fn is_call(&self, word: &str) -> bool {
        let is_name = is_one_of(word, &CALLABLE)
            || !(is_one_of(word, &NOT_CALLABLE) || is_one_of(word, &super::RESERVED));
        is_name && !word.contains(':') && matches!(self.peek_at(1), Token::Sign("("))
    }

    pub(super) fn aggregate(&mut self, op: AggregateOp, at: usize) -> Result<Expr, ParseError> {
        let mut grouping = self.grouping()?;
        self.aggregations += 1;
        let args = self.args();
        self.aggregations -= 1;
        let mut args = args?;
        if grouping.is_none() {
            // What follows is read before the arguments are looked at.
            if matches!(self.peek(), Token::Bad(_)) {
                return Err(self.unexpected("", ""));
            }
            grouping = self.grouping()?;
        }
        let (without, labels) = grouping.unwrap_or_default();
        if args.is_empty() {
            return Err(self.error_at(at, "no arguments for aggregate expression provided"));
        }
        if op.is_experimental() && !self.features.experimental_functions {
            let message = format!(
                "{}() is experimental and must be enabled with --enable-feature=promql-experimental-functions",
                op.as_str()
            );
            return Err(self.error_at(at, message));
        }
        let wanted = 1 + usize::from(op.param().is_some());
        if args.len() != wanted {
            let message = format!(
                "wrong number of arguments for aggregate expression provided, expected {wanted}, got {}",
                args.len()
            );
            return Err(self.error_at(at, message));
        }
        let below = args.iter().map(|arg| arg.depth).max().unwrap_or_default();
        let expr = args.pop().ok_or_else(|| self.unexpected("", ""))?;
        let param = args.pop();
        let aggregate = Aggregate {
            op,
            param,
            expr,
            labels,
            without,
        };
        self.node(ExprKind::Aggregate(Box::new(aggregate)), at, below)
    }

    fn grouping(&mut self) -> Result<Option<(bool, Vec<String>)>, ParseError> {
        if self.take_word("by") {
            Ok(Some((false, self.label_names()?)))
        } else if self.take_word("without") {
            Ok(Some((true, self.label_names()?)))
        } else {
            Ok(None)
        }
    }

    pub(super) fn call(&mut self, word: &'a str, at: usize) -> Result<Expr, ParseError> {
        self.next += 1;
        let args = self.args()?;
        let Some(function) = Function::named(word) else {
            return Err(self.error_at(at, format!("unknown function with name {word:?}")));
        };
        if function.experimental && !self.features.experimental_functions {
            return Err(self.error_at(at, format!("function {word:?} is not enabled")));
        }
        let below = args.iter().map(|arg| arg.depth).max().unwrap_or_default();
        self.node(ExprKind::Call { function, args }, at, below)
    }

    fn args(&mut self) -> Result<Vec<Expr>, ParseError> {
        self.expect_sign("(", "", "")?;
        let mut args = Vec::new();
        if self.take_sign(")") {
            return Ok(args);
        }
        loop {
            args.push(self.expr(0)?);
            let comma = self.at();
            if self.take_sign(")") {
                return Ok(args);
            }
            self.expect_sign(",", "", "")?;
            if !self.begins_operand() {
                let message = "trailing commas not allowed in function call args";
                return Err(self.error_at(comma, message));
            }
        }
    }

    /// Whether the next token may be the first of an expression, or is none at all.
    pub(super) fn begins_operand(&self) -> bool {
        match self.peek() {
            Token::Sign(sign) => ["(", "{", "+", "-"].contains(sign),
            Token::Word(word) => !is_one_of(word, &super::RESERVED),
            _ => true,
        }
    }

    /// `(a, b, "c d")`
    pub(super) fn label_names(&mut self) -> Result<Vec<String>, ParseError> {
        const CONTEXT: &str = "grouping opts";
        self.expect_sign("(", CONTEXT, "\"(\"")?;
        let mut names = Vec::new();
        while !self.take_sign(")") {
            match self.peek().clone() {
                Token::Word(word) if !word.contains(':') => names.push(word.to_owned()),
                Token::Text(text) if !text.is_empty() => names.push(text.into_owned()),
                _ => return Err(self.unexpected(CONTEXT, "label")),
            }
            self.next += 1;
            if !self.take_sign(",") {
                self.expect_sign(")", CONTEXT, "\",\" or \")\"")?;
                break;
            }
        }
        Ok(names)
    }
}
