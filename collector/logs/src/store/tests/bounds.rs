//! Long words, large lines, many attributes, and the limits of a query.

use super::*;
use crate::LogRecord;
use sonde_logql::LogQuery;
use std::time::Duration;

#[test]
fn a_part_of_a_long_word_is_found() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path(), &quiet());
    let jwt = format!("eyJhbGciOi{}Zzz", "q9X".repeat(400));
    apply(
        &store,
        0,
        "a",
        vec![
            record(1, &format!("token {jwt} accepted")),
            record(2, "token short accepted"),
        ],
    );
    for _ in 0..2 {
        for needle in [
            jwt.as_str(),
            &jwt[5..30],
            &jwt[..20],
            &jwt[jwt.len() - 10..],
            &format!("token {}", &jwt[..9]),
        ] {
            assert_eq!(
                bodies(&store, &format!("{{}} |= `{needle}`")).len(),
                1,
                "{needle}"
            );
        }
        assert_eq!(
            store
                .by_id(
                    &Tenant::default(),
                    &jwt,
                    10,
                    &sonde_proto::Deadline::never()
                )
                .unwrap()
                .records
                .len(),
            1
        );
        store.seal(NOW).unwrap();
    }
}

#[test]
fn a_line_of_20_mebibytes_is_kept_and_found() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(
        dir.path(),
        &Config {
            tail_bytes_max: 1 << 20,
            ..quiet()
        },
    );
    let large = format!(
        "{} needle at the end",
        "0123456789abcdef ".repeat((20 << 20) / 17)
    );
    apply(
        &store,
        0,
        "a",
        vec![record(1, &large), record(2, &"z".repeat(2 << 20))],
    );
    store.seal(NOW).unwrap();
    assert_eq!(bodies(&store, "{} |= \"needle at\""), [large]);
    assert_eq!(bodies(&store, "{} |= \"zzzz\"")[0].len(), 2 << 20);
    assert_eq!(store.applied_to(), Position(1));
}

#[test]
fn a_record_with_100_000_attributes_is_bounded_and_the_rest_counted() {
    let dir = tempfile::tempdir().unwrap();
    let config = quiet();
    let store = open(dir.path(), &config);
    let many: Vec<_> = (0..100_000)
        .map(|n| otlp::kv(&format!("key.{n}"), "v"))
        .collect();
    let mut wide = request(
        "a",
        vec![logs::LogRecord {
            attributes: many.clone(),
            ..record(1, "wide")
        }],
    );
    wide.resource_logs[0]
        .resource
        .as_mut()
        .unwrap()
        .attributes
        .extend(many);
    store.apply(&[(Position(0), entry(&Tenant::default(), &wide))]);
    let found = store
        .search(&Tenant::default(), &search("{}"))
        .unwrap()
        .records;
    assert_eq!(found[0].attributes.len() as u64, config.attributes_max);
    assert_eq!(found[0].resource.len() as u64, config.attributes_max);
    assert!(store.stats().tail_bytes < 100 << 10);
}

#[test]
fn many_scopes_under_a_large_resource_do_not_multiply_it() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path(), &quiet());
    let mut wide = request("a", vec![]);
    let resource = &mut wide.resource_logs[0];
    let large = otlp::kv("large", "x".repeat(200 << 10));
    resource.resource.as_mut().unwrap().attributes.push(large);
    resource.scope_logs = (0..2_000)
        .map(|n| logs::ScopeLogs {
            scope: Some(common::InstrumentationScope {
                name: format!("scope {n}"),
                ..Default::default()
            }),
            log_records: vec![record(n + 1, &format!("line {n}"))],
            ..Default::default()
        })
        .collect();
    store.apply(&[(Position(0), entry(&Tenant::default(), &wide))]);
    assert!(store.stats().tail_bytes < 32 << 20);
    for _ in 0..2 {
        assert_eq!(
            bodies(&store, "{service_name=\"a\"} |= \"line 1999\""),
            ["line 1999"]
        );
        assert_eq!(store.stats().records, 2_000);
        store.seal(NOW).unwrap();
    }
}

