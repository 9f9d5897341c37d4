//! Limits, damage, retention, and what arrives late or broken.

use super::model::{entry, lookup, open, payload, random_entry, random_span, tenant, trace_id};
use crate::{Config, Search, TraceQuery};
use opentelemetry_proto::tonic::trace::v1::Span;
use rand::SeedableRng as _;
use rand_chacha::ChaCha8Rng;
use sonde_proto::{Deadline, Entry, Position, Signal, Tenant, UnixNanos};
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

fn span(trace: u64, number: u64, start: u64) -> Span {
    Span {
        trace_id: trace_id(trace).as_bytes().to_vec(),
        span_id: number.to_be_bytes().to_vec(),
        name: format!("span {number}"),
        start_time_unix_nano: start,
        end_time_unix_nano: start + 10,
        ..Span::default()
    }
}

fn segment_files(dir: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for segment in fs::read_dir(dir.join("segments/team-a")).unwrap() {
        found.extend(
            fs::read_dir(segment.unwrap().path())
                .unwrap()
                .map(|file| file.unwrap().path()),
        );
    }
    found.sort_unstable();
    found
}

fn everything() -> Search {
    Search {
        query: TraceQuery::parse("").unwrap(),
        start: UnixNanos(0),
        end: UnixNanos(u64::MAX),
        limit: 1000,
        spans_per_set: 3,
        deadline: Deadline::never(),
    }
}

#[test]
fn a_late_span_joins_its_trace_and_a_repeated_one_collapses() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path(), &Config::default());
    store.apply(&[entry(
        0,
        &payload("a", vec![span(1, 1, 100), span(1, 2, 110)]),
    )]);
    store.seal(UnixNanos(0)).unwrap();
    store.apply(&[entry(
        1,
        &payload("b", vec![span(1, 3, 50), span(1, 2, 110)]),
    )]);
    let trace = store.trace(&tenant(), &trace_id(1)).unwrap().unwrap();
    assert_eq!(
        trace.spans.iter().map(|s| s.start.0).collect::<Vec<_>>(),
        [50, 100, 110]
    );
    let summary = &store.search(&tenant(), &everything()).unwrap().traces[0].summary;
    assert_eq!(
        (summary.spans, summary.start, summary.duration_nanos),
        (3, UnixNanos(50), 70)
    );
    assert_eq!(summary.services, ["a", "b"]);
    assert_eq!(
        store.trace(&Tenant::default(), &trace_id(1)).unwrap(),
        None,
        "another tenant sees nothing"
    );
}

#[test]
fn a_damaged_segment_is_left_out_then_moved_aside_and_the_rest_is_served() {
    for at in 0..40 {
        let dir = tempfile::tempdir().unwrap();
        let store = open(dir.path(), &Config::default());
        for n in 0..2 {
            store.apply(&[entry(n, &payload("a", vec![span(n, n + 1, 100 + n)]))]);
            store.seal(UnixNanos(0)).unwrap();
        }
        let file = &segment_files(dir.path())[at % 2];
        let mut bytes = fs::read(file).unwrap();
        let place = at * 7919 % bytes.len();
        bytes[place] ^= 0x41;
        fs::write(file, bytes).unwrap();

        // Open readers notice on read; damage of what they hold in memory changes nothing.
        let found = store.trace(&tenant(), &trace_id(0)).unwrap();
        assert!(found.is_none() || found.unwrap().spans.len() == 1);
        let answer = store.search(&tenant(), &everything()).unwrap();
        assert!(
            answer.traces.len() == 2 || answer.cut.is_some(),
            "{answer:?}"
        );
        store.maintain(UnixNanos(0)).unwrap();
        drop(store);

        let store = open(dir.path(), &Config::default());
        let answer = store.search(&tenant(), &everything()).unwrap();
        store.maintain(UnixNanos(0)).unwrap();
        assert!(
            answer
                .traces
                .iter()
                .any(|t| t.summary.trace_id == trace_id(1)),
            "the undamaged segment is served"
        );
        assert_eq!(
            fs::read_dir(dir.path().join("quarantine")).unwrap().count(),
            usize::from(answer.traces.len() < 2)
        );
    }
}

