//! Single steps on files and directories.

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};

pub(super) fn children(dir: &Path) -> io::Result<Vec<PathBuf>> {
    fs::read_dir(dir)?.map(|entry| Ok(entry?.path())).collect()
}

/// Deletes a file or a directory with everything in it; one that is gone is fine.
pub(super) fn remove_path(path: &Path) -> io::Result<()> {
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

/// Whether all of a file, or of every file in a directory, can be read: a disk may refuse any
/// sector.
pub(super) fn read_all(path: &Path) -> io::Result<()> {
    if !path.is_dir() {
        return io::copy(&mut File::open(path)?, &mut io::sink()).map(drop);
    }
    for entry in fs::read_dir(path)? {
        read_all(&entry?.path())?;
    }
    Ok(())
}

/// The bytes of a file, or of all files in a directory.
pub(super) fn bytes_of(path: &Path) -> io::Result<u64> {
    let meta = fs::symlink_metadata(path)?;
    if !meta.is_dir() {
        return Ok(meta.len());
    }
    let inner = children(path)?;
    inner.iter().map(|path| bytes_of(path)).sum()
}

/// Syncs a file, or a directory after everything in it.
pub(super) fn sync_tree(path: &Path) -> io::Result<()> {
    if !path.is_dir() {
        return File::open(path)?.sync_all();
    }
    for entry in fs::read_dir(path)? {
        sync_tree(&entry?.path())?;
    }
    sync_dir(path)
}

pub(super) fn sync_dir(path: &Path) -> io::Result<()> {
    File::open(path)?.sync_all()
}
