//! Which streams there are, and how much of each.

use super::pages::What;
use super::record::StreamWords;
use super::{LogReader, ReadError, Reading};
use sonde_logs::Direction;
use sonde_proto::{Labels, Matcher, Tenant, UnixNanos};
use std::collections::BTreeMap;
use std::time::{Duration, Instant};

/// How many bytes of labels and how many parts of all streams are kept; what comes after them
/// is left out.
const LABEL_BYTES_MAX: usize = 64 << 20;
const PARTS_MAX: usize = 2 << 20;

/// What a stream has in a period.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct StreamUse {
    pub(crate) labels: Labels,
    pub(crate) entries: u64,
    /// The bytes of its lines.
    pub(crate) bytes: u64,
    /// The same by parts of the period, by their numbers; empty unless asked for.
    pub(crate) parts: BTreeMap<u64, u64>,
}

/// The streams of a period, by labels.
#[derive(Clone, Debug, Default)]
pub(crate) struct Streams {
    pub(crate) streams: Vec<StreamUse>,
    pub(crate) reading: Reading,
}

impl LogReader {
    /// The streams that satisfy a selector and have records in a period. Streams that differ in
    /// nothing but their metadata are one.
    ///
    /// # Errors
    /// [`ReadError`] when a record cannot be read.
    pub(crate) fn streams(
        &self,
        tenant: &Tenant,
        matchers: &[Matcher],
        period: (UnixNanos, UnixNanos),
        deadline: Option<Instant>,
    ) -> Result<Streams, ReadError> {
        self.streams_by_parts(tenant, matchers, period, None, deadline)
    }

    /// The same, with the bytes of every part of the period that is so long.
    ///
    /// # Errors
    /// [`ReadError`] when a record cannot be read.
    pub(crate) fn streams_by_parts(
        &self,
        tenant: &Tenant,
        matchers: &[Matcher],
        (start, end): (UnixNanos, UnixNanos),
        part: Option<Duration>,
        deadline: Option<Instant>,
    ) -> Result<Streams, ReadError> {
        let part = part.map(|part| part.as_nanos().max(1));
        let what = What {
            matchers,
            filters: &[],
            start,
            end,
            likely: usize::MAX,
        };
        let mut pages = self.pages(tenant, &what, Direction::Backward, deadline);
        let mut used: BTreeMap<Labels, StreamUse> = BTreeMap::new();
        let mut stream = StreamWords::default();
        let (mut bytes_left, mut parts_left) = (LABEL_BYTES_MAX, PARTS_MAX);
        let mut left_out = false;
        while let Some(found) = pages.next()? {
            stream.turn_to(&found);
            if !used.contains_key(&stream.labels) {
                let cost = cost(&stream.labels);
                if cost > bytes_left {
                    left_out = true;
                    continue;
                }
                bytes_left -= cost;
                used.insert(stream.labels.clone(), StreamUse::new(&stream.labels));
            }
            let Some(known) = used.get_mut(&stream.labels) else {
                continue;
            };
            let bytes = found.body.len() as u64;
            known.entries += 1;
            known.bytes += bytes;
            let Some(part) = part else {
                continue;
            };
            let number = found.time.since(start).as_nanos() / part;
            let number = u64::try_from(number).unwrap_or(u64::MAX);
            if let Some(part) = known.parts.get_mut(&number) {
                *part += bytes;
            } else if parts_left > 0 {
                parts_left -= 1;
                known.parts.insert(number, bytes);
            } else {
                left_out = true;
            }
        }
        let mut reading = pages.reading();
        if left_out {
            reading.cut.get_or_insert_with(|| {
                "there are too many streams to tell of all; ask for a shorter time, with a longer step or with a narrower selector".into()
            });
        }
        Ok(Streams {
            streams: used.into_values().collect(),
            reading,
        })
    }
}

/// About how many bytes a stream takes.
fn cost(labels: &Labels) -> usize {
    let pairs = labels.iter().map(|(n, v)| n.len() + v.len() + 64);
    size_of::<StreamUse>() + pairs.sum::<usize>()
}

impl StreamUse {
    fn new(labels: &Labels) -> Self {
        Self {
            labels: labels.clone(),
            entries: 0,
            bytes: 0,
            parts: BTreeMap::new(),
        }
    }
}
