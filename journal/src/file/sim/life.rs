//! A journal's life on the folder, from a seed: what it does, and what it has promised.

use super::folder::Folder;
use crate::Reader as _;
use crate::file::FileConfig;
use crate::file::frame::{self, Key};
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
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// A journal's life over several starts, and what it has promised.
pub(super) struct Life {
    pub(super) seed: u64,
    pub(super) random: ChaCha8Rng,
    pub(super) folder: Folder,
    /// Every entry that was handed over, by the position it would have.
    tried: BTreeMap<Position, Vec<Bytes>>,
    /// Every entry that was acknowledged, or read after a start: whoever has read an entry
    /// may have told others of it.
    pub(super) promised: BTreeMap<Position, Bytes>,
    pub(super) trimmed: Position,
    written: u64,
    config: FileConfig,
    /// What was counted, over all starts.
    pub(super) counters: Counters,
    /// How often the writer gave up space because the disk was full.
    pub(super) gave_up_space: Arc<AtomicU64>,
}

/// The key of the journal, which no sender knows.
const KEY: Key = Key(0x9c01_77aa_5e0d_4b13);

pub(super) type Open = (Arc<Shared<Folder>>, Writer<Folder>);

pub(super) fn config() -> FileConfig {
    FileConfig {
        file_bytes: 6 << 10,
        bytes_max: 1 << 20,
        entry_bytes_max: 8 << 10,
        ..FileConfig::default()
    }
}

impl Life {
    pub(super) fn new(seed: u64) -> Self {
        Self {
            seed,
            random: ChaCha8Rng::seed_from_u64(seed),
            folder: Folder::new(),
            tried: BTreeMap::new(),
            promised: BTreeMap::new(),
            trimmed: Position::START,
            written: 0,
            config: config(),
            counters: Counters::default(),
            gave_up_space: Arc::default(),
        }
    }

    /// As [`Self::new`], with little room.
    pub(super) fn in_little_room(seed: u64, bytes_max: u64) -> Self {
        let mut life = Self::new(seed);
        life.config.bytes_max = bytes_max;
        life
    }

    pub(super) fn open(&self) -> io::Result<Open> {
        let quarantine = Box::new(|_: &str, _: u64, _: &[u8]| {});
        let shared = Arc::new(Shared::recover(
            self.folder.clone(),
            self.config.clone(),
            KEY,
            self.counters.clone(),
            quarantine,
        )?);
        let gave_up = Arc::clone(&self.gave_up_space);
        let give_up = move || {
            gave_up.fetch_add(1, Ordering::Relaxed);
        };
        let writer = Writer::new(Arc::clone(&shared), Box::new(give_up));
        Ok((shared, writer))
    }

    pub(super) fn entry(&mut self) -> Entry {
        self.written += 1;
        let bytes = self.random.random_range(8..1200_usize);
        let mut payload = vec![0; bytes];
        self.random.fill(&mut payload[..]);
        payload[..8].copy_from_slice(&self.written.to_le_bytes());
        if self.random.random_ratio(1, 4) {
            self.forge(&mut payload);
        }
        Entry::otlp(
            Tenant::default(),
            Signal::Logs,
            UnixNanos(self.written),
            payload.into(),
        )
    }

    /// Ends a payload with what looks like a frame to come, of another tenant.
    fn forge(&mut self, payload: &mut Vec<u8>) {
        let forged = Entry::otlp(
            Tenant::new("another").unwrap(),
            Signal::Logs,
            UnixNanos(1),
            Bytes::from_static(b"forged"),
        );
        let position = Position(self.written + self.random.random_range(0..8));
        frame::write(payload, Key(0), position, &forged);
    }

    /// Appends and trims until something fails or the steps are done.
    pub(super) fn live(&mut self, (shared, writer): &mut Open, steps: usize) {
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

    /// Notes that an entry was acknowledged at a position.
    pub(super) fn promise(&mut self, at: Position, entry: &Entry) {
        let tried = self.tried.entry(at).or_default();
        tried.push(entry.payload.clone());
        self.promised.insert(at, entry.payload.clone());
    }

    /// Everything promised and not trimmed is there, in order, once; what else is there
    /// was at least handed over.
    pub(super) fn check(&mut self, shared: &Arc<Shared<Folder>>) {
        let seed = self.seed;
        let mut reader = FileReader::new(Arc::clone(shared), self.trimmed);
        let found = read_all(&mut reader);
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
        self.promised.extend(found);
    }
}

/// Everything that a reader still finds.
pub(super) fn read_all(reader: &mut FileReader<Folder>) -> Vec<(Position, Bytes)> {
    let mut found = Vec::new();
    loop {
        let batch = reader.next_batch(5000, Duration::ZERO).unwrap();
        if batch.is_empty() {
            return found;
        }
        found.extend(batch.into_iter().map(|(at, entry)| (at, entry.payload)));
    }
}
