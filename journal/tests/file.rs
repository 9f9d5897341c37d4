//! The journal as its users open it: refusals that say what to do, damage that stops
//! nothing, limits that change, an end that waits for nobody.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use prometheus_client::encoding::text::encode;
use prometheus_client::registry::Registry;
use sonde_journal::{AppendError, FileConfig, FileJournal, Journal as _, OpenError};
use sonde_proto::{Entry, Partition, Position, Signal, Tenant, UnixNanos};
use std::collections::BTreeMap;
use std::fs::File;
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

fn partition() -> Partition {
    Partition::first(Signal::Logs)
}

fn entry(payload: &[u8]) -> Entry {
    Entry::otlp(
        Tenant::default(),
        Signal::Logs,
        UnixNanos(1),
        payload.to_vec().into(),
    )
}

fn config() -> FileConfig {
    FileConfig {
        reserve_bytes: 1 << 16,
        ..FileConfig::default()
    }
}

fn open(dir: &Path, config: &FileConfig) -> Result<FileJournal, OpenError> {
    FileJournal::open(dir, config, &mut Registry::default())
}

fn read_all(journal: &FileJournal) -> Vec<(Position, Vec<u8>)> {
    let mut reader = journal.read(partition(), Position::START).unwrap();
    let mut found = Vec::new();
    loop {
        let batch = reader.next_batch(1 << 20, Duration::ZERO).unwrap();
        if batch.is_empty() {
            return found;
        }
        found.extend(
            batch
                .into_iter()
                .map(|(at, entry)| (at, entry.payload.to_vec())),
        );
    }
}

fn file_of(dir: &Path) -> PathBuf {
    dir.join("logs-0/00000000000000000000.journal")
}

/// What was damaged, as `/metrics` tells.
fn quarantined(registry: &Registry) -> String {
    let mut text = String::new();
    encode(&mut text, registry).unwrap();
    let line = text
        .lines()
        .find_map(|line| line.strip_prefix("sonde_journal_quarantined_total{signal=\"logs\"} "));
    line.unwrap_or_default().to_owned()
}

#[tokio::test]
async fn a_damaged_middle_entry_is_quarantined_and_counted_and_the_start_goes_on() {
    let dir = tempfile::tempdir().unwrap();
    let journal = open(dir.path(), &config()).unwrap();
    for payload in [b"first-one", b"middle-01", b"last-one-"] {
        journal.append(partition(), entry(payload)).await.unwrap();
    }
    drop(journal);
    let bytes = std::fs::read(file_of(dir.path())).unwrap();
    let at = bytes
        .windows(6)
        .position(|window| window == b"middle")
        .unwrap();
    let file = File::options()
        .write(true)
        .open(file_of(dir.path()))
        .unwrap();
    file.write_all_at(b"M", at as u64).unwrap();

    for _ in 0..2 {
        let mut registry = Registry::default();
        let journal = FileJournal::open(dir.path(), &config(), &mut registry).unwrap();
        let found = read_all(&journal);
        let expected = [
            (Position(0), b"first-one".to_vec()),
            (Position(2), b"last-one-".to_vec()),
        ];
        assert_eq!(found, expected);
        assert_eq!(quarantined(&registry), "1");
    }
    let journal = open(dir.path(), &config()).unwrap();
    let next = journal.append(partition(), entry(b"and on")).await;
    assert_eq!(next, Ok(Position(3)));
    let kept: Vec<_> = std::fs::read_dir(dir.path().join("quarantine"))
        .unwrap()
        .map(|file| std::fs::read(file.unwrap().path()).unwrap())
        .collect();
    assert_eq!(kept.len(), 1, "one damaged piece is kept once");
    assert!(kept[0].windows(9).any(|window| window == b"Middle-01"));
}

