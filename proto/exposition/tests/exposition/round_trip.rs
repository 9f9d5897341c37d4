//! What our writer writes, our reader reads back equal, as far as the format can say it.

use crate::collect::{Kept, KeptExemplar, Value, collect, pairs};
use crate::generate::{Made, MadeFamily, families, write};
use crate::messages;
use proptest::prelude::*;
use sonde_exposition::{
    Answer, BucketSpan, Buckets, CUSTOM_SCHEMA, Escaping, Exemplar, Family, Format, Histogram,
    Kind, Protocol, Sample, SampleValue, Writer, is_legacy_label_name, is_legacy_metric_name,
};
use std::sync::Arc;

/// What a reader must give for a sample, or `None` where the format cannot say it.
fn expected(format: Format, kind: Kind, made: &Made) -> Option<Kept> {
    let is_text = format == Format::Text;
    let plain = |number: f64| {
        let bits = if number.is_nan() {
            0x7ff8_0000_0000_0001
        } else {
            number.to_bits()
        };
        Value::Float(bits)
    };
    let value = match &made.value {
        SampleValue::Float(number) => plain(*number),
        SampleValue::Histogram(_) if format != Format::Protobuf => return None,
        SampleValue::Histogram(histogram) => {
            let mut histogram = Histogram::clone(histogram);
            if histogram.sum.is_nan() {
                // Not equal to itself; that it stays is tested for floats.
                histogram.sum = 0.0;
            }
            Value::Histogram(Arc::new(histogram))
        }
    };
    let kind = match (format, kind) {
        (Format::Text | Format::Protobuf, Kind::Info | Kind::StateSet) => Kind::Gauge,
        _ => kind,
    };
    let exemplar = |exemplar: &Exemplar<'_>| KeptExemplar {
        labels: pairs(&exemplar.labels),
        value: match plain(exemplar.value) {
            Value::Float(bits) => bits,
            Value::Histogram(_) => unreachable!("a float"),
        },
        time: exemplar.time,
    };
    Some(Kept {
        kind,
        name: made.name.clone(),
        labels: made.labels.clone(),
        time: made.time,
        start: made.start.filter(|_| !is_text),
        value,
        exemplars: made
            .exemplars
            .iter()
            .filter(|_| !is_text)
            .map(exemplar)
            .collect(),
    })
}

fn sorted(mut samples: Vec<Kept>) -> Vec<Kept> {
    for kept in &mut samples {
        if let Value::Histogram(histogram) = &kept.value
            && histogram.sum.is_nan()
        {
            let mut histogram = Histogram::clone(histogram);
            histogram.sum = 0.0;
            kept.value = Value::Histogram(Arc::new(histogram));
        }
    }
    samples.sort_by(|a, b| (&a.name, &a.labels).cmp(&(&b.name, &b.labels)));
    samples
}

fn round_trip(protocol: Protocol, made: &[MadeFamily]) {
    let body = write(protocol, Escaping::Utf8, made);
    let shown = || String::from_utf8_lossy(&body).into_owned();
    let read = collect(protocol.format(), &body).unwrap_or_else(|e| panic!("{e}\n{}", shown()));
    let samples = made.iter().flat_map(|made| {
        let kind = made.family.kind;
        let samples = made.samples.iter();
        samples.filter_map(move |sample| expected(protocol.format(), kind, sample))
    });
    assert_eq!(
        sorted(read.samples),
        sorted(samples.collect()),
        "{}",
        shown()
    );
    for made in made {
        let is_written = made
            .samples
            .iter()
            .any(|s| expected(protocol.format(), made.family.kind, s).is_some());
        let help = &made.family.help;
        let is_told = read.families.iter().any(|family| {
            family.help == *help && family.name.starts_with(made.family.name.as_ref())
        });
        assert!(
            !is_written || is_told,
            "{:?} is not told\n{}",
            made.family,
            shown()
        );
    }
    if protocol == Protocol::Protobuf {
        assert!(messages::decode(&body).len() <= made.len());
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, cases: 200, ..ProptestConfig::default() })]

    #[test]
    fn text_is_read_back_equal(made in families()) {
        round_trip(Protocol::Text1, &made);
    }

    #[test]
    fn open_metrics_is_read_back_equal(made in families()) {
        round_trip(Protocol::OpenMetrics1, &made);
    }

    #[test]
    fn protobuf_is_read_back_equal(made in families()) {
        round_trip(Protocol::Protobuf, &made);
    }

    #[test]
    fn with_any_other_escaping_all_names_are_those_that_old_readers_know(made in families()) {
        for escaping in [Escaping::Underscores, Escaping::Dots, Escaping::Values] {
            for protocol in [Protocol::Text0, Protocol::OpenMetrics0, Protocol::Protobuf] {
                let body = write(protocol, escaping, &made);
                // Underscores may make two labels one, which is refused: what is read is looked at.
                let Ok(read) = collect(protocol.format(), &body) else {
                    prop_assert!(escaping != Escaping::Values);
                    continue;
                };
                for kept in read.samples {
                    prop_assert!(is_legacy_metric_name(&kept.name), "{}", kept.name);
                    for (name, _) in kept.labels {
                        prop_assert!(is_legacy_label_name(&name), "{}", name);
                    }
                }
            }
        }
    }
}

