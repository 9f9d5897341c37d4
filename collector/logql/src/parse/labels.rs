//! Label filters: comparisons with `and`, `or`, commas and parentheses between them.
//!
//! How they bind is Loki's: `and` binds tighter than `or`; a comma, and filters beside one
//! another without any word, mean `and`, but everything to the right of them belongs together.
//! So `a or b and c` is `a or (b and c)`, and `a and b, c or d` is `a and b and (c or d)`.

use super::{LIST_MAX, Parser, Token};
use crate::ast::{CompareOp, Comparison, LabelFilter};
use sonde_lex::ParseError;
use sonde_proto::MatchOp;

const OR: u8 = 1;
const AND: u8 = 2;

/// What stands between two filters.
enum Joint {
    Word(u8),
    Comma,
    Nothing,
}

impl Parser<'_> {
    /// The label filters of one stage.
    pub(super) fn label_filters(&mut self) -> Result<LabelFilter, ParseError> {
        self.filters = 0;
        self.label_filter(0)
    }

    /// Filters to the right of a word that binds with `power`; 0 where there is none.
    fn label_filter(&mut self, power: u8) -> Result<LabelFilter, ParseError> {
        let mut left = self.label_operand()?;
        loop {
            let Some(joint) = self.joint() else {
                return Ok(left);
            };
            let (own, taken) = match joint {
                Joint::Word(own) if own <= power => return Ok(left),
                Joint::Word(own) => (own, 1),
                Joint::Comma => (0, 1),
                Joint::Nothing => (0, 0),
            };
            self.next += taken;
            let right = Box::new(self.label_filter(own)?);
            left = if own == OR {
                LabelFilter::Or(Box::new(left), right)
            } else {
                LabelFilter::And(Box::new(left), right)
            };
        }
    }

    fn joint(&self) -> Option<Joint> {
        if self.is_sign(",") {
            return Some(Joint::Comma);
        }
        // `and="b"` is a filter of a label with that name.
        let is_filter = self.is_sign("(") || self.is_comparison(1);
        if is_filter && (self.is_sign("(") || matches!(self.peek(), Token::Word(_))) {
            return Some(Joint::Nothing);
        }
        if self.is_word("and") {
            Some(Joint::Word(AND))
        } else if self.is_word("or") {
            Some(Joint::Word(OR))
        } else {
            None
        }
    }

    fn is_comparison(&self, ahead: usize) -> bool {
        matches!(
            self.peek_at(ahead),
            Token::Sign("=" | "==" | "!=" | "=~" | "!~" | ">" | ">=" | "<" | "<=")
        )
    }

    fn label_operand(&mut self) -> Result<LabelFilter, ParseError> {
        if self.take_sign("(") {
            return self.deeper(|parser| {
                let filter = parser.label_filter(0)?;
                parser.expect_sign(")", "to close the parenthesis, or and or or")?;
                Ok(filter)
            });
        }
        if self.filters == LIST_MAX {
            self.check_count(self.filters, "label filters")?;
        }
        self.filters += 1;
        let name = self.name("a label filter such as level=\"error\"")?;
        if !self.is_comparison(0) {
            return Err(self.unexpected("a comparison such as = or >= behind a label's name"));
        }
        match self.peek_at(1) {
            Token::Text(_) => self.text_filter(&name),
            Token::Word(word) if word.eq_ignore_ascii_case("ip") => self.ip_filter(name),
            _ => self.number_filter(name),
        }
    }

    fn text_filter(&mut self, name: &str) -> Result<LabelFilter, ParseError> {
        match self.match_op() {
            Some(op) => Ok(LabelFilter::Text(self.matcher(name, op)?)),
            None if self.is_sign("==") => {
                Err(self.error("== compares numbers; compare texts with ="))
            }
            None => Err(self.error(format!(
                "{} compares numbers, durations and sizes; write the value without quotes",
                self.peek()
            ))),
        }
    }

    fn ip_filter(&mut self, name: String) -> Result<LabelFilter, ParseError> {
        let at = self.at();
        let is_negated = match self.match_op() {
            Some(MatchOp::Equal) => false,
            Some(MatchOp::NotEqual) => true,
            _ => {
                return Err(self.error_at(
                    at,
                    "ip() goes with = and != only; write name=ip(\"10.0.0.0/8\")",
                ));
            }
        };
        match self.ip()? {
            Some(range) => Ok(LabelFilter::Ip {
                name,
                is_negated,
                range,
            }),
            None => {
                self.next += 1;
                Err(self.unexpected("\"(\" behind ip, as in name=ip(\"10.0.0.0/8\")"))
            }
        }
    }

    fn number_filter(&mut self, name: String) -> Result<LabelFilter, ParseError> {
        let op = match self.peek() {
            Token::Sign("=" | "==") => CompareOp::Equal,
            Token::Sign("!=") => CompareOp::NotEqual,
            Token::Sign(">") => CompareOp::Greater,
            Token::Sign(">=") => CompareOp::GreaterOrEqual,
            Token::Sign("<") => CompareOp::Less,
            Token::Sign("<=") => CompareOp::LessOrEqual,
            _ => {
                self.next += 1;
                return Err(self.unexpected("a regular expression in quotes"));
            }
        };
        self.next += 1;
        let is_signed = self.is_sign("-") || self.is_sign("+");
        let is_negative = self.is_sign("-");
        match *self.peek_at(usize::from(is_signed)) {
            Token::Duration(nanos) => {
                self.next += 1 + usize::from(is_signed);
                let value = if is_negative { -nanos } else { nanos } as f64;
                Ok(LabelFilter::Duration(Comparison { name, op, value }))
            }
            Token::Bytes(_) if is_signed => {
                Err(self.error("a size has no sign; write it as in size > 20KB"))
            }
            Token::Bytes(value) => {
                self.next += 1;
                Ok(LabelFilter::Bytes(Comparison { name, op, value }))
            }
            _ => {
                let what = "a text in quotes, a number, a duration, a size or ip(\"…\")";
                let value = self.signed_number(what)?;
                Ok(LabelFilter::Number(Comparison { name, op, value }))
            }
        }
    }
}
