//! The store: what is visible, and who may change it.
//!
//! ```text
//! view    what queries take a copy of: segments and tail of every tenant, at one instant
//! writer  what the one writing thread owns: manifest, intake, work in the background
//! ```
//!
//! A seal freezes the tail (queries still see it), writes one segment per tenant in a
//! thread of its own while records go on coming in, and is published in one step: manifest
//! first, then the view. Merging works the same way. `maintain` publishes what is finished,
//! so all changes happen on the thread that applies.

mod view;
mod writer;
mod seal;
mod unsealed;
mod suspects;
mod merge;
mod plan;
mod delete;
mod retention;
mod sweep;
mod maintain;
mod usage;
mod lookup;
mod patterns;

pub use delete::{DeleteError, DeleteRequest, DeleteStatus, NewDelete};
pub use patterns::LinePatterns;
pub use retention::RetentionInForce;
pub(crate) use retention::check as check_retention;
pub(crate) use sweep::{anywhere, place};
pub use usage::{StreamUsage, TenantUsage};

use crate::config::Config;
use crate::search::Threads;
use crate::segment::{Common, Mapped};
use crate::telemetry::Telemetry;
use parking_lot::{Mutex, RwLock};
use prometheus_client::registry::Registry;
use retention::{Retention, ages_until};
use serde::Serialize;
use sonde_proto::{Entry, Position, Tenant, UnixNanos};
use sonde_segment::{SegmentDir, SwapError};
use std::path::Path;
use std::sync::Arc;
use view::View;
use writer::Writer;

/// Keeps log records and finds them again.
pub struct LogStore {
    config: Config,
    dir: Arc<SegmentDir>,
    /// What all segments share.
    common: Arc<Common>,
    retention: Arc<Retention>,
    view: RwLock<View>,
    writer: Mutex<Writer>,
    /// Segments that queries found damaged, for `maintain` to move aside.
    damaged: Mutex<Vec<(u64, String)>>,
    /// What queries are carried out by.
    threads: Threads,
    telemetry: Telemetry,
}

/// Why a store could not be opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// The configuration says something that cannot be.
    #[error("cannot open the log store: {0}")]
    Config(String),
    /// The manifest is whole, and has something that this program cannot read.
    #[error(
        "cannot open the log store: manifest.json: {0}; open it with the version that wrote it"
    )]
    Extra(String),
    /// The directory or its manifest cannot be used.
    #[error("cannot open the log store: {0}")]
    Dir(#[from] sonde_segment::OpenError),
    /// A segment of another version of the format lies there.
    #[error(
        "cannot open the log store: the segment {} is of another version of the format than this program reads; start the version that wrote it, or move the store's directory away to start empty",
        .0.display()
    )]
    Version(std::path::PathBuf),
    /// A damaged segment could not be taken out of the manifest.
    #[error("cannot open the log store: {0}")]
    Quarantine(#[from] SwapError),
}

/// Why sealing or tidying failed. Nothing is lost, and the next attempt tries again.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// A segment could not be written, for example on a full disk.
    #[error("cannot seal logs: {0}")]
    Seal(String),
    /// The manifest could not be swapped.
    #[error("cannot publish segments of logs: {0}")]
    Swap(#[from] SwapError),
}

/// What a store holds.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Stats {
    /// All records, sealed or not.
    pub records: u64,
    /// Bytes of segments on disk.
    pub bytes: u64,
    /// How many segments there are.
    pub segments: usize,
    /// Records in memory that are not sealed yet.
    pub tail_records: u64,
    /// About how many bytes these take.
    pub tail_bytes: u64,
    /// The earliest time of any record.
    pub oldest: Option<UnixNanos>,
    /// The latest time of any record.
    pub newest: Option<UnixNanos>,
    /// How many segments were found damaged or missing since the start.
    pub quarantined: u64,
    /// How many damaged segments lie in the store's `quarantine/`, of this and earlier starts.
    /// Nothing deletes them but a person, and delete requests do not reach them.
    pub aside_segments: u64,
    /// Their bytes on disk.
    pub aside_bytes: u64,
    /// What is wrong and a person should do something about, in words.
    pub troubles: Vec<String>,
    /// What a crash would replay the journal from.
    pub resume_from: Position,
    /// Everything before this position is searchable.
    pub applied_to: Position,
}

