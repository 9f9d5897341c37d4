//! The files of one partition: found again at a start, shared by writer and readers.

use super::FileConfig;
use super::frame::Key;
use super::scan::Scan;
use super::storage::{Storage, StoredFile};
use super::telemetry::Counters;
use parking_lot::{Condvar, Mutex};
use sonde_proto::Position;
use std::collections::BTreeSet;
use std::io;
use std::sync::Arc;

const EXTENSION: &str = ".journal";
const SPARE: &str = "spare-";
const SPARES_MAX: usize = 2;
const SCAN_BYTES: usize = 1 << 20;

/// Keeps a copy of a damaged piece: file, offset, bytes.
pub(super) type Quarantine = dyn Fn(&str, u64, &[u8]) + Send + Sync;

/// What writer and readers of a partition share.
pub(super) struct Shared<S: Storage> {
    pub(super) storage: S,
    pub(super) config: FileConfig,
    pub(super) key: Key,
    pub(super) counters: Counters,
    pub(super) index: Mutex<Index<S::File>>,
    /// Told whenever the durable end has moved, and at the close.
    pub(super) grown: Condvar,
    pub(super) quarantine: Box<Quarantine>,
    /// The damaged pieces that were counted, by file and offset, so that nobody counts one
    /// again.
    known_damage: Mutex<BTreeSet<(String, u64)>>,
}

/// The files of a partition, by first position. The last one is written to.
pub(super) struct Index<F> {
    pub(super) files: Vec<JournalFile<F>>,
    pub(super) spares: Vec<Spare>,
    /// The position after the last durable entry.
    pub(super) end: Position,
    /// Entries before this position are wanted no more, as far as was said since the start.
    pub(super) trimmed: Position,
    pub(super) closed: bool,
}

/// One file with frames.
pub(super) struct JournalFile<F> {
    pub(super) first: Position,
    pub(super) name: String,
    pub(super) file: Arc<F>,
    /// Its length, written or not.
    pub(super) len: u64,
    /// The end of its durable frames, or its length where that was not looked for.
    pub(super) end: u64,
}

/// A trimmed file that is ready for use.
pub(super) struct Spare {
    pub(super) name: String,
    pub(super) len: u64,
}

/// A damaged piece of a file.
pub(super) struct Damage {
    pub(super) from: u64,
    pub(super) to: u64,
}

impl<S: Storage> Shared<S> {
    /// Finds the files of a partition and the end of what is durable in them.
    pub(super) fn recover(
        storage: S,
        config: FileConfig,
        key: Key,
        counters: Counters,
        quarantine: Box<Quarantine>,
    ) -> io::Result<Self> {
        let index = Index {
            files: Vec::new(),
            spares: Vec::new(),
            end: Position::START,
            trimmed: Position::START,
            closed: false,
        };
        let shared = Self {
            storage,
            config,
            key,
            counters,
            index: Mutex::new(index),
            grown: Condvar::new(),
            quarantine,
            known_damage: Mutex::default(),
        };
        // A killed process may have named files without a sync; from now on they are used.
        shared.storage.sync_folder()?;
        shared.find_files()?;
        shared.find_end()?;
        Ok(shared)
    }

    fn find_files(&self) -> io::Result<()> {
        let mut index = self.index.lock();
        for name in self.storage.list()? {
            if let Some(first) = first_of(&name) {
                let file = self.storage.open(&name)?;
                let len = file.len()?;
                index.files.push(JournalFile {
                    first,
                    name,
                    file: Arc::new(file),
                    len,
                    end: len,
                });
            } else if name.starts_with(SPARE) {
                let len = self.storage.open(&name)?.len()?;
                index.spares.push(Spare { name, len });
            }
        }
        index.files.sort_by_key(|file| file.first);
        Ok(())
    }

