//! Queries over several lines: what fits into a line stays on one, what does not is opened,
//! two blanks deeper; each stage and each argument has a line of its own then.

use super::stage::separator;
use super::{labels, metric, selector, stage};
use crate::ast::{
    Binary, Expr, LabelReplace, LogExpr, MetricExpr, RangeAggregation, Unwrap, VectorAggregation,
};
use std::fmt::{Display, Formatter, Result};

/// How long a line may be, in characters, before it is opened.
const LINE_MAX: usize = 100;

/// A query as an editor shows it. It reads back as the same query.
#[must_use]
pub fn pretty(expr: &Expr) -> String {
    let mut lines = Lines { out: String::new() };
    match expr {
        Expr::Log(log) => lines.log(log, 0),
        Expr::Metric(metric) => lines.metric(metric, 0),
    }
    lines.out
}

struct Lines {
    out: String,
}

impl Lines {
    /// Begins a line, unless the text is empty.
    fn begin(&mut self, level: usize) {
        if !self.out.is_empty() {
            self.out.push('\n');
        }
        self.out.push_str(&"  ".repeat(level));
    }

    fn line(&mut self, level: usize, text: &str) {
        self.begin(level);
        self.out.push_str(text);
    }

    fn log(&mut self, log: &LogExpr, level: usize) {
        let whole = log.to_string();
        if fits(&whole) {
            return self.line(level, &whole);
        }
        self.opened_log(log, level);
    }

    fn opened_log(&mut self, log: &LogExpr, level: usize) {
        self.line(level, &shown(|f| selector(f, &log.matchers)));
        let mut before = None;
        for stage in &log.stages {
            let extra = separator(before, stage).trim();
            if !extra.is_empty() {
                self.line(level + 1, extra);
            }
            self.line(level + 1, &stage.to_string());
            before = Some(stage);
        }
    }

    fn metric(&mut self, expr: &MetricExpr, level: usize) {
        let whole = expr.to_string();
        if fits(&whole) {
            return self.line(level, &whole);
        }
        match expr {
            MetricExpr::Number(_) | MetricExpr::Vector(_) => self.line(level, &whole),
            MetricExpr::Range(range) => self.range(range, level),
            MetricExpr::Aggregate(aggregation) => self.aggregation(aggregation, level),
            MetricExpr::Binary(binary) => self.binary(binary, level),
            MetricExpr::LabelReplace(replace) => self.label_replace(replace, level),
        }
    }

    fn range(&mut self, range: &RangeAggregation, level: usize) {
        self.line(level, range.op.as_str());
        self.out.push('(');
        if let Some(parameter) = range.parameter {
            let parameter = sonde_lex::number_text(parameter);
            self.line(level + 1, &format!("{parameter},"));
        }
        match &range.unwrap {
            None => self.log(&range.log, level + 1),
            Some(unwrap) => {
                self.opened_log(&range.log, level + 1);
                self.unwrap(unwrap, level + 2);
            }
        }
        self.out.push(' ');
        // Writing to a string does not fail.
        let _ = metric::window(&mut self.out, range);
        self.line(level, ")");
        if let Some(grouping) = &range.grouping {
            self.out.push_str(&format!(" {grouping}"));
        }
    }

    fn unwrap(&mut self, unwrap: &Unwrap, level: usize) {
        self.line(level, &shown(|f| stage::unwrap_only(f, unwrap)));
        for filter in &unwrap.filters {
            let filter = shown(|f| labels::whole(f, filter));
            self.line(level, &format!("| {filter}"));
        }
    }

    fn aggregation(&mut self, aggregation: &VectorAggregation, level: usize) {
        self.line(level, aggregation.op.as_str());
        if let Some(grouping) = &aggregation.grouping {
            self.out.push_str(&format!(" {grouping} "));
        }
        self.out.push('(');
        if let Some(parameter) = aggregation.parameter {
            self.line(level + 1, &format!("{parameter},"));
        }
        self.metric(&aggregation.expr, level + 1);
        self.line(level, ")");
    }

    fn label_replace(&mut self, replace: &LabelReplace, level: usize) {
        self.line(level, "label_replace(");
        self.metric(&replace.expr, level + 1);
        for text in metric::texts(replace) {
            self.out.push(',');
            self.line(level + 1, &text);
        }
        self.line(level, ")");
    }

    fn binary(&mut self, binary: &Binary, level: usize) {
        self.side(binary, &binary.left, false, level);
        self.line(level, &metric::operator(binary));
        self.side(binary, &binary.right, true, level);
    }

    fn side(&mut self, binary: &Binary, side: &MetricExpr, is_right: bool, level: usize) {
        if metric::needs_parentheses(binary, side, is_right) {
            self.line(level + 1, "(");
            self.metric(side, level + 2);
            self.line(level + 1, ")");
        } else {
            self.metric(side, level + 1);
        }
    }
}

fn fits(text: &str) -> bool {
    text.chars().nth(LINE_MAX).is_none()
}

/// What a function writes.
fn shown(write: impl Fn(&mut Formatter<'_>) -> Result) -> String {
    struct Shown<F>(F);
    impl<F: Fn(&mut Formatter<'_>) -> Result> Display for Shown<F> {
        fn fmt(&self, f: &mut Formatter<'_>) -> Result {
            self.0(f)
        }
    }
    Shown(write).to_string()
}
