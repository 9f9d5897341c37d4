//! What selecting series may take: it is charged before it is made.

use super::*;
use crate::promql::QueryLimits;
use crate::{QueryError, Question, Reads, Selection};
use sonde_proto::otlp::metrics::{Exemplar, exemplar};
use sonde_proto::{Deadline, Labels, Matcher};

/// `m` with 60 series that share ten labels of a thousand bytes, a third in each of two segments
/// and in memory; and each sample of a series a second after the other.
fn wide(own: usize, samples: i64) -> Bed {
    let bed = Bed::new(&Config::default());
    let text = |n: usize| format!("{n:>01000}");
    let shared: Vec<(String, String)> = (0..10).map(|n| (format!("s{n}"), text(n))).collect();
    for n in 0..60 {
        let own = format!("{n:>0own$}");
        let mut pairs = vec![("own", own.as_str())];
        pairs.extend(
            shared
                .iter()
                .map(|(name, value)| (name.as_str(), value.as_str())),
        );
        let points = (0..samples).map(|at| point(&pairs, at * 1000, at as f64));
        bed.send(&[], vec![gauge("m", points.collect())]);
        if n == 19 || n == 39 {
            bed.store.seal(NOW).unwrap();
        }
    }
    bed
}

/// The answer, or which limit there is; and how many samples were read for it.
fn asked(bed: &Bed, query: &str, limits: &QueryLimits) -> (Result<(), String>, u64) {
    let reads = Reads::default();
    let question = Question {
        text: query,
        limits,
        reads: &reads,
    };
    let answer = bed
        .store
        .instant_of(&Tenant::default(), &question, later(600));
    let answer = answer.map(|_| ()).map_err(|error| match error {
        QueryError::TooLarge(why) => why,
        other => panic!("{other}"),
    });
    (answer, reads.samples())
}

#[test]
fn labels_of_selected_series_are_charged_before_they_are_built() {
    let check = |own: usize, label_bytes_max: u64, fits: bool| {
        let limits = QueryLimits {
            label_bytes_max,
            ..QueryLimits::default()
        };
        let (answer, read) = asked(&wide(own, 1), "count(m offset 6m)", &limits);
        match answer {
            Ok(()) => assert!(fits),
            Err(why) => assert!(!fits && why.contains("bytes of labels"), "{why}"),
        }
        assert_eq!(read, if fits { 60 } else { 0 });
    };
    // Shared texts are there once: ten thousand bytes, and sixty times the lists of them.
    check(10, 60_000, true);
    check(10, 40_000, false);
    // Of sixty texts of their own each has to be there.
    check(1000, 120_000, true);
    check(1000, 90_000, false);
}

#[test]
fn a_text_that_many_series_have_is_in_memory_once() {
    let bed = wide(10, 1);
    let selectors = [vec![
        Matcher::new("s3", sonde_proto::MatchOp::NotEqual, "").unwrap(),
    ]];
    let selection = Selection {
        selectors: &selectors,
        start: UnixNanos(0),
        end: UnixNanos(u64::MAX),
        samples_max: 1000,
        deadline: &Deadline::never(),
    };
    let found = bed.store.newest(&Tenant::default(), &selection).unwrap();
    let at = |labels: &Labels, name: &str| labels.get(name).as_ptr();
    assert_eq!(found.len(), 60);
    for one in &found {
        assert_eq!(at(&one.labels, "s3"), at(&found[0].labels, "s3"));
        assert_eq!(one.labels.get("s3").len(), 1000);
        assert_eq!(one.labels.len(), 12);
    }
}

#[test]
fn exemplars_are_matched_within_the_deadline() {
    let bed = Bed::new(&Config::default());
    let mut counted = point(&[], 0, 1.0);
    counted.exemplars = vec![Exemplar {
        time_unix_nano: UnixNanos::from_millis(NOW_MS).0,
        value: Some(exemplar::Value::AsDouble(1.0)),
        ..Default::default()
    }];
    bed.send(&[], vec![counter("c", CUMULATIVE, vec![counted])]);
    let selectors = vec![crate::parse_selector("{__name__=~\"c.*\"}").unwrap()];
    let deadline = Deadline::never();
    let asked = || {
        let (start, end) = (UnixNanos(0), UnixNanos(u64::MAX));
        let tenant = Tenant::default();
        let found = bed
            .store
            .exemplars(&tenant, &selectors, start, end, &deadline);
        found.map(|found| found.len())
    };
    assert_eq!(asked(), Ok(1));
    drop(deadline.give_up_on_drop());
    assert!(matches!(asked(), Err(QueryError::Timeout(_))));
}

#[test]
fn samples_are_charged_before_the_first_is_read() {
    let bed = wide(10, 300);
    let check = |query: &str, samples_max: u64, most_read: u64| {
        let limits = QueryLimits {
            samples_max,
            ..QueryLimits::default()
        };
        let (answer, read) = asked(&bed, query, &limits);
        match answer {
            Ok(()) => assert_eq!(read, most_read, "{query}"),
            Err(why) => assert!(why.contains(&format!("more than {samples_max} samples"))),
        }
        assert!(read <= most_read, "{query} {samples_max}: {read}");
    };
    // Two thirds of the series are in segments, which tell how many samples they have.
    check("sum(count_over_time(m[1h]))", 40 * 300, 0);
    check("sum(count_over_time(m[1h]))", 60 * 300 + 1000, 60 * 300);
    // Of a chunk that lies across the edge, few are charged.
    check("sum(count_over_time(m[302s]))", 60 * 300, 60);
}
