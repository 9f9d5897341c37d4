//! The manifest's two files: the one in force, and a copy for when that is damaged.

use super::files::remove_path;
use super::{OpenError, SegmentDir, SwapError, open_error, swap_error};
use crate::{Manifest, ManifestError};
use std::fs::{self, File};
use std::io::{self, Write as _};
use std::path::Path;

pub(super) const MANIFEST: &str = "manifest.json";
pub(super) const MANIFEST_TEMP: &str = "manifest.json.tmp";
/// The same bytes as [`MANIFEST`], written after it. Only where a crash came between the two is
/// it the one before.
pub(super) const COPY: &str = "manifest.copy.json";
pub(super) const COPY_TEMP: &str = "manifest.copy.json.tmp";
/// Where a damaged manifest is kept for a person to look at.
pub(super) const DAMAGED: &str = "manifest.json.damaged";

/// What a disk says of a sector that it cannot read (`EIO`).
const UNREADABLE_SECTOR: i32 = 5;

/// The steps of a swap, in order; a test stops after each of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Step {
    Created,
    Written,
    Synced,
    Renamed,
    DirectorySynced,
}

/// The manifest that is in force.
pub(super) struct Found {
    pub(super) manifest: Manifest,
    /// Where it is the copy: what became of the manifest itself.
    pub(super) in_place_of: Option<String>,
}

/// What is wrong with a manifest's file.
enum Unusable {
    Missing,
    Damaged(ManifestError),
    Io(io::Error),
}

impl SegmentDir {
    /// Puts a manifest in force, durably and in one step.
    ///
    /// # Errors
    /// [`SwapError`] when it could not be written; the previous manifest is then still in
    /// force, unless the very last step (syncing the directory) failed: then either is.
    pub fn swap(&self, manifest: &Manifest) -> Result<(), SwapError> {
        self.swap_in_steps(manifest, |_| Ok(()))
    }

    pub(super) fn swap_in_steps(
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
            (self.sync)(&self.root)?;
            done(Step::DirectorySynced)?;
            Ok(bytes)
        };
        let bytes = write().map_err(|cause| SwapError {
            replaced,
            ..swap_error("write the manifest", &path)(cause)
        })?;
        self.copy(&bytes);
        Ok(())
    }

    /// Writes the copy. That it cannot be written is no failure: the manifest is in force.
    fn copy(&self, bytes: &[u8]) {
        let (path, temp) = (self.root.join(COPY), self.root.join(COPY_TEMP));
        let write = || {
            let mut file = File::create(&temp)?;
            file.write_all(bytes)?;
            file.sync_all()?;
            fs::rename(&temp, &path)
        };
        if let Err(error) = write() {
            tracing::warn!(path = %path.display(), %error, "could not write the copy of a manifest; the next change tries again");
        }
    }

    /// The manifest in force, or its copy where it is damaged.
    pub(super) fn read_manifest(&self) -> Result<Found, OpenError> {
        let (path, copy) = (self.root.join(MANIFEST), self.root.join(COPY));
        let why = match read(&path) {
            Ok((manifest, bytes)) => {
                if fs::read(&copy).ok().is_none_or(|copied| copied != bytes) {
                    self.copy(&bytes);
                }
                return Ok(Found {
                    manifest,
                    in_place_of: None,
                });
            }
            Err(why) => why,
        };
        let why = match why {
            Unusable::Io(error) if error.raw_os_error() != Some(UNREADABLE_SECTOR) => {
                return Err(open_error("read", &path)(error));
            }
            Unusable::Damaged(cause @ ManifestError::Version(_)) => {
                return Err(OpenError::Manifest { path, cause });
            }
            why => why,
        };
        match (read(&copy), why) {
            (Ok((manifest, _)), why) => Ok(Found {
                manifest,
                in_place_of: Some(why.to_string()),
            }),
            (Err(Unusable::Missing), Unusable::Missing) => Ok(Found {
                manifest: Manifest::default(),
                in_place_of: None,
            }),
            (Err(why), Unusable::Missing) => Err(why.into_error(&copy)),
            (Err(_), why) => Err(why.into_error(&path)),
        }
    }

    /// Puts the copy in force for good, and keeps the damaged manifest for a look. That it
    /// cannot be written now stops nothing: the copy is there.
    pub(super) fn restore(&self, manifest: &Manifest) {
        let (path, aside) = (self.root.join(MANIFEST), self.root.join(DAMAGED));
        let kept = remove_path(&aside).and_then(|()| fs::rename(&path, &aside));
        if let Err(error) = kept
            && error.kind() != io::ErrorKind::NotFound
        {
            tracing::warn!(path = %path.display(), %error, "could not keep a damaged manifest");
        }
        if let Err(error) = self.swap(manifest) {
            tracing::error!(%error, "the copy of a manifest serves, and could not be put in its place; the next change will");
        }
    }
}

impl Unusable {
    fn into_error(self, path: &Path) -> OpenError {
        match self {
            Self::Missing => open_error("read", path)(io::ErrorKind::NotFound.into()),
            Self::Io(error) => open_error("read", path)(error),
            Self::Damaged(cause) => OpenError::Manifest {
                path: path.to_owned(),
                cause,
            },
        }
    }
}

impl std::fmt::Display for Unusable {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Missing => f.write_str("it is missing"),
            Self::Io(error) => write!(f, "it cannot be read: {error}"),
            Self::Damaged(cause) => cause.fmt(f),
        }
    }
}

fn read(path: &Path) -> Result<(Manifest, Vec<u8>), Unusable> {
    let bytes = fs::read(path).map_err(|error| match error.kind() {
        io::ErrorKind::NotFound => Unusable::Missing,
        _ => Unusable::Io(error),
    })?;
    let manifest = Manifest::decode(&bytes).map_err(Unusable::Damaged)?;
    Ok((manifest, bytes))
}
