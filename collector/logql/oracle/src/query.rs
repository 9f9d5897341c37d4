//! Random queries that suit a world: most of them find something.

use crate::range_gen::{SECOND, pipeline, range};
use crate::stage_gen::Allowed;
use crate::world::{EPOCH, SPREAD, pick};
use crate::{Grid, World};
use rand::Rng;
use sonde_logql::ast::{
    Binary, BinaryOp, CompareOp, Group, Grouping, LabelReplace, LogExpr, Matching, MetricExpr,
    RangeAggregation, RangeOp, VectorAggregation, VectorOp,
};
use sonde_proto::UnixNanos;

/// A query for lines.
pub fn log(rng: &mut impl Rng, world: &World) -> LogExpr {
    let allowed = Allowed {
        paths: !world.has_torn,
        distinct: !world.has_ties,
    };
    let count = rng.random_range(0..6);
    pipeline(rng, world, allowed, count).0
}

/// At which times to ask: one at which a record was, or a moment later; or many.
pub fn grid(rng: &mut impl Rng, world: &World) -> Grid {
    let second = SECOND as u64;
    let end = EPOCH + SPREAD;
    if rng.random_bool(0.3) {
        let stream = &world.streams[rng.random_range(0..world.streams.len())];
        let record = &stream.records[rng.random_range(0..stream.records.len())];
        let later = [0, 1, second, 9 * second, 40 * second][rng.random_range(0..5)];
        let at = UnixNanos(record.time.0 + later);
        return Grid {
            start: at,
            end: at,
            step: 0,
        };
    }
    let step = [15, 30, 60, 77, 300, 600][rng.random_range(0..6)] * second;
    let start = if rng.random() {
        EPOCH / step * step
    } else {
        EPOCH + rng.random_range(0..600) * second + rng.random_range(0..3) * 500_000_000
    };
    let most = start + 100 * step;
    Grid {
        start: UnixNanos(start),
        end: UnixNanos(most.min(end + 5 * 60 * second)),
        step,
    }
}

/// A query for numbers.
pub fn metric(rng: &mut impl Rng, world: &World, is_instant: bool) -> MetricExpr {
    match rng.random_range(0..100) {
        0..35 => MetricExpr::Range(Box::new(range(rng, world))),
        35..70 => aggregated(rng, world, is_instant),
        70..84 => with_number(rng, world),
        84..97 => two(rng, world),
        97 => MetricExpr::Vector(f64::from(rng.random_range(0..9))),
        _ => with_vector(rng, world),
    }
}

fn some_grouping(rng: &mut impl Rng) -> Grouping {
    let sets: [&[&str]; 6] = [
        &["app"],
        &["app", "host"],
        &["level"],
        &["status"],
        &["method", "app"],
        &["host", "pod"],
    ];
    let labels = sets[rng.random_range(0..sets.len())];
    Grouping {
        is_without: rng.random_bool(0.25),
        labels: labels.iter().map(|l| (*l).to_owned()).collect(),
    }
}

fn aggregated(rng: &mut impl Rng, world: &World, is_instant: bool) -> MetricExpr {
    let inner = MetricExpr::Range(Box::new(range(rng, world)));
    let expr = if rng.random_bool(0.12) {
        aggregate(VectorOp::Sum, None, Some(some_grouping(rng)), inner)
    } else {
        inner
    };
    let op = [
        VectorOp::Sum,
        VectorOp::Sum,
        VectorOp::Sum,
        VectorOp::Avg,
        VectorOp::Min,
        VectorOp::Max,
        VectorOp::Count,
        VectorOp::Stddev,
        VectorOp::Stdvar,
        VectorOp::Topk,
        VectorOp::Bottomk,
        VectorOp::Sort,
        VectorOp::SortDesc,
        VectorOp::ApproxTopk,
    ][rng.random_range(0..if is_instant { 14 } else { 11 })];
    let parameter = matches!(
        op,
        VectorOp::Topk | VectorOp::Bottomk | VectorOp::ApproxTopk
    )
    .then(|| rng.random_range(1..5));
    let may_group = !matches!(
        op,
        VectorOp::Sort | VectorOp::SortDesc | VectorOp::ApproxTopk
    );
    let grouping = (may_group && rng.random_bool(0.7)).then(|| some_grouping(rng));
    let aggregated = aggregate(op, parameter, grouping, expr);
    if rng.random_bool(0.12) {
        replaced(rng, aggregated)
    } else {
        aggregated
    }
}

fn aggregate(
    op: VectorOp,
    parameter: Option<u64>,
    grouping: Option<Grouping>,
    expr: MetricExpr,
) -> MetricExpr {
    MetricExpr::Aggregate(Box::new(VectorAggregation {
        op,
        parameter,
        grouping,
        expr,
    }))
}

fn replaced(rng: &mut impl Rng, expr: MetricExpr) -> MetricExpr {
    let (replacement, regex) = [
        ("$1", "(.).*"),
        ("new-$1", "(a.*|w.*)"),
        ("fixed", ".*"),
        ("", "api"),
        ("${2}-${1}", "(.)(.*)"),
    ][rng.random_range(0..5)];
    MetricExpr::LabelReplace(Box::new(LabelReplace {
        expr,
        destination: pick(rng, &["dst", "app", "short"]).into(),
        replacement: replacement.into(),
        source: pick(rng, &["app", "host", "nothing"]).into(),
        regex: regex.into(),
    }))
}

fn binary(
    op: BinaryOp,
    return_bool: bool,
    matching: Matching,
    left: MetricExpr,
    right: MetricExpr,
) -> MetricExpr {
    MetricExpr::Binary(Box::new(Binary {
        op,
        return_bool,
        matching,
        left,
        right,
    }))
}

