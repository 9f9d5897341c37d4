//! The store: takes entries, seals them, answers.
//!
//! A seal freezes what is in memory (queries still see it), writes a segment a tenant in a
//! thread of its own while samples go on coming in, and is published in one step: manifest
//! first, then what queries see. Merging works the same way. `maintain` publishes what is
//! finished, so that all changes happen on the thread that applies.

mod writer;
mod room;
mod catalog;
mod seal;
mod merge;
mod delete;
mod snapshot;
mod maintain;
mod answer;
mod newest;
mod cardinality;

use crate::Config;
use crate::deletion::{self, Deletions};
use crate::head::groups::Keys;
use crate::postings::Index as _;
use crate::segment::{IndexCache, Segment, SegmentError};
use crate::telemetry::Telemetry;
use crate::tenant::TenantStore;
use ahash::AHashMap;
use parking_lot::{Mutex, RwLock};
use prometheus_client::registry::Registry;
use sonde_proto::{Position, Tenant, UnixNanos};
use sonde_segment::{SegmentDir, SwapError};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use writer::Writer;

pub use answer::{Lookup, Question, When};
pub use cardinality::{Cardinality, Counted};
pub use delete::{Delete, DeleteError};
pub use newest::{NewestSample, Selection};

/// Every tenant's metrics.
pub struct MetricStore {
    config: Config,
    keys: Keys,
    telemetry: Telemetry,
    dir: Arc<SegmentDir>,
    indexes: IndexCache,
    /// Held by the one thread that applies and maintains, never by queries.
    writer: Mutex<Writer>,
    tenants: RwLock<AHashMap<Tenant, Arc<TenantStore>>>,
    applied_to: AtomicU64,
    covers: AtomicU64,
    /// How many series are in memory, over all tenants.
    series: AtomicU64,
    symbol_bytes: AtomicU64,
}

/// Why the store could not be opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// Its directory or manifest could not be used.
    #[error("cannot open the metric store: {0}")]
    Directory(#[from] sonde_segment::OpenError),
    /// A segment cannot be read, which says nothing about its bytes.
    #[error(
        "cannot open the metric store: cannot read the segment {}: {cause}; mend that, or move the segment away to go without it",
        path.display()
    )]
    Segment {
        /// Where it lies.
        path: std::path::PathBuf,
        /// Why it cannot be read.
        cause: std::io::Error,
    },
    /// A segment of another version of the format lies there.
    #[error(
        "cannot open the metric store: the segment {} is of another version of the format than this program reads; start the version that wrote it, or move the store's directory away to start empty",
        .0.display()
    )]
    Version(std::path::PathBuf),
    /// What was deleted cannot be read.
    #[error(
        "cannot open the metric store: its manifest lists deletions that this program cannot read ({0}); start the version that wrote it"
    )]
    Deletions(serde_json::Error),
    /// A damaged segment could not be moved aside.
    #[error("cannot open the metric store: {0}")]
    Quarantine(#[from] SwapError),
}

