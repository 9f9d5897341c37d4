//! Opens the partitions of a directory and leads appends and readers to them.

use super::FileConfig;
use super::commit::{self, Append};
use super::frame;
use super::partition::Shared;
use super::reader::FileReader;
use super::storage::{Disk, Storage as _};
use super::telemetry::Telemetry;
use super::writer::Writer;
use crate::{AppendError, BoxFuture, Journal, ReadError, Reader, TrimError};
use parking_lot::Mutex;
use prometheus_client::registry::Registry;
use sonde_proto::{Entry, Partition, Position, Signal};
use std::collections::BTreeMap;
use std::fs::{File, TryLockError};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::thread::JoinHandle;
use tokio::sync::{mpsc, oneshot};

/// The format of the files, as `<dir>/format` names it.
const FORMAT: &str = "sonde journal 1\n";

/// Why a journal cannot be opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// Another process has it open.
    #[error("{} is in use by another process: stop it, or use another data_dir", dir.display())]
    InUse {
        /// The journal's directory.
        dir: PathBuf,
    },
    /// It was written by a version that this one does not know.
    #[error("{} has the format {found:?}, and this version reads {FORMAT:?}: use the version that wrote it", dir.display())]
    Format {
        /// The journal's directory.
        dir: PathBuf,
        /// What its format file says.
        found: String,
    },
    /// The configuration cannot be.
    #[error("journal.{key}: {reason}")]
    Config {
        /// The key.
        key: &'static str,
        /// What is wrong with it.
        reason: String,
    },
    /// The disk refused.
    #[error("{}: {source}", path.display())]
    Io {
        /// The file or directory.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
}

/// A journal in the files of a directory.
pub struct FileJournal {
    partitions: BTreeMap<Partition, Open>,
    entry_bytes_max: usize,
    /// Holds the lock on the directory.
    _lock: File,
}

struct Open {
    shared: Arc<Shared<Disk>>,
    appends: Mutex<Option<mpsc::Sender<Append>>>,
    thread: Mutex<Option<JoinHandle<()>>>,
}

impl FileJournal {
    /// Opens the journal in `dir`, creating it where there is none.
    ///
    /// # Errors
    /// [`OpenError`]. Damage in the files is no error: it is quarantined and counted.
    pub fn open(
        dir: &Path,
        config: &FileConfig,
        registry: &mut Registry,
    ) -> Result<Self, OpenError> {
        Self::open_at(dir, config, registry, &BTreeMap::new())
    }

    /// As [`Self::open`], with positions that go on from those given at least. Consumers
    /// name what they have covered, so that a journal which lost its end, or is new, does
    /// not give the same positions to other entries.
    ///
    /// # Errors
    /// [`OpenError`]
    pub fn open_at(
        dir: &Path,
        config: &FileConfig,
        registry: &mut Registry,
        covered: &BTreeMap<Partition, Position>,
    ) -> Result<Self, OpenError> {
        check(config)?;
        let failed = |path: &Path| {
            let path = path.to_owned();
            move |source| OpenError::Io { path, source }
        };
        std::fs::create_dir_all(dir).map_err(failed(dir))?;
        let lock = lock(dir)?;
        check_format(dir)?;
        let reserve = Reserve {
            file: dir.join("reserve"),
            bytes: config.reserve_bytes,
        };
        reserve.take();
        let telemetry = Telemetry::register(registry);
        let mut partitions = BTreeMap::new();
        for signal in Signal::ALL {
            let partition = Partition::first(signal);
            let folder = dir.join(format!("{}-{}", signal.as_str(), partition.number));
            let disk = Disk::open(&folder).map_err(failed(&folder))?;
            let quarantine = quarantine(dir, &folder);
            let shared = Shared::recover(disk, config.clone(), telemetry.of(signal), quarantine);
            let shared = Arc::new(shared.map_err(failed(&folder))?);
            let mut writer = Writer::new(Arc::clone(&shared), reserve.giver());
            let from = covered.get(&partition).copied().unwrap_or_default();
            writer.skip_to(from).map_err(|error| OpenError::Io {
                path: folder.clone(),
                source: io::Error::other(error),
            })?;
            partitions.insert(
                partition,
                Open::start(shared, writer, config).map_err(failed(&folder))?,
            );
        }
        Ok(Self {
            partitions,
            entry_bytes_max: config.entry_bytes_max,
            _lock: lock,
        })
    }

    /// Takes no more appends, makes those under way durable, and wakes readers.
    pub fn close(&self) {
        for partition in self.partitions.values() {
            partition.appends.lock().take();
            if let Some(thread) = partition.thread.lock().take()
                && thread.join().is_err()
            {
                tracing::error!(
                    "a journal writer panicked; what it had not acknowledged is with its senders"
                );
            }
            partition.shared.close();
        }
    }

    fn partition(&self, partition: Partition) -> Option<&Open> {
        self.partitions.get(&partition)
    }
}

impl Drop for FileJournal {
    fn drop(&mut self) {
        self.close();
    }
}

impl Open {
    fn start(
        shared: Arc<Shared<Disk>>,
        writer: Writer<Disk>,
        config: &FileConfig,
    ) -> io::Result<Self> {
        let (appends, receiver) = mpsc::channel(config.appends_max);
        let bytes_max = config.commit_bytes_max;
        let thread = std::thread::Builder::new()
            .name("journal".into())
            .spawn(move || commit::run(writer, receiver, bytes_max))?;
        Ok(Self {
            shared,
            appends: Mutex::new(Some(appends)),
            thread: Mutex::new(Some(thread)),
        })
    }
}

