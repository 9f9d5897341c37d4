//! How far each file is read and acknowledged, kept over restarts.
//!
//! A cursor moves only when the collector has acknowledged everything before it. The file
//! is replaced as a whole (temporary file, sync, rename, sync of the directory), so it is
//! always some earlier or the newest state; reading again from an earlier one is harmless
//! because records carry the same `log.record.uid` again.

use super::cri::STREAMS;
use super::disk::FileKey;
use super::identity::{Identity, Known, Print};
use serde::{Deserialize, Serialize};
use sonde_proto::UnixNanos;
use std::collections::{BTreeMap, HashMap};
use std::path::{Path, PathBuf};

/// What is known about one generation of a file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Entry {
    pub(crate) identity: Identity,
    pub(crate) known: Known,
    /// The path it was followed by, before any rotation.
    pub(crate) base: PathBuf,
    pub(crate) at: At,
    /// Size and change time when it was read to its end for good.
    pub(crate) finished: Option<(u64, u64)>,
    /// When discovery saw it last.
    pub(crate) seen: UnixNanos,
}

/// How far a file is read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct At {
    /// Where reading goes on: the oldest line whose record is not acknowledged.
    pub(crate) resume: u64,
    /// Where reading had come to, at or after `resume`.
    pub(crate) read: u64,
    /// The bytes just before `read`, to see whether the file is still the same.
    pub(crate) before: Print,
    /// Whether `resume` is inside a line whose beginning was cut off and sent.
    pub(crate) in_cut_line: bool,
    /// The offset of the last line of the last acknowledged record of each stream: what is
    /// read again up to there was sent.
    pub(crate) sent: [Option<u64>; STREAMS],
}

/// What the acknowledgement of a batch proves about one file.
#[derive(Clone, Debug)]
pub(crate) struct Progress {
    pub(crate) identity: Identity,
    pub(crate) at: At,
    pub(crate) finished: Option<(u64, u64)>,
}

/// A path that is or was followed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Base {
    /// Rotated siblings that changed after this time were written under our eyes.
    pub(crate) since: u64,
    pub(crate) seen: UnixNanos,
}

/// The cursors, as they are written.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Saved {
    version: u32,
    /// When the patterns were resolved last.
    scanned: Option<UnixNanos>,
    files: Vec<Entry>,
    bases: BTreeMap<PathBuf, Base>,
}

/// The format that this agent writes.
const VERSION: u32 = 1;

/// All cursors.
#[derive(Debug, Default)]
pub(crate) struct Ledger {
    entries: HashMap<Identity, Entry>,
    /// The newest generation of each file.
    newest: HashMap<FileKey, Identity>,
    pub(crate) bases: BTreeMap<PathBuf, Base>,
    pub(crate) scanned: Option<UnixNanos>,
    dirty: bool,
    urgent: bool,
}

impl Ledger {
    pub(crate) fn restore(saved: Saved) -> Self {
        let mut ledger = Self {
            bases: saved.bases,
            scanned: saved.scanned,
            ..Self::default()
        };
        saved
            .files
            .into_iter()
            .for_each(|entry| ledger.index(entry));
        ledger
    }

    /// What would be saved now.
    pub(crate) fn to_saved(&self) -> Saved {
        let mut files: Vec<_> = self.entries.values().cloned().collect();
        files.sort_by_key(|entry| entry.identity);
        Saved {
            version: VERSION,
            scanned: self.scanned,
            files,
            bases: self.bases.clone(),
        }
    }

    fn index(&mut self, entry: Entry) {
        let (key, identity) = (entry.known.key, entry.identity);
        let newest = self
            .newest
            .get(&key)
            .and_then(|other| self.entries.get(other));
        if newest.is_none_or(|newest| newest.known.generation <= entry.known.generation) {
            self.newest.insert(key, identity);
        }
        self.entries.insert(identity, entry);
    }

    /// Adds a generation of a file. It is durable before a record carries it: what takes the
    /// file's place while the agent is down may look the same, and must get another.
    pub(crate) fn add(&mut self, entry: Entry) {
        self.dirty = true;
        self.urgent = true;
        self.index(entry);
    }

    /// Notes a path that is followed. A new one is durable before anything of it is sent: its
    /// rotated files are recognised by it after a crash.
    pub(crate) fn follow_base(&mut self, path: &Path, since: u64, now: UnixNanos) {
        if let Some(base) = self.bases.get_mut(path) {
            base.seen = now;
        } else {
            self.bases
                .insert(path.to_path_buf(), Base { since, seen: now });
            self.dirty = true;
            self.urgent = true;
        }
    }

    pub(crate) fn get(&self, identity: Identity) -> Option<&Entry> {
        self.entries.get(&identity)
    }

    /// The newest generation of the file at `key`.
    pub(crate) fn newest(&self, key: FileKey) -> Option<&Entry> {
        self.newest
            .get(&key)
            .and_then(|identity| self.entries.get(identity))
    }

