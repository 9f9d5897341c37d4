//! The store: one writer that applies, seals, merges and lets go, and many readers.

mod seal;
mod keep;
mod gone;
mod leave;
mod merge;
mod view;
mod usage;
mod votes;

pub use usage::{ServiceUsage, TraceUsage};
pub(crate) use view::View;

use crate::config::Config;
use crate::metrics::Metrics;
use crate::model::Stats;
use crate::read;
use crate::sampling::Sampler;
use crate::segment::{IdsOnly, Segment, ShellCache};
use crate::tail::{Parsed, SharedTail, Tail};
use ahash::AHashMap;
use keep::Keeper;
use parking_lot::{Mutex, MutexGuard, RwLock};
use prometheus_client::registry::Registry;
use sonde_proto::{Entry, Position, Tenant, UnixNanos, walk};
use sonde_segment::blocks::BlockError;
use sonde_segment::{SegmentDir, SwapError};
use std::path::Path;
use std::sync::Arc;

/// The trace store.
#[derive(Debug)]
pub struct TraceStore {
    config: Config,
    metrics: Metrics,
    dir: Arc<SegmentDir>,
    shells: Arc<ShellCache>,
    state: RwLock<State>,
    keeper: Mutex<Keeper>,
    /// Where not everything is kept, or was.
    sampler: Option<Arc<Sampler>>,
}

