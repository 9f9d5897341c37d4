//! The protobuf format, written by prost.

use crate::collect::{Value, collect, collect_with, lines};
use crate::messages::{
    Bucket, Counter, Exemplar, Histogram, LabelPair, Metric, MetricFamily, Quantile, Single, Span,
    Summary, Timestamp, encode,
};
use sonde_exposition::{BucketSpan, Format, Kind, Options, ResetHint};

fn family(name: &str, kind: i32, metric: Vec<Metric>) -> MetricFamily {
    MetricFamily {
        name: Some(name.to_owned()),
        help: Some("Helps.".to_owned()),
        kind: Some(kind),
        metric,
        unit: None,
    }
}

fn labels(pairs: &[(&str, &str)]) -> Vec<LabelPair> {
    let pair = |(name, value): &(&str, &str)| LabelPair {
        name: Some((*name).to_owned()),
        value: Some((*value).to_owned()),
    };
    pairs.iter().map(pair).collect()
}

fn at(millis: i64) -> Timestamp {
    Timestamp {
        seconds: millis.div_euclid(1_000),
        nanos: (millis.rem_euclid(1_000) * 1_000_000) as i32,
    }
}

fn exemplar(id: &str, value: f64, time: Option<i64>) -> Exemplar {
    Exemplar {
        label: labels(&[("trace_id", id)]),
        value: Some(value),
        time: time.map(at),
    }
}

fn bucket(bound: f64, count: u64) -> Bucket {
    Bucket {
        count: Some(count),
        bound: Some(bound),
        ..Bucket::default()
    }
}

fn of_histogram(histogram: Histogram) -> Metric {
    Metric {
        histogram: Some(histogram),
        ..Metric::default()
    }
}

#[track_caller]
fn check(families: &[MetricFamily], expected: &[&str]) {
    let collected = collect(Format::Protobuf, encode(families)).unwrap();
    assert_eq!(lines(&collected), expected);
}

#[track_caller]
fn refused(body: impl AsRef<[u8]>, message: &str) {
    let error = collect(Format::Protobuf, body).err().unwrap();
    assert_eq!(error.to_string(), message);
}

#[test]
fn counters_gauges_and_what_has_no_type_are_read() {
    let counter = Metric {
        label: labels(&[("code", "200"), ("b", "")]),
        counter: Some(Counter {
            value: Some(7.0),
            exemplar: Some(exemplar("x", 0.5, Some(1_500))),
            created: Some(at(1_234)),
        }),
        time: Some(-5),
        ..Metric::default()
    };
    let gauge = Metric {
        gauge: Some(Single { value: None }),
        ..Metric::default()
    };
    let untyped = Metric {
        untyped: Some(Single { value: Some(-1.5) }),
        ..Metric::default()
    };
    check(
        &[
            family("requests_total", 0, vec![counter]),
            family("grad.°", 1, vec![gauge.clone(), gauge]),
            family("u", 3, vec![untyped]),
            family("none", 1, vec![]),
        ],
        &[
            r#"requests_total{code="200",b=""} 7 @-5 ^1234 #{trace_id="x"}0.5@1500"#,
            "grad.°{} 0",
            "grad.°{} 0",
            "u{} -1.5",
        ],
    );
}

#[test]
fn summaries_and_classic_histograms_become_their_series() {
    let summary = Metric {
        label: labels(&[("a", "b")]),
        summary: Some(Summary {
            count: Some(10),
            sum: Some(2.5),
            quantile: vec![
                Quantile {
                    quantile: Some(0.5),
                    value: Some(1.0),
                },
                Quantile {
                    quantile: Some(1.0),
                    value: Some(f64::NAN),
                },
            ],
            created: Some(at(9)),
        }),
        ..Metric::default()
    };
    let mut timed = bucket(1.0, 3);
    timed.exemplar = Some(exemplar("y", 0.7, None));
    let histogram = of_histogram(Histogram {
        count: Some(4),
        sum: Some(5.5),
        bucket: vec![bucket(0.25, 1), timed],
        created: Some(at(8)),
        ..Histogram::default()
    });
    let floats = of_histogram(Histogram {
        count_float: Some(1.5),
        bucket: vec![Bucket {
            count_float: Some(1.5),
            bound: Some(f64::INFINITY),
            ..Bucket::default()
        }],
        ..Histogram::default()
    });
    check(
        &[
            family("s", 2, vec![summary]),
            family("h", 4, vec![histogram]),
            family("f", 5, vec![floats]),
        ],
        &[
            r#"s_count{a="b"} 10 ^9"#,
            r#"s_sum{a="b"} 2.5 ^9"#,
            r#"s{a="b",quantile="0.5"} 1 ^9"#,
            r#"s{a="b",quantile="1.0"} NaN ^9"#,
            "h_count{} 4 ^8",
            "h_sum{} 5.5 ^8",
            r#"h_bucket{le="0.25"} 1 ^8"#,
            r#"h_bucket{le="1.0"} 3 ^8 #{trace_id="y"}0.7"#,
            r#"h_bucket{le="+Inf"} 4 ^8"#,
            "f_count{} 1.5",
            "f_sum{} 0",
            r#"f_bucket{le="+Inf"} 1.5"#,
        ],
    );
}

