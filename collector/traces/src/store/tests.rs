//! Disks that refuse: what cannot be written stops nothing else, and leaves nothing behind.

use super::TraceStore;
use crate::Config;
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::trace::v1::{ResourceSpans, ScopeSpans, Span};
use prometheus_client::registry::Registry;
use prost::Message as _;
use sonde_proto::{Entry, Position, Signal, Tenant, UnixNanos};
use std::collections::BTreeSet;
use std::fs;

/// A store in a directory of its own, which takes one span after the other.
struct Bed {
    store: TraceStore,
    dir: tempfile::TempDir,
}

impl Bed {
    fn new(config: &Config) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let store = TraceStore::open(dir.path(), config, &mut Registry::default(), UnixNanos(0));
        Self {
            store: store.unwrap(),
            dir,
        }
    }

    /// A span that arrives at the second of its position.
    fn send(&self, tenant: &str) {
        let position = self.store.applied_to();
        let span = Span {
            trace_id: vec![7; 16],
            span_id: (position.0 + 1).to_be_bytes().into(),
            ..Span::default()
        };
        let scope_spans = ScopeSpans {
            spans: vec![span],
            ..ScopeSpans::default()
        };
        let resource_spans = ResourceSpans {
            scope_spans: vec![scope_spans],
            ..ResourceSpans::default()
        };
        let request = ExportTraceServiceRequest {
            resource_spans: vec![resource_spans],
        };
        let entry = Entry::otlp(
            Tenant::new(tenant).unwrap(),
            Signal::Spans,
            UnixNanos::from_secs(position.0),
            request.encode_to_vec().into(),
        );
        self.store.apply(&[(position, entry)]);
    }

    /// What lies on the disk of a tenant.
    fn segments(&self, tenant: &str) -> BTreeSet<std::ffi::OsString> {
        let folder = self.dir.path().join("segments").join(tenant);
        let entries = fs::read_dir(folder).unwrap();
        entries.map(|entry| entry.unwrap().file_name()).collect()
    }
}

#[test]
fn a_merge_that_fails_is_counted_left_alone_until_segments_change_and_stops_nothing() {
    let bed = Bed::new(&Config {
        merge_fan_in: 3,
        ..Config::default()
    });
    for _ in 0..3 {
        bed.send("a");
        bed.store.seal(UnixNanos(0)).unwrap();
    }
    let before = bed.segments("a");
    // A directory where the manifest's temporary file should go makes every swap fail.
    let blocked = bed.dir.path().join("manifest.json.tmp");
    fs::create_dir(&blocked).unwrap();
    bed.store.merge_all().unwrap_err();
    let failures = || bed.store.metrics.merge_failures.get();
    let is_merging = || bed.store.keeper.lock().merging.is_some();
    for is_blocked in [true, true, false] {
        if !is_blocked {
            fs::remove_dir(&blocked).unwrap();
        }
        let covered = bed.store.maintain(UnixNanos(0)).unwrap();
        assert_eq!((covered, failures(), is_merging()), (Position(3), 1, false));
        assert_eq!(bed.segments("a"), before);
    }
    bed.send("a");
    bed.store.seal(UnixNanos(0)).unwrap();
    bed.store.maintain(UnixNanos(0)).unwrap();
    assert!(is_merging(), "the segments changed");
    bed.store.merge_all().unwrap();
    assert_eq!((failures(), bed.segments("a").len()), (1, 1));
    assert_eq!(bed.store.stats().records, 4);
}

/// A file where the directory of tenant `b` should go makes every seal of it fail.
#[test]
fn a_seal_that_fails_leaves_no_files_and_does_not_stop_retention() {
    let bed = Bed::new(&Config {
        retention_seconds: 1000,
        seal_seconds: 1,
        ..Config::default()
    });
    bed.send("a");
    bed.store.seal(UnixNanos(0)).unwrap();
    let before = bed.segments("a");
    fs::write(bed.dir.path().join("segments/b"), "in the way").unwrap();
    bed.send("a");
    bed.send("b");
    bed.store.maintain(UnixNanos::from_secs(100)).unwrap_err();
    assert_eq!(bed.segments("a"), before, "what was written is tidied up");
    bed.store.maintain(UnixNanos::from_secs(2000)).unwrap_err();
    assert!(bed.segments("a").is_empty(), "retention took the old one");
    assert_eq!(bed.store.stats().records, 2);
    fs::remove_file(bed.dir.path().join("segments/b")).unwrap();
    assert_eq!(
        bed.store.maintain(UnixNanos::from_secs(100)).unwrap(),
        Position(3)
    );
    assert_eq!((bed.segments("a").len(), bed.segments("b").len()), (1, 1));
}
