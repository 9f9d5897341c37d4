//! Native histograms from a body of protobuf to OTLP.

use super::super::points::{field, fixed, varint};
use super::*;
use proptest::prelude::*;
use sonde_exposition::{Answer, Buckets, Escaping, Histogram, Kind, Protocol, ResetHint, Writer};
use sonde_proto::BucketSpan;
use sonde_proto::otlp::metrics::{ExponentialHistogramDataPoint, exponential_histogram_data_point};
use std::borrow::Cow;

const NATIVE: &str = r#", "scrape_native_histograms": true"#;
const BOTH: &str =
    r#", "scrape_native_histograms": true, "always_scrape_classic_histograms": true"#;
const PROTOBUF: &str =
    "application/vnd.google.protobuf; proto=io.prometheus.client.MetricFamily; encoding=delimited";

/// A body with one histogram, `l{a="b"}`.
fn body(kind: Kind, histogram: &Histogram) -> Vec<u8> {
    let mut body = Vec::new();
    let answer = Answer {
        protocol: Protocol::Protobuf,
        escaping: Escaping::Utf8,
    };
    let mut writer = Writer::new(answer, &mut body);
    let family = Family {
        name: Cow::Borrowed("l"),
        kind,
        ..Family::default()
    };
    writer.family(&family).unwrap();
    let label = Label {
        name: Cow::Borrowed("a"),
        value: Cow::Borrowed("b"),
    };
    let sample = Sample {
        name: "l",
        labels: &[label],
        time: None,
        start: Some(500),
        value: SampleValue::Histogram(Arc::new(histogram.clone())),
        exemplars: &[],
    };
    writer.sample(&sample).unwrap();
    writer.end().unwrap();
    body
}

/// The same with classic buckets beside, by hand: the family's name, kind and one metric, whose
/// histogram has count 3, sum 4.5, a bucket of 2 up to 1, and natively 3 in bucket 1.
fn both_forms() -> Vec<u8> {
    // Its delta: zigzag.
    both_forms_of(|histogram| field(histogram, 13, &[6]))
}

fn both_forms_of(native: impl Fn(&mut Vec<u8>)) -> Vec<u8> {
    let mut bucket = vec![1 << 3, 2];
    fixed(&mut bucket, 2, 1f64.to_bits());
    let mut histogram = vec![1 << 3, 3];
    fixed(&mut histogram, 2, 4.5f64.to_bits());
    field(&mut histogram, 3, &bucket);
    // Span from 1 of length 1.
    field(&mut histogram, 12, &[1 << 3, 2, 2 << 3, 1]);
    native(&mut histogram);
    let mut metric = Vec::new();
    field(&mut metric, 7, &histogram);
    let mut family = Vec::new();
    field(&mut family, 1, b"l");
    family.extend([3 << 3, 4]);
    field(&mut family, 4, &metric);
    let mut body = Vec::new();
    varint(&mut body, family.len() as u64);
    body.extend(family);
    body
}

fn scrape(taker: &mut Taker, at: i64, body: &[u8]) -> Taken {
    taker.take(at, Ok(Fetched::of(PROTOBUF, body)), Duration::default)
}

/// The points of exponential histograms, and the kinds of their metrics.
fn natives(taken: &Taken) -> Vec<(String, ExponentialHistogramDataPoint)> {
    let mut found = Vec::new();
    for request in &taken.requests {
        let request = ExportMetricsServiceRequest::decode(request.clone()).unwrap();
        let resources = request.resource_metrics.into_iter();
        let scopes = resources.flat_map(|resource| resource.scope_metrics);
        for metric in scopes.flat_map(|scope| scope.metrics) {
            let kind = otlp::attribute_text(&metric.metadata, "prometheus.type").unwrap();
            if let Some(metric::Data::ExponentialHistogram(data)) = metric.data {
                assert_eq!(
                    (metric.name.as_str(), data.aggregation_temporality),
                    ("l", 2)
                );
                let points = data.data_points.into_iter();
                found.extend(points.map(|point| (kind.clone().into_owned(), point)));
            }
        }
    }
    found
}

