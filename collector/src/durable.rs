//! Replacing a small file so that a crash leaves the old one or the new one, whole; and removing
//! one so that it does not come back.

use std::fs::File;
use std::io::{self, Write as _};
use std::path::Path;

/// Writes `bytes` beside `path`, makes them durable, and renames them into place.
///
/// # Errors
/// The first operation that failed; `path` is unchanged then.
pub(crate) fn replace(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let temporary = path.with_extension("tmp");
    let mut file = File::create(&temporary)?;
    file.write_all(bytes)?;
    file.sync_all()?;
    std::fs::rename(&temporary, path)?;
    sync_folder(path)
}

/// Removes a file for good; one that is not there is removed.
///
/// # Errors
/// It is still there, or may come back.
pub(crate) fn remove(path: &Path) -> io::Result<()> {
    match std::fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    sync_folder(path)
}

fn sync_folder(path: &Path) -> io::Result<()> {
    path.parent()
        .map_or(Ok(()), |folder| File::open(folder)?.sync_all())
}
