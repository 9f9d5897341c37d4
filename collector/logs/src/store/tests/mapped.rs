//! Segments are opened when they are asked and closed again: whatever the room for those that
//! stay open, answers are the same.

use super::*;
use crate::search::{Ask, Lines, Snapshot, Threads, run};
use crate::{DeleteStatus, NewDelete};
use sonde_logql::LogQuery;
use sonde_logql::ast::Expr;
use sonde_logql::eval::{self, EvalLimits};
use sonde_proto::Deadline;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

const SEGMENTS: u64 = 20;
const SECOND: u64 = 1_000_000_000;

fn config(mapped_bytes_max: u64) -> Config {
    Config {
        mapped_bytes_max,
        delete_cancel_seconds: 0,
        query_threads_max: 2,
        ..quiet()
    }
}

/// Records of the `n`th segment; the times of segments overlap.
fn records(n: u64) -> Vec<logs::LogRecord> {
    let one = |at: u64| {
        let number = n * 1000 + at;
        let mut record = record(
            (1 + 5 * n + at) * SECOND,
            &format!("user-{} took {at}ms in {number:08x}", number % 7),
        );
        record.severity_number = if at.is_multiple_of(5) { 17 } else { 9 };
        record.trace_id = vec![1 + (at % 4) as u8; 16];
        record.attributes = vec![
            otlp::kv("http.route", format!("/r{}", at % 3)),
            otlp::kv("request.id", format!("req-{number:08x}")),
        ];
        record
    };
    (0..40).map(one).collect()
}

fn fill(store: &LogStore, segments: std::ops::Range<u64>) {
    for n in segments {
        apply(store, n, ["a", "b", "c"][n as usize % 3], records(n));
        store.seal(NOW).unwrap();
    }
}

/// The directories of segments that there are.
fn directories(dir: &Path) -> usize {
    let segments = std::fs::read_dir(dir.join("segments/default"));
    segments.map_or(0, Iterator::count)
}

/// What a store says to every kind of question.
fn answers(store: &LogStore) -> Vec<String> {
    let tenant = Tenant::default();
    let mut answers = Vec::new();
    for query in [
        "{}",
        "{service_name=\"b\"} |= `user-3`",
        "{} |~ `took 1[0-9]ms`",
        "{level=\"error\"} | http_route=`/r1`",
        "{} |= `er-5 to`",
        "{} |= `absent`",
    ] {
        for (limit, direction) in [
            (5000, crate::Direction::Backward),
            (9, crate::Direction::Forward),
        ] {
            let asked = Search {
                limit,
                direction,
                ..search(query)
            };
            let found = store.search(&tenant, &asked).unwrap();
            assert_eq!(found.cut, None);
            answers.push(format!("{query}: {:?}", found.records));
        }
    }
    for query in [
        "sum by (level)(count_over_time({}[20s]))",
        "sum by (http_route)(count_over_time({} |= `took` [20s]))",
    ] {
        let Expr::Metric(expr) = sonde_logql::parse(query).unwrap() else {
            panic!("{query} is a query for numbers");
        };
        let source = store.source(&tenant, &Deadline::never());
        let times = (UnixNanos(20 * SECOND), UnixNanos(140 * SECOND));
        let limits = EvalLimits::default();
        let value = eval::range(
            &expr,
            times,
            20 * SECOND,
            &source,
            &limits,
            &Deadline::never(),
        )
        .unwrap();
        answers.push(format!("{query}: {:?}", value.value));
    }
    let trace = TraceId::from_slice(&[2; 16]).unwrap();
    answers.push(format!(
        "{:?}",
        store
            .by_trace(&tenant, &trace, 5000, &Deadline::never())
            .unwrap()
            .records
    ));
    for id in ["req-00000fa3", "00000fa3", "user-6"] {
        let found = store.by_id(&tenant, id, 5000, &Deadline::never()).unwrap();
        assert!(!found.records.is_empty());
        answers.push(format!("{id}: {:?}", found.records));
    }
    let period = (UnixNanos(30 * SECOND), UnixNanos(90 * SECOND));
    let step = Duration::from_secs(20);
    answers.push(format!(
        "{:?}",
        store
            .patterns(&tenant, &[], period, step, &Deadline::never())
            .patterns
    ));
    let volumes = store.streams(&tenant, &[], period, Some(step), &Deadline::never());
    answers.push(format!("{:?}", volumes.unwrap().streams));
    let usage = store.usage_of(&tenant, 50);
    answers.push(format!(
        "{:?} {} {:?}",
        usage.records, usage.line_bytes, usage.largest
    ));
    answers.push(format!("{:?}", store.services(&tenant)));
    answers
}

