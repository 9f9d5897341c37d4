//! What turns spans into series.

use super::Parser;
use crate::ast::{Aggregate, Compare, Field, Function, Metrics, Second};
use crate::value::Value;
use sonde_lex::ParseError;

/// How many quantiles are told of one field.
const QUANTILES_MAX: usize = 16;
/// How many second stages there are.
const SECOND_MAX: usize = 8;
/// How many values of an attribute `compare` tells, unless it is said.
const TOP: usize = 10;
/// The most that may be said, also to `topk`.
const TOP_MAX: i64 = 10_000;

const FUNCTIONS: [&str; 9] = [
    "rate",
    "count_over_time",
    "min_over_time",
    "max_over_time",
    "sum_over_time",
    "avg_over_time",
    "quantile_over_time",
    "histogram_over_time",
    "compare",
];

impl Parser<'_> {
    /// Whether a metrics function stands here.
    pub(super) fn is_metrics(&self) -> bool {
        FUNCTIONS.iter().any(|name| self.is_call(name))
    }

    /// `| rate() by (...) | topk(5)`, where it stands here.
    pub(super) fn metrics(&mut self) -> Result<Option<Metrics>, ParseError> {
        let before = self.at;
        if !self.eat("|") {
            return Ok(None);
        }
        if !self.is_metrics() {
            self.at = before;
            return Ok(None);
        }
        let function = self.function()?;
        let by = if self.eat_word("by") {
            self.fields("by")?
        } else {
            Vec::new()
        };
        let mut second = Vec::new();
        while let Some(stage) = self.second()? {
            if second.len() == SECOND_MAX {
                return Err(self.error(format!("at most {SECOND_MAX} stages follow a function")));
            }
            second.push(stage);
        }
        Ok(Some(Metrics {
            function,
            by,
            second,
        }))
    }

    fn function(&mut self) -> Result<Function, ParseError> {
        let name = self.word();
        self.eat(name);
        self.expect("(", &format!("after {name}"))?;
        let function = match name {
            "rate" => Function::Rate,
            "count_over_time" => Function::CountOverTime,
            "min_over_time" => Function::OverTime(Aggregate::Min, self.number_field()?),
            "max_over_time" => Function::OverTime(Aggregate::Max, self.number_field()?),
            "sum_over_time" => Function::OverTime(Aggregate::Sum, self.number_field()?),
            "avg_over_time" => Function::OverTime(Aggregate::Avg, self.number_field()?),
            "histogram_over_time" => Function::Histogram(self.number_field()?),
            "quantile_over_time" => self.quantiles()?,
            _ => self.compare_function()?,
        };
        self.expect(")", &format!("after what {name} takes"))?;
        Ok(function)
    }

    fn quantiles(&mut self) -> Result<Function, ParseError> {
        let field: Field = self.number_field()?;
        let mut quantiles = Vec::new();
        while self.eat(",") {
            let at = self.at;
            let quantile = self.literal()?.and_then(|value| value.number());
            match quantile {
                Some(q) if (0.0..=1.0).contains(&q) && quantiles.len() < QUANTILES_MAX => {
                    quantiles.push(q);
                }
                _ => {
                    return Err(self.error_at(
                        at,
                        format!("expected at most {QUANTILES_MAX} numbers from 0 to 1, as in quantile_over_time(duration, .5, .99)"),
                    ));
                }
            }
        }
        if quantiles.is_empty() {
            return Err(self.error("expected , and a quantile such as .99"));
        }
        Ok(Function::Quantile(field, quantiles))
    }

    fn compare_function(&mut self) -> Result<Function, ParseError> {
        let selection = Box::new(self.spansets()?);
        let mut numbers = Vec::new();
        while self.eat(",") {
            let at = self.at;
            match self.literal()? {
                Some(Value::Int(n)) if numbers.len() < 3 => numbers.push((n, at)),
                _ => {
                    return Err(self.error_at(
                        at,
                        "expected at most three whole numbers: how many values, from when on and until when in nanoseconds",
                    ));
                }
            }
        }
        let top = match numbers.first() {
            None => TOP,
            Some((n, at)) => self.small(*n, *at)?,
        };
        let period = match numbers[..] {
            [] | [_] => None,
            [_, (start, _), (end, _)] if start < end => Some((start, end)),
            _ => return Err(self.error("expected two times, the earlier one first")),
        };
        Ok(Function::Compare {
            selection,
            top,
            period,
        })
    }

    fn second(&mut self) -> Result<Option<Second>, ParseError> {
        let has_pipe = self.eat("|");
        let at = self.at;
        for (name, is_top) in [("topk", true), ("bottomk", false)] {
            if has_pipe && self.eat_word(name) {
                self.expect("(", &format!("after {name}"))?;
                let at = self.at;
                let Some(Value::Int(n)) = self.literal()? else {
                    return Err(self.error_at(at, "expected how many series, as in topk(5)"));
                };
                let n = self.small(n, at)?;
                self.expect(")", "after the number")?;
                return Ok(Some(if is_top {
                    Second::TopK(n)
                } else {
                    Second::BottomK(n)
                }));
            }
        }
        let Some(op): Option<Compare> = self.compare() else {
            return if has_pipe {
                Err(self.error_at(
                    at,
                    "expected topk(n), bottomk(n) or a comparison such as > 5",
                ))
            } else {
                Ok(None)
            };
        };
        let at = self.at;
        let negative = self.eat("-");
        let value = match self.literal()? {
            Some(Value::Int(n)) => Value::Int(if negative { -n } else { n }),
            Some(Value::Float(n)) => Value::Float(if negative { -n } else { n }),
            Some(Value::Duration(n)) => Value::Duration(if negative { -n } else { n }),
            _ => return Err(self.error_at(at, "expected a number or a duration")),
        };
        Ok(Some(Second::Filter(op, value)))
    }

    fn small(&self, n: i64, at: usize) -> Result<usize, ParseError> {
        let fits = (1..=TOP_MAX).contains(&n);
        let n = usize::try_from(n).ok().filter(|_| fits);
        n.ok_or_else(|| self.error_at(at, format!("expected a number from 1 to {TOP_MAX}")))
    }
}
