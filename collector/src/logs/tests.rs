//! The reader over a real store, against what was put into it.

use super::*;
use prometheus_client::registry::Registry;
use prost::Message as _;
use sonde_logql::source::{Record, Scan, Sink, Source as _, Span, Stop, StreamView};
use sonde_logql::{Category, LogQuery};
use sonde_logs::Direction;
use sonde_proto::otlp::common::{AnyValue, any_value::Value};
use sonde_proto::otlp::logs::{LogRecord, ResourceLogs, ScopeLogs};
use sonde_proto::otlp::logs_service::ExportLogsServiceRequest;
use sonde_proto::otlp::{kv, resource::Resource};
use sonde_proto::{Deadline, Entry, Position, Signal, UnixNanos};
use std::time::Duration;

const NOW: UnixNanos = UnixNanos::from_secs(1_700_000_000);
const ALWAYS: (UnixNanos, UnixNanos) = (UnixNanos(0), UnixNanos(u64::MAX));

struct Bed {
    reader: LogReader,
    tenant: Tenant,
    position: std::cell::Cell<u64>,
    _dir: tempfile::TempDir,
}

impl Bed {
    fn new(records_max: u64) -> Self {
        Self::with(records_max, 64 << 20)
    }

    fn with(records_max: u64, answer_bytes_max: u64) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let config = sonde_logs::Config {
            records_max,
            answer_bytes_max,
            retention_seconds: 0,
            ..sonde_logs::Config::default()
        };
        let store = LogStore::open(dir.path(), &config, &mut Registry::default(), NOW).unwrap();
        Self {
            reader: LogReader::new(Arc::new(store), &config),
            tenant: Tenant::default(),
            position: 0.into(),
            _dir: dir,
        }
    }

    fn apply(&self, attributes: &[(&str, &str)], records: Vec<LogRecord>) {
        let attributes = attributes.iter().map(|(n, v)| kv(n, *v)).collect();
        let request = ExportLogsServiceRequest {
            resource_logs: vec![ResourceLogs {
                resource: Some(Resource {
                    attributes,
                    ..Default::default()
                }),
                scope_logs: vec![ScopeLogs {
                    log_records: records,
                    ..Default::default()
                }],
                ..Default::default()
            }],
        };
        let entry = Entry::otlp(
            self.tenant.clone(),
            Signal::Logs,
            NOW,
            request.encode_to_vec().into(),
        );
        let position = self.position.get();
        self.position.set(position + 1);
        self.reader.store.apply(&[(Position(position), entry)]);
    }

    fn search(&self, query: &str, limit: usize, direction: Direction) -> Lines {
        let search = LineSearch {
            query: compile(query),
            start: ALWAYS.0,
            end: ALWAYS.1,
            limit,
            direction,
            interval: Duration::ZERO,
            deadline: Deadline::never(),
        };
        let found = self.reader.search(&self.tenant, &search).unwrap();
        assert_eq!(found.reading.cut, None);
        found
    }

    fn texts(&self, query: &str, limit: usize, direction: Direction) -> Vec<String> {
        let found = self.search(query, limit, direction);
        found.lines.into_iter().map(|line| line.text).collect()
    }
}

fn compile(query: &str) -> LogQuery {
    match sonde_logql::parse(query).unwrap() {
        sonde_logql::ast::Expr::Log(log) => LogQuery::compile(&log).unwrap(),
        sonde_logql::ast::Expr::Metric(_) => panic!("{query} asks for numbers"),
    }
}

fn record(time: u64, text: &str) -> LogRecord {
    LogRecord {
        time_unix_nano: time,
        body: Some(AnyValue {
            value: Some(Value::StringValue(text.into())),
        }),
        ..Default::default()
    }
}

#[test]
fn every_record_is_given_once_in_order_also_where_many_are_of_one_instant() {
    let bed = Bed::new(1000);
    let mut expected = Vec::new();
    for n in 0..60_u64 {
        let service = if n % 3 == 0 { "own" } else { "pushed" };
        let attributes = match service {
            "own" => vec![("service.name", "own")],
            _ => vec![
                ("loki.label.job", "j"),
                ("loki.label.service_name", "pushed"),
            ],
        };
        // Six of one time at once, in both kinds of streams.
        let time = 100 + n / 6;
        bed.apply(&attributes, vec![record(time, &format!("line {n}"))]);
        expected.push((time, format!("line {n}")));
    }
    let check = |direction: Direction, limit: usize| {
        let found = bed.search("{}", limit, direction).lines;
        let mut times: Vec<u64> = found.iter().map(|line| line.time.0).collect();
        let mut all: Vec<(u64, String)> = found
            .into_iter()
            .map(|line| (line.time.0, line.text))
            .collect();
        if direction == Direction::Backward {
            times.reverse();
        }
        assert!(times.is_sorted());
        all.sort();
        let mut wanted = expected.clone();
        wanted.sort();
        if limit >= 60 {
            assert_eq!(all, wanted);
        } else {
            assert_eq!(all.len(), limit);
        }
    };
    for limit in [1, 6, 7, 8, 59, 60, 1000] {
        check(Direction::Forward, limit);
        check(Direction::Backward, limit);
    }
}