#[test]
fn answers_are_the_same_with_few_segments_open_and_no_more_is_mapped() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path(), &config(0));
    fill(&store, 0..SEGMENTS);
    let expected = answers(&store);
    let mapped = &store.common.mapped;
    assert_eq!(mapped.opens(), SEGMENTS, "each was opened once");
    let all = mapped.bytes();
    let largest = all / SEGMENTS + all / SEGMENTS / 10;
    drop(store);

    for bytes_max in [all * 3 / SEGMENTS + 4096, 1, all * 2] {
        let store = open(dir.path(), &config(bytes_max));
        let mapped = &store.common.mapped;
        assert_eq!(
            mapped.opens(),
            SEGMENTS,
            "each was opened once by the start"
        );
        for _ in 0..2 {
            let found = answers(&store);
            let different = found.iter().zip(&expected).find(|(a, b)| a != b);
            assert_eq!(different, None);
        }
        assert!(mapped.kept_bytes() <= bytes_max);
        assert_eq!(mapped.bytes(), mapped.kept_bytes(), "nothing is in use");
        // A thread has the segment that it reads, and for a moment one that it looks into.
        let in_use = 2 * 2 * largest;
        let peak = mapped.peak();
        assert!(
            peak <= bytes_max + in_use,
            "{peak} of {bytes_max} and {in_use}"
        );
        let reopened = mapped.opens() > SEGMENTS;
        assert_eq!(reopened, bytes_max < all);
    }
}

#[test]
fn merges_and_deletes_have_their_sources_open_and_leave_nothing_open() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path(), &config(1));
    fill(&store, 0..9);
    let expected = answers(&store);
    store.merge_all().unwrap();
    assert!(store.stats().segments < 9);
    assert_eq!(answers(&store)[..], expected[..]);
    let query = LogQuery::parse("{} |= `user-3`").unwrap();
    let new = NewDelete {
        query,
        start: UnixNanos(0),
        end: UnixNanos(u64::MAX),
        created_at: NOW,
    };
    store.delete(&Tenant::default(), new).unwrap();
    let left = bodies(&store, "{}").len();
    let later = NOW.plus(Duration::from_secs(10));
    for _ in 0..2 {
        store.maintain(later).unwrap();
        store.merge_all().unwrap();
    }
    store.maintain(later).unwrap();
    assert_eq!(
        store.deletes(&Tenant::default())[0].status,
        DeleteStatus::Processed
    );
    assert_eq!(store.stats().records, left as u64);
    assert_eq!(bodies(&store, "{}").len(), left);
    assert_eq!(store.common.mapped.bytes(), 0);
    assert_eq!(directories(dir.path()), store.stats().segments);
}

fn all_of(snapshot: &Snapshot) -> usize {
    let search = search("{}");
    let limits = crate::search::Limits {
        records: 10_000,
        answer_bytes: u64::MAX,
        scan_bytes: u64::MAX,
        deadline: Deadline::never(),
    };
    let found = run(
        snapshot,
        &Ask::Lines(&Lines::of_search(&search)),
        &limits,
        &Threads::new(1),
    );
    assert_eq!(found.cut, None);
    found.hits.len()
}

#[test]
fn a_snapshot_can_open_what_was_merged_or_let_go_and_then_the_files_go() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path(), &config(1));
    fill(&store, 0..3);
    let before = store.snapshot(&Tenant::default());
    store.merge_all().unwrap();
    let merged = store.snapshot(&Tenant::default());
    assert_eq!((store.stats().segments, directories(dir.path())), (1, 4));
    drop(store);

    let config = Config {
        retention_bytes_max: 1,
        ..config(1)
    };
    assert_eq!((all_of(&before), all_of(&merged)), (120, 120));
    drop(before);
    assert_eq!(directories(dir.path()), 1);
    let store = open(dir.path(), &config);
    assert_eq!(store.stats().segments, 0);
    assert_eq!(directories(dir.path()), 0, "nobody had it");
    fill(&store, 3..5);
    let before = store.snapshot(&Tenant::default());
    assert_eq!(before.segments.len(), 0, "it is let go as it is sealed");
}

