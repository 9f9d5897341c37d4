//! What slow traces have that others do not.
//!
//! For every attribute with its value, on whatever span of a trace:
//!
//! ```text
//! difference = slow traces that have it / slow traces − other traces that have it / other traces
//! ```
//!
//! from 1, only slow ones have it and all of them do, by way of 0, it tells nothing, to −1.
//! A value that one trace has alone, as an ID, differs by no more than one trace's share.
//! Beside it, for every operation, how much longer the slow ones waited for it: the mean of
//! its time on the critical path ([`super::critical`]) in slow traces less that in others.
//!
//! Both say what goes together with being slow, not what causes it.

use super::critical::critical_path;
use serde::Serialize;
use sonde_traces::{Span, Trace};
use std::collections::{HashMap, HashSet};

/// How many different attributes with their values are looked at.
const PAIRS_MAX: usize = 50_000;
/// How many are told.
const RANKED_MAX: usize = 30;
/// Longer values are not looked at: they say something else each time.
const VALUE_BYTES_MAX: usize = 200;
/// What fewer slow traces have than this says nothing about being slow.
const SLOW_MIN: usize = 2;

/// What slow traces have that others do not.
#[derive(Debug, PartialEq, Serialize)]
pub(crate) struct Comparison {
    /// The greatest difference first.
    pub(crate) attributes: Vec<Attribute>,
    /// The longest wait first.
    pub(crate) operations: Vec<Waited>,
    pub(crate) cut: Option<String>,
}

/// An attribute with its value.
#[derive(Debug, PartialEq, Serialize)]
pub(crate) struct Attribute {
    /// As in TraceQL: `span.…` or `resource.…`.
    pub(crate) name: String,
    pub(crate) value: String,
    /// The share of slow traces that have it.
    pub(crate) slow: f64,
    /// The share of other traces that have it.
    pub(crate) others: f64,
    pub(crate) difference: f64,
}

/// The time waited for an operation, a trace.
#[derive(Debug, PartialEq, Serialize)]
pub(crate) struct Waited {
    pub(crate) service: String,
    pub(crate) name: String,
    pub(crate) slow_nanos: f64,
    pub(crate) others_nanos: f64,
    pub(crate) difference_nanos: f64,
}

/// Compares traces.
pub(crate) fn compare(slow: &[Trace], others: &[Trace]) -> Comparison {
    let (attributes, cut) = attributes(slow, others);
    Comparison {
        attributes,
        operations: operations(slow, others),
        cut,
    }
}

/// Where an attribute stands, its key and its value.
type Pair<'a> = (&'static str, &'a str, &'a str);

fn attributes(slow: &[Trace], others: &[Trace]) -> (Vec<Attribute>, Option<String>) {
    let mut counts: HashMap<Pair<'_>, [usize; 2]> = HashMap::new();
    let mut cut = None;
    for (group, traces) in [slow, others].into_iter().enumerate() {
        for trace in traces {
            let pairs: HashSet<Pair<'_>> = trace.spans.iter().flat_map(pairs).collect();
            for pair in pairs {
                if counts.len() >= PAIRS_MAX && !counts.contains_key(&pair) {
                    cut = Some(format!(
                        "of attributes only {PAIRS_MAX} values were compared"
                    ));
                    continue;
                }
                counts.entry(pair).or_default()[group] += 1;
            }
        }
    }
    let share = |count: usize, of: &[Trace]| count as f64 / of.len().max(1) as f64;
    let mut ranked: Vec<Attribute> = counts
        .into_iter()
        .filter(|(_, [in_slow, _])| *in_slow >= SLOW_MIN)
        .map(|((scope, key, value), [in_slow, in_others])| {
            let (in_slow, in_others) = (share(in_slow, slow), share(in_others, others));
            Attribute {
                name: format!("{scope}.{key}"),
                value: value.to_owned(),
                slow: in_slow,
                others: in_others,
                difference: in_slow - in_others,
            }
        })
        .filter(|attribute| attribute.difference > 0.0)
        .collect();
    ranked.sort_by(|a, b| {
        let by_name = || (&a.name, &a.value).cmp(&(&b.name, &b.value));
        b.difference.total_cmp(&a.difference).then_with(by_name)
    });
    ranked.truncate(RANKED_MAX);
    (ranked, cut)
}

