//! What is damaged for sure, and what only looks like it.

use super::*;

#[test]
fn a_segment_that_cannot_be_read_but_is_whole_stays_and_is_told_of() {
    let dir = tempfile::tempdir().unwrap();
    two_segments(dir.path());
    let config = Config {
        merge_factor: 2,
        ..quiet()
    };
    let store = open(dir.path(), &config);
    for _ in 0..3 {
        let reported = (0, "reading it panicked".into());
        store.damaged.lock().push(reported);
        store.maintain(NOW).unwrap();
    }
    let stats = store.stats();
    assert_eq!(
        (stats.quarantined, stats.segments, stats.records),
        (0, 2, 2)
    );
    assert!(stats.troubles[0].contains("reading it panicked"));
    assert_eq!(bodies(&store, "{}"), ["line 1", "line 0"]);
    store.merge_all().unwrap();
    assert_eq!(store.stats().segments, 2, "it is not merged for a while");
    let later = NOW.plus(std::time::Duration::from_secs(600));
    store.maintain(later).unwrap();
    store.merge_all().unwrap();
    let stats = store.stats();
    assert_eq!((stats.segments, stats.records), (1, 2));
    assert!(stats.troubles.is_empty());
}

#[test]
fn a_segment_of_another_version_is_refused_and_one_with_a_damaged_version_is_moved_aside() {
    let dir = tempfile::tempdir().unwrap();
    two_segments(dir.path());
    let path = dir
        .path()
        .join(format!("segments/default/{:016x}/directory", 0));
    let written = std::fs::read(&path).unwrap();
    let mut other = written.clone();
    other[7] = b'9';
    let end = other.len() - 4;
    let checksum = crc32c::crc32c(&other[..end]);
    other[end..].copy_from_slice(&checksum.to_le_bytes());
    std::fs::write(&path, &other).unwrap();
    let opened = LogStore::open(dir.path(), &quiet(), &mut Registry::default(), NOW);
    let error = opened.unwrap_err().to_string();
    assert!(error.contains("start the version that wrote it"), "{error}");
    assert_eq!(std::fs::read(&path).unwrap(), other);

    let mut damaged = written;
    damaged[7] ^= 2;
    std::fs::write(&path, damaged).unwrap();
    let store = open(dir.path(), &quiet());
    assert_eq!(bodies(&store, "{}"), ["line 1"]);
    let stats = store.stats();
    assert_eq!((stats.quarantined, stats.aside_segments), (1, 1));
    assert!(stats.aside_bytes > 100);
}

#[test]
fn merging_all_ends_where_a_source_is_damaged() {
    let dir = tempfile::tempdir().unwrap();
    two_segments(dir.path());
    let damaged = files(dir.path())
        .into_iter()
        .find(|p| p.ends_with("blocks"))
        .unwrap();
    flip_near_the_end(&damaged);
    let config = Config {
        merge_factor: 2,
        ..quiet()
    };
    let store = open(dir.path(), &config);
    store.merge_all().unwrap();
    let stats = store.stats();
    assert_eq!((stats.quarantined, stats.records), (1, 1));
}

#[test]
fn what_cannot_be_sealed_is_set_aside_and_all_others_are_sealed() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path(), &quiet());
    apply(&store, 0, "a", vec![record(1, "line")]);
    let bad = Tenant::new("bad").unwrap();
    let batches = [(bad.clone(), poison(3))].into();
    store.view.write().append(batches, Position(8));
    // Not while the disk refuses: what is set aside then would be set aside again and again.
    let blocker = dir.path().join("segments/default");
    std::fs::write(&blocker, b"").unwrap();
    store.seal(NOW).unwrap_err();
    assert_eq!(store.stats().aside_segments, 0);
    std::fs::remove_file(&blocker).unwrap();

    assert_eq!(store.seal(NOW).unwrap(), Position(8));
    assert_eq!(bodies(&store, "{}"), ["line"]);
    let stats = store.stats();
    assert_eq!(
        (stats.segments, stats.records, stats.tail_records),
        (1, 1, 0)
    );
    assert_eq!(stats.aside_segments, 1);
    assert!(stats.troubles[0].contains("3 records of tenant bad"));
    let aside = std::fs::read_dir(dir.path().join("quarantine"));
    let aside = aside.unwrap().next().unwrap().unwrap().path();
    let text = std::fs::read_to_string(&aside).unwrap();
    assert_eq!(text.lines().count(), 3);
    assert!(text.contains("ffff"), "{text}");
    drop(store);
    assert_eq!(open(dir.path(), &quiet()).resume_from(), Position(8));
    assert!(aside.exists());
}
/// A batch that no segment can be made of.
fn poison(records: u64) -> crate::tail::Batch {
    let stream = std::sync::Arc::new(crate::stream::Stream {
        labels: [("service_name", "bad")].into_iter().collect(),
        resource: std::sync::Arc::default(),
        level: crate::stream::Level::Unknown,
    });
    let mut batch = crate::tail::Batch::default();
    for n in 0..records {
        let key = crate::record::Key {
            time: UnixNanos(n),
            position: Position(7),
            index: n as u32,
        };
        batch.push(key, &stream, |out| out.extend_from_slice(b"\xff\xff"));
    }
    batch
}
