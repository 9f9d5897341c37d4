//! What every tenant's logs are, and what they cost.

use super::LogStore;
use super::delete::DeleteRequest;
use super::retention::RetentionInForce;
use crate::record::Packed;
use crate::search::Snapshot;
use crate::stream::Stream;
use ahash::AHashMap;
use serde::Serialize;
use sonde_proto::{Labels, Tenant, UnixNanos};
use std::cmp::Reverse;
use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

/// What one tenant has.
#[derive(Clone, Debug, Default, Serialize)]
pub struct TenantUsage {
    /// Whose it is.
    pub tenant: String,
    /// All records, sealed or not, hidden ones among them until they are removed.
    pub records: u64,
    /// Bytes of the lines of all records.
    pub line_bytes: u64,
    /// Bytes of segments on disk.
    pub disk_bytes: u64,
    /// The same by what lies there: `blocks`, `tokens`, `words`, `directory`, `streams` and
    /// so on.
    pub parts: BTreeMap<String, u64>,
    /// How many segments there are.
    pub segments: usize,
    /// The earliest time of any record.
    pub oldest: Option<UnixNanos>,
    /// The latest time of any record.
    pub newest: Option<UnixNanos>,
    /// Records in memory that are not sealed yet.
    pub tail_records: u64,
    /// About how many bytes these take.
    pub tail_bytes: u64,
    /// Bytes of their lines.
    pub tail_line_bytes: u64,
    /// How many different sets of labels there are.
    pub streams: usize,
    /// Those of them with the most bytes, the largest first.
    pub largest: Vec<StreamUsage>,
    /// What was asked to be deleted, the oldest request first.
    pub deletes: Vec<DeleteRequest>,
    /// How long, and how much, is kept.
    pub retention: Option<RetentionInForce>,
}

/// What one stream has.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct StreamUsage {
    /// Its labels.
    pub labels: Labels,
    /// How many records it has.
    pub records: u64,
    /// Bytes of their lines.
    pub line_bytes: u64,
}

impl LogStore {
    /// What every tenant has, with the `top` largest streams of each. Reads the directories
    /// of all segments and the tail; no records of segments.
    #[must_use]
    pub fn usage(&self, top: usize) -> Vec<TenantUsage> {
        let tenants = self.tenants();
        tenants
            .iter()
            .map(|tenant| self.usage_of(tenant, top))
            .collect()
    }

    /// What one tenant has.
    #[must_use]
    pub fn usage_of(&self, tenant: &Tenant, top: usize) -> TenantUsage {
        let snapshot = self.view.read().snapshot(tenant);
        let mut usage = TenantUsage {
            tenant: tenant.as_str().to_owned(),
            deletes: self.deletes(tenant),
            retention: Some(self.retention.shown(tenant)),
            ..TenantUsage::default()
        };
        let streams = self.count(&snapshot, &mut usage);
        for segment in &snapshot.segments {
            // A segment that is moved aside just now is not there.
            let dir = self.dir.path(tenant, segment.meta.id);
            let _ = add_parts(&dir, None, &mut usage.parts);
        }
        usage.streams = streams.len();
        usage.largest = largest(streams, top);
        usage
    }

    fn count(&self, snapshot: &Snapshot, usage: &mut TenantUsage) -> AHashMap<Labels, (u64, u64)> {
        let mut streams = AHashMap::<Labels, (u64, u64)>::new();
        let mut all = (0, 0);
        let mut add = |stream: &Arc<Stream>, records: u64, bytes: u64| {
            let of_stream = match streams.get_mut(&stream.labels) {
                Some(of_stream) => of_stream,
                None => streams.entry(stream.labels.clone()).or_default(),
            };
            *of_stream = (of_stream.0 + records, of_stream.1 + bytes);
            all = (all.0 + records, all.1 + bytes);
        };
        for segment in &snapshot.segments {
            usage.segments += 1;
            usage.disk_bytes += segment.meta.bytes;
            usage.note_times(segment.meta.start, segment.meta.end);
            let counted = segment.streams().and_then(|streams| {
                let mut of = vec![(0, 0); streams.len()];
                segment.open()?.stream_uses(|stream, records, bytes| {
                    if let Some(of) = of.get_mut(stream as usize) {
                        *of = (of.0 + records, of.1 + bytes);
                    }
                })?;
                let used = streams.iter().zip(of).filter(|(_, of)| of.0 > 0);
                used.for_each(|(stream, (records, bytes))| add(stream, records, bytes));
                Ok(())
            });
            if let Err(error) = counted {
                self.note_unread(segment.meta.id, error);
            }
        }
        for batch in &snapshot.tail {
            usage.tail_records += batch.len() as u64;
            usage.tail_bytes += batch.bytes();
            if let Some((first, last)) = batch.times() {
                usage.note_times(first, last);
            }
            for record in batch.records() {
                let body = Packed::read(record.packed).map_or(0, |packed| packed.body.len());
                usage.tail_line_bytes += body as u64;
                add(record.stream, 1, body as u64);
            }
        }
        (usage.records, usage.line_bytes) = all;
        streams
    }
}

impl TenantUsage {
    fn note_times(&mut self, first: UnixNanos, last: UnixNanos) {
        self.oldest = Some(self.oldest.map_or(first, |t| t.min(first)));
        self.newest = Some(self.newest.map_or(last, |t| t.max(last)));
    }
}

fn largest(streams: AHashMap<Labels, (u64, u64)>, top: usize) -> Vec<StreamUsage> {
    let mut streams: Vec<_> = streams.into_iter().collect();
    streams.sort_unstable_by(|(a, of_a), (b, of_b)| {
        let key = |of: &(u64, u64)| Reverse((of.1, of.0));
        key(of_a)
            .cmp(&key(of_b))
            .then_with(|| a.iter().cmp(b.iter()))
    });
    let top = streams.into_iter().take(top);
    top.map(|(labels, (records, line_bytes))| StreamUsage {
        labels,
        records,
        line_bytes,
    })
    .collect()
}

/// Adds the sizes of the files of a segment, under their names or under that of the folder.
fn add_parts(
    dir: &Path,
    folder: Option<&str>,
    parts: &mut BTreeMap<String, u64>,
) -> std::io::Result<()> {
    for entry in std::fs::read_dir(dir)? {
        let entry = entry?;
        let name = entry.file_name();
        let name = folder.map_or_else(|| name.to_string_lossy(), Into::into);
        if entry.file_type()?.is_dir() {
            add_parts(&entry.path(), Some(&name), parts)?;
        } else {
            *parts.entry(name.into_owned()).or_default() += entry.metadata()?.len();
        }
    }
    Ok(())
}
