//! A real process applies, seals, merges and deletes, and is killed, 52 times on one
//! directory, at the instant when it has said a random number of things, or while it opens.
//! Afterwards every record before the position that the store resumes from is there exactly
//! once, none is there that was not applied, and what was deleted stays so.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

#[path = "../../segment/tests/kill/life.rs"]
mod life;

use life::{live_and_die, say};
use prometheus_client::registry::Registry;
use prost::Message as _;
use rand::{Rng as _, SeedableRng as _};
use rand_chacha::ChaCha8Rng;
use sonde_logql::LogQuery;
use sonde_logs::{BodyEncoding, Config, DeleteStatus, Direction, LogStore, NewDelete, Search};
use sonde_proto::otlp::common::{AnyValue, any_value::Value};
use sonde_proto::otlp::{self, logs, logs_service::ExportLogsServiceRequest, resource::Resource};
use sonde_proto::{Deadline, Entry, Position, Signal, Tenant, UnixNanos};
use std::collections::BTreeMap;
use std::path::Path;
use std::time::{Duration, Instant};

const KILLS: u64 = 52;
const SEED: u64 = 0x5e41;

const NOW: UnixNanos = UnixNanos::from_secs(1_700_000_000);
const SERVICES: u64 = 4;
const WORDS: u64 = 6;

/// Little memory and small segments, so that something is always being sealed, merged or
/// rewritten.
fn config() -> Config {
    Config {
        seal_interval_ms: 0,
        tail_bytes_max: 64 << 10,
        segment_bytes_max: 64 << 10,
        bodies: BodyEncoding::Templated,
        merge_factor: 2,
        merge_bytes_per_second_max: 0,
        retention_seconds: 0,
        records_max: u64::MAX,
        answer_bytes_max: u64::MAX,
        delete_cancel_seconds: 0,
        deletes_max: 20,
        query_threads_max: 1,
        ..Config::default()
    }
}

fn open(dir: &Path) -> LogStore {
    LogStore::open(dir, &config(), &mut Registry::default(), NOW).unwrap()
}

fn random(what: u64, number: u64) -> ChaCha8Rng {
    ChaCha8Rng::seed_from_u64(SEED ^ what << 56 ^ number)
}

/// A record, which its position and its place there decide.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Line {
    time: UnixNanos,
    service: u64,
    body: String,
}

/// The records of the entry at a position.
fn lines(position: u64) -> Vec<Line> {
    let mut random = random(1, position);
    let count = random.random_range(0..5);
    let line = |index| {
        let word = random.random_range(0..WORDS);
        let padding = "filling ".repeat(random.random_range(0..40));
        Line {
            time: UnixNanos(NOW.0 + position * 1000 + random.random_range(0..5000)),
            service: random.random_range(0..SERVICES),
            body: format!("at {position} {index} word{word}x {padding}"),
        }
    };
    (0..count).map(line).collect()
}

fn entry(position: u64) -> Entry {
    let resource_logs = lines(position).into_iter().map(|line| logs::ResourceLogs {
        resource: Some(Resource {
            attributes: vec![otlp::kv("service.name", format!("s{}", line.service))],
            ..Default::default()
        }),
        scope_logs: vec![logs::ScopeLogs {
            log_records: vec![logs::LogRecord {
                time_unix_nano: line.time.0,
                body: Some(AnyValue {
                    value: Some(Value::StringValue(line.body)),
                }),
                ..Default::default()
            }],
            ..Default::default()
        }],
        ..Default::default()
    });
    let request = ExportLogsServiceRequest {
        resource_logs: resource_logs.collect(),
    };
    Entry::otlp(
        Tenant::default(),
        Signal::Logs,
        NOW,
        request.encode_to_vec().into(),
    )
}

/// The `number`th request of a life to delete, made when everything before a position was
/// applied.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Delete {
    before: u64,
    life: u64,
    number: u64,
}

