//! What the values of a point become.

use crate::Config;
use crate::is_stale;
use crate::telemetry::Reason;
use crate::testing::*;
use sonde_proto::Deadline;
use sonde_proto::otlp::kv;
use sonde_proto::otlp::metrics::summary_data_point::ValueAtQuantile;
use sonde_proto::otlp::metrics::{
    Exemplar, HistogramDataPoint, NumberDataPoint, Summary, SummaryDataPoint, exemplar, metric,
    number_data_point,
};
use sonde_proto::{Tenant, UnixNanos};

/// The newest value of every series, by what tells them apart.
fn newest(bed: &Bed, selector: &str, label: &str) -> Vec<(String, f64)> {
    let all = bed.matching(selector).into_iter();
    all.map(|(labels, samples)| {
        let value = labels
            .split_once(&format!("{label}=\""))
            .map_or("", |(_, rest)| {
                rest.split_once('"').map_or("", |(value, _)| value)
            });
        (value.to_owned(), samples.last().unwrap().1)
    })
    .collect()
}

fn by_number(mut all: Vec<(String, f64)>) -> Vec<(String, f64)> {
    let number = |text: &str| text.parse::<f64>().unwrap();
    all.sort_by(|a, b| number(&a.0).total_cmp(&number(&b.0)));
    all
}

fn pairs(all: &[(&str, f64)]) -> Vec<(String, f64)> {
    all.iter().map(|(t, v)| ((*t).to_owned(), *v)).collect()
}

#[test]
fn whole_numbers_and_fractions_are_values() {
    let bed = Bed::new(&Config::default());
    let whole = NumberDataPoint {
        value: Some(number_data_point::Value::AsInt(-7)),
        ..point(&[], 0, 0.0)
    };
    bed.send(&[], vec![gauge("m", vec![whole, point(&[], 1, 0.5)])]);
    assert_eq!(bed.samples("m"), [(0, -7.0), (1, 0.5)]);
}

#[test]
fn a_point_without_a_value_is_counted_and_one_that_ended_is_stale() {
    let bed = Bed::new(&Config::default());
    let none = NumberDataPoint {
        value: None,
        ..point(&[], 1, 0.0)
    };
    let ended = NumberDataPoint {
        value: None,
        flags: 1,
        ..point(&[], 2, 0.0)
    };
    bed.send(&[], vec![gauge("m", vec![point(&[], 0, 3.0), none, ended])]);
    let samples = bed.samples("m");
    assert_eq!((samples.len(), samples[0]), (2, (0, 3.0)));
    assert!(is_stale(samples[1].1));
    assert_eq!(bed.store.refused(Reason::NoValue), 1);
}

#[test]
fn an_ordinary_nan_is_a_value_and_keeps_its_bits() {
    let bed = Bed::new(&Config::default());
    let odd = f64::from_bits(0x7ff8_dead_beef_0001);
    bed.send(&[], vec![gauge("m", vec![point(&[], 0, odd)])]);
    assert_eq!(bed.samples("m")[0].1.to_bits(), odd.to_bits());
}

#[test]
fn a_histogram_becomes_buckets_sum_and_count() {
    let bed = Bed::new(&Config::default());
    bed.send(
        &[],
        vec![histogram(
            "h",
            CUMULATIVE,
            vec![buckets(0, [3, 4, 5], 20.5)],
        )],
    );
    let wanted = pairs(&[("1", 3.0), ("2", 7.0), ("+Inf", 12.0)]);
    assert_eq!(by_number(newest(&bed, "h_bucket", "le")), wanted);
    assert_eq!(bed.samples("h_sum"), [(0, 20.5)]);
    assert_eq!(bed.samples("h_count"), [(0, 12.0)]);
}

#[test]
fn a_histogram_without_sum_or_bounds_has_what_it_has() {
    let bed = Bed::new(&Config::default());
    let bare = HistogramDataPoint {
        explicit_bounds: Vec::new(),
        bucket_counts: Vec::new(),
        count: 9,
        sum: None,
        ..buckets(0, [0, 0, 0], 0.0)
    };
    bed.send(&[], vec![histogram("h", CUMULATIVE, vec![bare])]);
    assert_eq!(newest(&bed, "h_bucket", "le"), pairs(&[("+Inf", 9.0)]));
    assert_eq!(bed.all().len(), 2);
}

#[test]
fn a_histogram_that_changes_its_bounds_goes_on_under_both() {
    let bed = Bed::new(&Config::default());
    let other = HistogramDataPoint {
        explicit_bounds: vec![1.0, 3.0],
        ..buckets(1000, [1, 1, 1], 1.0)
    };
    for point in [
        buckets(0, [1, 0, 0], 1.0),
        other,
        buckets(2000, [2, 2, 2], 1.0),
    ] {
        bed.send(&[], vec![histogram("h", CUMULATIVE, vec![point])]);
    }
    assert_eq!(
        bed.samples("h_bucket{le=\"1\"}"),
        [(0, 1.0), (1000, 1.0), (2000, 2.0)]
    );
    assert_eq!(bed.samples("h_bucket{le=\"2\"}"), [(0, 1.0), (2000, 4.0)]);
    assert_eq!(bed.samples("h_bucket{le=\"3\"}"), [(1000, 2.0)]);
}