#[test]
fn a_missing_segment_is_told_of_and_the_rest_is_served() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path(), &Config::default());
    for n in 0..2 {
        store.apply(&[entry(n, &payload("a", vec![span(n, n + 1, 100 + n)]))]);
        store.seal(UnixNanos(0)).unwrap();
    }
    drop(store);
    let files = segment_files(dir.path());
    fs::remove_dir_all(files[0].parent().unwrap()).unwrap();
    let store = open(dir.path(), &Config::default());
    let stats = store.stats();
    assert_eq!(
        (stats.segments, stats.records, stats.quarantined),
        (1, 1, 1)
    );
    assert!(
        stats.troubles[0].contains("missing"),
        "{:?}",
        stats.troubles
    );
    let found = |n| store.trace(&tenant(), &trace_id(n)).unwrap().is_some();
    assert!(!found(0) && found(1));
    assert_eq!(
        store.resume_from(),
        Position(2),
        "what is lost is not taken for new"
    );
}

#[test]
fn a_merge_that_meets_damage_quarantines_the_damaged_input() {
    let mut rng = ChaCha8Rng::seed_from_u64(1);
    let dir = tempfile::tempdir().unwrap();
    let store = open(
        dir.path(),
        &Config {
            merge_fan_in: 3,
            ..Config::default()
        },
    );
    for n in 0..3 {
        store.apply(&[random_entry(&mut rng, n, 5)]);
        store.seal(UnixNanos(0)).unwrap();
    }
    let files = segment_files(dir.path());
    let mut bytes = fs::read(&files[1]).unwrap();
    bytes[12] ^= 1;
    fs::write(&files[1], bytes).unwrap();
    store.merge_all().unwrap();
    let stats = store.stats();
    assert_eq!((stats.segments, stats.quarantined), (2, 1));
}

#[test]
fn retention_goes_by_arrival_and_by_bytes() {
    let dir = tempfile::tempdir().unwrap();
    let config = Config {
        retention_seconds: 100,
        merge_fan_in: 1000,
        ..Config::default()
    };
    let store = open(dir.path(), &config);
    for n in 0..10 {
        // The spans say they are from 1970 and from the year 2554; they are kept alike.
        store.apply(&[entry(
            n * 20,
            &payload(
                "a",
                vec![span(n, 1, if n % 2 == 0 { 0 } else { u64::MAX - 20 })],
            ),
        )]);
        store.seal(UnixNanos(0)).unwrap();
    }
    store.settle(UnixNanos::from_secs(180)).unwrap();
    let kept = |store: &crate::TraceStore| {
        (0..10)
            .filter(|n| store.trace(&tenant(), &trace_id(*n)).unwrap().is_some())
            .collect::<Vec<_>>()
    };
    assert_eq!(kept(&store), [4, 5, 6, 7, 8, 9]);
    let bytes = store.stats().bytes;
    drop(store);
    let store = open(
        dir.path(),
        &Config {
            disk_bytes_max: bytes / 2,
            ..config
        },
    );
    store.settle(UnixNanos::from_secs(180)).unwrap();
    assert!(
        [4, 5, 6, 7, 8, 9].ends_with(&kept(&store)) && kept(&store).len() >= 2,
        "the oldest went: {:?}",
        kept(&store)
    );
    assert!(store.stats().bytes <= bytes / 2);
}

