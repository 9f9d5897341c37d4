//! The few operations on files that the journal is made of, so that the simulation can
//! cut the power between any two of them.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};

/// A folder of files.
pub(super) trait Storage: Send + Sync + 'static {
    type File: StoredFile;

    /// The names in the folder.
    fn list(&self) -> io::Result<Vec<String>>;
    /// Opens an existing file for reading and writing.
    fn open(&self, name: &str) -> io::Result<Self::File>;
    /// Creates a file of `bytes` zeros, written out and synced.
    fn create(&self, name: &str, bytes: u64) -> io::Result<Self::File>;
    /// Renames a file.
    fn rename(&self, from: &str, to: &str) -> io::Result<()>;
    /// Removes a file.
    fn remove(&self, name: &str) -> io::Result<()>;
    /// Makes creations, renames and removals durable.
    fn sync_folder(&self) -> io::Result<()>;
}

/// One open file.
pub(super) trait StoredFile: Send + Sync + 'static {
    /// Its length in bytes.
    fn len(&self) -> io::Result<u64>;
    /// Reads at most `out.len()` bytes at an offset; fewer only at the end of the file.
    fn read_at(&self, out: &mut [u8], offset: u64) -> io::Result<usize>;
    /// Writes all of `bytes` at an offset.
    fn write_at(&self, bytes: &[u8], offset: u64) -> io::Result<()>;
    /// Makes what was written durable.
    fn sync(&self) -> io::Result<()>;
}

/// A folder of this machine.
#[derive(Clone, Debug)]
pub(super) struct Disk {
    folder: PathBuf,
}

impl Disk {
    /// The folder at `path`, created where it does not exist.
    pub(super) fn open(path: &Path) -> io::Result<Self> {
        std::fs::create_dir_all(path)?;
        Ok(Self {
            folder: path.into(),
        })
    }
}

/// Written at once when a file is filled with zeros.
const ZEROS: usize = 1 << 20;

impl Storage for Disk {
    type File = File;

    fn list(&self) -> io::Result<Vec<String>> {
        let names = std::fs::read_dir(&self.folder)?
            .map(|entry| Ok(entry?.file_name().to_string_lossy().into_owned()));
        names.collect()
    }

    fn open(&self, name: &str) -> io::Result<File> {
        File::options()
            .read(true)
            .write(true)
            .open(self.folder.join(name))
    }

    fn create(&self, name: &str, bytes: u64) -> io::Result<File> {
        let path = self.folder.join(name);
        let file = File::options()
            .read(true)
            .write(true)
            .create(true)
            .truncate(true)
            .open(&path)?;
        let written = fill(&file, bytes).and_then(|()| file.sync_all());
        if let Err(error) = written {
            // What could be written of it is of no use, and the disk may be full.
            let _ = std::fs::remove_file(&path);
            return Err(error);
        }
        Ok(file)
    }

    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        std::fs::rename(self.folder.join(from), self.folder.join(to))
    }

    fn remove(&self, name: &str) -> io::Result<()> {
        std::fs::remove_file(self.folder.join(name))
    }

    fn sync_folder(&self) -> io::Result<()> {
        sync_folder(&self.folder)
    }
}

/// Makes the names in a folder durable.
pub(super) fn sync_folder(folder: &Path) -> io::Result<()> {
    File::open(folder)?.sync_all()
}

/// Writes zeros, so that blocks are allocated and no later write changes metadata.
fn fill(file: &File, bytes: u64) -> io::Result<()> {
    let zeros = vec![0; ZEROS];
    let mut at = 0;
    while at < bytes {
        let part = usize::try_from(bytes - at).unwrap_or(ZEROS).min(ZEROS);
        file.write_all_at(&zeros[..part], at)?;
        at += part as u64;
    }
    Ok(())
}

impl StoredFile for File {
    fn len(&self) -> io::Result<u64> {
        Ok(self.metadata()?.len())
    }

    fn read_at(&self, out: &mut [u8], offset: u64) -> io::Result<usize> {
        let mut filled = 0;
        while filled < out.len() {
            match std::os::unix::fs::FileExt::read_at(
                self,
                &mut out[filled..],
                offset + filled as u64,
            ) {
                Ok(0) => break,
                Ok(n) => filled += n,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(filled)
    }

    fn write_at(&self, bytes: &[u8], offset: u64) -> io::Result<()> {
        self.write_all_at(bytes, offset)
    }

    fn sync(&self) -> io::Result<()> {
        self.sync_data()
    }
}