    /// Generations that were cut short by a truncation and not given up yet.
    pub(crate) fn cut_short(&self) -> Vec<Entry> {
        let old =
            |e: &&Entry| e.finished.is_none() && self.newest.get(&e.known.key) != Some(&e.identity);
        let mut entries: Vec<_> = self.entries.values().filter(old).cloned().collect();
        entries.sort_by_key(|entry| entry.identity);
        entries
    }

    /// Files followed as `base` that began with `head`.
    pub(crate) fn with_head(&self, base: &Path, head: Print) -> Vec<Entry> {
        let same = |e: &&Entry| e.base == base && e.known.head == head;
        let mut entries: Vec<_> = self.entries.values().filter(same).cloned().collect();
        entries.sort_by_key(|entry| entry.identity);
        entries
    }

    /// The file is found at another place: its content was copied there.
    pub(crate) fn moved(&mut self, identity: Identity, key: FileKey, born: u64) {
        if let Some(mut entry) = self.entries.remove(&identity) {
            if self.newest.get(&entry.known.key) == Some(&identity) {
                self.newest.remove(&entry.known.key);
            }
            (entry.known.key, entry.known.born) = (key, born);
            // What its inode held before is older.
            let older = self.newest(key).map(|other| other.known.generation);
            entry.known.generation = older.map_or(entry.known.generation, |older| {
                entry.known.generation.max(older + 1)
            });
            entry.finished = None;
            self.dirty = true;
            self.index(entry);
        }
    }

    /// Takes over what an acknowledgement proves. A generation that was truncated away and
    /// ended stays until it is forgotten: its identity must not be given again.
    pub(crate) fn apply(&mut self, progress: &Progress) {
        if let Some(entry) = self.entries.get_mut(&progress.identity) {
            entry.at = progress.at;
            entry.finished = progress.finished;
            self.dirty = true;
        }
    }

    /// Notes that discovery saw a file.
    pub(crate) fn saw(&mut self, key: FileKey, now: UnixNanos) {
        if let Some(entry) = self
            .newest
            .get(&key)
            .and_then(|identity| self.entries.get_mut(identity))
        {
            entry.seen = now;
        }
    }

    /// Forgets what discovery has not seen since `before`.
    pub(crate) fn forget(&mut self, before: UnixNanos, still_followed: impl Fn(Identity) -> bool) {
        let count = self.entries.len();
        self.entries
            .retain(|identity, entry| entry.seen >= before || still_followed(*identity));
        self.bases.retain(|_, base| base.seen >= before);
        if self.entries.len() != count {
            let entries = &self.entries;
            self.newest
                .retain(|_, identity| entries.contains_key(identity));
            self.dirty = true;
        }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.entries.is_empty() && self.bases.is_empty()
    }

    /// Whether there is anything new to save.
    pub(crate) fn is_dirty(&self) -> bool {
        self.dirty
    }

    /// Whether it must be saved before anything is sent.
    pub(crate) fn is_urgent(&self) -> bool {
        self.urgent
    }

    /// Says that the present state is durable.
    pub(crate) fn saved(&mut self) {
        self.dirty = false;
        self.urgent = false;
    }
}

/// The file that keeps the cursors.
#[derive(Debug)]
pub(crate) struct CursorFile {
    path: PathBuf,
}

impl CursorFile {
    pub(crate) fn new(dir: &Path) -> Self {
        Self {
            path: dir.join("cursors.json"),
        }
    }

    /// Reads the cursors; none where there is no file. A damaged file is moved aside: the
    /// agent then reads again what it finds, which the collector recognises.
    ///
    /// # Errors
    /// The path and what the system said, when the file cannot be read at all.
    pub(crate) fn load(&self) -> std::io::Result<Saved> {
        let text = match std::fs::read(&self.path) {
            Ok(text) => text,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                return Ok(Saved::default());
            }
            Err(error) => return Err(error),
        };
        match serde_json::from_slice::<Saved>(&text) {
            Ok(saved) if saved.version <= VERSION => Ok(saved),
            Ok(saved) => {
                let reason = format!("version {} is newer than this agent", saved.version);
                self.set_aside(&reason).map(|()| Saved::default())
            }
            Err(error) => self
                .set_aside(&error.to_string())
                .map(|()| Saved::default()),
        }
    }

    fn set_aside(&self, reason: &str) -> std::io::Result<()> {
        let aside = self.path.with_extension("json.damaged");
        tracing::error!(
            path = %self.path.display(), aside = %aside.display(), reason,
            "the cursors cannot be used and were moved aside; log files are read from their beginning"
        );
        std::fs::rename(&self.path, &aside)
    }

    /// Replaces the file. When it returns, the cursors survive a power loss.
    ///
    /// # Errors
    /// What the system said.
    pub(crate) fn save(&self, saved: &Saved) -> std::io::Result<()> {
        use std::io::Write as _;
        let temporary = self.path.with_extension("json.new");
        let mut file = std::fs::File::create(&temporary)?;
        file.write_all(&serde_json::to_vec(saved)?)?;
        file.sync_all()?;
        std::fs::rename(&temporary, &self.path)?;
        match self.path.parent() {
            Some(dir) => std::fs::File::open(dir)?.sync_all(),
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests;
