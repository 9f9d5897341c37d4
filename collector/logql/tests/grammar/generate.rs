//! Random queries, and queries with a mistake.

use rand::Rng;
use rand::seq::IndexedRandom as _;
use rand_chacha::ChaCha8Rng;

/// Makes queries. The same seed makes the same ones.
pub(crate) struct Generator {
    pub(crate) random: ChaCha8Rng,
}

const NAMES: [&str; 8] = [
    "app",
    "service_name",
    "status",
    "_x1",
    "trace_id",
    "level",
    "Pod",
    "__error__",
];
const TEXTS: [&str; 12] = [
    "\"error\"",
    "`raw \\d+ \"x\"`",
    "\"\"",
    "\"größe ✓\"",
    "\"a \\\"quoted\\\" \\\\ word\"",
    "\"tab\\tnew\\nline\"",
    "\"\\x41\\u00e9\"",
    "`a|b`",
    "\"(?i)warn.*\"",
    "\"{{.x}}\"",
    "\"# no comment\"",
    "\"]})\"",
];
const DURATIONS: [&str; 7] = ["5m", "1h", "30s", "1h30m", "100ms", "1d", "2w"];
const BYTES: [&str; 6] = ["20KB", "5MB", "1.5GiB", "10KiB", "3MiB", "1TB"];
const NUMBERS: [&str; 6] = ["0", "500", "1.5", "0.25", "200", "1000000"];
const SIMPLE_RANGES: [&str; 4] = ["count_over_time", "rate", "bytes_over_time", "bytes_rate"];
const UNWRAPPED_RANGES: [&str; 10] = [
    "sum_over_time",
    "avg_over_time",
    "min_over_time",
    "max_over_time",
    "stddev_over_time",
    "stdvar_over_time",
    "first_over_time",
    "last_over_time",
    "rate",
    "rate_counter",
];
/// Those that are grouped by themselves.
const GROUPED_RANGES: [&str; 8] = [
    "avg_over_time",
    "min_over_time",
    "max_over_time",
    "stddev_over_time",
    "stdvar_over_time",
    "first_over_time",
    "last_over_time",
    "avg_over_time",
];
const AGGREGATIONS: [&str; 7] = ["sum", "avg", "min", "max", "count", "stddev", "stdvar"];
const ARITHMETIC: [&str; 6] = ["+", "-", "*", "/", "%", "^"];
const COMPARISONS: [&str; 6] = ["==", "!=", ">", ">=", "<", "<="];

impl Generator {
    pub(crate) fn new(random: ChaCha8Rng) -> Self {
        Self { random }
    }

    /// A query that the language has.
    pub(crate) fn query(&mut self) -> String {
        if self.chance(0.4) {
            self.log()
        } else {
            self.metric(3)
        }
    }

    fn chance(&mut self, share: f64) -> bool {
        self.random.random_bool(share)
    }

