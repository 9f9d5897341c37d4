//! Aggregations over ranges by plain loops: every record against every window.

use crate::ast::{Grouping, RangeAggregation, RangeOp};
use crate::pipeline::{Pipeline, PipelineLimits, Scratch, Unwrapper};
use crate::source::Record;
use crate::testing::World;
use crate::value::Grid;
use sonde_proto::Labels;
use std::collections::BTreeMap;

/// Values by labels and number of the window.
pub(super) type Points = BTreeMap<(Labels, usize), f64>;

/// When, which value, how many bytes.
type Taken = (u64, f64, usize);

pub(super) fn evaluate(world: &World, range: &RangeAggregation, grid: &Grid) -> Points {
    let pipeline = Pipeline::compile(&range.log.stages, &PipelineLimits::default()).unwrap();
    let unwrapper = range
        .unwrap
        .as_ref()
        .map(|u| Unwrapper::compile(u).unwrap());
    let mut samples: BTreeMap<(Labels, usize), Vec<Taken>> = BTreeMap::new();
    let mut scratch = Scratch::default();
    let mut entries: Vec<_> = world.entries.iter().collect();
    entries.sort_by_key(|entry| entry.time);
    for entry in entries {
        let stream = world.view(entry.stream);
        if !range
            .log
            .matchers
            .iter()
            .all(|m| m.matches_labels(stream.labels))
        {
            continue;
        }
        let metadata: Vec<(&str, &str)> = entry
            .metadata
            .iter()
            .map(|(name, value)| (name.as_str(), value.as_str()))
            .collect();
        let record = Record {
            time: entry.time,
            line: entry.line.as_bytes(),
            stream,
            metadata: &metadata,
        };
        let found = match &unwrapper {
            Some(unwrapper) => unwrapper.sample(&pipeline, &record, &mut scratch),
            None => pipeline.run(&record, &mut scratch).map(|p| (1.0, p)),
        };
        let Some((value, processed)) = found else {
            continue;
        };
        let labels = series(range, &processed.labels.all());
        for window in 0..grid.len() {
            let end = i128::from(grid.time(window).0) - i128::from(range.offset);
            let time = i128::from(entry.time.0);
            if time > end - i128::from(range.range) && time <= end {
                let series = samples.entry((labels.clone(), window)).or_default();
                series.push((entry.time.0, value, processed.line.len()));
            }
        }
    }
    let value = |(key, samples): (_, Vec<Taken>)| (key, compute(range, &samples));
    samples.into_iter().map(value).collect()
}

fn series(range: &RangeAggregation, all: &Labels) -> Labels {
    let number = range.unwrap.as_ref().map(|unwrap| unwrap.label.as_str());
    let pairs = all.iter().filter(|(name, _)| match &range.grouping {
        Some(Grouping {
            is_without: false,
            labels,
        }) => labels.iter().any(|l| l == name),
        Some(Grouping { labels, .. }) => !labels.iter().any(|l| l == name) && number != Some(name),
        None => number != Some(name),
    });
    pairs.collect()
}

fn compute(range: &RangeAggregation, samples: &[Taken]) -> f64 {
    let seconds = range.range as f64 / 1e9;
    let count = samples.len() as f64;
    let values: Vec<f64> = samples.iter().map(|(_, value, _)| *value).collect();
    let bytes: usize = samples.iter().map(|(_, _, bytes)| bytes).sum();
    let sum: f64 = values.iter().sum();
    let variance = || {
        values
            .iter()
            .map(|v| (v - sum / count).powi(2))
            .sum::<f64>()
            / count
    };
    match range.op {
        RangeOp::Count => count,
        RangeOp::Rate if range.unwrap.is_none() => count / seconds,
        RangeOp::Rate => sum / seconds,
        RangeOp::Bytes => bytes as f64,
        RangeOp::BytesRate => bytes as f64 / seconds,
        RangeOp::Avg => sum / count,
        RangeOp::Sum => sum,
        RangeOp::Min => values.iter().copied().fold(f64::INFINITY, f64::min),
        RangeOp::Max => values.iter().copied().fold(f64::NEG_INFINITY, f64::max),
        RangeOp::Stdvar => variance(),
        RangeOp::Stddev => variance().sqrt(),
        RangeOp::Quantile => {
            let mut sorted = values.clone();
            sorted.sort_by(f64::total_cmp);
            let rank = range.parameter.unwrap() * (count - 1.0);
            let (low, high) = (sorted[rank.floor() as usize], sorted[rank.ceil() as usize]);
            low + (high - low) * rank.fract()
        }
        RangeOp::First => values[0],
        RangeOp::Last => values[values.len() - 1],
        RangeOp::Absent => 1.0,
        RangeOp::RateCounter => {
            let timed = samples
                .iter()
                .map(|(time, value, _)| (sonde_proto::UnixNanos(*time), *value));
            crate::eval::counter::rate(&timed.collect::<Vec<_>>(), range.range, seconds)
        }
    }
}
