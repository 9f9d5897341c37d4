//! What the door says is what becomes of a request that is applied next.

use super::Verdict;
use crate::Config;
use crate::telemetry::Reason;
use crate::testing::*;
use proptest::prelude::*;
use sonde_proto::{Entry, Tenant};

/// How often the store refused something of number or labels so far.
fn refused(bed: &Bed) -> Verdict {
    let count = |reason| bed.store.refused(reason);
    Verdict {
        series_max: count(Reason::SeriesMax),
        series_total_max: count(Reason::SeriesTotalMax),
        series_of_metric_max: count(Reason::SeriesOfMetricMax),
        symbol_bytes_max: count(Reason::SymbolsMax),
        labels: count(Reason::Labels),
        label_bytes: count(Reason::LabelBytes),
        ..Verdict::default()
    }
}

fn asked(bed: &Bed, entry: &Entry) -> Verdict {
    Verdict {
        new_series: 0,
        histograms: 0,
        has_room: false,
        ..bed.store.would_refuse(entry)
    }
}

fn applied(bed: &Bed, entry: &Entry) -> Verdict {
    let before = refused(bed);
    bed.store.apply(&[(bed.store.applied_to(), entry.clone())]);
    let after = refused(bed);
    Verdict {
        series_max: after.series_max - before.series_max,
        series_total_max: after.series_total_max - before.series_total_max,
        series_of_metric_max: after.series_of_metric_max - before.series_of_metric_max,
        symbol_bytes_max: after.symbol_bytes_max - before.symbol_bytes_max,
        labels: after.labels - before.labels,
        label_bytes: after.label_bytes - before.label_bytes,
        ..Verdict::default()
    }
}

fn gauges(tenant: &str, after: i64, points: &[(u8, u8)]) -> Entry {
    let metrics = points.iter().map(|(name, n)| {
        let (n, long) = (n.to_string(), "x".repeat(usize::from(*n)));
        let mut labels = vec![("n", n.as_str())];
        if long.len() > 13 {
            labels.push(("long", &long));
        }
        gauge(&format!("m{name}"), vec![point(&labels, after, 1.0)])
    });
    let tenant = Tenant::new(tenant).unwrap();
    entry(&tenant, &request(&[], metrics.collect()))
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 96, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn the_door_says_what_the_store_does(
        requests in prop::collection::vec(
            ("[ab]", prop::collection::vec((0u8..3, 0u8..16), 1..8)), 1..12),
        series_max in 2usize..14,
        series_total_max in 4usize..20,
        series_of_metric_max in 0usize..5,
    ) {
        let bed = Bed::new(&Config {
            series_max,
            series_max_by_tenant: [("b".to_owned(), 5)].into(),
            series_total_max,
            series_of_metric_max,
            label_value_bytes_max: 14,
            ..Config::default()
        });
        for (n, (tenant, points)) in requests.iter().enumerate() {
            let entry = gauges(tenant, n as i64, points);
            let far = !bed.store.may_refuse(&entry.tenant, points.len() as u64);
            let said = asked(&bed, &entry);
            prop_assert!(!far || said.of_number() == 0, "{said:?} far from every limit");
            prop_assert_eq!(said, applied(&bed, &entry));
            // Asking again changes nothing, and what was refused stays refused.
            let again = gauges(tenant, n as i64 + 100_000, points);
            prop_assert_eq!(asked(&bed, &again).count(), said.count());
        }
        for tenant in ["a", "b"] {
            let tenant = Tenant::new(tenant).unwrap();
            let most = bed.store.config().series_max_of(&tenant);
            let deadline = sonde_proto::Deadline::never();
            let has = bed.store.cardinality(&tenant, 1, &deadline).unwrap().series;
            prop_assert!(has <= most as u64);
        }
        prop_assert!(bed.store.stats().series <= series_total_max);
    }
}

#[test]
fn a_histogram_for_which_not_all_series_have_room_is_refused_as_one_point() {
    let bed = Bed::new(&Config {
        series_max: 3,
        ..Config::default()
    });
    let point = buckets(0, [1, 2, 3], 4.0);
    let metrics = vec![histogram("h", CUMULATIVE, vec![point])];
    let entry = entry(&Tenant::default(), &request(&[], metrics));
    let said = asked(&bed, &entry);
    assert_eq!((said.series_max, said.count()), (1, 1));
    // Of its five series, two are.
    assert_eq!(applied(&bed, &entry).series_max, 2);
}

#[test]
fn existing_series_pass_at_the_limit_and_the_offender_is_named() {
    let bed = Bed::new(&Config {
        series_max: 1,
        ..Config::default()
    });
    applied(&bed, &gauges("a", 0, &[(0, 0)]));
    let tenant = Tenant::new("a").unwrap();
    assert!(bed.store.may_refuse(&tenant, 1));
    assert_eq!(asked(&bed, &gauges("a", 1, &[(0, 0)])), Verdict::default());
    let more = gauges("a", 2, &[(0, 0), (1, 1), (1, 2), (1, 3), (2, 1)]);
    assert_eq!(asked(&bed, &more).series_max, 4);
    let worst = bed.store.offenders(&tenant, 1);
    assert_eq!(worst.len(), 1);
    assert_eq!(
        (worst[0].name.as_str(), worst[0].label.as_str()),
        ("m1", "n")
    );
    assert_eq!((worst[0].series, worst[0].values), (3, 3));
}

#[test]
fn series_that_were_let_go_make_room_for_all_tenants() {
    let bed = Bed::new(&Config {
        series_total_max: 4,
        series_idle_seconds: 60,
        ..Config::default()
    });
    applied(&bed, &gauges("a", 0, &[(0, 0), (0, 1), (0, 2), (0, 3)]));
    assert_eq!(
        applied(&bed, &gauges("b", 0, &[(0, 0)])).series_total_max,
        1
    );
    let later = NOW.plus(std::time::Duration::from_secs(3600));
    bed.store.seal(later).unwrap();
    assert_eq!(
        applied(&bed, &gauges("b", 1, &[(0, 0)])),
        Verdict::default()
    );
}

#[test]
fn texts_of_labels_that_have_no_room_are_told_and_known_series_go_on() {
    let bed = Bed::new(&Config {
        symbol_bytes_max: 4000,
        ..Config::default()
    });
    let named = |n: u8| {
        let long = format!("{n}{}", "x".repeat(900));
        let metric = gauge("m", vec![point(&[("long", &long)], i64::from(n), 1.0)]);
        entry(&Tenant::default(), &request(&[], vec![metric]))
    };
    let mut taken = 0;
    for n in 0..10 {
        let said = asked(&bed, &named(n));
        let became = applied(&bed, &named(n));
        assert_eq!(said, became);
        taken += u8::from(became.count() == 0);
        assert_eq!(became.symbol_bytes_max, u64::from(n >= taken));
    }
    assert_eq!(taken, 4, "so many texts have room");
    assert!(bed.store.may_refuse(&Tenant::default(), 1));
    let first = applied(&bed, &named(0));
    assert_eq!(first.count(), 0, "a series that exists goes on");
}
