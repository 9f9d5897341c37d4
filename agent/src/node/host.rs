//! The node's files under `/proc` and `/sys`, below a root that may be mounted elsewhere.

use std::collections::HashSet;
use std::io::Read as _;
use std::path::{Path, PathBuf};

/// The longest file that is read; the kernel's are far shorter.
const FILE_BYTES_MAX: u64 = 8 << 20;

/// The files of the node.
#[derive(Debug)]
pub(super) struct Host {
    root: PathBuf,
    reported: HashSet<String>,
}

impl Host {
    pub(super) fn new(root: &Path) -> Self {
        Self {
            root: root.to_path_buf(),
            reported: HashSet::new(),
        }
    }

    /// Where `path` of the node is for us.
    pub(super) fn path(&self, path: &str) -> PathBuf {
        self.root.join(path.trim_start_matches('/'))
    }

    /// The text of a file that should be there. When it cannot be read, that is reported once.
    pub(super) fn read(&mut self, path: &str) -> Option<String> {
        self.read_first(&[path])
    }

    /// The text of the first of `paths` that can be read.
    pub(super) fn read_first(&mut self, paths: &[&str]) -> Option<String> {
        let mut last = None;
        for path in paths {
            match self.try_read(path) {
                Ok(text) => return Some(text),
                Err(error) => last = Some((path, error)),
            }
        }
        let (path, error) = last?;
        if self.reported.insert((*path).to_owned()) {
            tracing::warn!(
                path = %self.path(path).display(), %error,
                "cannot read what the node says about itself; the metrics from it are left out. \
                 In a container, mount the node's root and name it in node.host_root"
            );
        }
        None
    }

    /// The text of a file that not every kernel has.
    pub(super) fn read_optional(&self, path: &str) -> Option<String> {
        self.try_read(path).ok()
    }

    fn try_read(&self, path: &str) -> std::io::Result<String> {
        let mut bytes = Vec::new();
        std::fs::File::open(self.path(path))?
            .take(FILE_BYTES_MAX)
            .read_to_end(&mut bytes)?;
        Ok(String::from_utf8_lossy(&bytes).into_owned())
    }

    /// Whether the node has a file or directory there.
    pub(super) fn has(&self, path: &str) -> bool {
        self.path(path).exists()
    }
}

/// `key rest` of every line; a colon after the key is no part of it.
pub(super) fn fields(text: &str) -> impl Iterator<Item = (&str, &str)> {
    text.lines().filter_map(|line| {
        let (key, rest) = line.trim_start().split_once([' ', '\t', ':'])?;
        Some((key, rest))
    })
}

/// The numbers at the start of `text`.
pub(super) fn numbers(text: &str) -> impl Iterator<Item = u64> {
    text.split_ascii_whitespace()
        .map_while(|word| word.parse().ok())
}
