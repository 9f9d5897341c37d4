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
//!
//! Invariant: one trace is in memory at a time. Of the slow ones counts are kept, and of the
//! others only the counts of what slow ones have too: nothing else is told.

use super::critical::critical_path;
use serde::Serialize;
use sonde_proto::{Deadline, TraceId};
use sonde_traces::{Span, Trace};
use std::collections::{HashMap, HashSet};

/// How many spans of each group are read; the last trace may go beyond.
const SPANS_MAX: usize = 200_000;
/// How many different attributes with their values are looked at.
const PAIRS_MAX: usize = 50_000;
/// How many are told.
const RANKED_MAX: usize = 30;
/// Longer values are not looked at: they say something else each time. Nor are longer keys,
/// and names of operations are cut.
const TEXT_BYTES_MAX: usize = 200;
/// What fewer slow traces have than this says nothing about being slow.
const SLOW_MIN: usize = 2;

/// One of the slow traces, and one of the others.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Groups<T> {
    pub(crate) slow: T,
    pub(crate) others: T,
}

/// What slow traces have that others do not.
#[derive(Debug, PartialEq, Serialize)]
pub(crate) struct Comparison {
    /// How many slow traces were read.
    pub(crate) slow: usize,
    /// How many others were read.
    pub(crate) others: usize,
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

/// Compares traces, which are read one at a time, in the order they stand in.
///
/// # Errors
/// That of a trace that cannot be read.
pub(crate) fn compare<E>(
    ids: &Groups<Vec<TraceId>>,
    read: impl FnMut(&TraceId) -> Result<Option<Trace>, E>,
    deadline: &Deadline,
) -> Result<Comparison, E> {
    compare_within(SPANS_MAX, ids, read, deadline)
}

fn compare_within<E>(
    spans_max: usize,
    ids: &Groups<Vec<TraceId>>,
    mut read: impl FnMut(&TraceId) -> Result<Option<Trace>, E>,
    deadline: &Deadline,
) -> Result<Comparison, E> {
    let mut gathered = Gathered::default();
    let mut each = |ids: &[TraceId], add: &mut dyn FnMut(&Trace)| -> Result<Option<String>, E> {
        let mut spans = 0;
        for (at, id) in ids.iter().enumerate() {
            let of = ids.len();
            if deadline.has_passed() {
                return Ok(Some(format!(
                    "the time for the query was over after {at} of {of} traces of a kind were read"
                )));
            }
            if spans >= spans_max {
                return Ok(Some(format!(
                    "only {at} of {of} traces of a kind were read: they have {spans} spans, and no more than {spans_max} are compared"
                )));
            }
            if let Some(trace) = read(id)? {
                spans += trace.spans.len();
                add(&trace);
            }
        }
        Ok(None)
    };
    let slow_cut = each(&ids.slow, &mut |trace| gathered.add_slow(trace))?;
    gathered.forget_rare();
    let others_cut = each(&ids.others, &mut |trace| gathered.add_other(trace))?;
    let mut comparison = gathered.compared();
    comparison.cut = slow_cut.or(others_cut).or(comparison.cut);
    Ok(comparison)
}

/// Where an attribute stands, its key and its value.
type Pair<'a> = (&'static str, &'a str, &'a str);

/// What the traces read so far have.
#[derive(Default)]
struct Gathered {
    read: Groups<usize>,
    /// Traces that have it, by scope, key and value.
    attributes: HashMap<(&'static str, String, String), Groups<usize>>,
    /// The time waited for it, by service and name.
    operations: HashMap<(String, String), Groups<u64>>,
    is_full: bool,
    /// Traces of which only the first spans were read.
    in_part: usize,
}

impl Gathered {
    fn add_slow(&mut self, trace: &Trace) {
        self.read.slow += 1;
        self.in_part += usize::from(trace.cut.is_some());
        for (scope, key, value) in distinct(trace) {
            let pair = (scope, key.to_owned(), value.to_owned());
            if self.attributes.len() < PAIRS_MAX || self.attributes.contains_key(&pair) {
                self.attributes.entry(pair).or_default().slow += 1;
            } else {
                self.is_full = true;
            }
        }
        for (operation, nanos) in waited(trace) {
            let of = self.operations.entry(operation).or_default();
            of.slow = of.slow.saturating_add(nanos);
        }
    }

