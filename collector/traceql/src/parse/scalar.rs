//! Numbers of a span set, and how they compare.

use super::field::{Type, type_of};
use super::{Parser, STAGES_MAX};
use crate::ast::{Aggregate, Field, Math, Pipeline, Scalar, Stage};
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

    /// `({ } | count()) > 2`, which is `{ } | count() > 2`, where it stands here: a pipeline in
    /// parentheses that ends with a number, which is compared with one.
    pub(super) fn compared_pipeline(&mut self) -> Result<Option<Pipeline>, ParseError> {
        if !self.is_compared() {
            return Ok(None);
        }
        let (mut pipeline, left) = self.numbered_pipeline()?;
        let Some(op) = self.compare() else {
            return Err(self.error("expected a comparison such as > 5 after this pipeline"));
        };
        let right = self.scalar()?;
        pipeline.stages.push(Stage::Scalar { left, op, right });
        Ok(Some(pipeline))
    }

    /// Whether a number is compared with what stands in parentheses here, which begins with spans.
    fn is_compared(&self) -> bool {
        let rest = self.rest();
        let inner = rest.trim_start_matches(|c: char| c == '(' || c.is_whitespace());
        let is_wrapped = rest.starts_with('(') && inner.starts_with('{');
        let Some(after) = is_wrapped.then(|| after_parentheses(rest)).flatten() else {
            return false;
        };
        let number = after.trim_start().trim_start_matches(['=', '!', '<', '>']);
        let is_number = |c: char| c.is_ascii_digit() || c == '-' || c == '.';
        number.len() < after.trim_start().len() && number.trim_start().starts_with(is_number)
    }

    fn numbered_pipeline(&mut self) -> Result<(Pipeline, Scalar), ParseError> {
        self.expect("(", "before the pipeline")?;
        let numbered = if self.rest().starts_with('(') && self.is_numbered() {
            self.nested(Self::numbered_pipeline)?
        } else {
            self.nested(Self::stages_and_number)?
        };
        self.expect(")", "after the pipeline's number")?;
        Ok(numbered)
    }

    /// Whether nothing but `)` follows the parentheses here.
    fn is_numbered(&self) -> bool {
        after_parentheses(self.rest()).is_some_and(|after| after.trim_start().starts_with(')'))
    }

    fn stages_and_number(&mut self) -> Result<(Pipeline, Scalar), ParseError> {
        let mut pipeline = Pipeline::default();
        loop {
            if pipeline.stages.len() == STAGES_MAX {
                return Err(self.error(format!("a pipeline has at most {STAGES_MAX} stages")));
            }
            if self.starts_scalar() {
                let left = self.scalar()?;
                let Some(op) = self.compare() else {
                    return Ok((pipeline, left));
                };
                let right = self.scalar()?;
                pipeline.stages.push(Stage::Scalar { left, op, right });
            } else {
                pipeline.stages.push(self.stage()?);
            }
            self.expect("|", "and a number such as count(), which is compared")?;
        }
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

/// What follows the parentheses that open here; `None` where nothing closes them.
fn after_parentheses(text: &str) -> Option<&str> {
    let (mut at, mut depth) = (0, 0_usize);
    while let Some(c) = text[at..].chars().next() {
        match c {
            '"' | '`' => {
                at = sonde_lex::string(text, at).ok()?.1;
                continue;
            }
            '(' => depth += 1,
            ')' => depth = depth.checked_sub(1)?,
            _ => {}
        }
        at += c.len_utf8();
        if depth == 0 {
            return Some(&text[at..]);
        }
    }
    None
}

fn binary(left: Scalar, op: Math, right: Scalar) -> Scalar {
    Scalar::Binary {
        left: Box::new(left),
        op,
        right: Box::new(right),
    }
}