impl LogStore {
    /// Opens the store in `dir`, creating it if need be. Damaged segments are moved aside,
    /// those that cannot be read stay where they are, and the rest is served.
    ///
    /// # Errors
    /// [`OpenError`] when the directory cannot be used or the manifest is damaged.
    pub fn open(
        dir: &Path,
        config: &Config,
        registry: &mut Registry,
        now: UnixNanos,
    ) -> Result<Self, OpenError> {
        let telemetry = Telemetry::register(registry);
        let retention = Arc::new(Retention::new(config).map_err(OpenError::Config)?);
        let (dir, mut manifest) = SegmentDir::open(dir)?;
        let mapped = Mapped::new(config.mapped_bytes_max, &telemetry);
        let common = Arc::new(Common::new(config.kept_bytes_max(), config.bodies).with(mapped));
        let segments = view::open_segments(&dir, &mut manifest, &common, config, now)?;
        telemetry.drop("damaged_segment", dir.quarantined());
        let until = ages_until(&manifest.segments, now);
        let mut view = View::new(segments, manifest.covers, Arc::clone(&retention), until);
        let writer = Writer::new(manifest, config, &telemetry, now);
        let writer = writer.map_err(OpenError::Extra)?;
        view.put_requests(&writer.requests);
        let store = Self {
            config: config.clone(),
            dir: Arc::new(dir),
            common,
            retention,
            view: RwLock::new(view),
            writer: Mutex::new(writer),
            damaged: Mutex::default(),
            threads: Threads::of_config(config.query_threads_max),
            telemetry,
        };
        store
            .let_go(&mut store.writer.lock(), now)
            .map_err(OpenError::Quarantine)?;
        store.show_gauges(&store.writer.lock());
        Ok(store)
    }

    /// From where the journal must be replayed after a crash.
    #[must_use]
    pub fn resume_from(&self) -> Position {
        self.view.read().covers
    }

    /// Everything before this position is searchable.
    #[must_use]
    pub fn applied_to(&self) -> Position {
        self.view.read().applied_to
    }

    /// What the store holds.
    #[must_use]
    pub fn stats(&self) -> Stats {
        let mut stats = self.view.read().stats();
        stats.quarantined = self.dir.quarantined();
        let aside = self.dir.aside();
        (stats.aside_segments, stats.aside_bytes) = (aside.segments, aside.bytes);
        stats.troubles.extend_from_slice(self.dir.troubles());
        stats
    }

    /// Makes the records of `entries` searchable. Entries before [`Self::applied_to`] are
    /// ignored; what is no valid OTLP is counted and left out.
    ///
    /// Memory is bounded: when the tail is full and no segment can be written to empty it
    /// (a full disk), the entries from there on are refused, [`Self::applied_to`] stays, and
    /// they have to be applied again, from that position, once there is room.
    pub fn apply(&self, entries: &[(Position, Entry)]) {
        let mut writer = self.writer.lock();
        let mut rest = entries;
        while let Some((first, _)) = rest.first() {
            let known = *first < self.applied_to();
            if !known && !self.make_room(&mut writer, *first) {
                return;
            }
            rest = self.apply_some(&mut writer, rest);
        }
    }

    /// The tenants that have anything here.
    #[must_use]
    pub fn tenants(&self) -> Vec<Tenant> {
        self.view.read().tenants()
    }
}

impl Drop for LogStore {
    fn drop(&mut self) {
        self.writer.get_mut().stop();
    }
}

impl std::fmt::Debug for LogStore {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("LogStore")
            .field("stats", &self.stats())
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
