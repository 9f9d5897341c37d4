//! Written before it is acknowledged.
//!
//! A [`Journal`] keeps entries in partitions, in order, until whoever reads them says that
//! they are covered elsewhere. The collector appends everything that arrives; the agent
//! appends what it cannot read a second time. [`FileJournal`] keeps them in files of one
//! machine.

pub mod file;

pub use file::{FileConfig, FileJournal, OpenError};

use sonde_proto::{Entry, Partition, Position};
use std::pin::Pin;
use std::time::Duration;

/// A future that can be kept and sent.
pub type BoxFuture<T> = Pin<Box<dyn Future<Output = T> + Send>>;

/// A durable, ordered log of entries.
pub trait Journal: Send + Sync + 'static {
    /// Appends an entry. `Ok` means that it is durable and ordered after every entry whose
    /// append returned before. Dropping the future does not undo the append.
    fn append(
        &self,
        partition: Partition,
        entry: Entry,
    ) -> BoxFuture<Result<Position, AppendError>>;

    /// Reads durable entries from a position on. Where that is trimmed already, reading
    /// starts at the first entry kept.
    ///
    /// # Errors
    /// [`ReadError`] when the partition cannot be opened.
    fn read(&self, partition: Partition, from: Position) -> Result<Box<dyn Reader>, ReadError>;

    /// Forgets entries before a position, as far as whole files allow. When it returns,
    /// their space is free or will be used again.
    ///
    /// # Errors
    /// [`TrimError`] when a file could not be removed; the next call tries again.
    fn trim(&self, partition: Partition, before: Position) -> Result<(), TrimError>;

    /// The position of the first entry kept, or that of the next one where none is.
    fn first(&self, partition: Partition) -> Position;

    /// The position after the last durable entry.
    fn durable_end(&self, partition: Partition) -> Position;
}

/// Reads a partition in order.
pub trait Reader: Send {
    /// The next durable entries: about `bytes_max` of payload, at least one entry if there
    /// is any. Waits at most `wait` for the first, then returns none.
    ///
    /// # Errors
    /// [`ReadError`] when the files cannot be read. Damaged entries are no error: they are
    /// quarantined, counted and skipped.
    fn next_batch(
        &mut self,
        bytes_max: usize,
        wait: Duration,
    ) -> Result<Vec<(Position, Entry)>, ReadError>;
}

/// Why an entry is not durable.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AppendError {
    /// The entry can never be appended.
    #[error(
        "an entry of {bytes} bytes exceeds the journal's limit of {limit} bytes (journal.entry_bytes_max)"
    )]
    TooLarge {
        /// The entry's size.
        bytes: usize,
        /// The largest size.
        limit: usize,
    },
    /// There is no room until older entries are covered and trimmed.
    #[error("the journal is full: {reason}")]
    Full {
        /// Which room ran out.
        reason: String,
    },
    /// The journal is closed.
    #[error("the journal is closed")]
    Closed,
    /// The disk refused. Whether the entry survives a restart is not known.
    #[error("the journal cannot be written: {reason}")]
    Io {
        /// What the system said, and where.
        reason: String,
    },
}

/// Why entries cannot be read.
#[derive(Debug, thiserror::Error)]
#[error("cannot read the journal file {file}: {source}")]
pub struct ReadError {
    file: String,
    source: std::io::Error,
}

/// Why a partition cannot be trimmed.
#[derive(Debug, thiserror::Error)]
#[error("cannot remove the journal file {file}: {source}")]
pub struct TrimError {
    file: String,
    source: std::io::Error,
}