#[test]
fn custom_buckets_become_a_classic_histogram_in_every_format() {
    let histogram = Histogram {
        schema: CUSTOM_SCHEMA,
        count: 10.0,
        sum: 25.5,
        positive: Buckets {
            spans: vec![
                BucketSpan {
                    offset: 1,
                    length: 1,
                },
                BucketSpan {
                    offset: 1,
                    length: 1,
                },
            ],
            counts: vec![4.0, 6.0],
        },
        bounds: Arc::from([0.5, 1.0, 2.5]),
        ..Histogram::default()
    };
    histogram.check(10).unwrap();
    let family = Family {
        name: "h".into(),
        kind: Kind::Histogram,
        ..Family::default()
    };
    let sample = Sample {
        name: "h",
        labels: &[],
        time: None,
        start: None,
        value: SampleValue::Histogram(Arc::new(histogram)),
        exemplars: &[],
    };
    for protocol in [Protocol::Text0, Protocol::OpenMetrics1, Protocol::Protobuf] {
        let mut body = Vec::new();
        let answer = Answer {
            protocol,
            escaping: Escaping::Underscores,
        };
        let mut writer = Writer::new(answer, &mut body);
        writer.family(&family).unwrap();
        writer.sample(&sample).unwrap();
        assert_eq!(writer.left_out(), 0);
        writer.end().unwrap();
        let read = collect(protocol.format(), &body).unwrap();
        let mut lines = crate::collect::lines(&read);
        lines.sort();
        assert_eq!(
            lines,
            [
                r#"h_bucket{le="+Inf"} 10"#,
                r#"h_bucket{le="0.5"} 0"#,
                r#"h_bucket{le="1.0"} 4"#,
                r#"h_bucket{le="2.5"} 4"#,
                "h_count{} 10",
                "h_sum{} 25.5",
            ]
        );
    }
}

#[test]
fn the_text_that_is_written_is_the_one_that_others_write() {
    let family = |name: &str, kind| Family {
        name: name.to_owned().into(),
        kind,
        help: "Of\nall.".into(),
        unit: if name.ends_with("_seconds") {
            "seconds".into()
        } else {
            "".into()
        },
    };
    let sample = |name: &str, value| Made {
        name: name.to_owned(),
        labels: vec![("a.b".to_owned(), "\"x\"".to_owned())],
        time: Some(1_500),
        start: Some(1_000),
        value: SampleValue::Float(value),
        exemplars: vec![Exemplar {
            labels: vec![],
            value: 0.5,
            time: Some(2),
        }],
    };
    let made = [
        MadeFamily {
            family: family("busy_seconds", Kind::Counter),
            samples: vec![sample("busy_seconds_total", 3.0)],
        },
        MadeFamily {
            family: family("old_total", Kind::Counter),
            samples: vec![sample("old_total", 2e6)],
        },
        MadeFamily {
            family: family("odd", Kind::Counter),
            samples: vec![sample("odd", 1.0)],
        },
        MadeFamily {
            family: family("x", Kind::Info),
            samples: vec![sample("x_info", 1.0)],
        },
        MadeFamily {
            family: family("g", Kind::Gauge),
            samples: vec![sample("g", 0.5), sample("other", 1.0)],
        },
    ];
    let text = |protocol, escaping| String::from_utf8(write(protocol, escaping, &made)).unwrap();
    assert_eq!(
        text(Protocol::Text0, Escaping::Underscores),
        r#"# HELP busy_seconds_total Of\nall.
# TYPE busy_seconds_total counter
busy_seconds_total{a_b="\"x\""} 3 1500
# HELP old_total Of\nall.
# TYPE old_total counter
old_total{a_b="\"x\""} 2e+06 1500
# HELP odd Of\nall.
# TYPE odd counter
odd{a_b="\"x\""} 1 1500
# HELP x_info Of\nall.
# TYPE x_info gauge
x_info{a_b="\"x\""} 1 1500
# HELP g Of\nall.
# TYPE g gauge
g{a_b="\"x\""} 0.5 1500
# TYPE other untyped
other{a_b="\"x\""} 1 1500
"#
    );
    assert_eq!(
        text(Protocol::OpenMetrics1, Escaping::Utf8),
        r#"# HELP busy_seconds Of\nall.
# TYPE busy_seconds counter
# UNIT busy_seconds seconds
busy_seconds_total{"a.b"="\"x\""} 3.0 1.500 # {} 0.5 0.002
busy_seconds_created{"a.b"="\"x\""} 1.000
# HELP old Of\nall.
# TYPE old counter
old_total{"a.b"="\"x\""} 2e+06 1.500 # {} 0.5 0.002
old_created{"a.b"="\"x\""} 1.000
# HELP odd Of\nall.
# TYPE odd unknown
odd{"a.b"="\"x\""} 1.0 1.500
odd_created{"a.b"="\"x\""} 1.000
# HELP x Of\nall.
# TYPE x info
x_info{"a.b"="\"x\""} 1.0 1.500
# HELP g Of\nall.
# TYPE g gauge
g{"a.b"="\"x\""} 0.5 1.500
# TYPE other unknown
other{"a.b"="\"x\""} 1.0 1.500
# EOF
"#
    );
}