impl Delete {
    /// The service, the word where not all lines are meant, and the times, both inclusive.
    fn what(self) -> (u64, Option<u64>, (u64, u64)) {
        let mut random = random(2, self.life << 20 | self.number);
        let word = random
            .random_bool(0.7)
            .then(|| random.random_range(0..WORDS));
        let last = self.before * 1000;
        let start = random.random_range(0..=last);
        let length = random.random_range(0..last.clamp(1, 300_000));
        let times = (NOW.0 + start, NOW.0 + start + length);
        (random.random_range(0..SERVICES), word, times)
    }

    fn request(self) -> NewDelete {
        let (service, word, (start, end)) = self.what();
        let filter = word.map_or_else(String::new, |word| format!(" |= `word{word}x`"));
        NewDelete {
            query: LogQuery::parse(&format!("{{service_name=\"s{service}\"}}{filter}")).unwrap(),
            start: UnixNanos(start),
            end: UnixNanos(end),
            created_at: NOW,
        }
    }

    /// Which records it deletes, by position and content.
    fn deletes(self) -> impl Fn(u64, &Line) -> bool {
        let (service, word, (start, end)) = self.what();
        let word = word.map(|word| format!("word{word}x"));
        move |position, line| {
            position < self.before
                && line.service == service
                && (start..=end).contains(&line.time.0)
                && word.as_ref().is_none_or(|word| line.body.contains(word))
        }
    }
}

/// What a child has printed.
#[derive(Clone, Copy, Debug)]
enum Said {
    Applied,
    /// Everything before this position lies in segments.
    Covers(u64),
    /// It is about to ask for this.
    Deletes(Delete),
    /// It was told that this is in force.
    Deleted(Delete),
}

impl Said {
    fn parse(line: &str) -> Option<Self> {
        let (what, numbers) = line.split_once(' ')?;
        let numbers: Vec<u64> = numbers.split(' ').map_while(|n| n.parse().ok()).collect();
        let delete = |before, life, number| Delete {
            before,
            life,
            number,
        };
        match (what, &numbers[..]) {
            ("applied", &[_]) => Some(Self::Applied),
            ("covers", &[before]) => Some(Self::Covers(before)),
            ("deletes", &[a, b, c]) => Some(Self::Deletes(delete(a, b, c))),
            ("deleted", &[a, b, c]) => Some(Self::Deleted(delete(a, b, c))),
            _ => None,
        }
    }
}

/// Not a test of its own: the process to be killed, when it is told so.
#[test]
fn the_process_that_is_killed() {
    let Some((life, dir)) = life::told() else {
        return;
    };
    let store = open(&dir);
    let mut random = random(3, life);
    let mut number = 0;
    loop {
        let position = store.applied_to().0;
        store.apply(&[(Position(position), entry(position))]);
        say(&format!("applied {position}"));
        let covers = match random.random_range(0..20) {
            0..3 => Some(store.maintain(NOW).unwrap()),
            3 => Some(store.seal(NOW).unwrap()),
            _ => None,
        };
        if let Some(covers) = covers {
            say(&format!("covers {}", covers.0));
        }
        if random.random_bool(0.05) {
            let delete = Delete {
                before: store.applied_to().0,
                life,
                number,
            };
            number += 1;
            let name = format!("{} {life} {}", delete.before, delete.number);
            say(&format!("deletes {name}"));
            // There may be too many that wait.
            if store.delete(&Tenant::default(), delete.request()).is_ok() {
                say(&format!("deleted {name}"));
            }
        }
        if random.random_bool(0.02) {
            store.merge_all().unwrap();
        }
    }
}

/// What the process was told, and what must be so.
#[derive(Default)]
struct Promised {
    covers: u64,
    deletes: Vec<Delete>,
    /// One that was asked for, and nobody knows what became of it.
    open: Option<Delete>,
}

impl Promised {
    fn take(&mut self, said: Said) {
        match said {
            Said::Applied => {}
            Said::Covers(before) => self.covers = self.covers.max(before),
            Said::Deletes(delete) => self.open = Some(delete),
            Said::Deleted(delete) => {
                self.open = None;
                self.deletes.push(delete);
            }
        }
    }

