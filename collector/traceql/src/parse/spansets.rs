//! `{ conditions }` and what stands between them.

use super::Parser;
use crate::ast::{Form, Relation, SetOp, Spansets, Stage};
use sonde_lex::ParseError;

/// Longer signs first, so that `>` is not taken out of `>>`.
const STRUCTURAL: [(&str, Relation); 5] = [
    (">>", Relation::Descendant),
    ("<<", Relation::Ancestor),
    (">", Relation::Child),
    ("<", Relation::Parent),
    ("~", Relation::Sibling),
];

impl Parser<'_> {
    /// Spansets, `&&` and `||` between them from left to right.
    pub(super) fn spansets(&mut self) -> Result<Spansets, ParseError> {
        let mut left = self.structural()?;
        loop {
            let op = if self.eat("&&") {
                SetOp::And
            } else if self.eat("||") {
                SetOp::Or
            } else {
                return Ok(left);
            };
            self.count_part()?;
            let right = self.structural()?;
            left = binary(left, op, right);
        }
    }

    fn structural(&mut self) -> Result<Spansets, ParseError> {
        let mut left = self.spanset()?;
        while let Some(op) = self.structural_operator() {
            self.count_part()?;
            let right = self.spanset()?;
            left = binary(left, op, right);
        }
        Ok(left)
    }

    fn structural_operator(&mut self) -> Option<SetOp> {
        for (prefix, form) in [("!", Form::Not), ("&", Form::Union), ("", Form::Plain)] {
            let Some(rest) = self.rest().strip_prefix(prefix) else {
                continue;
            };
            let mut all = STRUCTURAL.into_iter();
            if let Some((sign, relation)) = all.find(|(sign, _)| rest.starts_with(sign)) {
                self.at += prefix.len() + sign.len();
                self.skip_blank();
                return Some(SetOp::Structural(relation, form));
            }
        }
        None
    }

    fn spanset(&mut self) -> Result<Spansets, ParseError> {
        let open = self.at;
        self.count_part()?;
        if self.eat("{") {
            if self.eat("}") {
                return Ok(Spansets::Filter(None));
            }
            let field = self.condition()?;
            if !self.eat("}") {
                let message = if self.rest().is_empty() {
                    "this { has no end; close it with }"
                } else {
                    let message = "expected && or ||, an operator, or } after this condition";
                    return Err(self.error(message));
                };
                return Err(self.error_at(open, message));
            }
            return Ok(Spansets::Filter(Some(field)));
        }
        if !self.eat("(") {
            return Err(self.error("expected { conditions }"));
        }
        let mut pipeline = self.nested(Self::pipeline)?;
        if !self.eat(")") {
            return Err(self.error("expected ) after this pipeline"));
        }
        match (pipeline.stages.pop(), pipeline.stages.is_empty()) {
            (Some(Stage::Spansets(inner)), true) => Ok(inner),
            (last, _) => {
                pipeline.stages.extend(last);
                Ok(Spansets::Pipeline(pipeline))
            }
        }
    }
}

fn binary(left: Spansets, op: SetOp, right: Spansets) -> Spansets {
    Spansets::Binary {
        left: Box::new(left),
        op,
        right: Box::new(right),
    }
}
