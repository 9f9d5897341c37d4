//! Which streams have records in a period, and how much of each: from directories, and from
//! the times and lengths of the blocks that the period, or one of its parts, cuts in two.

use super::{Reading, SearchError, TenantSource};
use sonde_logql::source::{Needs, Record, Scan, Sink, Source as _, Span, Stop, StreamView};
use sonde_proto::{Labels, Matcher, UnixNanos};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

/// How many bytes of labels and how many parts of all streams are kept; what comes after them
/// is left out.
const LABEL_BYTES_MAX: usize = 64 << 20;
const PARTS_MAX: usize = 2 << 20;

/// What a stream has in a period.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StreamVolume {
    /// Its labels.
    pub labels: Labels,
    /// How many records.
    pub entries: u64,
    /// The bytes of their lines.
    pub bytes: u64,
    /// The same by parts of the period, by their numbers; empty unless asked for.
    pub parts: BTreeMap<u64, u64>,
}

/// The streams of a period, by labels.
#[derive(Clone, Debug, Default)]
pub struct StreamVolumes {
    /// Streams that differ in nothing but their metadata are one.
    pub streams: Vec<StreamVolume>,
    /// How it went.
    pub reading: Reading,
}

impl StreamVolumes {
    /// The names of all labels.
    #[must_use]
    pub fn label_names(&self) -> BTreeSet<&str> {
        let labels = self.streams.iter().flat_map(|s| s.labels.iter());
        labels.map(|(name, _)| name).collect()
    }

    /// The values of one label.
    #[must_use]
    pub fn label_values(&self, name: &str) -> BTreeSet<&str> {
        let values = self.streams.iter().map(|s| s.labels.get(name));
        values.filter(|value| !value.is_empty()).collect()
    }
}

/// Counts what a source has of the streams that satisfy `matchers`.
pub(crate) fn count(
    source: &TenantSource<'_>,
    matchers: &[Matcher],
    (start, end): (UnixNanos, UnixNanos),
    part: Option<Duration>,
) -> Result<StreamVolumes, SearchError> {
    let scan = Scan {
        matchers,
        filters: &[],
        start,
        end,
        needs: Needs {
            lengths: true,
            ..Needs::default()
        },
        metadata: None,
        equalities: &[],
    };
    let room = Room::default();
    let make = || Tally {
        start,
        part: part.map(|part| part.as_nanos().max(1)),
        room: &room,
        streams: BTreeMap::new(),
        kept: Vec::new(),
        at: None,
    };
    let (tallies, _) = source.scan(&scan, make).map_err(|stop| match stop {
        Stop::Deadline => SearchError::Deadline,
        Stop::TooMuch(_) | Stop::Pipeline(_) | Stop::Source(_) => SearchError::Damaged,
    })?;
    let mut all: BTreeMap<Labels, StreamVolume> = BTreeMap::new();
    for stream in tallies.into_iter().flat_map(|tally| tally.kept) {
        if stream.entries == 0 {
            continue;
        }
        match all.get_mut(&stream.labels) {
            None => {
                all.insert(stream.labels.clone(), stream);
            }
            Some(known) => {
                known.entries += stream.entries;
                known.bytes += stream.bytes;
                for (number, bytes) in stream.parts {
                    *known.parts.entry(number).or_default() += bytes;
                }
            }
        }
    }
    let mut reading = source.reading();
    if room.left_out.load(Ordering::Relaxed) {
        reading.cut.get_or_insert_with(|| {
            "there are too many streams to tell of all; ask for a shorter time, with a longer step or with a narrower selector".into()
        });
    }
    Ok(StreamVolumes {
        streams: all.into_values().collect(),
        reading,
    })
}

/// What all tallies together have taken.
#[derive(Debug, Default)]
struct Room {
    label_bytes: AtomicUsize,
    parts: AtomicUsize,
    left_out: AtomicBool,
}

impl Room {
    fn take(&self, of: &AtomicUsize, more: usize, max: usize) -> bool {
        let fits = of.fetch_add(more, Ordering::Relaxed).saturating_add(more) <= max;
        if !fits {
            of.fetch_sub(more, Ordering::Relaxed);
            self.left_out.store(true, Ordering::Relaxed);
        }
        fits
    }
}

/// One thread's count.
struct Tally<'r> {
    start: UnixNanos,
    /// How many nanoseconds a part has.
    part: Option<u128>,
    room: &'r Room,
    streams: BTreeMap<Labels, usize>,
    kept: Vec<StreamVolume>,
    /// The place of the stream that is being told of; nothing where there is no room for it.
    at: Option<usize>,
}

impl Tally<'_> {
    fn add(&mut self, number: Option<u64>, entries: u64, bytes: u64) {
        let Some(stream) = self.at.and_then(|at| self.kept.get_mut(at)) else {
            return;
        };
        stream.entries += entries;
        stream.bytes += bytes;
        let Some(number) = number else {
            return;
        };
        if let Some(part) = stream.parts.get_mut(&number) {
            *part += bytes;
        } else if self.room.take(&self.room.parts, 1, PARTS_MAX) {
            stream.parts.insert(number, bytes);
        }
    }

    fn number(&self, time: UnixNanos) -> Option<u64> {
        let number = time.since(self.start).as_nanos() / self.part?;
        Some(u64::try_from(number).unwrap_or(u64::MAX))
    }
}

impl Sink for Tally<'_> {
    fn stream(&mut self, stream: StreamView<'_>) -> Result<bool, Stop> {
        self.at = self.streams.get(stream.labels).copied();
        if self.at.is_none() {
            let texts = stream.labels.iter().map(|(n, v)| n.len() + v.len() + 64);
            let cost = size_of::<StreamVolume>() + texts.sum::<usize>();
            if self
                .room
                .take(&self.room.label_bytes, cost, LABEL_BYTES_MAX)
            {
                self.at = Some(self.kept.len());
                self.streams.insert(stream.labels.clone(), self.kept.len());
                self.kept.push(StreamVolume {
                    labels: stream.labels.clone(),
                    entries: 0,
                    bytes: 0,
                    parts: BTreeMap::new(),
                });
            }
        }
        Ok(self.at.is_some())
    }

    fn span(&mut self, span: Span) -> Result<bool, Stop> {
        let number = self.number(span.first);
        if number != self.number(span.last) {
            return Ok(false);
        }
        self.add(number, span.count, span.bytes);
        Ok(true)
    }

    fn times(&mut self, times: &[UnixNanos], lengths: &[u32]) -> Result<(), Stop> {
        let mut at = 0;
        while let Some(first) = times.get(at) {
            let number = self.number(*first);
            let rest = times[at..].iter();
            let count = rest
                .take_while(|time| self.number(**time) == number)
                .count();
            let lengths = lengths.get(at..at + count).unwrap_or_default();
            let bytes = lengths.iter().map(|length| u64::from(*length)).sum();
            self.add(number, count as u64, bytes);
            at += count;
        }
        Ok(())
    }

    fn record(&mut self, record: &Record<'_>) -> Result<(), Stop> {
        self.add(self.number(record.time), 1, record.line.len() as u64);
        Ok(())
    }
}
