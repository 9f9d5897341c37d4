//! What is refused, and that the rest is kept.

use crate::Config;
use crate::telemetry::Reason;
use crate::testing::*;
use proptest::prelude::*;
use prost::Message as _;
use sonde_proto::otlp::metrics::exponential_histogram_data_point::Buckets;
use sonde_proto::otlp::metrics::{
    ExponentialHistogram, ExponentialHistogramDataPoint, HistogramDataPoint, NumberDataPoint,
    metric,
};
use sonde_proto::{Entry, Tenant, UnixNanos};

#[test]
fn labels_too_many_or_too_long_are_refused_and_the_rest_is_kept() {
    let config = Config {
        labels_max: 4,
        label_name_bytes_max: 16,
        label_value_bytes_max: 8,
        ..Config::default()
    };
    let bed = Bed::new(&config);
    let long = "x".repeat(17);
    let sets: [&[(&str, &str)]; 5] = [
        &[("a", "1"), ("b", "2"), ("c", "3")],
        &[("a", "1"), ("b", "2"), ("c", "3"), ("d", "4")],
        &[(&long, "1")],
        &[("a", "123456789")],
        &[("a", "12345678")],
    ];
    let points = sets.iter().map(|set| point(set, 0, 1.0)).collect();
    bed.send(&[], vec![gauge("m", points)]);
    assert_eq!(bed.all().len(), 2);
    assert_eq!(bed.store.refused(Reason::Labels), 1);
    assert_eq!(bed.store.refused(Reason::LabelBytes), 2);
}

#[test]
fn new_series_beyond_the_limit_are_refused_until_idle_ones_are_forgotten() {
    let config = Config {
        series_max: 3,
        series_idle_seconds: 60,
        ..Config::default()
    };
    let bed = Bed::new(&config);
    let send = |n: i64, after| {
        let one = point(&[("n", &n.to_string())], after, 1.0);
        bed.send(&[], vec![gauge("m", vec![one])]);
    };
    (0..5).for_each(|n| send(n, 0));
    (0..5).for_each(|n| send(n, 1));
    assert_eq!(bed.matching("m").len(), 3);
    assert_eq!(bed.store.refused(Reason::SeriesMax), 4);
    // Sealed an hour later, nothing of it is in memory any more.
    bed.store
        .seal(NOW.plus(std::time::Duration::from_secs(3600)))
        .unwrap();
    send(4, 2);
    assert_eq!(bed.samples("m{n=\"4\"}"), [(2, 1.0)]);
    assert_eq!(bed.matching("m").len(), 4);
}

#[test]
fn times_out_of_bounds_are_refused_and_no_time_is_the_time_of_arrival() {
    let bed = Bed::new(&Config::default());
    let at = |nanos: u64| NumberDataPoint {
        time_unix_nano: nanos,
        ..point(&[], 0, 1.0)
    };
    let late = NOW.0 - 15 * 24 * 3600 * 1_000_000_000;
    let points = [
        u64::MAX,
        NOW.0 + 601_000_000_000,
        1,
        late - 1_000_000,
        late,
        0,
    ];
    bed.send(&[], vec![gauge("m", points.map(at).to_vec())]);
    let times: Vec<i64> = bed.samples("m").iter().map(|(t, _)| *t).collect();
    assert_eq!(times, [-15 * 24 * 3600 * 1000, 0]);
    assert_eq!(bed.store.refused(Reason::Future), 2);
    assert_eq!(bed.store.refused(Reason::TooLate), 2);
}

#[test]
fn with_no_bounds_on_time_every_time_is_kept_sealed_and_found() {
    let config = Config {
        late_max_seconds: u64::MAX,
        future_max_seconds: u64::MAX,
        retention_seconds: u64::MAX,
        ..Config::default()
    };
    let bed = Bed::new(&config);
    let nanos = [1, 1_000_000, NOW.0, u64::MAX - 1, u64::MAX];
    let at = |nanos: u64| NumberDataPoint {
        time_unix_nano: nanos,
        ..point(&[], 0, nanos as f64)
    };
    bed.send(&[], vec![gauge("m", nanos.map(at).to_vec())]);
    let wanted = bed.samples("m");
    assert_eq!(wanted.len(), 4, "the last two are in one millisecond");
    bed.store.maintain(UnixNanos(u64::MAX)).unwrap();
    bed.store.seal(UnixNanos(u64::MAX)).unwrap();
    assert_eq!(bed.samples("m"), wanted);
    for time in [UnixNanos(0), UnixNanos(1), UnixNanos(u64::MAX)] {
        let limits = crate::QueryLimits::default();
        let query = "rate(m[10y]) + m offset 285000y + max_over_time(m[285000y:285000y] @ -9e12)";
        bed.store
            .instant(&Tenant::default(), query, time, &limits)
            .unwrap();
    }
}

#[test]
fn a_point_with_too_many_parts_is_refused_and_the_next_one_kept() {
    let bed = Bed::new(&Config::default());
    let wide = HistogramDataPoint {
        explicit_bounds: (0..2000).map(f64::from).collect(),
        bucket_counts: vec![1; 2001],
        ..buckets(0, [1, 1, 1], 1.0)
    };
    let exponential = ExponentialHistogram {
        data_points: vec![ExponentialHistogramDataPoint {
            time_unix_nano: NOW.0,
            positive: Some(Buckets {
                offset: 0,
                bucket_counts: vec![1; 5000],
            }),
            ..Default::default()
        }],
        aggregation_temporality: CUMULATIVE,
    };
    bed.send(
        &[],
        vec![
            histogram("wide", CUMULATIVE, vec![wide]),
            named("e", metric::Data::ExponentialHistogram(exponential)),
            gauge("m", vec![point(&[], 0, 1.0)]),
        ],
    );
    assert_eq!(bed.all().len(), 1);
    assert_eq!(bed.store.refused(Reason::PartsMax), 2);
}

