//! The store: takes entries, seals them, answers.

mod seal;
mod answer;
mod newest;
mod cardinality;

use crate::Config;
use crate::head::groups::Keys;
use crate::ingest::Ingest;
use crate::segment::{IndexCache, Segment};
use crate::telemetry::{Reason, Telemetry};
use crate::tenant::TenantStore;
use ahash::AHashMap;
use parking_lot::{Mutex, RwLock};
use prometheus_client::registry::Registry;
use sonde_proto::{Entry, Position, Signal, Tenant, UnixNanos};
use sonde_segment::{Manifest, SegmentDir, SwapError};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

pub use answer::{Lookup, Question};
pub use cardinality::{Cardinality, Counted};
pub use newest::{NewestSample, Selection};

/// Every tenant's metrics.
pub struct MetricStore {
    config: Config,
    keys: Keys,
    telemetry: Telemetry,
    dir: SegmentDir,
    indexes: IndexCache,
    /// The manifest in force. Held by the one thread that seals, never by queries.
    manifest: Mutex<Manifest>,
    tenants: RwLock<AHashMap<Tenant, Arc<TenantStore>>>,
    /// Held while entries are applied and while they are sealed: what came in between would be
    /// let go of without having been written.
    changing: Mutex<()>,
    applied_to: AtomicU64,
    covers: AtomicU64,
    /// When the oldest unsealed entry was received, in nanoseconds; 0 when there is none.
    unsealed_since: AtomicU64,
    /// Whether segments changed since a merge was last looked for.
    merge_due: AtomicBool,
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
        _now: UnixNanos,
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
                Err(error) => {
                    if let Some(cause) = dir.why_unreadable(&meta.tenant, meta.id) {
                        let path = dir.path(&meta.tenant, meta.id);
                        return Err(OpenError::Segment { path, cause });
                    }
                    dir.quarantine(&mut manifest, meta.id, &error.to_string())?;
                }
            }
        }
        tenants
            .values()
            .for_each(|tenant| tenant.state.write().sort_segments());
        telemetry.quarantined.inc_by(dir.quarantined());
        let store = Self {
            config: config.clone(),
            keys: Keys::default(),
            telemetry,
            dir,
            indexes: IndexCache::new(config.index_cache_bytes_max),
            applied_to: AtomicU64::new(manifest.covers.0),
            covers: AtomicU64::new(manifest.covers.0),
            manifest: Mutex::new(manifest),
            changing: Mutex::default(),
            tenants: RwLock::new(tenants),
            unsealed_since: AtomicU64::new(0),
            merge_due: AtomicBool::new(true),
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

    /// Makes entries visible. Those before [`Self::applied_to`] are ignored.
    pub fn apply(&self, entries: &[(Position, Entry)]) {
        let _changing = self.changing.lock();
        for (position, entry) in entries {
            if *position < self.applied_to() {
                continue;
            }
            if entry.signal == Signal::Metrics {
                self.apply_one(entry);
            }
            self.applied_to.store(position.next().0, Ordering::Release);
        }
    }

    fn apply_one(&self, entry: &Entry) {
        let Some(tenant) = self.tenant_or_new(&entry.tenant) else {
            self.telemetry.refuse(Reason::TenantsMax, 1);
            return;
        };
        let since = entry.received_at.0.max(1);
        let _ = self
            .unsealed_since
            .compare_exchange(0, since, Ordering::AcqRel, Ordering::Acquire);
        let mut state = tenant.state.write();
        let before = state.head.samples();
        Ingest {
            config: &self.config,
            keys: &self.keys,
            telemetry: &self.telemetry,
            indexes: &self.indexes,
            state: &mut state,
            received_at: entry.received_at,
        }
        .request(&entry.payload);
        self.telemetry.samples.inc_by(state.head.samples() - before);
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

    fn tenant(&self, name: &Tenant) -> Option<Arc<TenantStore>> {
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
            stats.series += state.head.series().len();
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

    /// How often something was refused for that reason.
    #[cfg(test)]
    pub(crate) fn refused(&self, reason: Reason) -> u64 {
        self.telemetry.refused(reason)
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
) -> Result<Segment, crate::segment::SegmentError> {
    let segment = Segment::open(&dir.path(&meta.tenant, meta.id), meta.clone())?;
    segment.check_index()?;
    Ok(segment)
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
    use crate::promql::source::{Series as _, Source as _, TimeRange};
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
    let found = source.select(matchers, range, usize::MAX).unwrap();
    let read = |series: crate::select::StoredSeries<'_>| {
        let mut samples = crate::Samples::default();
        series.read(&mut samples).unwrap();
        (series.labels(), samples)
    };
    found.into_iter().map(read).collect()
}

#[cfg(test)]
mod tests;
