//! What queries see.

use super::retention::Retention;
use super::{OpenError, Stats};
use crate::hidden::{Hidden, Request};
use crate::search::Snapshot;
use crate::segment::{Common, Segment};
use crate::tail::{self, Batch};
use crate::telemetry::Telemetry;
use sonde_proto::{Position, Tenant, UnixNanos};
use sonde_segment::{Manifest, SegmentDir};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// Segments and tail of every tenant. Locked for moments only.
#[derive(Debug)]
pub(super) struct View {
    pub(super) applied_to: Position,
    /// Everything before this position is in segments.
    pub(super) covers: Position,
    tenants: BTreeMap<Tenant, TenantView>,
    /// What is asked to be deleted and hidden until it is gone, by tenant.
    pub(super) requests: BTreeMap<Tenant, Vec<Arc<Request>>>,
    retention: Arc<Retention>,
    /// What time it is for the retention of streams.
    pub(super) now: UnixNanos,
}

#[derive(Debug, Default)]
struct TenantView {
    segments: Vec<Arc<Segment>>,
    /// Being sealed.
    frozen: Vec<Arc<Batch>>,
    /// Still growing.
    active: Vec<Arc<Batch>>,
}

/// A tail that is being sealed, by tenant.
pub(super) type FrozenTail = Vec<(Tenant, Vec<Arc<Batch>>)>;

impl View {
    pub(super) fn new(
        segments: Vec<Arc<Segment>>,
        covers: Position,
        retention: Arc<Retention>,
        now: UnixNanos,
    ) -> Self {
        let mut view = Self {
            applied_to: covers,
            covers,
            tenants: BTreeMap::new(),
            requests: BTreeMap::new(),
            retention,
            now,
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
    pub(super) fn replace_frozen(&mut self, sealed: Vec<Arc<Segment>>, covers: Position) {
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

    /// Takes segments away and puts others in their place.
    pub(super) fn replace_segments(&mut self, gone: &BTreeSet<u64>, new: Option<Arc<Segment>>) {
        for view in self.tenants.values_mut() {
            view.segments.retain(|s| !gone.contains(&s.meta.id));
        }
        if let Some(segment) = new {
            self.tenant(&segment.meta.tenant.clone())
                .segments
                .push(segment);
        }
        self.tenants
            .retain(|_, v| !(v.segments.is_empty() && v.frozen.is_empty() && v.active.is_empty()));
    }

    pub(super) fn segment(&self, id: u64) -> Option<Arc<Segment>> {
        self.tenants
            .values()
            .flat_map(|v| &v.segments)
            .find(|s| s.meta.id == id)
            .cloned()
    }

    pub(super) fn tenants(&self) -> Vec<Tenant> {
        self.tenants.keys().cloned().collect()
    }

    /// What there is, but for what the view does not know.
    pub(super) fn stats(&self) -> Stats {
        let mut stats = Stats {
            applied_to: self.applied_to,
            resume_from: self.covers,
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

/// Opens the segments of a manifest; damaged ones are moved aside, and ones that cannot be
/// read at all are an error.
pub(super) fn open_segments(
    dir: &SegmentDir,
    manifest: &mut Manifest,
    common: &Arc<Common>,
    verify: bool,
    telemetry: &Telemetry,
) -> Result<Vec<Arc<Segment>>, OpenError> {
    let mut segments = Vec::new();
    for meta in manifest.segments.clone() {
        let (id, tenant) = (meta.id, meta.tenant.clone());
        let path = dir.path(&tenant, id);
        match Segment::open(meta, &path, common, verify) {
            Ok(segment) => segments.push(Arc::new(segment)),
            Err(damage) => {
                if let Some(cause) = dir.why_unreadable(&tenant, id) {
                    return Err(OpenError::Segment { path, cause });
                }
                telemetry.drop("damaged_segment", 1);
                tracing::error!(segment = %path.display(), %damage, "a segment of logs is damaged");
                dir.quarantine(manifest, id, &damage.0)?;
            }
        }
    }
    Ok(segments)
}
