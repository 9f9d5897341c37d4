//! Tests of the durable log: torn and damaged writes.

use super::*;
use crate::alert::{Alert, KeptAlert};
use crate::record::Record;
use proptest::prelude::*;
use sonde_proto::{Labels, UnixNanos};
use std::sync::Arc;

fn record(number: u64) -> Record {
    let alert = Alert {
        labels: [("alertname", format!("A{number}"))].into_iter().collect(),
        annotations: Labels::empty(),
        starts_at: UnixNanos::from_secs(number + 1),
        ends_at: None,
        generator_url: String::new(),
    };
    Record::Alert(Arc::new(KeptAlert::from_report(
        alert,
        UnixNanos::from_secs(9),
        std::time::Duration::from_secs(300),
    )))
}

fn records(numbers: std::ops::Range<u64>) -> Vec<Record> {
    numbers.map(record).collect()
}

fn log_of(dir: &std::path::Path, numbers: std::ops::Range<u64>) -> Vec<u8> {
    let (mut log, _, _) = Log::open(dir).unwrap();
    log.append(&records(numbers)).unwrap();
    drop(log);
    std::fs::read(dir.join("alerts.log")).unwrap()
}

#[test]
fn what_was_appended_is_read_again() {
    let dir = tempfile::tempdir().unwrap();
    log_of(dir.path(), 0..3);
    let (mut log, read, recovery) = Log::open(dir.path()).unwrap();
    assert_eq!((read, recovery), (records(0..3), Recovery::default()));
    log.append(&records(3..5)).unwrap();
    drop(log);
    assert_eq!(Log::open(dir.path()).unwrap().1, records(0..5));
}

#[test]
fn a_write_torn_at_any_byte_is_cut_and_the_rest_is_kept() {
    let dir = tempfile::tempdir().unwrap();
    let one = log_of(dir.path(), 0..1).len();
    let dir = tempfile::tempdir().unwrap();
    let two = log_of(dir.path(), 0..2);
    for len in 0..two.len() {
        std::fs::write(dir.path().join("alerts.log"), &two[..len]).unwrap();
        let (mut log, read, recovery) = Log::open(dir.path()).unwrap();
        assert_eq!(read.len(), usize::from(len >= one), "{len}");
        assert_eq!(recovery.damaged, 0);
        log.append(&records(7..8)).unwrap();
        drop(log);
        assert_eq!(Log::open(dir.path()).unwrap().1.last(), Some(&record(7)));
    }
}

#[test]
fn a_damaged_frame_is_skipped_and_counted_wherever_the_damage_is() {
    let dir = tempfile::tempdir().unwrap();
    let one = log_of(dir.path(), 0..1).len();
    let dir = tempfile::tempdir().unwrap();
    let two = log_of(dir.path(), 0..2).len();
    let dir = tempfile::tempdir().unwrap();
    let three = log_of(dir.path(), 0..3);
    for at in one..two {
        let mut damaged = three.clone();
        damaged[at] ^= 0x5a;
        std::fs::write(dir.path().join("alerts.log"), &damaged).unwrap();
        let (_, read, recovery) = Log::open(dir.path()).unwrap();
        assert_eq!(read, [record(0), record(2)], "damage at {at}");
        assert_eq!(
            recovery,
            Recovery {
                damaged: 1,
                torn_bytes: 0
            }
        );
    }
}

#[test]
fn a_rewritten_log_holds_only_the_snapshot_and_takes_more() {
    let dir = tempfile::tempdir().unwrap();
    let (mut log, _, _) = Log::open(dir.path()).unwrap();
    log.append(&records(0..50)).unwrap();
    assert!(log.wants_rewrite(100));
    log.rewrite(&records(50..52)).unwrap();
    assert!(!log.wants_rewrite(100));
    log.append(&records(52..53)).unwrap();
    drop(log);
    assert_eq!(Log::open(dir.path()).unwrap().1, records(50..53));
}

#[test]
fn a_directory_in_use_and_a_foreign_file_are_refused_by_name() {
    let dir = tempfile::tempdir().unwrap();
    let open = Log::open(dir.path()).unwrap();
    assert!(matches!(Log::open(dir.path()), Err(OpenError::Locked(_))));
    drop(open);
    std::fs::write(dir.path().join("alerts.log"), "something else entirely").unwrap();
    assert!(matches!(Log::open(dir.path()), Err(OpenError::Foreign(_))));
}

proptest! {
    #[test]
    fn no_bytes_panic_and_what_is_read_is_whole(bytes in proptest::collection::vec(prop_oneof![Just(0xff), Just(b'A'), Just(b'L'), Just(0), any::<u8>()], 0..200)) {
        let mut log = frame::HEADER.to_vec();
        log.extend(bytes);
        let scan = frame::scan(&log);
        prop_assert!(scan.end <= log.len());
    }
}
