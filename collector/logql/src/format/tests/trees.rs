//! Trees of every shape that the reader can make.

use crate::ast::*;
use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;
use proptest::sample::select;
use sonde_proto::{MatchOp, Matcher};

const NAMES: &[&str] = &[
    "a",
    "level",
    "_x1",
    "json",
    "logfmt",
    "unpack",
    "decolorize",
    "and",
    "or",
    "by",
    "on",
    "ip",
    "unwrap",
    "offset",
    "rate",
    "sum",
    "duration",
    "bytes",
    "inf",
    "JSON",
    "drop",
    "bool",
];
const TEXTS: &[&str] = &[
    "",
    "b",
    "a b",
    "\"",
    "\\",
    "\n\t",
    "`",
    "ö😀",
    "\u{7f}\u{2028}",
    "(",
    "}",
    "#",
    "'",
    "a\\d+",
];
const REGEXES: &[&str] = &["", ".+", "a|b", "\\d+", "(?i)é", "\"x\"", "[^`]*", "\\\\"];

fn name() -> impl Strategy<Value = String> {
    select(NAMES).prop_map(str::to_owned)
}

fn names(least: usize) -> impl Strategy<Value = Vec<String>> {
    vec(name(), least..4)
}

fn text() -> impl Strategy<Value = String> {
    prop_oneof![4 => select(TEXTS).prop_map(str::to_owned), 1 => any::<String>()]
}

fn matcher() -> impl Strategy<Value = Matcher> {
    let plain = (
        name(),
        select(vec![MatchOp::Equal, MatchOp::NotEqual]),
        text(),
    );
    let ops = vec![MatchOp::Regex, MatchOp::NotRegex];
    let regex = (name(), select(ops), select(REGEXES).prop_map(str::to_owned));
    prop_oneof![
        plain.prop_map(|(name, op, value)| Matcher::new(&name, op, &value).unwrap()),
        regex.prop_map(|(name, op, value)| Matcher::new(&name, op, &value).unwrap()),
    ]
}

fn number() -> impl Strategy<Value = f64> {
    prop_oneof![
        (-1000i32..1000).prop_map(f64::from),
        any::<f64>(),
        select(vec![
            f64::INFINITY,
            f64::NEG_INFINITY,
            f64::NAN,
            0.5,
            1e21,
            1e-7
        ]),
    ]
}

/// A duration of a round length, positive.
fn nanos() -> impl Strategy<Value = i64> {
    let units = vec![
        1,
        1000,
        1_000_000,
        1_000_000_000,
        60_000_000_000,
        86_400_000_000_000,
    ];
    (1i64..5000, select(units)).prop_map(|(count, unit)| count * unit)
}

fn signed_nanos() -> impl Strategy<Value = i64> {
    (nanos(), -1i64..2).prop_map(|(nanos, sign)| nanos * sign)
}

fn compare() -> impl Strategy<Value = CompareOp> {
    select(vec![
        CompareOp::Equal,
        CompareOp::NotEqual,
        CompareOp::Greater,
        CompareOp::GreaterOrEqual,
        CompareOp::Less,
        CompareOp::LessOrEqual,
    ])
}

fn comparison(value: impl Strategy<Value = f64>) -> impl Strategy<Value = Comparison<f64>> {
    (name(), compare(), value).prop_map(|(name, op, value)| Comparison { name, op, value })
}

/// Stands in for a filter that is taken away for a moment.
pub(super) fn any_filter() -> LabelFilter {
    LabelFilter::Number(Comparison {
        name: String::new(),
        op: CompareOp::Equal,
        value: 0.0,
    })
}

fn label_filter() -> impl Strategy<Value = LabelFilter> {
    let units = vec![1.0, 1000.0, 1024.0, 1e6, 1_048_576.0, 1e9];
    let bytes = (0u32..5000, select(units)).prop_map(|(count, unit)| f64::from(count) * unit);
    let leaf = prop_oneof![
        3 => matcher().prop_map(LabelFilter::Text),
        1 => comparison(number()).prop_map(LabelFilter::Number),
        1 => comparison(signed_nanos().prop_map(|n| n as f64)).prop_map(LabelFilter::Duration),
        1 => comparison(bytes).prop_map(LabelFilter::Bytes),
        1 => (name(), any::<bool>(), text()).prop_map(|(name, is_negated, range)| {
            LabelFilter::Ip { name, is_negated, range }
        }),
    ];
    leaf.prop_recursive(4, 12, 2, |inner| {
        (inner.clone(), inner, any::<bool>()).prop_map(|(a, b, is_or)| {
            let (a, b) = (Box::new(a), Box::new(b));
            if is_or {
                LabelFilter::Or(a, b)
            } else {
                LabelFilter::And(a, b)
            }
        })
    })
}