fn native() -> Histogram {
    let span = |offset, length| Span {
        offset: Some(offset),
        length: Some(length),
    };
    Histogram {
        count: Some(12),
        sum: Some(18.4),
        schema: Some(1),
        zero_threshold: Some(0.001),
        zero_count: Some(2),
        positive_span: vec![span(0, 2), span(1, 2)],
        positive_delta: vec![1, 1, -1, 0],
        negative_span: vec![span(-3, 0), span(1, 1)],
        negative_delta: vec![5],
        created: Some(at(7)),
        ..Histogram::default()
    }
}

#[test]
fn native_histograms_are_read_whole() {
    let mut histogram = native();
    histogram.exemplars = vec![
        exemplar("a", 1.0, Some(3)),
        exemplar("b", 2.0, None),
        exemplar("c", 3.0, Some(4)),
    ];
    let metric = Metric {
        label: labels(&[("x", "y")]),
        time: Some(99),
        ..of_histogram(histogram)
    };
    let collected = collect(Format::Protobuf, encode(&[family("n", 4, vec![metric])])).unwrap();
    let [kept] = collected.samples.as_slice() else {
        panic!("one sample")
    };
    assert_eq!(
        (kept.kind, kept.name.as_str(), kept.time, kept.start),
        (Kind::Histogram, "n", Some(99), Some(7))
    );
    let times: Vec<_> = kept
        .exemplars
        .iter()
        .map(|exemplar| exemplar.time)
        .collect();
    assert_eq!(times, [Some(3), Some(4)]);
    let Value::Histogram(read) = &kept.value else {
        panic!("a histogram")
    };
    assert_eq!(
        (
            read.schema,
            read.count,
            read.sum,
            read.zero_count,
            read.zero_threshold
        ),
        (1, 12.0, 18.4, 2.0, 0.001)
    );
    assert_eq!(read.positive.counts, [1.0, 2.0, 1.0, 1.0]);
    assert_eq!(read.positive.indexes().collect::<Vec<_>>(), [0, 1, 3, 4]);
    assert_eq!(
        read.negative.spans,
        [BucketSpan {
            offset: -2,
            length: 1
        }]
    );
    assert_eq!(read.hint, ResetHint::Unknown);
    read.check(10).unwrap();
}

#[test]
fn a_gauge_histogram_of_doubles_is_read() {
    let histogram = Histogram {
        count: None,
        count_float: Some(3.5),
        zero_count: None,
        zero_count_float: Some(0.5),
        positive_span: vec![Span {
            offset: Some(-1),
            length: Some(2),
        }],
        positive_delta: vec![],
        positive_count: vec![1.0, 2.0],
        negative_span: vec![],
        negative_delta: vec![],
        ..native()
    };
    let collected = collect(
        Format::Protobuf,
        encode(&[family("n", 5, vec![of_histogram(histogram)])]),
    )
    .unwrap();
    let Value::Histogram(read) = &collected.samples[0].value else {
        panic!("a histogram")
    };
    assert_eq!(
        (read.hint, read.count, read.zero_count),
        (ResetHint::Gauge, 3.5, 0.5)
    );
    assert_eq!(read.positive.counts, [1.0, 2.0]);
}

#[test]
fn a_histogram_without_observations_is_native_if_it_says_so() {
    let said = Histogram {
        positive_span: vec![Span::default()],
        ..Histogram::default()
    };
    let body = encode(&[family("n", 4, vec![of_histogram(said)])]);
    let collected = collect(Format::Protobuf, &body).unwrap();
    assert!(
        matches!(&collected.samples[0].value, Value::Histogram(read) if read.positive.spans.is_empty())
    );
    let silent = encode(&[family("n", 4, vec![of_histogram(Histogram::default())])]);
    assert_eq!(collect(Format::Protobuf, silent).unwrap().samples.len(), 3);
}