#[test]
fn a_histogram_that_ended_without_bounds_ends_in_all_its_series() {
    let bed = Bed::new(&Config::default());
    let ended = HistogramDataPoint {
        explicit_bounds: Vec::new(),
        bucket_counts: Vec::new(),
        sum: None,
        flags: 1,
        ..buckets(1000, [0, 0, 0], 0.0)
    };
    bed.send(
        &[],
        vec![histogram(
            "h",
            CUMULATIVE,
            vec![buckets(0, [1, 1, 1], 1.0), ended],
        )],
    );
    let all = bed.all();
    assert_eq!(all.len(), 5);
    for (labels, samples) in all {
        assert!(samples.len() == 2 && is_stale(samples[1].1), "{labels}");
    }
}

#[test]
fn a_summary_becomes_quantiles_sum_and_count() {
    let bed = Bed::new(&Config::default());
    let at = |quantile, value| ValueAtQuantile { quantile, value };
    let point = SummaryDataPoint {
        time_unix_nano: NOW.0,
        count: 4,
        sum: 10.0,
        quantile_values: vec![at(0.0, 1.0), at(0.5, 2.5), at(1.0, 4.0)],
        ..Default::default()
    };
    let summary = Summary {
        data_points: vec![point],
    };
    bed.send(&[], vec![named("s", metric::Data::Summary(summary))]);
    let wanted = pairs(&[("0", 1.0), ("0.5", 2.5), ("1", 4.0)]);
    assert_eq!(by_number(newest(&bed, "s", "quantile")), wanted);
    assert_eq!(bed.samples("s_sum"), [(0, 10.0)]);
    assert_eq!(bed.samples("s_count"), [(0, 4.0)]);
}

#[test]
fn deltas_are_added_up_across_a_seal_and_a_restart() {
    let mut bed = Bed::new(&Config::default());
    let send = |bed: &Bed, after, value| {
        bed.send(
            &[],
            vec![counter("c", DELTA, vec![point(&[], after, value)])],
        );
    };
    send(&bed, 0, 2.0);
    send(&bed, 1000, 3.0);
    bed.store.seal(NOW).unwrap();
    send(&bed, 2000, 4.0);
    bed.reopen();
    send(&bed, 2000, 4.0);
    send(&bed, 3000, 1.0);
    let wanted = [(0, 2.0), (1000, 5.0), (2000, 9.0), (3000, 10.0)];
    assert_eq!(bed.samples("c_total"), wanted);
}

#[test]
fn a_delta_that_comes_late_or_twice_is_refused() {
    let bed = Bed::new(&Config::default());
    for after in [1000, 1000, 500, 2000] {
        bed.send(&[], vec![counter("c", DELTA, vec![point(&[], after, 1.0)])]);
    }
    assert_eq!(bed.samples("c_total"), [(1000, 1.0), (2000, 2.0)]);
    assert_eq!(bed.store.refused(Reason::DeltaOutOfOrder), 2);
}

#[test]
fn a_delta_that_is_no_number_does_not_spoil_what_follows() {
    let bed = Bed::new(&Config::default());
    for (after, value) in [
        (0, 1.0),
        (1, f64::NAN),
        (2, 4.0),
        (3, f64::INFINITY),
        (4, 5.0),
    ] {
        bed.send(
            &[],
            vec![counter("c", DELTA, vec![point(&[], after, value)])],
        );
    }
    let samples = bed.samples("c_total");
    assert!(samples[1].1.is_nan());
    assert_eq!((samples[2], samples[4]), ((2, 4.0), (4, 5.0)));
}

#[test]
fn delta_histograms_are_added_up_in_every_part() {
    let bed = Bed::new(&Config::default());
    for after in [0, 1000, 2000] {
        bed.send(
            &[],
            vec![histogram("h", DELTA, vec![buckets(after, [1, 2, 3], 1.5)])],
        );
    }
    let wanted = pairs(&[("1", 3.0), ("2", 9.0), ("+Inf", 18.0)]);
    assert_eq!(by_number(newest(&bed, "h_bucket", "le")), wanted);
    assert_eq!(bed.samples("h_sum"), [(0, 1.5), (1000, 3.0), (2000, 4.5)]);
}

fn example(after: i64, value: f64, trace: u8) -> Exemplar {
    Exemplar {
        time_unix_nano: UnixNanos::from_millis(NOW_MS + after).0,
        value: Some(exemplar::Value::AsDouble(value)),
        trace_id: vec![trace; 16],
        span_id: vec![trace; 8],
        filtered_attributes: vec![kv("user.id", "u1")],
    }
}