fn line_filter() -> impl Strategy<Value = LineFilter> {
    let ops = vec![
        LineOp::Contains,
        LineOp::NotContains,
        LineOp::Matches,
        LineOp::NotMatches,
        LineOp::Pattern,
        LineOp::NotPattern,
    ];
    let texts = vec((text(), any::<bool>()), 1..4);
    (select(ops), texts).prop_map(|(op, texts)| {
        let takes_ip = matches!(op, LineOp::Contains | LineOp::NotContains);
        let alternative = |(text, is_ip): (String, bool)| LineText {
            // Writing puts filters for the empty text in, which `shape` takes out.
            text: if text.is_empty() { "x".into() } else { text },
            is_ip: is_ip && takes_ip,
        };
        LineFilter {
            op,
            alternatives: texts.into_iter().map(alternative).collect(),
        }
    })
}

fn extractions() -> impl Strategy<Value = Vec<Extraction>> {
    let one = (name(), option::of(text())).prop_map(|(label, path)| Extraction {
        path: path.unwrap_or_else(|| label.clone()),
        label,
    });
    vec(one, 0..3)
}

fn label_selectors() -> impl Strategy<Value = Vec<LabelSelector>> {
    let one = prop_oneof![
        name().prop_map(LabelSelector::Name),
        matcher().prop_map(LabelSelector::Matching),
    ];
    vec(one, 1..4)
}

fn label_formats() -> impl Strategy<Value = Vec<LabelFormat>> {
    let value = prop_oneof![
        name().prop_map(LabelFormatValue::Rename),
        text().prop_map(LabelFormatValue::Template),
    ];
    vec(value, 1..4).prop_map(|values| {
        let named = NAMES.iter().zip(values);
        named
            .map(|(name, value)| LabelFormat {
                name: (*name).to_owned(),
                value,
            })
            .collect()
    })
}

fn stage() -> impl Strategy<Value = Stage> {
    prop_oneof![
        4 => line_filter().prop_map(Stage::Line),
        3 => label_filter().prop_map(Stage::Label),
        2 => extractions().prop_map(Stage::Json),
        2 => (any::<bool>(), any::<bool>(), extractions()).prop_map(
            |(strict, keep_empty, extractions)| Stage::Logfmt { strict, keep_empty, extractions }
        ),
        1 => text().prop_map(Stage::Regexp),
        1 => text().prop_map(Stage::Pattern),
        1 => Just(Stage::Unpack),
        1 => Just(Stage::Decolorize),
        1 => text().prop_map(Stage::LineFormat),
        1 => label_formats().prop_map(Stage::LabelFormat),
        2 => label_selectors().prop_map(Stage::Drop),
        2 => label_selectors().prop_map(Stage::Keep),
        1 => names(1).prop_map(Stage::Distinct),
    ]
}

fn log() -> impl Strategy<Value = LogExpr> {
    let parts = (vec(matcher(), 0..4), vec(stage(), 0..5));
    parts.prop_map(|(matchers, stages)| LogExpr { matchers, stages })
}

fn grouping() -> impl Strategy<Value = Grouping> {
    (any::<bool>(), names(0)).prop_map(|(is_without, labels)| Grouping { is_without, labels })
}

fn unwrap() -> impl Strategy<Value = Unwrap> {
    let conversions = vec![
        Conversion::None,
        Conversion::Duration,
        Conversion::DurationSeconds,
        Conversion::Bytes,
    ];
    let parts = (name(), select(conversions), vec(label_filter(), 0..3));
    parts.prop_map(|(label, conversion, filters)| Unwrap {
        label,
        conversion,
        filters,
    })
}

fn range() -> impl Strategy<Value = MetricExpr> {
    let parts = (
        select(RangeOp::ALL.to_vec()),
        number(),
        log(),
        option::of(unwrap()),
        nanos(),
        signed_nanos(),
        option::of(grouping()),
    );
    parts.prop_filter_map("it takes no numbers, or nothing else", |parts| {
        let (op, parameter, log, unwrap, range, offset, grouping) = parts;
        let fits = match unwrap {
            Some(_) => op.takes_unwrap(),
            None => !op.demands_unwrap(),
        };
        fits.then(|| {
            MetricExpr::Range(Box::new(RangeAggregation {
                op,
                parameter: (op == RangeOp::Quantile).then_some(parameter),
                log,
                unwrap,
                range,
                offset,
                grouping: grouping.filter(|_| op.takes_grouping()),
            }))
        })
    })
}