/// The names of the other metrics, without the report.
fn numbers(taken: &Taken) -> Vec<String> {
    let mut names = Vec::new();
    for request in &taken.requests {
        let request = ExportMetricsServiceRequest::decode(request.clone()).unwrap();
        let resources = request.resource_metrics.into_iter();
        let scopes = resources.flat_map(|resource| resource.scope_metrics);
        let metrics = scopes.flat_map(|scope| scope.metrics);
        let is_number = |metric: &sonde_proto::otlp::metrics::Metric| {
            !matches!(metric.data, Some(metric::Data::ExponentialHistogram(_)))
        };
        names.extend(metrics.filter(is_number).map(|metric| metric.name));
    }
    names.retain(|name| REPORT.iter().all(|(report, _)| report != name));
    names.sort();
    names
}

/// The buckets that hold something, by the index of their upper bound.
fn held(side: Option<exponential_histogram_data_point::Buckets>) -> Vec<(i64, f64)> {
    let side = side.unwrap_or_default();
    let counts = side.bucket_counts.into_iter();
    let indexes = (i64::from(side.offset) + 1..).zip(counts);
    let held = indexes.filter(|(_, count)| *count > 0);
    held.map(|(index, count)| (index, count as f64)).collect()
}

fn holding(side: &Buckets) -> Vec<(i64, f64)> {
    let all = side.indexes().zip(side.counts.iter().copied());
    all.filter(|(_, count)| *count > 0.0).collect()
}

fn side(spans: &[(i32, u32)], counts: &[u32]) -> Buckets {
    let spans: Vec<_> = spans
        .iter()
        .map(|&(offset, length)| BucketSpan { offset, length })
        .collect();
    let total = spans.iter().map(|span| span.length as usize).sum();
    Buckets {
        counts: counts
            .iter()
            .cycle()
            .take(total)
            .map(|n| f64::from(*n))
            .collect(),
        spans,
    }
}

fn one(schema: i8, positive: Buckets) -> Histogram {
    Histogram {
        schema,
        zero_threshold: 0.25,
        zero_count: 1.0,
        count: 1.0 + positive.counts.iter().sum::<f64>(),
        sum: -0.5,
        positive,
        ..Histogram::default()
    }
}

#[test]
fn which_of_the_two_forms_is_taken_is_configured() {
    let classic = ["l_bucket", "l_count", "l_sum"];
    for (config, native, others) in [("", 0, &classic[..]), (NATIVE, 1, &[]), (BOTH, 1, &classic)] {
        let taken = scrape(&mut taker(config), 1000, &both_forms());
        assert_eq!(taken.error, None);
        assert_eq!(natives(&taken).len(), native, "{config}");
        assert_eq!(numbers(&taken), others, "{config}");
        let left_out = taken.left_out.get("native_histogram").copied();
        assert_eq!(left_out, (native == 0).then_some(1));
    }
}

#[test]
fn one_that_vanishes_ends_and_one_that_comes_again_goes_on() {
    let mut taker = taker(NATIVE);
    let histogram = one(3, side(&[(-2, 2), (3, 1)], &[4, 5, 6]));
    let body = body(Kind::GaugeHistogram, &histogram);
    let taken = scrape(&mut taker, 1000, &body);
    let [(kind, point)] = &natives(&taken)[..] else {
        panic!("{taken:?}")
    };
    assert_eq!(kind, "gaugehistogram");
    assert_eq!(
        (point.start_time_unix_nano, point.time_unix_nano),
        (500_000_000, 1_000_000_000)
    );
    assert_eq!(point.attributes.len(), 1);
    assert_eq!(point.attributes[0].key, "a");
    let taken = scrape(&mut taker, 2000, &[]);
    assert_eq!(
        lines(&taken),
        ["l{a=b,instance=i,job=j} stale 2000 gaugehistogram"]
    );
    assert_eq!(natives(&scrape(&mut taker, 3000, &body)).len(), 1);
}