#[test]
fn the_tail_is_sealed_by_age_and_by_size_and_never_grows_past_twice_its_size() {
    let mut rng = ChaCha8Rng::seed_from_u64(2);
    let dir = tempfile::tempdir().unwrap();
    let config = Config {
        seal_bytes: 20_000,
        seal_seconds: 50,
        ..Config::default()
    };
    let store = open(dir.path(), &config);
    store.apply(&[random_entry(&mut rng, 0, 10)]);
    assert_eq!(
        store.maintain(UnixNanos::from_secs(49)).unwrap(),
        Position(0)
    );
    assert_eq!(store.settle(UnixNanos::from_secs(50)).unwrap(), Position(1));
    for n in 1..300 {
        store.apply(&[random_entry(&mut rng, n, 10)]);
        assert!(store.stats().tail_bytes < 2 * config.seal_bytes + 10_000);
    }
    assert!(store.stats().segments > 3, "{:?}", store.stats());
}

#[test]
fn a_full_disk_holds_entries_back_and_loses_none() {
    let mut rng = ChaCha8Rng::seed_from_u64(3);
    let dir = tempfile::tempdir().unwrap();
    let store = open(
        dir.path(),
        &Config {
            seal_bytes: 10_000,
            ..Config::default()
        },
    );
    // No segment can be created while a file stands where the directory should.
    fs::remove_dir(dir.path().join("segments")).unwrap();
    fs::write(dir.path().join("segments"), "").unwrap();
    let journal: Vec<_> = (0..200).map(|n| random_entry(&mut rng, n, 10)).collect();
    journal
        .iter()
        .for_each(|entry| store.apply(std::slice::from_ref(entry)));
    let reached = store.applied_to();
    assert!(
        reached > Position(0) && reached < Position(200),
        "{reached}"
    );
    assert!(store.stats().tail_bytes < 30_000);
    assert!(store.seal(UnixNanos(0)).is_err());

    fs::remove_file(dir.path().join("segments")).unwrap();
    fs::create_dir(dir.path().join("segments")).unwrap();
    store.apply(&journal[usize::try_from(reached.0).unwrap()..]);
    assert_eq!(store.applied_to(), Position(200));
    store.seal(UnixNanos(0)).unwrap();
    let reopened = store.search(&tenant(), &everything()).unwrap().traces.len();
    assert_eq!(reopened, 10);
}

#[test]
fn what_is_no_span_is_counted_and_moves_the_position() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path(), &Config::default());
    let other = |signal, payload: &'static [u8]| {
        Entry::otlp(tenant(), signal, UnixNanos(0), payload.into())
    };
    let mut no_ids = span(1, 1, 1);
    no_ids.span_id = Vec::new();
    store.apply(&[
        (Position(0), other(Signal::Logs, b"anything")),
        (Position(5), other(Signal::Spans, b"\x0a\xff\xff")),
        entry(6, &payload("a", vec![no_ids, span(2, 2, 2)])),
    ]);
    assert_eq!(
        (store.applied_to(), store.stats().records),
        (Position(7), 1)
    );
    assert_eq!(store.seal(UnixNanos(0)).unwrap(), Position(7));
}

#[test]
fn every_cut_and_changed_byte_of_a_payload_is_refused_or_read_but_never_panics() {
    let mut rng = ChaCha8Rng::seed_from_u64(4);
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path(), &Config::default());
    let (_, good) = random_entry(&mut rng, 0, 3);
    for at in 0..good.payload.len() {
        let mut bytes = good.payload.to_vec();
        bytes[at] ^= 1 << (at % 8);
        store.apply(&[(
            Position(2 * at as u64),
            Entry {
                payload: bytes.into(),
                ..good.clone()
            },
        )]);
        store.apply(&[(
            Position(2 * at as u64 + 1),
            Entry {
                payload: good.payload.slice(..at),
                ..good.clone()
            },
        )]);
    }
    store.seal(UnixNanos(0)).unwrap();
    store.search(&tenant(), &everything()).unwrap();
}

