//! A real process appends and is killed, fifty times on one directory, each time after a
//! random number of acknowledgements or while it opens. Whatever it printed as acknowledged
//! is there afterwards: at its position, in order, byte for byte.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use bytes::Bytes;
use prometheus_client::registry::Registry;
use rand::{Rng as _, SeedableRng as _};
use rand_chacha::ChaCha8Rng;
use sonde_journal::{FileConfig, FileJournal, Journal as _};
use sonde_proto::{Entry, Partition, Position, Signal, Tenant, UnixNanos};
use std::collections::BTreeMap;
use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

const KILLS: u64 = 50;
const APPENDERS: u64 = 6;
const SEED: u64 = 0x6b11;
/// Tells this binary that it is the process to be killed: its life's number and directory.
const LIFE: &str = "SONDE_JOURNAL_TEST_LIFE";
const DIR: &str = "SONDE_JOURNAL_TEST_DIR";

fn partition() -> Partition {
    Partition::first(Signal::Spans)
}

/// Small files, so that many are begun, trimmed and used again.
fn open(dir: &Path) -> (FileJournal, Registry) {
    let config = FileConfig {
        file_bytes: 128 << 10,
        reserve_bytes: 1 << 20,
        ..FileConfig::default()
    };
    let mut registry = Registry::default();
    let journal = FileJournal::open(dir, &config, &mut registry).unwrap();
    (journal, registry)
}

/// One append: whose it is, and the how manieth.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Name {
    life: u64,
    appender: u64,
    number: u64,
}

impl Name {
    /// The payload that goes by this name.
    fn payload(self) -> Bytes {
        let seed = self.life << 48 | self.appender << 40 | self.number;
        let mut random = ChaCha8Rng::seed_from_u64(seed);
        let bytes = match random.random_range(0..40) {
            0 => random.random_range(0..90_000),
            _ => random.random_range(0..3000_usize),
        };
        let mut payload = vec![0; bytes];
        random.fill(&mut payload[..]);
        payload.into()
    }
}

/// What a child has printed.
enum Said {
    Acknowledged(Position, Name),
    Trims(Position),
}

impl Said {
    fn parse(line: &str) -> Option<Self> {
        let (what, numbers) = line.split_once(' ')?;
        let numbers: Vec<u64> = numbers.split(' ').map_while(|n| n.parse().ok()).collect();
        match (what, &numbers[..]) {
            ("acknowledged", &[position, life, appender, number]) => {
                let name = Name {
                    life,
                    appender,
                    number,
                };
                Some(Self::Acknowledged(Position(position), name))
            }
            ("trims", &[before]) => Some(Self::Trims(Position(before))),
            _ => None,
        }
    }
}

/// Not a test of its own: the process to be killed, when it is told so.
#[test]
fn the_process_that_is_killed() {
    let (Ok(life), Ok(dir)) = (std::env::var(LIFE), std::env::var(DIR)) else {
        return;
    };
    let life = life.parse().unwrap();
    println!("\nopens");
    let (journal, _registry) = open(Path::new(&dir));
    let journal = Arc::new(journal);
    let runtime = tokio::runtime::Builder::new_multi_thread().build().unwrap();
    runtime.block_on(async {
        let appenders: Vec<_> = (0..APPENDERS)
            .map(|appender| tokio::spawn(append_for_ever(Arc::clone(&journal), life, appender)))
            .collect();
        for appender in appenders {
            appender.await.unwrap();
        }
    });
}

async fn append_for_ever(journal: Arc<FileJournal>, life: u64, appender: u64) {
    for number in 0.. {
        let name = Name {
            life,
            appender,
            number,
        };
        let entry = Entry::otlp(
            Tenant::default(),
            Signal::Spans,
            UnixNanos(number),
            name.payload(),
        );
        let position = journal.append(partition(), entry).await.unwrap();
        println!("acknowledged {} {life} {appender} {number}", position.0);
        if appender == 0 && number % 20 == 19 {
            let before = position.0.saturating_sub(300);
            println!("trims {before}");
            journal.trim(partition(), Position(before)).unwrap();
        }
    }
}

/// Lets a process live until it has said `lines` lines, kills it, and returns all it said.
fn live_and_die(dir: &Path, life: u64, lines: usize) -> Vec<Said> {
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "the_process_that_is_killed", "--nocapture"])
        .env(LIFE, life.to_string())
        .env(DIR, dir)
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut output = BufReader::new(child.stdout.take().unwrap());
    let mut said = Vec::new();
    let mut line = String::new();
    let (mut opens, mut killed) = (false, false);
    loop {
        if opens && said.len() >= lines && !killed {
            child.kill().unwrap();
            killed = true;
        }
        line.clear();
        // After the kill, what it had printed before is still to be read.
        if output.read_line(&mut line).unwrap() == 0 {
            break;
        }
        // A line without its end was never said.
        if let Some(line) = line.strip_suffix('\n') {
            opens |= line == "opens";
            said.extend(Said::parse(line));
        }
    }
    let status = child.wait().unwrap();
    assert!(killed, "life {life} ended on its own: {status}");
    said
}

/// Reads everything that a journal has.
fn read_all(journal: &FileJournal) -> BTreeMap<Position, Bytes> {
    let mut reader = journal.read(partition(), Position::START).unwrap();
    let mut found = BTreeMap::new();
    let mut last = None;
    loop {
        let batch = reader.next_batch(1 << 20, Duration::ZERO).unwrap();
        if batch.is_empty() {
            return found;
        }
        for (at, entry) in batch {
            assert!(last < Some(at), "{at} after {last:?}");
            last = Some(at);
            found.insert(at, entry.payload);
        }
    }
}

#[test]
fn whatever_was_acknowledged_survives_fifty_kills() {
    let dir = tempfile::TempDir::new_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
    let mut random = ChaCha8Rng::seed_from_u64(SEED);
    let mut promised: BTreeMap<Position, Name> = BTreeMap::new();
    let mut trimmed = Position::START;
    for life in 1..=KILLS {
        let lines = match random.random_range(0..5) {
            0 => 0,
            _ => random.random_range(1..300),
        };
        for said in live_and_die(dir.path(), life, lines) {
            match said {
                Said::Acknowledged(at, name) => {
                    let before = promised.insert(at, name);
                    assert_eq!(before, None, "life {life}: {at} was given twice");
                }
                Said::Trims(before) => trimmed = trimmed.max(before),
            }
        }
        let (journal, registry) = open(dir.path());
        let found = read_all(&journal);
        check(life, &found, &promised, trimmed);
        let mut counted = String::new();
        prometheus_client::encoding::text::encode(&mut counted, &registry).unwrap();
        let undamaged = counted.contains("sonde_journal_quarantined_total{signal=\"spans\"} 0");
        assert!(undamaged, "life {life}: a kill damages nothing\n{counted}");
    }
    assert!(promised.len() > 1000 && trimmed > Position::START);
}

/// Everything promised is there, and one appender's entries are in the order of its appends.
fn check(
    life: u64,
    found: &BTreeMap<Position, Bytes>,
    promised: &BTreeMap<Position, Name>,
    trimmed: Position,
) {
    let mut last: BTreeMap<(u64, u64), u64> = BTreeMap::new();
    for (at, name) in promised.range(trimmed..) {
        let payload = found.get(at);
        assert!(
            payload == Some(&name.payload()),
            "life {life}: {name:?} at {at} is {}",
            if payload.is_some() { "changed" } else { "lost" }
        );
        let before = last.insert((name.life, name.appender), name.number);
        assert!(
            before < Some(name.number),
            "life {life}: {name:?} at {at} after {before:?}"
        );
    }
}
