//! What is written is what is walked, in both versions; what is broken is refused or left
//! out, and nothing makes it panic.

use super::histogram::tests::any_histogram;
use super::*;
use crate::histogram::{Histogram, SampleValue};
use crate::remote_write::{self as written, HistogramMessage, v1, v2};
use proptest::prelude::*;
use prost::Message as _;

const BOUNDS: Bounds = Bounds {
    times: crate::walk::Bounds {
        earliest_millis: 1000,
        latest_millis: 2000,
    },
    labels: LabelBounds {
        labels_max: 4,
        name_bytes_max: 10,
        value_bytes_max: 20,
    },
};
const ANY: Bounds = Bounds {
    times: crate::walk::Bounds {
        earliest_millis: i64::MIN,
        latest_millis: i64::MAX,
    },
    labels: LabelBounds {
        labels_max: 100,
        name_bytes_max: 100,
        value_bytes_max: 100,
    },
};

fn owned(pairs: &[(&str, &str)]) -> Vec<(String, String)> {
    let own = |(name, value): &(&str, &str)| ((*name).to_owned(), (*value).to_owned());
    pairs.iter().map(own).collect()
}

fn series(labels: &[(&str, &str)], samples: &[(i64, f64)]) -> written::Series {
    written::Series {
        labels: owned(labels),
        samples: samples.to_vec(),
        ..Default::default()
    }
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).unwrap()
}

fn own_labels<'a>(labels: impl Iterator<Item = (&'a [u8], &'a [u8])>) -> Vec<(String, String)> {
    labels
        .map(|(name, value)| (text(name), text(value)))
        .collect()
}

/// Everything that a walk finds.
fn walked(version: Version, bytes: &[u8]) -> Result<Vec<written::Series>, WalkError> {
    let mut found = Vec::new();
    let request = Request::open(version, bytes)?;
    request.each_series(|series| {
        let mut own = written::Series {
            labels: own_labels(series.labels()),
            ..Default::default()
        };
        series.each_sample(|s| {
            own.samples.push((s.time, s.value));
            own.starts.push((s.time, s.start));
        })?;
        series.each_histogram(|h| {
            if let Ok(SampleValue::Histogram(value)) = h.value {
                own.histograms.push((h.time, (*value).clone()));
                own.starts.push((h.time, h.start));
            }
        })?;
        series.each_exemplar(|e| {
            own.exemplars
                .push((own_labels(e.labels()), e.time, e.value));
        })?;
        own.metadata = series.metadata()?.map(|m| written::Metadata {
            kind: i32::from(m.kind == "counter"),
            name: String::new(),
            help: text(m.help),
            unit: text(m.unit),
        });
        found.push(own);
        Ok(())
    })?;
    Ok(found)
}

/// Looks three times: what is known of labels changes nothing.
fn look(version: Version, bytes: &[u8], bounds: &Bounds) -> Result<Look, WalkError> {
    let (known, new) = (Known::default(), Known::default());
    let found = super::look(version, bytes, bounds, &known);
    assert_eq!(super::look(version, bytes, bounds, &known), found);
    assert_eq!(super::look(version, bytes, bounds, &new), found);
    found
}

fn looked(version: Version, series: &[written::Series], bounds: &Bounds) -> Look {
    look(version, &written::request(version, series), bounds).unwrap()
}

fn any_series() -> impl Strategy<Value = written::Series> {
    let label = || ("[a-z_é]{1,4}", "[a-zä]{1,4}");
    let labels = || prop::collection::btree_map(label().0, label().1, 0..5);
    let value = || any::<u64>().prop_map(f64::from_bits);
    let samples = prop::collection::vec((any::<i64>(), value()), 0..4);
    let exemplars = prop::collection::vec((labels(), any::<i64>(), value()), 0..3);
    let metadata = prop::option::of(("[a-z]{0,4}", "[a-z]{0,3}", 0..=1));
    let histograms = prop::collection::vec((any::<i64>(), any_histogram()), 0..3);
    let starts = prop::collection::vec(prop_oneof![Just(0), any::<i64>()], 0..8);
    (labels(), samples, exemplars, metadata, histograms, starts).prop_map(
        |(labels, samples, exemplars, metadata, histograms, starts)| written::Series {
            labels: labels.into_iter().collect(),
            starts: samples
                .iter()
                .map(|(time, _)| *time)
                .chain(histograms.iter().map(|(time, _)| *time))
                .zip(starts)
                .collect(),
            samples,
            exemplars: exemplars
                .into_iter()
                .map(|(labels, time, value)| (labels.into_iter().collect(), time, value))
                .collect(),
            histograms,
            metadata: metadata.map(|(help, unit, kind)| written::Metadata {
                kind,
                name: String::new(),
                help,
                unit,
            }),
        },
    )
}

