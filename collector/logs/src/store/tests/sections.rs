//! Segments with thousands of streams: what queries read of the list, and that it makes no
//! difference.

use super::*;
use crate::NewDelete;
use crate::segment::Common;
use sonde_logql::LogQuery;
use sonde_proto::otlp::logs_service::ExportLogsServiceRequest;
use std::collections::BTreeSet;

const STREAMS: u64 = 3000;

/// A stream of the test, and its only line in a segment.
fn service(n: u64) -> String {
    format!("s-{n:04}")
}

fn namespace(n: u64) -> String {
    format!("n{}", n / 1000)
}

fn line(segment: u64, n: u64) -> String {
    format!("line of {n} as id{n}x{segment}")
}

/// Two segments of the same streams, but that each lacks some that the other has.
fn filled(dir: &Path) -> LogStore {
    let store = open(dir, &quiet());
    for segment in 0..2 {
        let streams = (0..STREAMS).filter(|n| has(segment, *n));
        let resource_logs = streams.map(|n| {
            let mut request = request(
                &service(n),
                vec![record(segment * STREAMS + n + 1, &line(segment, n))],
            );
            let mut logs = request.resource_logs.remove(0);
            let resource = logs.resource.as_mut().unwrap();
            resource.attributes.extend([
                otlp::kv("k8s.namespace.name", namespace(n)),
                otlp::kv("os.type", ["linux", "plan9"][(n % 2) as usize]),
            ]);
            logs
        });
        let request = ExportLogsServiceRequest {
            resource_logs: resource_logs.collect(),
        };
        store.apply(&[(Position(segment), entry(&Tenant::default(), &request))]);
        store.seal(NOW).unwrap();
    }
    assert_eq!(store.stats().segments, 2);
    store
}

fn has(segment: u64, n: u64) -> bool {
    n % 7 != segment
}

fn found(store: &LogStore, query: &str, limit: usize) -> BTreeSet<String> {
    let search = Search {
        limit,
        ..search(query)
    };
    let answer = store.search(&Tenant::default(), &search).unwrap();
    assert!(answer.cut.is_none_or(|cut| cut.contains("records")));
    answer.records.into_iter().map(|r| r.body).collect()
}

/// The lines of streams that `is_wanted`.
fn lines(is_wanted: impl Fn(u64) -> bool) -> BTreeSet<String> {
    let all = (0..2).flat_map(|segment| (0..STREAMS).map(move |n| (segment, n)));
    let wanted = all.filter(|(segment, n)| has(*segment, *n) && is_wanted(*n));
    wanted.map(|(segment, n)| line(segment, n)).collect()
}

