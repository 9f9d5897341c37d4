//! Expressions whose values do not depend on the order in which they are computed.

use super::Generator;

const CALENDAR: [&str; 8] = [
    "minute",
    "hour",
    "day_of_week",
    "day_of_month",
    "day_of_year",
    "days_in_month",
    "month",
    "year",
];

impl Generator<'_> {
    /// A vector whose values are compared exactly.
    pub(super) fn exact(&mut self, depth: u32) -> String {
        if depth == 0 {
            return self.selector();
        }
        match self.below(16) {
            0 => self.selector(),
            1 | 2 => self.exact_over_range(depth),
            3 | 4 => {
                let op = self.one(&["sum", "min", "max", "count", "group"]);
                let inner = self.exact(depth - 1);
                self.aggregation(op, &inner)
            }
            5 => self.exact_with_number(depth),
            6 | 7 => self.matched(depth),
            8 => self.grouped(depth),
            9 => self.set(depth),
            10 => self.exact_function(depth),
            11 => self.labelled(depth),
            12 => self.counted(depth),
            13 => self.picked(),
            14 => self.made(depth),
            _ => format!("({})", self.exact(depth - 1)),
        }
    }

    fn exact_over_range(&mut self, depth: u32) -> String {
        let function = self.one(&[
            "min_over_time",
            "max_over_time",
            "sum_over_time",
            "count_over_time",
            "last_over_time",
            "present_over_time",
            "changes",
            "resets",
            "idelta",
            "absent_over_time",
        ]);
        if self.chance(0.3) {
            return format!("{function}({})", self.subquery(|own| own.exact(depth - 1)));
        }
        let range = self.range_of(&[
            "requests_total",
            "young_total",
            "temperature",
            "flag",
            "limit",
            "odd",
            "build_info",
            "latency_bucket",
        ]);
        format!("{function}({range})")
    }

    fn exact_with_number(&mut self, depth: u32) -> String {
        let (inner, number) = (self.exact(depth - 1), self.number());
        let op = self.one(&[
            "+", "-", "*", "==", "!=", ">", "<", ">=", "<=", "> bool", "<= bool", "== bool",
            "!= bool",
        ]);
        // Only what keeps values few binary digits long.
        let number = match op {
            "*" => self.one(&["2", "0.5", "-4", "0", "0.25"]),
            _ => &number,
        };
        match self.below(3) {
            0 => format!("{number} {op} ({inner})"),
            1 if op != "*" => {
                let job = self.one(&["api", "db", "no"]);
                format!("({inner}) {op} scalar(limit{{job=\"{job}\"}})")
            }
            _ => format!("({inner}) {op} {number}"),
        }
    }

    /// One side for one of the other.
    fn matched(&mut self, depth: u32) -> String {
        let op = self.one(&[
            "+", "-", "==", "!=", ">", "<=", "> bool", "== bool", "< bool",
        ]);
        let group = self.one(&["job", "instance", "job, instance"]);
        let (lhs, rhs) = (self.exact(depth - 1), self.exact(depth - 1));
        let aggregation = self.one(&["sum", "max", "min", "count"]);
        let on = match self.below(4) {
            0 => format!("on ({group}) "),
            1 => "ignoring (nothing) ".to_owned(),
            _ => String::new(),
        };
        format!("{aggregation} by ({group}) ({lhs}) {op} {on}{aggregation} by ({group}) ({rhs})")
    }

    /// Many for one.
    fn grouped(&mut self, depth: u32) -> String {
        let op = self.one(&["+", "-", ">", "<= bool", "=="]);
        let many = self.exact(depth - 1);
        match self.below(5) {
            0 => {
                let include = self.one(&["", " ()", " (team)", " (nothing)", " (team, nothing)"]);
                format!(
                    "({many}) {op} on (job) group_left{include} limit{}",
                    self.when()
                )
            }
            1 => {
                let include = self.one(&["", " (team)"]);
                format!("limit {op} on (job) group_right{include} ({many})")
            }
            2 => format!(
                "(temperature{}) * on (job, instance) group_left (version) build_info",
                self.when()
            ),
            3 => {
                let code = self.one(&["200", "5.."]);
                let labels = self.one(&["code", "code, le"]);
                format!(
                    "requests_total {op} ignoring ({labels}) group_left max without (code) (requests_total{{code=~\"{code}\"}})"
                )
            }
            _ => format!(
                "build_info * on (instance, job) group_right (version) temperature{}",
                self.matchers()
            ),
        }
    }

    fn set(&mut self, depth: u32) -> String {
        let op = self.one(&["and", "or", "unless"]);
        let on = self.one(&[
            "",
            "",
            "on (job, instance) ",
            "on (job) ",
            "on () ",
            "ignoring (code, le, version) ",
            "ignoring (instance) ",
        ]);
        format!(
            "({}) {op} {on}({})",
            self.exact(depth - 1),
            self.exact(depth - 1)
        )
    }

    fn exact_function(&mut self, depth: u32) -> String {
        let inner = self.exact(depth - 1);
        match self.below(9) {
            0 => {
                let function = self.one(&["abs", "ceil", "floor", "sgn", "round"]);
                format!("{function}({inner})")
            }
            1 => format!("round({inner}, {})", self.one(&["0.25", "8", "-2", "1024"])),
            2 => format!("clamp({inner}, {}, {})", self.number(), self.number()),
            3 => {
                let function = self.one(&["clamp_min", "clamp_max"]);
                format!("{function}({inner}, {})", self.number())
            }
            4 => format!("{}{inner}", self.one(&["-", "+"])),
            5 => format!("{}({inner})", self.one(&["sort", "sort_desc"])),
            6 => format!("{}({inner})", self.one(&CALENDAR)),
            7 if self.chance(0.5) => format!("timestamp({})", self.selector()),
            7 => format!("timestamp({inner})"),
            _ => format!("vector(scalar({inner}))"),
        }
    }

    fn labelled(&mut self, depth: u32) -> String {
        let inner = self.exact(depth - 1);
        if self.chance(0.5) {
            let label = self.one(&["job", "host", "instance", "code", "__name__"]);
            let replacement = self.one(&["$1", "$1.$2", "${1}x", "", "$3", "new", "$$1", "$name"]);
            let source = self.one(&["instance", "job", "nothing", "__name__", "code"]);
            let pattern = self.one(&["(.):(.)", "(.*)", "a.*", "", "(?P<name>[a-z]+).*", "(.+)"]);
            return format!(
                "label_replace({inner}, \"{label}\", \"{replacement}\", \"{source}\", \"{pattern}\")"
            );
        }
        let label = self.one(&["both", "job", "instance", "__name__"]);
        let sources = self.one(&[
            ", \"job\", \"code\"",
            ", \"instance\"",
            "",
            ", \"nothing\", \"job\", \"le\"",
        ]);
        let between = self.one(&["-", "", "/ü"]);
        format!("label_join({inner}, \"{label}\", \"{between}\"{sources})")
    }

    fn counted(&mut self, depth: u32) -> String {
        let inner = self.exact(depth - 1);
        let label = self.one(&["v", "job", "le"]);
        let arguments = format!("\"{label}\", {inner}");
        self.aggregation("count_values", &arguments)
    }

    /// Ranks without ties, as a set.
    fn picked(&mut self) -> String {
        let op = self.one(&["topk", "bottomk"]);
        let k = self.one(&["1", "2", "4", "0", "scalar(vector(2))", "scalar(nothing)"]);
        let arguments = format!("{k}, temperature{}{}", self.matchers(), self.when());
        self.aggregation(op, &arguments)
    }

    /// From nothing, or from nothing there.
    fn made(&mut self, depth: u32) -> String {
        match self.below(5) {
            0 => format!("vector({})", self.number()),
            1 => format!("absent({})", self.exact(depth - 1)),
            2 => format!("absent(nothing{})", self.matchers()),
            3 => format!("{}()", self.one(&CALENDAR)),
            _ => format!("vector(time() {} 60)", self.one(&["%", "-", "*"])),
        }
    }
}
