//! Opened on demand, closed again, and deleted with the last handle.

use super::*;
use crate::config::BodyEncoding;
use crate::record::{Key, NewRecord, pack};
use crate::segment::{Mapped, SegmentWriter};
use crate::stream::{Level, Stream};
use crate::telemetry::Telemetry;
use sonde_proto::{Position, Tenant, UnixNanos};
use std::path::Path;

fn common(bytes_max: u64) -> Arc<Common> {
    let mapped = Mapped::new(bytes_max, &Telemetry::default());
    Arc::new(Common::new(u64::MAX, BodyEncoding::Templated).with(mapped))
}

/// A segment of so many records.
fn handle(dir: &Path, id: u64, records: u32, common: &Arc<Common>) -> Handle {
    let path = dir.join("segments/default").join(format!("{id:016x}"));
    let stream = Stream {
        labels: [("service_name", "a".to_owned())].into_iter().collect(),
        resource: Arc::default(),
        level: Level::Unknown,
    };
    let mut writer = SegmentWriter::create(&path, vec![Arc::new(stream)], common).unwrap();
    for index in 0..records {
        let key = Key {
            time: UnixNanos(u64::from(index)),
            position: Position(id),
            index,
        };
        let body = format!("line {index} took 12ms");
        let new = NewRecord {
            observed: UnixNanos(0),
            severity: 0,
            trace_id: None,
            span_id: None,
            body: body.as_bytes(),
        };
        let mut packed = Vec::new();
        pack(&new, std::iter::empty(), &mut packed);
        writer.add(key, 0, &packed).unwrap();
    }
    let written = writer.finish().unwrap();
    let meta = SegmentMeta {
        id,
        tenant: Tenant::default(),
        start: written.start,
        end: written.end,
        positions: (Position(0), Position(1)),
        bytes: written.bytes,
        records: written.records,
        checksum: 0,
        extra: serde_json::Value::Null,
    };
    Handle::new(meta, path, common)
}

fn is_open(handle: &Handle) -> bool {
    handle.open.lock().strong_count() > 0
}

#[test]
fn those_that_were_used_last_stay_open_within_the_bytes() {
    let dir = tempfile::tempdir().unwrap();
    let unbounded = common(0);
    let one = {
        let first = handle(dir.path(), 9, 10, &unbounded);
        first.open().unwrap();
        unbounded.mapped.bytes()
    };
    assert_eq!(unbounded.mapped.bytes(), 0, "closed with its handle");

    let common = common(2 * one + one / 2);
    let [a, b, c] = [0, 1, 2].map(|id| handle(dir.path(), id, 10, &common));
    for handle in [&a, &b, &a] {
        handle.open().unwrap();
    }
    assert_eq!(common.mapped.opens(), 2);
    c.open().unwrap();
    assert!(is_open(&a) && !is_open(&b) && is_open(&c));

    // What is in use stays open beyond the bound, and is shared.
    let in_use = b.open().unwrap();
    assert!(!is_open(&a) && is_open(&b) && is_open(&c));
    a.open().unwrap();
    c.open().unwrap();
    let opens = common.mapped.opens();
    assert!(is_open(&b) && Arc::ptr_eq(&in_use, &b.open().unwrap()));
    assert_eq!(common.mapped.opens(), opens);
    assert!(common.mapped.kept_bytes() <= 2 * one + one / 2);
    assert!(common.mapped.bytes() <= common.mapped.kept_bytes() + one);

    drop(in_use);
    drop([a, b, c]);
    assert_eq!((common.mapped.bytes(), common.mapped.kept_bytes()), (0, 0));
}

#[test]
fn one_that_is_larger_than_all_the_room_is_open_for_its_query_alone() {
    let dir = tempfile::tempdir().unwrap();
    let small = common(0);
    let small_bytes = {
        let small_one = handle(dir.path(), 0, 10, &small);
        small_one.open().unwrap();
        small.mapped.bytes()
    };
    let common = common(small_bytes);
    let small = handle(dir.path(), 1, 10, &common);
    let large = handle(dir.path(), 2, 3000, &common);
    small.open().unwrap();
    let open = large.open().unwrap();
    assert!(Arc::ptr_eq(&open, &large.open().unwrap()));
    drop(open);
    assert!(is_open(&small) && !is_open(&large));
}