#[test]
fn selectors_and_filters_choose_among_streams_of_both_kinds() {
    let bed = Bed::new(100);
    bed.apply(
        &[("service.name", "shop")],
        vec![record(1, "own a"), record(2, "own b")],
    );
    bed.apply(
        &[
            ("service.name", "shop"),
            ("loki.label.job", "j"),
            ("loki.label.service_name", "shop"),
        ],
        vec![record(3, "pushed a"), record(4, "pushed b")],
    );
    let check = |query: &str, expected: &[&str]| {
        assert_eq!(
            bed.texts(query, 10, Direction::Forward),
            expected,
            "{query}"
        );
    };
    check(
        r#"{service_name="shop"}"#,
        &["own a", "own b", "pushed a", "pushed b"],
    );
    check(r#"{job="j"}"#, &["pushed a", "pushed b"]);
    check(r#"{job=""}"#, &["own a", "own b"]);
    check(r#"{loki_label_job="j"}"#, &[]);
    check(r#"{service_name=~"sh.*"} |= "b""#, &["own b", "pushed b"]);
    check(r#"{service_name="shop"} |= "a" != "own""#, &["pushed a"]);
    check(
        r#"{service_name="shop"} |~ "[a] *$""#,
        &["own a", "pushed a"],
    );
    check(r#"{level="unknown"} |= "own a""#, &["own a"]);
}

#[test]
fn labels_say_where_they_come_from() {
    let bed = Bed::new(100);
    let trace = [7; 16];
    let mut one = record(5, "hello");
    one.trace_id = trace.to_vec();
    one.severity_number = 17;
    one.attributes = vec![
        kv("http.status-code", "500"),
        kv("2nd", "x"),
        kv("log.record.uid", "a/b/c"),
    ];
    bed.apply(&[("service.name", "shop"), ("process.pid", "1")], vec![one]);
    let found = bed.search(
        r#"{} | detected_level="error" | http_status_code="500""#,
        10,
        Direction::Forward,
    );
    let labels: Vec<_> = found.lines[0]
        .labels
        .iter()
        .map(|(n, v, c)| (n.as_str(), v.as_str(), *c))
        .collect();
    let metadata = Category::StructuredMetadata;
    assert_eq!(
        labels,
        [
            ("_2nd", "x", metadata),
            ("detected_level", "error", metadata),
            ("http_status_code", "500", metadata),
            ("level", "error", Category::Stream),
            ("process_pid", "1", metadata),
            ("service_name", "shop", Category::Stream),
            ("severity_number", "17", metadata),
            ("trace_id", "07070707070707070707070707070707", metadata),
        ]
    );
    let by_trace = r#"{} | trace_id="07070707070707070707070707070707""#;
    assert_eq!(bed.texts(by_trace, 10, Direction::Forward), ["hello"]);
}

#[test]
fn lines_are_an_interval_apart_where_one_is_asked_for() {
    let bed = Bed::new(100);
    let records = (0..10).map(|n| record(100 + n, &n.to_string())).collect();
    bed.apply(&[("service.name", "s")], records);
    let mut search = LineSearch {
        query: compile("{}"),
        start: ALWAYS.0,
        end: ALWAYS.1,
        limit: 100,
        direction: Direction::Forward,
        interval: Duration::from_nanos(4),
        deadline: Deadline::never(),
    };
    let texts = |search: &LineSearch| {
        let found = bed.reader.search(&bed.tenant, search).unwrap();
        found.lines.into_iter().map(|l| l.text).collect::<Vec<_>>()
    };
    assert_eq!(texts(&search), ["0", "4", "8"]);
    search.direction = Direction::Backward;
    assert_eq!(texts(&search), ["9", "5", "1"]);
}

#[test]
fn streams_have_their_entries_and_bytes_by_parts_of_a_period() {
    let bed = Bed::new(100);
    let records = (0..10).map(|n| record(100 + n, "12345")).collect();
    bed.apply(&[("service.name", "a")], records);
    bed.apply(&[("service.name", "b")], vec![record(104, "1")]);
    let period = (UnixNanos(102), UnixNanos(110));
    let part = Some(Duration::from_nanos(4));
    let found = bed
        .reader
        .streams_by_parts(&bed.tenant, &[], period, part, &Deadline::never())
        .unwrap();
    let shown: Vec<_> = found
        .streams
        .iter()
        .map(|s| {
            let parts: Vec<_> = s.parts.iter().map(|(n, b)| (*n, *b)).collect();
            (s.labels.get("service_name"), s.entries, s.bytes, parts)
        })
        .collect();
    assert_eq!(
        shown,
        [
            ("a", 8, 40, vec![(0, 20), (1, 20)]),
            ("b", 1, 1, vec![(0, 1)]),
        ]
    );
}

#[test]
fn an_answer_is_bounded_in_bytes_and_says_so() {
    let bed = Bed::with(100, 10_000);
    let long = "x".repeat(900);
    for n in 0..50 {
        bed.apply(&[("service.name", "s")], vec![record(n + 1, &long)]);
    }
    let search = LineSearch {
        query: compile("{}"),
        start: ALWAYS.0,
        end: ALWAYS.1,
        limit: 100,
        direction: Direction::Backward,
        interval: Duration::ZERO,
        deadline: Deadline::never(),
    };
    let found = bed.reader.search(&bed.tenant, &search).unwrap();
    assert!(
        (8..=12).contains(&found.lines.len()),
        "{}",
        found.lines.len()
    );
    assert_eq!(found.lines[0].time, UnixNanos(50));
    assert!(found.reading.cut.unwrap().contains("bytes"));
    // What is only counted is counted whole.
    let source = bed.reader.source(&bed.tenant, &Deadline::never());
    let scan = Scan {
        matchers: &[],
        filters: &[],
        start: ALWAYS.0,
        end: ALWAYS.1,
        needs: sonde_logql::source::Needs::default(),
        metadata: None,
        equalities: &[],
    };
    let (sinks, _) = source.scan(&scan, Notes::default).unwrap();
    assert_eq!(sinks[0].times.len(), 50);
}

/// Notes what it is told.
#[derive(Debug, Default)]
struct Notes {
    stream: String,
    times: Vec<(u64, u32)>,
    records: Vec<(String, String, usize)>,
    refuse: &'static str,
}

impl Sink for Notes {
    fn stream(&mut self, stream: StreamView<'_>) -> Result<bool, Stop> {
        self.stream = stream.labels.get("service_name").to_owned();
        Ok(self.stream != self.refuse)
    }

    fn span(&mut self, _: Span) -> Result<bool, Stop> {
        Ok(false)
    }

    fn times(&mut self, times: &[UnixNanos], lengths: &[u32]) -> Result<(), Stop> {
        let lengths = lengths.iter().copied().chain(std::iter::repeat(0));
        self.times.extend(times.iter().map(|t| t.0).zip(lengths));
        Ok(())
    }

    fn record(&mut self, record: &Record<'_>) -> Result<(), Stop> {
        let line = String::from_utf8_lossy(record.line).into_owned();
        self.records
            .push((self.stream.clone(), line, record.metadata.len()));
        Ok(())
    }
}

#[test]
fn a_scan_gives_as_much_as_is_needed_of_what_is_wanted() {
    let bed = Bed::new(100);
    let mut with_metadata = record(3, "three");
    with_metadata.attributes = vec![kv("k", "v")];
    bed.apply(
        &[("service.name", "a")],
        vec![record(1, "one"), with_metadata],
    );
    bed.apply(&[("service.name", "b")], vec![record(2, "two")]);
    let query = compile(r#"{} |= "o""#);
    let scan = |needs| Scan {
        matchers: query.matchers(),
        filters: query.filters(),
        start: ALWAYS.0,
        end: ALWAYS.1,
        needs,
        metadata: None,
        equalities: &[],
    };
    let source = bed.reader.source(&bed.tenant, &Deadline::never());
    let mut needs = sonde_logql::source::Needs::default();
    let (sinks, scanned) = source.scan(&scan(needs), Notes::default).unwrap();
    assert_eq!(sinks[0].times, [(1, 0), (2, 0)]);
    assert_eq!((scanned.records, scanned.bytes), (2, 6));
    needs.lengths = true;
    let refusing = || Notes {
        refuse: "b",
        ..Notes::default()
    };
    let (sinks, _) = source.scan(&scan(needs), refusing).unwrap();
    assert_eq!(sinks[0].times, [(1, 3)]);
    needs.metadata = true;
    let every = compile("{}");
    let all = Scan {
        filters: every.filters(),
        ..scan(needs)
    };
    let (sinks, _) = source.scan(&all, Notes::default).unwrap();
    // Stream by stream.
    let expected = [("a", "one", 0), ("a", "three", 1), ("b", "two", 0)];
    let expected = expected.map(|(s, l, n)| (s.to_owned(), l.to_owned(), n));
    assert_eq!(sinks[0].records, expected);
}

#[test]
fn a_number_is_not_made_of_a_part() {
    let bed = Bed::new(10);
    bed.apply(&[("service.name", "a")], vec![record(1, "one")]);
    let past = Deadline::within(Duration::ZERO);
    let source = bed.reader.source(&bed.tenant, &past);
    let scan = Scan {
        matchers: &[],
        filters: &[],
        start: ALWAYS.0,
        end: ALWAYS.1,
        needs: sonde_logql::source::Needs::default(),
        metadata: None,
        equalities: &[],
    };
    let scanned = source.scan(&scan, Notes::default);
    assert_eq!(scanned.unwrap_err(), Stop::Deadline);
}