#[test]
fn what_otlp_cannot_carry_is_left_out_and_told() {
    let mut fraction = one(0, side(&[(0, 2)], &[1]));
    fraction.positive.counts[1] = 1.5;
    fraction.count = 3.5;
    // No number of joined buckets makes it narrow.
    let far = one(0, side(&[(-2_000_000_000, 1), (i32::MAX, 1)], &[1]));
    let near = one(0, side(&[(0, 1), (4094, 1)], &[1]));
    for (histogram, is_taken) in [(fraction, false), (far, false), (near, true)] {
        let taken = scrape(&mut taker(NATIVE), 1000, &body(Kind::Histogram, &histogram));
        assert_eq!(taken.error, None);
        assert_eq!(natives(&taken).len(), usize::from(is_taken));
        let left_out = taken.left_out.get("native_histogram").copied();
        assert_eq!(left_out, (!is_taken).then_some(1));
    }
}

#[test]
fn the_classic_buckets_of_one_that_is_left_out_are_taken() {
    let body = both_forms_of(|histogram| {
        // Its counts as doubles: 3.5 of all and in the bucket.
        fixed(histogram, 4, 3.5f64.to_bits());
        fixed(histogram, 14, 3.5f64.to_bits());
    });
    let taken = scrape(&mut taker(NATIVE), 1000, &body);
    assert_eq!(taken.error, None);
    assert_eq!(natives(&taken).len(), 0);
    assert_eq!(numbers(&taken), ["l_bucket", "l_count", "l_sum"]);
    assert_eq!(taken.left_out.get("native_histogram"), Some(&1));
}

/// Two neighbours become one, as often as it takes; what they hold stays where it was.
#[test]
fn one_that_is_too_wide_is_told_in_coarser_buckets() {
    let wide = one(3, side(&[(-3, 5), (9000, 2)], &[1, 2, 3, 4]));
    let body = body(Kind::Histogram, &wide);
    let taken = scrape(&mut taker(NATIVE), 1000, &body);
    assert_eq!((taken.error.clone(), taken.left_out.len()), (None, 0));
    let (_, point) = natives(&taken).remove(0);
    assert_eq!((point.scale, point.count as f64), (1, wide.count));
    // A bucket of scale 1 is four of scale 3: -3 to 0, 1 to 4, and 9001 to 9004.
    let positive = point.positive.unwrap();
    assert!(positive.bucket_counts.len() <= 4096);
    let wanted = [(0, 10.0), (1, 1.0), (2251, 5.0)];
    assert_eq!(held(Some(positive)), wanted);
}

fn any_side() -> impl Strategy<Value = Buckets> {
    let spans = prop::collection::vec((0i32..30, 0u32..5), 0..4);
    let counts = prop::collection::vec(0u32..1000, 1..6);
    (spans, counts, -100i32..100).prop_map(|(mut spans, counts, shift)| {
        if let Some((offset, _)) = spans.first_mut() {
            *offset += shift;
        }
        side(&spans, &counts)
    })
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn what_arrives_is_what_the_target_shows(
        schema in -4i8..=8,
        (positive, negative) in (any_side(), any_side()),
        zero_count in 1u32..100,
        (threshold, sum) in (0u8..3, any::<u64>()),
    ) {
        let sum = f64::from_bits(sum);
        let total: f64 = positive.counts.iter().chain(&negative.counts).sum();
        let shown = Histogram {
            schema,
            hint: ResetHint::Unknown,
            zero_threshold: f64::from(threshold) / 8.0,
            zero_count: f64::from(zero_count),
            count: total + f64::from(zero_count),
            sum: if sum.is_nan() { f64::NAN } else { sum },
            positive,
            negative,
            ..Histogram::default()
        };
        let taken = scrape(&mut taker(NATIVE), 1000, &body(Kind::Histogram, &shown));
        prop_assert_eq!(&taken.error, &None);
        let (kind, point) = natives(&taken).remove(0);
        prop_assert_eq!(kind, "histogram");
        prop_assert_eq!(point.scale, i32::from(schema));
        prop_assert_eq!(point.count as f64, shown.count);
        prop_assert_eq!(point.zero_count as f64, shown.zero_count);
        prop_assert_eq!(point.zero_threshold, shown.zero_threshold);
        let found = point.sum.unwrap();
        prop_assert!(found.to_bits() == shown.sum.to_bits() || found.is_nan() && shown.sum.is_nan());
        prop_assert_eq!(held(point.positive), holding(&shown.positive));
        prop_assert_eq!(held(point.negative), holding(&shown.negative));
    }
}
