//! What a Prometheus writes comes back as it was written, whichever version it speaks.

mod native;

use crate::telemetry::Reason;
use crate::testing::*;
use crate::{Config, STALE_NAN_BITS, stale_nan};
use proptest::prelude::*;
use sonde_proto::Deadline;
use sonde_proto::remote_write::{Metadata, Series, Version, body};
use sonde_proto::{Entry, Histogram, Tenant};
use std::collections::BTreeMap;

fn owned(pairs: &[(&str, &str)]) -> Vec<(String, String)> {
    let own = |(name, value): &(&str, &str)| ((*name).to_owned(), (*value).to_owned());
    pairs.iter().map(own).collect()
}

/// A series with samples so many milliseconds after [`NOW`].
fn series(labels: &[(&str, &str)], samples: &[(i64, f64)]) -> Series {
    Series {
        labels: owned(labels),
        samples: samples.iter().map(|(t, v)| (NOW_MS + t, *v)).collect(),
        ..Default::default()
    }
}

impl Bed {
    fn write(&self, version: Version, series: &[Series]) {
        self.write_body(version, body(version, series).unwrap());
    }

    fn write_body(&self, version: Version, body: Vec<u8>) {
        let entry = Entry::remote_write(Tenant::default(), version, NOW, body.into());
        self.store.apply(&[(self.store.applied_to(), entry)]);
    }
}

fn each_version(check: impl Fn(Version, Bed)) {
    for version in Version::ALL {
        check(version, Bed::new(&Config::default()));
    }
}

