//! What fails: texts that are nearly expressions, and expressions that cannot be computed.

use super::Generator;
use super::words::words;

/// What is put where it does not belong.
const STRAY: [&str; 34] = [
    "by",
    "on",
    "bool",
    "group_left",
    "offset",
    "@",
    "and",
    "sum",
    "rate",
    "(",
    ")",
    "[",
    "]",
    "{",
    "}",
    ",",
    "=",
    "==",
    "=~",
    "!=",
    "+",
    "-",
    "*",
    "/",
    "^",
    "5m",
    "12",
    "1.5",
    "\"a\"",
    "'b'",
    "temperature",
    "start()",
    "!",
    ":",
];

impl Generator<'_> {
    /// An expression with a word too many, too few, or another.
    pub(super) fn broken(&mut self) -> String {
        let depth = 1 + self.below(2);
        let whole = match self.below(3) {
            0 => self.inexact(depth),
            1 => self.scalar(depth),
            _ => self.exact(depth),
        };
        let mut words = words(&whole);
        for _ in 0..=self.below(2) {
            let at = self.below(words.len() as u32) as usize;
            match self.below(5) {
                0 => {
                    words.remove(at);
                }
                1 => words.insert(at, words[at]),
                2 => {
                    let middle = words.len() / 2;
                    words.swap(at, middle);
                }
                3 => words[at] = self.one(&STRAY),
                _ => words.insert(at, self.one(&STRAY)),
            }
            if words.is_empty() {
                break;
            }
        }
        words.concat()
    }

    /// An expression that is well formed, and often cannot be computed.
    pub(super) fn doubtful(&mut self) -> String {
        let (a, b) = (self.exact(1), self.exact(1));
        match self.below(10) {
            0 => {
                let op = self.one(&["+", "*", ">", "=="]);
                let on = self.one(&[
                    "on (job)",
                    "on ()",
                    "ignoring (instance)",
                    "ignoring (code, le)",
                    "",
                ]);
                format!("({a}) {op} {on} ({b})")
            }
            1 => {
                let group = self.one(&[
                    "group_left",
                    "group_right",
                    "group_left (instance)",
                    "group_right (team)",
                ]);
                format!(
                    "({a}) {} on (job) {group} ({b})",
                    self.one(&["+", "/", "<"])
                )
            }
            2 => format!("label_replace({a}, \"instance\", \"same\", \"instance\", \".*\")"),
            3 => format!("label_join({a}, \"instance\", \"\")"),
            4 => format!("rate({{job=\"{}\"}}[5m])", self.one(&["api", "db"])),
            5 => format!(
                "{{instance=\"a:1\", __name__=~\"flag|limit|temperature\"}} {} 2",
                self.one(&["*", ">", ">= bool"])
            ),
            6 => {
                let (label, pattern) = (self.one(&["ok", "job"]), self.one(&["(", "a", ".*", "["]));
                format!("label_replace({a}, \"{label}\", \"x\", \"job\", \"{pattern}\")")
            }
            7 => {
                let function = self.one(&[
                    "abs",
                    "sum",
                    "topk",
                    "rate",
                    "clamp",
                    "label_join",
                    "nope",
                    "time",
                    "vector",
                    "round",
                ]);
                format!("{function}({a}, {b})")
            }
            8 => {
                let function = self.one(&[
                    "rate",
                    "quantile",
                    "count_values",
                    "scalar",
                    "vector",
                    "histogram_quantile",
                    "absent_over_time",
                    "time",
                ]);
                format!("{function}({a})")
            }
            _ => {
                let op = self.one(&["topk", "bottomk", "quantile"]);
                let parameter = self.one(&[
                    "NaN",
                    "Inf",
                    "1e300",
                    "-Inf",
                    "\"x\"",
                    "temperature",
                    "1e18",
                ]);
                format!("{op}({parameter}, {a})")
            }
        }
    }
}
