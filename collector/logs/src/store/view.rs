//! What queries see.

use super::delete::Requests;
use super::retention::Retention;
use super::suspects::Suspects;
use super::{OpenError, Stats};
use crate::config::Config;
use crate::hidden::{Hidden, Request};
use crate::search::Snapshot;
use crate::segment::{Common, Handle, Proof, ReadError, prove};
use crate::tail::{self, Batch};
use sonde_proto::{Position, Tenant, UnixNanos};
use sonde_segment::{Manifest, SegmentDir};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// How many bytes the streams take that a query has in hand: those of a segment are a few
/// bytes each where others have them too.
const QUERY_STREAM_BYTES_MAX: u64 = 256 << 20;

const UNSEALED_MAX: usize = 16;

/// Segments and tail of every tenant. Locked for moments only.
#[derive(Debug)]
pub(super) struct View {
    pub(super) applied_to: Position,
    /// Everything before this position is in segments.
    pub(super) covers: Position,
    tenants: BTreeMap<Tenant, TenantView>,
    /// Segments that stay listed although they cannot be read.
    pub(super) suspects: Suspects,
    /// What a person should do something about, of requests to delete.
    pub(super) delete_troubles: Vec<String>,
    /// What could not be sealed since the start: the first few times that happened.
    unsealed: Vec<String>,
    /// What is asked to be deleted and hidden until it is gone, by tenant.
    pub(super) requests: BTreeMap<Tenant, Vec<Arc<Request>>>,
    retention: Arc<Retention>,
    /// What time it is for the retention of streams.
    pub(super) now: UnixNanos,
    /// How many bytes the streams take that a query has in hand.
    pub(super) query_stream_bytes_max: u64,
}

#[derive(Debug, Default)]
struct TenantView {
    segments: Vec<Arc<Handle>>,
    /// Being sealed.
    frozen: Vec<Arc<Batch>>,
    /// Still growing.
    active: Vec<Arc<Batch>>,
}

/// A tail that is being sealed, by tenant.
pub(super) type FrozenTail = Vec<(Tenant, Vec<Arc<Batch>>)>;

impl View {
    pub(super) fn new(
        (segments, suspects): (Vec<Arc<Handle>>, Suspects),
        covers: Position,
        retention: Arc<Retention>,
        now: UnixNanos,
    ) -> Self {
        let mut view = Self {
            applied_to: covers,
            covers,
            tenants: BTreeMap::new(),
            suspects,
            delete_troubles: Vec::new(),
            unsealed: Vec::new(),
            requests: BTreeMap::new(),
            retention,
            now,
            query_stream_bytes_max: QUERY_STREAM_BYTES_MAX,
        };
        for segment in segments {
            view.tenant(&segment.meta.tenant.clone())
                .segments
                .push(segment);
        }
        view
    }

    fn tenant(&mut self, tenant: &Tenant) -> &mut TenantView {
        self.tenants.entry(tenant.clone()).or_default()
    }

    /// Everything of one tenant, for a query to look at without a lock.
    pub(super) fn snapshot(&self, tenant: &Tenant) -> Snapshot {
        let Some(view) = self.tenants.get(tenant) else {
            return Snapshot {
                applied_to: self.applied_to,
                ..Snapshot::default()
            };
        };
        Snapshot {
            segments: view.segments.clone(),
            tail: view.frozen.iter().chain(&view.active).cloned().collect(),
            applied_to: self.applied_to,
            hidden: self.hidden(tenant),
            stream_bytes_max: self.query_stream_bytes_max,
        }
    }

    /// What of a tenant's records is not to be seen.
    pub(super) fn hidden(&self, tenant: &Tenant) -> Hidden {
        let ages = self.retention.ages(tenant);
        Hidden {
            requests: self.requests.get(tenant).cloned().unwrap_or_default(),
            ages: ages.map(|ages| (Arc::clone(ages), self.now)),
        }
    }

    /// Makes batches visible, and with them everything before `applied_to`.
    pub(super) fn append(&mut self, batches: BTreeMap<Tenant, Batch>, applied_to: Position) {
        for (tenant, batch) in batches.into_iter().filter(|(_, b)| b.len() > 0) {
            tail::append(&mut self.tenant(&tenant).active, batch);
        }
        self.applied_to = applied_to;
    }

    /// Marks the growing tail as being sealed.
    pub(super) fn freeze(&mut self) -> FrozenTail {
        let frozen = self
            .tenants
            .iter_mut()
            .filter(|(_, view)| !view.active.is_empty())
            .map(|(tenant, view)| {
                view.frozen = std::mem::take(&mut view.active);
                (tenant.clone(), view.frozen.clone())
            });
        frozen.collect()
    }

