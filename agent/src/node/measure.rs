//! Asks the system how full a file system is, without waiting for one that hangs.
//!
//! A network file system whose server is gone, or a dying disk, holds the caller in the
//! kernel, where nothing can end it. So a thread of its own asks; when it does not answer in
//! time, it is left there, its mount is not asked again until it returns, and another
//! thread goes on with the rest. How many may be left so is bounded.

use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, TryRecvError, sync_channel};
use std::time::Duration;

/// How long a file system may take to answer.
const ANSWER_WAIT: Duration = Duration::from_secs(1);
/// How many threads may hang; beyond it no file system is asked until one returns.
const HANGING_MAX: usize = 8;

/// The space of a file system, in bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Usage {
    pub(super) size: u64,
    /// Not used, for the administrator.
    pub(super) free: u64,
    /// Not used, for everyone.
    pub(super) available: u64,
}

type Ask = fn(&Path) -> Option<Usage>;

/// The threads that ask.
pub(super) struct Measure {
    ask: Ask,
    wait: Duration,
    worker: Option<Worker>,
    hanging: Vec<(PathBuf, Worker)>,
}

struct Worker {
    paths: SyncSender<PathBuf>,
    answers: Receiver<Option<Usage>>,
}

impl Default for Measure {
    fn default() -> Self {
        Self::new(statvfs, ANSWER_WAIT)
    }
}

impl Measure {
    fn new(ask: Ask, wait: Duration) -> Self {
        Self {
            ask,
            wait,
            worker: None,
            hanging: Vec::new(),
        }
    }

    /// The space of the file system at `path`; `None` when it cannot be told now.
    pub(super) fn usage(&mut self, path: &Path) -> Option<Usage> {
        self.release_returned();
        if self.hanging.len() >= HANGING_MAX || self.hanging.iter().any(|(hung, _)| hung == path) {
            return None;
        }
        let worker = match self.worker.take() {
            Some(worker) => worker,
            None => Worker::start(self.ask)?,
        };
        worker.paths.send(path.to_path_buf()).ok()?;
        match worker.answers.recv_timeout(self.wait) {
            Ok(usage) => {
                self.worker = Some(worker);
                usage
            }
            Err(RecvTimeoutError::Timeout) => {
                tracing::warn!(
                    path = %path.display(),
                    "the file system does not answer; it is left out until it does. \
                     Exclude it by node.filesystem_types_exclude or node.mountpoints_exclude"
                );
                self.hanging.push((path.to_path_buf(), worker));
                None
            }
            Err(RecvTimeoutError::Disconnected) => None,
        }
    }

    fn release_returned(&mut self) {
        self.hanging.retain(|(path, worker)| {
            let hangs = worker.answers.try_recv() == Err(TryRecvError::Empty);
            if !hangs {
                tracing::info!(path = %path.display(), "recovered: the file system answers");
            }
            hangs
        });
    }
}

impl Worker {
    fn start(ask: Ask) -> Option<Self> {
        let (paths, asked) = sync_channel::<PathBuf>(1);
        let (answer, answers) = sync_channel(1);
        let thread = std::thread::Builder::new().name("sonde-statvfs".into());
        let spawned = thread.spawn(move || {
            while let Ok(path) = asked.recv() {
                if answer.send(ask(&path)).is_err() {
                    return;
                }
            }
        });
        match spawned {
            Ok(_) => Some(Self { paths, answers }),
            Err(error) => {
                tracing::warn!(%error, "cannot start the thread that measures file systems; trying again at the next interval");
                None
            }
        }
    }
}

fn statvfs(path: &Path) -> Option<Usage> {
    let stat = rustix::fs::statvfs(path).ok()?;
    let bytes = |blocks: u64| blocks.saturating_mul(stat.f_frsize);
    Some(Usage {
        size: bytes(stat.f_blocks),
        free: bytes(stat.f_bfree),
        available: bytes(stat.f_bavail),
    })
}

#[cfg(test)]
mod tests;
