//! Since when points count: what is said of counters, histograms and summaries is kept, in
//! memory and in segments, and nothing is taken from gauges.

use crate::testing::*;
use crate::{Config, Samples};
use sonde_proto::otlp::metrics::summary_data_point::ValueAtQuantile;
use sonde_proto::otlp::metrics::{Metric, Summary, SummaryDataPoint, metric};
use sonde_proto::remote_write::{Series, Version, body};
use sonde_proto::{Entry, Tenant, UnixNanos};

const START: u64 = NOW.0 - 60_000_000_000;
const START_MS: i64 = NOW_MS - 60_000;

/// Since when the samples of the one series count that a selector finds, histograms last.
fn starts(bed: &Bed, selector: &str) -> Vec<(i64, i64)> {
    let matchers = crate::parse_selector(selector).unwrap();
    let all = crate::store::samples_of(&bed.store, &Tenant::default(), &matchers);
    assert_eq!(all.len(), 1, "{selector} finds {all:?}");
    let of = |samples: Samples| {
        let floats = samples.times.iter().enumerate();
        let floats = floats.map(|(at, time)| (time - NOW_MS, samples.start(at)));
        let histograms = samples.histograms.iter();
        let histograms = histograms.map(|s| (s.time - NOW_MS, s.start));
        floats.chain(histograms).collect::<Vec<_>>()
    };
    all.into_values().flat_map(of).collect()
}

fn counted(after: i64, value: f64, start: u64) -> Metric {
    let mut point = point(&[], after, value);
    point.start_time_unix_nano = start;
    counter("c", CUMULATIVE, vec![point])
}

#[test]
fn every_part_of_a_point_counts_since_its_start() {
    let bed = Bed::new(&Config::default());
    let mut classic = buckets(0, [1, 2, 3], 4.0);
    classic.start_time_unix_nano = START;
    let mut native = exponential(CUMULATIVE, 0, 5);
    if let Some(metric::Data::ExponentialHistogram(data)) = &mut native.data {
        data.data_points[0].start_time_unix_nano = START;
    }
    let summary = SummaryDataPoint {
        time_unix_nano: NOW.0,
        start_time_unix_nano: START,
        count: 2,
        sum: 3.0,
        quantile_values: vec![ValueAtQuantile {
            quantile: 0.5,
            value: 1.0,
        }],
        ..Default::default()
    };
    let summary = Summary {
        data_points: vec![summary],
    };
    let mut shown = point(&[], 0, 1.0);
    shown.start_time_unix_nano = START;
    let mut scraped = gauge("l_sum", vec![shown.clone()]);
    scraped.metadata = attributes(&[("prometheus.type", "histogram")]);
    bed.send(
        &[],
        vec![
            counted(0, 1.0, START),
            histogram("h", CUMULATIVE, vec![classic]),
            native,
            named("s", metric::Data::Summary(summary)),
            gauge("g", vec![shown]),
            scraped,
        ],
    );
    for _ in 0..2 {
        for selector in [
            "c_total",
            r#"h_bucket{le="2"}"#,
            "h_sum",
            "h_count",
            "whole",
            r#"s{quantile="0.5"}"#,
            "s_count",
            "l_sum",
        ] {
            assert_eq!(starts(&bed, selector), [(0, START_MS)], "{selector}");
        }
        assert_eq!(starts(&bed, "g"), [(0, 0)]);
        bed.store.seal(NOW).unwrap();
    }
}

#[test]
fn each_sample_has_its_own_also_where_it_comes_late_or_twice() {
    let mut bed = Bed::new(&Config {
        merge_fan_in: 2,
        ..Config::default()
    });
    let later = START + 90_000_000_000;
    for (after, start) in [
        (0, START),
        (10, START),
        (100_000, later),
        (5, 0),
        (5, START),
    ] {
        bed.send(&[], vec![counted(after, 1.0, start)]);
    }
    let wanted = [
        (0, START_MS),
        (5, 0),
        (10, START_MS),
        (100_000, START_MS + 90_000),
    ];
    assert_eq!(starts(&bed, "c_total"), wanted);
    bed.store.seal(NOW).unwrap();
    bed.send(&[], vec![counted(10, 1.0, later), counted(110_000, 1.0, 0)]);
    let wanted = [&wanted[..], &[(110_000, 0)]].concat();
    assert_eq!(starts(&bed, "c_total"), wanted);
    bed.store.seal(NOW).unwrap();
    bed.store.settle(NOW).unwrap();
    assert_eq!(bed.store.stats().segments, 1);
    bed.reopen();
    assert_eq!(starts(&bed, "c_total"), wanted);
}

#[test]
fn a_sum_of_deltas_counts_since_the_start_of_the_first() {
    let bed = Bed::new(&Config::default());
    for after in [0, 10_000] {
        let mut one = point(&[], after, 2.0);
        one.start_time_unix_nano = UnixNanos::from_millis(NOW_MS + after - 10_000).0;
        let mut native = exponential(DELTA, after, 5);
        if let Some(metric::Data::ExponentialHistogram(data)) = &mut native.data {
            data.data_points[0].start_time_unix_nano = one.start_time_unix_nano;
        }
        bed.send(&[], vec![counter("c", DELTA, vec![one]), native]);
    }
    let wanted = [(0, NOW_MS - 10_000), (10_000, 0)];
    assert_eq!(starts(&bed, "c_total"), wanted);
    assert_eq!(starts(&bed, "delta"), wanted);
}

#[test]
fn what_a_prometheus_writes_counts_since_what_it_says() {
    for (version, wanted) in [(Version::V1, 0), (Version::V2, START_MS)] {
        let bed = Bed::new(&Config::default());
        let series = Series {
            labels: vec![("__name__".into(), "c_total".into())],
            samples: vec![(NOW_MS, 1.0), (NOW_MS + 1, 2.0)],
            histograms: vec![(NOW_MS + 2, sonde_proto::Histogram::default())],
            starts: vec![(NOW_MS + 1, START_MS), (NOW_MS + 2, START_MS)],
            ..Series::default()
        };
        let body = body(version, &[series]).unwrap();
        let entry = Entry::remote_write(Tenant::default(), version, NOW, body.into());
        bed.store.apply(&[(bed.store.applied_to(), entry)]);
        assert_eq!(starts(&bed, "c_total"), [(0, 0), (1, wanted), (2, wanted)]);
    }
}

#[test]
fn samples_that_do_not_say_it_take_the_memory_that_they_took() {
    let bytes = |start: u64| {
        let bed = Bed::new(&Config::default());
        (0..50).for_each(|n| bed.send(&[], vec![counted(n, n as f64, start)]));
        bed.store.stats().head_bytes
    };
    let more = bytes(START) - bytes(0);
    assert!((1..=72).contains(&more), "{more}");
}