#[test]
fn names_and_labels_are_kept_verbatim() {
    each_version(|version, bed| {
        let labels = [("__name__", "a.b total"), ("job", "x"), ("ö", "1;2")];
        bed.write(version, &[series(&labels, &[(0, 1.5), (1, -0.5)])]);
        let found = bed.all();
        assert_eq!(found.len(), 1, "{found:?}");
        assert_eq!(found[0].0, r#"{__name__="a.b total", job="x", ö="1;2"}"#);
        assert_eq!(found[0].1, [(0, 1.5), (1, -0.5)]);
    });
}

#[test]
fn both_versions_and_any_order_of_labels_are_one_series() {
    let bed = Bed::new(&Config::default());
    let sorted = [("__name__", "up"), ("a", "1"), ("b", "2")];
    let other = [("b", "2"), ("c", ""), ("__name__", "up"), ("a", "1")];
    bed.write(Version::V1, &[series(&sorted, &[(0, 1.0)])]);
    bed.write(Version::V2, &[series(&other, &[(1, 2.0)])]);
    bed.write(Version::V1, &[series(&other, &[(2, 3.0)])]);
    assert_eq!(bed.samples("up"), [(0, 1.0), (1, 2.0), (2, 3.0)]);
}

#[test]
fn the_marker_of_an_end_keeps_its_bits_and_another_nan_its_own() {
    each_version(|version, bed| {
        let other = f64::from_bits(STALE_NAN_BITS ^ 1);
        let samples = [(0, 1.0), (1, stale_nan()), (2, other)];
        bed.write(version, &[series(&[("__name__", "up")], &samples)]);
        let bits: Vec<u64> = bed.samples("up").iter().map(|s| s.1.to_bits()).collect();
        assert_eq!(bits, samples.map(|s| s.1.to_bits()));
    });
}

#[test]
fn what_is_not_kept_is_counted_by_reason() {
    each_version(|version, _| {
        let config = Config {
            labels_max: 3,
            label_value_bytes_max: 5,
            series_max: 2,
            ..Config::default()
        };
        let bed = Bed::new(&config);
        let late = -(config.late_max_seconds as i64) * 1000 - 1;
        let ahead = config.future_max_seconds as i64 * 1000 + 1;
        let mut kept = series(&[("__name__", "a")], &[(late, 1.0), (0, 1.0), (ahead, 1.0)]);
        let bad = Histogram {
            schema: 9,
            ..Histogram::default()
        };
        kept.histograms = vec![
            (NOW_MS + 1, bad),
            (NOW_MS + 2, Histogram::default()),
            (NOW_MS + late, Histogram::default()),
        ];
        let many = [("__name__", "b"), ("x", "1"), ("y", "1"), ("z", "1")];
        bed.write(
            version,
            &[
                kept,
                series(&many, &[(0, 1.0), (1, 1.0)]),
                series(&[("__name__", "c"), ("x", "too long")], &[(0, 1.0)]),
                series(&[("x", "y")], &[(0, 1.0)]),
                series(&[("__name__", "d")], &[(0, 1.0)]),
                series(&[("__name__", "e")], &[(0, 1.0), (1, 1.0)]),
            ],
        );
        let names: Vec<_> = bed.all().into_iter().map(|(labels, _)| labels).collect();
        assert_eq!(names, [r#"{__name__="a"}"#, r#"{__name__="d"}"#]);
        assert_eq!(bed.samples("a"), [(0, 1.0)]);
        for (reason, expected) in [
            (Reason::TooLate, 2),
            (Reason::Future, 1),
            (Reason::BadHistogram, 1),
            (Reason::Labels, 2),
            (Reason::LabelBytes, 1),
            (Reason::BadLabels, 1),
            (Reason::SeriesMax, 2),
            (Reason::Malformed, 0),
        ] {
            assert_eq!(bed.store.refused(reason), expected, "{reason:?}");
        }
    });
}

#[test]
fn saying_the_same_again_is_no_fault_and_saying_another_thing_is() {
    each_version(|version, bed| {
        let one = |value| [series(&[("__name__", "up")], &[(0, value)])];
        bed.write(version, &one(1.0));
        bed.write(version, &one(1.0));
        assert_eq!(bed.store.refused(Reason::Duplicate), 0);
        bed.write(version, &one(2.0));
        assert_eq!(bed.store.refused(Reason::Duplicate), 1);
        assert_eq!(bed.samples("up"), [(0, 1.0)]);
    });
}

#[test]
fn what_metrics_mean_is_known_by_the_name_of_the_whole() {
    each_version(|version, bed| {
        let described = |name: &str, series_name: &str, kind, unit: &str| Series {
            metadata: Some(Metadata {
                kind,
                name: name.into(),
                help: format!("what {name} is"),
                unit: unit.into(),
            }),
            ..series(&[("__name__", series_name)], &[(0, 1.0)])
        };
        bed.write(
            version,
            &[
                described("requests_total", "requests_total", 1, ""),
                described("latency", "latency_bucket", 3, "s"),
                described("sizes", "sizes_sum", 5, ""),
                described("build", "build", 6, ""),
            ],
        );
        let found = bed.store.metadata(&Tenant::default());
        let found: Vec<_> = found
            .iter()
            .map(|m| (m.name.as_str(), m.kind, m.help.as_str(), m.unit.as_str()))
            .collect();
        assert_eq!(
            found,
            [
                ("build", "info", "what build is", ""),
                ("latency", "histogram", "what latency is", "s"),
                ("requests_total", "counter", "what requests_total is", ""),
                ("sizes", "summary", "what sizes is", ""),
            ]
        );
    });
}

#[test]
fn who_says_nothing_about_a_metric_neither_overwrites_nor_fills_what_is_known() {
    let bed = Bed::new(&Config {
        metadata_max: 3,
        ..Config::default()
    });
    let of = |name: &str, instance: &str, kind, help: &str| Series {
        metadata: Some(Metadata {
            kind,
            name: name.into(),
            help: help.into(),
            unit: String::new(),
        }),
        ..series(&[("__name__", name), ("instance", instance)], &[(0, 1.0)])
    };
    bed.write(Version::V2, &[of("up", "a", 2, "whether it is up")]);
    let silent: Vec<Series> = (0..10).map(|n| of(&format!("m{n}"), "a", 0, "")).collect();
    bed.write(Version::V2, &silent);
    bed.write(Version::V2, &[of("up", "b", 0, ""), of("late", "a", 1, "")]);
    let found = bed.store.metadata(&Tenant::default());
    let found: Vec<_> = found
        .iter()
        .map(|m| (m.name.as_str(), m.kind, m.help.as_str()))
        .collect();
    assert_eq!(
        found,
        [("late", "counter", ""), ("up", "gauge", "whether it is up")]
    );
}

#[test]
fn exemplars_are_kept_within_bounds() {
    each_version(|version, bed| {
        let long = "x".repeat(600);
        let mut one = series(&[("__name__", "up")], &[(0, 1.0)]);
        one.exemplars = vec![
            (owned(&[("trace_id", "abc"), ("long", &long)]), NOW_MS, 2.0),
            (Vec::new(), NOW_MS + 10_000_000, 3.0),
        ];
        bed.write(version, &[one]);
        let matchers = crate::parse_selector("up").unwrap();
        let (start, end) = (sonde_proto::UnixNanos(0), sonde_proto::UnixNanos(u64::MAX));
        let found = bed
            .store
            .exemplars(
                &Tenant::default(),
                &[matchers],
                start,
                end,
                &Deadline::never(),
            )
            .unwrap();
        assert_eq!(found.len(), 1);
        let (_, exemplars) = &found[0];
        assert_eq!(exemplars.len(), 1, "{exemplars:?}");
        assert_eq!(exemplars[0].labels.to_string(), r#"{trace_id="abc"}"#);
        assert_eq!((exemplars[0].value, exemplars[0].time), (2.0, NOW));
    });
}

#[test]
fn what_comes_before_a_malformed_place_is_kept_and_the_next_entry_is_taken() {
    let bed = Bed::new(&Config::default());
    let one = [series(&[("__name__", "up")], &[(0, 1.0)])];
    let mut plain = sonde_proto::remote_write::request(Version::V1, &one);
    plain.extend([0x0a, 0xff, 0x01]);
    bed.write_body(Version::V1, sonde_proto::snappy::packed(&plain).unwrap());
    bed.write_body(Version::V1, b"no snappy".to_vec());
    assert_eq!(bed.store.refused(Reason::Malformed), 2);
    bed.write(Version::V2, &[series(&[("__name__", "up")], &[(1, 2.0)])]);
    assert_eq!(bed.samples("up"), [(0, 1.0), (1, 2.0)]);
}

/// Series and what they were given, the first at a time counting.
type Model = BTreeMap<String, BTreeMap<i64, u64>>;

/// Which series, and its samples.
type Written = (u8, u8, Vec<(i64, f64)>);

fn any_write() -> impl Strategy<Value = (Version, Vec<Written>)> {
    // Protobuf leaves out a zero, of whichever sign.
    let any = any::<f64>().prop_map(|v| if v == 0.0 { 0.0 } else { v });
    let value = prop_oneof![any, Just(stale_nan()), (0..4_u8).prop_map(f64::from)];
    let samples = prop::collection::vec((0..20_i64, value), 0..4);
    let series = prop::collection::vec((0..3_u8, 0..3_u8, samples), 0..4);
    (prop::sample::select(&Version::ALL[..]), series)
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, cases: 64, ..ProptestConfig::default() })]

    /// In any order, in either version, over seals and a crash.
    #[test]
    fn every_sample_comes_back_as_a_plain_map_has_it(
        writes in prop::collection::vec(any_write(), 1..8),
        seal_after in 0..8_usize,
    ) {
        let mut bed = Bed::new(&Config::default());
        let mut model = Model::new();
        let mut entries = Vec::new();
        for (at, (version, write)) in writes.into_iter().enumerate() {
            let all: Vec<Series> = write
                .iter()
                .map(|(name, label, samples)| {
                    let (name, label) = (format!("m{name}"), format!("l{label}"));
                    for (time, value) in samples {
                        let labels = format!("{{__name__=\"{name}\", job=\"{label}\"}}");
                        let own = model.entry(labels).or_default();
                        own.entry(*time).or_insert(value.to_bits());
                    }
                    series(&[("__name__", &name), ("job", &label)], samples)
                })
                .collect();
            let body = body(version, &all).unwrap().into();
            let entry = Entry::remote_write(Tenant::default(), version, NOW, body);
            entries.push((sonde_proto::Position(at as u64), entry));
            bed.store.apply(&entries[at..]);
            if at == seal_after {
                bed.store.seal(NOW).unwrap();
            }
        }
        for is_reopened in [false, true] {
            if is_reopened {
                bed.reopen();
                bed.store.apply(&entries);
            }
            let found: Model = bed
                .all()
                .into_iter()
                .map(|(labels, samples)| {
                    let samples = samples.into_iter().map(|(t, v)| (t, v.to_bits()));
                    (labels, samples.collect())
                })
                .collect();
            prop_assert_eq!(&found, &model);
        }
    }

    #[test]
    fn changed_bodies_are_taken_without_a_panic(
        at in any::<prop::sample::Index>(),
        byte in any::<u8>(),
        version in prop::sample::select(&Version::ALL[..]),
    ) {
        let bed = Bed::new(&Config::default());
        let one = series(&[("__name__", "up"), ("job", "a")], &[(0, 1.0), (1, 2.0)]);
        let mut plain = sonde_proto::remote_write::request(version, &[one.clone(), one]);
        let place = at.index(plain.len());
        plain[place] = byte;
        bed.write_body(version, sonde_proto::snappy::packed(&plain).unwrap());
        plain[place] ^= byte;
        bed.write_body(version, plain);
        prop_assert_eq!(bed.store.applied_to(), crate::testing::at(2));
    }
}

#[test]
fn the_door_says_of_what_prometheus_wrote_which_series_have_no_room() {
    each_version(|version, _| {
        let bed = Bed::new(&Config {
            series_max: 2,
            ..Config::default()
        });
        bed.write(version, &[series(&[("__name__", "a")], &[(0, 1.0)])]);
        let late = -(bed.store.config().late_max_seconds as i64) * 1000 - 1;
        let more = [
            series(&[("__name__", "a")], &[(1, 1.0)]),
            series(&[("__name__", "b")], &[(1, 1.0)]),
            series(&[("__name__", "c")], &[(late, 1.0), (1, 1.0), (2, 1.0)]),
        ];
        let body = body(version, &more).unwrap();
        let entry = Entry::remote_write(Tenant::default(), version, NOW, body.into());
        let said = bed.store.would_refuse(&entry);
        assert_eq!((said.series_max, said.count()), (2, 2));
        bed.write(version, &more);
        assert_eq!(bed.store.refused(Reason::SeriesMax), 2);
    });
}
