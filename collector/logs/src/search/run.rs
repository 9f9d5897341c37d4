//! Asks a question of everything a tenant has, the most promising first.

use super::collect::Hit;
use super::{Ask, Collector, Direction, Limits};
use crate::record::Packed;
use crate::segment::{Damage, Segment, Visit};
use crate::tail::Batch;
use sonde_proto::{Position, UnixNanos};
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
    pub(crate) hits: Vec<Hit>,
    pub(crate) visited: usize,
    pub(crate) skipped: usize,
    pub(crate) bytes_read: u64,
    pub(crate) cut: Option<String>,
    /// Segments that turned out to be damaged.
    pub(crate) damaged: Vec<(u64, Damage)>,
}

/// Asks `ask` of the snapshot. No lock is held.
pub(crate) fn run(mut snapshot: Snapshot, ask: &Ask<'_>, limits: Limits) -> Found {
    let mut collector = Collector::new(ask.direction(), limits);
    let mut found = Found::default();
    let (start, end) = ask.times();
    if limits.records == 0 || start >= end {
        found.skipped = snapshot.segments.len();
        return found;
    }
    // The tail is the newest, so it raises the bar first where the newest are wanted; it is
    // in memory, so it costs little where they are not.
    for batch in snapshot.tail.iter().rev() {
        visit_batch(batch, ask, &mut collector);
    }
    match ask.direction() {
        Direction::Backward => snapshot
            .segments
            .sort_by_key(|s| std::cmp::Reverse(s.meta.end)),
        Direction::Forward => snapshot.segments.sort_by_key(|s| s.meta.start),
    }
    for segment in &snapshot.segments {
        visit_segment(segment, ask, &mut collector, &mut found);
    }
    (found.hits, found.bytes_read, found.cut) = collector.finish();
    found
}

fn visit_segment(segment: &Segment, ask: &Ask<'_>, collector: &mut Collector, found: &mut Found) {
    let (start, end) = ask.times();
    let (first, last) = (segment.meta.start, segment.meta.end);
    let best = match ask.direction() {
        Direction::Backward => last.min(UnixNanos(end.0 - 1)),
        Direction::Forward => first.max(start),
    };
    if last < start || first >= end || collector.is_past(best) || collector.check_deadline() {
        found.skipped += 1;
        return;
    }
    match segment.visit(ask, collector) {
        Ok(Visit::Visited) => found.visited += 1,
        Ok(Visit::Skipped) => found.skipped += 1,
        Err(damage) => {
            collector.note(format!(
                "segment {:016x} is damaged and was left out: {damage}",
                segment.meta.id
            ));
            found.damaged.push((segment.meta.id, damage));
        }
    }
}

fn visit_batch(batch: &Batch, ask: &Ask<'_>, collector: &mut Collector) {
    let (start, end) = ask.times();
    let wanted: Vec<bool> = batch
        .streams()
        .iter()
        .map(|s| ask.wants_stream(&s.labels))
        .collect();
    if !wanted.contains(&true) {
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
            collector.take(key, record.stream, record.packed);
        }
        if !collector.spend(record.packed.len()) {
            return;
        }
    }
}