    pub(crate) fn pick<'a, T>(&mut self, from: &'a [T]) -> &'a T {
        from.choose(&mut self.random).unwrap()
    }

    fn some(&mut self, max: usize, mut one: impl FnMut(&mut Self) -> String) -> Vec<String> {
        let count = self.random.random_range(1..=max);
        (0..count).map(|_| one(self)).collect()
    }

    fn name(&mut self) -> String {
        (*self.pick(&NAMES)).into()
    }

    fn text(&mut self) -> String {
        (*self.pick(&TEXTS)).into()
    }

    /// A text that is a regular expression.
    fn regex(&mut self) -> String {
        (*self.pick(&[
            "\"a.*b\"",
            "`\\d+`",
            "\"x|y\"",
            "\"(?i)warn\"",
            "\"[a-c]+\"",
        ]))
        .into()
    }

    fn matcher(&mut self) -> String {
        let name = self.name();
        if self.chance(0.4) {
            let op = *self.pick(&["=~", "!~"]);
            format!("{name}{op}{}", self.regex())
        } else {
            let op = *self.pick(&["=", "!="]);
            format!("{name}{op}{}", self.text())
        }
    }

    fn selector(&mut self) -> String {
        if self.chance(0.02) {
            return "{}".into();
        }
        format!("{{{}}}", self.some(3, Self::matcher).join(", "))
    }

    fn log(&mut self) -> String {
        let mut log = self.selector();
        let stages = self.random.random_range(0..=4);
        for _ in 0..stages {
            let mut stage = self.stage();
            // `| keep a != "x"` is no line filter behind a keep.
            if names_go_on(&log) && stage.starts_with('!') {
                stage.replace_range(..1, "|");
            }
            log = format!("{log} {stage}");
        }
        if self.chance(0.05) {
            log = format!("{log} # what it is for\n| json");
        }
        log
    }

    fn stage(&mut self) -> String {
        match self.random.random_range(0..18) {
            0..=3 => self.line_filter(),
            4 => "| json".into(),
            5 => format!("| json {}", self.some(3, Self::extraction).join(", ")),
            6 => self.logfmt(),
            7 => "| regexp `(?P<ip>\\S+) (?P<rest>.*)`".into(),
            8 => "| pattern \"<ip> - <_> <rest>\"".into(),
            9 => (*self.pick(&["| unpack", "| decolorize"])).into(),
            10..=12 => format!("| {}", self.label_filter(2)),
            13 => format!("| line_format {}", self.template()),
            14 => format!("| label_format {}", self.label_formats()),
            15 => {
                let op = *self.pick(&["drop", "keep"]);
                format!("| {op} {}", self.some(3, Self::label_selector).join(", "))
            }
            16 if self.chance(0.3) => {
                format!("| distinct {}", self.some(2, Self::name).join(", "))
            }
            _ => format!("| {}", self.label_filter(1)),
        }
    }

    fn line_filter(&mut self) -> String {
        let op = *self.pick(&["|=", "!=", "|~", "!~", "|>", "!>"]);
        let one = |own: &mut Self| match op {
            "|~" | "!~" => own.regex(),
            "|>" | "!>" => (*own.pick(&["\"<_> x <_>\"", "\"a <_>\"", "\"plain\""])).into(),
            _ if own.chance(0.1) => "ip(\"192.168.4.5/16\")".into(),
            _ => own.text(),
        };
        let texts = if self.chance(0.2) {
            self.some(3, one)
        } else {
            vec![one(self)]
        };
        format!("{op} {}", texts.join(" or "))
    }

    fn extraction(&mut self) -> String {
        let name = (*self.pick(&["ua", "first_id", "method"])).to_owned();
        if self.chance(0.7) {
            let path = *self.pick(&["\"request.ua\"", "\"ids[0]\"", "\"a[\\\"b c\\\"]\"", "`x`"]);
            format!("{name}={path}")
        } else {
            name
        }
    }

    fn logfmt(&mut self) -> String {
        let mut stage = String::from("| logfmt");
        for flag in ["--strict", "--keep-empty"] {
            if self.chance(0.2) {
                stage = format!("{stage} {flag}");
            }
        }
        if self.chance(0.3) {
            let extraction = |own: &mut Self| {
                let name = (*own.pick(&["ua", "method"])).to_owned();
                if own.chance(0.5) {
                    format!("{name}=\"other\"")
                } else {
                    name
                }
            };
            stage = format!("{stage} {}", self.some(2, extraction).join(", "));
        }
        stage
    }

    fn label_filter(&mut self, depth: usize) -> String {
        if depth > 0 && self.chance(0.4) {
            let op = *self.pick(&[" and ", " or ", ", ", " and ", " or ", ", ", " "]);
            let (left, right) = (self.label_filter(depth - 1), self.label_filter(depth - 1));
            let joined = format!("{left}{op}{right}");
            return if self.chance(0.3) {
                format!("({joined})")
            } else {
                joined
            };
        }
        let name = self.name();
        let op = *self.pick(&COMPARISONS);
        match self.random.random_range(0..6) {
            0 => format!("{name} {op} {}", self.pick(&NUMBERS)),
            1 => format!("{name} {op} {}", self.pick(&DURATIONS[..5])),
            2 => format!("{name} {op} {}", self.pick(&BYTES)),
            3 => {
                let op = *self.pick(&["=", "!="]);
                format!("{name} {op} ip(\"10.0.0.0-10.0.0.9\")")
            }
            _ => self.matcher(),
        }
    }

    fn template(&mut self) -> String {
        let templates = ["\"{{.x}} {{.y}}\"", "`{{ .x | ToUpper }}`", "\"plain\""];
        (*self.pick(&templates)).into()
    }

    /// Each label once, as the language demands it.
    fn label_formats(&mut self) -> String {
        let all = ["a=b", "c=\"{{.x}}\"", "d=`{{ __line__ }}`"];
        let count = self.random.random_range(1..=all.len());
        all[..count].join(", ")
    }

    fn label_selector(&mut self) -> String {
        if self.chance(0.6) {
            self.name()
        } else {
            self.matcher()
        }
    }

    fn names(&mut self) -> String {
        if self.chance(0.05) {
            return "()".into();
        }
        format!("({})", self.some(3, Self::name).join(", "))
    }

    fn grouping(&mut self) -> String {
        let word = *self.pick(&["by", "without"]);
        format!("{word} {}", self.names())
    }

    /// `{…} … [5m]`, the range at one of the places where it may stand.
    fn ranged(&mut self, unwrap: Option<&str>) -> String {
        let mut range = format!("[{}]", self.pick(&DURATIONS));
        if self.chance(0.15) {
            let sign = if self.chance(0.2) { "-" } else { "" };
            range = format!("{range} offset {sign}{}", self.pick(&DURATIONS));
        }
        let unwrapped = unwrap.map_or(String::new(), |unwrap| format!(" {unwrap}"));
        match self.random.random_range(0..12) {
            0..=2 => {
                let (selector, filter) = (self.selector(), self.line_filter());
                format!("{selector}{range} {filter}{unwrapped}")
            }
            3 => {
                let selector = self.selector();
                format!("({selector} | json{unwrapped}){range}")
            }
            _ => format!("{}{unwrapped} {range}", self.log_without_comment()),
        }
    }

    fn log_without_comment(&mut self) -> String {
        loop {
            let log = self.log();
            if !log.contains("what it is for") {
                return log;
            }
        }
    }

    fn unwrap(&mut self) -> String {
        let name = self.name();
        let mut unwrap = match self.random.random_range(0..4) {
            0 => format!("| unwrap duration({name})"),
            1 => format!("| unwrap bytes({name})"),
            2 => format!("| unwrap duration_seconds({name})"),
            _ => format!("| unwrap {name}"),
        };
        if self.chance(0.3) {
            unwrap = format!("{unwrap} | __error__=\"\"");
        }
        unwrap
    }

    fn range_aggregation(&mut self) -> String {
        match self.random.random_range(0..8) {
            0..=2 => {
                let op = *self.pick(&SIMPLE_RANGES);
                format!("{op}({})", self.ranged(None))
            }
            3 => format!("absent_over_time({})", self.ranged(None)),
            4 => {
                let unwrap = self.unwrap();
                let ranged = self.ranged(Some(&unwrap));
                let grouped = if self.chance(0.5) {
                    " ".to_owned() + &self.grouping()
                } else {
                    String::new()
                };
                format!("quantile_over_time(0.99, {ranged}){grouped}")
            }
            5 => {
                let op = *self.pick(&GROUPED_RANGES);
                let unwrap = self.unwrap();
                format!("{op}({}) {}", self.ranged(Some(&unwrap)), self.grouping())
            }
            _ => {
                let op = *self.pick(&UNWRAPPED_RANGES);
                let unwrap = self.unwrap();
                format!("{op}({})", self.ranged(Some(&unwrap)))
            }
        }
    }

    fn metric(&mut self, depth: usize) -> String {
        if depth == 0 {
            return self.range_aggregation();
        }
        match self.random.random_range(0..12) {
            0..=2 => self.aggregation(depth),
            3 => {
                let op = *self.pick(&["topk", "bottomk", "approx_topk"]);
                let grouped = if op != "approx_topk" && self.chance(0.4) {
                    " ".to_owned() + &self.grouping()
                } else {
                    String::new()
                };
                format!("{op}(5, {}){grouped}", self.metric(depth - 1))
            }
            4 => {
                let op = *self.pick(&["sort", "sort_desc"]);
                format!("{op}({})", self.metric(depth - 1))
            }
            5..=6 => self.binary(depth),
            7 => {
                let inner = self.metric(depth - 1);
                format!("label_replace({inner}, \"dst\", \"$1\", \"src\", \"(.*)\")")
            }
            8 => format!("vector({})", self.pick(&NUMBERS)),
            9 => format!("({})", self.metric(depth - 1)),
            _ => self.range_aggregation(),
        }
    }

    fn aggregation(&mut self, depth: usize) -> String {
        let op = *self.pick(&AGGREGATIONS);
        let inner = self.metric(depth - 1);
        match self.random.random_range(0..3) {
            0 => format!("{op}({inner})"),
            1 => format!("{op} {} ({inner})", self.grouping()),
            _ => format!("{op}({inner}) {}", self.grouping()),
        }
    }

    fn binary(&mut self, depth: usize) -> String {
        let (left, right) = (self.metric(depth - 1), self.metric(depth - 1));
        match self.random.random_range(0..5) {
            0 => {
                let op = *self.pick(&["and", "or", "unless"]);
                format!("{left} {op} {right}")
            }
            1 => {
                let op = *self.pick(&COMPARISONS);
                let returns = if self.chance(0.4) { " bool" } else { "" };
                format!("{left} {op}{returns} {}", self.pick(&NUMBERS))
            }
            2 => {
                let (op, on) = (*self.pick(&ARITHMETIC), *self.pick(&["on", "ignoring"]));
                let names = self.names();
                let group = if self.chance(0.4) {
                    let side = *self.pick(&[" group_left", " group_right"]);
                    let taken = if self.chance(0.5) { " (pod)" } else { "" };
                    format!("{side}{taken}")
                } else {
                    String::new()
                };
                format!("{left} {op} {on} {names}{group} {right}")
            }
            3 => format!("{} {} {right}", self.pick(&NUMBERS), self.pick(&ARITHMETIC)),
            _ => format!("{left} {} {right}", self.pick(&ARITHMETIC)),
        }
    }
}

/// Whether the last stage lists names and ends with one.
fn names_go_on(log: &str) -> bool {
    let last = log.rfind("| ").map_or("", |at| &log[at + 2..]);
    (last.starts_with("keep") || last.starts_with("drop")) && !last.ends_with(['"', '`'])
}
