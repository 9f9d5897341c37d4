//! A merge that panics is as one that fails.

use super::Task;
use crate::Config;
use crate::tests::model::{entry, open, payload, tenant, trace_id};
use opentelemetry_proto::tonic::trace::v1::Span;
use sonde_proto::UnixNanos;
use std::fs;

#[test]
fn a_merge_that_panics_leaves_nothing_behind_and_others_are_done() {
    let dir = tempfile::tempdir().unwrap();
    let config = Config {
        merge_fan_in: 3,
        ..Config::default()
    };
    let store = open(dir.path(), &config);
    let send = |position: u64| {
        let span = Span {
            trace_id: trace_id(position).as_bytes().to_vec(),
            span_id: vec![1; 8],
            ..Span::default()
        };
        store.apply(&[entry(position, &payload("a", vec![span]))]);
        store.seal(UnixNanos(0)).unwrap();
    };
    (0..3).for_each(send);
    let task = store.next_merge(&mut store.keeper.lock()).unwrap();
    let path = store.dir.path(&tenant(), task.id);
    let merged = task.run(|task: &Task| {
        task.write().unwrap();
        panic!("as the test wants it")
    });
    assert!(path.exists());
    let published = store.publish_merge(&mut store.keeper.lock(), Some(merged));
    assert!(published.unwrap_err().to_string().contains("panicked"));
    let segments = || fs::read_dir(path.parent().unwrap()).unwrap().count();
    assert_eq!((path.exists(), segments()), (false, 3));
    assert_eq!(store.metrics.merge_failures.get(), 1);
    store.merge_all().unwrap();
    assert_eq!((store.stats().segments, segments()), (3, 3), "let alone");
    (3..6).for_each(send);
    store.merge_all().unwrap();
    assert_eq!((store.stats().segments, store.stats().records), (4, 6));
}

/// Whoever brings spans holds the lock meanwhile.
#[test]
fn what_is_damaged_is_found_while_others_hold_the_keepers_lock() {
    let dir = tempfile::tempdir().unwrap();
    let config = Config {
        merge_fan_in: 3,
        ..Config::default()
    };
    let store = open(dir.path(), &config);
    for position in 0..3 {
        let span = Span {
            trace_id: trace_id(position).as_bytes().to_vec(),
            span_id: vec![1; 8],
            ..Span::default()
        };
        store.apply(&[entry(position, &payload("a", vec![span]))]);
        store.seal(UnixNanos(0)).unwrap();
    }
    let mut keeper = store.keeper.lock();
    let task = store.next_merge(&mut keeper).unwrap();
    let bad = task.inputs[1].meta.id;
    let file = store.dir.path(&tenant(), bad).join("spans.blk");
    let mut bytes = fs::read(&file).unwrap();
    bytes[12] ^= 1;
    fs::write(&file, bytes).unwrap();
    let merged = std::thread::spawn(move || task.run(Task::write));
    let merged = merged.join().unwrap();
    let found: Vec<u64> = merged.damaged.iter().map(|(s, _)| s.meta.id).collect();
    assert_eq!(found, [bad]);
    store.publish_merge(&mut keeper, Some(merged)).unwrap();
    drop(keeper);
    let stats = store.stats();
    assert_eq!((stats.segments, stats.quarantined), (2, 1));
}
