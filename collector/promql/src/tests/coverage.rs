//! The language as its documentation lists it, against the written cases: what no case shows
//! is a failure of its own.

use super::rows::load;
use super::{Memory, blocks, instant, millis, parsed};
use crate::ast::{Aggregate, At, Binary, Edges, Expr, ExprKind, Length, Many, Type, When};
use crate::functions::{Function, Kind};
use crate::{QueryLimits, QueryValue};
use sonde_proto::{SampleValue, UnixNanos};
use std::collections::BTreeSet;

const FILES: [&str; 28] = [
    include_str!("selectors.test"),
    include_str!("operators.test"),
    include_str!("operators_arithmetic.test"),
    include_str!("operators_comparing.test"),
    include_str!("operators_native.test"),
    include_str!("aggregations.test"),
    include_str!("aggregations_native.test"),
    include_str!("ranges.test"),
    include_str!("ranges_mixed.test"),
    include_str!("values.test"),
    include_str!("values_native.test"),
    include_str!("vectors.test"),
    include_str!("histograms.test"),
    include_str!("native_functions.test"),
    include_str!("native_ranges.test"),
    include_str!("native_operators.test"),
    include_str!("notes.test"),
    include_str!("durations.test"),
    include_str!("edges.test"),
    include_str!("info.test"),
    include_str!("errors.test"),
    include_str!("subqueries.test"),
    include_str!("staleness.test"),
    include_str!("utf8.test"),
    include_str!("names.test"),
    include_str!("trim.test"),
    include_str!("fill.test"),
    include_str!("starts.test"),
];

/// Every function; with `*`, what it takes is no vector.
const FUNCTIONS: &str = "
abs absent absent_over_time acos acosh asin asinh atan atanh avg_over_time ceil changes clamp
clamp_max clamp_min cos cosh count_over_time day_of_month day_of_week day_of_year days_in_month
deg delta deriv double_exponential_smoothing end* exp first_over_time floor histogram_avg
histogram_count histogram_fraction histogram_quantile histogram_quantiles histogram_stddev
histogram_stdvar histogram_sum hour idelta increase info irate label_join label_replace
last_over_time ln log10 log2 mad_over_time max_of* max_over_time min_of* min_over_time minute
month pi* predict_linear present_over_time quantile_over_time rad range* rate resets round scalar
sgn sin sinh sort sort_by_label sort_by_label_desc sort_desc sqrt start* start_timestamp stddev_over_time
stdvar_over_time step* sum_over_time tan tanh time* timestamp ts_of_first_over_time
ts_of_last_over_time ts_of_max_over_time ts_of_min_over_time vector* year
";

const AGGREGATIONS: &str = "sum avg min max count group stddev stdvar topk bottomk quantile \
                            count_values limitk limit_ratio";

const ARITHMETIC: &str = "+ - * / % ^ atan2";
const COMPARISONS: &str = "== != > < >= <=";
const SETS: &str = "and or unless";
const TRIMS: &str = "</ >/";

/// `anchored` and `smoothed` may only stand in these.
const ANCHORED: &str = "changes delta increase rate resets";
const SMOOTHED: &str = "delta increase rate";

/// The series of a case, and when it is evaluated.
struct Case<'a> {
    memory: &'a Memory,
    times: Vec<i64>,
}

/// What must be shown, and what is.
#[derive(Default)]
struct Shown(BTreeSet<String>);

#[test]
fn every_part_of_the_language_has_a_case() {
    let mut shown = Shown::default();
    let mut cases = 0;
    for file in FILES {
        let mut memory = Memory::default();
        for block in blocks(file) {
            let (word, rest) = block.head.split_once(' ').unwrap();
            let time = |n: usize| millis(rest.split(' ').nth(n).unwrap());
            let mut times = Vec::new();
            let text = match word {
                "load" => {
                    memory = load(millis(rest), &block.body);
                    continue;
                }
                "at" => {
                    times.push(time(0));
                    rest.split_once(' ').unwrap().1
                }
                "ordered" => {
                    times.push(time(1));
                    rest.splitn(3, ' ').nth(2).unwrap()
                }
                "range" => {
                    let step = time(2) as usize;
                    times.extend((time(0)..=time(1)).step_by(step));
                    rest.splitn(4, ' ').nth(3).unwrap()
                }
                _ => {
                    cases += 1;
                    continue;
                }
            };
            cases += 1;
            shown.walk(
                &parsed(text).unwrap(),
                &Case {
                    memory: &memory,
                    times,
                },
            );
        }
    }
    let wanted = wanted();
    let missing: Vec<_> = wanted
        .iter()
        .filter(|part| !shown.0.contains(*part))
        .collect();
    assert!(
        missing.is_empty(),
        "{} of {} parts have no case:\n{missing:#?}",
        missing.len(),
        wanted.len()
    );
    println!("{cases} cases show {} parts of the language", wanted.len());
    assert!(cases >= 1_300, "only {cases} cases");
}

