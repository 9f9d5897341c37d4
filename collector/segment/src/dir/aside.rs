//! Damaged segments, moved aside: never deleted, for what is damaged in one byte may be whole
//! in all others, and a person may want it back.
//!
//! A segment is moved before the manifest that lists it no more comes into force. A crash
//! between the two leaves one that is listed and missing, which the next open tolerates; the
//! other way round it would leave one that nobody lists, which the next open deletes.

use super::files::{bytes_of, children, read_all, sync_dir};
use super::{SegmentDir, SwapError, swap_error};
use crate::Manifest;
use sonde_proto::Tenant;
use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::Ordering;

pub(super) const QUARANTINE: &str = "quarantine";

/// What lies in quarantine. Nothing deletes it but a person.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Aside {
    /// How many segments.
    pub segments: u64,
    /// Their bytes on disk.
    pub bytes: u64,
}

/// The steps of moving a segment aside, in order; a test crashes after each of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Moved {
    Renamed,
    Synced,
    Unlisted,
}

impl SegmentDir {
    /// Moves a damaged segment aside, and puts the rest of the manifest in force. The rest
    /// goes on being served.
    ///
    /// # Errors
    /// [`SwapError`] when the segment could not be moved or the manifest not swapped; the
    /// segment is then listed still, and the next attempt goes on from there.
    pub fn quarantine(
        &self,
        manifest: &mut Manifest,
        id: u64,
        reason: &str,
    ) -> Result<(), SwapError> {
        self.quarantine_in_steps(manifest, id, reason, |_| ())
    }

    pub(super) fn quarantine_in_steps(
        &self,
        manifest: &mut Manifest,
        id: u64,
        reason: &str,
        mut done: impl FnMut(Moved),
    ) -> Result<(), SwapError> {
        let Some(at) = manifest.segments.iter().position(|s| s.id == id) else {
            return Ok(());
        };
        let from = self.path(&manifest.segments[at].tenant, id);
        let to = self.move_aside(&from, reason)?;
        done(Moved::Renamed);
        let synced = self.sync_both(&from);
        if synced.is_ok() {
            done(Moved::Synced);
        }
        let meta = manifest.segments.remove(at);
        if let Err(error) = synced.and_then(|()| self.swap(manifest)) {
            manifest.segments.insert(at, meta);
            if let (Some(to), false) = (&to, error.may_be_in_force()) {
                self.move_back(to, &from);
            }
            return Err(error);
        }
        done(Moved::Unlisted);
        self.quarantined.fetch_add(1, Ordering::Relaxed);
        self.count_aside();
        let aside = to.as_deref().unwrap_or(&from);
        tracing::error!(segment = %from.display(), aside = %aside.display(), records = meta.records, reason, "a segment is damaged and was moved aside; the rest is served");
        Ok(())
    }

    /// Puts what cannot become a segment into quarantine: `write` writes it into a file, which
    /// is durable when this returns.
    ///
    /// # Errors
    /// [`SwapError`] when it could not be written; nothing of it is left then.
    pub fn set_aside(
        &self,
        id: u64,
        reason: &str,
        write: impl FnOnce(&mut dyn io::Write) -> io::Result<()>,
    ) -> Result<PathBuf, SwapError> {
        let quarantine = self.root.join(QUARANTINE);
        let path = self
            .free_place(&format!("{id:016x}-{}", word(reason)))
            .map_err(swap_error("look for room in", &quarantine))?;
        let written = || {
            let mut file = io::BufWriter::new(File::create(&path)?);
            write(&mut file)?;
            file.into_inner()?.sync_all()?;
            sync_dir(&quarantine)
        };
        written().map_err(|cause| {
            // What is left of it is found by whoever looks into the quarantine.
            let _ = fs::remove_file(&path);
            swap_error("write", &path)(cause)
        })?;
        self.count_aside();
        Ok(path)
    }

    /// Deletes what [`Self::set_aside`] wrote and is going to be tried again.
    ///
    /// # Errors
    /// Why the file cannot be deleted.
    pub fn take_back(&self, path: &Path) -> io::Result<()> {
        fs::remove_file(path)?;
        self.count_aside();
        Ok(())
    }

    /// Where the segment went; nowhere if it is not there (any more).
    pub(super) fn move_aside(
        &self,
        from: &Path,
        reason: &str,
    ) -> Result<Option<PathBuf>, SwapError> {
        let word = word(reason);
        let name = from.file_name().unwrap_or_default().to_string_lossy();
        let to = self
            .free_place(&format!("{name}-{word}"))
            .map_err(swap_error("look for room in", &self.root.join(QUARANTINE)))?;
        match fs::rename(from, &to) {
            Ok(()) => Ok(Some(to)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(swap_error("move aside", from)(error)),
        }
    }

    /// A path in quarantine where nothing lies.
    fn free_place(&self, name: &str) -> io::Result<PathBuf> {
        let dir = self.root.join(QUARANTINE);
        let mut path = dir.join(name);
        let mut number = 1;
        while path.try_exists()? {
            number += 1;
            path = dir.join(format!("{name}-{number}"));
        }
        Ok(path)
    }

    /// Syncs the directory that a segment was moved out of, and the one it was moved into.
    fn sync_both(&self, from: &Path) -> Result<(), SwapError> {
        let quarantine = self.root.join(QUARANTINE);
        let dirs = [quarantine.as_path()].into_iter().chain(from.parent());
        for dir in dirs {
            sync_dir(dir).map_err(swap_error("sync", dir))?;
        }
        Ok(())
    }

    fn move_back(&self, to: &Path, from: &Path) {
        if let Err(error) = fs::rename(to, from) {
            tracing::error!(segment = %from.display(), aside = %to.display(), %error, "could not move a segment back that is listed still; it stays aside");
        }
    }

    /// Why the segment cannot be read although it lies there: a failing disk, a missing
    /// permission, too many open files. What is seen of such a segment says nothing about its
    /// bytes, so it must not be taken for damaged.
    #[must_use]
    pub fn why_unreadable(&self, tenant: &Tenant, id: u64) -> Option<io::Error> {
        let missing = |error: &io::Error| {
            matches!(
                error.kind(),
                io::ErrorKind::NotFound | io::ErrorKind::NotADirectory
            )
        };
        read_all(&self.path(tenant, id))
            .err()
            .filter(|error| !missing(error))
    }

    /// How many segments were found damaged or missing since the directory was opened.
    #[must_use]
    pub fn quarantined(&self) -> u64 {
        self.quarantined.load(Ordering::Relaxed)
    }

    /// What lies in quarantine, of this and of earlier starts, as it was when the directory was
    /// opened or last changed by this program.
    #[must_use]
    pub fn aside(&self) -> Aside {
        Aside {
            segments: self.aside_segments.load(Ordering::Relaxed),
            bytes: self.aside_bytes.load(Ordering::Relaxed),
        }
    }

    pub(super) fn count_aside(&self) {
        let Ok(aside) = children(&self.root.join(QUARANTINE)) else {
            return;
        };
        let bytes = aside.iter().filter_map(|path| bytes_of(path).ok()).sum();
        self.aside_segments
            .store(aside.len() as u64, Ordering::Relaxed);
        self.aside_bytes.store(bytes, Ordering::Relaxed);
    }
}

/// A reason as a part of a name.
fn word(reason: &str) -> String {
    let plain = |c: char| if c.is_ascii_alphanumeric() { c } else { '-' };
    reason.chars().map(plain).take(40).collect()
}
