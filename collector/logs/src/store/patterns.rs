//! The patterns of a period's lines.
//!
//! ```text
//! blocks and batches, newest first ─▶ threads ─▶ texts and counts ─▶ by count ─▶ clusters
//! ```
//!
//! Exact texts are counted first, by all threads, and nearly equal ones are put together at
//! the end, the most frequent first: so the answer does not depend on who came when.

use super::LogStore;
use crate::record::Packed;
use crate::search::{Ask, ChooseError, Chosen, Lines, Reading, Room, Snapshot};
use crate::segment::{Alike, Candidate, Handle, ReadError, Reader, Steps};
use crate::tail::Batch;
use ahash::AHashMap;
use sonde_logql::source::{Needs, Scan};
use sonde_patterns::{ClusterLimits, Clusters, Pattern, pattern_of};
use sonde_proto::{Deadline, Matcher, Tenant, UnixNanos};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::Duration;

/// How many counts a thread keeps, of a text in a step, and how many bytes of texts.
const COUNTS_MAX: usize = 1 << 18;
const TEXT_BYTES_MAX: usize = 16 << 20;
/// So many texts are put together between two looks at the clock.
const TEXTS_PER_LOOK: usize = 1024;
const NO_TIME: &str =
    "there was no time for all lines: the newest were counted; ask for a shorter time";
/// Of a longer text no more is kept.
const TEXT_CHARS_MAX: usize = 4096;

/// The patterns of a period's lines.
#[derive(Clone, Debug, Default)]
pub struct LinePatterns {
    /// The most frequent first, with how many lines in each step, by the step's first second.
    pub patterns: Vec<Pattern>,
    /// How it went.
    pub reading: Reading,
}

/// A block of the segment at a place, or the batch at a place.
#[derive(Clone, Copy)]
enum Part {
    Block(usize, Candidate),
    Batch(usize),
}

impl LogStore {
    /// What the lines look like that are from `period.0` on and before `period.1`, of the
    /// streams that satisfy `matchers`, and how many of each there are in every step. Of
    /// templated bodies little text is read.
    ///
    /// Where the deadline or a limit is reached, the newest were counted, and
    /// [`Reading::cut`] says so.
    #[must_use]
    pub fn patterns(
        &self,
        tenant: &Tenant,
        matchers: &[Matcher],
        period: (UnixNanos, UnixNanos),
        step: Duration,
        deadline: &Deadline,
    ) -> LinePatterns {
        let snapshot = self.snapshot(tenant);
        let scan = Scan {
            matchers,
            filters: &[],
            start: period.0,
            end: period.1,
            needs: Needs::default(),
            metadata: None,
            equalities: &[],
        };
        let lines = Lines::of_scan(&scan);
        let seconds = step.as_secs().max(1);
        let mut work = Work {
            snapshot: &snapshot,
            lines: &lines,
            steps: Steps {
                start: period.0,
                end: period.1,
                nanos: seconds.saturating_mul(1_000_000_000),
            },
            chosen: Vec::new(),
            parts: Vec::new(),
            next: AtomicUsize::new(0),
            deadline: deadline.clone(),
            bytes_read: AtomicU64::new(0),
            bytes_max: self.scan_bytes_max(),
        };
        let mut counts = Counts::default();
        work.find_parts(&mut counts);
        counts.reading.blocks_candidates = work.parts.len() as u64;
        for more in self.threads.run(work.parts.len(), || work.work()) {
            counts.add(more);
        }
        for (id, error) in std::mem::take(&mut counts.unread) {
            counts.cut(error.left_out(id));
            self.note_unread(id, error);
        }
        let visited = work.chosen.iter().flatten().count();
        counts.reading.segments_visited = visited;
        counts.reading.segments_skipped = snapshot.segments.len() - visited;
        counts.reading.searched_through = snapshot.applied_to;
        counts.clustered(seconds, deadline)
    }
}

struct Work<'a> {
    snapshot: &'a Snapshot,
    lines: &'a Lines<'a>,
    steps: Steps,
    /// Of each segment, where it is looked at.
    chosen: Vec<Option<Chosen<'a>>>,
    /// The newest first.
    parts: Vec<(UnixNanos, Part)>,
    next: AtomicUsize,
    deadline: Deadline,
    /// By all threads.
    bytes_read: AtomicU64,
    bytes_max: u64,
}

