//! Queries for numbers as text.

use super::{compare_op, duration, label_filter, quoted, selector, stages};
use rand::Rng;
use sonde_logql::ast::{
    Binary, BinaryOp, Conversion, Group, Grouping, LabelReplace, MetricExpr, RangeAggregation,
    RangeOp, Unwrap, VectorAggregation, VectorOp,
};

/// A query for numbers.
pub fn metric(rng: &mut impl Rng, expr: &MetricExpr) -> String {
    match expr {
        MetricExpr::Number(n) => n.to_string(),
        MetricExpr::Vector(n) => format!("vector({n})"),
        MetricExpr::Range(range) => range_aggregation(rng, range),
        MetricExpr::Aggregate(aggregation) => vector_aggregation(rng, aggregation),
        MetricExpr::Binary(binary) => operation(rng, binary),
        MetricExpr::LabelReplace(replace) => label_replace(rng, replace),
    }
}

fn range_aggregation(rng: &mut impl Rng, range: &RangeAggregation) -> String {
    let op = match range.op {
        RangeOp::Count => "count_over_time",
        RangeOp::Rate => "rate",
        RangeOp::RateCounter => "rate_counter",
        RangeOp::Bytes => "bytes_over_time",
        RangeOp::BytesRate => "bytes_rate",
        RangeOp::Avg => "avg_over_time",
        RangeOp::Sum => "sum_over_time",
        RangeOp::Min => "min_over_time",
        RangeOp::Max => "max_over_time",
        RangeOp::Stddev => "stddev_over_time",
        RangeOp::Stdvar => "stdvar_over_time",
        RangeOp::Quantile => "quantile_over_time",
        RangeOp::First => "first_over_time",
        RangeOp::Last => "last_over_time",
        RangeOp::Absent => "absent_over_time",
    };
    let selector = selector(rng, &range.log.matchers);
    let mut stages = stages(rng, &range.log.stages);
    if let Some(unwrap) = &range.unwrap {
        stages.push_str(&unwrapped(rng, unwrap));
    }
    let mut window = format!("[{}]", duration(rng, range.range));
    if range.offset != 0 {
        let sign = if range.offset < 0 { "-" } else { "" };
        window.push_str(&format!(
            " offset {sign}{}",
            duration(rng, range.offset.abs())
        ));
    }
    let inner = if rng.random_bool(0.3) {
        format!("{selector}{window}{stages}")
    } else {
        format!("{selector}{stages} {window}")
    };
    let parameter = range.parameter.map_or(String::new(), |p| format!("{p}, "));
    let grouping = range.grouping.as_ref().map_or(String::new(), grouping);
    format!("{op}({parameter}{inner}){grouping}")
}

fn unwrapped(rng: &mut impl Rng, unwrap: &Unwrap) -> String {
    let label = &unwrap.label;
    let mut out = match unwrap.conversion {
        Conversion::None => format!(" | unwrap {label}"),
        Conversion::Duration => format!(" | unwrap duration({label})"),
        Conversion::DurationSeconds => format!(" | unwrap duration_seconds({label})"),
        Conversion::Bytes => format!(" | unwrap bytes({label})"),
    };
    for filter in &unwrap.filters {
        out.push_str(&format!(" | {}", label_filter(rng, filter, true)));
    }
    out
}

fn grouping(grouping: &Grouping) -> String {
    let word = if grouping.is_without { "without" } else { "by" };
    format!(" {word} ({})", grouping.labels.join(", "))
}

fn vector_aggregation(rng: &mut impl Rng, aggregation: &VectorAggregation) -> String {
    let op = match aggregation.op {
        VectorOp::Sum => "sum",
        VectorOp::Avg => "avg",
        VectorOp::Min => "min",
        VectorOp::Max => "max",
        VectorOp::Count => "count",
        VectorOp::Stddev => "stddev",
        VectorOp::Stdvar => "stdvar",
        VectorOp::Topk => "topk",
        VectorOp::Bottomk => "bottomk",
        VectorOp::ApproxTopk => "approx_topk",
        VectorOp::Sort => "sort",
        VectorOp::SortDesc => "sort_desc",
    };
    let parameter = aggregation
        .parameter
        .map_or(String::new(), |k| format!("{k}, "));
    let inner = metric(rng, &aggregation.expr);
    let grouping = aggregation
        .grouping
        .as_ref()
        .map_or(String::new(), grouping);
    if rng.random() {
        format!("{op}{grouping} ({parameter}{inner})")
    } else {
        format!("{op}({parameter}{inner}){grouping}")
    }
}

fn operation(rng: &mut impl Rng, binary: &Binary) -> String {
    let mut op = match binary.op {
        BinaryOp::Add => "+",
        BinaryOp::Subtract => "-",
        BinaryOp::Multiply => "*",
        BinaryOp::Divide => "/",
        BinaryOp::Modulo => "%",
        BinaryOp::Power => "^",
        BinaryOp::Compare(op) => compare_op(op),
        BinaryOp::And => "and",
        BinaryOp::Or => "or",
        BinaryOp::Unless => "unless",
    }
    .to_owned();
    if binary.return_bool {
        op.push_str(" bool");
    }
    let matching = &binary.matching;
    if matching.is_on || !matching.labels.is_empty() {
        let word = if matching.is_on { "on" } else { "ignoring" };
        op.push_str(&format!(" {word} ({})", matching.labels.join(", ")));
    }
    match &matching.group {
        Group::OneToOne => {}
        Group::Left(taken) => op.push_str(&format!(" group_left ({})", taken.join(", "))),
        Group::Right(taken) => op.push_str(&format!(" group_right ({})", taken.join(", "))),
    }
    let left = side(rng, &binary.left);
    let right = side(rng, &binary.right);
    format!("{left} {op} {right}")
}

fn side(rng: &mut impl Rng, expr: &MetricExpr) -> String {
    let text = metric(rng, expr);
    if matches!(expr, MetricExpr::Binary(_))
        || rng.random_bool(0.2) && !matches!(expr, MetricExpr::Number(_))
    {
        format!("({text})")
    } else {
        text
    }
}

fn label_replace(rng: &mut impl Rng, replace: &LabelReplace) -> String {
    format!(
        "label_replace({}, {}, {}, {}, {})",
        metric(rng, &replace.expr),
        quoted(rng, &replace.destination),
        quoted(rng, &replace.replacement),
        quoted(rng, &replace.source),
        quoted(rng, &replace.regex),
    )
}