#[test]
fn classic_buckets_come_beside_native_ones_if_asked_for() {
    let mut histogram = native();
    let mut timed = bucket(2.0, 7);
    timed.exemplar = Some(exemplar("z", 1.5, Some(6)));
    histogram.bucket = vec![timed];
    let body = encode(&[family("n", 4, vec![of_histogram(histogram)])]);
    let only = collect(Format::Protobuf, &body).unwrap();
    assert_eq!(only.samples.len(), 1);
    assert_eq!(
        only.samples[0].exemplars.len(),
        1,
        "the bucket's, as it has none of its own"
    );
    let options = Options {
        classic_beside_native: true,
        ..Options::default()
    };
    let both = collect_with(Format::Protobuf, &body, &options).unwrap();
    let names: Vec<_> = both.samples.iter().map(|kept| kept.name.as_str()).collect();
    assert_eq!(names, ["n", "n_count", "n_sum", "n_bucket", "n_bucket"]);
}

#[test]
fn fields_may_come_in_any_order_and_unknown_ones_are_passed_over() {
    // type 1, metric {gauge {value 2.0}}, unknown 99, name "a"; 2.0 is 0x4000…
    let metric = [&[0x12, 9, 0x09][..], &2.0_f64.to_le_bytes()].concat();
    let inside = [
        &[0x22, metric.len() as u8][..],
        &metric,
        &[0x98, 0x06, 5, 0x0a, 1, b'a', 0x18, 1],
    ]
    .concat();
    let body = [&[inside.len() as u8][..], &inside].concat();
    let collected = collect(Format::Protobuf, body).unwrap();
    assert_eq!(lines(&collected), ["a{} 2"]);
    assert_eq!(collected.samples[0].kind, Kind::Gauge);
}

#[test]
fn what_is_wrong_is_said_with_its_byte() {
    refused(
        [5, 1],
        "byte 0: 5 bytes should follow and 1 do: the body is cut or damaged",
    );
    refused(
        [0x80],
        "byte 0: the body ends inside of a number: send it whole",
    );
    refused([0xff; 11], "byte 0: a number has more than 64 bits");
    refused([0], "byte 1: the family has no name");
    refused(
        [2, 0x0b, 0],
        "byte 1: groups and unknown wire types are not read",
    );
    refused([2, 0x02, 0], "byte 1: there is no such field number");
    refused(
        [2, 0x08, 0],
        "byte 3: the field before this place is not a message or a text",
    );
    refused([3, 0x0a, 1, 0xff], "byte 3: the text is not UTF-8 here");
    refused(
        [5, 0x0a, 1, b'a', 0x18, 9],
        "byte 6: 9 is no type of metric: 0 to 5 are known",
    );
    let absent = family("a", 1, vec![Metric::default()]);
    refused(
        encode(&[absent]),
        "byte 16: a metric of family \"a\" has no gauge",
    );
    let gauge = |pairs: &[(&str, &str)]| Metric {
        label: labels(pairs),
        gauge: Some(Single::default()),
        ..Metric::default()
    };
    refused(
        encode(&[family("a", 1, vec![gauge(&[("b", ""), ("b", "")])])]),
        "byte 30: label \"b\" stands here twice",
    );
    refused(
        encode(&[family("a", 1, vec![gauge(&[("", "")])])]),
        "byte 18: a label cannot have the name \"\"",
    );
}

#[track_caller]
fn senseless(change: impl FnOnce(&mut Histogram), message: &str) {
    let mut histogram = native();
    change(&mut histogram);
    let error = collect(
        Format::Protobuf,
        encode(&[family("n", 4, vec![of_histogram(histogram)])]),
    )
    .err()
    .unwrap()
    .to_string();
    assert!(error.ends_with(message), "{error}");
}

#[test]
fn a_native_histogram_that_contradicts_itself_is_refused() {
    senseless(
        |h| h.schema = Some(9),
        "the schema is 9; schemas from -4 to 8 are known, and -53 with bounds",
    );
    senseless(
        |h| h.schema = Some(-53),
        "the custom bounds do not rise, are missing or do not belong to the schema",
    );
    senseless(
        |h| h.positive_delta.push(1),
        "its spans name 4 buckets, and 5 have a count",
    );
    senseless(
        |h| h.positive_delta[0] = -1,
        "a count is below zero or not a number",
    );
    senseless(
        |h| h.positive_span[1].offset = Some(-1),
        "span 1 overlaps the one before it or lies outside of all buckets",
    );
    senseless(
        |h| h.positive_span[0].offset = Some(i32::MAX),
        "span 0 overlaps the one before it or lies outside of all buckets",
    );
    senseless(
        |h| h.zero_threshold = Some(f64::NAN),
        "the zero threshold is below zero or not a finite number",
    );
    senseless(
        |h| h.positive_delta = vec![i64::MAX, i64::MAX, 0, 0],
        "the deltas of the buckets overflow",
    );
    senseless(
        |h| h.positive_span[1].length = Some(u32::MAX),
        "its spans name 4294967297 buckets, and 4 have a count",
    );
}
