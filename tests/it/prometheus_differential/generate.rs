//! Questions: an expression, and when it is asked.
//!
//! Two kinds of expressions. What is *exact* gives the same bits whatever the order of its
//! operations, so it may be compared, rounded, ranked and counted. What is *inexact* (rates,
//! averages, quotients, functions that another library computes) may be off in its last
//! digits, so it is only handed to what is smooth.

mod broken;
mod exact;
mod inexact;
mod words;

use super::data::{BASE, END};
use rand::Rng as _;
use rand::seq::IndexedRandom as _;
use rand_chacha::ChaCha8Rng;
use std::fmt;

/// What is asked, and when.
#[derive(Clone, Debug)]
pub(super) struct Question {
    pub(super) expr: String,
    when: When,
    /// Whether the language says in which order an answer at one time stands.
    pub(super) is_ordered: bool,
}

#[derive(Clone, Copy, Debug)]
enum When {
    At(i64),
    /// From, to and step.
    Over(i64, i64, i64),
}

impl Question {
    pub(super) fn at(expr: &str, time: i64) -> Self {
        Self {
            expr: expr.to_owned(),
            when: When::At(time),
            is_ordered: false,
        }
    }

    /// An expression, after `range ` over all samples, else at a time among them.
    pub(super) fn parsed(text: &str) -> Self {
        let over = text.strip_prefix("range ");
        let mut question = Self::at(over.unwrap_or(text), BASE + 2_400_123);
        if over.is_some() {
            question.when = When::Over(BASE + 123, BASE + 2_400_123, 47_000);
        }
        question
    }

    pub(super) fn endpoint(&self) -> &'static str {
        match self.when {
            When::At(_) => "query",
            When::Over(..) => "query_range",
        }
    }

    pub(super) fn is_range(&self) -> bool {
        matches!(self.when, When::Over(..))
    }

    pub(super) fn parameters(&self) -> Vec<(&'static str, String)> {
        let mut all = vec![("query", self.expr.clone())];
        match self.when {
            When::At(time) => all.push(("time", seconds(time))),
            When::Over(start, end, step) => all.extend([
                ("start", seconds(start)),
                ("end", seconds(end)),
                ("step", seconds(step)),
            ]),
        }
        all
    }
}

impl fmt::Display for Question {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.when {
            When::At(time) => write!(f, "{}\n  at {}", self.expr, seconds(time)),
            When::Over(start, end, step) => write!(
                f,
                "{}\n  from {} to {} by {}",
                self.expr,
                seconds(start),
                seconds(end),
                seconds(step)
            ),
        }
    }
}

fn seconds(millis: i64) -> String {
    format!("{}.{:03}", millis / 1000, millis % 1000)
}

/// The next question.
pub(super) fn question(rng: &mut ChaCha8Rng) -> Question {
    let when = when(rng);
    let mut generator = Generator {
        rng,
        inside_subquery: false,
    };
    let (expr, is_ordered) = match generator.below(20) {
        0..8 => (generator.exact(3), false),
        8..14 => (generator.inexact(3), false),
        14 => (generator.ranked(), true),
        15 => (generator.scalar(2), false),
        16 => (generator.plain(), false),
        17 => (generator.doubtful(), false),
        _ => (generator.broken(), false),
    };
    Question {
        expr,
        when,
        is_ordered,
    }
}

fn when(rng: &mut ChaCha8Rng) -> When {
    // Before the first sample, among them, behind the last.
    let start = BASE - 600_000 + rng.random_range(0..(END - BASE) / 1000) * 1000 + 123;
    if rng.random_bool(0.5) {
        return When::At(start);
    }
    let step = [4_000, 15_000, 47_000, 61_000, 300_000].choose(rng);
    let step = step.copied().unwrap_or(15_000);
    When::Over(start, start + step * rng.random_range(0..30), step)
}

/// Makes expressions.
struct Generator<'r> {
    rng: &'r mut ChaCha8Rng,
    /// Whether times of evaluation are whole seconds.
    inside_subquery: bool,
}

