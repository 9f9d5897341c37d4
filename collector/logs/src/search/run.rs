//! Asks a question of everything a tenant has, the most promising first.

use super::collect::{Hit, Record};
use super::{Ask, Collector, Limits, fetch, sealed};
use crate::record::Packed;
use crate::segment::{Damage, Segment};
use crate::tail::Batch;
use sonde_proto::Position;
use std::sync::Arc;

/// How many records of the tail are looked at between two looks at the clock.
const RECORDS_PER_LOOK: usize = 1024;

/// Everything a tenant has, at one instant.
#[derive(Clone, Debug, Default)]
pub(crate) struct Snapshot {
    pub(crate) segments: Vec<Arc<Segment>>,
    pub(crate) tail: Vec<Arc<Batch>>,
    pub(crate) applied_to: Position,
}

/// What was found.
#[derive(Debug, Default)]
pub(crate) struct Found {
    /// All of them packed.
    pub(crate) hits: Vec<Hit>,
    pub(crate) visited: usize,
    pub(crate) skipped: usize,
    pub(crate) bytes_read: u64,
    pub(crate) cut: Option<String>,
    /// Segments that turned out to be damaged.
    pub(crate) damaged: Vec<(u64, Damage)>,
}

/// Asks `ask` of the snapshot, with as many threads as `threads`. No lock is held.
pub(crate) fn run(snapshot: &Snapshot, ask: &Ask<'_>, limits: Limits, threads: usize) -> Found {
    let mut collector = Collector::new(ask.direction(), limits);
    let (start, end) = ask.times();
    if limits.records == 0 || start >= end {
        return Found {
            skipped: snapshot.segments.len(),
            ..Found::default()
        };
    }
    // The tail is the newest, so it raises the bar first where the newest are wanted; it is
    // in memory, so it costs little where they are not.
    for batch in snapshot.tail.iter().rev() {
        visit_batch(batch, ask, &mut collector);
    }
    let (collector, visited, mut damaged) =
        sealed::visit(&snapshot.segments, ask, collector, threads);
    let (hits, bytes_read, cut) = collector.finish();
    let shown = Limits {
        deadline: None,
        scan_bytes: u64::MAX,
        ..limits
    };
    let (collector, more) = fetch::fetch(&snapshot.segments, hits, ask, shown, threads);
    let (hits, _, cut_again) = collector.finish();
    damaged.extend(more);
    damaged.sort_by_key(|(id, _)| *id);
    damaged.dedup_by_key(|(id, _)| *id);
    let mut cut: Vec<String> = cut.into_iter().chain(cut_again).collect();
    cut.dedup();
    cut.extend(
        damaged
            .iter()
            .map(|(id, damage)| format!("segment {id:016x} is damaged and was left out: {damage}")),
    );
    Found {
        hits,
        visited,
        skipped: snapshot.segments.len() - visited,
        bytes_read,
        cut: (!cut.is_empty()).then(|| cut.join("; ")),
        damaged,
    }
}

fn visit_batch(batch: &Batch, ask: &Ask<'_>, collector: &mut Collector) {
    let (start, end) = ask.times();
    let wanted: Vec<bool> = batch
        .streams()
        .iter()
        .map(|s| ask.wants_stream(&s.labels))
        .collect();
    if !wanted.contains(&true) || !batch.may_have(ask) {
        return;
    }
    for (n, record) in batch.records().enumerate() {
        if n.is_multiple_of(RECORDS_PER_LOOK) && collector.check_deadline() {
            return;
        }
        let key = record.key;
        if key.time < start || key.time >= end || !collector.wants(key) || !wanted[record.ordinal] {
            continue;
        }
        let Some(packed) = Packed::read(record.packed) else {
            continue;
        };
        if ask.wants_record(&packed) {
            collector.take(key, record.stream, Record::Packed(record.packed.into()));
        }
        if !collector.spend(record.packed.len()) {
            return;
        }
    }
}