#[test]
fn what_a_process_that_is_killed_did_not_delete_is_deleted_by_the_next() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path(), &config(1));
    fill(&store, 0..3);
    let held = store.snapshot(&Tenant::default());
    store.merge_all().unwrap();
    drop(store);
    // A killed process drops nothing.
    std::mem::forget(held);
    assert_eq!(directories(dir.path()), 4);
    let store = open(dir.path(), &config(1));
    assert_eq!(directories(dir.path()), 1);
    assert_eq!(bodies(&store, "{}").len(), 120);
}

#[test]
fn threads_that_ask_while_segments_are_replaced_see_every_record_once() {
    const ROUNDS: u64 = 40;
    let dir = tempfile::tempdir().unwrap();
    let tenant = Tenant::default();
    let store = open(dir.path(), &config(1));
    let done = AtomicBool::new(false);
    let ask = || {
        let mut rounds = 0;
        while !done.load(Ordering::Relaxed) || rounds == 0 {
            // Of "kept" there is one record at every even position; the others are deleted.
            let asked = Search {
                limit: 5000,
                ..search("{service_name=\"kept\"} |= `line`")
            };
            let found = store.search(&tenant, &asked).unwrap();
            assert_eq!(found.cut, None);
            let before = found.searched_through.0;
            assert_eq!(found.records.len() as u64, before.div_ceil(2));
            let period = (UnixNanos(0), UnixNanos(u64::MAX));
            let volumes = store
                .streams(&tenant, &[], period, None, &Deadline::never())
                .unwrap();
            assert_eq!(volumes.reading.cut, None);
            let kept = volumes
                .streams
                .iter()
                .filter(|s| s.labels.get("service_name") == "kept");
            let through = volumes.reading.searched_through.0;
            assert_eq!(kept.map(|s| s.entries).sum::<u64>(), through.div_ceil(2));
            let found = store
                .by_id(&tenant, "line-0-x", 10, &Deadline::never())
                .unwrap();
            let is_there = before > 0;
            assert!(found.cut.is_none() && (found.records.len() == 1 || !is_there));
            let patterns = store.patterns(
                &tenant,
                &[],
                period,
                Duration::from_secs(1),
                &Deadline::never(),
            );
            assert_eq!(patterns.reading.cut, None);
            assert!(store.usage_of(&tenant, 1).records >= before.div_ceil(2));
            rounds += 1;
        }
    };
    std::thread::scope(|scope| {
        let asking: Vec<_> = (0..3).map(|_| scope.spawn(ask)).collect();
        let mut now = NOW;
        let changed: Result<(), StoreError> = (0..ROUNDS).try_for_each(|n| {
            let service = ["kept", "deleted"][n as usize % 2];
            apply(
                &store,
                n,
                service,
                vec![record(n + 1, &format!("line-{n}-x of {n}"))],
            );
            now = now.plus(Duration::from_secs(1));
            store.seal(now)?;
            if n % 8 == 7 {
                let new = NewDelete {
                    query: LogQuery::parse("{service_name=\"deleted\"}").unwrap(),
                    start: UnixNanos(0),
                    end: UnixNanos(u64::MAX),
                    created_at: now,
                };
                store.delete(&tenant, new).unwrap();
            }
            now = now.plus(Duration::from_secs(1));
            store.maintain(now)?;
            if n % 5 == 4 {
                store.merge_all()?;
            }
            Ok(())
        });
        done.store(true, Ordering::Relaxed);
        for thread in asking {
            thread.join().unwrap();
        }
        changed.unwrap();
    });
    assert_eq!(store.stats().quarantined, 0);
    store.merge_all().unwrap();
    assert_eq!(directories(dir.path()), store.stats().segments);
    assert_eq!(store.common.mapped.bytes(), 0, "nothing is open");
}

#[test]
fn a_bound_that_helps_nobody_is_refused_with_what_to_give() {
    let check = |bytes| config(bytes).check();
    assert_eq!((check(0), check(1 << 20)), (Ok(()), Ok(())));
    for bytes in [1, (1 << 20) - 1] {
        let message = check(bytes).unwrap_err();
        assert!(
            message.contains("give 1048576 or more, or 0 for no limit"),
            "{message}"
        );
    }
}