/// Why the store could not be opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// Its directory or manifest cannot be used.
    #[error("cannot open the trace store: {0}")]
    Directory(#[from] sonde_segment::OpenError),
    /// A segment cannot be read, and not because it is damaged.
    #[error("cannot open the trace store: segment {id:016x}: {cause}")]
    Segment {
        /// The segment's number.
        id: u64,
        /// Why.
        cause: BlockError,
    },
    /// A damaged segment could not be moved aside.
    #[error("cannot open the trace store: {0}")]
    Quarantine(#[from] SwapError),
}

/// Why the store could not write. What was applied is still searchable, and the next call
/// tries again.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// A segment's place or the manifest could not be written.
    #[error("cannot write to the trace store: {0}")]
    Directory(#[from] SwapError),
    /// A segment could not be written.
    #[error("cannot write to the trace store: {0}")]
    Segment(#[from] BlockError),
    /// What was decided of traces could not be written.
    #[error("cannot write what was decided of traces to {}: {cause}", path.display())]
    Sampling {
        /// The file.
        path: std::path::PathBuf,
        /// Why.
        cause: std::io::Error,
    },
    /// The thread that did it panicked.
    #[error("{0} spans panicked, which is a defect; please report it")]
    Panicked(&'static str),
}

/// How much of the resources and scopes of segments stays in memory.
const SHELL_BYTES_MAX: usize = 32 << 20;

/// So many troubles are told.
const TROUBLES_MAX: usize = 16;

/// What queries see, changed in one step under its lock.
#[derive(Debug, Default)]
struct State {
    /// The tails of each tenant: the last one takes spans, those before are on their way to
    /// disk.
    tails: AHashMap<Tenant, Vec<SharedTail>>,
    segments: Vec<Arc<Segment>>,
    /// What is left of segments whose spans were let go.
    ids_only: Vec<Arc<IdsOnly>>,
    applied_to: Position,
    /// Everything before this position lies in segments.
    covers: Position,
    gone: gone::ByTenant,
    /// What a person should do something about.
    troubles: Vec<String>,
}

impl State {
    /// Takes spans; returns how many bytes more the tail has.
    fn insert(&mut self, tenant: &Tenant, position: Position, parsed: Parsed) -> usize {
        let tails = match self.tails.get_mut(tenant) {
            Some(tails) => tails,
            None => self.tails.entry(tenant.clone()).or_default(),
        };
        if tails.is_empty() {
            tails.push(Arc::new(RwLock::new(Tail::default())));
        }
        tails.last().map_or(0, |active| {
            let mut active = active.write();
            let before = active.bytes;
            active.insert(position, parsed);
            active.bytes.saturating_sub(before)
        })
    }

    fn note_trouble(&mut self, trouble: String) {
        if self.troubles.len() < TROUBLES_MAX {
            self.troubles.push(trouble);
        }
    }

    fn each_tail(&self) -> impl Iterator<Item = &SharedTail> {
        self.tails.values().flatten()
    }

    fn tail_bytes(&self) -> usize {
        self.each_tail().map(|tail| tail.read().bytes).sum()
    }
}

impl TraceStore {
    /// Opens the store's directory, moving damaged segments aside.
    ///
    /// # Errors
    /// [`OpenError`] when the directory cannot be used.
    pub fn open(
        dir: &Path,
        config: &Config,
        registry: &mut Registry,
        now: UnixNanos,
    ) -> Result<Self, OpenError> {
        let (dir, mut manifest) = SegmentDir::open(dir)?;
        let metrics = Metrics::register(registry);
        metrics.damaged.inc_by(dir.quarantined());
        let shells = Arc::new(ShellCache::new(SHELL_BYTES_MAX));
        let (mut segments, mut ids_only) = (Vec::new(), Vec::new());
        for meta in manifest.segments.clone() {
            let (id, path) = (meta.id, dir.path(&meta.tenant, meta.id));
            let opened = if IdsOnly::is_meant(&meta) {
                IdsOnly::open(&path, meta).map(|ids| ids_only.push(Arc::new(ids)))
            } else {
                Segment::open(&path, meta, &shells).map(|segment| segments.push(Arc::new(segment)))
            };
            match opened {
                Ok(()) => {}
                Err(error) if is_damage(&error) => {
                    metrics.damaged.inc();
                    if let Some(meta) = manifest.segment(id).cloned() {
                        gone::note(&mut manifest, &[meta], gone::Why::Damaged, now);
                    }
                    dir.quarantine(&mut manifest, id, &error.to_string())?;
                }
                Err(cause) => return Err(OpenError::Segment { id, cause }),
            }
        }
        let state = State {
            segments,
            ids_only,
            applied_to: manifest.covers,
            covers: manifest.covers,
            gone: gone::read(&manifest),
            ..State::default()
        };
        let sampler = Sampler::open(dir.root(), config, registry, manifest.covers, now);
        let dir = Arc::new(dir);
        let store = Self {
            sampler,
            config: config.clone(),
            metrics,
            dir,
            shells,
            state: RwLock::new(state),
            keeper: Mutex::new(Keeper::new(manifest, config, now)),
        };
        store.gauge();
        Ok(store)
    }

    /// The position that the journal must be replayed from after a crash.
    #[must_use]
    pub fn resume_from(&self) -> Position {
        self.state.read().covers
    }

    /// Everything before this position is searchable.
    #[must_use]
    pub fn applied_to(&self) -> Position {
        self.state.read().applied_to
    }

    /// Makes entries visible to queries. Entries before [`Self::applied_to`] are ignored.
    ///
    /// When the tail is full and cannot be written (a full disk), entries are held back:
    /// `applied_to` then stays where it is, and the caller must offer the journal from
    /// there again. Nothing after a held-back entry is taken before it.
    pub fn apply(&self, entries: &[(Position, Entry)]) {
        let mut applying = self.begin();
        for (position, entry) in entries {
            if applying.wants(*position) {
                applying.take(*position, entry, &walk::spans_of(entry));
            }
        }
    }

    /// Begins to apply entries one by one, for whoever reads their spans for others too.
    #[must_use]
    pub fn begin(&self) -> Applying<'_> {
        Applying {
            store: self,
            keeper: self.keeper.lock(),
            is_held_back: false,
        }
    }

    /// How much the store holds.
    #[must_use]
    pub fn stats(&self) -> Stats {
        let state = self.state.read();
        let metas = || state.segments.iter().map(|s| &s.meta);
        let mut stats = Stats {
            records: metas().map(|m| m.records).sum(),
            bytes: metas().map(|m| m.bytes).sum(),
            request_id_bytes: state.ids_only.iter().map(|s| s.meta.bytes).sum(),
            tail_bytes: state.tail_bytes() as u64,
            segments: state.segments.len(),
            oldest: metas().map(|m| m.start).min(),
            newest: metas().map(|m| m.end).max(),
            quarantined: self.dir.quarantined(),
            aside_segments: self.dir.aside().segments,
            aside_bytes: self.dir.aside().bytes,
            troubles: state.troubles.clone(),
        };
        stats.troubles.extend_from_slice(self.dir.troubles());
        for tail in state.each_tail() {
            let tail = tail.read();
            stats.records += tail.spans;
            if let Some((start, end)) = tail.ran {
                stats.oldest = Some(stats.oldest.map_or(start, |oldest| oldest.min(start)));
                stats.newest = Some(stats.newest.map_or(end, |newest| newest.max(end)));
            }
        }
        stats
    }

    /// Its settings.
    #[must_use]
    pub fn config(&self) -> &Config {
        &self.config
    }

    /// Whether the tail can take an entry. Has it sealed when it is large enough, and waits
    /// for that only where there is no room beside what is being sealed.
    fn has_room(&self, keeper: &mut Keeper, position: Position) -> bool {
        if keeper.held_back_from.is_some_and(|from| position > from) {
            return false;
        }
        let max = self.config.seal_bytes;
        if (keeper.active_bytes as u64) < max {
            keeper.held_back_from = None;
            return true;
        }
        let all = (keeper.active_bytes + keeper.frozen_bytes()) as u64;
        let full = keeper.frozen.is_some() && all >= max.saturating_mul(2);
        if full && let Err(error) = self.finish_seal(keeper) {
            tracing::error!(%error, %position, "the tail of the trace store is full and cannot be written; holding back");
            self.metrics.held_back.inc();
            keeper.held_back_from = Some(position);
            return false;
        }
        keeper.held_back_from = None;
        if keeper.frozen.is_none()
            && let Err(error) = self.freeze(keeper)
        {
            tracing::error!(%error, "sealing spans failed and will be tried again");
        }
        true
    }

    fn gauge(&self) {
        let state = self.state.read();
        let set = |gauge: &prometheus_client::metrics::gauge::Gauge, n: u64| {
            gauge.set(i64::try_from(n).unwrap_or(i64::MAX))
        };
        set(&self.metrics.tail_bytes, state.tail_bytes() as u64);
        set(&self.metrics.segments, state.segments.len() as u64);
        set(
            &self.metrics.segment_bytes,
            state.segments.iter().map(|s| s.meta.bytes).sum(),
        );
    }
}

/// Whether a segment is unusable for good: damaged, or files of it are gone.
fn is_damage(error: &BlockError) -> bool {
    let gone = matches!(error, BlockError::Io { cause, .. } if matches!(cause.kind(), std::io::ErrorKind::NotFound | std::io::ErrorKind::NotADirectory));
    error.is_damage() || gone
}

/// Entries that are being applied: nobody else writes meanwhile.
#[derive(Debug)]
pub struct Applying<'a> {
    store: &'a TraceStore,
    keeper: MutexGuard<'a, Keeper>,
    /// Nothing more is taken, until it is offered again.
    is_held_back: bool,
}

impl Applying<'_> {
    /// Whether the entry at this position is to be taken, as [`TraceStore::apply`] says. May wait
    /// for room.
    pub fn wants(&mut self, position: Position) -> bool {
        if self.is_held_back || position < self.store.applied_to() {
            return false;
        }
        self.is_held_back = !self.store.has_room(&mut self.keeper, position);
        !self.is_held_back
    }

    /// Takes an entry that is wanted, of which these are the spans.
    pub fn take(&mut self, position: Position, entry: &Entry, spans: &walk::SpansOf<'_>) {
        let mut parsed = self.parse(entry, spans);
        if let (Some(sampler), Some(parsed)) = (&self.store.sampler, &mut parsed) {
            sampler.take(&entry.tenant, position, parsed);
        }
        let mut state = self.store.state.write();
        state.applied_to = position.next();
        if let Some(parsed) = parsed {
            self.store.metrics.spans.inc_by(parsed.spans.len() as u64);
            let keeper = &mut *self.keeper;
            keeper.active_bytes += state.insert(&entry.tenant, position, parsed);
            let since = keeper.active_since.unwrap_or(entry.received_at);
            keeper.active_since = Some(since.min(entry.received_at));
        }
    }

    fn parse(&self, entry: &Entry, spans: &walk::SpansOf<'_>) -> Option<Parsed> {
        let TraceStore {
            config, metrics, ..
        } = self.store;
        match spans {
            None => None,
            Some(Ok(spans)) => Some(read::parsed(entry, spans, &config.request_id_keys, metrics)),
            Some(Err(error)) => {
                metrics.bad_payloads.inc();
                tracing::warn!(tenant = %entry.tenant, %error, "an entry of spans cannot be read and is left out");
                None
            }
        }
    }
}

impl Drop for Applying<'_> {
    fn drop(&mut self) {
        self.store.gauge();
    }
}

impl Drop for TraceStore {
    fn drop(&mut self) {
        self.keeper.get_mut().stop();
    }
}

#[cfg(test)]
mod tests;
