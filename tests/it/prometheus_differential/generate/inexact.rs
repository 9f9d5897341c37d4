//! Expressions whose values may differ in their last digits, and only such of them.

use super::Generator;

impl Generator<'_> {
    /// A vector whose values are compared nearly.
    pub(super) fn inexact(&mut self, depth: u32) -> String {
        if depth == 0 {
            return self.rated();
        }
        match self.below(12) {
            0 | 1 => self.rated(),
            2 => self.over_gauges(depth),
            3 => {
                let op = self.one(&["avg", "stddev", "stdvar"]);
                let inner = self.steady(depth - 1);
                self.aggregation(op, &inner)
            }
            4 => {
                let op = self.one(&["sum", "min", "max", "count", "group", "avg"]);
                let inner = self.inexact(depth - 1);
                self.aggregation(op, &inner)
            }
            5 => {
                let q = self.one(&["0.5", "0.9", "0", "1", "-0.1", "1.5", "NaN"]);
                let arguments = format!("{q}, {}", self.exact(depth - 1));
                self.aggregation("quantile", &arguments)
            }
            6 => self.of_buckets(),
            7 => self.smooth(depth),
            8 => self.quotient(depth),
            9 => {
                let op = self.one(&["and", "or", "unless"]);
                let on = self.one(&["", "on (job, instance) ", "on () ", "ignoring (code, le) "]);
                format!(
                    "({}) {op} {on}({})",
                    self.inexact(depth - 1),
                    self.exact(depth - 1)
                )
            }
            10 => format!(
                "label_replace({}, \"job\", \"$1.$2\", \"instance\", \"(.):(.)\")",
                self.inexact(depth - 1)
            ),
            _ => {
                let function = self.one(&[
                    "max_over_time(",
                    "min_over_time(",
                    "avg_over_time(",
                    "sum_over_time(",
                    "last_over_time(",
                    "count_over_time(",
                    "quantile_over_time(0.3, ",
                    "stddev_over_time(",
                ]);
                format!("{function}{})", self.subquery(|own| own.inexact(depth - 1)))
            }
        }
    }

    /// Without what is no number or has no end, and without times: how far those spread is far
    /// less than they are large.
    fn steady(&mut self, depth: u32) -> String {
        let inner = self.exact(depth);
        if ["odd", "__name__", "time"]
            .iter()
            .any(|word| inner.contains(word))
        {
            return self.name().replace("odd", "flag");
        }
        inner
    }

    fn rated(&mut self) -> String {
        let function = self.one(&["rate", "increase", "irate"]);
        let range = self.range_of(&[
            "requests_total",
            "young_total",
            "latency_bucket",
            "latency_count",
        ]);
        format!("{function}({range})")
    }

    fn over_gauges(&mut self, depth: u32) -> String {
        let function = self.one(&[
            "delta",
            "deriv",
            "avg_over_time",
            "stddev_over_time",
            "stdvar_over_time",
            "quantile_over_time",
            "predict_linear",
        ]);
        let range = if self.chance(0.25) {
            self.subquery(|own| own.steady(depth - 1))
        } else {
            self.range_of(&["temperature", "flag", "limit", "temperature"])
        };
        match function {
            "quantile_over_time" => {
                let q = self.one(&["0", "0.4", "0.95", "1", "-1", "2", "scalar(vector(0.5))"]);
                format!("{function}({q}, {range})")
            }
            "predict_linear" => {
                let ahead = self.one(&["600", "-300", "3600.5"]);
                format!("{function}({range}, {ahead})")
            }
            _ => format!("{function}({range})"),
        }
    }

    fn of_buckets(&mut self) -> String {
        let q = self.one(&[
            "0.5",
            "0.9",
            "0.99",
            "0",
            "1",
            "-1",
            "2",
            "scalar(vector(0.25))",
        ]);
        let (range, matchers) = (self.length(), self.matchers());
        let by = self.one(&["le", "le, job", "le, instance", "job"]);
        let buckets = match self.below(4) {
            0 => format!("latency_bucket{matchers}"),
            1 => format!("rate(latency_bucket[{range}])"),
            2 => format!("sum by ({by}) (rate(latency_bucket[{range}]))"),
            _ => format!("sum without (instance) (increase(latency_bucket{matchers}[{range}]))"),
        };
        format!("histogram_quantile({q}, {buckets})")
    }

    fn smooth(&mut self, depth: u32) -> String {
        match self.below(6) {
            0 => {
                let function = self.one(&[
                    "sqrt", "ln", "log2", "log10", "exp", "sin", "cos", "tan", "asin", "acos",
                    "atan", "sinh", "cosh", "tanh", "asinh", "acosh", "atanh", "deg", "rad",
                ]);
                format!("{function}({})", self.exact(depth - 1))
            }
            1 => format!("({}) * {}", self.inexact(depth - 1), self.number()),
            2 => format!("-({})", self.inexact(depth - 1)),
            3 => format!("abs({})", self.inexact(depth - 1)),
            4 => format!("clamp_max({}, 40)", self.inexact(depth - 1)),
            _ => format!("{} + ({})", self.number(), self.inexact(depth - 1)),
        }
    }

    fn quotient(&mut self, depth: u32) -> String {
        let group = self.one(&["job", "instance", "job, instance"]);
        match self.below(4) {
            0 => {
                let by = self.one(&["3", "7", "0", "limit"]);
                format!("({}) / {by}", self.exact(depth - 1))
            }
            1 => {
                let op = self.one(&["/", "*", "^", "atan2"]);
                let (lhs, rhs) = (self.exact(depth - 1), self.exact(depth - 1));
                format!("sum by ({group}) ({lhs}) {op} on ({group}) max by ({group}) ({rhs})")
            }
            2 => format!(
                "sum by ({group}) ({}) / on (job) group_left (team) limit",
                self.inexact(depth - 1)
            ),
            _ => {
                let by = self.one(&["7", "0.5", "-3", "0", "Inf"]);
                format!("({}) % {by}", self.selector())
            }
        }
    }
}
