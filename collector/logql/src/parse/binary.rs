//! Operators between numbers, with Prometheus' precedences.

use super::metric::Node;
use super::{Parser, Token};
use crate::ast::{Binary, BinaryOp, CompareOp, Expr, Group, Matching, MetricExpr};
use sonde_lex::ParseError;

/// An operator with its left side, whose right side is still read.
struct Pending {
    op: BinaryOp,
    op_at: usize,
    return_bool: bool,
    matching: Matching,
    left: MetricExpr,
    at: usize,
    depth: usize,
}

impl Pending {
    /// Whether it takes what stands between it and `next`.
    fn binds_before(&self, next: BinaryOp) -> bool {
        let is_left = !next.is_right_associative();
        self.op.power() > next.power() || self.op.power() == next.power() && is_left
    }
}

impl Parser<'_> {
    /// Operands with operators between them. What waits for its right side waits in a list and
    /// not on the stack, so that only parentheses and functions nest.
    pub(super) fn expr(&mut self) -> Result<Node, ParseError> {
        let mut pending: Vec<Pending> = Vec::new();
        let mut node = self.operand()?;
        loop {
            let next = self.operator();
            let binds = |before: &mut Pending| next.is_none_or(|next| before.binds_before(next));
            while let Some(before) = pending.pop_if(binds) {
                node = self.join(before, node)?;
            }
            let Some(op) = next else {
                return Ok(node);
            };
            let op_at = self.at();
            let left = self.numbers(node.expr, node.at, op)?;
            self.next += 1;
            let (return_bool, matching) = self.matching(op)?;
            pending.push(Pending {
                op,
                op_at,
                return_bool,
                matching,
                left,
                at: node.at,
                depth: node.depth,
            });
            node = self.operand()?;
        }
    }

    fn operator(&self) -> Option<BinaryOp> {
        match self.peek() {
            Token::Sign(word) | Token::Word(word) => BinaryOp::from_word(word),
            _ => None,
        }
    }

    /// An operator with both of its sides: two numbers become one, sets are of series.
    fn join(&self, pending: Pending, right: Node) -> Result<Node, ParseError> {
        let Pending {
            op,
            op_at,
            return_bool,
            matching,
            left,
            at,
            depth,
        } = pending;
        let below = depth.max(right.depth);
        let right = self.numbers(right.expr, right.at, op)?;
        match (&left, &right) {
            (MetricExpr::Number(_), _) | (_, MetricExpr::Number(_)) if op.is_set() => {
                let message = format!(
                    "{} goes between series and a number is none; write vector(1) for the number 1",
                    op.as_str()
                );
                Err(self.error_at(op_at, message))
            }
            (MetricExpr::Number(a), MetricExpr::Number(b)) => {
                self.node(MetricExpr::Number(fold(op, *a, *b)), at, 0)
            }
            _ => {
                let binary = Binary {
                    op,
                    return_bool,
                    matching,
                    left,
                    right,
                };
                self.node(MetricExpr::Binary(Box::new(binary)), at, below)
            }
        }
    }

    fn numbers(&self, expr: Expr, at: usize, op: BinaryOp) -> Result<MetricExpr, ParseError> {
        match expr {
            Expr::Metric(expr) => Ok(expr),
            Expr::Log(_) => Err(self.error_at(
                at,
                format!(
                    "{} goes between numbers and these are lines; write count_over_time({{…}}[5m]), or join line filters such as |= \"a\" or \"b\"",
                    op.as_str()
                ),
            )),
        }
    }

    /// What stands between an operator and its right side.
    fn matching(&mut self, op: BinaryOp) -> Result<(bool, Matching), ParseError> {
        let return_bool = self.is_word("bool");
        if return_bool && !matches!(op, BinaryOp::Compare(_)) {
            return Err(self.error(format!(
                "bool stands behind comparisons only; take it away behind {}",
                op.as_str()
            )));
        }
        self.next += usize::from(return_bool);
        let mut matching = Matching::default();
        let is_on = self.is_word("on");
        if !is_on && !self.is_word("ignoring") {
            if self.is_word("group_left") || self.is_word("group_right") {
                return Err(self.error(format!(
                    "{} needs on or ignoring before it; write on (…) group_left",
                    self.peek()
                )));
            }
            return Ok((return_bool, matching));
        }
        self.next += 1;
        matching.is_on = is_on;
        matching.labels = self.label_list()?;
        let group_at = self.at();
        let is_left = self.is_word("group_left");
        if !is_left && !self.is_word("group_right") {
            return Ok((return_bool, matching));
        }
        self.next += 1;
        if op.is_set() {
            let message = format!(
                "{} matches many with many; take group_left or group_right away",
                op.as_str()
            );
            return Err(self.error_at(group_at, message));
        }
        let labels = if self.is_label_list() {
            self.label_list()?
        } else {
            Vec::new()
        };
        if let Some(name) = labels
            .iter()
            .find(|name| is_on && matching.labels.contains(name))
        {
            let message =
                format!("label {name:?} is matched by already; take it out of on or of the group");
            return Err(self.error_at(group_at, message));
        }
        matching.group = if is_left {
            Group::Left(labels)
        } else {
            Group::Right(labels)
        };
        Ok((return_bool, matching))
    }

    /// Whether a parenthesis holds labels, and not the right side of the operator.
    fn is_label_list(&self) -> bool {
        let is_name = matches!(self.peek_at(1), Token::Word(_));
        self.is_sign("(")
            && match (self.peek_at(1), self.peek_at(2)) {
                (Token::Sign(")"), _) => true,
                (_, Token::Sign("," | ")")) => is_name,
                _ => false,
            }
    }
}

/// What an operator between two numbers yields; dividing by zero is no number, as in Loki.
fn fold(op: BinaryOp, a: f64, b: f64) -> f64 {
    let truth = |is_true: bool| f64::from(u8::from(is_true));
    match op {
        BinaryOp::Add => a + b,
        BinaryOp::Subtract => a - b,
        BinaryOp::Multiply => a * b,
        BinaryOp::Divide if b == 0.0 => f64::NAN,
        BinaryOp::Divide => a / b,
        BinaryOp::Modulo => a % b,
        BinaryOp::Power => a.powf(b),
        BinaryOp::Compare(CompareOp::Equal) => truth(a == b),
        BinaryOp::Compare(CompareOp::NotEqual) => truth(a != b),
        BinaryOp::Compare(CompareOp::Greater) => truth(a > b),
        BinaryOp::Compare(CompareOp::GreaterOrEqual) => truth(a >= b),
        BinaryOp::Compare(CompareOp::Less) => truth(a < b),
        BinaryOp::Compare(CompareOp::LessOrEqual) => truth(a <= b),
        // Refused before.
        BinaryOp::And | BinaryOp::Or | BinaryOp::Unless => f64::NAN,
    }
}
