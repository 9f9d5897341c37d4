//! Series, names and values of labels, exemplars and the limits of queries, over memory and
//! segments.

use super::*;
use crate::{QueryError, QueryLimits, QueryValue};
use sonde_proto::{Labels, Matcher, SampleValue};
use std::collections::BTreeSet;

const ALL: (UnixNanos, UnixNanos) = (UnixNanos(0), UnixNanos(u64::MAX));

/// `m` and `k` with labels, a third sealed, a third merged, a third in memory.
fn filled() -> Bed {
    let bed = Bed::new(&Config {
        merge_fan_in: 2,
        ..Config::default()
    });
    for n in 0..30i64 {
        let (own, zone) = (n.to_string(), ["a", "b", "c"][n as usize % 3]);
        let mut pairs = vec![("own", own.as_str()), ("zone", zone)];
        if n % 5 == 0 {
            pairs.push(("fifth", "yes"));
        }
        let name = if n % 2 == 0 { "m" } else { "k" };
        bed.send(
            &[],
            vec![gauge(name, vec![point(&pairs, n * 1000, n as f64)])],
        );
        if n == 9 || n == 14 || n == 19 {
            bed.store.seal(NOW).unwrap();
        }
        if n == 15 {
            bed.store.maintain(NOW).unwrap();
        }
    }
    assert_eq!(bed.store.stats().segments, 2);
    bed
}

fn selectors(texts: &[&str]) -> Vec<Vec<Matcher>> {
    let parse = |text: &&str| crate::parse_selector(text).unwrap();
    texts.iter().map(parse).collect()
}

const SELECTORS: [&[&str]; 10] = [
    &["m"],
    &["m", "k"],
    &["{zone=\"a\"}", "{own=~\"1.\"}"],
    &["m{zone!=\"a\"}"],
    &["m{fifth=\"\"}"],
    &["k{fifth!=\"\", own!~\"2.*\"}"],
    &["{missing=\"\", __name__=\"k\"}"],
    &["{missing!=\"\"}"],
    &["none"],
    &["m{own=\"4\"}"],
];

/// Every series with the time of its sample, by scanning everything.
fn scanned(bed: &Bed) -> Vec<(Labels, UnixNanos)> {
    let all = super::super::samples_of(&bed.store, &Tenant::default(), &[]);
    let time = |s: &crate::Samples| UnixNanos::from_millis(s.times[0]);
    all.iter().map(|(l, s)| (l.clone(), time(s))).collect()
}

#[test]
fn series_names_and_values_are_what_a_scan_finds() {
    let bed = filled();
    let (store, tenant) = (&bed.store, Tenant::default());
    let all = scanned(&bed);
    assert_eq!(all.len(), 30);
    let ranges = [
        ALL,
        (later(5), later(12)),
        (later(17), later(25)),
        (later(7), later(7)),
        (later(99), ALL.1),
    ];
    for (start, end) in ranges {
        for texts in SELECTORS {
            let wanted = selectors(texts);
            let matches = |l: &Labels| wanted.iter().any(|s| s.iter().all(|m| m.matches_labels(l)));
            let inside = all
                .iter()
                .filter(|(l, t)| matches(l) && *t >= start && *t <= end);
            let inside: Vec<Labels> = inside.map(|(l, _)| l.clone()).collect();
            assert_eq!(
                store.series(&tenant, &wanted, start, end, 1000),
                inside,
                "{texts:?}"
            );
            let names: BTreeSet<&str> = inside
                .iter()
                .flat_map(|l| l.iter().map(|(n, _)| n))
                .collect();
            let found = store.label_names(&tenant, &wanted, start, end, 1000);
            assert_eq!(found, names.into_iter().collect::<Vec<_>>(), "{texts:?}");
            for name in ["zone", "own", "fifth", "__name__", "nothing"] {
                let values: BTreeSet<&str> = inside
                    .iter()
                    .map(|l| l.get(name))
                    .filter(|v| !v.is_empty())
                    .collect();
                let found = store.label_values(&tenant, name, &wanted, start, end, 1000);
                assert_eq!(
                    found,
                    values.into_iter().collect::<Vec<_>>(),
                    "{texts:?} {name}"
                );
            }
        }
    }
}

#[test]
fn without_selectors_names_and_values_are_those_of_all_series() {
    let bed = filled();
    let (store, tenant) = (&bed.store, Tenant::default());
    let names = store.label_names(&tenant, &[], ALL.0, ALL.1, 1000);
    assert_eq!(names, ["__name__", "fifth", "own", "zone"]);
    let zones = store.label_values(&tenant, "zone", &[], ALL.0, ALL.1, 1000);
    assert_eq!(zones, ["a", "b", "c"]);
    assert!(store.series(&tenant, &[], ALL.0, ALL.1, 1000).is_empty());
    let other = Tenant::new("other").unwrap();
    assert!(
        store
            .label_names(&other, &[], ALL.0, ALL.1, 1000)
            .is_empty()
    );
}