    /// Forgets what will not be told, once all slow traces were read.
    fn forget_rare(&mut self) {
        self.attributes.retain(|_, count| count.slow >= SLOW_MIN);
    }

    fn add_other(&mut self, trace: &Trace) {
        self.read.others += 1;
        self.in_part += usize::from(trace.cut.is_some());
        for (scope, key, value) in distinct(trace) {
            let pair = (scope, key.to_owned(), value.to_owned());
            if let Some(count) = self.attributes.get_mut(&pair) {
                count.others += 1;
            }
        }
        for (operation, nanos) in waited(trace) {
            if let Some(of) = self.operations.get_mut(&operation) {
                of.others = of.others.saturating_add(nanos);
            }
        }
    }

    /// Nothing where one of the groups is empty.
    fn compared(self) -> Comparison {
        let Groups { slow, others } = self.read;
        let full = self
            .is_full
            .then(|| format!("of attributes only {PAIRS_MAX} values were compared"));
        let in_part = (self.in_part > 0).then(|| {
            let traces = self.in_part;
            format!("of {traces} traces only the first spans were compared: they have too many")
        });
        let (mut attributes, mut operations) = (Vec::new(), Vec::new());
        if slow > 0 && others > 0 {
            attributes = ranked_attributes(self.attributes, self.read);
            operations = ranked_operations(self.operations, self.read);
        }
        Comparison {
            slow,
            others,
            attributes,
            operations,
            cut: full.or(in_part),
        }
    }
}

/// What a trace has on any of its spans, each once.
fn distinct(trace: &Trace) -> HashSet<Pair<'_>> {
    trace.spans.iter().flat_map(pairs).collect()
}

fn pairs(span: &Span) -> impl Iterator<Item = Pair<'_>> {
    let own = span.attributes.iter().map(|pair| ("span", pair));
    let resource = span.resource.iter().map(|pair| ("resource", pair));
    own.chain(resource)
        .map(|(scope, (key, value))| (scope, key.as_str(), value.as_str()))
        .filter(|(_, key, value)| key.len().max(value.len()) <= TEXT_BYTES_MAX)
}

/// How long a trace waited for operations, by service and name.
fn waited(trace: &Trace) -> impl Iterator<Item = ((String, String), u64)> {
    let path = critical_path(trace);
    let operations = path.into_iter().flat_map(|path| path.operations);
    operations.map(|one| {
        let names = (start_of(one.service), start_of(one.name));
        (names, one.nanos)
    })
}

fn start_of(mut text: String) -> String {
    let mut end = text.len().min(TEXT_BYTES_MAX);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    text.truncate(end);
    text
}

