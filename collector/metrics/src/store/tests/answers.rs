//! Series, names and values of labels, exemplars and the limits of queries, over memory and
//! segments.

use super::*;
use crate::{
    Cardinality, Counted, Limited, Lookup, QueryError, QueryLimits, QueryValue, Selection,
};
use sonde_proto::{Deadline, Labels, Matcher, SampleValue};
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
            bed.store.settle(NOW).unwrap();
        }
    }
    assert_eq!(bed.store.stats().segments, 2);
    bed
}

/// What a lookup without a limit or an end finds.
fn looked<T>(
    selectors: &[Vec<Matcher>],
    start: UnixNanos,
    end: UnixNanos,
    find: impl Fn(&Lookup<'_>) -> Result<Limited<T>, QueryError>,
) -> Vec<T> {
    let found = find(&Lookup {
        selectors,
        start,
        end,
        limit: usize::MAX,
        deadline: &Deadline::never(),
    });
    let found = found.unwrap();
    assert!(!found.is_cut);
    found.items
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
                looked(&wanted, start, end, |l| store.series(&tenant, l)),
                inside,
                "{texts:?}"
            );
            let names: BTreeSet<&str> = inside
                .iter()
                .flat_map(|l| l.iter().map(|(n, _)| n))
                .collect();
            let found = looked(&wanted, start, end, |l| store.label_names(&tenant, l));
            assert_eq!(found, names.into_iter().collect::<Vec<_>>(), "{texts:?}");
            for name in ["zone", "own", "fifth", "__name__", "nothing"] {
                let values: BTreeSet<&str> = inside
                    .iter()
                    .map(|l| l.get(name))
                    .filter(|v| !v.is_empty())
                    .collect();
                let found = looked(&wanted, start, end, |l| {
                    store.label_values(&tenant, name, l)
                });
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
    let all = |find: &dyn Fn(&Lookup<'_>) -> Result<Limited<String>, QueryError>| {
        looked(&[], ALL.0, ALL.1, find)
    };
    let names = all(&|l| store.label_names(&tenant, l));
    assert_eq!(names, ["__name__", "fifth", "own", "zone"]);
    let zones = all(&|l| store.label_values(&tenant, "zone", l));
    assert_eq!(zones, ["a", "b", "c"]);
    let none = looked(&[], ALL.0, ALL.1, |l| store.series(&tenant, l));
    assert!(none.is_empty());
    let other = Tenant::new("other").unwrap();
    assert!(all(&|l| store.label_names(&other, l)).is_empty());
    // Only what has samples in the period.
    let late = looked(&[], later(29), ALL.1, |l| {
        store.label_values(&tenant, "own", l)
    });
    assert_eq!(late, ["29"]);
    let names = looked(&[], later(29), ALL.1, |l| store.label_names(&tenant, l));
    assert_eq!(names, ["__name__", "own", "zone"]);
}

#[test]
fn answers_are_cut_at_their_limit() {
    let bed = filled();
    let (store, tenant) = (&bed.store, Tenant::default());
    let both = selectors(&["m", "k"]);
    let never = Deadline::never();
    let lookup = |selectors, limit| Lookup {
        selectors,
        start: ALL.0,
        end: ALL.1,
        limit,
        deadline: &never,
    };
    let all = store.series(&tenant, &lookup(&both, 30)).unwrap();
    assert_eq!((all.items.len(), all.is_cut), (30, false));
    let cut = store.series(&tenant, &lookup(&both, 4)).unwrap();
    assert_eq!((&cut.items[..], cut.is_cut), (&all.items[..4], true));
    let none = store.series(&tenant, &lookup(&both, 0)).unwrap();
    assert_eq!((none.items.len(), none.is_cut), (0, true));
    let names = store.label_names(&tenant, &lookup(&[], 2)).unwrap();
    assert_eq!(
        (names.items, names.is_cut),
        (vec!["__name__".into(), "fifth".into()], true)
    );
    let own = store.label_values(&tenant, "own", &lookup(&[], 2)).unwrap();
    assert_eq!(
        (own.items, own.is_cut),
        (vec!["0".into(), "1".into()], true)
    );
}

#[test]
fn a_lookup_ends_when_nobody_waits_for_it() {
    let bed = filled();
    let (store, tenant) = (&bed.store, Tenant::default());
    let wanted = selectors(&["{own=~\"1.*\"}"]);
    let deadline = Deadline::never();
    drop(deadline.give_up_on_drop());
    let lookup = Lookup {
        selectors: &wanted,
        start: ALL.0,
        end: ALL.1,
        limit: 10,
        deadline: &deadline,
    };
    let late = |answer: Option<QueryError>| {
        assert!(matches!(answer, Some(QueryError::Timeout(_))), "{answer:?}");
    };
    late(store.series(&tenant, &lookup).err());
    late(store.label_names(&tenant, &lookup).err());
    late(store.label_values(&tenant, "own", &lookup).err());
    late(store.cardinality(&tenant, 1, &deadline).err());
    let selection = Selection {
        selectors: &wanted,
        start: ALL.0,
        end: ALL.1,
        samples_max: 100,
        deadline: &deadline,
    };
    late(store.newest(&tenant, &selection).err());
}

#[test]
fn the_newest_sample_of_each_series_is_found_unless_it_ended() {
    let bed = filled();
    let (store, tenant) = (&bed.store, Tenant::default());
    let wanted = selectors(&["m{zone=\"a\"}", "{own=~\"1|27\"}", "m{own=\"0\"}"]);
    let never = Deadline::never();
    let selection = |start, end, samples_max| Selection {
        selectors: &wanted,
        start,
        end,
        samples_max,
        deadline: &never,
    };
    let newest = store
        .newest(&tenant, &selection(ALL.0, ALL.1, 100))
        .unwrap();
    let shown: Vec<_> = newest
        .iter()
        .map(|one| (one.labels.get("__name__"), one.time, one.value.clone()))
        .collect();
    let at = |n: i64| later(n as u64).as_millis();
    let float = |n: i64| sonde_proto::SampleValue::Float(n as f64);
    let m = |n: i64| ("m", at(n), float(n));
    let k = |n: i64| ("k", at(n), float(n));
    assert_eq!(shown, [k(1), k(27), m(0), m(12), m(18), m(24), m(6)]);
    let few = store
        .newest(&tenant, &selection(later(12), later(20), 100))
        .unwrap();
    assert_eq!(few.len(), 2);
    let refused = store.newest(&tenant, &selection(ALL.0, ALL.1, 3)).err();
    assert!(
        matches!(refused, Some(QueryError::TooLarge(_))),
        "{refused:?}"
    );
    // The series ends, and comes again.
    let send = |time, value| {
        let pairs = [("own", "0"), ("zone", "a"), ("fifth", "yes")];
        bed.send(&[], vec![gauge("m", vec![point(&pairs, time, value)])]);
    };
    let ended = |time| {
        let newest = store
            .newest(&tenant, &selection(ALL.0, later(time), 100))
            .unwrap();
        !newest.iter().any(|one| one.labels.get("own") == "0")
    };
    send(40_000, crate::stale_nan());
    assert!(ended(45) && !ended(39));
    send(41_000, 5.0);
    assert!(!ended(45));
}

#[test]
fn what_makes_series_many_is_counted() {
    let bed = filled();
    let (store, tenant) = (&bed.store, Tenant::default());
    let found = store.cardinality(&tenant, 2, &Deadline::never()).unwrap();
    let counted = |all: &[Counted]| -> Vec<(String, u64)> {
        all.iter()
            .map(|one| (one.name.clone(), one.value))
            .collect()
    };
    assert_eq!(
        (found.series, found.open, found.labels, found.pairs),
        (30, 10, 4, 36)
    );
    assert_eq!(found.newest, Some(later(29)));
    let pair = |name: &str, value| (name.to_owned(), value);
    assert_eq!(
        counted(&found.series_by_metric),
        [pair("k", 15), pair("m", 15)]
    );
    assert_eq!(
        counted(&found.values_by_label),
        [pair("own", 30), pair("zone", 3)]
    );
    assert_eq!(
        counted(&found.bytes_by_label),
        [pair("own", 50), pair("__name__", 30)]
    );
    assert_eq!(
        counted(&found.series_by_pair),
        [pair("__name__=k", 15), pair("__name__=m", 15)]
    );
    let none = store.cardinality(&Tenant::new("other").unwrap(), 2, &Deadline::never());
    assert_eq!(none.unwrap(), Cardinality::default());
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

#[test]
fn what_a_query_may_take_is_configured() {
    let bed = filled();
    let asked = |series_max, samples_max| {
        let config = crate::Config {
            query_series_max: series_max,
            query_samples_max: samples_max,
            ..crate::Config::default()
        };
        let query = "count(count_over_time(m[1h]))";
        instant(&bed, query, &config.query_limits())
    };
    asked(15, 1000).unwrap();
    for (series_max, samples_max, setting) in [
        (14, 1000, "metrics.query_series_max"),
        (15, 14, "metrics.query_samples_max"),
    ] {
        let refused = asked(series_max, samples_max).unwrap_err().to_string();
        assert!(refused.contains(setting), "{refused}");
    }
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