/// With numbers as bits: those that are none are not equal to themselves.
fn bits(all: &[written::Series]) -> String {
    let mut out = String::new();
    for one in all {
        let samples: Vec<_> = one.samples.iter().map(|(t, v)| (t, v.to_bits())).collect();
        let exemplars: Vec<_> = one
            .exemplars
            .iter()
            .map(|(l, t, v)| (l, t, v.to_bits()))
            .collect();
        let (labels, metadata) = (&one.labels, &one.metadata);
        let histograms: Vec<_> = one
            .histograms
            .iter()
            .map(|(t, h)| (t, h.count, &h.positive))
            .collect();
        let start = |time: &i64| {
            let known = one.starts.iter().find(|(at, _)| at == time);
            known.map_or(0, |(_, start)| *start)
        };
        let times = one.samples.iter().map(|(time, _)| time);
        let times = times.chain(one.histograms.iter().map(|(time, _)| time));
        let starts: Vec<i64> = times.map(start).collect();
        out += &format!("{labels:?} {samples:?} {exemplars:?} {metadata:?} {histograms:?}");
        out += &format!(" {starts:?}\n");
    }
    out
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn what_is_written_is_walked_to_the_bit(all in prop::collection::vec(any_series(), 0..5)) {
        let found = walked(Version::V2, &written::request(Version::V2, &all)).unwrap();
        // What says nothing is as if it were not there.
        let says = |m: &written::Metadata| m.kind != 0 || !(m.help.is_empty() && m.unit.is_empty());
        let said = |one: &written::Series| {
            let metadata = one.metadata.clone().filter(says);
            written::Series { metadata, ..one.clone() }
        };
        let expected: Vec<_> = all.iter().map(said).collect();
        prop_assert_eq!(bits(&found), bits(&expected));
        let found = walked(Version::V1, &written::request(Version::V1, &all)).unwrap();
        let without = |one: &written::Series| written::Series {
            metadata: None,
            starts: Vec::new(),
            ..one.clone()
        };
        let all: Vec<_> = all.iter().map(without).collect();
        prop_assert_eq!(bits(&found), bits(&all));
    }

    /// Where prost takes the changed bytes as well, both read the same samples.
    #[test]
    fn changed_bytes_never_panic_and_are_read_as_prost_does(
        all in prop::collection::vec(any_series(), 1..4),
        changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..4),
        cut in any::<prop::sample::Index>(),
        is_cut in any::<bool>(),
    ) {
        for version in Version::ALL {
            let mut bytes = written::request(version, &all);
            for (at, byte) in &changes {
                let at = at.index(bytes.len());
                bytes[at] = *byte;
            }
            if is_cut {
                bytes.truncate(cut.index(bytes.len()));
            }
            let Ok(found) = look(version, &bytes, &ANY) else { continue };
            let (samples, histograms): (usize, usize) = match version {
                Version::V1 => {
                    let Ok(request) = v1::WriteRequest::decode(&*bytes) else { continue };
                    let all = request.timeseries.iter();
                    all.map(|s| (s.samples.len(), s.histograms.len()))
                        .fold((0, 0), |a, b| (a.0 + b.0, a.1 + b.1))
                }
                Version::V2 => {
                    let Ok(request) = v2::Request::decode(&*bytes) else { continue };
                    let all = request.timeseries.iter();
                    all.map(|s| (s.samples.len(), s.histograms.len()))
                        .fold((0, 0), |a, b| (a.0 + b.0, a.1 + b.1))
                }
            };
            let all = found.samples + found.histograms + found.refused.count();
            prop_assert_eq!(all, (samples + histograms) as u64);
        }
    }

    #[test]
    fn no_bytes_make_it_panic(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
        for version in Version::ALL {
            let _ = look(version, &bytes, &BOUNDS);
        }
    }
}

