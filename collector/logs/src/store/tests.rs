//! The store as a whole: applied, sealed, asked, opened again.

mod queries;
mod oracle;
mod bounds;
mod budget;
mod unusual;
mod damage;
mod mapped;
mod patterns;
mod deletes;
mod joins;
mod sections;
mod pages;
mod memory;

use super::*;
use crate::Search;
use crate::testing::{
    CLOCK, NOW, apply, bodies, entry, open, quiet, record, request, search, tick,
};
use sonde_proto::otlp::{self, common, logs};
use sonde_proto::{Deadline, TraceId, semconv};

#[test]
fn a_record_is_found_from_the_tail_from_a_segment_and_after_a_start() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path(), &quiet());
    apply(&store, 0, "pay", vec![record(5, "POST /pay took 7ms")]);
    assert_eq!(
        bodies(&store, r#"{service_name="pay"} |= "took 7""#),
        ["POST /pay took 7ms"]
    );
    assert_eq!(
        (store.resume_from(), store.applied_to()),
        (Position(0), Position(1))
    );

    assert_eq!(store.seal(NOW).unwrap(), Position(1));
    assert_eq!(
        bodies(&store, r#"{service_name="pay"} |= "took 7""#),
        ["POST /pay took 7ms"]
    );
    assert_eq!(store.stats().tail_records, 0);

    drop(store);
    let store = open(dir.path(), &quiet());
    assert_eq!(
        (store.resume_from(), store.applied_to()),
        (Position(1), Position(1))
    );
    assert_eq!(
        bodies(&store, r#"{service_name="pay"} |= "took 7""#),
        ["POST /pay took 7ms"]
    );
    assert_eq!(
        bodies(&store, r#"{service_name="other"}"#),
        Vec::<String>::new()
    );
    assert_eq!(store.services(&Tenant::default()), ["pay"]);
}

#[test]
fn entries_that_were_applied_are_ignored_and_bad_ones_do_not_stop_the_rest() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path(), &quiet());
    let good = |text: &str| entry(&Tenant::default(), &request("a", vec![record(1, text)]));
    let bad = Entry {
        payload: b"\x0a\xff".to_vec().into(),
        ..good("")
    };
    store.apply(&[
        (Position(0), good("one")),
        (Position(1), bad),
        (Position(4), good("two")),
    ]);
    store.apply(&[(Position(0), good("again")), (Position(4), good("again"))]);
    assert_eq!(bodies(&store, "{}"), ["two", "one"]);
    assert_eq!(store.applied_to(), Position(5));
}

#[test]
fn an_entry_without_records_still_moves_the_position() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path(), &quiet());
    apply(&store, 0, "a", vec![]);
    assert_eq!(store.seal(NOW).unwrap(), Position(1));
    assert_eq!(store.stats().segments, 0);
}

#[test]
fn maintaining_seals_by_age_and_merges() {
    let dir = tempfile::tempdir().unwrap();
    let config = Config {
        seal_interval_ms: 1000,
        ..quiet()
    };
    let store = open(dir.path(), &config);
    let mut now = NOW;
    for n in 0..9 {
        apply(&store, n, "a", vec![record(n + 1, &format!("line {n}"))]);
        store.maintain(now).unwrap();
        assert_eq!(store.resume_from(), Position(n), "not due yet");
        now = now.plus(std::time::Duration::from_secs(1));
        store.maintain(now).unwrap();
        let mut writer = store.writer.lock();
        store.finish_seal(&mut writer).unwrap();
        drop(writer);
        assert_eq!(store.resume_from(), Position(n + 1));
    }
    store.merge_all().unwrap();
    // How they fall together depends on when a merge is done; that they do does not.
    let segments = store.stats().segments;
    assert!(segments <= 3, "{segments}");
    assert_eq!(bodies(&store, "{} |= \"line 4\""), ["line 4"]);
    drop(store);
    let store = open(dir.path(), &config);
    assert_eq!(bodies(&store, "{}").len(), 9);
    assert_eq!(
        std::fs::read_dir(dir.path().join("segments/default"))
            .unwrap()
            .count(),
        segments
    );
}