fn pairs(span: &Span) -> impl Iterator<Item = Pair<'_>> {
    let own = span.attributes.iter().map(|pair| ("span", pair));
    let resource = span.resource.iter().map(|pair| ("resource", pair));
    own.chain(resource)
        .map(|(scope, (key, value))| (scope, key.as_str(), value.as_str()))
        .filter(|(_, _, value)| value.len() <= VALUE_BYTES_MAX)
}

fn operations(slow: &[Trace], others: &[Trace]) -> Vec<Waited> {
    let mut nanos: HashMap<(String, String), [u64; 2]> = HashMap::new();
    for (group, traces) in [slow, others].into_iter().enumerate() {
        for path in traces.iter().filter_map(critical_path) {
            for operation in path.operations {
                let of = nanos
                    .entry((operation.service, operation.name))
                    .or_default();
                of[group] = of[group].saturating_add(operation.nanos);
            }
        }
    }
    let mean = |sum: u64, of: &[Trace]| sum as f64 / of.len().max(1) as f64;
    let mut waited: Vec<Waited> = nanos
        .into_iter()
        .map(|((service, name), [in_slow, in_others])| {
            let (in_slow, in_others) = (mean(in_slow, slow), mean(in_others, others));
            Waited {
                service,
                name,
                slow_nanos: in_slow,
                others_nanos: in_others,
                difference_nanos: in_slow - in_others,
            }
        })
        .filter(|waited| waited.difference_nanos > 0.0)
        .collect();
    waited.sort_by(|a, b| {
        let by_name = || (&a.service, &a.name).cmp(&(&b.service, &b.name));
        b.difference_nanos
            .total_cmp(&a.difference_nanos)
            .then_with(by_name)
    });
    waited.truncate(RANKED_MAX);
    waited
}

#[cfg(test)]
mod tests {
    use super::super::critical::tests::{span, trace};
    use super::*;

    /// A trace of a request and what it calls, which takes so long and has this region.
    fn request(nanos: u64, region: &str, id: u64) -> Trace {
        let mut inner = span(2, 1, 10, 10 + nanos);
        inner.attributes = vec![
            ("region".to_owned(), region.to_owned()),
            ("order.id".to_owned(), id.to_string()),
        ];
        trace(vec![span(1, 0, 0, 20 + nanos), inner])
    }

    #[test]
    fn what_all_slow_traces_have_and_no_other_comes_first() {
        let slow: Vec<_> = (0..4).map(|id| request(1_000, "north", id)).collect();
        let others: Vec<_> = (4..14)
            .map(|id| request(100, if id < 6 { "north" } else { "south" }, id))
            .collect();
        let found = compare(&slow, &others);
        let first = &found.attributes[0];
        assert_eq!(
            (&first.name[..], &first.value[..]),
            ("span.region", "north")
        );
        assert!((first.difference - 0.8).abs() < 1e-9 && first.slow == 1.0);
        assert_eq!(found.attributes.len(), 1, "IDs say nothing: {found:?}");
        assert_eq!(found.operations.len(), 1);
        let waited = &found.operations[0];
        assert_eq!((&waited.name[..], waited.difference_nanos), ("op 2", 900.0));
    }

    #[test]
    fn nothing_to_compare_is_no_difference() {
        let found = compare(&[], &[]);
        assert!(found.attributes.is_empty() && found.operations.is_empty());
        let alike: Vec<_> = (0..3).map(|id| request(5, "north", id)).collect();
        let found = compare(&alike, &alike);
        assert!(found.attributes.is_empty() && found.operations.is_empty());
    }
}
