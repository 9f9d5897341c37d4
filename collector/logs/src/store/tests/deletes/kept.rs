//! Requests that are hard to keep: too long, unreadable, not synced, or of what is past anyway.

use super::*;

#[test]
fn a_request_that_grows_too_long_when_it_is_written_down_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path(), &quiet());
    apply(&store, 0, "a", vec![record(1, "line")]);
    let query = format!("{{service_name=\"a\"}} |= `{}`", "\"".repeat(70_000));
    let refused = store.delete(&Tenant::default(), new(&query, 0, 9));
    let error = refused.unwrap_err().to_string();
    assert!(error.contains("could not be kept"), "{error}");
    let fits = format!("{{service_name=\"a\"}} |= `{}`", "\"".repeat(60_000));
    store.delete(&Tenant::default(), new(&fits, 0, 9)).unwrap();
    drop(store);
    let store = open(dir.path(), &quiet());
    assert_eq!(store.deletes(&Tenant::default()).len(), 1);
    assert!(store.stats().troubles.is_empty());
}

#[test]
fn a_request_that_was_written_but_not_synced_is_in_force_and_says_so() {
    let dir = tempfile::tempdir().unwrap();
    let mut store = open(dir.path(), &quiet());
    fill(&store);
    store.seal(NOW).unwrap();
    let fail = |_: &std::path::Path| Err(std::io::Error::other("the disk is gone"));
    let segments = std::sync::Arc::get_mut(&mut store.dir).unwrap();
    segments.sync_with(fail);
    let refused = store.delete(&Tenant::default(), new(r#"{} |= "secret""#, 0, 99));
    let error = refused.unwrap_err();
    assert!(matches!(error, DeleteError::Unsynced { .. }));
    assert!(
        error.to_string().contains("00000001 is in force"),
        "{error}"
    );
    let check = |store: &LogStore| {
        assert_eq!(statuses(store), [DeleteStatus::Received]);
        assert_eq!(bodies(store, "{}").len(), 12);
    };
    check(&store);
    drop(store);
    check(&open(dir.path(), &quiet()));
}

#[test]
fn a_saved_request_that_cannot_be_read_stops_nothing_and_shows_nothing_again() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path(), &hasty());
    fill(&store);
    store.seal(NOW).unwrap();
    store
        .delete(&Tenant::default(), new(r#"{} |= "secret""#, 1, 3))
        .unwrap();
    let mut manifest = store.writer.lock().manifest.clone();
    drop(store);
    manifest.extra["deletes"]["requests"][0]["query"] = "{".into();
    let (segments, _) = sonde_segment::SegmentDir::open(dir.path()).unwrap();
    segments.swap(&manifest).unwrap();

    let store = open(dir.path(), &hasty());
    assert_eq!(
        bodies(&store, "{}").len(),
        12,
        "half of the times are hidden"
    );
    store.merge_all().unwrap();
    store.maintain(NOW).unwrap();
    assert_eq!(store.stats().records, 24, "and nothing is removed");
    assert!(store.stats().troubles[0].contains("cannot be read"));
    let tenant = Tenant::default();
    store
        .cancel_delete(&tenant, "00000001", false, NOW)
        .unwrap();
    assert_eq!(bodies(&store, "{}").len(), 24);
    assert!(store.stats().troubles.is_empty());
}

#[test]
fn what_is_deleted_stays_so_where_its_stream_is_kept_for_longer_later() {
    let dir = tempfile::tempdir().unwrap();
    let stream = |seconds| StreamRetention {
        selector: r#"{service_name="short"}"#.into(),
        priority: 0,
        seconds,
    };
    let mut config = Config {
        retention_seconds: 10_000,
        merge_factor: 64,
        ..hasty()
    };
    config.retention.streams = vec![stream(100)];
    let store = open(dir.path(), &config);
    let at = |seconds| UnixNanos::from_secs(NOW.0 / 1_000_000_000 + seconds);
    // One record in ten is past its retention: too few for a rewriting.
    apply(&store, 0, "short", vec![record(at(0).0, "secret")]);
    let lines = (0..9).map(|_| record(at(0).0, "line")).collect();
    apply(&store, 1, "usual", lines);
    store.seal(NOW).unwrap();
    tick(&store, at(200));
    store.maintain(at(200)).unwrap();
    store.merge_all().unwrap();
    assert_eq!(
        (bodies(&store, "{}").len(), store.stats().records),
        (9, 10 + 1)
    );
    delete(&store, r#"{} |= "secret""#);
    store.maintain(at(201)).unwrap();
    store.merge_all().unwrap();
    store.maintain(at(202)).unwrap();
    assert_eq!(statuses(&store), [DeleteStatus::Processed]);
    assert_eq!(store.stats().records, 9 + 1);
    drop(store);
    config.retention.streams = vec![stream(0)];
    let store = open(dir.path(), &config);
    store.maintain(at(203)).unwrap();
    assert_eq!(
        bodies(&store, r#"{service_name="short"}"#),
        Vec::<String>::new()
    );
}
