//! A tenant's logs as the source of queries for numbers.
//!
//! ```text
//! segments ─▶ blocks that can match ─┐
//! tail ─▶ batches ───────────────────┴▶ by time ─▶ threads, a sink each
//! ```

use super::chosen::{Chosen, Room};
use super::run::Snapshot;
use super::{Ask, Lines, Reading, Threads};
use crate::record::Packed;
use crate::record::metadata::Metadata;
use crate::segment::{Candidate, Ended, Fed, Feeding, Handle, ReadError, Reader};
use crate::store::LogStore;
use crate::tail::Batch;
use parking_lot::Mutex;
use sonde_logql::source::{Record, Scan, Scanned, Sink, Source, Stop};
use sonde_proto::{Deadline, Tenant, UnixNanos};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};

/// With more parts than this, other threads help.
const PARTS_ALONE: usize = 4;

/// One tenant's logs, until a deadline, as they are whenever they are asked.
pub struct TenantSource<'s> {
    store: &'s LogStore,
    tenant: Tenant,
    deadline: Deadline,
    reading: Mutex<Reading>,
}

impl<'s> TenantSource<'s> {
    pub(crate) fn new(store: &'s LogStore, tenant: Tenant, deadline: &Deadline) -> Self {
        Self {
            store,
            tenant,
            deadline: deadline.clone(),
            reading: Mutex::default(),
        }
    }

    /// How all scans so far went together.
    #[must_use]
    pub fn reading(&self) -> Reading {
        self.reading.lock().clone()
    }
}

impl std::fmt::Debug for TenantSource<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("TenantSource")
            .field("tenant", &self.tenant)
            .finish_non_exhaustive()
    }
}

impl Source for TenantSource<'_> {
    fn scan<S: Sink>(
        &self,
        scan: &Scan<'_>,
        make: impl Fn() -> S + Sync,
    ) -> Result<(Vec<S>, Scanned), Stop> {
        let snapshot = self.store.snapshot(&self.tenant);
        let lines = Lines::of_scan(scan);
        let mut work = Work {
            snapshot: &snapshot,
            feeding: Feeding::new(&lines, scan),
            chosen: Vec::new(),
            parts: Vec::new(),
            next: AtomicUsize::new(0),
            ended: AtomicBool::new(false),
            counts: Counts::default(),
            deadline: self.deadline.clone(),
            bytes_max: self.store.scan_bytes_max(),
            unread: Mutex::default(),
            cut: Mutex::default(),
        };
        if scan.start < scan.end {
            work.find_parts()?;
        }
        let sinks = work.carry_out(self.store.threads(), &make);
        let unread = std::mem::take(work.unread.get_mut());
        let mut cut: Vec<String> = work.cut.get_mut().take().into_iter().collect();
        for (id, error) in unread {
            cut.push(error.left_out(id));
            self.store.note_unread(id, error);
        }
        let mut reading = work.reading();
        reading.cut = (!cut.is_empty()).then(|| cut.join("; "));
        reading.terms = lines.terms();
        reading.searched_through = snapshot.applied_to;
        let scanned = Scanned {
            records: reading.records,
            bytes: match reading.line_bytes {
                0 => reading.bytes_read,
                bytes => bytes,
            },
            cut: reading.cut.clone(),
        };
        self.reading.lock().add(&reading);
        Ok((sinks?, scanned))
    }
}

/// A part of what there is.
#[derive(Clone, Copy, Debug)]
enum Part {
    /// A block of a segment, which is the one at this place.
    Block(usize, Candidate),
    /// A batch of the tail.
    Batch(usize),
}

struct Work<'a> {
    snapshot: &'a Snapshot,
    feeding: Feeding<'a>,
    /// Of each segment, where it is looked at.
    chosen: Vec<Option<Chosen<'a>>>,
    /// By their earliest times: sinks are quickest with what comes in order.
    parts: Vec<(UnixNanos, Part)>,
    next: AtomicUsize,
    /// Whether no more is to be read.
    ended: AtomicBool,
    counts: Counts,
    deadline: Deadline,
    bytes_max: u64,
    /// Segments that could not be read.
    unread: Mutex<Vec<(u64, ReadError)>>,
    cut: Mutex<Option<String>>,
}

#[derive(Debug, Default)]
struct Counts {
    records: AtomicU64,
    line_bytes: AtomicU64,
    bytes: AtomicU64,
    candidates: u64,
    blocks: AtomicU64,
}

