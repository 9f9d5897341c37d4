//! Deleting by query, and retention by stream: hidden at once, gone from disk later.

mod kept;
mod simulation;

use super::*;
use crate::{DeleteError, DeleteStatus, NewDelete, StreamRetention};
use sonde_logql::LogQuery;
use std::time::Duration;

fn new(query: &str, start: u64, end: u64) -> NewDelete {
    NewDelete {
        query: LogQuery::parse(query).unwrap(),
        start: UnixNanos(start),
        end: UnixNanos(end),
        created_at: NOW,
    }
}

fn delete(store: &LogStore, query: &str) -> crate::DeleteRequest {
    let all = new(query, 0, u64::MAX);
    store.delete(&Tenant::default(), all).unwrap()
}

/// Requests are due at once.
fn hasty() -> Config {
    Config {
        delete_cancel_seconds: 0,
        ..quiet()
    }
}

fn statuses(store: &LogStore) -> Vec<DeleteStatus> {
    let requests = store.deletes(&Tenant::default());
    requests.iter().map(|request| request.status).collect()
}

/// Two services' lines, some sealed and some not.
fn fill(store: &LogStore) {
    for n in 0..6 {
        let lines = |s: &str| vec![record(n + 1, &format!("{s} secret {n}")), record(n + 1, s)];
        apply(store, n * 2, "a", lines("a"));
        apply(store, n * 2 + 1, "b", lines("b"));
        if n == 3 {
            store.seal(NOW).unwrap();
        }
    }
}