#[test]
fn a_sender_whose_clock_is_years_ahead_is_kept_no_longer_than_others() {
    let dir = tempfile::tempdir().unwrap();
    let config = Config {
        retention_seconds: 3600,
        ..quiet()
    };
    let store = open(dir.path(), &config);
    let year_2262 = 9_214_646_400_000_000_000;
    let now = |seconds| NOW.plus(Duration::from_secs(seconds));
    for n in 0..4 {
        let lines = vec![record(year_2262 + n, "ahead"), record(NOW.0, "in time")];
        apply(&store, n, "a", lines);
        store.seal(NOW).unwrap();
    }
    store.maintain(now(3600)).unwrap();
    assert_eq!(bodies(&store, "{} |= \"ahead\"").len(), 4);
    store.merge_all().unwrap();
    store.maintain(now(3600)).unwrap();
    assert_eq!(bodies(&store, "{}").len(), 8);
    tick(&store, now(3602));
    store.maintain(now(3602)).unwrap();
    assert_eq!(store.stats().records, 1, "the tick alone");
}

#[test]
fn the_ends_of_time_are_kept_and_found() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path(), &quiet());
    // A time of 0 is unknown: the record happened when it arrived.
    let times = [0, 1, i64::MAX as u64, i64::MAX as u64 + 1, u64::MAX];
    let lines = times.map(|t| record(t, &format!("at {t}")));
    apply(&store, 0, "a", lines.to_vec());
    for _ in 0..2 {
        let found = store.search(&Tenant::default(), &search("{}")).unwrap();
        let shown: Vec<u64> = found.records.iter().map(|r| r.time.0).collect();
        assert_eq!(
            shown,
            [u64::MAX - 1, i64::MAX as u64 + 1, i64::MAX as u64, NOW.0, 1]
        );
        store.seal(NOW).unwrap();
    }
}

#[test]
fn the_tail_stays_within_its_bytes_however_much_is_applied() {
    let dir = tempfile::tempdir().unwrap();
    let config = Config {
        tail_bytes_max: 256 << 10,
        ..quiet()
    };
    let store = open(dir.path(), &config);
    let text = "a line of some length, again and again ".repeat(10);
    for n in 0..300 {
        apply(
            &store,
            n,
            "a",
            (0..10).map(|t| record(t + 1, &text)).collect(),
        );
        assert!(store.stats().tail_bytes <= config.tail_bytes_max + (64 << 10));
    }
    assert!(store.stats().segments > 1);
    store.seal(NOW).unwrap();
    assert_eq!(store.stats().records, 3000);
}

fn filled(dir: &std::path::Path, config: &Config) -> LogStore {
    let store = open(dir, config);
    apply(
        &store,
        0,
        "a",
        (0..2000)
            .map(|n| record(n + 1, &format!("line {n} of many")))
            .collect(),
    );
    store.seal(NOW).unwrap();
    apply(
        &store,
        1,
        "a",
        (2000..3000)
            .map(|n| record(n + 1, &format!("line {n} of many")))
            .collect(),
    );
    store
}

#[test]
fn a_search_says_why_records_may_be_missing() {
    let dir = tempfile::tempdir().unwrap();
    let tenant = Tenant::default();
    let times = |records: &[LogRecord]| records.iter().map(|r| r.time.0).collect::<Vec<_>>();
    let store = filled(dir.path(), &quiet());
    let late = store
        .search(
            &tenant,
            &Search {
                deadline: Deadline::within(Duration::ZERO),
                ..search("{}")
            },
        )
        .unwrap();
    assert!(late.cut.unwrap().contains("out of time"));
    let soon = Deadline::within(Duration::from_secs(3600));
    assert_eq!(
        store
            .search(
                &tenant,
                &Search {
                    deadline: soon.clone(),
                    ..search("{}")
                }
            )
            .unwrap()
            .cut,
        None
    );
    drop(store);

    let store = filled(
        &dir.path().join("b"),
        &Config {
            answer_bytes_max: 500,
            ..quiet()
        },
    );
    let answer = store.search(&tenant, &search("{}")).unwrap();
    assert!(answer.cut.unwrap().contains("cut at 500 bytes"));
    let expected: Vec<u64> = (0..answer.records.len() as u64).map(|n| 3000 - n).collect();
    assert!(!expected.is_empty());
    assert_eq!(
        times(&answer.records),
        expected,
        "what is shown is the newest, without a gap"
    );
    drop(store);

    let store = filled(
        &dir.path().join("c"),
        &Config {
            scan_bytes_max: 1000,
            ..quiet()
        },
    );
    let answer = store.search(&tenant, &search("{} != \"many\"")).unwrap();
    assert!(answer.cut.unwrap().contains("after reading 1000 bytes"));
    assert!(answer.bytes_read < 256 << 10);
    drop(store);

    let store = filled(
        &dir.path().join("d"),
        &Config {
            records_max: 7,
            ..quiet()
        },
    );
    let answer = store.search(&tenant, &search("{}")).unwrap();
    assert_eq!(answer.records.len(), 7);
    assert!(answer.cut.unwrap().contains("cut at 7 records"));
}