impl<'a> Work<'a> {
    fn find_parts(&mut self) -> Result<(), Stop> {
        let lines = self.feeding.lines;
        let room = Arc::new(Room::new(self.snapshot.stream_bytes_max));
        for (at, segment) in self.snapshot.segments.iter().enumerate() {
            self.chosen.push(None);
            if self.deadline.has_passed() {
                return Err(Stop::Deadline);
            }
            if self.cut.get_mut().is_some() {
                continue;
            }
            if segment.meta.end < lines.start || segment.meta.start >= lines.end {
                continue;
            }
            if let Err(error) = self.find_blocks(at, segment, &room) {
                self.unread.get_mut().push((segment.meta.id, error));
            }
        }
        for (at, batch) in self.snapshot.tail.iter().enumerate() {
            if let Some((first, last)) = batch.times()
                && last >= lines.start
                && first < lines.end
            {
                self.parts.push((first, Part::Batch(at)));
            }
        }
        self.parts.sort_by_key(|(first, _)| *first);
        Ok(())
    }

    /// Takes the blocks of a segment that can have what is asked for.
    fn find_blocks(
        &mut self,
        at: usize,
        segment: &Handle,
        room: &Arc<Room>,
    ) -> Result<(), ReadError> {
        let ask = Ask::Lines(self.feeding.lines);
        let veil = self.snapshot.veil_of_segment(segment);
        let segment = segment.open()?;
        let chosen = match Chosen::of_segment(&segment, ask, veil, room) {
            Ok(chosen) => chosen,
            Err(error) => return error.or_stop(|why| *self.cut.get_mut() = Some(why)),
        };
        if chosen.any() {
            let candidates = segment.candidates(&ask, &chosen)?;
            self.counts.candidates += candidates.len() as u64;
            let parts = candidates.into_iter();
            self.parts
                .extend(parts.map(|block| (block.first, Part::Block(at, block))));
            self.chosen[at] = Some(chosen);
        }
        Ok(())
    }

    fn carry_out<S: Sink>(
        &self,
        threads: &Threads,
        make: &(impl Fn() -> S + Sync),
    ) -> Result<Vec<S>, Stop> {
        if self.parts.len() <= PARTS_ALONE {
            return self.work(make()).map(|sink| vec![sink]);
        }
        threads
            .run(self.parts.len(), || self.work(make()))
            .into_iter()
            .collect()
    }

    /// Gives one part after the other to `sink`, until none is left.
    fn work<S: Sink>(&self, mut sink: S) -> Result<S, Stop> {
        let mut reader = Reader::default();
        while let Some(part) = self.take()? {
            let fed = match part {
                Part::Batch(at) => self.feed_batch(&self.snapshot.tail[at], &mut sink),
                Part::Block(at, block) => self.feed_block(at, block, &mut reader, &mut sink),
            };
            match fed {
                Ok(fed) => self.count(&fed),
                Err(stop) => {
                    self.ended.store(true, Ordering::Relaxed);
                    return Err(stop);
                }
            }
        }
        Ok(sink)
    }

    fn take(&self) -> Result<Option<Part>, Stop> {
        if self.ended.load(Ordering::Relaxed) {
            return Ok(None);
        }
        let part = self.parts.get(self.next.fetch_add(1, Ordering::Relaxed));
        let Some((_, part)) = part else {
            return Ok(None);
        };
        // A number that counts a part only would be a wrong one.
        if self.deadline.has_passed() {
            self.ended.store(true, Ordering::Relaxed);
            return Err(Stop::Deadline);
        }
        if self.counts.bytes.load(Ordering::Relaxed) > self.bytes_max {
            self.ended.store(true, Ordering::Relaxed);
            *self.cut.lock() = Some(format!(
                "the query stopped after reading {} bytes; ask for a shorter time or a rarer word",
                self.bytes_max
            ));
            return Ok(None);
        }
        Ok(Some(*part))
    }

    fn count(&self, fed: &Fed) {
        self.counts
            .records
            .fetch_add(fed.records, Ordering::Relaxed);
        let lines = &self.counts.line_bytes;
        lines.fetch_add(fed.line_bytes, Ordering::Relaxed);
        self.counts.bytes.fetch_add(fed.bytes, Ordering::Relaxed);
    }

