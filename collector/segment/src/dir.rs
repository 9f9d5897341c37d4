//! The directory of one store's segments.
//!
//! The order that makes it safe: a segment is written and synced where nobody looks
//! ([`SegmentDir::create`], [`SegmentDir::persist`]), then the manifest that lists it is
//! swapped in ([`SegmentDir::swap`]), then what it replaced is deleted
//! ([`SegmentDir::remove`]). A crash between any two steps leaves rubbish, never a lie.

use crate::{Manifest, ManifestError, SegmentMeta};
use sonde_proto::Tenant;
use std::collections::HashSet;
use std::fs::{self, File};
use std::io::{self, Read as _, Write as _};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

const MANIFEST: &str = "manifest.json";
const MANIFEST_TEMP: &str = "manifest.json.tmp";
const SEGMENTS: &str = "segments";
const QUARANTINE: &str = "quarantine";

/// How many damaged segments are kept for a person to look at; the oldest go first.
const QUARANTINED_MAX: usize = 16;

/// A directory of segments and its manifest.
#[derive(Debug)]
pub struct SegmentDir {
    root: PathBuf,
    quarantined: AtomicU64,
}

/// Why a directory of segments could not be opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// A file operation failed.
    #[error("cannot {operation} {}: {cause}", path.display())]
    Io {
        /// What was tried.
        operation: &'static str,
        /// On which file or directory.
        path: PathBuf,
        /// Why it failed.
        cause: io::Error,
    },
    /// The manifest is there but cannot be read.
    #[error("cannot use the manifest {}: {cause}; restore it from a backup, or move {} away to start empty from what the journal still holds", path.display(), path.parent().unwrap_or(path).display())]
    Manifest {
        /// The manifest's path.
        path: PathBuf,
        /// What is wrong with it.
        cause: ManifestError,
    },
}

/// Why a change to a directory of segments failed. The previous manifest stays in force.
#[derive(Debug, thiserror::Error)]
#[error("cannot {operation} {}: {cause}", path.display())]
pub struct SwapError {
    operation: &'static str,
    path: PathBuf,
    cause: io::Error,
    replaced: bool,
}

impl SwapError {
    /// The failure of the operating system, for example a full disk.
    #[must_use]
    pub fn cause(&self) -> &io::Error {
        &self.cause
    }

    /// Whether the new manifest may be in force all the same: it was put in place, but its
    /// directory could not be synced. Segments that either of the two lists must then stay,
    /// for nobody knows which of them a crash would leave.
    #[must_use]
    pub fn may_be_in_force(&self) -> bool {
        self.replaced
    }
}

/// The steps of a swap, in order; a test stops after each of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Step {
    Created,
    Written,
    Synced,
    Renamed,
    DirectorySynced,
}

impl SegmentDir {
    /// Opens the directory, creating it if need be, and tidies up after a crash: what the
    /// manifest does not list is deleted, and what it lists but is gone is counted in
    /// [`Self::quarantined`] and left out of the manifest that is returned.
    ///
    /// # Errors
    /// [`OpenError`] when the directory cannot be read or written, or the manifest is damaged.
    pub fn open(dir: &Path) -> Result<(Self, Manifest), OpenError> {
        let this = Self {
            root: dir.to_owned(),
            quarantined: AtomicU64::new(0),
        };
        for path in [
            this.root.clone(),
            this.root.join(SEGMENTS),
            this.root.join(QUARANTINE),
        ] {
            fs::create_dir_all(&path).map_err(open_error("create", &path))?;
        }
        this.sync_new_directories()?;
        let mut manifest = this.read_manifest()?;
        let temp = this.root.join(MANIFEST_TEMP);
        remove_path(&temp).map_err(open_error("delete", &temp))?;
        this.delete_unlisted(&manifest)?;
        manifest.segments.retain(|meta| this.is_there(meta));
        Ok((this, manifest))
    }

    /// A process that was killed may have made directories that it did not come to sync; what
    /// is put into them later would not survive a power cut either.
    fn sync_new_directories(&self) -> Result<(), OpenError> {
        for path in [self.root.join(SEGMENTS), self.root.clone()] {
            sync_dir(&path).map_err(open_error("sync", &path))?;
        }
        if let Some(parent) = self.root.parent().filter(|p| !p.as_os_str().is_empty())
            && let Err(error) = sync_dir(parent)
        {
            // It may be someone else's, and not even readable.
            tracing::debug!(path = %parent.display(), %error, "could not sync the directory above a store");
        }
        Ok(())
    }