fn exemplars(bed: &Bed, selector: &str) -> Vec<(String, Vec<crate::Exemplar>)> {
    let matchers = crate::parse_selector(selector).unwrap();
    let (from, to) = (UnixNanos(0), UnixNanos(u64::MAX));
    let found = bed.store.exemplars(
        &Tenant::default(),
        &[matchers],
        from,
        to,
        &Deadline::never(),
    );
    found
        .unwrap()
        .into_iter()
        .map(|(l, e)| (l.to_string(), e))
        .collect()
}

#[test]
fn an_exemplar_belongs_to_the_bucket_it_was_counted_in_first() {
    let bed = Bed::new(&Config::default());
    let point = HistogramDataPoint {
        exemplars: vec![example(0, 0.5, 1), example(0, 2.0, 2), example(0, 50.0, 3)],
        ..buckets(0, [1, 1, 1], 1.0)
    };
    bed.send(&[], vec![histogram("h", CUMULATIVE, vec![point])]);
    let found = exemplars(&bed, "h_bucket");
    let values: Vec<(&str, f64)> = found
        .iter()
        .map(|(labels, e)| (labels.as_str(), e[0].value))
        .collect();
    assert_eq!(
        values,
        [
            (r#"{__name__="h_bucket", le="+Inf"}"#, 50.0),
            (r#"{__name__="h_bucket", le="1"}"#, 0.5),
            (r#"{__name__="h_bucket", le="2"}"#, 2.0),
        ]
    );
    let labels = &found[1].1[0].labels;
    assert_eq!(labels.get("trace_id"), "01".repeat(16));
    assert_eq!(labels.get("span_id"), "01".repeat(8));
    assert_eq!(labels.get("user_id"), "u1");
}

#[test]
fn exemplars_of_traces_are_those_and_no_others_within_the_period() {
    let bed = Bed::new(&Config::default());
    for (after, trace) in [(0, 1), (1, 2), (2, 1), (3, 3)] {
        let point = NumberDataPoint {
            exemplars: vec![example(after, after as f64, trace)],
            ..point(&[], after, 1.0)
        };
        bed.send(&[], vec![counter("c", CUMULATIVE, vec![point])]);
    }
    let check = |traces: &[u8], (from, to): (i64, i64), expected: &[f64]| {
        let ids = traces.iter().map(|trace| format!("{trace:02x}").repeat(16));
        let at = |after| UnixNanos::from_millis(NOW_MS + after);
        let tenant = Tenant::default();
        let found = bed
            .store
            .exemplars_of_traces(&tenant, &ids.collect(), at(from), at(to));
        let values: Vec<f64> = found.iter().map(|(_, e)| e.value).collect();
        assert_eq!(values, expected, "{traces:?}");
        assert!(found.iter().all(|(l, _)| l.get("__name__") == "c_total"));
    };
    check(&[1], (0, 3), &[0.0, 2.0]);
    check(&[1, 3], (1, 3), &[2.0, 3.0]);
    check(&[2], (1, 1), &[1.0]);
    check(&[2], (2, 3), &[]);
    check(&[4], (0, 3), &[]);
    check(&[], (0, 3), &[]);
}

#[test]
fn exemplars_are_kept_once_and_the_oldest_go_first() {
    let config = Config {
        exemplars_max: 3,
        ..Config::default()
    };
    let bed = Bed::new(&config);
    for after in [0, 0, 1, 2, 3, 3] {
        let point = NumberDataPoint {
            exemplars: vec![example(after, after as f64, 1)],
            ..point(&[], after, 1.0)
        };
        bed.send(&[], vec![counter("c", CUMULATIVE, vec![point])]);
    }
    let found = exemplars(&bed, "c_total");
    let values: Vec<f64> = found[0].1.iter().map(|e| e.value).collect();
    assert_eq!(values, [1.0, 2.0, 3.0]);
    assert!(exemplars(&bed, "other").is_empty());
}

#[test]
fn an_exemplar_from_nowhen_or_the_future_is_of_its_point_and_a_large_one_is_cut() {
    let bed = Bed::new(&Config::default());
    for (after, nanos) in [(0, u64::MAX), (10, 0), (20, NOW.0 + 15_000_000)] {
        let large = Exemplar {
            time_unix_nano: nanos,
            filtered_attributes: vec![kv("large", "x".repeat(100_000)), kv("small", "y")],
            ..example(0, 1.0, 7)
        };
        let point = NumberDataPoint {
            exemplars: vec![large],
            ..point(&[], after, 1.0)
        };
        bed.send(&[], vec![counter("c", CUMULATIVE, vec![point])]);
    }
    let found = exemplars(&bed, "c_total");
    let times: Vec<i64> = found[0]
        .1
        .iter()
        .map(|e| e.time.as_millis() - NOW_MS)
        .collect();
    assert_eq!(times, [0, 10, 15]);
    let labels = &found[0].1[0].labels;
    assert_eq!((labels.get("large"), labels.get("small")), ("", "y"));
    assert_eq!(labels.get("trace_id").len(), 32);
}