#[test]
fn a_needle_reads_little_and_the_newest_are_read_without_the_rest() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path(), &quiet());
    for segment in 0..4_u64 {
        let from = segment * 1000;
        let lines = (from..from + 1000).map(|n| {
            record(
                n + 1,
                &format!(
                    "request {:016x} took {n}ms",
                    n.wrapping_mul(0x9e37_79b9_7f4a_7c15)
                ),
            )
        });
        apply(&store, segment, "a", lines.collect());
        store.seal(NOW).unwrap();
    }
    let id = format!("{:016x}", 1500_u64.wrapping_mul(0x9e37_79b9_7f4a_7c15));
    // A part of an identifier is no word, and there is no list of parts.
    for (needle, visited) in [
        (format!(" {id} "), 1),
        (id.clone(), 1),
        (format!("{id} took"), 1),
        (format!("uest {id} took 15"), 1),
        (id[4..].to_owned(), 4),
        (format!("x{id}"), 0),
        (format!("{id}x"), 0),
        ("uesttook".to_owned(), 0),
    ] {
        let answer = store
            .search(&Tenant::default(), &search(&format!("{{}} |= `{needle}`")))
            .unwrap();
        assert_eq!(answer.records.len(), visited.min(1), "{needle}");
        assert_eq!(
            (answer.segments_visited, answer.segments_skipped),
            (visited, 4 - visited),
            "{needle}"
        );
        assert!(
            answer.bytes_read < visited as u64 * (100 << 10) + 1,
            "{needle}"
        );
    }
    let newest = store
        .search(
            &Tenant::default(),
            &Search {
                limit: 10,
                ..search("{}")
            },
        )
        .unwrap();
    assert_eq!((newest.segments_visited, newest.segments_skipped), (1, 3));
    assert!(newest.bytes_read < 10_000);
    let other = store
        .search(
            &Tenant::default(),
            &Search {
                query: LogQuery::parse("{service_name=\"b\"}").unwrap(),
                ..search("")
            },
        )
        .unwrap();
    assert_eq!((other.segments_visited, other.bytes_read), (0, 0));
}

#[test]
fn a_lookup_that_is_cut_by_what_an_answer_may_have_says_so() {
    let dir = tempfile::tempdir().unwrap();
    let config = Config {
        records_max: 3,
        ..quiet()
    };
    let store = open(dir.path(), &config);
    let lines = |n: u64| (0..n).map(|n| record(n + 1, "order 4711")).collect();
    apply(&store, 0, "a", lines(3));
    let ask = |limit| {
        let never = sonde_proto::Deadline::never();
        store
            .by_id(&Tenant::default(), "4711", limit, &never)
            .unwrap()
    };
    assert_eq!((ask(10).records.len(), ask(10).cut), (3, None));
    assert_eq!((ask(3).records.len(), ask(3).cut), (3, None));
    apply(&store, 1, "a", lines(1));
    for limit in [3, 10] {
        let found = ask(limit);
        assert_eq!(found.records.len(), 3);
        assert_eq!(found.cut.unwrap(), "there are more than 3 log lines");
    }
    assert_eq!(ask(2).cut.unwrap(), "there are more than 2 log lines");
}