#[test]
fn answers_are_cut_at_their_limit() {
    let bed = filled();
    let (store, tenant) = (&bed.store, Tenant::default());
    let both = selectors(&["m", "k"]);
    assert_eq!(store.series(&tenant, &both, ALL.0, ALL.1, 4).len(), 4);
    assert!(store.series(&tenant, &both, ALL.0, ALL.1, 0).is_empty());
    assert_eq!(
        store.label_names(&tenant, &[], ALL.0, ALL.1, 2),
        ["__name__", "fifth"]
    );
    assert_eq!(
        store.label_values(&tenant, "own", &[], ALL.0, ALL.1, 2),
        ["0", "1"]
    );
}

fn instant(bed: &Bed, query: &str, limits: &QueryLimits) -> Result<QueryValue, QueryError> {
    bed.store
        .instant(&Tenant::default(), query, later(30), limits)
        .map(|answer| answer.value)
}

#[test]
fn a_query_stops_at_its_limits() {
    let bed = filled();
    let few_samples = QueryLimits {
        samples_max: 20,
        ..QueryLimits::default()
    };
    let few_series = QueryLimits {
        series_max: 10,
        ..QueryLimits::default()
    };
    let late = QueryLimits {
        deadline: sonde_proto::Deadline::within(Duration::ZERO),
        ..QueryLimits::default()
    };
    for query in [
        "m",
        "count_over_time(m[1h])",
        "max_over_time((vector(1))[1h:1s])",
    ] {
        let stopped = instant(&bed, query, &few_samples);
        assert!(
            matches!(stopped, Err(QueryError::TooLarge(_))),
            "{query} {stopped:?}"
        );
        let stopped = instant(&bed, query, &late);
        assert!(
            matches!(stopped, Err(QueryError::Timeout(_))),
            "{query} {stopped:?}"
        );
    }
    let stopped = instant(&bed, "m", &few_series);
    assert!(
        matches!(stopped, Err(QueryError::TooLarge(_))),
        "{stopped:?}"
    );
    instant(&bed, "m{zone=\"a\"}", &few_series).unwrap();
}

/// What would take all memory or all time is refused before it is begun.
#[test]
fn queries_that_are_too_large_are_refused_at_once() {
    let bed = filled();
    let limits = QueryLimits {
        samples_max: 1_000_000,
        ..QueryLimits::default()
    };
    let deep = format!("{}m{}", "sum(".repeat(90), ")".repeat(90));
    instant(&bed, &deep, &limits).unwrap();
    for query in [
        "max_over_time(m[285000y:1ms])",
        "max_over_time(vector(1)[100y:1ms])",
        // Few samples, each of which is looked at again and again.
        "max_over_time(max_over_time(max_over_time(vector(1)[12h:1s])[12h:1s])[12h:1s])",
        "m[285000y:1ms] offset -285000y",
        "count_values(\"x\", max_over_time(m[1y:1ms]))",
    ] {
        let refused = instant(&bed, query, &limits);
        assert!(
            matches!(refused, Err(QueryError::TooLarge(_))),
            "{query} {refused:?}"
        );
    }
    let range = |start, end, step| {
        let (tenant, step) = (Tenant::default(), Duration::from_millis(step));
        bed.store.range(&tenant, "m", start, end, step, &limits)
    };
    for (start, end, step) in [
        (NOW, later(1), 0),
        (later(1), NOW, 1000),
        (ALL.0, ALL.1, 1),
        (NOW, later(11_001), 1000),
    ] {
        assert!(matches!(
            range(start, end, step),
            Err(QueryError::BadData(_))
        ));
    }
    range(ALL.0, ALL.1, u64::MAX).unwrap();
    range(ALL.1, ALL.1, 1).unwrap();
    range(NOW, later(11_000), 1000).unwrap();
}

#[test]
fn a_query_reads_memory_and_segments_as_one() {
    let bed = filled();
    let limits = QueryLimits::default();
    for (query, wanted) in [
        ("sum(count_over_time({__name__=~\"m|k\"}[1h]))", 30.0),
        ("sum(m)", 210.0),
        ("count(k{zone=\"b\"})", 5.0),
        ("sum(last_over_time(m{own=~\".\"}[1h]))", 20.0),
    ] {
        let QueryValue::Vector(found) = instant(&bed, query, &limits).unwrap() else {
            panic!("{query} gives no vector");
        };
        assert_eq!(found[0].value, SampleValue::Float(wanted), "{query}");
    }
    let unknown = Tenant::new("unknown").unwrap();
    let empty = bed.store.instant(&unknown, "m", NOW, &limits).unwrap();
    assert_eq!(empty.value, QueryValue::Vector(Vec::new()));
}
