//! Functions over the records of a window, and `unwrap`.

use super::{Parser, Token};
use crate::ast::{Conversion, LogExpr, MetricExpr, RangeAggregation, RangeOp, Stage, Unwrap};
use sonde_lex::ParseError;

/// `{…} stage… [5m]` and its kind, as far as it was read.
struct LogRange {
    log: LogExpr,
    unwrap: Option<(Unwrap, usize)>,
    range: Option<i64>,
    offset: i64,
}

impl Parser<'_> {
    /// The function at `at`, whose name was read.
    pub(super) fn range_aggregation(
        &mut self,
        op: RangeOp,
        at: usize,
    ) -> Result<MetricExpr, ParseError> {
        if self.is_word("by") || self.is_word("without") {
            return Err(self.error(format!(
                "{} takes its grouping at the end; write {}(…) by (…)",
                op.as_str(),
                op.as_str()
            )));
        }
        self.expect_sign("(", "behind the function's name")?;
        let parameter = self.range_parameter(op)?;
        let LogRange {
            log,
            unwrap,
            range,
            offset,
        } = self.log_range()?;
        let Some(range) = range else {
            return Err(self.unexpected("a range such as [5m]"));
        };
        let close = format!("to close {}(", op.as_str());
        self.expect_sign(")", &close)?;
        let grouping_at = self.at();
        let grouping = self.grouping()?;
        if grouping.is_some() && !op.takes_grouping() {
            return Err(self.error_at(
                grouping_at,
                format!("{0} is not grouped; write sum by (…) ({0}(…))", op.as_str()),
            ));
        }
        let unwrap = match unwrap {
            Some((_, at)) if !op.takes_unwrap() => {
                return Err(self.error_at(
                    at,
                    format!(
                        "{} counts lines or their bytes; take unwrap away, or use sum_over_time",
                        op.as_str()
                    ),
                ));
            }
            None if op.demands_unwrap() => {
                return Err(self.error_at(
                    at,
                    format!(
                        "{} needs numbers; write | unwrap and a label behind the stages",
                        op.as_str()
                    ),
                ));
            }
            unwrap => unwrap.map(|(unwrap, _)| unwrap),
        };
        Ok(MetricExpr::Range(Box::new(RangeAggregation {
            op,
            parameter,
            log,
            unwrap,
            range,
            offset,
            grouping,
        })))
    }

    fn range_parameter(&mut self, op: RangeOp) -> Result<Option<f64>, ParseError> {
        if op == RangeOp::Quantile {
            let what = "a quantile, as in quantile_over_time(0.99, …)";
            let quantile = self.signed_number(what)?;
            self.expect_sign(",", "behind the quantile")?;
            return Ok(Some(quantile));
        }
        if matches!(self.peek(), Token::Number(_)) {
            return Err(self.error(format!(
                "{0} takes no number; write {0}({{…}}[5m])",
                op.as_str()
            )));
        }
        Ok(None)
    }

    fn log_range(&mut self) -> Result<LogRange, ParseError> {
        let is_closed = self.is_sign("(");
        let mut read = if self.take_sign("(") {
            self.deeper(|parser| {
                let inner = parser.log_range()?;
                parser.expect_sign(")", "to close the parenthesis, or a stage")?;
                Ok(inner)
            })?
        } else {
            if !self.is_sign("{") {
                return Err(self.unexpected("a selector such as {service_name=\"checkout\"} (a function over time takes lines; there are no subqueries)"));
            }
            LogRange {
                log: LogExpr {
                    matchers: self.selector()?,
                    stages: Vec::new(),
                },
                unwrap: None,
                range: None,
                offset: 0,
            }
        };
        loop {
            if self.is_sign("[") {
                self.range(&mut read)?;
            } else if self.is_word("offset") {
                return Err(
                    self.error("offset stands right behind the range; write [5m] offset 1h")
                );
            } else if self.is_stage() {
                self.range_stages(&mut read, is_closed)?;
            } else {
                return Ok(read);
            }
        }
    }

    fn range_stages(&mut self, read: &mut LogRange, is_closed: bool) -> Result<(), ParseError> {
        let at = self.at();
        if read.unwrap.is_some() {
            return Err(self.error(
                "only label filters may stand behind unwrap; write other stages before it",
            ));
        }
        let before = read.log.stages.len();
        let stages: &mut Vec<Stage> = &mut read.log.stages;
        read.unwrap = self.stages(stages)?;
        // `({…})[5m] | unwrap a` is what Loki's grammar has behind a parenthesis.
        if is_closed && (read.log.stages.len() > before || read.range.is_none()) {
            return Err(self.error_at(
                at,
                "stages stand inside of the parentheses; write ({…} | json)[5m]",
            ));
        }
        Ok(())
    }

    /// `[5m]`, and an offset behind it.
    fn range(&mut self, read: &mut LogRange) -> Result<(), ParseError> {
        if read.range.is_some() {
            return Err(self.error("there is a range already; take one of them away"));
        }
        self.next += 1;
        let at = self.at();
        let range = match *self.peek() {
            Token::Duration(nanos) => nanos,
            Token::Number(_) => {
                return Err(self.error("a range needs a unit; write [5m] or [300s]"));
            }
            _ => return Err(self.unexpected("a range such as [5m]")),
        };
        if range <= 0 {
            return Err(self.error_at(at, "a range is longer than nothing; write [5m]"));
        }
        self.next += 1;
        if self.is_sign(":") {
            return Err(self.error("there are no subqueries; write one range such as [5m]"));
        }
        self.expect_sign("]", "to close the range")?;
        read.range = Some(range);
        if self.take_word("offset") {
            read.offset = self.offset()?;
            if self.is_word("offset") {
                return Err(self.error("there is an offset already; take one of them away"));
            }
        }
        Ok(())
    }

    fn offset(&mut self) -> Result<i64, ParseError> {
        let is_signed = self.is_sign("-") || self.is_sign("+");
        let is_negative = self.is_sign("-");
        match *self.peek_at(usize::from(is_signed)) {
            Token::Duration(nanos) => {
                self.next += 1 + usize::from(is_signed);
                Ok(if is_negative { -nanos } else { nanos })
            }
            _ => Err(self.unexpected("a duration behind offset, such as 1h")),
        }
    }

    /// What stands behind the word.
    pub(super) fn unwrap(&mut self) -> Result<Unwrap, ParseError> {
        let at = self.at();
        let word = self.name("a label's name behind unwrap, such as bytes or duration(latency)")?;
        let (label, conversion) = if self.take_sign("(") {
            let Some(conversion) = Conversion::from_word(&word) else {
                return Err(self.error_at(
                    at,
                    "unknown conversion; use bytes(…), duration(…) or duration_seconds(…)",
                ));
            };
            let label = self.name("a label's name")?;
            self.expect_sign(")", "behind the label's name")?;
            (label, conversion)
        } else {
            (word, Conversion::None)
        };
        let mut filters = Vec::new();
        while self.is_stage() {
            self.check_count(filters.len(), "label filters")?;
            let is_piped = self.take_sign("|");
            if !is_piped || !self.is_label_filter() {
                return Err(self.error(
                    "only label filters may stand behind unwrap; write other stages before it",
                ));
            }
            let from = self.next;
            let filter = self.label_filters()?;
            self.compiled(Stage::Label(filter.clone()), from)?;
            filters.push(filter);
        }
        Ok(Unwrap {
            label,
            conversion,
            filters,
        })
    }
}