fn arithmetic(rng: &mut impl Rng) -> BinaryOp {
    [
        BinaryOp::Add,
        BinaryOp::Subtract,
        BinaryOp::Multiply,
        BinaryOp::Divide,
        BinaryOp::Modulo,
        BinaryOp::Power,
    ][rng.random_range(0..6)]
}

fn comparison(rng: &mut impl Rng) -> BinaryOp {
    // Equality would ask more of the last digits than is promised.
    let ops = [
        CompareOp::Greater,
        CompareOp::Less,
        CompareOp::GreaterOrEqual,
        CompareOp::LessOrEqual,
    ];
    BinaryOp::Compare(ops[rng.random_range(0..4)])
}

fn with_number(rng: &mut impl Rng, world: &World) -> MetricExpr {
    let mut range = range(rng, world);
    let is_comparison = rng.random_bool(0.4);
    let op = if is_comparison {
        comparison(rng)
    } else {
        arithmetic(rng)
    };
    if op == BinaryOp::Modulo {
        count(&mut range);
    }
    let series = aggregate(
        VectorOp::Sum,
        None,
        Some(some_grouping(rng)),
        MetricExpr::Range(Box::new(range)),
    );
    let number = MetricExpr::Number([0.0, 1.0, 2.0, 3.5, 0.0137, 100.0][rng.random_range(0..6)]);
    let return_bool = is_comparison && rng.random_bool(0.3);
    // Large powers leave the numbers.
    let (left, right) = if rng.random_bool(0.3) && op != BinaryOp::Power {
        (number, series)
    } else {
        (series, number)
    };
    binary(op, return_bool, Matching::default(), left, right)
}

/// Makes a function one whose values are whole.
fn count(range: &mut RangeAggregation) {
    range.unwrap = None;
    range.grouping = None;
    range.parameter = None;
    range.op = RangeOp::Count;
}

/// Two functions of the same records, so that their series belong together.
fn two(rng: &mut impl Rng, world: &World) -> MetricExpr {
    let mut one = range(rng, world);
    count(&mut one);
    let mut other = one.clone();
    other.op = [RangeOp::Bytes, RangeOp::Rate, RangeOp::Count][rng.random_range(0..3)];
    if rng.random_bool(0.3) {
        other.range = 120 * SECOND;
    }
    let by = |labels: &[&str]| Grouping {
        is_without: false,
        labels: labels.iter().map(|l| (*l).to_owned()).collect(),
    };
    let sum = |range: RangeAggregation, by| {
        aggregate(
            VectorOp::Sum,
            None,
            Some(by),
            MetricExpr::Range(Box::new(range)),
        )
    };
    let op = match rng.random_range(0..10) {
        0 => BinaryOp::And,
        1 => BinaryOp::Or,
        2 => BinaryOp::Unless,
        3 | 4 => comparison(rng),
        5 => BinaryOp::Divide,
        _ => arithmetic(rng),
    };
    let is_set = matches!(op, BinaryOp::And | BinaryOp::Or | BinaryOp::Unless);
    let return_bool = matches!(op, BinaryOp::Compare(_)) && rng.random_bool(0.3);
    let on = |labels: &[&str], is_on, group| Matching {
        is_on,
        labels: labels.iter().map(|l| (*l).to_owned()).collect(),
        group,
    };
    // What is left of a division jumps where the numbers are not whole.
    let op = match op {
        BinaryOp::Power => BinaryOp::Add,
        BinaryOp::Modulo if other.op == RangeOp::Rate => BinaryOp::Multiply,
        op => op,
    };
    match rng.random_range(0..5) {
        0 => binary(
            op,
            return_bool,
            Matching::default(),
            MetricExpr::Range(Box::new(one)),
            MetricExpr::Range(Box::new(other)),
        ),
        1 => binary(
            op,
            return_bool,
            Matching::default(),
            sum(one, by(&["app"])),
            sum(other, by(&["app"])),
        ),
        2 if is_set => binary(
            op,
            false,
            on(&["app"], true, Group::OneToOne),
            sum(one, by(&["app", "host"])),
            sum(other, by(&["app", "env"])),
        ),
        2 | 3 => {
            let taken = if rng.random() {
                Vec::new()
            } else {
                vec!["env".to_owned()]
            };
            let few = if taken.is_empty() {
                by(&["app"])
            } else {
                by(&["app", "env"])
            };
            let many = by(&["app", "host"]);
            if is_set {
                return binary(
                    op,
                    false,
                    on(&["host", "env"], false, Group::OneToOne),
                    sum(one, many),
                    sum(other, few),
                );
            }
            if rng.random() {
                binary(
                    op,
                    return_bool,
                    on(&["app"], true, Group::Left(taken)),
                    sum(one, many),
                    sum(other, few),
                )
            } else {
                binary(
                    op,
                    return_bool,
                    on(&["host", "env"], false, Group::Right(taken)),
                    sum(one, few),
                    sum(other, many),
                )
            }
        }
        // One to one by fewer labels than the series have: often refused.
        _ => binary(
            op,
            return_bool,
            on(&["app"], true, Group::OneToOne),
            sum(one, by(&["app", "host"])),
            sum(other, by(&["app"])),
        ),
    }
}

fn with_vector(rng: &mut impl Rng, world: &World) -> MetricExpr {
    let series = aggregate(
        VectorOp::Sum,
        None,
        None,
        MetricExpr::Range(Box::new(range(rng, world))),
    );
    let op = if rng.random() {
        BinaryOp::Or
    } else {
        BinaryOp::Add
    };
    binary(
        op,
        false,
        Matching::default(),
        series,
        MetricExpr::Vector(0.0),
    )
}