fn operator() -> impl Strategy<Value = BinaryOp> {
    prop_oneof![
        compare().prop_map(BinaryOp::Compare),
        select(vec![
            BinaryOp::Add,
            BinaryOp::Subtract,
            BinaryOp::Multiply,
            BinaryOp::Divide,
            BinaryOp::Modulo,
            BinaryOp::Power,
            BinaryOp::Power,
            BinaryOp::And,
            BinaryOp::Or,
            BinaryOp::Unless,
        ]),
    ]
}

fn matching(op: BinaryOp) -> impl Strategy<Value = Matching> {
    let parts = (any::<bool>(), names(0), names(0), 0..3);
    parts.prop_map(move |(is_on, labels, mut more, group)| {
        more.retain(|name| !is_on || !labels.contains(name));
        let group = match group {
            1 if !op.is_set() => Group::Left(more),
            2 if !op.is_set() => Group::Right(more),
            _ => Group::OneToOne,
        };
        Matching {
            is_on,
            labels,
            group,
        }
    })
}

fn binary(inner: impl Strategy<Value = MetricExpr> + Clone) -> impl Strategy<Value = MetricExpr> {
    let parts = (
        operator(),
        inner.clone(),
        inner,
        any::<bool>(),
        option::of(number()),
        any::<bool>(),
    );
    let parts = parts.prop_flat_map(|(op, left, right, is_bool, number, at_left)| {
        let number = number.filter(|_| !op.is_set()).map(MetricExpr::Number);
        let (left, right) = match (number, at_left) {
            (Some(number), true) => (number, right),
            (Some(number), false) => (left, number),
            (None, _) => (left, right),
        };
        let return_bool = is_bool && matches!(op, BinaryOp::Compare(_));
        matching(op).prop_map(move |matching| Binary {
            op,
            return_bool,
            matching,
            left: left.clone(),
            right: right.clone(),
        })
    });
    parts.prop_map(|binary| MetricExpr::Binary(Box::new(binary)))
}

fn metric() -> impl Strategy<Value = MetricExpr> {
    let leaf = prop_oneof![1 => range(), 2 => number().prop_map(MetricExpr::Vector)];
    leaf.prop_recursive(5, 32, 2, |inner| {
        let aggregation = (
            select(VectorOp::ALL.to_vec()),
            1u64..1_000_000_000,
            option::of(grouping()),
            inner.clone(),
        );
        let replace = (inner.clone(), name(), text(), text(), select(REGEXES));
        prop_oneof![
            2 => aggregation.prop_map(|(op, k, grouping, expr)| {
                MetricExpr::Aggregate(Box::new(VectorAggregation {
                    op,
                    parameter: op.takes_parameter().then_some(k),
                    grouping: grouping.filter(|_| op.takes_grouping()),
                    expr,
                }))
            }),
            8 => binary(inner),
            1 => replace.prop_map(|(expr, destination, replacement, source, regex)| {
                MetricExpr::LabelReplace(Box::new(LabelReplace {
                    expr,
                    destination,
                    replacement,
                    source,
                    regex: regex.to_owned(),
                }))
            }),
        ]
    })
}

pub(super) fn expr() -> impl Strategy<Value = Expr> {
    prop_oneof![
        log().prop_map(Expr::Log),
        metric().prop_map(Expr::Metric),
        number().prop_map(|number| Expr::Metric(MetricExpr::Number(number))),
    ]
}

/// Every list of stages.
pub(super) fn each_pipeline(expr: &mut Expr, visit: &mut impl FnMut(&mut Vec<Stage>)) {
    match expr {
        Expr::Log(log) => visit(&mut log.stages),
        Expr::Metric(metric) => each_range(metric, &mut |range| visit(&mut range.log.stages)),
    }
}

/// Every label filter that is a stage or stands behind `unwrap`.
pub(super) fn each_filter(expr: &mut Expr, visit: &mut impl FnMut(&mut LabelFilter)) {
    each_pipeline(expr, &mut |stages| {
        for stage in stages {
            if let Stage::Label(filter) = stage {
                visit(filter);
            }
        }
    });
    if let Expr::Metric(metric) = expr {
        each_range(metric, &mut |range| {
            let unwrap = range.unwrap.iter_mut();
            unwrap.flat_map(|u| &mut u.filters).for_each(&mut *visit);
        });
    }
}

fn each_range(expr: &mut MetricExpr, visit: &mut impl FnMut(&mut RangeAggregation)) {
    match expr {
        MetricExpr::Number(_) | MetricExpr::Vector(_) => {}
        MetricExpr::Range(range) => visit(range),
        MetricExpr::Aggregate(aggregation) => each_range(&mut aggregation.expr, visit),
        MetricExpr::LabelReplace(replace) => each_range(&mut replace.expr, visit),
        MetricExpr::Binary(binary) => {
            each_range(&mut binary.left, visit);
            each_range(&mut binary.right, visit);
        }
    }
}