#[test]
fn many_that_want_it_at_once_open_it_once() {
    let dir = tempfile::tempdir().unwrap();
    let common = common(1);
    let handle = handle(dir.path(), 0, 100, &common);
    let barrier = std::sync::Barrier::new(8);
    std::thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| {
                barrier.wait();
                let open = handle.open().unwrap();
                // Nobody closes it before all have it.
                barrier.wait();
                drop(open);
            });
        }
    });
    assert_eq!(common.mapped.opens(), 1);
    assert!(!is_open(&handle));
}

#[test]
fn what_was_found_out_is_known_after_the_next_opening() {
    let dir = tempfile::tempdir().unwrap();
    let common = common(1);
    let handle = handle(dir.path(), 0, 100, &common);
    let first = handle.open().unwrap();
    first.verify().unwrap();
    let streams = first.section_of_streams(0).unwrap();
    drop(first);
    let again = handle.open().unwrap();
    assert!(Arc::ptr_eq(&streams, &again.section_of_streams(0).unwrap()));
    drop(again);
    let checked = [
        &handle.known.directory,
        &handle.known.words,
        &handle.known.tokens,
        &handle.known.list,
    ];
    for checked in checked {
        assert_eq!(checked.get(), Some(&true));
        assert_eq!(Arc::strong_count(checked), 1, "only the handle has it");
    }
    let again = handle.open().unwrap();
    for checked in checked {
        assert_eq!(Arc::strong_count(checked), 2, "and the next opening");
    }
    again.verify().unwrap();
    assert_eq!(
        common.dictionaries.next_ids(0),
        1,
        "its dictionary has one ID"
    );
}

#[test]
fn a_file_that_is_another_after_the_first_opening_is_damage() {
    let dir = tempfile::tempdir().unwrap();
    let common = common(1);
    let handle = handle(dir.path(), 0, 100, &common);
    handle.open().unwrap();
    let path = handle.path.join("streams");
    let whole = std::fs::read(&path).unwrap();
    std::fs::write(&path, &whole[..whole.len() - 1]).unwrap();
    let error = handle.open().unwrap_err();
    assert!(matches!(error, ReadError::Damaged(_)), "{error}");
    assert!(error.left_out(7).contains("is damaged and was left out"));
    std::fs::write(&path, whole).unwrap();
    handle.open().unwrap();
}

#[test]
fn what_the_system_does_not_let_be_read_is_no_damage() {
    let unreadable = |error: ReadError| matches!(error, ReadError::Unreadable(_));
    let io = |number| io::Error::from_raw_os_error(number);
    const ENOENT: i32 = 2;
    const EIO: i32 = 5;
    const ENOMEM: i32 = 12;
    const ENOTDIR: i32 = 20;
    const EMFILE: i32 = 24;
    for number in [EIO, ENOMEM, EMFILE] {
        assert!(unreadable(io(number).into()));
        let wrapped = OpenReadError::wrap_io_error(io(number), "tokens".into());
        assert!(unreadable(TantivyError::from(wrapped).into()));
        let wrapped = OpenDirectoryError::wrap_io_error(io(number), "words".into());
        assert!(unreadable(wrapped.into()));
        assert!(unreadable(
            TantivyError::IoError(Arc::new(io(number))).into()
        ));
    }
    for number in [ENOENT, ENOTDIR] {
        assert!(!unreadable(io(number).into()));
    }
    assert!(!unreadable(
        OpenReadError::FileDoesNotExist("tokens".into()).into()
    ));
    let found = io::Error::new(io::ErrorKind::InvalidData, "no footer");
    assert!(!unreadable(TantivyError::from(found).into()));
}

#[test]
fn files_that_are_listed_no_more_are_there_until_the_last_handle_goes() {
    let dir = tempfile::tempdir().unwrap();
    let (segments, _) = SegmentDir::open(dir.path()).unwrap();
    let segments = Arc::new(segments);
    let common = common(0);
    let [kept, deleted] = [0, 1].map(|id| Arc::new(handle(dir.path(), id, 10, &common)));
    let of_snapshot = Arc::clone(&deleted);
    deleted.delete_when_unused(&segments);
    let (kept_path, path) = (kept.path.clone(), deleted.path.clone());
    drop(deleted);
    of_snapshot.open().unwrap();
    assert!(path.exists());
    drop(of_snapshot);
    assert!(!path.exists());
    drop(kept);
    assert!(kept_path.exists(), "it is listed");
    assert_eq!(common.mapped.bytes(), 0);
}