impl Journal for FileJournal {
    fn append(
        &self,
        partition: Partition,
        entry: Entry,
    ) -> BoxFuture<Result<Position, AppendError>> {
        let bytes = frame::len_of(&entry);
        if bytes > self.entry_bytes_max {
            let limit = self.entry_bytes_max;
            return Box::pin(async move { Err(AppendError::TooLarge { bytes, limit }) });
        }
        let appends = self
            .partition(partition)
            .and_then(|open| open.appends.lock().clone());
        Box::pin(async move {
            let appends = appends.ok_or(AppendError::Closed)?;
            let (done, committed) = oneshot::channel();
            appends
                .send(Append { entry, done })
                .await
                .map_err(|_| AppendError::Closed)?;
            drop(appends);
            committed.await.map_err(|_| AppendError::Closed)?
        })
    }

    fn read(&self, partition: Partition, from: Position) -> Result<Box<dyn Reader>, ReadError> {
        let missing = || ReadError {
            file: format!("of {}-{}", partition.signal, partition.number),
            source: io::ErrorKind::NotFound.into(),
        };
        let open = self.partition(partition).ok_or_else(missing)?;
        Ok(Box::new(FileReader::new(Arc::clone(&open.shared), from)))
    }

    fn trim(&self, partition: Partition, before: Position) -> Result<(), TrimError> {
        let Some(open) = self.partition(partition) else {
            return Ok(());
        };
        open.shared
            .trim(before)
            .map_err(|(file, source)| TrimError { file, source })
    }

    fn first(&self, partition: Partition) -> Position {
        self.partition(partition)
            .map_or(Position::START, |open| open.shared.first())
    }

    fn durable_end(&self, partition: Partition) -> Position {
        self.partition(partition)
            .map_or(Position::START, |open| open.shared.end())
    }
}

fn check(config: &FileConfig) -> Result<(), OpenError> {
    const ENTRY_MAX: usize = 1 << 30;
    let wrong = |key, reason: String| Err(OpenError::Config { key, reason });
    if config.entry_bytes_max > ENTRY_MAX {
        return wrong(
            "entry_bytes_max",
            format!(
                "{} is more than the largest possible {ENTRY_MAX}",
                config.entry_bytes_max
            ),
        );
    }
    if config.bytes_max < 2 * config.file_bytes.min(config.entry_bytes_max as u64) {
        return wrong(
            "bytes_max",
            format!("{} has no room for two files", config.bytes_max),
        );
    }
    if config.appends_max == 0 {
        return wrong("appends_max", "must be at least 1".into());
    }
    Ok(())
}

fn lock(dir: &Path) -> Result<File, OpenError> {
    let path = dir.join("lock");
    let failed = |source| OpenError::Io {
        path: path.clone(),
        source,
    };
    let file = File::options()
        .create(true)
        .truncate(false)
        .write(true)
        .open(&path)
        .map_err(failed)?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => Err(OpenError::InUse { dir: dir.into() }),
        Err(TryLockError::Error(source)) => Err(failed(source)),
    }
}

fn check_format(dir: &Path) -> Result<(), OpenError> {
    let path = dir.join("format");
    let failed = |source| OpenError::Io {
        path: path.clone(),
        source,
    };
    match std::fs::read_to_string(&path) {
        Ok(found) if found == FORMAT => Ok(()),
        // Nothing was appended before the format had been written.
        Ok(found) if FORMAT.starts_with(&found) => write_format(&path).map_err(failed),
        Ok(found) => Err(OpenError::Format {
            dir: dir.into(),
            found,
        }),
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            write_format(&path).map_err(failed)
        }
        Err(error) => Err(failed(error)),
    }
}

fn write_format(path: &Path) -> io::Result<()> {
    use std::io::Write as _;
    let mut file = File::create(path)?;
    file.write_all(FORMAT.as_bytes())?;
    file.sync_all()
}

/// Keeps copies of damaged pieces in `<dir>/quarantine`, as far as the disk allows.
fn quarantine(dir: &Path, folder: &Path) -> Box<dyn Fn(&str, u64, &[u8]) + Send + Sync> {
    let kept = dir.join("quarantine");
    let partition = folder
        .file_name()
        .map(|name| name.to_string_lossy().into_owned())
        .unwrap_or_default();
    Box::new(move |file, offset, bytes| {
        let path = kept.join(format!("{partition}-{file}-{offset}"));
        if let Err(error) =
            std::fs::create_dir_all(&kept).and_then(|()| std::fs::write(&path, bytes))
        {
            tracing::error!(
                "cannot keep a copy of a damaged piece in {}: {error}",
                path.display()
            );
        }
    })
}

/// Space that is given back when the disk is full.
struct Reserve {
    file: PathBuf,
    bytes: u64,
}

impl Reserve {
    /// Takes the space. A disk without that much room leaves the journal without a reserve.
    fn take(&self) {
        let there = std::fs::metadata(&self.file).is_ok_and(|meta| meta.len() >= self.bytes);
        let (Some(dir), Some(name)) = (self.file.parent(), self.file.file_name()) else {
            return;
        };
        if there || self.bytes == 0 {
            return;
        }
        let taken =
            Disk::open(dir).and_then(|disk| disk.create(&name.to_string_lossy(), self.bytes));
        if let Err(error) = taken {
            tracing::warn!(
                "cannot set space aside in {}: {error}; free some disk space",
                self.file.display()
            );
        }
    }

    /// What gives the space back.
    fn giver(&self) -> Box<dyn Fn() + Send> {
        let file = self.file.clone();
        Box::new(move || {
            if std::fs::remove_file(&file).is_ok() {
                tracing::error!(
                    "the disk is full: the reserve in {} is given up so that stores can seal",
                    file.display()
                );
            }
        })
    }
}