#[test]
fn every_sample_that_is_not_kept_has_a_reason() {
    let named = [("__name__", "up"), ("job", "a")];
    let long_name = [("__name__", "up"), ("far_too_long_a_name", "a")];
    let long_value = [("__name__", "up"), ("job", "far too long a value is this")];
    let many = [
        ("__name__", "up"),
        ("a", "1"),
        ("b", "1"),
        ("c", "1"),
        ("d", "1"),
    ];
    let mut histogram = series(&named, &[]);
    let bad = Histogram {
        schema: 9,
        ..Histogram::default()
    };
    let good = Histogram::default;
    histogram.histograms = vec![(1500, good()), (1600, bad), (2001, good()), (2000, good())];
    let mut exemplar = series(&named, &[(1000, 1.0), (2000, 1.0)]);
    exemplar.exemplars = vec![
        (owned(&[("trace_id", "1")]), 1500, 1.0),
        (Vec::new(), 2001, 1.0),
    ];
    let all = [
        series(
            &named,
            &[(999, 1.0), (1000, 1.0), (2000, 1.0), (2001, 1.0), (-1, 1.0)],
        ),
        series(&long_name, &[(1500, 1.0)]),
        series(&long_value, &[(1500, 1.0), (1501, 1.0)]),
        series(&many, &[(1500, 1.0)]),
        series(&[("job", "a")], &[(1500, 1.0)]),
        histogram,
        exemplar,
    ];
    let expected = Look {
        samples: 4,
        histograms: 2,
        exemplars: 1,
        metadata: 0,
        refused: Refused {
            too_old: 2,
            too_new: 2,
            too_many_labels: 1,
            label_bytes: 3,
            bad_labels: 1,
            first_bad: Some(Fault::NoName),
            bad_histograms: 1,
            first_bad_histogram: Some(crate::histogram::HistogramError::Schema(9)),
        },
    };
    for version in Version::ALL {
        assert_eq!(looked(version, &all, &BOUNDS), expected);
    }
    assert_eq!(expected.refused.count(), 10);
}

#[test]
fn labels_that_are_none_are_told_apart() {
    let check = |labels: &[(&str, &str)], expected| {
        for version in Version::ALL {
            let found = looked(version, &[series(labels, &[(1500, 1.0)])], &BOUNDS);
            assert_eq!(found.refused.first_bad, expected, "{labels:?}");
            assert_eq!(found.samples, u64::from(expected.is_none()), "{labels:?}");
        }
    };
    check(&[("__name__", "up")], None);
    check(&[("__name__", "ä.b"), ("ö", "1")], None);
    check(&[], Some(Fault::NoName));
    check(&[("__name__", "")], Some(Fault::NoName));
    check(
        &[("", "x"), ("__name__", "up")],
        Some(Fault::EmptyLabelName),
    );
    check(
        &[("__name__", "up"), ("a", "1"), ("a", "1")],
        Some(Fault::DuplicateLabel),
    );
    check(
        &[("a", "1"), ("__name__", "up"), ("a", "2")],
        Some(Fault::DuplicateLabel),
    );
    // A label without a value is no label.
    check(&[("__name__", "up"), ("a", ""), ("a", "1")], None);
}

#[test]
fn labels_are_sorted_and_those_without_a_value_left_out() {
    let unsorted = [
        ("b", "2"),
        ("x", ""),
        ("__name__", "up"),
        ("a", "1"),
        ("c", ""),
    ];
    for version in Version::ALL {
        let bytes = written::request(version, &[series(&unsorted, &[])]);
        let found = walked(version, &bytes).unwrap();
        assert_eq!(
            found[0].labels,
            owned(&[("__name__", "up"), ("a", "1"), ("b", "2")])
        );
    }
}

#[test]
fn a_label_that_is_no_text_is_a_fault_of_its_series() {
    let mut bytes = written::request(
        Version::V1,
        &[series(&[("__name__", "up!")], &[(1500, 1.0)])],
    );
    let at = bytes.iter().position(|byte| *byte == b'!').unwrap();
    bytes[at] = 0xff;
    let found = look(Version::V1, &bytes, &BOUNDS).unwrap();
    assert_eq!(found.refused.first_bad, Some(Fault::NotUtf8));
}