#[test]
fn the_functions_are_those_that_are_documented() {
    let documented: BTreeSet<&str> = FUNCTIONS
        .split_whitespace()
        .map(|name| name.trim_end_matches('*'))
        .collect();
    let ours: BTreeSet<&str> = Function::all().map(|function| function.name).collect();
    assert_eq!(ours, documented);
}

fn wanted() -> Vec<String> {
    let words = |text: &'static str| text.split_whitespace();
    let mut all = Vec::new();
    for name in words(FUNCTIONS) {
        match name.strip_suffix('*') {
            Some(name) => all.push(name.to_owned()),
            None => all.extend(["float", "histogram"].map(|kind| format!("{name} of {kind}"))),
        }
    }
    for op in words(AGGREGATIONS) {
        for how in ["", " by", " without", " of float", " of histogram"] {
            all.push(format!("{op}{how}"));
        }
    }
    for op in words(ARITHMETIC).chain(words(COMPARISONS)) {
        for sides in ["scalar vector", "vector scalar", "vector vector"] {
            all.push(format!("{op} {sides}"));
        }
        for matching in ["on", "ignoring", "group_left", "group_right", "include"] {
            all.push(format!("{op} {matching}"));
        }
        for sides in ["histogram float", "float histogram", "histogram histogram"] {
            all.push(format!("{op} {sides}"));
        }
    }
    all.extend(words(ARITHMETIC).map(|op| format!("{op} scalar scalar")));
    for op in words(COMPARISONS) {
        for sides in [
            "scalar scalar",
            "scalar vector",
            "vector scalar",
            "vector vector",
        ] {
            all.push(format!("{op} bool {sides}"));
        }
    }
    for op in words(SETS) {
        for how in ["vector vector", "on", "ignoring", "histogram histogram"] {
            all.push(format!("{op} {how}"));
        }
    }
    for op in words(TRIMS) {
        all.extend(["histogram float", "float float"].map(|sides| format!("{op} {sides}")));
    }
    all.extend(words(ANCHORED).map(|name| format!("{name} anchored")));
    all.extend(words(SMOOTHED).map(|name| format!("{name} smoothed")));
    for modifier in [
        "offset",
        "negative offset",
        "@ time",
        "@ start",
        "@ end",
        "computed length",
        "subquery",
        "subquery without step",
        "subquery offset",
        "subquery @",
        "subquery in subquery",
        "smoothed selector",
        "range",
        "negation of float",
        "negation of histogram",
        "fill",
        "fill_left",
        "fill_right",
    ] {
        all.push(modifier.to_owned());
    }
    all
}

impl Shown {
    fn add(&mut self, part: impl Into<String>) {
        self.0.insert(part.into());
    }

    fn walk(&mut self, expr: &Expr, case: &Case<'_>) {
        match &expr.kind {
            ExprKind::Number(_) | ExprKind::Duration(_) | ExprKind::String(_) => {}
            ExprKind::Paren(inner) | ExprKind::Plus(inner) => self.walk(inner, case),
            ExprKind::Negate(inner) => {
                self.kinds("negation of ", inner, case);
                self.walk(inner, case);
            }
            ExprKind::Selector(selector) => {
                self.when("", &selector.when);
                if selector.edges == Edges::Smoothed {
                    self.add("smoothed selector");
                }
            }
            ExprKind::Matrix(selector, length) => {
                self.add("range");
                self.length(length);
                self.when("", &selector.when);
            }
            ExprKind::Subquery(subquery) => {
                self.add("subquery");
                if subquery.step.is_none() {
                    self.add("subquery without step");
                }
                self.when("subquery ", &subquery.when);
                if contains_subquery(&subquery.expr) {
                    self.add("subquery in subquery");
                }
                self.walk(&subquery.expr, case);
            }
            ExprKind::Binary(b) => self.binary(b, case),
            ExprKind::Aggregate(a) => self.aggregate(a, case),
            ExprKind::Call { function, args } => {
                self.add(function.name);
                for arg in args {
                    self.kinds(&format!("{} of ", function.name), arg, case);
                    if let ExprKind::Matrix(selector, _) = &arg.bare().kind
                        && let Some(word) = selector.edges.word()
                    {
                        self.add(format!("{} {word}", function.name));
                    }
                    self.walk(arg, case);
                }
                // Of nothing but the time: floats.
                if args.is_empty() && matches!(function.kind, Kind::Calendar(_)) {
                    self.add(format!("{} of float", function.name));
                }
            }
        }
    }