#[tokio::test]
async fn a_lowered_limit_hides_nothing_that_was_taken_before() {
    let dir = tempfile::tempdir().unwrap();
    let large = vec![7; 300_000];
    let journal = open(dir.path(), &config()).unwrap();
    journal.append(partition(), entry(&large)).await.unwrap();
    drop(journal);
    let lowered = FileConfig {
        entry_bytes_max: 1000,
        ..config()
    };
    let journal = open(dir.path(), &lowered).unwrap();
    assert_eq!(read_all(&journal), [(Position(0), large.clone())]);
    let refused = journal
        .append(partition(), entry(&large))
        .await
        .unwrap_err();
    assert!(matches!(refused, AppendError::TooLarge { limit: 1000, .. }));
    assert!(refused.to_string().contains("journal.entry_bytes_max"));
}

#[tokio::test]
async fn positions_go_on_from_what_consumers_have_covered() {
    let dir = tempfile::tempdir().unwrap();
    let covered = BTreeMap::from([(partition(), Position(5000))]);
    for expected in [5000, 5001] {
        let mut registry = Registry::default();
        let journal = FileJournal::open_at(dir.path(), &config(), &mut registry, &covered).unwrap();
        let appended = journal.append(partition(), entry(b"x")).await;
        assert_eq!(appended, Ok(Position(expected)));
        assert_eq!(quarantined(&registry), "0");
    }
}

/// On one thread, so that nobody else can help an append along while the journal closes.
#[tokio::test(flavor = "current_thread")]
async fn closing_waits_for_no_append_that_was_not_begun_and_fails_those_after_it() {
    let dir = tempfile::tempdir().unwrap();
    let few = FileConfig {
        appends_max: 1,
        ..config()
    };
    let journal = Arc::new(open(dir.path(), &few).unwrap());
    let untouched = journal.append(partition(), entry(b"never polled"));
    let mut waiting = Vec::new();
    for _ in 0..20 {
        waiting.push(tokio::spawn(journal.append(partition(), entry(b"waits"))));
    }
    tokio::task::yield_now().await;
    journal.close();
    let mut kept = 0;
    for append in waiting {
        match append.await.unwrap() {
            Ok(_) => kept += 1,
            Err(error) => assert_eq!(error, AppendError::Closed),
        }
    }
    assert_eq!(untouched.await, Err(AppendError::Closed));
    assert_eq!(read_all(&journal).len(), kept);
}

#[test]
fn a_directory_has_one_journal_at_a_time() {
    let dir = tempfile::tempdir().unwrap();
    let first = open(dir.path(), &config()).unwrap();
    let Err(error) = open(dir.path(), &config()) else {
        panic!("it was opened twice");
    };
    assert!(matches!(error, OpenError::InUse { .. }), "{error}");
    drop(first);
    open(dir.path(), &config()).unwrap();
}

#[test]
fn a_foreign_format_is_refused_and_left_alone() {
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("format"), "sonde journal 9\n").unwrap();
    let Err(error) = open(dir.path(), &config()) else {
        panic!("a foreign format was opened");
    };
    assert!(error.to_string().contains("sonde journal 9"), "{error}");
    let names: Vec<_> = std::fs::read_dir(dir.path()).unwrap().collect();
    assert_eq!(
        names.len(),
        2,
        "only the lock is beside the format: {names:?}"
    );
}

#[test]
fn a_configuration_that_cannot_be_is_refused_by_its_key() {
    let dir = tempfile::tempdir().unwrap();
    let wrong = [
        (
            "entry_bytes_max",
            FileConfig {
                entry_bytes_max: usize::MAX,
                ..config()
            },
        ),
        (
            "bytes_max",
            FileConfig {
                bytes_max: 1000,
                ..config()
            },
        ),
        (
            "appends_max",
            FileConfig {
                appends_max: 0,
                ..config()
            },
        ),
        (
            "appends_max",
            FileConfig {
                appends_max: usize::MAX,
                ..config()
            },
        ),
    ];
    for (key, config) in wrong {
        let Err(error) = open(dir.path(), &config) else {
            panic!("{key} was taken");
        };
        assert!(
            error.to_string().starts_with(&format!("journal.{key}: ")),
            "{error}"
        );
    }
}
