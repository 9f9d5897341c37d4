//! The log's file: opened, appended to, rewritten.

use super::frame;
use crate::record::Record;
use std::fs::{File, OpenOptions, TryLockError};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

/// The log, locked by this process.
#[derive(Debug)]
pub(crate) struct Log {
    dir: PathBuf,
    file: File,
    bytes: u64,
    bytes_rewritten: u64,
    is_suspect: bool,
    _lock: Lock,
}

/// The lock on the directory. It is let go, and not only closed: a program that this one is just
/// starting holds for a moment what was open here.
#[derive(Debug)]
struct Lock(File);

impl Drop for Lock {
    fn drop(&mut self) {
        // Closed, it is let go as well, if perhaps later.
        let _ = self.0.unlock();
    }
}

/// What was found when the log was opened.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Recovery {
    /// Damaged stretches that were skipped.
    pub damaged: u64,
    /// Bytes of a torn write that were cut off.
    pub torn_bytes: u64,
}

/// Why the log could not be opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// Another process writes it.
    #[error("alerts directory {} is in use by another process; stop that one, or configure another directory", .0.display())]
    Locked(PathBuf),
    /// The operating system refused.
    #[error("open alerts log {}: {error}; check that the directory exists, is writable and has space", path.display())]
    Io {
        /// Which file.
        path: PathBuf,
        /// What it said.
        error: io::Error,
    },
    /// It is not ours.
    #[error("{} is no alerts log of this version; move it aside to start without it", .0.display())]
    Foreign(PathBuf),
}

impl Log {
    /// Opens the log in a directory, which is created if it is missing, and reads it.
    ///
    /// # Errors
    /// [`OpenError`] when the directory is in use, cannot be read or written, or holds
    /// something else under the log's name. Damage is no error.
    pub(crate) fn open(dir: &Path) -> Result<(Self, Vec<Record>, Recovery), OpenError> {
        let at = |path: PathBuf| move |error: io::Error| OpenError::Io { path, error };
        std::fs::create_dir_all(dir).map_err(at(dir.to_owned()))?;
        let lock = lock(dir)?;
        let path = dir.join("alerts.log");
        let options = || {
            OpenOptions::new()
                .read(true)
                .write(true)
                .create(true)
                .truncate(false)
                .open(&path)
        };
        let mut file = options().map_err(at(path.clone()))?;
        let mut bytes = Vec::new();
        file.read_to_end(&mut bytes).map_err(at(path.clone()))?;
        if !bytes.starts_with(frame::HEADER) && !frame::HEADER.starts_with(&bytes) {
            return Err(OpenError::Foreign(path));
        }
        if bytes.len() < frame::HEADER.len() {
            bytes = frame::HEADER.to_vec();
            begin(&mut file)
                .and_then(|()| sync_dir(dir))
                .map_err(at(path.clone()))?;
        }
        let (records, recovery, end) = recover(&bytes);
        let mut log = Self {
            dir: dir.to_owned(),
            file,
            bytes: end,
            bytes_rewritten: 0,
            is_suspect: false,
            _lock: lock,
        };
        if recovery.torn_bytes > 0 {
            log.file
                .set_len(end)
                .and_then(|()| log.file.sync_all())
                .map_err(at(path.clone()))?;
        }
        log.file.seek(SeekFrom::Start(end)).map_err(at(path))?;
        Ok((log, records, recovery))
    }

    /// Appends records; they are durable when this returns.
    ///
    /// # Errors
    /// What the operating system said. Then none of the records counts, and the log must be
    /// [rewritten](Self::rewrite) before it takes others: after a failed sync nobody knows
    /// what the disk holds.
    pub(crate) fn append(&mut self, records: &[Record]) -> io::Result<()> {
        if self.is_suspect {
            return Err(io::Error::other(
                "an earlier write failed and the log has not been rewritten since",
            ));
        }
        let bytes = encode(records)?;
        self.is_suspect = true;
        self.file.write_all(&bytes)?;
        self.file.sync_data()?;
        self.is_suspect = false;
        self.bytes += bytes.len() as u64;
        Ok(())
    }

