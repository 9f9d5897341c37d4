//! Bodies that are unpacked ahead are applied as those that are not.

use super::{PARTS_MAX, Unpacked};
use crate::Config;
use crate::head::groups::Keys;
use crate::telemetry::Reason;
use crate::testing::{entry as otlp, *};
use sonde_proto::remote_write::{Metadata, Series, Version, body};
use sonde_proto::{Deadline, Entry, Histogram, Position, Tenant, UnixNanos};
use std::time::Duration;

/// Both versions, OTLP between them, labels out of order, and bodies that are damaged.
fn entries() -> Vec<(Position, Entry)> {
    let entry = |n: i64| {
        let version = Version::ALL[n as usize % 2];
        let mut labels = vec![
            ("__name__".to_owned(), format!("m{}", n % 3)),
            ("job".to_owned(), format!("j{}", n % 5)),
        ];
        if n % 7 == 0 {
            labels.reverse();
        }
        let one = Series {
            labels,
            samples: vec![(NOW_MS + n, n as f64)],
            ..Series::default()
        };
        let nameless = Series {
            labels: vec![("job".to_owned(), "x".to_owned())],
            samples: vec![(NOW_MS, 1.0)],
            ..Series::default()
        };
        let more = Series {
            labels: vec![("__name__".to_owned(), format!("more{}", n % 2))],
            samples: (0..n % 19).map(|at| (NOW_MS + n + at, 0.5)).collect(),
            exemplars: match n % 3 {
                0 => Vec::new(),
                _ => vec![(vec![("trace_id".into(), n.to_string())], NOW_MS + n, 0.5)],
            },
            metadata: (n % 9 == 0).then(|| Metadata {
                kind: 2,
                name: "more0".into(),
                help: n.to_string(),
                unit: String::new(),
            }),
            ..Series::default()
        };
        let histogram = Series {
            labels: vec![("__name__".to_owned(), "h".to_owned())],
            histograms: vec![(NOW_MS + n, Histogram::default())],
            ..Series::default()
        };
        let all = [one.clone(), more, nameless, histogram, one];
        let mut packed = body(version, &all).unwrap();
        match n % 11 {
            4 => {
                let metrics = vec![gauge("m0", vec![point(&[("job", "j0")], n, 0.5)])];
                return otlp(&Tenant::default(), &request(&[], metrics));
            }
            5 => packed.truncate(9),
            6 => {
                // A series that is cut off, well packed.
                let plain = [0x0a, 0x7f, 0x0a];
                packed = sonde_proto::snappy::packed(&plain).unwrap();
            }
            _ => {}
        }
        Entry::remote_write(Tenant::default(), version, NOW, packed.into())
    };
    (0..200).map(|n| (at(n as u64), entry(n))).collect()
}

const REASONS: [Reason; 3] = [Reason::Malformed, Reason::BadLabels, Reason::Duplicate];

#[test]
fn a_batch_is_taken_as_its_entries_one_by_one_are() {
    let (alone, together, again) = (bed(), bed(), bed());
    let entries = entries();
    entries.chunks(1).for_each(|one| alone.store.apply(one));
    together.store.apply(&entries);
    // Part of it was applied before.
    again.store.apply(&entries[..70]);
    again.store.apply(&entries);
    assert_eq!(alone.all().len(), 18);
    let (tenant, selector) = (
        Tenant::default(),
        crate::parse_selector("{__name__=~\".+\"}"),
    );
    let selectors = [selector.unwrap()];
    let beside = |bed: &Bed| {
        let exemplars = bed.store.exemplars(
            &tenant,
            &selectors,
            UnixNanos(0),
            NOW.plus(Duration::from_secs(1)),
            &Deadline::never(),
        );
        (
            exemplars.unwrap(),
            bed.store.metadata(&tenant),
            bed.histograms("h"),
        )
    };
    let (exemplars, meanings, histograms) = beside(&alone);
    assert_eq!((exemplars.len(), meanings.len()), (2, 2));
    assert!(histograms.len() > 100);
    for other in [together, again] {
        assert_eq!(other.store.applied_to(), at(200));
        assert_eq!(other.all(), alone.all());
        assert_eq!(beside(&other), beside(&alone));
        for reason in REASONS {
            let told = other.store.refused(reason);
            assert_eq!(told, alone.store.refused(reason), "{reason:?}");
        }
    }
    assert!(alone.store.refused(Reason::Malformed) > 20);
}

/// The thread that unpacks ahead must not wait for ever for one that takes no more.
#[test]
fn who_has_no_room_leaves_the_rest_of_a_batch() {
    let bed = Bed::new(&Config {
        head_bytes_max: 2048,
        ..Config::default()
    });
    std::fs::remove_dir_all(bed.dir.path().join("segments")).unwrap();
    std::fs::write(bed.dir.path().join("segments"), "in the way").unwrap();
    let entries = entries();
    bed.store.apply(&entries);
    let taken = bed.store.applied_to();
    assert!(taken > at(0) && taken < at(200), "{taken:?}");
    std::fs::remove_file(bed.dir.path().join("segments")).unwrap();
    std::fs::create_dir(bed.dir.path().join("segments")).unwrap();
    bed.store.apply(&entries);
    assert_eq!(bed.store.applied_to(), at(200));
}

/// A sample can be two bytes of a body, and is many in memory.
#[test]
fn a_series_with_too_many_samples_is_not_read_ahead() {
    for (samples, is_read) in [(PARTS_MAX, true), (PARTS_MAX + 1, false), (5000, false)] {
        let many = Series {
            labels: vec![("__name__".to_owned(), "many".to_owned())],
            samples: (0..samples as i64).map(|n| (NOW_MS + n, 1.0)).collect(),
            ..Series::default()
        };
        for version in Version::ALL {
            let packed = body(version, std::slice::from_ref(&many)).unwrap();
            let mut unpacked = Unpacked::default();
            unpacked.fill(&Keys::default(), version, &packed);
            assert_eq!(unpacked.plain().is_some(), is_read, "{samples}");
            assert!(unpacked.samples.capacity() <= 2 * PARTS_MAX, "{samples}");
        }
    }
}

fn bed() -> Bed {
    Bed::new(&Config::default())
}