#[test]
fn a_line_that_was_sent_twice_is_taken_once_also_across_a_crash() {
    let dir = tempfile::tempdir().unwrap();
    let line = |offset: u64| {
        let mut record = record(1, &format!("at {offset}"));
        record.attributes = vec![otlp::kv(
            semconv::LOG_RECORD_UID,
            format!("{:016x}-{offset:016x}", 7),
        )];
        record
    };
    let store = open(dir.path(), &quiet());
    apply(&store, 0, "a", vec![line(0), line(10)]);
    store.seal(NOW).unwrap();
    apply(&store, 1, "a", vec![line(10), line(20)]);
    assert_eq!(bodies(&store, "{}"), ["at 20", "at 10", "at 0"]);
    drop(store);
    // Position 1 was not sealed: the marks are those of the manifest, and it is replayed.
    let store = open(dir.path(), &quiet());
    assert_eq!(bodies(&store, "{}"), ["at 10", "at 0"]);
    apply(&store, 1, "a", vec![line(10), line(20)]);
    assert_eq!(bodies(&store, "{}"), ["at 20", "at 10", "at 0"]);
}

#[test]
fn a_trace_and_an_identifier_are_found_without_a_time() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path(), &quiet());
    let trace = TraceId::from_hex("4bf92f3577b34da6a3ce929d0e0e4736").unwrap();
    let traced = |time, text: &str| logs::LogRecord {
        trace_id: trace.as_bytes().to_vec(),
        ..record(time, text)
    };
    let with_id = |time, text: &str, value: &str| logs::LogRecord {
        attributes: vec![otlp::kv("request.id", value)],
        ..record(time, text)
    };
    let fill = || {
        vec![
            traced(9, "second"),
            traced(2, "first"),
            with_id(3, "no id here", "req-42-abc"),
            with_id(4, "id req-42-abc in the body", "other"),
            with_id(5, "req-42-abcd and xreq-42-abc", "req-42"),
        ]
    };
    apply(&store, 0, "a", fill());
    let check = |store: &LogStore, copies: usize| {
        let tenant = Tenant::default();
        let times =
            |records: Vec<crate::LogRecord>| records.iter().map(|r| r.time.0).collect::<Vec<_>>();
        let twice = |times: [u64; 2]| {
            times
                .into_iter()
                .flat_map(|t| vec![t; copies])
                .collect::<Vec<_>>()
        };
        assert_eq!(
            times(
                store
                    .by_trace(&tenant, &trace, 10, &Deadline::never())
                    .unwrap()
                    .records
            ),
            twice([2, 9])
        );
        assert_eq!(
            times(
                store
                    .by_trace(&tenant, &trace, 1, &Deadline::never())
                    .unwrap()
                    .records
            ),
            [2]
        );
        assert_eq!(
            times(
                store
                    .by_id(&tenant, "req-42-abc", 10, &Deadline::never())
                    .unwrap()
                    .records
            ),
            twice([3, 4])
        );
        assert!(
            store
                .by_id(&tenant, "req-42-ab", 10, &Deadline::never())
                .unwrap()
                .records
                .is_empty()
        );
        assert!(store.by_id(&tenant, " - ", 10, &Deadline::never()).is_err());
    };
    check(&store, 1);
    store.seal(NOW).unwrap();
    check(&store, 1);
    apply(&store, 1, "a", fill());
    check(&store, 2);
}