    /// Whether an earlier write failed, so that it must be rewritten.
    #[must_use]
    pub(crate) fn is_suspect(&self) -> bool {
        self.is_suspect
    }

    /// How large it is.
    #[must_use]
    pub(crate) fn bytes(&self) -> u64 {
        self.bytes
    }

    /// Whether the log is to be rewritten: after a failed write, and when it is larger than
    /// `bytes_min` and than four times what was last rewritten.
    #[must_use]
    pub(crate) fn wants_rewrite(&self, bytes_min: u64) -> bool {
        self.is_suspect || self.bytes > bytes_min.max(self.bytes_rewritten.saturating_mul(4))
    }

    /// Makes appending fail, as a disk may.
    #[cfg(test)]
    pub(crate) fn lose(&mut self) {
        self.file = File::open(self.dir.join("alerts.log")).expect("it is there");
    }

    /// Replaces the log with these records, all or nothing.
    ///
    /// # Errors
    /// What the operating system said. The old log or the whole new one is in place then,
    /// and the log must be rewritten before it takes other records.
    pub(crate) fn rewrite(&mut self, records: &[Record]) -> io::Result<()> {
        let new = self.dir.join("alerts.log.new");
        let mut bytes = frame::HEADER.to_vec();
        bytes.append(&mut encode(records)?);
        let mut file = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(true)
            .open(&new)?;
        file.write_all(&bytes)?;
        file.sync_all()?;
        self.is_suspect = true;
        std::fs::rename(&new, self.dir.join("alerts.log"))?;
        sync_dir(&self.dir)?;
        self.file = file;
        self.bytes = bytes.len() as u64;
        self.bytes_rewritten = self.bytes;
        self.is_suspect = false;
        Ok(())
    }
}

fn lock(dir: &Path) -> Result<Lock, OpenError> {
    let path = dir.join("alerts.lock");
    let options = || {
        OpenOptions::new()
            .write(true)
            .create(true)
            .truncate(false)
            .open(&path)
    };
    let file = options().map_err(|error| OpenError::Io {
        path: path.clone(),
        error,
    })?;
    match file.try_lock() {
        Ok(()) => Ok(Lock(file)),
        Err(TryLockError::WouldBlock) => Err(OpenError::Locked(dir.to_owned())),
        Err(TryLockError::Error(error)) => Err(OpenError::Io { path, error }),
    }
}

fn begin(file: &mut File) -> io::Result<()> {
    file.set_len(0)?;
    file.rewind()?;
    file.write_all(frame::HEADER)?;
    file.sync_all()
}

fn sync_dir(dir: &Path) -> io::Result<()> {
    File::open(dir)?.sync_all()
}

fn recover(bytes: &[u8]) -> (Vec<Record>, Recovery, u64) {
    let scan = frame::scan(bytes);
    let records: Vec<Record> = scan
        .records
        .iter()
        .filter_map(|record| serde_json::from_slice(record).ok())
        .collect();
    let unreadable = (scan.records.len() - records.len()) as u64;
    let torn_bytes = (bytes.len() - scan.end) as u64;
    (
        records,
        Recovery {
            damaged: scan.damaged + unreadable,
            torn_bytes,
        },
        scan.end as u64,
    )
}

fn encode(records: &[Record]) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    for record in records {
        frame::write(&serde_json::to_vec(record)?, &mut bytes);
    }
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_directory_is_free_again_though_a_program_that_is_being_started_still_holds_its_lock() {
        let dir = tempfile::tempdir().unwrap();
        let first = lock(dir.path()).unwrap();
        let inherited = first.0.try_clone().unwrap();
        assert!(matches!(lock(dir.path()), Err(OpenError::Locked(_))));
        drop(first);
        assert!(lock(dir.path()).is_ok());
        drop(inherited);
    }
}
