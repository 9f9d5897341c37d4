//! Metric and label names as Prometheus wants them (`UnderscoreEscapingWithSuffixes`).

use super::units;
use super::wire::Kind;

/// The metric's name: escaped, with its unit, `_total` for counters and `_ratio` for gauges
/// of unit `1`. A suffix that is already there is not added again.
pub(crate) fn metric(name: &str, unit: &str, kind: Kind) -> String {
    let has_suffix = kind != Kind::Counter || name.ends_with("_total");
    if unit.is_empty() && has_suffix && is_metric_name(name) {
        return name.to_owned();
    }
    let mut words: Vec<&str> = name
        .split(|c: char| !(c.is_ascii_alphanumeric() || c == ':'))
        .filter(|w| !w.is_empty())
        .collect();
    let (main, per) = units::suffixes(unit);
    let per_joined = format!("per_{per}");
    if !main.is_empty() && !words.contains(&main.as_str()) {
        words.push(&main);
    }
    if !per.is_empty() && !words.contains(&per.as_str()) {
        words.push(&per_joined);
    }
    let last = match kind {
        Kind::Counter => Some("total"),
        Kind::Gauge if unit == "1" => Some("ratio"),
        Kind::Gauge | Kind::UpDown | Kind::Histogram | Kind::Exponential | Kind::Summary => None,
    };
    if let Some(last) = last {
        words.retain(|w| *w != last);
        words.push(last);
    }
    let name = words.join("_");
    if name.starts_with(|c: char| c.is_ascii_digit()) {
        format!("_{name}")
    } else {
        name
    }
}

/// A label's name: everything but letters, digits and underscores becomes an underscore.
pub(crate) fn label(name: &str) -> String {
    let escaped: String = name
        .chars()
        .map(|c| {
            if c.is_ascii_alphanumeric() || c == '_' {
                c
            } else {
                '_'
            }
        })
        .collect();
    if escaped.starts_with(|c: char| c.is_ascii_digit()) {
        format!("key_{escaped}")
    } else if escaped.starts_with('_') && !escaped.starts_with("__") {
        format!("key{escaped}")
    } else {
        escaped
    }
}

/// Whether Prometheus takes the name as it is.
pub(crate) fn is_metric_name(name: &str) -> bool {
    let valid = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == ':';
    !name.is_empty() && name.chars().all(valid) && !name.starts_with(|c: char| c.is_ascii_digit())
}