impl Generator<'_> {
    fn below(&mut self, n: u32) -> u32 {
        self.rng.random_range(0..n)
    }

    fn one<'a>(&mut self, from: &[&'a str]) -> &'a str {
        from.choose(self.rng).copied().unwrap_or_default()
    }

    fn chance(&mut self, of: f64) -> bool {
        self.rng.random_bool(of)
    }

    /// What stands behind a selector. Inside a subquery times are whole seconds already.
    fn when(&mut self) -> &'static str {
        self.one(&[
            "",
            "",
            "",
            "",
            " offset 3m",
            " offset -2m",
            " offset 1h",
            " @ 1700001600.123",
            " @ start()",
            " @ end()",
            " @ 1700000900.123 offset 1m",
            " offset -40s @ 1700001200.123",
            " @ end() offset -1m",
        ])
    }

    fn matchers(&mut self) -> &'static str {
        self.one(&[
            "",
            "",
            "",
            "{job=\"api\"}",
            "{job!=\"api\"}",
            "{instance=~\"a:1|c:3\"}",
            "{instance=~\"[ab].*\", job=~\".+b\"}",
            "{instance!~\"b.*\", job=\"db\"}",
            "{code=\"200\"}",
            "{code!~\"5..\"}",
            "{code=\"\"}",
            "{job=~\"\"}",
            "{nothing=\"\", job!=\"web\",}",
            "{job='api', instance=`a:1`}",
            "{instance=\"\\x61:\\u0031\"}",
        ])
    }

    /// A selector of floats that add up exactly.
    fn selector(&mut self) -> String {
        if self.chance(0.08) {
            let of_many = self.one(&[
                "{__name__=~\"flag|limit\"}",
                "{__name__=~\"temp.+\", job=\"api\"}",
                "{job=\"db\", __name__!~\"latency.*|requests.*|young.*\"}",
                "{__name__=\"job:zones:sum\"}",
                "{zone!=\"\"}",
                "{__name__=~\".*_total\", instance=\"a:1\"}",
            ]);
            return format!("{of_many}{}", self.when());
        }
        let name = self.name();
        format!("{name}{}{}", self.matchers(), self.when())
    }

    fn name(&mut self) -> &'static str {
        self.one(&[
            "requests_total",
            "young_total",
            "temperature",
            "temperature",
            "flag",
            "latency_bucket",
            "latency_count",
            "build_info",
            "limit",
            "odd",
            "job:zones:sum",
            "nothing",
        ])
    }

    /// A range of samples; with `of`, of one of these metrics.
    fn range_of(&mut self, of: &[&str]) -> String {
        let name = self.one(of);
        format!(
            "{name}{}[{}]{}",
            self.matchers(),
            self.length(),
            self.when()
        )
    }

    fn length(&mut self) -> &'static str {
        self.one(&[
            "20s", "40s", "1m", "90s", "2m", "5m", "11m", "20m", "1h30m", "100ms",
        ])
    }

    /// `(expr)[range:step]`
    fn subquery(&mut self, inner: impl FnOnce(&mut Self) -> String) -> String {
        let nested = std::mem::replace(&mut self.inside_subquery, true);
        let inner = inner(self);
        self.inside_subquery = nested;
        let length = self.one(&["1m", "5m", "7m", "12m"]);
        let step = self.one(&["10s", "30s", "47s", "1m", ""]);
        // Steps are at whole seconds. In a subquery ends of ranges would be too.
        let when = if nested {
            self.one(&[" offset 1037ms", " offset -2s963ms", " @ 1700001600.123"])
        } else {
            self.when()
        };
        format!("({inner})[{length}:{step}]{when}")
    }

    /// What aggregations are done by.
    fn grouping(&mut self) -> &'static str {
        self.one(&[
            "",
            "",
            "by (job) ",
            "by (instance) ",
            "by (job, instance) ",
            "by (code, le) ",
            "by (nothing) ",
            "by () ",
            "by (__name__, job) ",
            "without (instance) ",
            "without (job) ",
            "without (code, le, version) ",
            "without () ",
        ])
    }

    /// `op(expr)` with its labels before or behind.
    fn aggregation(&mut self, op: &str, arguments: &str) -> String {
        let grouping = self.grouping();
        if self.chance(0.2) {
            return format!("{op}({arguments}) {grouping}")
                .trim_end()
                .to_owned();
        }
        format!("{op} {grouping}({arguments})")
    }

    fn number(&mut self) -> String {
        let sixteenths = self.rng.random_range(-48..960);
        format!("{}", f64::from(sixteenths) / 16.0)
    }

    /// A scalar. No remainder: powers differ in their last digits, and remainders of them in all.
    fn scalar(&mut self, depth: u32) -> String {
        if depth == 0 {
            let number = self.number();
            return self
                .one(&[
                    "1", "0", "2.5", "-3", "time()", "pi()", "1e3", "Inf", "NaN", "0x1f", &number,
                ])
                .to_owned();
        }
        match self.below(6) {
            0 => format!("scalar({})", self.exact(depth - 1)),
            1 => format!("-({})", self.scalar(depth - 1)),
            2 => format!("({})", self.scalar(depth - 1)),
            _ => {
                let op = self.one(&[
                    "+", "-", "*", "/", "-", "^", "atan2", "> bool", "== bool", "<= bool",
                    "!= bool",
                ]);
                let (lhs, rhs) = (self.scalar(depth - 1), self.scalar(depth - 1));
                format!("({lhs} {op} {rhs})")
            }
        }
    }

    /// What is given as it is: samples, texts, values that are hard to write.
    fn plain(&mut self) -> String {
        match self.below(6) {
            0 => format!(
                "\"{}\"",
                self.one(&["text", "", "ü", "a\\\"b", "\\n", "\\\\"])
            ),
            1 => self.range_of(&[
                "temperature",
                "odd",
                "build_info",
                "extreme",
                "job:zones:sum",
            ]),
            2 => self.subquery(|own| own.exact(1)),
            3 => format!("extreme * {}", self.one(&["1", "10", "-1", "1e-5"])),
            4 => format!("extreme{}", self.when()),
            _ => format!(
                "({{__name__=~\"{}\"}})",
                self.one(&["odd|extreme", "t.*", ".*_info"])
            ),
        }
    }

    /// An order that the language gives, without two of one rank.
    fn ranked(&mut self) -> String {
        let unique = self.one(&[
            "temperature",
            "temperature{job!=\"db\"}",
            "abs(temperature)",
            "(temperature - 100)",
            "temperature offset 4m",
            "-temperature",
        ]);
        let k = self.one(&["1", "2", "3", "5", "100", "0", "-1", "2.7"]);
        match self.below(4) {
            0 => format!("sort({unique})"),
            1 => format!("sort_desc({unique})"),
            2 => format!(
                "topk {}({k}, {unique})",
                self.one(&["", "by (job) ", "without (job) "])
            ),
            _ => format!(
                "bottomk {}({k}, {unique})",
                self.one(&["", "by (instance) ", "without (instance, job) "])
            ),
        }
    }
}