#[test]
fn what_is_asked_to_be_deleted_is_hidden_at_once_and_gone_from_disk_later() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path(), &hasty());
    fill(&store);
    let request = delete(&store, r#"{service_name="a"} |= "secret""#);
    assert_eq!(
        (request.status, request.id.as_str()),
        (DeleteStatus::Received, "00000001")
    );
    let check = |store: &LogStore| {
        assert_eq!(bodies(store, r#"{service_name="a"}"#), ["a"; 6]);
        assert_eq!(bodies(store, r#"{service_name="b"}"#).len(), 12);
        assert_eq!(bodies(store, r#"{} |= "secret 3""#), ["b secret 3"]);
    };
    check(&store);
    let id = store
        .by_id(
            &Tenant::default(),
            "secret",
            100,
            &sonde_proto::Deadline::never(),
        )
        .unwrap();
    assert_eq!(id.records.len(), 6);
    assert_eq!(store.stats().records, 24);
    drop(store);

    // The tail is applied again after a crash, at the same positions: it stays deleted.
    let store = open(dir.path(), &hasty());
    for n in 4..6 {
        let lines = |s: &str| vec![record(n + 1, &format!("{s} secret {n}")), record(n + 1, s)];
        apply(&store, n * 2, "a", lines("a"));
        apply(&store, n * 2 + 1, "b", lines("b"));
    }
    check(&store);
    store.seal(NOW).unwrap();
    check(&store);
    store.merge_all().unwrap();
    store.maintain(NOW).unwrap();
    assert_eq!(statuses(&store), [DeleteStatus::Processed]);
    check(&store);
    assert_eq!(store.stats().records, 18);
    // What arrives later is another's.
    apply(&store, 12, "a", vec![record(3, "a secret again")]);
    assert_eq!(
        bodies(&store, r#"{service_name="a"} |= "secret""#),
        ["a secret again"]
    );
    store.seal(NOW).unwrap();
    drop(store);
    let store = open(dir.path(), &hasty());
    assert_eq!(
        bodies(&store, r#"{service_name="a"} |= "secret""#),
        ["a secret again"]
    );
    assert_eq!(statuses(&store), [DeleteStatus::Processed]);
}

#[test]
fn a_stream_of_which_all_is_deleted_leaves_no_trace() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path(), &hasty());
    fill(&store);
    store.seal(NOW).unwrap();
    delete(&store, r#"{service_name="a"}"#);
    store.merge_all().unwrap();
    assert_eq!(store.services(&Tenant::default()), ["b"]);
    delete(&store, "{}");
    store.merge_all().unwrap();
    store.maintain(NOW).unwrap();
    let stats = store.stats();
    assert_eq!((stats.records, stats.segments), (0, 0));
    assert_eq!(statuses(&store), [DeleteStatus::Processed; 2]);
    assert_eq!(store.resume_from(), Position(12));
}

#[test]
fn the_best_records_are_found_behind_hidden_ones() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path(), &quiet());
    let lines = (1..=100).map(|n| record(n, &format!("line {n}"))).collect();
    apply(&store, 0, "a", lines);
    delete(&store, "{} !~ `line .?5`");
    for _ in 0..2 {
        let newest = Search {
            limit: 3,
            ..search("{}")
        };
        let found = store.search(&Tenant::default(), &newest).unwrap().records;
        let times: Vec<u64> = found.iter().map(|record| record.time.0).collect();
        assert_eq!(times, [95, 85, 75]);
        store.seal(NOW).unwrap();
    }
}

#[test]
fn a_request_can_be_cancelled_until_removing_begins() {
    let dir = tempfile::tempdir().unwrap();
    let config = Config {
        delete_cancel_seconds: 60,
        ..quiet()
    };
    let tenant = Tenant::default();
    let store = open(dir.path(), &config);
    fill(&store);
    store.seal(NOW).unwrap();
    let id = delete(&store, "{}").id;
    let later = |seconds| NOW.plus(Duration::from_secs(seconds));
    store.maintain(later(59)).unwrap();
    store.merge_all().unwrap();
    assert_eq!(bodies(&store, "{}"), Vec::<String>::new());
    store.cancel_delete(&tenant, &id, false, later(59)).unwrap();
    assert_eq!(bodies(&store, "{}").len(), 24);

    let id = delete(&store, r#"{service_name="a"}"#).id;
    drop(store);
    let store = open(dir.path(), &config);
    let cancel = |force, now| store.cancel_delete(&tenant, &id, force, now);
    assert!(matches!(
        cancel(false, later(60)),
        Err(DeleteError::Begun(_))
    ));
    store.maintain(later(60)).unwrap();
    store.merge_all().unwrap();
    store.maintain(later(61)).unwrap();
    assert!(matches!(
        cancel(true, later(61)),
        Err(DeleteError::Processed(_))
    ));
    let unknown = store.cancel_delete(&tenant, "00000009", true, NOW);
    assert!(matches!(unknown, Err(DeleteError::Unknown(_))));
    assert_eq!(bodies(&store, "{}").len(), 12);
}

#[test]
fn what_is_no_request_is_refused_and_so_are_too_many() {
    let dir = tempfile::tempdir().unwrap();
    let config = Config {
        deletes_max: 2,
        ..quiet()
    };
    let store = open(dir.path(), &config);
    let (tenant, other) = (Tenant::default(), Tenant::new("other").unwrap());
    let refused = |new| store.delete(&tenant, new).unwrap_err().to_string();
    let error = refused(new(r#"{} |= "a" | json"#, 0, 9));
    assert!(
        error.contains("only a selector and line filters"),
        "{error}"
    );
    assert!(refused(new("{}", 9, 8)).contains("before the start"));
    delete(&store, "{}");
    delete(&store, "{}");
    assert!(refused(new("{}", 0, 9)).contains("logs.deletes_max"));
    store.delete(&other, new("{}", 0, 9)).unwrap();
    assert_eq!(store.deletes(&other).len(), 1);
}

#[test]
fn other_tenants_keep_what_they_have() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path(), &hasty());
    let other = Tenant::new("other").unwrap();
    for (n, tenant) in [Tenant::default(), other.clone()].iter().enumerate() {
        let request = request("a", vec![record(1, "secret")]);
        store.apply(&[(Position(n as u64), entry(tenant, &request))]);
    }
    store.seal(NOW).unwrap();
    store.delete(&other, new("{}", 0, 9)).unwrap();
    store.merge_all().unwrap();
    store.maintain(NOW).unwrap();
    assert_eq!(bodies(&store, "{}"), ["secret"]);
    assert!(
        store
            .search(&other, &search("{}"))
            .unwrap()
            .records
            .is_empty()
    );
    assert_eq!(store.stats().records, 1);
}

#[test]
fn segments_without_anything_to_delete_are_not_rewritten() {
    let dir = tempfile::tempdir().unwrap();
    let config = Config {
        merge_factor: 64,
        ..hasty()
    };
    let store = open(dir.path(), &config);
    for n in 0..5 {
        apply(&store, n, "a", vec![record(n + 1, &format!("line {n}"))]);
        store.seal(NOW).unwrap();
    }
    let ids = |store: &LogStore| -> Vec<u64> {
        let writer = store.writer.lock();
        writer.manifest.segments.iter().map(|s| s.id).collect()
    };
    delete(&store, r#"{} |= "line 3""#);
    delete(&store, r#"{} |= "nowhere""#);
    store.merge_all().unwrap();
    store.maintain(NOW).unwrap();
    assert_eq!(statuses(&store), [DeleteStatus::Processed; 2]);
    assert_eq!(ids(&store), [0, 1, 2, 4]);
    assert_eq!(store.stats().records, 4);
}

#[test]
fn a_full_disk_while_segments_are_rewritten_keeps_everything_and_is_tried_again() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path(), &hasty());
    fill(&store);
    store.seal(NOW).unwrap();
    delete(&store, r#"{} |= "secret""#);
    // A file where the tenant's directory should be: no segment can be written.
    let (segments, aside) = (
        dir.path().join("segments/default"),
        dir.path().join("aside"),
    );
    std::fs::rename(&segments, &aside).unwrap();
    std::fs::write(&segments, b"").unwrap();
    store.merge_all().unwrap();
    let check = |records| {
        assert_eq!(bodies(&store, "{}").len(), 12);
        assert_eq!(store.stats().records, records);
    };
    check(24);
    std::fs::remove_file(&segments).unwrap();
    std::fs::rename(&aside, &segments).unwrap();
    store.merge_all().unwrap();
    check(24);
    store.maintain(NOW.plus(Duration::from_secs(30))).unwrap();
    store.merge_all().unwrap();
    check(12);
    store.maintain(NOW.plus(Duration::from_secs(31))).unwrap();
    assert_eq!(statuses(&store), [DeleteStatus::Processed]);
    let left = std::fs::read_dir(&segments).unwrap().count();
    assert_eq!(left, store.stats().segments);
}

#[test]
fn a_damaged_segment_that_is_to_be_rewritten_is_moved_aside_and_the_rest_is_done() {
    let dir = tempfile::tempdir().unwrap();
    let config = Config {
        merge_factor: 64,
        ..hasty()
    };
    let store = open(dir.path(), &config);
    for n in 0..3 {
        let lines = vec![record(n + 1, "secret"), record(n + 1, &format!("line {n}"))];
        apply(&store, n, "a", lines);
        store.seal(NOW).unwrap();
    }
    drop(store);
    let blocks = dir
        .path()
        .join(format!("segments/default/{:016x}/blocks", 0));
    let mut bytes = std::fs::read(&blocks).unwrap();
    bytes.iter_mut().for_each(|byte| *byte = !*byte);
    std::fs::write(&blocks, bytes).unwrap();
    let store = open(dir.path(), &config);
    delete(&store, r#"{} |= "secret""#);
    let mut now = NOW;
    for _ in 0..3 {
        store.merge_all().unwrap();
        now = now.plus(Duration::from_secs(30));
        store.maintain(now).unwrap();
    }
    store.merge_all().unwrap();
    store.maintain(now).unwrap();
    assert_eq!(store.stats().quarantined, 1);
    assert_eq!(bodies(&store, "{}"), ["line 2", "line 1"]);
    assert_eq!(store.stats().records, 2);
    assert_eq!(statuses(&store), [DeleteStatus::Processed]);
}

#[test]
fn a_manifest_that_cannot_be_swapped_keeps_everything_and_acknowledges_nothing() {
    let blockers: [fn(&std::path::Path); 2] = [
        // The new one cannot be written.
        |dir| std::fs::create_dir(dir.join("manifest.json.tmp")).unwrap(),
        // It cannot be renamed over the old one.
        |dir| {
            std::fs::rename(dir.join("manifest.json"), dir.join("kept")).unwrap();
            std::fs::create_dir_all(dir.join("manifest.json/x")).unwrap();
        },
    ];
    let unblock = |dir: &std::path::Path| {
        let _ = std::fs::remove_dir(dir.join("manifest.json.tmp"));
        if dir.join("kept").exists() {
            std::fs::remove_dir_all(dir.join("manifest.json")).unwrap();
            std::fs::rename(dir.join("kept"), dir.join("manifest.json")).unwrap();
        }
    };
    for block in blockers {
        let dir = tempfile::tempdir().unwrap();
        let store = open(dir.path(), &hasty());
        fill(&store);
        store.seal(NOW).unwrap();
        block(dir.path());
        let refused = store.delete(&Tenant::default(), new("{}", 0, 99));
        assert!(matches!(refused, Err(DeleteError::Store(_))));
        assert_eq!(bodies(&store, "{}").len(), 24);
        unblock(dir.path());

        delete(&store, r#"{} |= "secret""#);
        block(dir.path());
        store.merge_all().unwrap_err();
        assert_eq!(bodies(&store, "{}").len(), 12);
        assert_eq!(store.stats().records, 24);
        unblock(dir.path());
        drop(store);
        let store = open(dir.path(), &hasty());
        assert_eq!(bodies(&store, "{}").len(), 12);
        store.merge_all().unwrap();
        store.maintain(NOW).unwrap();
        assert_eq!((store.stats().records, statuses(&store).len()), (12, 1));
    }
}

#[test]
fn streams_are_kept_for_their_own_time_and_rewritten_when_a_fifth_is_past_it() {
    let dir = tempfile::tempdir().unwrap();
    let stream = |selector: &str, seconds| StreamRetention {
        selector: selector.into(),
        priority: 0,
        seconds,
    };
    let mut config = Config {
        retention_seconds: 10_000,
        ..quiet()
    };
    let brief = crate::TenantRetention {
        seconds: Some(1),
        streams: Some(Vec::new()),
        ..crate::TenantRetention::default()
    };
    config.retention.by_tenant = [(CLOCK.to_owned(), brief)].into();
    config.retention.streams = vec![
        stream(r#"{service_name="short"}"#, 100),
        stream(r#"{service_name="long"}"#, 0),
    ];
    let store = open(dir.path(), &config);
    let at = |seconds| UnixNanos::from_secs(NOW.0 / 1_000_000_000 + seconds);
    let lines = |n: u64| {
        (0..n)
            .map(|n| record(at(n * 10).0 - 1, &format!("line {n}")))
            .collect()
    };
    apply(&store, 0, "short", lines(10));
    apply(&store, 1, "usual", lines(10));
    apply(&store, 2, "long", lines(20));
    store.seal(NOW).unwrap();
    let count = |store: &LogStore, service: &str| {
        bodies(store, &format!("{{service_name={service:?}}}")).len()
    };
    // Of the ticks there is the last alone.
    let maintain = |store: &LogStore, seconds| {
        tick(store, at(seconds));
        store.maintain(at(seconds)).unwrap();
    };
    let records = |store: &LogStore| store.stats().records - 1;
    // They arrived before some of the times they have, so those count from then.
    maintain(&store, 100);
    store.merge_all().unwrap();
    assert_eq!(count(&store, "short"), 9);
    assert_eq!(records(&store), 40, "one of forty is not worth a rewriting");
    maintain(&store, 102);
    assert_eq!((count(&store, "short"), records(&store)), (0, 40));
    store.merge_all().unwrap();
    maintain(&store, 104);
    assert_eq!(records(&store), 30);
    assert_eq!(store.services(&Tenant::default()), ["long", "usual"]);

    maintain(&store, 10_001);
    assert_eq!((count(&store, "usual"), count(&store, "long")), (0, 20));
    drop(store);
    config.retention.streams.pop();
    let store = open(dir.path(), &config);
    assert_eq!(store.stats().segments, 1 + 1);
    maintain(&store, 20_000);
    assert_eq!((store.stats().segments - 1, records(&store)), (0, 0));
}

#[test]
fn usage_tells_of_each_tenant_what_it_has_and_what_it_costs() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path(), &quiet());
    fill(&store);
    let check = |store: &LogStore, tail| {
        let usage = store.usage(1).remove(0);
        assert_eq!(
            (usage.records, usage.tail_records, usage.streams),
            (24, tail, 2)
        );
        assert_eq!(usage.line_bytes, 12 * 10 + 12);
        assert_eq!(usage.parts.values().sum::<u64>(), usage.disk_bytes);
        assert!(
            ["blocks", "tokens", "words", "directory", "streams"]
                .iter()
                .all(|p| usage.parts[*p] > 0)
        );
        assert_eq!(usage.largest.len(), 1);
        assert_eq!(
            (usage.largest[0].records, usage.largest[0].line_bytes),
            (12, 66)
        );
        assert_eq!(
            (usage.oldest, usage.newest),
            (Some(UnixNanos(1)), Some(UnixNanos(6)))
        );
        let retention = usage.retention.unwrap();
        assert_eq!((retention.seconds, retention.bytes_shared), (0, true));
    };
    check(&store, 8);
    store.seal(NOW).unwrap();
    check(&store, 0);
    delete(&store, "{}");
    assert_eq!(store.usage_of(&Tenant::default(), 0).deletes.len(), 1);
}