fn check(store: &LogStore) {
    let check = |query: &str, is_wanted: &dyn Fn(u64) -> bool| {
        assert_eq!(found(store, query, 5000), lines(is_wanted), "{query}");
    };
    check(r#"{service_name="s-0042"}"#, &|n| n == 42);
    check(r#"{service_name="nobody"}"#, &|_| false);
    check(r#"{service_name=~"s-00.*"}"#, &|n| n < 100);
    check(r#"{service_name=~"s-.*1"}"#, &|n| n % 10 == 1);
    check(r#"{k8s_namespace_name="n1"}"#, &|n| n / 1000 == 1);
    check(
        r#"{k8s_namespace_name="n1",service_name!="s-1500"}"#,
        &|n| n / 1000 == 1 && n != 1500,
    );
    check(
        r#"{k8s_namespace_name!="n1",service_name!~"s-0.*"}"#,
        &|n| n >= 2000,
    );
    check(r#"{missing=""} |= "of 77 ""#, &|n| n == 77);
    check(r#"{missing!=""}"#, &|_| false);
    check(
        r#"{service_name=~".+",k8s_namespace_name=~".*"} |= "of 5 ""#,
        &|n| n == 5,
    );
    check(r#"{service_name!~".+"}"#, &|_| false);
    check(r#"{service_name=~"s-2.*"} | os_type="plan9""#, &|n| {
        n >= 2000 && n % 2 == 1
    });
    check(r#"{service_name=~"s-2.*"} | service_name="s-2001""#, &|n| {
        n == 2001
    });
    check(
        r#"{k8s_namespace_name="n0"} | service_name="s-2001""#,
        &|_| false,
    );
    check(r#"{} | k8s_namespace_name="n2" |~ "of 29.9 ""#, &|n| {
        n / 100 == 29 && n % 10 == 9
    });
    check(r#"{} | missing="x""#, &|_| false);

    let volumes = |matchers: &str| {
        let query = LogQuery::parse(matchers).unwrap();
        let period = (UnixNanos(0), UnixNanos(u64::MAX));
        let never = Deadline::never();
        let found = store.streams(&Tenant::default(), query.matchers(), period, None, &never);
        let streams = found.unwrap().streams;
        let named = streams
            .iter()
            .map(|s| (s.labels.get("service_name").to_owned(), s.entries));
        named.collect::<Vec<_>>()
    };
    assert_eq!(
        volumes(r#"{service_name=~"s-010[78]"}"#),
        [("s-0107".to_owned(), 2), ("s-0108".to_owned(), 2),]
    );
    assert_eq!(volumes("{}").len(), STREAMS as usize);
    assert_eq!(store.services(&Tenant::default()).len(), STREAMS as usize);
}

#[test]
fn long_lists_of_streams_answer_as_the_streams_themselves_would() {
    let dir = tempfile::tempdir().unwrap();
    let mut store = filled(dir.path());
    check(&store);
    check(&store);
    // Where nothing is kept, it is read again.
    store.common = Arc::new(Common::new(1, quiet().bodies));
    drop(store);
    let config = Config {
        merge_factor: 2,
        ..quiet()
    };
    let mut store = open(dir.path(), &config);
    check(&store);
    store.common = Arc::new(Common::new(1, quiet().bodies));
    store.merge_all().unwrap();
    assert_eq!(store.stats().segments, 1);
    check(&store);
    assert_eq!(store.common.streams_kept(), 0);
}

#[test]
fn a_query_reads_of_a_long_list_what_it_needs() {
    let dir = tempfile::tempdir().unwrap();
    drop(filled(dir.path()));
    let check = |query: &str, limit: usize, expected: usize, most: usize| {
        let store = open(dir.path(), &quiet());
        assert_eq!(store.common.streams_kept(), 0);
        assert_eq!(found(&store, query, limit).len(), expected, "{query}");
        let kept = store.common.streams_kept();
        assert!(kept <= most, "{query}: {kept} streams were read");
    };
    // A section has 256 streams; the two segments have most in common.
    check(r#"{service_name=~".+"} |= "id42x1""#, 10, 1, 256);
    check("{} |= `absent77`", 10, 0, 0);
    check(r#"{service_name="s-0044"}"#, 10, 2, 512);
    check(r#"{service_name="nobody"}"#, 10, 0, 0);
    // Where a namespace begins and ends, the streams themselves say.
    check(r#"{k8s_namespace_name="n1"} |= "of 1500 ""#, 10, 2, 1536);
    check(r#"{} | missing="x""#, 10, 0, 0);
    let store = open(dir.path(), &quiet());
    assert_eq!(store.services(&Tenant::default()).len(), STREAMS as usize);
}

#[test]
fn what_is_hidden_of_a_long_list_is_not_seen() {
    let dir = tempfile::tempdir().unwrap();
    drop(filled(dir.path()));
    let config = Config {
        delete_cancel_seconds: 0,
        ..quiet()
    };
    let store = open(dir.path(), &config);
    let request = NewDelete {
        query: LogQuery::parse(r#"{service_name=~"s-00.*"} |~ "of .*7 as""#).unwrap(),
        start: UnixNanos(0),
        end: UnixNanos(u64::MAX),
        created_at: NOW,
    };
    store.delete(&Tenant::default(), request).unwrap();
    let is_gone = |n: u64| n < 100 && n % 10 == 7;
    for _ in 0..2 {
        let kept = lines(|n| n / 1000 == 0 && !is_gone(n));
        assert_eq!(found(&store, r#"{k8s_namespace_name="n0"}"#, 5000), kept);
        assert_eq!(found(&store, r#"{} |= "id17x0""#, 10), BTreeSet::new());
        store.maintain(NOW).unwrap();
    }
}

#[test]
fn damage_of_one_section_is_told_of_and_costs_no_more_than_its_segment() {
    let dir = tempfile::tempdir().unwrap();
    drop(filled(dir.path()));
    let store = open(dir.path(), &quiet());
    let snapshot = store.snapshot(&Tenant::default());
    let path = store
        .dir
        .path(&Tenant::default(), snapshot.segments[0].meta.id);
    drop(snapshot);
    let path = path.join("streams");
    let mut bytes = std::fs::read(&path).unwrap();
    bytes[3] ^= 1;
    std::fs::write(&path, bytes).unwrap();
    let store = open(dir.path(), &quiet());
    // The last stream is of another section.
    let last = r#"{service_name="s-2999"}"#;
    assert_eq!(found(&store, last, 10), lines(|n| n == 2999));
    // What is in the damaged section is missed, and that is said.
    let first = search(r#"{service_name="s-0009"}"#);
    let answer = store.search(&Tenant::default(), &first).unwrap();
    assert_eq!(answer.records.len(), 1);
    assert!(answer.cut.unwrap().contains("is damaged and was left out"));
    store.maintain(NOW).unwrap();
    assert_eq!(store.stats().segments, 1, "it was moved aside");
    assert!(!store.stats().troubles.is_empty() || store.dir.quarantined() == 1);
}
