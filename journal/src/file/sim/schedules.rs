//! Random lives of a journal, each from a seed that a failure prints.

use super::folder::{Fate, Folder};
use crate::Reader as _;
use crate::file::FileConfig;
use crate::file::partition::Shared;
use crate::file::reader::FileReader;
use crate::file::telemetry::Counters;
use crate::file::writer::Writer;
use bytes::Bytes;
use rand::{Rng as _, SeedableRng as _};
use rand_chacha::ChaCha8Rng;
use sonde_proto::{Entry, Position, Signal, Tenant, UnixNanos};
use std::collections::BTreeMap;
use std::io;
use std::sync::Arc;
use std::time::Duration;

/// A journal's life over several starts, and what it has promised.
struct Life {
    seed: u64,
    random: ChaCha8Rng,
    folder: Folder,
    /// Every entry that was handed over, by the position it would have.
    tried: BTreeMap<Position, Vec<Bytes>>,
    /// Every entry that was acknowledged.
    promised: BTreeMap<Position, Bytes>,
    trimmed: Position,
    written: u64,
}

type Open = (Arc<Shared<Folder>>, Writer<Folder>);

fn config() -> FileConfig {
    FileConfig {
        file_bytes: 16 << 10,
        bytes_max: 1 << 20,
        entry_bytes_max: 8 << 10,
        ..FileConfig::default()
    }
}

impl Life {
    fn new(seed: u64) -> Self {
        Self {
            seed,
            random: ChaCha8Rng::seed_from_u64(seed),
            folder: Folder::new(),
            tried: BTreeMap::new(),
            promised: BTreeMap::new(),
            trimmed: Position::START,
            written: 0,
        }
    }

    fn open(&self) -> io::Result<Open> {
        let quarantine = Box::new(|_: &str, _: u64, _: &[u8]| {});
        let shared = Arc::new(Shared::recover(
            self.folder.clone(),
            config(),
            Counters::default(),
            quarantine,
        )?);
        let writer = Writer::new(Arc::clone(&shared), Box::new(|| {}));
        Ok((shared, writer))
    }

    fn entry(&mut self) -> Entry {
        self.written += 1;
        let bytes = self.random.random_range(8..3000_usize);
        let mut payload = vec![0; bytes];
        self.random.fill(&mut payload[..]);
        payload[..8].copy_from_slice(&self.written.to_le_bytes());
        Entry {
            tenant: Tenant::default(),
            signal: Signal::Logs,
            received_at: UnixNanos(self.written),
            payload: payload.into(),
        }
    }

    /// Appends and trims until something fails or the steps are done.
    fn live(&mut self, (shared, writer): &mut Open, steps: usize) {
        for _ in 0..steps {
            if self.random.random_ratio(1, 12) {
                let to = self
                    .random
                    .random_range(self.trimmed.0..=shared.end().0.max(self.trimmed.0));
                self.trimmed = Position(to);
                // A trim that fails leaves more than was asked for.
                let _ = shared.trim(self.trimmed);
                continue;
            }
            let group: Vec<_> = (0..self.random.random_range(1..6))
                .map(|_| self.entry())
                .collect();
            let before = writer.next();
            for (number, entry) in group.iter().enumerate() {
                let at = Position(before.0 + number as u64);
                self.tried
                    .entry(at)
                    .or_default()
                    .push(entry.payload.clone());
            }
            if let Ok(first) = writer.commit(&group) {
                for (number, entry) in group.into_iter().enumerate() {
                    self.promised
                        .insert(Position(first.0 + number as u64), entry.payload);
                }
            }
        }
    }

    /// Everything promised and not trimmed is there, in order, once; what else is there
    /// was at least handed over.
    fn check(&self, shared: &Arc<Shared<Folder>>) {
        let seed = self.seed;
        let mut reader = FileReader::new(Arc::clone(shared), self.trimmed);
        let mut found: Vec<(Position, Bytes)> = Vec::new();
        loop {
            let batch = reader
                .next_batch(5000, Duration::ZERO)
                .unwrap_or_else(|e| panic!("seed {seed}: {e}"));
            if batch.is_empty() {
                break;
            }
            found.extend(batch.into_iter().map(|(at, entry)| (at, entry.payload)));
        }
        assert!(
            found.windows(2).all(|pair| pair[0].0 < pair[1].0),
            "seed {seed}: not in order"
        );
        for (at, payload) in &found {
            let known = self
                .tried
                .get(at)
                .is_some_and(|tried| tried.contains(payload));
            assert!(known, "seed {seed}: a foreign entry at {at}");
        }
        let found: BTreeMap<_, _> = found.into_iter().collect();
        for (at, payload) in self.promised.range(self.trimmed..) {
            assert!(
                found.get(at) == Some(payload),
                "seed {seed}: the promised entry at {at}"
            );
        }
    }
}

#[test]
fn whatever_was_acknowledged_survives_a_power_cut_at_any_operation() {
    for seed in 0..500 {
        let mut life = Life::new(seed);
        for _ in 0..4 {
            let limit = life.folder.operations() + life.random.random_range(1..250);
            life.folder.decide(Fate::PowerOff(limit));
            if let Ok(mut open) = life.open() {
                life.live(&mut open, 60);
            }
            life.folder.restart(&mut life.random.clone());
            let (shared, _) = life
                .open()
                .unwrap_or_else(|error| panic!("seed {seed}: {error}"));
            life.check(&shared);
        }
    }
}

#[test]
fn an_operation_that_fails_makes_no_false_promise_and_the_journal_goes_on() {
    for seed in 0..300 {
        let mut life = Life::new(seed);
        let kind = if seed % 2 == 0 {
            io::ErrorKind::StorageFull
        } else {
            io::ErrorKind::Other
        };
        life.folder.decide(Fate::Fail(seed % 200 + 1, kind));
        let mut open = match life.open() {
            Ok(open) => open,
            Err(_) => life.open().unwrap(),
        };
        life.live(&mut open, 40);
        life.folder.decide(Fate::Well);
        life.check(&open.0);
        let promised = life.promised.len();
        life.live(&mut open, 5);
        assert!(
            life.promised.len() > promised,
            "seed {seed}: it took nothing more"
        );
        life.folder.restart(&mut life.random.clone());
        let (shared, _) = life.open().unwrap();
        life.check(&shared);
    }
}

#[test]
fn a_damaged_byte_costs_the_entry_it_stands_in_and_no_other() {
    for seed in 0..300 {
        let mut life = Life::new(seed);
        let mut open = life.open().unwrap();
        life.live(&mut open, 12);
        let (name, end) = {
            let index = open.0.index.lock();
            let Some(file) = index.files.first() else {
                continue;
            };
            (file.name.clone(), usize::try_from(file.end).unwrap())
        };
        life.folder
            .damage(&name, life.random.clone().random_range(0..end));
        drop(open);
        let (shared, _) = life.open().unwrap();
        let mut reader = FileReader::new(Arc::clone(&shared), Position::START);
        let mut found = BTreeMap::new();
        loop {
            let batch = reader.next_batch(5000, Duration::ZERO).unwrap();
            if batch.is_empty() {
                break;
            }
            found.extend(batch.into_iter().map(|(at, entry)| (at, entry.payload)));
        }
        let kept = life.promised.range(shared.first()..);
        let lost = kept
            .filter(|(at, payload)| found.get(at) != Some(payload))
            .count();
        assert!(
            lost <= 1,
            "seed {seed}: {lost} entries were lost with one byte"
        );
        assert!(
            found
                .iter()
                .all(|(at, payload)| life.promised.get(at) == Some(payload)),
            "seed {seed}"
        );
    }
}
