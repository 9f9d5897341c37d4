//! What stands between operators: numbers, functions, aggregations, parentheses.

use super::selector::bad_pattern;
use super::{Parser, Token};
use crate::ast::{Expr, Grouping, LabelReplace, MetricExpr, RangeOp, VectorAggregation, VectorOp};
use sonde_lex::ParseError;
use sonde_proto::{MatchOp, Matcher};

/// An expression, where it begins, and how deep its tree is.
pub(super) struct Node {
    pub(super) expr: Expr,
    pub(super) at: usize,
    pub(super) depth: usize,
}

impl Node {
    fn leaf(expr: MetricExpr, at: usize) -> Self {
        let expr = Expr::Metric(expr);
        Self { expr, at, depth: 1 }
    }
}

impl Parser<'_> {
    /// An operand of an operator.
    pub(super) fn operand(&mut self) -> Result<Node, ParseError> {
        let at = self.at();
        match self.peek() {
            Token::Sign("{") => Ok(Node {
                expr: Expr::Log(self.log_expr()?),
                at,
                depth: 1,
            }),
            Token::Sign("(") => {
                self.next += 1;
                let mut node = self.deeper(Parser::expr)?;
                self.expect_sign(")", "to close the parenthesis")?;
                if matches!(node.expr, Expr::Log(_)) && self.is_stage() {
                    return Err(self.error(
                        "stages stand inside of the parentheses; write ({…} | json)",
                    ));
                }
                node.at = at;
                Ok(node)
            }
            Token::Word(word) => {
                let word = *word;
                self.word(word, at)
            }
            Token::Number(_) => self.number(at),
            Token::Sign("-" | "+") => match self.peek_at(1) {
                Token::Number(_) => self.number(at),
                Token::Word(word) if sonde_lex::number_word(word).is_some() => self.number(at),
                _ => Err(self.error(
                    "a sign stands before numbers only; write 0 - … for the negative of an expression",
                )),
            },
            Token::Duration(_) | Token::Bytes(_) => Err(self.error(format!(
                "expected a number, found {}; write seconds or bytes without a unit",
                self.peek()
            ))),
            _ => Err(self.unexpected(
                "a selector such as {service_name=\"checkout\"} or a function such as count_over_time({…}[5m])",
            )),
        }
    }

    fn number(&mut self, at: usize) -> Result<Node, ParseError> {
        let number = self.signed_number("a number")?;
        Ok(Node::leaf(MetricExpr::Number(number), at))
    }

    /// A function, an aggregation or a number in words.
    fn word(&mut self, word: &str, at: usize) -> Result<Node, ParseError> {
        if let Some(op) = RangeOp::from_word(word) {
            self.next += 1;
            return Ok(Node::leaf(self.range_aggregation(op, at)?, at));
        }
        if let Some(op) = VectorOp::from_word(word) {
            self.next += 1;
            return self.vector_aggregation(op, at);
        }
        let is_call = *self.peek_at(1) == Token::Sign("(");
        match word.to_ascii_lowercase().as_str() {
            "vector" if is_call => {
                self.next += 2;
                let number = self.signed_number("a number, as in vector(1)")?;
                self.expect_sign(")", "behind the number")?;
                Ok(Node::leaf(MetricExpr::Vector(number), at))
            }
            "label_replace" if is_call => self.label_replace(at),
            "inf" | "nan" => self.number(at),
            _ if is_call => Err(self.error(format!(
                "unknown function {}; functions are rate, count_over_time and its kind, sum, avg, min, max, count, topk and its kind, sort, label_replace and vector",
                self.peek()
            ))),
            _ => Err(self.unexpected(
                "a selector such as {service_name=\"checkout\"} or a function such as count_over_time({…}[5m])",
            )),
        }
    }

    fn vector_aggregation(&mut self, op: VectorOp, at: usize) -> Result<Node, ParseError> {
        let mut grouping_at = self.at();
        let mut grouping = self.grouping()?;
        self.expect_sign("(", &format!("behind {}", op.as_str()))?;
        let parameter = self.vector_parameter(op)?;
        let (expr, depth) = self.series(op.as_str())?;
        if self.is_sign(",") {
            return Err(self.error(format!(
                "{} takes one expression; take what stands behind the comma away",
                op.as_str()
            )));
        }
        self.expect_sign(")", &format!("to close {}(", op.as_str()))?;
        if self.is_word("by") || self.is_word("without") {
            if grouping.is_some() {
                return Err(self.error("there is a grouping already; take one of them away"));
            }
            grouping_at = self.at();
            grouping = self.grouping()?;
        }
        if grouping.is_some() && !op.takes_grouping() {
            return Err(self.error_at(
                grouping_at,
                format!(
                    "{} is not grouped; take by or without away, or group what is inside",
                    op.as_str()
                ),
            ));
        }
        self.node(
            MetricExpr::Aggregate(Box::new(VectorAggregation {
                op,
                parameter,
                grouping,
                expr,
            })),
            at,
            depth,
        )
    }

    fn vector_parameter(&mut self, op: VectorOp) -> Result<Option<u64>, ParseError> {
        let is_number = matches!(self.peek(), Token::Number(_) | Token::Sign("-" | "+"))
            && (*self.peek_at(1) == Token::Sign(",") || *self.peek_at(2) == Token::Sign(","));
        if !op.takes_parameter() {
            return match is_number {
                true => Err(self.error(format!(
                    "{0} takes no number; write {0}(…), or topk({1}, …)",
                    op.as_str(),
                    5
                ))),
                false => Ok(None),
            };
        }
        let wanted = format!("a whole number above 0, as in {}(5, …)", op.as_str());
        match *self.peek() {
            Token::Number(k) if k >= 1.0 && k.fract() == 0.0 && k <= 1e15 => {
                self.next += 1;
                self.expect_sign(",", "behind the number")?;
                Ok(Some(k as u64))
            }
            _ => Err(self.unexpected(&wanted)),
        }
    }

    /// An expression that yields series.
    fn series(&mut self, function: &str) -> Result<(MetricExpr, usize), ParseError> {
        let node = self.deeper(Parser::expr)?;
        match node.expr {
            Expr::Metric(MetricExpr::Number(n)) => Err(self.error_at(
                node.at,
                format!(
                    "{function} takes series and a number is none; write vector({})",
                    sonde_lex::number_text(n)
                ),
            )),
            Expr::Metric(expr) => Ok((expr, node.depth)),
            Expr::Log(_) => Err(self.error_at(
                node.at,
                format!(
                    "{function} takes numbers and these are lines; write count_over_time({{…}}[5m]) or rate({{…}}[5m])"
                ),
            )),
        }
    }

    fn label_replace(&mut self, at: usize) -> Result<Node, ParseError> {
        self.next += 2;
        let (expr, depth) = self.series("label_replace")?;
        self.expect_sign(",", "behind the first argument of label_replace")?;
        let name_at = self.at();
        let destination = self.quoted("the label that is set, in quotes")?;
        if !is_name(&destination) {
            return Err(self.error_at(
                name_at,
                "this is no label's name; use letters, digits and underscores",
            ));
        }
        self.expect_sign(",", "behind the label that is set")?;
        let replacement = self.quoted("the replacement in quotes, such as \"$1\"")?;
        self.expect_sign(",", "behind the replacement")?;
        let source = self.quoted("the label that is looked at, in quotes")?;
        self.expect_sign(",", "behind the label that is looked at")?;
        let regex_at = self.at();
        let regex = self.quoted("a regular expression in quotes, such as \"(.*)\"")?;
        self.check_pattern(regex_at, &regex)?;
        Matcher::new(&source, MatchOp::Regex, &regex)
            .map_err(|error| self.error_at(regex_at, bad_pattern(&error)))?;
        self.expect_sign(")", "to close label_replace(")?;
        self.node(
            MetricExpr::LabelReplace(Box::new(LabelReplace {
                expr,
                destination,
                replacement,
                source,
                regex,
            })),
            at,
            depth,
        )
    }

    pub(super) fn node(
        &self,
        expr: MetricExpr,
        at: usize,
        below: usize,
    ) -> Result<Node, ParseError> {
        self.check_depth(below + 1)?;
        Ok(Node {
            expr: Expr::Metric(expr),
            at,
            depth: below + 1,
        })
    }

    pub(super) fn grouping(&mut self) -> Result<Option<Grouping>, ParseError> {
        let is_without = self.is_word("without");
        if !is_without && !self.is_word("by") {
            return Ok(None);
        }
        self.next += 1;
        let labels = self.label_list()?;
        Ok(Some(Grouping { is_without, labels }))
    }

    /// `(a, b)`
    pub(super) fn label_list(&mut self) -> Result<Vec<String>, ParseError> {
        self.expect_sign("(", "before the labels, as in (level, service_name)")?;
        let mut labels = Vec::new();
        if self.take_sign(")") {
            return Ok(labels);
        }
        loop {
            self.check_count(labels.len(), "labels")?;
            labels.push(self.name("a label's name or \")\"")?);
            if !self.take_sign(",") {
                self.expect_sign(")", "or \",\" behind a label's name")?;
                return Ok(labels);
            }
        }
    }
}

fn is_name(text: &str) -> bool {
    let inner = |c: char| c.is_ascii_alphanumeric() || c == '_';
    !text.starts_with(|c: char| c.is_ascii_digit()) && !text.is_empty() && text.chars().all(inner)
}
