//! Opens the partitions of a directory and leads appends and readers to them.

use super::FileConfig;
use super::commit::{self, Append};
use super::frame;
use super::home::{self, FORMAT, Quarantine, Reserve};
use super::partition::Shared;
use super::reader::FileReader;
use super::storage::{Disk, sync_folder};
use super::telemetry::Telemetry;
use super::writer::Writer;
use crate::{AppendError, BoxFuture, Journal, ReadError, Reader, TrimError};
use parking_lot::Mutex;
use prometheus_client::registry::Registry;
use sonde_proto::{Entry, Partition, Position, Signal};
use std::collections::BTreeMap;
use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::thread::JoinHandle;
use tokio::sync::{Semaphore, mpsc, oneshot};

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
    /// It has entries, and the file that tells how to read them is missing or damaged.
    #[error("{0} has entries but {0}/format is missing or damaged: restore that file, or move the directory away to begin without them", dir.display())]
    FormatMissing {
        /// The journal's directory.
        dir: PathBuf,
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
    appends: Appends,
    thread: Mutex<Option<JoinHandle<()>>>,
}

/// The way to the writer. Its room is taken before an append is sent, so that nobody who
/// waits for room can keep the journal from closing.
#[derive(Clone)]
struct Appends {
    room: Arc<Semaphore>,
    sender: Arc<Mutex<Option<mpsc::UnboundedSender<Append>>>>,
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
        home::create(dir)?;
        let lock = home::lock(dir)?;
        let key = home::key(dir)?;
        let reserve = Reserve::new(dir, config.reserve_bytes);
        reserve.take();
        let quarantine = Quarantine::new(dir);
        let telemetry = Telemetry::register(registry);
        let mut partitions = BTreeMap::new();
        for signal in Signal::ALL {
            let partition = Partition::first(signal);
            let name = format!("{}-{}", signal.as_str(), partition.number);
            let folder = dir.join(&name);
            let disk = Disk::open(&folder).map_err(failed(&folder))?;
            let shared = Shared::recover(
                disk,
                config.clone(),
                key,
                telemetry.of(signal),
                quarantine.of(name),
            );
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
        sync_folder(dir).map_err(failed(dir))?;
        Ok(Self {
            partitions,
            entry_bytes_max: config.entry_bytes_max,
            _lock: lock,
        })
    }

    /// Takes no more appends, makes those under way durable, and wakes readers.
    pub fn close(&self) {
        for partition in self.partitions.values() {
            partition.appends.close();
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
        let (sender, receiver) = mpsc::unbounded_channel();
        let bytes_max = config.commit_bytes_max;
        let thread = std::thread::Builder::new()
            .name("journal".into())
            .spawn(move || commit::run(writer, receiver, bytes_max))?;
        Ok(Self {
            shared,
            appends: Appends {
                room: Arc::new(Semaphore::new(config.appends_max)),
                sender: Arc::new(Mutex::new(Some(sender))),
            },
            thread: Mutex::new(Some(thread)),
        })
    }
}

impl Appends {
    async fn append(self, entry: Entry) -> Result<Position, AppendError> {
        let room = self.room.acquire_owned().await;
        let room = room.map_err(|_| AppendError::Closed)?;
        let (done, committed) = oneshot::channel();
        let append = Append { entry, done, room };
        let sent = self
            .sender
            .lock()
            .as_ref()
            .map(|sender| sender.send(append));
        let Some(Ok(())) = sent else {
            return Err(AppendError::Closed);
        };
        committed.await.map_err(|_| AppendError::Closed)?
    }

    fn close(&self) {
        self.sender.lock().take();
        self.room.close();
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
        let appends = self.partition(partition).map(|open| open.appends.clone());
        Box::pin(async move {
            let appends = appends.ok_or(AppendError::Closed)?;
            appends.append(entry).await
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
    const ENTRY_MAX: usize = frame::ENTRY_BYTES_MAX;
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
    if config.appends_max == 0 || config.appends_max > Semaphore::MAX_PERMITS {
        let most = Semaphore::MAX_PERMITS;
        return wrong("appends_max", format!("must be between 1 and {most}"));
    }
    Ok(())
}