    fn binary(&mut self, b: &Binary, case: &Case<'_>) {
        let op = b.op.as_str();
        let word = |expr: &Expr| match expr.returns() {
            Type::Scalar => "scalar",
            _ => "vector",
        };
        let bool = if b.is_bool { "bool " } else { "" };
        self.add(format!("{op} {bool}{} {}", word(&b.lhs), word(&b.rhs)));
        for l in kinds(&b.lhs, case) {
            for r in kinds(&b.rhs, case) {
                self.add(format!("{op} {l} {r}"));
            }
        }
        let matching = &b.matching;
        if matching.on {
            self.add(format!("{op} on"));
        } else if !matching.labels.is_empty() {
            self.add(format!("{op} ignoring"));
        }
        match matching.many {
            Some(Many::Left) => self.add(format!("{op} group_left")),
            Some(Many::Right) => self.add(format!("{op} group_right")),
            None => {}
        }
        if !matching.include.is_empty() {
            self.add(format!("{op} include"));
        }
        match matching.fill {
            crate::ast::Fill {
                left: Some(_),
                right: Some(_),
            } => self.add("fill"),
            crate::ast::Fill { left: Some(_), .. } => self.add("fill_left"),
            crate::ast::Fill { right: Some(_), .. } => self.add("fill_right"),
            _ => {}
        }
        self.walk(&b.lhs, case);
        self.walk(&b.rhs, case);
    }

    fn aggregate(&mut self, a: &Aggregate, case: &Case<'_>) {
        let op = a.op.as_str();
        self.add(op);
        if a.without {
            self.add(format!("{op} without"));
        } else if !a.labels.is_empty() {
            self.add(format!("{op} by"));
        }
        self.kinds(&format!("{op} of "), &a.expr, case);
        self.walk(&a.expr, case);
        a.param.iter().for_each(|param| self.walk(param, case));
    }

    fn kinds(&mut self, before: &str, expr: &Expr, case: &Case<'_>) {
        for kind in kinds(expr, case) {
            self.add(format!("{before}{kind}"));
        }
    }

    fn when(&mut self, before: &str, when: &When) {
        if let Some(offset) = &when.offset {
            let sign = if offset.millis() < 0 { "negative " } else { "" };
            self.add(format!("{before}{sign}offset"));
            self.length(offset);
        }
        if let Some(at) = when.at {
            if !before.is_empty() {
                self.add(format!("{before}@"));
            }
            self.add(match at {
                At::Time(_) => "@ time",
                At::Start => "@ start",
                At::End => "@ end",
            });
        }
    }

    fn length(&mut self, length: &Length) {
        if matches!(length, Length::Computed(_)) {
            self.add("computed length");
        }
    }
}

/// Of what kinds the values are that an expression gives in a case: what its own parts are made
/// of says nothing of it.
fn kinds(expr: &Expr, case: &Case<'_>) -> BTreeSet<&'static str> {
    let mut kinds = BTreeSet::new();
    if expr.returns() == Type::Scalar {
        kinds.insert("float");
        return kinds;
    }
    let text = crate::format(expr);
    for time in &case.times {
        let limits = QueryLimits::default();
        let value = instant(case.memory, &text, UnixNanos::from_millis(*time), &limits);
        match value {
            Ok(QueryValue::Vector(series)) => {
                kinds.extend(series.iter().map(|one| match one.value {
                    SampleValue::Float(_) => "float",
                    SampleValue::Histogram(_) => "histogram",
                }));
            }
            Ok(QueryValue::Matrix(series)) => {
                for one in &series {
                    kinds.extend((!one.samples.is_empty()).then_some("float"));
                    kinds.extend((!one.histograms.is_empty()).then_some("histogram"));
                }
            }
            _ => {}
        }
    }
    kinds
}

fn contains_subquery(expr: &Expr) -> bool {
    match &expr.kind {
        ExprKind::Subquery(_) => true,
        ExprKind::Paren(inner) | ExprKind::Plus(inner) | ExprKind::Negate(inner) => {
            contains_subquery(inner)
        }
        ExprKind::Binary(b) => contains_subquery(&b.lhs) || contains_subquery(&b.rhs),
        ExprKind::Aggregate(a) => contains_subquery(&a.expr),
        ExprKind::Call { args, .. } => args.iter().any(contains_subquery),
        _ => false,
    }
}
