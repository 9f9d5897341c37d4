//! Random pipelines that suit a record, and windows over what comes out of them.

use crate::World;
use crate::stage_gen::{Allowed, label_filter, stage, suiting};
use crate::stages::{begin, step};
use crate::state::State;
use crate::units;
use crate::world::pick;
use rand::Rng;
use sonde_logql::ast::{
    Conversion, Grouping, LabelFilter, LabelSelector, LineFilter, LineOp, LogExpr,
    RangeAggregation, RangeOp, Stage, Unwrap,
};
use sonde_proto::{MatchOp, Matcher};
use std::collections::BTreeSet;

/// A second, in nanoseconds.
pub(crate) const SECOND: i64 = 1_000_000_000;

/// A pipeline, and a record that came out of it.
pub(crate) fn pipeline(
    rng: &mut impl Rng,
    world: &World,
    allowed: Allowed,
    count: usize,
) -> (LogExpr, State) {
    let stream = &world.streams[rng.random_range(0..world.streams.len())];
    let record = &stream.records[rng.random_range(0..stream.records.len())];
    let mut state = begin(stream, record);
    let mut matchers = Vec::new();
    for (name, value) in stream.labels.iter() {
        if rng.random_bool(0.4) {
            let candidate = suiting(rng, name, value);
            if candidate.matches(value) {
                matchers.push(candidate);
            }
        }
    }
    // One of them must ask for something.
    if matchers.iter().all(|m| m.matches("")) {
        let all = Matcher::new("app", MatchOp::Regex, ".+").expect("a good pattern");
        matchers.push(all);
    }
    let mut stages = Vec::new();
    for _ in 0..count {
        for _ in 0..5 {
            let candidate = stage(rng, &state, allowed);
            let mut after = state.clone();
            let passes = step(&candidate, &mut after, &mut BTreeSet::new());
            let is_other = stages.last().is_some_and(|last| reads_on(last, &candidate));
            if !is_other && (passes || rng.random_bool(0.02)) {
                stages.push(candidate);
                state = after;
                break;
            }
        }
    }
    (LogExpr { matchers, stages }, state)
}

pub(crate) fn range(rng: &mut impl Rng, world: &World) -> RangeAggregation {
    let allowed = Allowed {
        paths: !world.has_torn,
        distinct: false,
    };
    let count = rng.random_range(0..5);
    let (mut log, state) = pipeline(rng, world, allowed, count);
    if rng.random_bool(0.85) {
        without_errors(rng, &mut log.stages);
    }
    let unwrap = if rng.random_bool(0.6) {
        unwrap(rng, &state)
    } else {
        None
    };
    let op = range_op(rng, world, unwrap.is_some());
    let groups = matches!(
        op,
        RangeOp::Avg
            | RangeOp::Min
            | RangeOp::Max
            | RangeOp::Stddev
            | RangeOp::Stdvar
            | RangeOp::Quantile
            | RangeOp::First
            | RangeOp::Last
    );
    let seconds = [10, 30, 37, 60, 90, 300, 300, 600, 600, 1800][rng.random_range(0..10)];
    RangeAggregation {
        op,
        parameter: (op == RangeOp::Quantile)
            .then(|| [0.0, 0.25, 0.5, 0.9, 0.99, 1.0][rng.random_range(0..6)]),
        log,
        unwrap,
        range: seconds * SECOND,
        offset: [0, 0, 0, 0, 30, 300, -45][rng.random_range(0..7)] * SECOND,
        grouping: (groups && rng.random_bool(0.5)).then(|| grouping(rng, &state)),
    }
}

