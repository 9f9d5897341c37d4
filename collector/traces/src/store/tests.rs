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

    /// A span that happens and arrives at the second of its position.
    fn send(&self, tenant: &str) {
        let second = self.store.applied_to().0;
        self.send_at(tenant, second, second);
    }

    /// Entries of the journal that are no spans.
    fn skip_to(&self, position: u64) {
        let nothing = Entry::otlp(
            Tenant::default(),
            Signal::Logs,
            UnixNanos(0),
            Vec::new().into(),
        );
        self.store.apply(&[(Position(position - 1), nothing)]);
    }

    fn send_at(&self, tenant: &str, received: u64, happened: u64) {
        let position = self.store.applied_to();
        let span = Span {
            trace_id: vec![7; 16],
            span_id: (position.0 + 1).to_be_bytes().into(),
            start_time_unix_nano: UnixNanos::from_secs(happened).0,
            end_time_unix_nano: UnixNanos::from_secs(happened).0,
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
            UnixNanos::from_secs(received),
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
fn a_merge_that_fails_is_counted_let_alone_for_a_while_and_stops_nothing() {
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
    let is_merging = || bed.store.keeper.lock().merging.is_busy();
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
    bed.store.maintain(UnixNanos::from_secs(3000)).unwrap();
    assert!(!is_merging(), "too early");
    bed.send("a");
    bed.store.seal(UnixNanos(0)).unwrap();
    bed.store.maintain(UnixNanos::from_secs(4000)).unwrap();
    assert!(is_merging(), "long enough");
    bed.store.merge_all().unwrap();
    assert_eq!((failures(), bed.segments("a").len()), (1, 1));
    assert_eq!(bed.store.stats().records, 5);
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
    bed.skip_to(2000);
    bed.send("c");
    bed.store.seal(UnixNanos(0)).unwrap();
    fs::write(bed.dir.path().join("segments/b"), "in the way").unwrap();
    bed.send("a");
    bed.send("b");
    bed.store.settle(UnixNanos::from_secs(2100)).unwrap_err();
    let mut keeper = bed.store.keeper.lock();
    assert!(bed.store.finish_leaving(&mut keeper).unwrap());
    drop(keeper);
    let left = bed.segments("a");
    assert!(
        left.is_empty(),
        "retention took the old one, and what was written is tidied up: {left:?}"
    );
    assert_eq!(bed.store.stats().records, 3);
    fs::remove_file(bed.dir.path().join("segments/b")).unwrap();
    assert_eq!(
        bed.store.settle(UnixNanos::from_secs(2100)).unwrap(),
        Position(2003)
    );
    assert_eq!((bed.segments("a").len(), bed.segments("b").len()), (1, 1));
}

/// What cannot be written stands for a disk of any speed: a seal waits for nobody, and nobody
/// for it, until memory is full.
#[test]
fn spans_go_on_coming_in_while_a_seal_cannot_be_written() {
    let bed = Bed::new(&Config {
        seal_seconds: 0,
        ..Config::default()
    });
    fs::write(bed.dir.path().join("segments/a"), "in the way").unwrap();
    for _ in 0..50 {
        bed.send("a");
        let _ = bed.store.maintain(UnixNanos::from_secs(100));
    }
    let stats = bed.store.stats();
    assert_eq!((stats.records, stats.segments), (50, 0));
    let tails = bed.store.state.read().tails.values().map(Vec::len).max();
    assert_eq!(tails, Some(2), "what is frozen is written as it was frozen");
    fs::remove_file(bed.dir.path().join("segments/a")).unwrap();
    assert_eq!(bed.store.seal(UnixNanos(0)).unwrap(), Position(50));
    let stats = bed.store.stats();
    assert_eq!((stats.records, stats.segments), (50, 2));
}

#[test]
fn a_clock_years_ahead_deletes_nothing_and_what_arrived_by_it_is_let_go_in_time() {
    const YEARS: u64 = 10 * 365 * 24 * 3600;
    let bed = Bed::new(&Config {
        retention_seconds: 1000,
        merge_fan_in: 100,
        ..Config::default()
    });
    bed.send("a");
    bed.store.seal(UnixNanos(0)).unwrap();
    bed.store.settle(UnixNanos::from_secs(YEARS)).unwrap();
    assert_eq!(bed.segments("a").len(), 1);
    // This one arrives ten years from now, as the clock says, and is of second 100.
    bed.send_at("b", YEARS, 100);
    bed.store.seal(UnixNanos(0)).unwrap();
    bed.store.settle(UnixNanos::from_secs(YEARS)).unwrap();
    assert_eq!((bed.segments("a").len(), bed.segments("b").len()), (1, 1));
    bed.send_at("c", 1500, 1500);
    bed.store.seal(UnixNanos(0)).unwrap();
    bed.store.settle(UnixNanos::from_secs(1500)).unwrap();
    assert_eq!((bed.segments("a").len(), bed.segments("b").len()), (0, 0));
    assert_eq!(bed.segments("c").len(), 1);
}

/// A value larger than a block may be cannot be written, however often it is tried.
#[test]
fn what_no_segment_can_hold_is_set_aside_as_otlp_and_told_of() {
    let bed = Bed::new(&Config {
        seal_bytes: 1 << 30,
        ..Config::default()
    });
    bed.send("a");
    let span = |n: u64| Span {
        trace_id: vec![9; 16],
        span_id: n.to_be_bytes().into(),
        ..Span::default()
    };
    let scope_spans = ScopeSpans {
        spans: vec![span(1), span(2)],
        ..ScopeSpans::default()
    };
    let request = ExportTraceServiceRequest {
        resource_spans: vec![ResourceSpans {
            scope_spans: vec![scope_spans],
            ..ResourceSpans::default()
        }],
    };
    let tenant = Tenant::new("b").unwrap();
    let payload = request.encode_to_vec().into();
    let entry = Entry::otlp(tenant.clone(), Signal::Spans, UnixNanos(0), payload);
    bed.store.apply(&[(Position(1), entry)]);
    // No door lets one in that is so large; it stands for what nobody thought of.
    let tail = bed.store.state.read().tails[&tenant][0].clone();
    for trace in tail.write().traces.values_mut() {
        let mut large = trace.spans[0].bytes.to_vec();
        prost::encoding::bytes::encode(100, &vec![0; 65 << 20], &mut large);
        trace.spans[0].bytes = large.into();
    }
    assert_eq!(bed.store.seal(UnixNanos(0)).unwrap(), Position(2));
    let stats = bed.store.stats();
    assert_eq!(
        (stats.records, stats.segments, stats.aside_segments),
        (1, 1, 1)
    );
    assert!(
        stats.troubles[0].contains("2 spans of tenant b"),
        "{:?}",
        stats.troubles
    );
    let aside = fs::read_dir(bed.dir.path().join("quarantine")).unwrap();
    let aside = aside.map(|file| fs::read(file.unwrap().path()).unwrap());
    let spans = ExportTraceServiceRequest::decode(&aside.last().unwrap()[..]).unwrap();
    let pieces = spans.resource_spans.iter();
    let spans: usize = pieces.map(|piece| piece.scope_spans[0].spans.len()).sum();
    assert_eq!(spans, 2);
}

/// Whoever brings spans holds the lock meanwhile, and a merge takes no part of it away.
#[test]
fn request_ids_of_what_is_let_go_are_written_while_others_hold_the_keepers_lock() {
    let bed = Bed::new(&Config {
        retention_seconds: 1000,
        merge_fan_in: 2,
        ..Config::default()
    });
    bed.send("a");
    bed.store.seal(UnixNanos(0)).unwrap();
    bed.skip_to(5000);
    bed.send("a");
    bed.store.seal(UnixNanos(0)).unwrap();
    let mut keeper = bed.store.keeper.lock();
    keeper.now = UnixNanos::from_secs(5000);
    bed.store.let_go(&mut keeper).unwrap();
    assert_eq!(bed.store.stats().segments, 2, "they go when it is written");
    keeper.merge_due = true;
    bed.store.advance_merge(&mut keeper);
    assert!(!keeper.merging.is_busy(), "one of the two leaves");
    assert!(bed.store.finish_leaving(&mut keeper).unwrap());
    assert_eq!(bed.store.stats().segments, 1);
    drop(keeper);
    assert_eq!(bed.segments("a").len(), 1);
}