#[test]
fn what_1_says_of_metrics_is_read() {
    let mut one = series(&[("__name__", "up")], &[]);
    one.metadata = Some(written::Metadata {
        kind: 4,
        name: "m".into(),
        help: "h".into(),
        unit: "u".into(),
    });
    let bytes = written::request(Version::V1, &[one]);
    let mut found = Vec::new();
    let request = Request::open(Version::V1, &bytes).unwrap();
    request.each_metadata(|m| found.push(*m)).unwrap();
    let expected = Metadata {
        kind: "gaugehistogram",
        name: b"m",
        help: b"h",
        unit: b"u",
    };
    assert_eq!(found, [expected]);
}

/// The message of a refusal of a request of 2.0.
fn refused(symbols: &[&str], labels_refs: Vec<u32>) -> &'static str {
    let timeseries = vec![v2::TimeSeries {
        labels_refs,
        ..Default::default()
    }];
    let symbols = symbols.iter().map(|s| (*s).to_owned()).collect();
    let request = v2::Request {
        symbols,
        timeseries,
    };
    let error = look(Version::V2, &request.encode_to_vec(), &BOUNDS).unwrap_err();
    error.message
}

#[test]
fn the_start_of_a_series_is_that_of_samples_which_have_none() {
    let sample = |timestamp, start_timestamp| v2::Sample {
        value: 1.0,
        timestamp,
        start_timestamp,
    };
    let mut histogram = HistogramMessage::of(30, &Histogram::default());
    let mut request = v2::Request {
        symbols: ["", "__name__", "up"].map(String::from).to_vec(),
        timeseries: vec![v2::TimeSeries {
            labels_refs: vec![1, 2],
            samples: vec![sample(10, 7), sample(20, 0)],
            histograms: vec![histogram.clone()],
            created_timestamp: 5,
            ..Default::default()
        }],
    };
    let starts = |request: &v2::Request| {
        let found = walked(Version::V2, &request.encode_to_vec()).unwrap();
        found[0].starts.clone()
    };
    assert_eq!(starts(&request), [(10, 7), (20, 5), (30, 5)]);
    histogram.start_timestamp = -3;
    request.timeseries[0].histograms = vec![histogram];
    request.timeseries[0].created_timestamp = 0;
    assert_eq!(starts(&request), [(10, 7), (20, 0), (30, -3)]);
}

#[test]
fn a_table_of_symbols_that_cannot_be_used_is_refused() {
    assert!(refused(&["a"], vec![]).contains("not the empty text"));
    assert!(refused(&["", "a"], vec![1, 2]).contains("beyond the table"));
    assert!(refused(&["", "a"], vec![u32::MAX, 1]).contains("beyond the table"));
    assert!(refused(&["", "a"], vec![1]).contains("no value"));
    assert!(refused(&[], vec![0, 0]).contains("beyond the table"));
}

#[test]
fn metadata_of_a_series_that_says_nothing_is_none() {
    let one = |metadata| v2::TimeSeries {
        labels_refs: vec![1, 2],
        metadata,
        ..Default::default()
    };
    let says = |kind, help_ref, unit_ref| {
        let metadata = v2::Metadata {
            r#type: kind,
            help_ref,
            unit_ref,
        };
        let request = v2::Request {
            symbols: ["", "__name__", "up"].map(String::from).to_vec(),
            timeseries: vec![one(Some(metadata)), one(None)],
        };
        let look = look(Version::V2, &request.encode_to_vec(), &BOUNDS).unwrap();
        look.metadata
    };
    assert_eq!(says(0, 0, 0), 0);
    assert_eq!([says(1, 0, 0), says(0, 2, 0), says(0, 0, 2)], [1; 3]);
}

#[test]
fn a_table_of_symbols_takes_no_more_than_its_request() {
    let bytes = |symbols: usize, pad: usize| {
        let mut bytes = [0x22, 0x00].repeat(symbols);
        // A field that nobody knows.
        bytes.push(0x7a);
        prost::encoding::encode_varint(pad as u64, &mut bytes);
        bytes.resize(bytes.len() + pad, 0);
        bytes
    };
    let fits = |symbols: usize, pad: usize| {
        let bytes = bytes(symbols, pad);
        let fits = look(Version::V2, &bytes, &BOUNDS).is_ok();
        // What was taken once is read whatever it is.
        let known = Request::open(Version::V2, &bytes).unwrap().symbols;
        assert_eq!((known.len(), known.capacity()), (symbols, symbols));
        let table = symbols * size_of::<&[u8]>();
        assert!(!fits || table <= bytes.len() + SYMBOLS_ANYWAY * size_of::<&[u8]>());
        fits
    };
    assert!(fits(1, 0) && fits(SYMBOLS_ANYWAY, 0));
    assert!(!fits(1 << 20, 0));
    assert!(fits(1 << 20, 14 << 20));
    assert!(!fits(1 << 23, 0));
}

