//! Many names, many streams, bodies of nothing; and streams that segments share.

use super::*;

/// Lines with 300 names of attributes, thousands of streams, and bodies of nothing: sealed,
/// merged, and still the same.
#[test]
fn what_is_unusual_comes_back_from_tail_segment_and_merged_segment() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path(), &quiet());
    let wide = |n: u64| logs::LogRecord {
        attributes: (0..250)
            .map(|a| {
                otlp::kv(
                    &format!("name.{}", (a + n * 60) % 310),
                    format!("{a} of {n}"),
                )
            })
            .chain([otlp::kv("twice", "first"), otlp::kv("twice", "second")])
            .collect(),
        ..record(n + 1, "")
    };
    let mut expected = Vec::new();
    for n in 0..6 {
        apply(&store, n * 1000, "wide", vec![wide(n)]);
        for service in 0..200 {
            let time = 1000 + n * 200 + service;
            apply(
                &store,
                n * 1000 + service + 1,
                &format!("service {service}"),
                vec![record(time, "")],
            );
        }
        if expected.is_empty() || n < 5 {
            store.seal(NOW).unwrap();
        }
        let now = store.search(
            &Tenant::default(),
            &Search {
                limit: 5000,
                ..search("{}")
            },
        );
        expected = now.unwrap().records;
        assert!(expected.windows(2).all(|w| w[0].time >= w[1].time));
    }
    assert_eq!(expected.len(), 6 * 201);
    assert_eq!(expected.last().unwrap().attributes.len(), 252);
    store.seal(NOW).unwrap();
    store.merge_all().unwrap();
    assert!(store.stats().segments < 6);
    let merged = store.search(
        &Tenant::default(),
        &Search {
            limit: 5000,
            ..search("{}")
        },
    );
    assert!(merged.unwrap().records == expected);
    let found = store
        .by_id(
            &Tenant::default(),
            "249 of 3",
            10,
            &sonde_proto::Deadline::never(),
        )
        .unwrap();
    assert_eq!(found.records.len(), 1);
}

#[test]
fn segments_share_the_streams_they_have_in_common() {
    let dir = tempfile::tempdir().unwrap();
    let mut store = open(dir.path(), &quiet());
    for n in 0..20 {
        apply(&store, n, "a", vec![record(n + 1, "line")]);
        store.seal(NOW).unwrap();
    }
    for _ in 0..2 {
        assert_eq!(store.services(&Tenant::default()), ["a"]);
        assert_eq!(bodies(&store, "{}").len(), 20);
        assert_eq!(
            (store.stats().segments, store.common.streams_kept()),
            (20, 1)
        );
        drop(store);
        store = open(dir.path(), &quiet());
    }
}

#[test]
fn segments_whose_streams_have_no_room_in_memory_answer_as_others_do() {
    let dir = tempfile::tempdir().unwrap();
    let mut store = open(dir.path(), &quiet());
    store.common = std::sync::Arc::new(Common::new(1, quiet().bodies));
    for n in 0..6 {
        let service = ["a", "b"][usize::try_from(n % 2).unwrap()];
        apply(
            &store,
            n,
            service,
            vec![record(n + 1, &format!("line {n}"))],
        );
        store.seal(NOW).unwrap();
    }
    for _ in 0..2 {
        assert_eq!(
            bodies(&store, "{service_name=\"b\"}"),
            ["line 5", "line 3", "line 1"]
        );
        assert_eq!(store.services(&Tenant::default()), ["a", "b"]);
        store.merge_all().unwrap();
    }
    assert!(store.stats().segments < 6);
    assert_eq!(store.common.streams_kept(), 0);
}