#[test]
fn a_huge_trace_is_cut_visibly_and_stored_whole() {
    let mut rng = ChaCha8Rng::seed_from_u64(5);
    let dir = tempfile::tempdir().unwrap();
    let mut config = Config {
        trace_spans_max: 100,
        ..Config::default()
    };
    let store = open(dir.path(), &config);
    let mut spans: Vec<Span> = (0..20_000).map(|_| random_span(&mut rng, 1)).collect();
    for (n, span) in (1_u64..).zip(&mut spans) {
        span.span_id = n.to_be_bytes().to_vec();
    }
    store.apply(&[entry(0, &payload("a", spans))]);
    store.seal(UnixNanos(0)).unwrap();
    let trace = store.trace(&tenant(), &trace_id(0)).unwrap().unwrap();
    assert_eq!(trace.spans.len(), 100);
    assert!(trace.cut.unwrap().contains("20000"));
    config.trace_spans_max = 50_000;
    drop(store);
    let store = open(dir.path(), &config);
    assert_eq!(
        store
            .trace(&tenant(), &trace_id(0))
            .unwrap()
            .unwrap()
            .spans
            .len(),
        20_000
    );
}

#[test]
fn a_search_ends_at_its_deadline_and_at_its_budget_and_says_so() {
    let mut rng = ChaCha8Rng::seed_from_u64(6);
    let dir = tempfile::tempdir().unwrap();
    let store = open(
        dir.path(),
        &Config {
            search_traces_max: 5,
            ..Config::default()
        },
    );
    store.apply(&[
        random_entry(&mut rng, 0, 300),
        random_entry(&mut rng, 1, 300),
        random_entry(&mut rng, 2, 300),
    ]);
    let query = TraceQuery::parse("{ .no = nil && .nothing =~ \".+\" }").unwrap();
    let answer = store
        .search(
            &tenant(),
            &Search {
                query: query.clone(),
                ..everything()
            },
        )
        .unwrap();
    assert!(answer.traces.is_empty() && answer.cut.unwrap().contains("5 traces"));
    let answer = store
        .search(
            &tenant(),
            &Search {
                query,
                deadline: Deadline::within(Duration::ZERO),
                ..everything()
            },
        )
        .unwrap();
    assert!(answer.cut.unwrap().contains("time"));
}

#[test]
fn a_search_ends_at_its_budget_of_bytes_and_says_so() {
    let dir = tempfile::tempdir().unwrap();
    let config = Config {
        search_bytes_max: 1_000,
        ..Config::default()
    };
    let store = open(dir.path(), &config);
    let mut rng = ChaCha8Rng::seed_from_u64(8);
    let entries: Vec<_> = (0..10).map(|at| random_entry(&mut rng, at, 300)).collect();
    store.apply(&entries);
    let answer = store.search(&tenant(), &everything()).unwrap();
    assert!(!answer.traces.is_empty());
    assert!(answer.cut.unwrap().contains("bytes of spans"));
}

#[test]
fn queries_and_maintenance_run_together() {
    let mut rng = ChaCha8Rng::seed_from_u64(7);
    let dir = tempfile::tempdir().unwrap();
    let store = open(
        dir.path(),
        &Config {
            seal_bytes: 20_000,
            merge_fan_in: 2,
            ..Config::default()
        },
    );
    let first = entry(0, &payload("a", vec![span(1000, 1, 1)]));
    store.apply(&[first]);
    let done = std::sync::atomic::AtomicBool::new(false);
    std::thread::scope(|scope| {
        let reader = scope.spawn(|| {
            let mut asked = 0;
            while !done.load(std::sync::atomic::Ordering::Relaxed) || asked < 10 {
                let trace = store.trace(&tenant(), &trace_id(1000)).unwrap();
                assert!(trace.is_some(), "a span once visible stays visible");
                store
                    .search(
                        &tenant(),
                        &Search {
                            limit: 5,
                            ..everything()
                        },
                    )
                    .unwrap();
                asked += 1;
            }
        });
        for n in 1..200 {
            store.apply(&[random_entry(&mut rng, n, 10)]);
            store.maintain(UnixNanos::from_secs(n)).unwrap();
            done.store(
                n == 199 || reader.is_finished(),
                std::sync::atomic::Ordering::Relaxed,
            );
        }
    });
}