    /// Where the segment lies.
    #[must_use]
    pub fn path(&self, tenant: &Tenant, id: u64) -> PathBuf {
        self.tenant_dir(tenant).join(format!("{id:016x}"))
    }

    /// Makes room for a new segment and returns where to write it: a file or a directory,
    /// as the store likes. Nobody sees it before a manifest lists it.
    ///
    /// # Errors
    /// [`SwapError`] when the tenant's directory cannot be made.
    pub fn create(&self, tenant: &Tenant, id: u64) -> Result<PathBuf, SwapError> {
        let tenant_dir = self.tenant_dir(tenant);
        if !tenant_dir.exists() {
            fs::create_dir_all(&tenant_dir).map_err(swap_error("create", &tenant_dir))?;
            let parent = self.root.join(SEGMENTS);
            sync_dir(&parent).map_err(swap_error("sync", &parent))?;
        }
        let path = self.path(tenant, id);
        remove_path(&path).map_err(swap_error("clear", &path))?;
        Ok(path)
    }

    /// Makes a finished segment durable: syncs its files and the directories above.
    ///
    /// # Errors
    /// [`SwapError`] when the segment is not there or cannot be synced.
    pub fn persist(&self, tenant: &Tenant, id: u64) -> Result<(), SwapError> {
        let path = self.path(tenant, id);
        sync_tree(&path).map_err(swap_error("sync", &path))?;
        let parent = self.tenant_dir(tenant);
        sync_dir(&parent).map_err(swap_error("sync", &parent))
    }

    /// Puts a manifest in force, durably and in one step.
    ///
    /// # Errors
    /// [`SwapError`] when it could not be written; the previous manifest is then still in
    /// force, unless the very last step (syncing the directory) failed: then either is.
    pub fn swap(&self, manifest: &Manifest) -> Result<(), SwapError> {
        self.swap_in_steps(manifest, |_| Ok(()))
    }

    fn swap_in_steps(
        &self,
        manifest: &Manifest,
        mut done: impl FnMut(Step) -> io::Result<()>,
    ) -> Result<(), SwapError> {
        let (path, temp) = (self.root.join(MANIFEST), self.root.join(MANIFEST_TEMP));
        let mut replaced = false;
        let mut write = || {
            let bytes = manifest.encode()?;
            let mut file = File::create(&temp)?;
            done(Step::Created)?;
            file.write_all(&bytes)?;
            done(Step::Written)?;
            file.sync_all()?;
            done(Step::Synced)?;
            fs::rename(&temp, &path)?;
            replaced = true;
            done(Step::Renamed)?;
            sync_dir(&self.root)?;
            done(Step::DirectorySynced)
        };
        write().map_err(|cause| SwapError {
            replaced,
            ..swap_error("write the manifest", &path)(cause)
        })
    }

    /// Deletes a segment that the manifest in force no longer lists. Readers that have its
    /// files open keep them; what cannot be deleted now is deleted at the next open.
    pub fn remove(&self, tenant: &Tenant, id: u64) {
        let path = self.path(tenant, id);
        if let Err(error) = remove_path(&path) {
            tracing::warn!(path = %path.display(), %error, "could not delete a segment that is no longer listed; the next start will");
        }
    }

    /// Takes a damaged segment out of the manifest, puts the rest in force, and moves the
    /// segment aside. The rest goes on being served.
    ///
    /// # Errors
    /// [`SwapError`] when the manifest could not be swapped; nothing was moved then.
    pub fn quarantine(
        &self,
        manifest: &mut Manifest,
        id: u64,
        reason: &str,
    ) -> Result<(), SwapError> {
        let Some(at) = manifest.segments.iter().position(|s| s.id == id) else {
            return Ok(());
        };
        let meta = manifest.segments.remove(at);
        if let Err(error) = self.swap(manifest) {
            manifest.segments.insert(at, meta);
            return Err(error);
        }
        let word: String = reason
            .chars()
            .map(|c| if c.is_ascii_alphanumeric() { c } else { '-' })
            .take(40)
            .collect();
        let (from, to) = (
            self.path(&meta.tenant, id),
            self.root.join(QUARANTINE).join(format!("{id:016x}-{word}")),
        );
        self.quarantined.fetch_add(1, Ordering::Relaxed);
        tracing::error!(segment = %from.display(), aside = %to.display(), records = meta.records, reason, "a segment is damaged and was moved aside; the rest is served");
        if let Err(error) = remove_path(&to).and_then(|()| fs::rename(&from, &to)) {
            tracing::warn!(segment = %from.display(), %error, "could not move a damaged segment aside; the next start deletes it");
        }
        self.forget_oldest_quarantined();
        Ok(())
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
        read_a_byte_of_each(&self.path(tenant, id))
            .err()
            .filter(|error| !missing(error))
    }