#[test]
fn a_request_of_one_version_does_not_pass_for_an_empty_one_of_the_other() {
    let all = [series(&[("__name__", "up")], &[(1500, 1.0)])];
    for (is, said) in [(Version::V1, Version::V2), (Version::V2, Version::V1)] {
        let error = look(said, &written::request(is, &all), &BOUNDS).unwrap_err();
        assert!(error.message.contains("other version"), "{error}");
    }
}

#[test]
fn a_million_labels_of_one_series_take_no_memory() {
    let mut inside = [0x0a, 0x00].repeat(1 << 20);
    let mut bytes = vec![0x0a];
    prost::encoding::encode_varint(inside.len() as u64, &mut bytes);
    bytes.append(&mut inside);
    let request = Request::open(Version::V1, &bytes).unwrap();
    request
        .each_series(|series| {
            assert_eq!(series.fault(&ANY.labels), Some(Fault::TooManyLabels));
            Ok(())
        })
        .unwrap();
    let refs = v2::TimeSeries {
        labels_refs: vec![0; 2 << 20],
        ..Default::default()
    };
    let request = v2::Request {
        symbols: vec![String::new()],
        timeseries: vec![refs],
    };
    let bytes = request.encode_to_vec();
    let request = Request::open(Version::V2, &bytes).unwrap();
    request
        .each_series(|series| {
            assert_eq!(series.fault(&ANY.labels), Some(Fault::TooManyLabels));
            Ok(())
        })
        .unwrap();
}

/// As a sender goes on: first only series without a fault, then the same and others.
#[test]
fn labels_with_a_fault_are_told_beside_known_ones() {
    let fine = series(&[("__name__", "up"), ("a", "1")], &[(1500, 1.0)]);
    let nameless = series(&[("a", "1")], &[(1500, 1.0)]);
    for version in Version::ALL {
        let known = Known::default();
        let seen = |all: &[&written::Series]| {
            let all: Vec<_> = all.iter().map(|one| (*one).clone()).collect();
            super::look(version, &written::request(version, &all), &BOUNDS, &known).unwrap()
        };
        assert_eq!(seen(&[&fine]).samples, 1);
        for _ in 0..2 {
            let found = seen(&[&nameless, &fine, &fine]);
            let (refused, first) = (found.refused.bad_labels, found.refused.first_bad);
            assert_eq!((found.samples, refused), (2, 1));
            assert_eq!(first, Some(Fault::NoName));
        }
    }
}

#[test]
fn only_labels_that_lie_together_and_in_order_are_known_by_their_bytes() {
    let plain = |labels: &[(&str, &str)]| {
        let all = [series(labels, &[(1500, 1.0)])];
        let bytes = written::request(Version::V1, &all);
        let request = Request::open(Version::V1, &bytes).unwrap();
        let mut is_plain = false;
        let visited = request.each_series(|series| {
            is_plain = series.label_bytes().is_some();
            Ok(())
        });
        visited.unwrap();
        is_plain
    };
    assert!(plain(&[("__name__", "up"), ("a", "1")]));
    assert!(!plain(&[("a", "1"), ("__name__", "up")]), "out of order");
    assert!(!plain(&[("__name__", "up"), ("a", "")]), "one is none");
    // A label behind the sample: field 1 of the series, after field 2.
    let bytes = b"\x0a\x17\x0a\x08\x0a\x01a\x12\x03abc\x12\x02\x10\x05\x0a\x07\x0a\x01b\x12\x02cd";
    let request = Request::open(Version::V1, bytes).unwrap();
    let mut found = Vec::new();
    let visited = request.each_unread(|series| {
        assert_eq!(series.label_bytes(), None);
        found = own_labels(series.with_labels(&mut Vec::new())?.labels());
        Ok(())
    });
    visited.unwrap();
    assert_eq!(found, owned(&[("a", "abc"), ("b", "cd")]));
}