#[test]
fn a_record_is_shown_as_it_came() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path(), &quiet());
    let map = common::any_value::Value::KvlistValue(common::KeyValueList {
        values: vec![otlp::kv("k", "v")],
    });
    let records = vec![
        logs::LogRecord {
            time_unix_nano: 0,
            observed_time_unix_nano: 77,
            severity_number: 17,
            severity_text: "SEVERE".into(),
            body: Some(common::AnyValue { value: Some(map) }),
            attributes: vec![otlp::any_kv("n", common::any_value::Value::IntValue(3))],
            event_name: "e".into(),
            ..Default::default()
        },
        logs::LogRecord {
            body: Some(crate::testing::body(b"a \xff z")),
            ..Default::default()
        },
    ];
    apply(&store, 0, "a", records);
    for _ in 0..2 {
        let found = store
            .search(&Tenant::default(), &search("{}"))
            .unwrap()
            .records;
        let pair = |k: &str, v: &str| (k.to_owned(), v.to_owned());
        assert_eq!(found[1].time, UnixNanos(77));
        assert_eq!(found[1].body, r#"{"k":"v"}"#);
        assert_eq!((found[1].severity, found[1].level.as_str()), (17, "error"));
        assert_eq!(
            found[1].attributes,
            [
                pair("n", "3"),
                pair("severity_text", "SEVERE"),
                pair("event.name", "e")
            ]
        );
        assert_eq!(
            found[0].time, NOW,
            "a record without a time is as old as its arrival"
        );
        assert_eq!(found[0].body, "a \u{fffd} z");
        assert_eq!(
            bodies(&store, "{level=\"unknown\"} |= \"a \" |= \" z\"").len(),
            1
        );
        store.seal(NOW).unwrap();
    }
}

#[test]
fn tenants_do_not_see_one_another() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path(), &quiet());
    let other = Tenant::new("other").unwrap();
    store.apply(&[(
        Position(0),
        entry(&other, &request("a", vec![record(1, "secret")])),
    )]);
    for _ in 0..2 {
        assert_eq!(bodies(&store, "{}"), Vec::<String>::new());
        assert!(store.services(&Tenant::default()).is_empty());
        assert_eq!(
            store.search(&other, &search("{}")).unwrap().records.len(),
            1
        );
        store.seal(NOW).unwrap();
    }
    assert_eq!(store.tenants(), [other]);
}

#[test]
fn retention_drops_whole_segments_by_age_and_by_bytes() {
    let dir = tempfile::tempdir().unwrap();
    let config = Config {
        retention_seconds: 100,
        ..quiet()
    };
    let store = open(dir.path(), &config);
    for n in 0..3 {
        apply(
            &store,
            n,
            "a",
            vec![record(
                UnixNanos::from_secs(1000 + n * 50).0,
                &format!("line {n}"),
            )],
        );
        store.seal(UnixNanos::from_secs(1000)).unwrap();
    }
    store.maintain(UnixNanos::from_secs(1100)).unwrap();
    assert_eq!(store.stats().segments, 3);
    // Whatever the clock says, ages count until the newest record.
    store.maintain(UnixNanos::from_secs(1_000_000_000)).unwrap();
    assert_eq!(store.stats().segments, 3);
    tick(&store, UnixNanos::from_secs(1101));
    store.maintain(UnixNanos::from_secs(1101)).unwrap();
    assert_eq!(bodies(&store, "{}"), ["line 2", "line 1"]);
    let bytes = store.stats().bytes;
    drop(store);
    let store = open(
        dir.path(),
        &Config {
            retention_bytes_max: bytes - 1,
            ..quiet()
        },
    );
    assert_eq!(bodies(&store, "{}"), ["line 2"]);
    assert_eq!(store.resume_from(), Position(4));
}

#[test]
fn queries_during_a_seal_see_every_record_once() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(
        dir.path(),
        &Config {
            seal_interval_ms: 0,
            ..quiet()
        },
    );
    let done = std::sync::atomic::AtomicBool::new(false);
    std::thread::scope(|scope| {
        let reader = scope.spawn(|| {
            let mut rounds = 0;
            while !done.load(std::sync::atomic::Ordering::Relaxed) || rounds == 0 {
                let answer = store
                    .search(
                        &Tenant::default(),
                        &Search {
                            limit: 5000,
                            ..search("{}")
                        },
                    )
                    .unwrap();
                assert_eq!(answer.records.len() as u64, answer.searched_through.0);
                rounds += 1;
            }
        });
        let maintained = (0..200).try_for_each(|n| {
            apply(&store, n, "a", vec![record(n % 7, &format!("line {n}"))]);
            store.maintain(NOW).map(drop)
        });
        done.store(true, std::sync::atomic::Ordering::Relaxed);
        reader.join().unwrap();
        maintained.unwrap();
    });
    store.seal(NOW).unwrap();
    assert_eq!(bodies(&store, "{}").len(), 200);
}