/// Why sealing, merging or retention failed. Nothing is lost: it is tried again.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The manifest could not be changed.
    #[error("{0}")]
    Swap(#[from] SwapError),
    /// A segment could not be written.
    #[error("cannot write metric segment {}: {cause}; is the disk full?", path.display())]
    Write {
        /// The segment's path.
        path: std::path::PathBuf,
        /// Why it failed.
        cause: std::io::Error,
    },
    /// Segments could not be read to be merged.
    #[error("cannot merge metric segments: {0}")]
    Merge(String),
    /// A snapshot could not be written.
    #[error("cannot write the snapshot {}: {cause}; it needs room for a manifest on the same disk as the store", path.display())]
    Snapshot {
        /// Where it was to be.
        path: std::path::PathBuf,
        /// Why it failed.
        cause: std::io::Error,
    },
    /// The thread that did it panicked.
    #[error("{0} metrics panicked, which is a defect; please report it")]
    Panicked(&'static str),
}

/// What the store holds.
#[derive(Clone, Debug, Default, PartialEq, Eq, serde::Serialize)]
pub struct Stats {
    /// Samples, sealed and unsealed.
    pub records: u64,
    /// Bytes of sealed segments.
    pub bytes: u64,
    /// How many sealed segments there are.
    pub segments: usize,
    /// The earliest sample.
    pub oldest: Option<UnixNanos>,
    /// The latest sample.
    pub newest: Option<UnixNanos>,
    /// Series in memory.
    pub series: usize,
    /// Samples that are not sealed yet.
    pub unsealed: u64,
    /// About how much memory the unsealed part takes.
    pub head_bytes: u64,
    /// How many tenants there are.
    pub tenants: usize,
    /// Segments that were found damaged and moved aside.
    pub quarantined: u64,
}

impl MetricStore {
    /// Opens the store in `dir`; damaged segments are moved aside.
    ///
    /// # Errors
    /// [`OpenError`] when the directory or its manifest cannot be used.
    pub fn open(
        dir: &Path,
        config: &Config,
        registry: &mut Registry,
        now: UnixNanos,
    ) -> Result<Self, OpenError> {
        let (dir, mut manifest) = SegmentDir::open(dir)?;
        let telemetry = Telemetry::register(registry);
        let mut tenants: AHashMap<Tenant, Arc<TenantStore>> = AHashMap::new();
        for meta in manifest.segments.clone() {
            match open_segment(&dir, &meta) {
                Ok(segment) => {
                    let tenant = tenants.entry(meta.tenant.clone()).or_default();
                    tenant.state.write().segments.push(Arc::new(segment));
                }
                Err(SegmentError::Version(_)) => {
                    return Err(OpenError::Version(dir.path(&meta.tenant, meta.id)));
                }
                Err(error) => {
                    if let Some(cause) = dir.why_unreadable(&meta.tenant, meta.id) {
                        let path = dir.path(&meta.tenant, meta.id);
                        return Err(OpenError::Segment { path, cause });
                    }
                    dir.quarantine(&mut manifest, meta.id, &error.to_string())?;
                }
            }
        }
        let deletions = deletion::listed(&manifest).map_err(OpenError::Deletions)?;
        for (name, tenant) in &tenants {
            let mut state = tenant.state.write();
            state.sort_segments();
            state.deletions = Deletions::of(&deletions, name);
        }
        telemetry.quarantined.inc_by(dir.quarantined());
        let store = Self {
            config: config.clone(),
            keys: Keys::default(),
            telemetry,
            dir: Arc::new(dir),
            indexes: IndexCache::new(config.index_cache_bytes_max),
            applied_to: AtomicU64::new(manifest.covers.0),
            covers: AtomicU64::new(manifest.covers.0),
            series: AtomicU64::new(0),
            symbol_bytes: AtomicU64::new(0),
            writer: Mutex::new(Writer::new(manifest, config, now)),
            tenants: RwLock::new(tenants),
        };
        store.refresh_gauges();
        Ok(store)
    }

    /// Where the journal must be replayed from after a crash.
    pub fn resume_from(&self) -> Position {
        Position(self.covers.load(Ordering::Acquire))
    }

    /// Everything before this position is visible to queries.
    pub fn applied_to(&self) -> Position {
        Position(self.applied_to.load(Ordering::Acquire))
    }

    fn advance_to(&self, position: Position) {
        self.applied_to.store(position.0, Ordering::Release);
    }

    fn tenant_or_new(&self, name: &Tenant) -> Option<Arc<TenantStore>> {
        if let Some(tenant) = self.tenant(name) {
            return Some(tenant);
        }
        let mut tenants = self.tenants.write();
        if tenants.len() >= self.config.tenants_max {
            return None;
        }
        Some(Arc::clone(tenants.entry(name.clone()).or_default()))
    }

    pub(crate) fn tenant(&self, name: &Tenant) -> Option<Arc<TenantStore>> {
        self.tenants.read().get(name).cloned()
    }

    fn all_tenants(&self) -> Vec<(Tenant, Arc<TenantStore>)> {
        let mut all: Vec<_> = self
            .tenants
            .read()
            .iter()
            .map(|(n, t)| (n.clone(), Arc::clone(t)))
            .collect();
        all.sort_by(|a, b| a.0.cmp(&b.0));
        all
    }

    /// What the store holds now.
    pub fn stats(&self) -> Stats {
        let mut stats = Stats {
            quarantined: self.dir.quarantined(),
            ..Stats::default()
        };
        let mut span: Option<(UnixNanos, UnixNanos)> = None;
        let mut widen = |start: UnixNanos, end: UnixNanos| {
            let (first, last) = span.unwrap_or((start, end));
            span = Some((first.min(start), last.max(end)));
        };
        for (_, tenant) in self.all_tenants() {
            let state = tenant.state.read();
            stats.tenants += 1;
            stats.series += state.head.count() as usize;
            stats.unsealed += state.head.samples();
            stats.head_bytes += state.head.bytes() as u64;
            stats.segments += state.segments.len();
            if let Some((first, last)) = state.head.span() {
                widen(UnixNanos::from_millis(first), UnixNanos::from_millis(last));
            }
            for segment in &state.segments {
                stats.bytes += segment.meta.bytes;
                stats.records += segment.meta.records;
                widen(segment.meta.start, segment.meta.end);
            }
        }
        stats.records += stats.unsealed;
        (stats.oldest, stats.newest) = span.unzip();
        stats
    }

    /// Ends the work in the background, as a process that ends does.
    #[cfg(test)]
    pub(crate) fn stop(&self) {
        self.writer.lock().stop();
    }

    /// How often something was refused for that reason.
    #[cfg(test)]
    pub(crate) fn refused(&self, reason: crate::telemetry::Reason) -> u64 {
        self.telemetry.refused(reason)
    }

    /// How often a metric contradicted one of the same name.
    #[cfg(test)]
    pub(crate) fn conflicts(&self) -> u64 {
        self.telemetry.conflicts.get()
    }

    fn refresh_gauges(&self) {
        let stats = self.stats();
        self.telemetry.series.set(stats.series as i64);
        self.telemetry.segments.set(stats.segments as i64);
    }
}

fn open_segment(
    dir: &SegmentDir,
    meta: &sonde_segment::SegmentMeta,
) -> Result<Segment, SegmentError> {
    let segment = Segment::open(&dir.path(&meta.tenant, meta.id), meta.clone())?;
    segment.check_directory()?;
    Ok(segment)
}

impl Drop for MetricStore {
    fn drop(&mut self) {
        self.writer.get_mut().stop();
    }
}

impl std::fmt::Debug for MetricStore {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("MetricStore")
            .field("stats", &self.stats())
            .finish_non_exhaustive()
    }
}

/// Every series of a tenant that satisfies the matchers, with its samples, by label.
#[cfg(test)]
pub(crate) fn samples_of(
    store: &MetricStore,
    tenant: &Tenant,
    matchers: &[sonde_proto::Matcher],
) -> std::collections::BTreeMap<sonde_proto::Labels, crate::Samples> {
    use crate::promql::source::{Room, Series as _, Source as _, TimeRange};
    let tenant = store.tenant(tenant).unwrap_or_default();
    let source = crate::select::TenantSource {
        tenant: &tenant,
        indexes: &store.indexes,
        deadline: &sonde_proto::Deadline::never(),
        reads: &crate::select::Reads::default(),
    };
    let range = TimeRange {
        start: i64::MIN,
        end: i64::MAX,
    };
    let mut room = Room::new(&crate::QueryLimits {
        samples_max: u64::MAX,
        ..crate::QueryLimits::default()
    });
    let found = source.select(matchers, range, &mut room).unwrap();
    let read = |series: crate::select::StoredSeries<'_>| {
        let mut samples = crate::Samples::default();
        series.read(&mut samples).unwrap();
        (series.labels(), samples)
    };
    found.into_iter().map(read).collect()
}

#[cfg(test)]
mod tests;
