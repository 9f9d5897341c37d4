//! Numbers of a span set, and how they compare.

use super::Parser;
use super::field::{Type, type_of};
use crate::ast::{Aggregate, Field, Math, Scalar, Stage};
use sonde_lex::ParseError;

const AGGREGATES: [(&str, Aggregate); 4] = [
    ("avg", Aggregate::Avg),
    ("min", Aggregate::Min),
    ("max", Aggregate::Max),
    ("sum", Aggregate::Sum),
];

impl Parser<'_> {
    /// Whether a scalar stands here rather than spansets.
    pub(super) fn starts_scalar(&self) -> bool {
        let is_open = |c: char| c == '(' || c.is_whitespace();
        let rest = self.rest().trim_start_matches(is_open);
        let word = rest.find(|c: char| !c.is_ascii_alphanumeric() && c != '_');
        let word = &rest[..word.unwrap_or(rest.len())];
        let is_call = rest[word.len()..].trim_start().starts_with('(');
        let is_aggregate = word == "count" || AGGREGATES.iter().any(|(name, _)| *name == word);
        (is_call && is_aggregate) || rest.starts_with(|c: char| c.is_ascii_digit() || c == '-')
    }

    pub(super) fn scalar_stage(&mut self) -> Result<Stage, ParseError> {
        let left = self.scalar()?;
        let Some(op) = self.compare() else {
            return Err(self.error("expected a comparison such as > 5 after this number"));
        };
        let right = self.scalar()?;
        Ok(Stage::Scalar { left, op, right })
    }

    fn scalar(&mut self) -> Result<Scalar, ParseError> {
        let mut left = self.scalar_product()?;
        loop {
            let op = if self.eat("+") {
                Math::Add
            } else if self.eat("-") {
                Math::Sub
            } else {
                return Ok(left);
            };
            let right = self.scalar_product()?;
            left = binary(left, op, right);
        }
    }

    fn scalar_product(&mut self) -> Result<Scalar, ParseError> {
        let mut left = self.scalar_power()?;
        loop {
            let op = if self.eat("*") {
                Math::Mul
            } else if self.eat("/") {
                Math::Div
            } else if self.eat("%") {
                Math::Mod
            } else {
                return Ok(left);
            };
            let right = self.scalar_power()?;
            left = binary(left, op, right);
        }
    }

    fn scalar_power(&mut self) -> Result<Scalar, ParseError> {
        let left = self.scalar_operand()?;
        if !self.eat("^") {
            return Ok(left);
        }
        let right = self.nested(Self::scalar_power)?;
        Ok(binary(left, Math::Pow, right))
    }

    fn scalar_operand(&mut self) -> Result<Scalar, ParseError> {
        self.count_part()?;
        if self.eat("(") {
            let inner = self.nested(Self::scalar)?;
            self.expect(")", "after this number")?;
            return Ok(inner);
        }
        if self.eat_word("count") {
            self.expect("(", "after count")?;
            self.expect(
                ")",
                "since count takes nothing; write { condition } | count() > 5",
            )?;
            return Ok(Scalar::Count);
        }
        for (name, aggregate) in AGGREGATES {
            if self.eat_word(name) {
                self.expect("(", &format!("and a field after {name}"))?;
                let field = self.number_field()?;
                self.expect(")", &format!("after the field of {name}"))?;
                return Ok(Scalar::Aggregate(aggregate, field));
            }
        }
        let at = self.at;
        let negative = self.eat("-");
        match self.literal()? {
            Some(value) if type_of(&Field::Literal(value.clone())) == Type::Number => {
                let zero = Scalar::Literal(crate::Value::Int(0));
                let value = Scalar::Literal(value);
                Ok(if negative {
                    binary(zero, Math::Sub, value)
                } else {
                    value
                })
            }
            _ => Err(self.error_at(
                at,
                "expected a number, a duration, count(), or avg, min, max or sum of a field",
            )),
        }
    }
}

fn binary(left: Scalar, op: Math, right: Scalar) -> Scalar {
    Scalar::Binary {
        left: Box::new(left),
        op,
        right: Box::new(right),
    }
}
