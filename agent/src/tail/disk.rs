//! What the tail sees of the disk: all its I/O, behind a trait, so that a simulation can
//! rotate, truncate and reuse inodes thousands of times a second.

use std::io;
use std::os::unix::fs::{FileExt as _, MetadataExt as _};
use std::path::{Path, PathBuf};

/// Where a file lives. Rename keeps it; a deleted file's is given to another.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, serde::Serialize, serde::Deserialize,
)]
pub(crate) struct FileKey {
    pub(crate) device: u64,
    pub(crate) inode: u64,
}

/// What the system says about a file without reading it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Stat {
    pub(crate) key: FileKey,
    pub(crate) size: u64,
    /// Last change, nanoseconds since 1970.
    pub(crate) modified: u64,
    /// Creation of the inode, nanoseconds since 1970; 0 where the file system does not tell.
    pub(crate) born: u64,
    /// How many names the file has: none means deleted.
    pub(crate) links: u64,
}

/// A file that discovery saw.
#[derive(Clone, Debug)]
pub(crate) struct Found {
    /// The path with links resolved.
    pub(crate) path: PathBuf,
    /// The paths it was found by, where they differ: `/var/log/containers` holds links.
    pub(crate) aliases: Vec<PathBuf>,
    /// The followed path that this is a rotated sibling of, by its name.
    pub(crate) base: Option<PathBuf>,
    /// Whether a pattern names it.
    pub(crate) matched: bool,
    pub(crate) stat: Stat,
}

impl Found {
    /// The path that it is followed by where it is not known from before.
    pub(crate) fn followed_by(&self) -> &Path {
        self.base.as_deref().unwrap_or(&self.path)
    }
}

/// The files of a machine.
pub(crate) trait Disk {
    /// An open file.
    type Handle;
    /// Every file that patterns name, and the rotated siblings of these and of the `known`
    /// paths. Rotated files come first.
    fn list(&mut self, known: &[&Path]) -> Vec<Found>;
    fn open(&mut self, path: &Path) -> io::Result<Self::Handle>;
    fn stat(&mut self, file: &Self::Handle) -> io::Result<Stat>;
    /// Reads until `out` is full or the file ends.
    fn read_at(&mut self, file: &Self::Handle, offset: u64, out: &mut [u8]) -> io::Result<usize>;
}

/// The machine's own files.
pub(crate) struct RealDisk {
    discovery: super::discover::Discovery,
}

impl RealDisk {
    pub(crate) fn new(discovery: super::discover::Discovery) -> Self {
        Self { discovery }
    }
}

impl Disk for RealDisk {
    type Handle = std::fs::File;

    fn list(&mut self, known: &[&Path]) -> Vec<Found> {
        self.discovery.list(known.iter().copied())
    }

    fn open(&mut self, path: &Path) -> io::Result<Self::Handle> {
        // A pipe or device under a log's name would block the open or never end.
        use std::os::unix::fs::OpenOptionsExt as _;
        let nonblocking = i32::try_from(rustix::fs::OFlags::NONBLOCK.bits()).unwrap_or(0);
        let file = std::fs::OpenOptions::new()
            .read(true)
            .custom_flags(nonblocking)
            .open(path)?;
        if !file.metadata()?.is_file() {
            return Err(io::Error::new(
                io::ErrorKind::InvalidInput,
                "not a regular file",
            ));
        }
        Ok(file)
    }

    fn stat(&mut self, file: &Self::Handle) -> io::Result<Stat> {
        file.metadata().map(|metadata| stat(&metadata))
    }

    fn read_at(&mut self, file: &Self::Handle, offset: u64, out: &mut [u8]) -> io::Result<usize> {
        let mut filled = 0;
        while filled < out.len() {
            match file.read_at(&mut out[filled..], offset + filled as u64) {
                Ok(0) => break,
                Ok(n) => filled += n,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(filled)
    }
}

/// A file's facts from the system's answer.
pub(crate) fn stat(metadata: &std::fs::Metadata) -> Stat {
    let nanos = |time: io::Result<std::time::SystemTime>| {
        let since = time
            .ok()
            .and_then(|t| t.duration_since(std::time::UNIX_EPOCH).ok());
        since
            .and_then(|d| u64::try_from(d.as_nanos()).ok())
            .unwrap_or(0)
    };
    Stat {
        key: FileKey {
            device: metadata.dev(),
            inode: metadata.ino(),
        },
        size: metadata.len(),
        modified: nanos(metadata.modified()),
        born: nanos(metadata.created()),
        links: metadata.nlink(),
    }
}
