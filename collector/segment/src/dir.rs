//! The directory of one store's segments.
//!
//! The order that makes it safe: a segment is written and synced where nobody looks
//! ([`SegmentDir::create`], [`SegmentDir::persist`]), then the manifest that lists it is
//! swapped in ([`SegmentDir::swap`]), then what it replaced is deleted
//! ([`SegmentDir::remove`]). A crash between any two steps leaves rubbish, never a lie.

mod swap;
mod aside;
mod missing;
mod files;

pub use aside::Aside;

use crate::{Manifest, ManifestError, SegmentMeta};
use aside::QUARANTINE;
use files::{children, remove_path, sync_dir, sync_tree};
use sonde_proto::Tenant;
use std::collections::HashSet;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::AtomicU64;
use swap::{COPY_TEMP, Found, MANIFEST_TEMP};

const SEGMENTS: &str = "segments";

/// A directory of segments and its manifest.
#[derive(Debug)]
pub struct SegmentDir {
    root: PathBuf,
    quarantined: AtomicU64,
    aside_segments: AtomicU64,
    aside_bytes: AtomicU64,
    /// What was found at open that a person should know.
    troubles: Vec<String>,
    /// How the directory of the manifest is synced.
    sync: fn(&Path) -> io::Result<()>,
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

impl SegmentDir {
    /// Opens the directory, creating it if need be, and tidies up after a crash: what the
    /// manifest does not list is deleted, and what it lists but is gone is counted in
    /// [`Self::quarantined`], left out of the manifest that is returned, and told of in
    /// [`Self::troubles`] at every start from then on, until a person deletes the note of it.
    ///
    /// Where the manifest is damaged, its copy serves. That may be the one before, so what it
    /// does not list is then moved aside instead.
    ///
    /// # Errors
    /// [`OpenError`] when the directory cannot be read or written, or the manifest and its
    /// copy are damaged.
    pub fn open(dir: &Path) -> Result<(Self, Manifest), OpenError> {
        let mut this = Self {
            root: dir.to_owned(),
            quarantined: AtomicU64::new(0),
            aside_segments: AtomicU64::new(0),
            aside_bytes: AtomicU64::new(0),
            troubles: Vec::new(),
            sync: sync_dir,
        };
        for path in [
            this.root.clone(),
            this.root.join(SEGMENTS),
            this.root.join(QUARANTINE),
        ] {
            fs::create_dir_all(&path).map_err(open_error("create", &path))?;
        }
        this.sync_new_directories()?;
        let Found {
            mut manifest,
            in_place_of,
        } = this.read_manifest()?;
        for temp in [MANIFEST_TEMP, COPY_TEMP].map(|name| this.root.join(name)) {
            remove_path(&temp).map_err(open_error("delete", &temp))?;
        }
        this.keep_returned(&manifest)?;
        match &in_place_of {
            None => this.delete_unlisted(&manifest)?,
            Some(why) => this.recover(&mut manifest, why)?,
        }
        this.note_missing(&mut manifest)?;
        this.count_aside();
        Ok((this, manifest))
    }

    /// Goes on with the copy of the manifest.
    fn recover(&mut self, manifest: &mut Manifest, why: &str) -> Result<(), OpenError> {
        let (root, mut moved) = (self.root.display().to_string(), 0);
        for path in self.unlisted(manifest)? {
            let name = path.file_name().and_then(|name| name.to_str());
            let number = name.and_then(|name| u64::from_str_radix(name, 16).ok());
            // Numbers are never used twice, whoever gave them.
            let next = number.map_or(0, |number| number.saturating_add(1));
            manifest.next_id = manifest.next_id.max(next);
            let to = self.move_aside(&path, "unlisted");
            moved += u64::from(
                to.map_err(|error| open_error("move aside", &path)(error.cause))?
                    .is_some(),
            );
        }
        self.restore(manifest);
        let trouble = format!(
            "the manifest in {root} was not usable ({why}), and its copy is in force; {moved} segments that the copy does not list were moved to {QUARANTINE}/"
        );
        tracing::error!("{trouble}");
        self.troubles.push(trouble);
        Ok(())
    }

    /// What was found wrong with the directory when it was opened, in words for a person.
    #[must_use]
    pub fn troubles(&self) -> &[String] {
        &self.troubles
    }

    /// Syncs the directory of the manifest in another way: what a store does where that fails
    /// cannot be seen on a disk that works.
    pub fn sync_with(&mut self, sync: fn(&Path) -> io::Result<()>) {
        self.sync = sync;
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

    /// The directory itself.
    #[must_use]
    pub fn root(&self) -> &Path {
        &self.root
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

    /// Deletes a segment that the manifest in force no longer lists. Readers that have its
    /// files open keep them; what cannot be deleted now is deleted at the next open.
    pub fn remove(&self, tenant: &Tenant, id: u64) {
        let path = self.path(tenant, id);
        if let Err(error) = remove_path(&path) {
            tracing::warn!(path = %path.display(), %error, "could not delete a segment that is no longer listed; the next start will");
        }
    }

    fn tenant_dir(&self, tenant: &Tenant) -> PathBuf {
        self.root.join(SEGMENTS).join(tenant.as_str())
    }

    fn delete_unlisted(&self, manifest: &Manifest) -> Result<(), OpenError> {
        for path in self.unlisted(manifest)? {
            tracing::info!(path = %path.display(), "deleting a segment that no manifest lists: a crash left it");
            remove_path(&path).map_err(open_error("delete", &path))?;
        }
        Ok(())
    }

    /// What lies among the segments and is not listed.
    fn unlisted(&self, manifest: &Manifest) -> Result<Vec<PathBuf>, OpenError> {
        let listed: HashSet<PathBuf> = manifest
            .segments
            .iter()
            .map(|s| self.path(&s.tenant, s.id))
            .collect();
        let list = |dir: &Path| children(dir).map_err(open_error("list", dir));
        let mut unlisted = Vec::new();
        for tenant_dir in list(&self.root.join(SEGMENTS))? {
            if tenant_dir.is_dir() {
                let all = list(&tenant_dir)?.into_iter();
                unlisted.extend(all.filter(|path| !listed.contains(path)));
            } else if !listed.iter().any(|path| path.starts_with(&tenant_dir)) {
                // Otherwise it may be a link to a disk that is not there just now.
                unlisted.push(tenant_dir);
            }
        }
        Ok(unlisted)
    }

    /// Whether a listed segment lies there, as far as can be seen: one that the system does not
    /// let us look at is not missing.
    fn is_there(&self, meta: &SegmentMeta) -> bool {
        let path = self.path(&meta.tenant, meta.id);
        match path.try_exists() {
            Ok(true) => true,
            Ok(false) => {
                tracing::error!(segment = %path.display(), records = meta.records, "a listed segment is missing; the rest is served");
                false
            }
            Err(error) => {
                tracing::error!(segment = %path.display(), records = meta.records, %error, "a listed segment cannot be looked at; it stays listed");
                true
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

#[cfg(test)]
mod tests;