fn ranked_attributes(
    counts: HashMap<(&'static str, String, String), Groups<usize>>,
    of: Groups<usize>,
) -> Vec<Attribute> {
    let share = |count: usize, of: usize| count as f64 / of as f64;
    let mut ranked: Vec<Attribute> = counts
        .into_iter()
        .map(|((scope, key, value), count)| {
            let (slow, others) = (share(count.slow, of.slow), share(count.others, of.others));
            Attribute {
                name: format!("{scope}.{key}"),
                value,
                slow,
                others,
                difference: slow - others,
            }
        })
        .filter(|attribute| attribute.difference > 0.0)
        .collect();
    ranked.sort_by(|a, b| {
        let by_name = || (&a.name, &a.value).cmp(&(&b.name, &b.value));
        b.difference.total_cmp(&a.difference).then_with(by_name)
    });
    ranked.truncate(RANKED_MAX);
    ranked
}

fn ranked_operations(
    nanos: HashMap<(String, String), Groups<u64>>,
    of: Groups<usize>,
) -> Vec<Waited> {
    let mean = |sum: u64, of: usize| sum as f64 / of as f64;
    let mut waited: Vec<Waited> = nanos
        .into_iter()
        .map(|((service, name), sum)| {
            let (slow, others) = (mean(sum.slow, of.slow), mean(sum.others, of.others));
            Waited {
                service,
                name,
                slow_nanos: slow,
                others_nanos: others,
                difference_nanos: slow - others,
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

    /// Compares traces that are read one by one, within a number of spans of each group.
    fn check_within(spans_max: usize, slow: &[Trace], others: &[Trace]) -> Comparison {
        let all: Vec<&Trace> = slow.iter().chain(others).collect();
        let id = |at: usize| TraceId::from_hex(&format!("{:032x}", at + 1)).unwrap();
        let ids = Groups {
            slow: (0..slow.len()).map(id).collect(),
            others: (slow.len()..all.len()).map(id).collect(),
        };
        let read = |wanted: &TraceId| -> Result<Option<Trace>, std::convert::Infallible> {
            let at = (0..all.len()).find(|at| id(*at) == *wanted);
            Ok(at.map(|at| all[at].clone()))
        };
        let Ok(found) = compare_within(spans_max, &ids, read, &Deadline::never());
        found
    }

    fn check(slow: &[Trace], others: &[Trace]) -> Comparison {
        check_within(SPANS_MAX, slow, others)
    }

    #[test]
    fn what_all_slow_traces_have_and_no_other_comes_first() {
        let slow: Vec<_> = (0..4).map(|id| request(1_000, "north", id)).collect();
        let others: Vec<_> = (4..14)
            .map(|id| request(100, if id < 6 { "north" } else { "south" }, id))
            .collect();
        let found = check(&slow, &others);
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
        let found = check(&[], &[]);
        assert!(found.attributes.is_empty() && found.operations.is_empty());
        let some = [request(5, "north", 1), request(5, "north", 2)];
        let found = check(&some, &[]);
        assert!(found.attributes.is_empty() && found.operations.is_empty());
        let alike: Vec<_> = (0..3).map(|id| request(5, "north", id)).collect();
        let found = check(&alike, &alike);
        assert!(found.attributes.is_empty() && found.operations.is_empty());
    }

    #[test]
    fn of_both_groups_no_more_spans_are_read_than_may_be_and_it_is_said() {
        let slow: Vec<_> = (0..10).map(|id| request(1_000, "north", id)).collect();
        let others: Vec<_> = (10..20).map(|id| request(10, "south", id)).collect();
        let found = check_within(5, &slow, &others);
        assert_eq!((found.slow, found.others), (3, 3), "two spans each");
        assert_eq!(found.attributes[0].value, "north");
        assert!(found.cut.unwrap().contains("only 3 of 10 traces"));
        let found = check_within(20, &slow, &others);
        assert_eq!((found.slow, found.others, found.cut), (10, 10, None));
    }

    #[test]
    fn a_trace_that_is_compared_in_part_is_said() {
        let mut others = vec![request(10, "south", 1)];
        let slow = [request(1_000, "north", 2), request(1_000, "north", 3)];
        assert_eq!(check(&slow, &others).cut, None);
        others[0].cut = Some("it has more spans".to_owned());
        let cut = check(&slow, &others).cut.unwrap();
        assert!(cut.contains("of 1 traces only the first spans"), "{cut}");
    }

    #[test]
    fn keys_and_names_without_end_are_not_kept() {
        let long = "\u{e9}".repeat(TEXT_BYTES_MAX);
        let mut slow = [request(1_000, "north", 1), request(1_000, "north", 2)];
        for trace in &mut slow {
            let span = trace.spans.last_mut().unwrap();
            long.clone_into(&mut span.name);
            span.attributes.push((long.clone(), "1".to_owned()));
        }
        let found = check(&slow, &[request(10, "south", 3)]);
        assert_eq!(found.attributes.len(), 1, "{found:?}");
        let longest = found.operations.iter().map(|one| one.name.len()).max();
        assert_eq!(longest, Some(TEXT_BYTES_MAX));
    }
}