impl<'a> Work<'a> {
    fn find_parts(&mut self, counts: &mut Counts) {
        let (start, end) = (self.steps.start, self.steps.end);
        let room = Arc::new(Room::new(self.snapshot.stream_bytes_max));
        for (at, segment) in self.snapshot.segments.iter().enumerate() {
            self.chosen.push(None);
            if counts.reading.cut.is_some() {
                continue;
            }
            if self.deadline.has_passed() {
                counts.cut(NO_TIME.into());
                continue;
            }
            if segment.meta.end < start || segment.meta.start >= end || start >= end {
                continue;
            }
            if let Err(error) = self.find_blocks(at, segment, &room, counts) {
                counts.unread.push((segment.meta.id, error));
            }
        }
        for (at, batch) in self.snapshot.tail.iter().enumerate() {
            if let Some((first, last)) = batch.times()
                && last >= start
                && first < end
            {
                self.parts.push((last, Part::Batch(at)));
            }
        }
        self.parts.sort_by_key(|(last, _)| std::cmp::Reverse(*last));
    }

    /// Takes the blocks of a segment that can have what is asked for.
    fn find_blocks(
        &mut self,
        at: usize,
        segment: &Handle,
        room: &Arc<Room>,
        counts: &mut Counts,
    ) -> Result<(), ReadError> {
        let ask = Ask::Lines(self.lines);
        let veil = self.snapshot.veil_of_segment(segment);
        let segment = segment.open()?;
        let chosen = match Chosen::of_segment(&segment, ask, veil, room) {
            Ok(chosen) => chosen,
            Err(error) => return error.or_stop(|why| counts.cut(why)),
        };
        if chosen.any() {
            let blocks = segment.candidates(&ask, &chosen)?.into_iter();
            let parts = blocks.map(|block| (block.last, Part::Block(at, block)));
            self.parts.extend(parts);
            self.chosen[at] = Some(chosen);
        }
        Ok(())
    }

    /// Counts the lines of one part after the other, until none is left.
    fn work(&self) -> Counts {
        let (mut counts, mut reader) = (Counts::default(), Reader::default());
        while let Some((_, part)) = self.parts.get(self.next.fetch_add(1, Ordering::Relaxed)) {
            if self.deadline.has_passed() {
                counts.cut(NO_TIME.into());
                break;
            }
            if self.bytes_read.load(Ordering::Relaxed) > self.bytes_max {
                counts.cut("there are too many lines for one answer: the newest were counted; ask for a shorter time".into());
                break;
            }
            let before = counts.reading.bytes_read;
            match part {
                Part::Batch(at) => self.count_batch(&self.snapshot.tail[*at], &mut counts),
                Part::Block(at, block) => self.count_block(*at, *block, &mut reader, &mut counts),
            }
            let read = counts.reading.bytes_read - before;
            self.bytes_read.fetch_add(read, Ordering::Relaxed);
        }
        counts
    }

    fn count_block(&self, at: usize, block: Candidate, reader: &mut Reader, counts: &mut Counts) {
        let segment = &self.snapshot.segments[at];
        let Some(Some(chosen)) = self.chosen.get(at) else {
            return;
        };
        if counts.unread.iter().any(|(id, _)| *id == segment.meta.id) {
            return;
        }
        let read = reader.of(segment).and_then(|(segment, scratch)| {
            let each = |alike: Alike<'_>| counts.count(&alike);
            match segment.patterns(block, self.steps, chosen, scratch, each) {
                Ok(read) => Ok(Ok(read)),
                Err(ChooseError::NoRoom(why)) => Ok(Err(why)),
                Err(ChooseError::Damaged(damage)) => Err(damage.into()),
            }
        });
        match read {
            Ok(Err(why)) => {
                counts.cut(why);
                self.next.store(self.parts.len(), Ordering::Relaxed);
            }
            Ok(Ok((records, bytes))) => {
                counts.reading.blocks_visited += 1;
                counts.reading.records += records;
                counts.reading.bytes_read += bytes;
            }
            Err(error) => counts.unread.push((segment.meta.id, error)),
        }
    }

    fn count_batch(&self, batch: &Batch, counts: &mut Counts) {
        let ask = Ask::Lines(self.lines);
        let chosen = Chosen::of_batch(batch.streams(), ask, self.snapshot.veil_of_batch(batch));
        for record in batch.records() {
            let time = record.key.time;
            let is_wanted = time >= self.steps.start
                && time < self.steps.end
                && chosen.lacking(record.ordinal).is_some();
            let Some(packed) = Packed::read(record.packed).filter(|_| is_wanted) else {
                continue;
            };
            if chosen.hides_record(record.ordinal, record.key, packed.body) {
                continue;
            }
            counts.count(&Alike {
                pattern: &pattern_of(packed.body),
                step: self.steps.of(time),
                lines: 1,
            });
            counts.reading.records += 1;
            counts.reading.bytes_read += packed.body.len() as u64;
        }
    }
}

