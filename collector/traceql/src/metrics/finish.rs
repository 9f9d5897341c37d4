//! From what was counted to series.

use super::cell::Cell;
use super::compare::{Counts, Sides};
use super::{Counted, Counting, Series, Window};
use crate::ast::{Function, Second};
use crate::eval::Comparing as _;
use crate::value::{Static, Value};
use std::cmp::Reverse;
use std::collections::BTreeMap;

impl Counting<'_> {
    /// The series by their labels, and why some are missing, when some are.
    #[must_use]
    pub fn finish(self) -> (Vec<Series>, Option<String>) {
        let is_cut = self.dropped || self.sides.dropped;
        let cut = self.cut.or(is_cut.then_some(
            "there are more series than an answer has; group by less or narrow the query",
        ));
        let cut = cut.map(str::to_owned);
        let mut series = match &self.metrics.function {
            Function::Compare { top, .. } => of_sides(&self.sides, *top, &self.window),
            function => {
                let mut all: Vec<Counted> = self.series.into_values().collect();
                all.sort_by_cached_key(|counted| text_of(&counted.labels));
                let told = all
                    .into_iter()
                    .flat_map(|counted| of_counted(counted, function, &self.window));
                told.collect()
            }
        };
        for second in &self.metrics.second {
            second.apply(&mut series);
        }
        (series, cut)
    }
}

fn text_of(labels: &[(String, Static)]) -> String {
    let mut text = String::new();
    for (name, value) in labels {
        text.push_str(&format!("{name}={value},"));
    }
    text
}

fn of_counted(counted: Counted, function: &Function, window: &Window) -> Vec<Series> {
    let Counted {
        mut labels,
        cells,
        exemplars,
    } = counted;
    if let Function::Quantile(_, quantiles) = function {
        let of = |quantile: &f64| {
            let mut labels = labels.clone();
            labels.push(("p".to_owned(), Value::Float(*quantile)));
            let value = |cell: &Cell| cell.quantile(*quantile);
            Series {
                labels,
                samples: samples(&cells, window, value),
                exemplars: exemplars.clone(),
            }
        };
        return quantiles.iter().map(of).collect();
    }
    if labels.is_empty() {
        let name = function.name().to_owned();
        labels.push(("__name__".to_owned(), Value::Str(name.into())));
    }
    let seconds = window.step as f64 / 1e9;
    let samples = match function {
        Function::OverTime(..) => samples(&cells, window, Cell::value),
        _ => (0..window.intervals())
            .map(|interval| {
                let count = cells.get(&interval).map_or(0.0, Cell::value);
                let is_rate = *function == Function::Rate;
                let value = if is_rate { count / seconds } else { count };
                (window.time_ms(interval), value)
            })
            .collect(),
    };
    vec![Series {
        labels,
        samples,
        exemplars,
    }]
}

fn samples(
    cells: &BTreeMap<u64, Cell>,
    window: &Window,
    value: impl Fn(&Cell) -> f64,
) -> Vec<(i64, f64)> {
    let cells = cells.iter();
    cells
        .map(|(interval, cell)| (window.time_ms(*interval), value(cell)))
        .collect()
}

/// Of each attribute the values that are most frequent on either side, then how many spans of
/// each side have it at all.
fn of_sides(sides: &Sides, top: usize, window: &Window) -> Vec<Series> {
    const TYPES: [&str; 2] = ["baseline", "selection"];
    const TOTALS: [&str; 2] = ["baseline_total", "selection_total"];
    let mut series = Vec::new();
    let mut push = |kind: &'static str, name: &str, value: &Static, counts: &Counts| {
        if counts.is_empty() {
            return;
        }
        let counts = counts.iter();
        let samples = counts.map(|(at, count)| (window.time_ms(*at), *count as f64));
        series.push(Series {
            labels: vec![
                ("__meta_type".to_owned(), Value::Str(kind.into())),
                (name.to_owned(), value.clone()),
            ],
            samples: samples.collect(),
            exemplars: Vec::new(),
        });
    };
    for (name, values) in &sides.attributes {
        for (side, kind) in TYPES.into_iter().enumerate() {
            let mut sorted: Vec<_> = values.values.iter().collect();
            let sum = |counts: &Counts| counts.values().sum::<u64>();
            sorted.sort_by_key(|(key, (_, counts))| (Reverse(sum(&counts[side])), key.as_str()));
            for (_, (value, counts)) in sorted.into_iter().take(top) {
                push(kind, name, value, &counts[side]);
            }
        }
        for (side, kind) in TOTALS.into_iter().enumerate() {
            push(kind, name, &Value::Nil, &values.totals[side]);
        }
    }
    series
}

impl Function {
    /// Its name.
    #[must_use]
    pub fn name(&self) -> &'static str {
        use crate::ast::Aggregate::{Avg, Max, Min, Sum};
        match self {
            Self::Rate => "rate",
            Self::CountOverTime => "count_over_time",
            Self::OverTime(Avg, _) => "avg_over_time",
            Self::OverTime(Min, _) => "min_over_time",
            Self::OverTime(Max, _) => "max_over_time",
            Self::OverTime(Sum, _) => "sum_over_time",
            Self::Quantile(..) => "quantile_over_time",
            Self::Histogram(_) => "histogram_over_time",
            Self::Compare { .. } => "compare",
        }
    }
}

impl Second {
    fn apply(&self, series: &mut Vec<Series>) {
        match self {
            Self::TopK(n) => keep(series, *n, |value| Reverse(Ordered(value))),
            Self::BottomK(n) => keep(series, *n, Ordered),
            Self::Filter(op, wanted) => {
                let wanted = match wanted {
                    Value::Duration(nanos) => Value::Float(*nanos as f64 / 1e9),
                    other => other.clone(),
                };
                for one in series.iter_mut() {
                    let holds = |(_, v): &(i64, f64)| op.holds(&Value::Float(*v), &wanted);
                    one.samples.retain(holds);
                }
            }
        }
        series.retain(|one| !one.samples.is_empty());
    }
}

/// At each time the samples of the first few by `rank`, among equals of the first series.
fn keep<R: Ord>(series: &mut [Series], n: usize, rank: impl Fn(f64) -> R) {
    let mut at_time: BTreeMap<i64, Vec<(R, usize)>> = BTreeMap::new();
    for (place, one) in series.iter().enumerate() {
        for (time, value) in &one.samples {
            at_time
                .entry(*time)
                .or_default()
                .push((rank(*value), place));
        }
    }
    for ranked in at_time.values_mut() {
        ranked.sort();
        ranked.truncate(n);
    }
    for (place, one) in series.iter_mut().enumerate() {
        one.samples.retain(|(time, _)| {
            let kept = at_time.get(time);
            kept.is_some_and(|kept| kept.iter().any(|(_, of)| *of == place))
        });
    }
}

/// A number with an order.
#[derive(Clone, Copy, Debug)]
struct Ordered(f64);

impl PartialEq for Ordered {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other).is_eq()
    }
}

impl Eq for Ordered {}

impl PartialOrd for Ordered {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Ordered {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        self.0.total_cmp(&other.0)
    }
}
