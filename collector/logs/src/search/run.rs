//! Asks a question of everything a tenant has, the most promising first.

use super::chosen::Chosen;
use super::collect::{Hit, Record};
use super::{Ask, Collector, Direction, Limits, Threads, fetch, sealed};
use crate::hidden::{Hidden, Veil};
use crate::record::Packed;
use crate::record::metadata::Metadata;
use crate::segment::{Handle, ReadError, Readers};
use crate::store::{anywhere, place};
use crate::tail::Batch;
use sonde_logql::Scratch;
use sonde_logql::source::Record as Viewed;
use sonde_proto::{Deadline, Position};
use std::sync::Arc;

/// How many records of the tail are looked at between two looks at the clock.
const RECORDS_PER_LOOK: usize = 1024;

/// Everything a tenant has, at one instant.
#[derive(Clone, Debug, Default)]
pub(crate) struct Snapshot {
    pub(crate) segments: Vec<Arc<Handle>>,
    pub(crate) tail: Vec<Arc<Batch>>,
    pub(crate) applied_to: Position,
    /// What of it is not to be seen.
    pub(crate) hidden: Hidden,
    /// How many bytes the streams take that a query has in hand; 0 is no limit.
    pub(crate) stream_bytes_max: u64,
}

impl Snapshot {
    /// What is hidden of a segment.
    pub(crate) fn veil_of_segment(&self, segment: &Handle) -> Veil {
        self.hidden.at(&place(&segment.meta))
    }

    /// What is hidden of a batch.
    pub(crate) fn veil_of_batch(&self, batch: &Batch) -> Veil {
        self.hidden.at(&anywhere(batch.received()))
    }
}

/// What was found.
#[derive(Debug, Default)]
pub(crate) struct Found {
    /// All of them packed.
    pub(crate) hits: Vec<Hit>,
    pub(crate) looked: Looked,
    /// Whether there may be more beyond what an answer may have.
    pub(crate) is_full: bool,
    pub(crate) cut: Option<String>,
    /// Segments that could not be read.
    pub(crate) unread: Vec<(u64, ReadError)>,
}

/// What was looked at.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Looked {
    pub(crate) visited: usize,
    pub(crate) skipped: usize,
    pub(crate) candidates: u64,
    pub(crate) blocks: u64,
    /// Of streams and times that are asked for.
    pub(crate) records: u64,
    pub(crate) bytes: u64,
}

impl Looked {
    /// Adds what was looked at of the same segments.
    pub(crate) fn add(&mut self, more: &Self) {
        self.visited = self.visited.max(more.visited);
        self.skipped = self.skipped.min(more.skipped);
        self.candidates += more.candidates;
        self.blocks += more.blocks;
        self.records += more.records;
        self.bytes += more.bytes;
    }
}

/// Asks `ask` of the snapshot, with the help of `threads`. No lock is held.
pub(crate) fn run(snapshot: &Snapshot, ask: &Ask<'_>, limits: &Limits, threads: &Threads) -> Found {
    let mut collector = Collector::new(ask.direction(), limits.clone());
    let (start, end) = ask.times();
    if limits.records == 0 || start >= end {
        return Found {
            looked: Looked {
                skipped: snapshot.segments.len(),
                ..Looked::default()
            },
            ..Found::default()
        };
    }
    // The tail is the newest, so it raises the bar first where the newest are wanted; it is
    // in memory, so it costs little where they are not.
    let (mut pipes, mut records) = (Scratch::until(&limits.deadline), 0);
    for batch in snapshot.tail.iter().rev() {
        let veil = snapshot.veil_of_batch(batch);
        records += visit_batch(batch, ask, veil, &mut collector, &mut pipes);
    }
    let readers = Readers::until(&limits.deadline);
    let visited = sealed::visit(snapshot, ask, collector, &readers, threads);
    let mut looked = visited.looked;
    // Where stages decide by what came before, what there is no room for comes later.
    let goes_on = ask.lines().is_some_and(|lines| lines.needs_order);
    let mut collector = visited.collector;
    // The pipelines drop everything from then on.
    collector.check_deadline();
    let mut is_full = collector.is_full();
    let (hits, bytes, cut) = collector.finish(goes_on);
    looked.bytes = bytes;
    looked.records += records;
    let shown = Limits {
        deadline: Deadline::never(),
        scan_bytes: u64::MAX,
        ..limits.clone()
    };
    let (collector, more) = fetch::fetch(&snapshot.segments, hits, ask, shown, &readers, threads);
    is_full |= collector.is_full();
    let (hits, _, cut_again) = collector.finish(goes_on);
    let mut unread = visited.unread;
    unread.extend(more);
    unread.sort_by_key(|(id, _)| *id);
    unread.dedup_by_key(|(id, _)| *id);
    let mut cut: Vec<String> = cut.into_iter().chain(cut_again).collect();
    cut.dedup();
    cut.extend(unread.iter().map(|(id, error)| error.left_out(*id)));
    Found {
        hits,
        looked,
        is_full,
        cut: (!cut.is_empty()).then(|| cut.join("; ")),
        unread,
    }
}

/// Gives `collector` what of a batch is asked for; how many records were looked at.
fn visit_batch(
    batch: &Batch,
    ask: &Ask<'_>,
    veil: Veil,
    collector: &mut Collector,
    pipes: &mut Scratch,
) -> u64 {
    let (start, end) = ask.times();
    let chosen = Chosen::of_batch(batch.streams(), *ask, veil);
    if !chosen.any() || !batch.may_have(ask) {
        return 0;
    }
    let mut metadata = Metadata::default();
    let mut looked = 0;
    for n in 0..batch.len() {
        if n.is_multiple_of(RECORDS_PER_LOOK) && collector.check_deadline() {
            return looked;
        }
        // What came last is usually the newest, so the bar rises sooner.
        let record = batch.record(match ask.direction() {
            Direction::Backward => batch.len() - 1 - n,
            Direction::Forward => n,
        });
        let key = record.key;
        if key.time < start
            || key.time >= end
            || !collector.wants(key)
            || chosen.lacking(record.ordinal).is_none()
        {
            continue;
        }
        let Some(packed) = Packed::read(record.packed) else {
            continue;
        };
        looked += 1;
        let mut wanted =
            ask.wants_record(&packed) && !chosen.hides_record(record.ordinal, key, packed.body);
        if wanted && let Some(lines) = ask.lines() {
            wanted = lines.is_after(key);
            if wanted && let Some(pipeline) = &lines.pipeline {
                let Some(stream) = chosen.view(record.ordinal) else {
                    continue;
                };
                if pipeline.needs().metadata {
                    metadata.read(&packed);
                }
                let viewed = Viewed {
                    time: key.time,
                    line: packed.body,
                    stream,
                    metadata: &metadata.pairs(),
                };
                wanted = pipeline.run(&viewed, pipes).is_some();
            }
        }
        if wanted {
            collector.take(key, record.stream, Record::Packed(record.packed.into()));
        }
        if !collector.spend(record.packed.len()) {
            return looked;
        }
    }
    looked
}