/// Lines by what they look like.
#[derive(Default)]
struct Counts {
    numbers: AHashMap<Box<str>, u32>,
    text_bytes: usize,
    /// Of a text's number and a step.
    lines: AHashMap<(u32, u64), u64>,
    reading: Reading,
    unread: Vec<(u64, ReadError)>,
}

impl Counts {
    fn count(&mut self, alike: &Alike<'_>) {
        let Some(number) = self.number(alike.pattern) else {
            return self.cut_many();
        };
        let is_full = self.lines.len() >= COUNTS_MAX;
        match self.lines.get_mut(&(number, alike.step)) {
            Some(lines) => *lines += alike.lines,
            None if is_full => self.cut_many(),
            None => {
                self.lines.insert((number, alike.step), alike.lines);
            }
        }
    }

    /// The number of a text; nothing where there is no room for another.
    fn number(&mut self, text: &str) -> Option<u32> {
        let end = text.char_indices().nth(TEXT_CHARS_MAX);
        let text = end.map_or(text, |(end, _)| &text[..end]);
        if let Some(number) = self.numbers.get(text) {
            return Some(*number);
        }
        if self.text_bytes + text.len() > TEXT_BYTES_MAX {
            return None;
        }
        self.text_bytes += text.len() + size_of::<(Box<str>, u32)>();
        let number = self.numbers.len() as u32;
        self.numbers.insert(text.into(), number);
        Some(number)
    }

    fn cut_many(&mut self) {
        self.cut("there are too many different lines: the rarer ones may be missing; ask for a shorter time or a longer step".into());
    }

    fn cut(&mut self, why: String) {
        self.reading.cut.get_or_insert(why);
    }

    fn add(&mut self, more: Self) {
        let texts = by_number(&more.numbers);
        for ((number, step), lines) in more.lines {
            self.count(&Alike {
                pattern: texts[number as usize],
                step,
                lines,
            });
        }
        self.reading.add(&more.reading);
        for (id, error) in more.unread {
            if !self.unread.iter().any(|(known, _)| *known == id) {
                self.unread.push((id, error));
            }
        }
    }

    fn clustered(mut self, seconds: u64, deadline: &Deadline) -> LinePatterns {
        let texts = by_number(&self.numbers);
        let mut totals = vec![0_u64; texts.len()];
        for ((number, _), lines) in &self.lines {
            totals[*number as usize] += lines;
        }
        let mut counts: Vec<_> = std::mem::take(&mut self.lines).into_iter().collect();
        counts.sort_unstable_by_key(|((number, step), _)| {
            let number = *number as usize;
            (std::cmp::Reverse(totals[number]), texts[number], *step)
        });
        let mut clusters = Clusters::new(ClusterLimits::default());
        let mut cut = None;
        for (n, ((number, step), lines)) in counts.into_iter().enumerate() {
            // The most frequent are put together in any case.
            if n > 0 && n.is_multiple_of(TEXTS_PER_LOOK) && deadline.has_passed() {
                cut = Some(
                    "there was no time to put all lines together: the rarer ones are missing; ask for a shorter time or a longer step",
                );
                break;
            }
            let second = i64::try_from(step.saturating_mul(seconds)).unwrap_or(i64::MAX);
            clusters.add_template(texts[number as usize], second, lines);
        }
        if let Some(cut) = cut {
            self.cut(cut.into());
        }
        LinePatterns {
            patterns: clusters.finish(),
            reading: self.reading,
        }
    }
}

fn by_number(numbers: &AHashMap<Box<str>, u32>) -> Vec<&str> {
    let mut texts = vec![""; numbers.len()];
    for (text, number) in numbers {
        texts[*number as usize] = text;
    }
    texts
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_most_frequent_lines_are_put_together_also_where_there_is_no_time() {
        let counted = |deadline: &Deadline| {
            let mut counts = Counts::default();
            for n in 0..5000_u64 {
                counts.count(&Alike {
                    pattern: "the same",
                    step: n,
                    lines: 1,
                });
            }
            let found = counts.clustered(1, deadline);
            let lines = found.patterns.iter().map(|pattern| pattern.count);
            (lines.sum::<u64>(), found.reading.cut)
        };
        assert_eq!(counted(&Deadline::never()), (5000, None));
        let (lines, cut) = counted(&Deadline::within(Duration::ZERO));
        assert_eq!(lines, TEXTS_PER_LOOK as u64);
        assert!(cut.unwrap().contains("the rarer ones are missing"));
    }
}