    /// Reads the last file to its end: a torn tail is cut, damage before it quarantined.
    fn find_end(&self) -> io::Result<()> {
        let mut index = self.index.lock();
        let Some(last) = index.files.last_mut() else {
            return Ok(());
        };
        let scan = Scan {
            file: &*last.file,
            limit: last.len,
            key: self.key,
        };
        let (mut offset, mut next) = (0, last.first);
        loop {
            let run = scan.run(offset, next, SCAN_BYTES)?;
            offset = run.end;
            if let Some(frame) = run.frames.last() {
                next = frame.position.next();
            }
            if run.nothing_follows {
                let Some(behind) = scan.frame_behind(offset, next)? else {
                    break;
                };
                self.damaged(
                    &last.name,
                    &*last.file,
                    &Damage {
                        from: offset,
                        to: behind,
                    },
                )?;
                offset = behind;
            }
        }
        // A killed process may have written these without a sync; from now on they count.
        last.file.sync()?;
        last.end = offset;
        index.end = next;
        Ok(())
    }

    /// Counts damage and keeps a copy of it.
    pub(super) fn damaged(&self, name: &str, file: &S::File, damage: &Damage) -> io::Result<()> {
        const COPY_BYTES_MAX: u64 = 64 << 20;
        let piece = (name.to_owned(), damage.from);
        if !self.known_damage.lock().insert(piece) {
            return Ok(());
        }
        let bytes = (damage.to - damage.from).min(COPY_BYTES_MAX);
        let mut copy = vec![0; usize::try_from(bytes).unwrap_or(0)];
        let filled = file.read_at(&mut copy, damage.from)?;
        copy.truncate(filled);
        tracing::error!(
            "the journal file {name} is damaged from byte {} to {}: the entries there are skipped, a copy is in quarantine",
            damage.from,
            damage.to
        );
        self.counters.quarantined.inc();
        (self.quarantine)(name, damage.from, &copy);
        Ok(())
    }

    /// The position of the first entry kept.
    pub(super) fn first(&self) -> Position {
        let index = self.index.lock();
        index.files.first().map_or(index.end, |file| file.first)
    }

    /// The position after the last durable entry.
    pub(super) fn end(&self) -> Position {
        self.index.lock().end
    }

    /// Takes files out of use whose entries are all before a position.
    ///
    /// # Errors
    /// The name of the file that could not be renamed or removed, and why.
    pub(super) fn trim(&self, before: Position) -> Result<(), (String, io::Error)> {
        {
            let mut index = self.index.lock();
            index.trimmed = index.trimmed.max(before);
        }
        loop {
            let mut index = self.index.lock();
            let whole = matches!(&index.files[..], [_, second, ..] if second.first <= before);
            if !whole {
                return Ok(());
            }
            let file = index.files.remove(0);
            if let Err(error) = self.retire(&mut index.spares, &file) {
                let name = file.name.clone();
                index.files.insert(0, file);
                return Err((name, error));
            }
        }
    }

    fn retire(&self, spares: &mut Vec<Spare>, file: &JournalFile<S::File>) -> io::Result<()> {
        let mut known = self.known_damage.lock();
        known.retain(|(name, _)| *name != file.name);
        drop(known);
        if spares.len() >= SPARES_MAX || file.len < self.config.file_bytes {
            return self.storage.remove(&file.name);
        }
        let name = format!("{SPARE}{:020}", file.first.0);
        self.storage.rename(&file.name, &name)?;
        spares.push(Spare {
            name,
            len: file.len,
        });
        Ok(())
    }

    /// Ends reading and appending.
    pub(super) fn close(&self) {
        self.index.lock().closed = true;
        self.grown.notify_all();
    }
}

impl<F> Index<F> {
    /// The space that the partition takes, in bytes.
    pub(super) fn bytes(&self) -> u64 {
        let files = self.files.iter().map(|file| file.len);
        files.chain(self.spares.iter().map(|spare| spare.len)).sum()
    }
}

/// The name of the file whose first entry has a position.
pub(super) fn name_of(first: Position) -> String {
    format!("{:020}{EXTENSION}", first.0)
}

fn first_of(name: &str) -> Option<Position> {
    let digits = name.strip_suffix(EXTENSION)?;
    (digits.len() == 20).then(|| digits.parse().ok().map(Position))?
}