    /// Puts sealed segments in the place of the frozen tail.
    pub(super) fn replace_frozen(&mut self, sealed: Vec<Arc<Handle>>, covers: Position) {
        self.covers = covers;
        for view in self.tenants.values_mut() {
            view.frozen = Vec::new();
        }
        for segment in sealed {
            self.tenant(&segment.meta.tenant.clone())
                .segments
                .push(segment);
        }
    }

    /// Takes segments away and puts others in their place. Those that are gone come back, to
    /// be dropped without the lock: that may close them and delete their files.
    #[must_use]
    pub(super) fn replace_segments(
        &mut self,
        gone: &BTreeSet<u64>,
        new: Option<Arc<Handle>>,
    ) -> Vec<Arc<Handle>> {
        let mut taken = Vec::new();
        for view in self.tenants.values_mut() {
            let is_gone = |segment: &mut Arc<Handle>| gone.contains(&segment.meta.id);
            taken.extend(view.segments.extract_if(.., is_gone));
        }
        if let Some(segment) = new {
            self.tenant(&segment.meta.tenant.clone())
                .segments
                .push(segment);
        }
        self.tenants
            .retain(|_, v| !(v.segments.is_empty() && v.frozen.is_empty() && v.active.is_empty()));
        taken
    }

    pub(super) fn segment(&self, id: u64) -> Option<Arc<Handle>> {
        self.tenants
            .values()
            .flat_map(|v| &v.segments)
            .find(|s| s.meta.id == id)
            .cloned()
    }

    pub(super) fn tenants(&self) -> Vec<Tenant> {
        self.tenants.keys().cloned().collect()
    }

    fn troubles(&self) -> Vec<String> {
        let others = self.delete_troubles.iter().chain(&self.unsealed).cloned();
        self.suspects.troubles().chain(others).collect()
    }

    /// Remembers that something could not be sealed.
    pub(super) fn note_unsealed(&mut self, trouble: String) {
        if self.unsealed.len() < UNSEALED_MAX {
            self.unsealed.push(trouble);
        }
    }

    /// What requests to delete hide from now on.
    pub(super) fn put_requests(&mut self, requests: &Requests) {
        self.requests = requests.in_force();
        self.delete_troubles = requests.troubles().collect();
    }

    /// What there is, but for what the view does not know.
    pub(super) fn stats(&self) -> Stats {
        let mut stats = Stats {
            applied_to: self.applied_to,
            resume_from: self.covers,
            troubles: self.troubles(),
            ..Stats::default()
        };
        let mut times = |start: UnixNanos, end: UnixNanos| {
            stats.oldest = Some(stats.oldest.map_or(start, |t| t.min(start)));
            stats.newest = Some(stats.newest.map_or(end, |t| t.max(end)));
        };
        for view in self.tenants.values() {
            for segment in &view.segments {
                times(segment.meta.start, segment.meta.end);
                stats.segments += 1;
                stats.bytes += segment.meta.bytes;
                stats.records += segment.meta.records;
            }
            for batch in view.frozen.iter().chain(&view.active) {
                if let Some((start, end)) = batch.times() {
                    times(start, end);
                }
                stats.tail_records += batch.len() as u64;
                stats.tail_bytes += batch.bytes();
            }
        }
        stats.records += stats.tail_records;
        stats
    }
}

/// Opens every segment of a manifest once, so that damaged ones are found now: these are moved
/// aside. Others that cannot be read are suspects.
pub(super) fn open_segments(
    dir: &SegmentDir,
    manifest: &mut Manifest,
    common: &Arc<Common>,
    config: &Config,
    now: UnixNanos,
) -> Result<(Vec<Arc<Handle>>, Suspects), OpenError> {
    let (mut segments, mut suspects) = (Vec::new(), Suspects::default());
    for meta in manifest.segments.clone() {
        let path = dir.path(&meta.tenant, meta.id);
        let segment = Handle::new(meta, path.clone(), common);
        let looked = match config.verify_at_open {
            true => segment.verify(),
            false => segment.open().map(drop),
        };
        match looked {
            Ok(()) => {}
            Err(ReadError::Unreadable(error)) => {
                suspects.add_unreadable(&segment.meta, &error.to_string(), now);
            }
            Err(ReadError::Damaged(damage)) => match prove(&path) {
                Proof::Damaged(why) => {
                    tracing::error!(segment = %path.display(), %damage, "a segment of logs is damaged");
                    dir.quarantine(manifest, segment.meta.id, &why)?;
                    continue;
                }
                Proof::Version => return Err(OpenError::Version(path)),
                Proof::Unreadable(error) => {
                    suspects.add_unreadable(&segment.meta, &error.to_string(), now);
                }
                Proof::Whole => suspects.add_whole(&segment.meta, &damage.0, now),
            },
        }
        segments.push(Arc::new(segment));
    }
    Ok((segments, suspects))
}