#[test]
fn request_ids_are_known_for_longer_than_their_spans_within_their_own_bounds() {
    let dir = tempfile::tempdir().unwrap();
    let config = Config {
        retention_seconds: 100,
        request_id_retention_seconds: 300,
        merge_fan_in: 2,
        ..Config::default()
    };
    let mut store = open(dir.path(), &config);
    let at = |second: u64, trace: u64| {
        let nanos = UnixNanos::from_secs(second).0;
        let mut span = span(trace, 1, nanos);
        span.attributes = vec![sonde_proto::otlp::kv("request.id", "req-1")];
        entry(second, &payload("a", vec![span]))
    };
    let found = |store: &crate::TraceStore| lookup(store, "req-1", 10);
    let ids = |traces: &[u64]| traces.iter().map(|n| trace_id(*n)).collect::<Vec<_>>();
    for (second, trace) in [(10, 1), (20, 2), (200, 3)] {
        store.apply(&[at(second, trace)]);
        store.seal(UnixNanos(0)).unwrap();
        store.settle(UnixNanos::from_secs(second)).unwrap();
        assert_eq!(found(&store)[0], trace_id(trace));
    }
    for _ in 0..2 {
        assert_eq!(found(&store), ids(&[3, 2, 1]), "newest first");
        assert_eq!(lookup(&store, "req-1", 2), ids(&[3, 2]));
        assert_eq!(lookup(&store, "req-2", 10), []);
        assert_eq!(store.trace(&tenant(), &trace_id(1)).unwrap(), None);
        let stats = store.stats();
        assert_eq!((stats.records, stats.segments), (1, 1));
        assert!(stats.request_id_bytes > 0);
        drop(store);
        store = open(dir.path(), &config);
    }
    // A late span of a trace that was let go: it is one trace.
    store.apply(&[at(210, 1)]);
    assert_eq!(found(&store), ids(&[1, 3, 2]));
    // The first two arrived in one segment after their merge, the last at second 20.
    store.apply(&[at(330, 4)]);
    store.seal(UnixNanos(0)).unwrap();
    store.settle(UnixNanos::from_secs(330)).unwrap();
    assert_eq!(found(&store), ids(&[4, 1, 3]));
    drop(store);
    let bounded = Config {
        request_id_bytes_max: 0,
        ..config.clone()
    };
    let store = open(dir.path(), &bounded);
    store.settle(UnixNanos::from_secs(330)).unwrap();
    // The late span arrived in the same segment.
    assert_eq!(found(&store), ids(&[4, 1]));
    assert_eq!(store.stats().request_id_bytes, 0);
}

#[test]
fn damaged_request_ids_are_moved_aside() {
    let dir = tempfile::tempdir().unwrap();
    let config = Config {
        retention_seconds: 1,
        ..Config::default()
    };
    let store = open(dir.path(), &config);
    for second in [10, 100] {
        let mut span = span(second, 1, UnixNanos::from_secs(second).0);
        span.attributes = vec![sonde_proto::otlp::kv("request.id", format!("req-{second}"))];
        store.apply(&[entry(second, &payload("a", vec![span]))]);
        store.seal(UnixNanos(0)).unwrap();
    }
    store.settle(UnixNanos::from_secs(100)).unwrap();
    let lookup = |id: &str| {
        let found = store.lookup(&tenant(), id, 10, &Deadline::never());
        found.unwrap().trace_ids.len()
    };
    assert_eq!((lookup("req-10"), lookup("req-100")), (1, 1));
    let files = segment_files(dir.path());
    let ids = files.iter().find(|file| file.ends_with("ids.blk")).unwrap();
    let mut bytes = fs::read(ids).unwrap();
    bytes[12] ^= 1;
    fs::write(ids, bytes).unwrap();
    assert_eq!((lookup("req-10"), lookup("req-100")), (0, 1));
    store.settle(UnixNanos::from_secs(100)).unwrap();
    let stats = store.stats();
    assert_eq!((stats.quarantined, stats.request_id_bytes), (1, 0));
}
