//! The journal's directory: its lock, its format and key, the reserve, the quarantine.
//!
//! ```text
//! sonde journal 2 1f0c83a95be7d240
//! └── format ───┘ └── key, hex ──┘     <dir>/format, one line
//! ```
//!
//! The line is durable before the first entry is appended, and never changes.

use super::OpenError;
use super::frame::Key;
use super::storage::{Disk, Storage as _, sync_folder};
use std::fs::{File, TryLockError};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// The format of the files, as `<dir>/format` names it.
pub(super) const FORMAT: &str = "sonde journal 2";
/// How much may lie in quarantine; what is damaged beyond it is counted and not copied.
const QUARANTINE_BYTES_MAX: u64 = 256 << 20;

/// Creates a directory and those above it, so that they survive a power cut.
pub(super) fn create(dir: &Path) -> Result<(), OpenError> {
    let missing: Vec<_> = dir.ancestors().take_while(|path| !path.exists()).collect();
    std::fs::create_dir_all(dir).map_err(failed(dir))?;
    for created in missing {
        let parent = parent(created);
        sync_folder(parent).map_err(failed(parent))?;
    }
    // A process that was killed here may have left the last one unsynced. A parent that
    // cannot be opened was made by somebody else.
    let _ = sync_folder(parent(dir));
    Ok(())
}

fn parent(path: &Path) -> &Path {
    match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    }
}

fn failed(path: &Path) -> impl Fn(io::Error) -> OpenError + use<> {
    let path = path.to_owned();
    move |source| OpenError::Io {
        path: path.clone(),
        source,
    }
}

/// Keeps other processes out for as long as the file is open.
pub(super) fn lock(dir: &Path) -> Result<File, OpenError> {
    let path = dir.join("lock");
    let file = File::options()
        .create(true)
        .truncate(false)
        .write(true)
        .open(&path)
        .map_err(failed(&path))?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => Err(OpenError::InUse { dir: dir.into() }),
        Err(TryLockError::Error(source)) => Err(failed(&path)(source)),
    }
}

/// The key of the journal's frames; a new journal gets one.
pub(super) fn key(dir: &Path) -> Result<Key, OpenError> {
    let path = dir.join("format");
    let found = match std::fs::read(&path) {
        Ok(found) => found,
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            if has_entries(dir).map_err(failed(dir))? {
                return Err(OpenError::FormatMissing { dir: dir.into() });
            }
            let key = Key(rand::random());
            write_format(dir, key).map_err(failed(&path))?;
            return Ok(key);
        }
        Err(error) => return Err(failed(&path)(error)),
    };
    let found = String::from_utf8_lossy(&found);
    if let Some(key) = parse(&found) {
        return Ok(key);
    }
    // What names this version, or none, is not another version's but damaged.
    let other = found.starts_with("sonde journal ") && !found.starts_with(FORMAT);
    Err(if other {
        OpenError::Format {
            dir: dir.into(),
            found: found.trim_end().chars().take(80).collect(),
        }
    } else {
        OpenError::FormatMissing { dir: dir.into() }
    })
}

fn parse(line: &str) -> Option<Key> {
    let key = line.strip_prefix(FORMAT)?.trim();
    (key.len() == 16).then(|| u64::from_str_radix(key, 16).ok().map(Key))?
}

fn has_entries(dir: &Path) -> io::Result<bool> {
    for folder in std::fs::read_dir(dir)? {
        let folder = folder?.path();
        if !folder.is_dir() {
            continue;
        }
        for file in std::fs::read_dir(folder)? {
            if file?.path().extension().is_some_and(|is| is == "journal") {
                return Ok(true);
            }
        }
    }
    Ok(false)
}

/// Whole or not at all: a half-written line would be another key.
fn write_format(dir: &Path, key: Key) -> io::Result<()> {
    let new = dir.join("format.new");
    let mut file = File::create(&new)?;
    writeln!(file, "{FORMAT} {:016x}", key.0)?;
    file.sync_all()?;
    std::fs::rename(&new, dir.join("format"))?;
    sync_folder(dir)
}

/// Keeps copies of damaged pieces in `<dir>/quarantine`, as far as the disk allows.
pub(super) struct Quarantine {
    dir: PathBuf,
    bytes: AtomicU64,
}

impl Quarantine {
    /// The quarantine of a journal, with what lies in it from before.
    pub(super) fn new(dir: &Path) -> Arc<Self> {
        let dir = dir.join("quarantine");
        let kept = std::fs::read_dir(&dir).into_iter().flatten().flatten();
        let bytes = kept.filter_map(|file| Some(file.metadata().ok()?.len()));
        Arc::new(Self {
            bytes: bytes.sum::<u64>().into(),
            dir,
        })
    }

    /// What keeps a partition's pieces: file, offset, bytes.
    pub(super) fn of(self: &Arc<Self>, partition: String) -> Box<super::partition::Quarantine> {
        let own = Arc::clone(self);
        Box::new(move |file, offset, bytes| {
            own.keep(&format!("{partition}-{file}-{offset}"), bytes);
        })
    }

    fn keep(&self, name: &str, piece: &[u8]) {
        let path = self.dir.join(name);
        if path.exists() {
            // It was found at an earlier start, or by another reader.
            return;
        }
        let bytes = piece.len() as u64;
        if self.bytes.fetch_add(bytes, Ordering::Relaxed) + bytes > QUARANTINE_BYTES_MAX {
            self.bytes.fetch_sub(bytes, Ordering::Relaxed);
            tracing::error!(
                "no copy of a damaged piece is kept, {} is full: look at what is there and remove it",
                self.dir.display()
            );
            return;
        }
        let kept = std::fs::create_dir_all(&self.dir).and_then(|()| std::fs::write(&path, piece));
        if let Err(error) = kept {
            tracing::error!(
                "cannot keep a copy of a damaged piece in {}: {error}",
                path.display()
            );
        }
    }
}

/// Space that is given back when the disk is full.
pub(super) struct Reserve {
    file: PathBuf,
    bytes: u64,
}

impl Reserve {
    /// The reserve of the journal in `dir`.
    pub(super) fn new(dir: &Path, bytes: u64) -> Self {
        Self {
            file: dir.join("reserve"),
            bytes,
        }
    }

    /// Takes the space. A disk without that much room leaves the journal without a reserve.
    pub(super) fn take(&self) {
        let there = std::fs::metadata(&self.file).is_ok_and(|meta| meta.len() >= self.bytes);
        let (Some(dir), Some(name)) = (self.file.parent(), self.file.file_name()) else {
            return;
        };
        if there || self.bytes == 0 {
            return;
        }
        let taken =
            Disk::open(dir).and_then(|disk| disk.create(&name.to_string_lossy(), self.bytes));
        if let Err(error) = taken {
            tracing::warn!(
                "cannot set space aside in {}: {error}; free some disk space",
                self.file.display()
            );
        }
    }

    /// What gives the space back.
    pub(super) fn giver(&self) -> Box<dyn Fn() + Send> {
        let file = self.file.clone();
        Box::new(move || {
            if std::fs::remove_file(&file).is_ok() {
                tracing::error!(
                    "the disk is full: the reserve in {} is given up so that stores can seal",
                    file.display()
                );
            }
        })
    }
}

#[cfg(test)]
mod tests;