    /// How many segments were found damaged or missing since the directory was opened.
    #[must_use]
    pub fn quarantined(&self) -> u64 {
        self.quarantined.load(Ordering::Relaxed)
    }

    fn tenant_dir(&self, tenant: &Tenant) -> PathBuf {
        self.root.join(SEGMENTS).join(tenant.as_str())
    }

    fn read_manifest(&self) -> Result<Manifest, OpenError> {
        let path = self.root.join(MANIFEST);
        match fs::read(&path) {
            Ok(bytes) => {
                Manifest::decode(&bytes).map_err(|cause| OpenError::Manifest { path, cause })
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Manifest::default()),
            Err(error) => Err(open_error("read", &path)(error)),
        }
    }

    fn delete_unlisted(&self, manifest: &Manifest) -> Result<(), OpenError> {
        let listed: HashSet<PathBuf> = manifest
            .segments
            .iter()
            .map(|s| self.path(&s.tenant, s.id))
            .collect();
        for tenant_dir in children(&self.root.join(SEGMENTS))? {
            if !tenant_dir.is_dir() {
                remove_path(&tenant_dir).map_err(open_error("delete", &tenant_dir))?;
                continue;
            }
            for path in children(&tenant_dir)?
                .into_iter()
                .filter(|path| !listed.contains(path))
            {
                tracing::info!(path = %path.display(), "deleting a segment that no manifest lists: a crash left it");
                remove_path(&path).map_err(open_error("delete", &path))?;
            }
        }
        Ok(())
    }

    fn is_there(&self, meta: &SegmentMeta) -> bool {
        let path = self.path(&meta.tenant, meta.id);
        let there = path.exists();
        if !there {
            self.quarantined.fetch_add(1, Ordering::Relaxed);
            tracing::error!(segment = %path.display(), records = meta.records, "a listed segment is missing; the rest is served");
        }
        there
    }

    fn forget_oldest_quarantined(&self) {
        let Ok(mut aside) = children(&self.root.join(QUARANTINE)) else {
            return;
        };
        aside.sort_unstable();
        let surplus = aside.len().saturating_sub(QUARANTINED_MAX);
        for path in &aside[..surplus] {
            if let Err(error) = remove_path(path) {
                tracing::warn!(path = %path.display(), %error, "could not delete an old quarantined segment");
            }
        }
    }
}

fn open_error(operation: &'static str, path: &Path) -> impl FnOnce(io::Error) -> OpenError {
    let path = path.to_owned();
    move |cause| OpenError::Io {
        operation,
        path,
        cause,
    }
}

fn swap_error(operation: &'static str, path: &Path) -> impl FnOnce(io::Error) -> SwapError {
    let path = path.to_owned();
    move |cause| SwapError {
        operation,
        path,
        cause,
        replaced: false,
    }
}

fn children(dir: &Path) -> Result<Vec<PathBuf>, OpenError> {
    let list = || {
        fs::read_dir(dir)?
            .map(|entry| Ok(entry?.path()))
            .collect::<io::Result<Vec<_>>>()
    };
    list().map_err(open_error("list", dir))
}

/// Deletes a file or a directory with everything in it; one that is gone is fine.
fn remove_path(path: &Path) -> io::Result<()> {
    let outcome = match fs::symlink_metadata(path) {
        Ok(meta) if meta.is_dir() => fs::remove_dir_all(path),
        Ok(_) => fs::remove_file(path),
        Err(error) => Err(error),
    };
    match outcome {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        other => other,
    }
}

/// Whether a file, or every file in a directory, can be read.
fn read_a_byte_of_each(path: &Path) -> io::Result<()> {
    if !path.is_dir() {
        return File::open(path)?.read(&mut [0]).map(drop);
    }
    for entry in fs::read_dir(path)? {
        read_a_byte_of_each(&entry?.path())?;
    }
    Ok(())
}

/// Syncs a file, or a directory after everything in it.
fn sync_tree(path: &Path) -> io::Result<()> {
    if !path.is_dir() {
        return File::open(path)?.sync_all();
    }
    for entry in fs::read_dir(path)? {
        sync_tree(&entry?.path())?;
    }
    sync_dir(path)
}

fn sync_dir(path: &Path) -> io::Result<()> {
    File::open(path)?.sync_all()
}

#[cfg(test)]
mod tests;