#[test]
fn a_metric_without_a_name_or_without_data_is_left_out() {
    let bed = Bed::new(&Config::default());
    let empty = sonde_proto::otlp::metrics::Metric {
        name: "empty".into(),
        ..Default::default()
    };
    bed.send(
        &[],
        vec![
            gauge("", vec![point(&[], 0, 1.0)]),
            empty,
            gauge("m", vec![point(&[], 0, 1.0)]),
        ],
    );
    assert_eq!(bed.all().len(), 1);
    assert_eq!(bed.store.refused(Reason::NoName), 1);
}

#[test]
fn tenants_beyond_the_limit_are_refused_and_see_nothing() {
    let config = Config {
        tenants_max: 2,
        ..Config::default()
    };
    let bed = Bed::new(&config);
    for name in ["a", "b", "c", "a"] {
        let tenant = Tenant::new(name).unwrap();
        bed.send_as(&tenant, &[], vec![gauge("m", vec![point(&[], 0, 1.0)])]);
    }
    assert_eq!(bed.store.stats().tenants, 2);
    assert_eq!(bed.store.refused(Reason::TenantsMax), 1);
    // What the first says again is no fault.
    assert_eq!(bed.store.refused(Reason::Duplicate), 0);
    assert_eq!(bed.store.applied_to(), at(4));
}

#[test]
fn what_comes_before_a_malformed_place_is_kept() {
    let bed = Bed::new(&Config::default());
    let whole = request(&[], vec![gauge("m", vec![point(&[], 0, 1.0)])]);
    let mut payload = whole.encode_to_vec();
    payload.extend([0x0a, 0xff, 0x01]);
    let entry = Entry {
        payload: payload.into(),
        ..entry(&Tenant::default(), &whole)
    };
    bed.store.apply(&[(at(0), entry)]);
    assert_eq!(bed.samples("m"), [(0, 1.0)]);
    assert_eq!(bed.store.refused(Reason::Malformed), 1);
    assert_eq!(bed.store.applied_to(), at(1));
}

/// Attributes that are never the same: memory stays where the limits put it.
#[test]
fn a_flood_of_new_series_takes_no_memory_beyond_the_limit() {
    let config = Config {
        series_max: 100,
        ..Config::default()
    };
    let bed = Bed::new(&config);
    for batch in 0..100 {
        let points = (0..1000)
            .map(|n| {
                point(
                    &[("id", &format!("{batch}-{n}-{}", "x".repeat(50)))],
                    0,
                    1.0,
                )
            })
            .collect();
        bed.send(&[], vec![gauge("m", points)]);
    }
    let stats = bed.store.stats();
    assert_eq!(stats.series, 100);
    assert!(stats.head_bytes < 8 << 20, "{}", stats.head_bytes);
    assert_eq!(bed.store.refused(Reason::SeriesMax), 99_900);
}

proptest! {
    #[test]
    fn any_bytes_are_taken_without_a_panic(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
        let bed = Bed::new(&Config::default());
        let entry = Entry {
            payload: bytes.into(),
            ..entry(&Tenant::default(), &Default::default())
        };
        bed.store.apply(&[(at(0), entry)]);
        prop_assert_eq!(bed.store.applied_to(), at(1));
    }

    #[test]
    fn a_request_with_bytes_changed_is_taken_without_a_panic(
        changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..8),
    ) {
        let bed = Bed::new(&Config::default());
        let whole = request(
            &[("service.name", "a"), ("os.type", "linux")],
            vec![
                gauge("m", vec![point(&[("a", "1")], 0, 1.0)]),
                counter("c", DELTA, vec![point(&[("a", "1")], 0, 1.0)]),
                histogram("h", CUMULATIVE, vec![buckets(0, [1, 2, 3], 4.0)]),
            ],
        );
        let mut payload = whole.encode_to_vec();
        for (at, byte) in changes {
            let at = at.index(payload.len());
            payload[at] = byte;
        }
        let entry = Entry { payload: payload.into(), ..entry(&Tenant::default(), &whole) };
        bed.store.apply(&[(at(0), entry)]);
        bed.store.seal(NOW).unwrap();
        let _ = bed.all();
    }
}

#[test]
fn a_late_sample_that_is_there_already_is_silent_and_another_value_for_its_time_is_counted() {
    let bed = Bed::new(&Config::default());
    let send = |after, value| {
        bed.send(&[], vec![gauge("m", vec![point(&[], after, value)])]);
    };
    (0..300).for_each(|t| send(t * 10, t as f64));
    send(5, 0.5);
    // In a full chunk, in the open one, and beside them.
    for (after, value) in [(10, 1.0), (2980, 298.0), (5, 0.5)] {
        send(after, value);
        assert_eq!(bed.store.refused(Reason::Duplicate), 0);
    }
    let sealed = bed.store.stats().records;
    for (n, after) in [(1, 10), (2, 2980), (3, 5)] {
        send(after, -1.0);
        assert_eq!(bed.store.refused(Reason::Duplicate), n);
    }
    assert_eq!(bed.store.stats().records, sealed);
    assert_eq!(bed.samples("m").len(), 301);
}
