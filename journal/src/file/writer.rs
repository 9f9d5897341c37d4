//! Writes groups of entries: one write, one sync, then they are durable.

use super::frame;
use super::partition::{JournalFile, Shared, Spare, name_of};
use super::storage::{Storage, StoredFile};
use crate::AppendError;
use sonde_proto::{Entry, Position};
use std::io;
use std::sync::Arc;

/// The first file of a partition is small, each further one twice as large as the one
/// before, up to the configured size: an idle partition costs little.
const FIRST_FILE_BYTES: u64 = 4 << 20;

/// The one writer of a partition.
pub(super) struct Writer<S: Storage> {
    shared: Arc<Shared<S>>,
    active: Option<Active<S::File>>,
    next: Position,
    buffer: Vec<u8>,
    /// Called when the disk is full, to make room for those who seal and trim.
    disk_full: Box<dyn Fn() + Send>,
}

struct Active<F> {
    file: Arc<F>,
    len: u64,
    offset: u64,
}

impl<S: Storage> Writer<S> {
    /// A writer that goes on where the partition ends.
    pub(super) fn new(shared: Arc<Shared<S>>, disk_full: Box<dyn Fn() + Send>) -> Self {
        let index = shared.index.lock();
        let last = index.files.last();
        let active = last.map(|last| Active {
            file: Arc::clone(&last.file),
            len: last.len,
            offset: last.end,
        });
        let next = index.end;
        drop(index);
        Self {
            shared,
            active,
            next,
            buffer: Vec::new(),
            disk_full,
        }
    }

    /// Lets positions go on from `position` at least: consumers may have covered entries
    /// that were lost with the disk's last blocks, and must not take new ones for those.
    pub(super) fn skip_to(&mut self, position: Position) -> Result<(), AppendError> {
        if position > self.next {
            self.next = position;
            self.rotate(0)?;
            self.shared.index.lock().end = position;
        }
        Ok(())
    }

    /// The position of the next entry.
    #[cfg(test)]
    pub(super) fn next(&self) -> Position {
        self.next
    }

    /// Makes entries durable, in order, and returns the position of the first.
    ///
    /// # Errors
    /// [`AppendError`] when none of them may be acknowledged.
    pub(super) fn commit(&mut self, entries: &[Entry]) -> Result<Position, AppendError> {
        let first = self.next;
        self.buffer.clear();
        for (number, entry) in entries.iter().enumerate() {
            let position = Position(first.0 + number as u64);
            frame::write(&mut self.buffer, self.shared.key, position, entry);
        }
        let bytes = self.buffer.len() as u64;
        if self
            .active
            .as_ref()
            .is_none_or(|active| active.offset + bytes > active.len)
        {
            self.rotate(bytes)?;
        }
        let Some(active) = &mut self.active else {
            return Err(AppendError::Closed);
        };
        let written = active
            .file
            .write_at(&self.buffer, active.offset)
            .and_then(|()| active.file.sync());
        // Positions are used once, whether or not the disk has kept what stood at them.
        self.next = Position(first.0 + entries.len() as u64);
        if let Err(error) = written {
            self.active = None;
            return Err(self.refused("write", &error));
        }
        active.offset += bytes;
        let offset = active.offset;
        self.publish(offset);
        self.shared.counters.synced(entries.len(), bytes);
        Ok(first)
    }

    fn publish(&self, offset: u64) {
        let mut index = self.shared.index.lock();
        if let Some(last) = index.files.last_mut() {
            last.end = offset;
        }
        index.end = self.next;
        drop(index);
        self.shared.grown.notify_all();
    }

    /// Makes a new file the active one, with room for `bytes`.
    fn rotate(&mut self, bytes: u64) -> Result<(), AppendError> {
        self.active = None;
        let name = name_of(self.next);
        let (spare, wanted) = self.plan(bytes, &name)?;
        let made = match spare {
            Some(spare) => self
                .shared
                .storage
                .rename(&spare, &name)
                .and_then(|()| self.shared.storage.open(&name)),
            None => self.shared.storage.create(&name, wanted),
        };
        let made = made.and_then(|file| self.shared.storage.sync_folder().map(|()| file));
        let made = made.and_then(|file| file.len().map(|len| (Arc::new(file), len)));
        let (file, len) = made.map_err(|error| self.refused("create", &error))?;
        let mut index = self.shared.index.lock();
        let opened = JournalFile {
            first: self.next,
            name,
            file: Arc::clone(&file),
            len,
            end: 0,
        };
        index.files.retain(|old| old.first != opened.first);
        index.files.push(opened);
        self.active = Some(Active {
            file,
            len,
            offset: 0,
        });
        Ok(())
    }

    /// Which spare to use, or how large a file to create.
    fn plan(&self, bytes: u64, name: &str) -> Result<(Option<String>, u64), AppendError> {
        let mut index = self.shared.index.lock();
        let exists = index.files.iter().any(|file| file.name == name);
        if !exists && let Some(at) = index.spares.iter().position(|spare| spare.len >= bytes) {
            return Ok((Some(index.spares.remove(at).name), 0));
        }
        let config = &self.shared.config;
        let grown = index
            .files
            .last()
            .map_or(FIRST_FILE_BYTES, |last| last.len * 2);
        let wanted = grown.min(config.file_bytes).max(bytes);
        if index.bytes() + wanted > config.bytes_max {
            self.drop_spares(&mut index.spares);
        }
        let taken = index.bytes();
        // The last file is trimmed only when there is one behind it: were it not for this
        // exception, a journal whose every entry is covered could be full forever.
        let idle = index.files.len() <= 1 && index.trimmed >= index.end;
        if taken + wanted > config.bytes_max && !idle {
            let reason = format!(
                "{taken} of {} bytes are taken (journal.bytes_max)",
                config.bytes_max
            );
            return Err(AppendError::Full { reason });
        }
        Ok((None, wanted))
    }

    /// Gives back the space of spares, none of which is large enough.
    fn drop_spares(&self, spares: &mut Vec<Spare>) {
        spares.retain(|spare| {
            let removed = self.shared.storage.remove(&spare.name);
            if let Err(error) = &removed {
                tracing::warn!(
                    "cannot remove the spare journal file {}: {error}",
                    spare.name
                );
            }
            removed.is_err()
        });
    }

    fn refused(&self, what: &str, error: &io::Error) -> AppendError {
        self.shared.counters.write_errors.inc();
        if error.kind() == io::ErrorKind::StorageFull
            || error.kind() == io::ErrorKind::QuotaExceeded
        {
            (self.disk_full)();
            return AppendError::Full {
                reason: format!("the disk is full: {error}"),
            };
        }
        AppendError::Io {
            reason: format!("cannot {what} a file: {error}"),
        }
    }
}
