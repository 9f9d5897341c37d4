//! What is more than allowed is refused, and what claims to be large costs nothing.

use crate::collect::collect_with;
use crate::messages::{Bucket, Histogram, LabelPair, Metric, MetricFamily, Single, Span, encode};
use sonde_exposition::{Bounds, Format, Options};

#[track_caller]
fn check(format: Format, body: &[u8], bounds: Bounds, message: &str) {
    let wide = Options::default();
    collect_with(format, body, &wide).unwrap_or_else(|e| panic!("too narrow by default: {e}"));
    let options = Options { bounds, ..wide };
    let error = collect_with(format, body, &options).err().unwrap();
    assert_eq!(error.to_string(), message);
}

#[test]
fn each_bound_of_a_text_holds() {
    let text = Format::Text;
    let bounds = Bounds::default();
    check(
        text,
        b"abc 1\n",
        Bounds {
            body_bytes: 5,
            ..bounds
        },
        "line 1, column 1: the body has 6 bytes and at most 5 are read; send less at once",
    );
    check(
        text,
        b"a 1\nabcde 1\n",
        Bounds {
            line_bytes: 6,
            ..bounds
        },
        "line 2, column 1: the line has 7 bytes and at most 6 are read",
    );
    check(
        text,
        b"a 1\nb 1\nc 1\n",
        Bounds {
            samples: 2,
            ..bounds
        },
        "line 3, column 1: the body has more than 2 samples; send less at once",
    );
    check(
        text,
        b"a{b=\"1\",c=\"2\"} 1\n",
        Bounds {
            labels: 1,
            ..bounds
        },
        "line 1, column 9: there are more than 1 labels",
    );
    check(
        text,
        b"a{b=\"123456\"} 1\n",
        Bounds {
            label_bytes: 5,
            ..bounds
        },
        "line 1, column 5: a text of 6 bytes is longer than 5",
    );
    check(
        text,
        b"a{bcdefg=\"\"} 1\n",
        Bounds {
            label_bytes: 5,
            ..bounds
        },
        "line 1, column 3: the label name is longer than 5 bytes",
    );
    check(
        text,
        b"abcdef 1\n",
        Bounds {
            label_bytes: 5,
            ..bounds
        },
        "line 1, column 1: the name is longer than 5 bytes",
    );
    let two = b"a_total 1 # {} 1 # {} 2\n# EOF\n";
    check(
        Format::OpenMetrics,
        two,
        Bounds {
            exemplars: 1,
            ..bounds
        },
        "line 1, column 21: there are more than 1 exemplars",
    );
}

fn gauge(labels: &[(&str, &str)]) -> MetricFamily {
    let pair = |(name, value): &(&str, &str)| LabelPair {
        name: Some((*name).to_owned()),
        value: Some((*value).to_owned()),
    };
    MetricFamily {
        name: Some("g".to_owned()),
        kind: Some(1),
        metric: vec![Metric {
            label: labels.iter().map(pair).collect(),
            gauge: Some(Single::default()),
            ..Metric::default()
        }],
        ..MetricFamily::default()
    }
}

fn histogram(histogram: Histogram) -> MetricFamily {
    MetricFamily {
        name: Some("h".to_owned()),
        kind: Some(4),
        metric: vec![Metric {
            histogram: Some(histogram),
            ..Metric::default()
        }],
        ..MetricFamily::default()
    }
}

#[test]
fn each_bound_of_protobuf_holds() {
    let protobuf = Format::Protobuf;
    let bounds = Bounds::default();
    let two = encode(&[gauge(&[("a", "1"), ("b", "2")])]);
    check(
        protobuf,
        &two,
        Bounds {
            labels: 1,
            ..bounds
        },
        "byte 24: there are more than 1 labels",
    );
    check(
        protobuf,
        &two,
        Bounds {
            body_bytes: 9,
            ..bounds
        },
        "byte 0: the body has 26 bytes and at most 9 are read; send less at once",
    );
    let long = encode(&[gauge(&[("a", "123456")])]);
    check(
        protobuf,
        &long,
        Bounds {
            label_bytes: 5,
            ..bounds
        },
        "byte 15: the text is longer than 5 bytes",
    );
    let classic = encode(&[histogram(Histogram {
        bucket: vec![Bucket::default(); 3],
        ..Histogram::default()
    })]);
    check(
        protobuf,
        &classic,
        Bounds {
            samples: 4,
            ..bounds
        },
        "byte 8: the body has more than 4 samples; send less at once",
    );
    let native = encode(&[histogram(Histogram {
        positive_span: vec![Span {
            offset: Some(0),
            length: Some(3),
        }],
        positive_delta: vec![1, 1, 1],
        ..Histogram::default()
    })]);
    check(
        protobuf,
        &native,
        Bounds {
            buckets: 2,
            ..bounds
        },
        "byte 21: the histogram has more than 2 buckets",
    );
}

#[test]
fn a_length_that_no_body_has_is_refused_at_once() {
    let claims = [0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x7f, 0x0a];
    let error = collect_with(Format::Protobuf, &claims, &Options::default())
        .err()
        .unwrap();
    assert_eq!(
        error.to_string(),
        "byte 0: 9223372036854775807 bytes should follow and 1 do: the body is cut or damaged"
    );
}