    /// Looks whether the request that nobody was told of is in force.
    fn settle(&mut self, store: &LogStore) {
        let Some(delete) = self.open.take() else {
            return;
        };
        let asked = delete.request();
        let listed = store.deletes(&Tenant::default());
        let is_it = |d: &sonde_logs::DeleteRequest| {
            d.query == asked.query.to_string() && d.start == asked.start && d.end == asked.end
        };
        if listed.iter().any(is_it) {
            self.deletes.push(delete);
        }
    }

    fn expected(&self, before: u64) -> BTreeMap<String, Line> {
        let deletes: Vec<_> = self.deletes.iter().map(|delete| delete.deletes()).collect();
        let mut expected = BTreeMap::new();
        for position in 0..before {
            for line in lines(position) {
                if !deletes.iter().any(|deletes| deletes(position, &line)) {
                    expected.insert(line.body.clone(), line);
                }
            }
        }
        expected
    }

    /// Everything that is to be there is there, once, and nothing else.
    fn check(&self, store: &LogStore, before: u64) {
        let search = Search {
            query: LogQuery::parse("{}").unwrap(),
            start: UnixNanos(0),
            end: UnixNanos(u64::MAX),
            limit: usize::MAX,
            direction: Direction::Forward,
            interval: Duration::ZERO,
            deadline: Deadline::never(),
        };
        let answer = store.search(&Tenant::default(), &search).unwrap();
        assert_eq!(answer.cut, None);
        let mut found = BTreeMap::new();
        for record in answer.records {
            let service = record.labels.get("service_name")[1..].parse().unwrap();
            let line = Line {
                time: record.time,
                service,
                body: record.body,
            };
            let twice = found.insert(line.body.clone(), line);
            assert_eq!(twice, None, "a record is there twice");
        }
        let expected = self.expected(before);
        let lost = expected
            .iter()
            .find(|(body, line)| found.get(*body) != Some(*line));
        assert_eq!(
            lost, None,
            "a record is lost or changed, of {before} positions"
        );
        let more = found.keys().find(|body| !expected.contains_key(*body));
        assert_eq!(
            more, None,
            "a record came back or was invented, of {before} positions"
        );
    }
}

#[test]
fn whatever_was_sealed_survives_every_kill_and_what_was_deleted_does_not_come_back() {
    let dir = tempfile::TempDir::new_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
    let mut random = random(4, 0);
    let mut promised = Promised::default();
    for life in 1..=KILLS {
        let lines = match random.random_range(0..6) {
            0 => 0,
            _ => random.random_range(1..80),
        };
        for said in live_and_die(dir.path(), life, lines, Said::parse) {
            promised.take(said);
        }
        let store = open(dir.path());
        let stats = store.stats();
        assert_eq!(stats.quarantined, 0, "life {life}: a kill damages nothing");
        let resume_from = store.resume_from().0;
        assert!(resume_from >= promised.covers, "life {life}");
        promised.settle(&store);
        promised.check(&store, resume_from);
    }
    assert!(promised.covers > 500, "{}", promised.covers);
    assert!(promised.deletes.len() > 20, "{}", promised.deletes.len());
    finish(dir.path(), &promised);
}

/// Applied to the end, everything asked for is carried out, and nothing of it is on disk.
fn finish(dir: &Path, promised: &Promised) {
    let store = open(dir);
    let end = promised.deletes.iter().map(|d| d.before).max().unwrap() + 1;
    let end = end.max(promised.covers);
    for position in store.applied_to().0..end {
        store.apply(&[(Position(position), entry(position))]);
    }
    store.seal(NOW).unwrap();
    let started = Instant::now();
    let waits = |d: &sonde_logs::DeleteRequest| d.status == DeleteStatus::Received;
    while store.deletes(&Tenant::default()).iter().any(waits) {
        store.merge_all().unwrap();
        store.maintain(NOW).unwrap();
        assert!(
            started.elapsed() < Duration::from_secs(600),
            "never processed"
        );
    }
    promised.check(&store, end);
    let expected = promised.expected(end).len();
    let there: u64 = store.usage(0).iter().map(|tenant| tenant.records).sum();
    assert_eq!(there, expected as u64);
    assert!(expected > 200);
}