/// Records with errors would make most queries fail.
fn without_errors(rng: &mut impl Rng, stages: &mut Vec<Stage>) {
    let makes_errors = |stage: &Stage| match stage {
        Stage::Json(_) | Stage::Unpack => true,
        Stage::Logfmt { strict, .. } => *strict,
        Stage::Label(filter) => !matches!(filter, LabelFilter::Text(_) | LabelFilter::Ip { .. }),
        _ => false,
    };
    if !stages.iter().any(makes_errors) {
        return;
    }
    stages.push(if rng.random_bool(0.7) {
        let none = Matcher::new("__error__", MatchOp::Equal, "").expect("no pattern");
        Stage::Label(LabelFilter::Text(none))
    } else {
        let names = ["__error__", "__error_details__"];
        Stage::Drop(names.map(|n| LabelSelector::Name(n.into())).to_vec())
    });
}

fn range_op(rng: &mut impl Rng, world: &World, is_unwrapped: bool) -> RangeOp {
    if !is_unwrapped {
        return match rng.random_range(0..12) {
            0..5 => RangeOp::Count,
            5..7 => RangeOp::Rate,
            7..9 => RangeOp::Bytes,
            9..11 => RangeOp::BytesRate,
            _ => RangeOp::Absent,
        };
    }
    // Which of two values of one time is the first is not said.
    let count = if world.has_ties { 12 } else { 15 };
    [
        RangeOp::Rate,
        RangeOp::Sum,
        RangeOp::Sum,
        RangeOp::Avg,
        RangeOp::Avg,
        RangeOp::Min,
        RangeOp::Max,
        RangeOp::Stddev,
        RangeOp::Stdvar,
        RangeOp::Quantile,
        RangeOp::Quantile,
        RangeOp::Absent,
        RangeOp::First,
        RangeOp::Last,
        RangeOp::RateCounter,
    ][rng.random_range(0..count)]
}

/// A label that holds a number, if the record has one.
fn unwrap(rng: &mut impl Rng, state: &State) -> Option<Unwrap> {
    let mut candidates = Vec::new();
    for (name, value) in state.labels() {
        if units::number(&value).is_some() {
            candidates.push((name.clone(), Conversion::None));
        } else if units::duration(&value).is_some() {
            let both = [Conversion::Duration, Conversion::DurationSeconds];
            candidates.push((name.clone(), both[rng.random_range(0..2)]));
        }
        if units::bytes(&value).is_some() {
            candidates.push((name, Conversion::Bytes));
        }
    }
    if candidates.is_empty() {
        return None;
    }
    let (label, conversion) = candidates.swap_remove(rng.random_range(0..candidates.len()));
    let mut filters = Vec::new();
    if rng.random_bool(0.8) {
        let none = Matcher::new("__error__", MatchOp::Equal, "").expect("no pattern");
        filters.push(LabelFilter::Text(none));
    }
    if rng.random_bool(0.15) {
        filters.push(label_filter(rng, state, 1));
    }
    Some(Unwrap {
        label,
        conversion,
        filters,
    })
}

fn grouping(rng: &mut impl Rng, state: &State) -> Grouping {
    let known: Vec<String> = state.labels().into_keys().collect();
    let is_without = rng.random_bool(0.3);
    let mut labels: Vec<String> = Vec::new();
    let least = usize::from(is_without);
    for _ in 0..rng.random_range(least..3) {
        let name = if known.is_empty() || rng.random_bool(0.2) {
            pick(rng, &["app", "host", "env", "level"]).to_owned()
        } else {
            known[rng.random_range(0..known.len())].clone()
        };
        if !labels.contains(&name) {
            labels.push(name);
        }
    }
    Grouping { is_without, labels }
}

/// Whether a line filter would be read as part of the stage before it: `drop a != "b"`.
fn reads_on(before: &Stage, stage: &Stage) -> bool {
    let (Stage::Drop(selectors) | Stage::Keep(selectors)) = before else {
        return false;
    };
    let ends_in_name = matches!(selectors.last(), Some(LabelSelector::Name(_)));
    let is_negated = matches!(
        stage,
        Stage::Line(LineFilter {
            op: LineOp::NotContains | LineOp::NotMatches,
            ..
        })
    );
    ends_in_name && is_negated
}