    fn feed_block<S: Sink>(
        &self,
        at: usize,
        block: Candidate,
        reader: &mut Reader,
        sink: &mut S,
    ) -> Result<Fed, Stop> {
        let segment = &self.snapshot.segments[at];
        let Some(Some(chosen)) = self.chosen.get(at) else {
            return Ok(Fed::default());
        };
        let is_it = |(id, _): &(u64, ReadError)| *id == segment.meta.id;
        if self.unread.lock().iter().any(is_it) {
            return Ok(Fed::default());
        }
        self.counts.blocks.fetch_add(1, Ordering::Relaxed);
        let error = match reader.of(segment) {
            Err(error) => error,
            Ok((open, scratch)) => match open.feed(block, self.feeding, chosen, scratch, sink) {
                Ok(fed) => return Ok(fed),
                Err(Ended::Stopped(stop)) => return Err(stop),
                Err(Ended::NoRoom(why)) => {
                    self.ended.store(true, Ordering::Relaxed);
                    self.cut.lock().get_or_insert(why);
                    return Ok(Fed::default());
                }
                Err(Ended::Damaged(damage)) => damage.into(),
            },
        };
        let mut unread = self.unread.lock();
        if !unread.iter().any(is_it) {
            unread.push((segment.meta.id, error));
        }
        Ok(Fed::default())
    }

    /// Gives the records of a batch, stream by stream.
    fn feed_batch<S: Sink>(&self, batch: &Batch, sink: &mut S) -> Result<Fed, Stop> {
        let lines = self.feeding.lines;
        let ask = Ask::Lines(lines);
        let chosen = Chosen::of_batch(batch.streams(), ask, self.snapshot.veil_of_batch(batch));
        let mut fed = Fed::default();
        if !chosen.any() || !batch.may_have(&ask) {
            return Ok(fed);
        }
        let mut found = Vec::new();
        for at in 0..batch.len() {
            let record = batch.record(at);
            let time = record.key.time;
            if time < lines.start || time >= lines.end || chosen.lacking(record.ordinal).is_none() {
                continue;
            }
            let Some(packed) = Packed::read(record.packed) else {
                continue;
            };
            fed.bytes += record.packed.len() as u64;
            if lines.matches_line(packed.body)
                && !chosen.hides_record(record.ordinal, record.key, packed.body)
            {
                fed.records += 1;
                fed.line_bytes += packed.body.len() as u64;
                found.push((record.ordinal, time, packed));
            }
        }
        found.sort_by_key(|(ordinal, time, _)| (*ordinal, *time));
        for of_stream in found.chunk_by(|a, b| a.0 == b.0) {
            self.feed_stream(&chosen, of_stream, sink)?;
        }
        Ok(fed)
    }

    fn feed_stream<S: Sink>(
        &self,
        chosen: &Chosen<'_>,
        records: &[(usize, UnixNanos, Packed<'_>)],
        sink: &mut S,
    ) -> Result<(), Stop> {
        let stream = records
            .first()
            .and_then(|(ordinal, ..)| chosen.view(*ordinal));
        let Some(stream) = stream else {
            return Ok(());
        };
        if !sink.stream(stream)? {
            return Ok(());
        }
        let needs = sink.needs(self.feeding.needs);
        if !needs.lines && !needs.metadata {
            let times: Vec<UnixNanos> = records.iter().map(|(_, time, _)| *time).collect();
            let length = |packed: &Packed<'_>| u32::try_from(packed.body.len()).unwrap_or(u32::MAX);
            let lengths = records.iter().map(|(.., packed)| length(packed));
            let lengths: Vec<u32> = lengths
                .take(if needs.lengths { usize::MAX } else { 0 })
                .collect();
            return sink.times(&times, &lengths);
        }
        let mut metadata = Metadata::default();
        for (_, time, packed) in records {
            if needs.metadata {
                metadata.read(packed);
            }
            sink.record(&Record {
                time: *time,
                line: packed.body,
                stream,
                metadata: &metadata.pairs(),
            })?;
        }
        Ok(())
    }

    fn reading(&self) -> Reading {
        let visited = self.chosen.iter().flatten().count();
        let count = |n: &AtomicU64| n.load(Ordering::Relaxed);
        Reading {
            records: count(&self.counts.records),
            line_bytes: count(&self.counts.line_bytes),
            segments_visited: visited,
            segments_skipped: self.snapshot.segments.len() - visited,
            blocks_candidates: self.counts.candidates,
            blocks_visited: count(&self.counts.blocks),
            bytes_read: count(&self.counts.bytes),
            ..Reading::default()
        }
    }
}
