//! Random records: streams with labels, metadata and lines of many kinds.

use crate::lines;
use rand::Rng;
use sonde_proto::{Labels, UnixNanos};

/// The time around which all records lie.
pub const EPOCH: u64 = 1_700_000_000_000_000_000;
/// How far records are spread, in nanoseconds.
pub const SPREAD: u64 = 30 * 60 * 1_000_000_000;

/// Everything there is.
#[derive(Clone, Debug, Default)]
pub struct World {
    /// The streams; no two have the same labels.
    pub streams: Vec<Stream>,
    /// Whether two records may have the same time.
    pub has_ties: bool,
    /// Whether some lines are JSON objects that end too early.
    pub has_torn: bool,
}

/// Records with the same labels.
#[derive(Clone, Debug)]
pub struct Stream {
    /// What selectors look at.
    pub labels: Labels,
    /// The structured metadata that all records have.
    pub metadata: Vec<(String, String)>,
    /// The records, in no order.
    pub records: Vec<Record>,
}

/// A record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Record {
    /// When it was.
    pub time: UnixNanos,
    /// What it says.
    pub line: Vec<u8>,
    /// Its own structured metadata.
    pub metadata: Vec<(String, String)>,
}

impl World {
    /// A random world of at most a few hundred records.
    pub fn random(rng: &mut impl Rng) -> Self {
        let mut world = Self {
            streams: Vec::new(),
            has_ties: rng.random_bool(0.3),
            has_torn: rng.random_bool(0.3),
        };
        let mut number = 0;
        for _ in 0..rng.random_range(1..=6) {
            let labels = labels(rng);
            if world.streams.iter().any(|s| s.labels == labels) {
                continue;
            }
            let metadata = stream_metadata(rng);
            let style = lines::Style::random(rng, world.has_torn);
            let mut records = Vec::new();
            for _ in 0..rng.random_range(1..40) {
                number += 1;
                records.push(Record {
                    time: time(rng, world.has_ties, number),
                    line: style.line(rng),
                    metadata: record_metadata(rng),
                });
            }
            world.streams.push(Stream {
                labels,
                metadata,
                records,
            });
        }
        world
    }

    /// How many records there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.streams.iter().map(|s| s.records.len()).sum()
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

/// One of several, as owned text.
pub(crate) fn pick<'a>(rng: &mut impl Rng, from: &[&'a str]) -> &'a str {
    from[rng.random_range(0..from.len())]
}

fn labels(rng: &mut impl Rng) -> Labels {
    let mut pairs = vec![("app", pick(rng, &["api", "web", "db", "größe"]))];
    pairs.push(("host", pick(rng, &["h1", "h2", "h3"])));
    if rng.random_bool(0.6) {
        pairs.push(("env", pick(rng, &["prod", "dev"])));
    }
    if rng.random_bool(0.1) {
        pairs.push(("level", pick(rng, &["info", "error"])));
    }
    pairs.into_iter().collect()
}

fn stream_metadata(rng: &mut impl Rng) -> Vec<(String, String)> {
    let mut pairs = Vec::new();
    let mut add = |name: &str, value: &str| pairs.push((name.to_owned(), value.to_owned()));
    if rng.random_bool(0.5) {
        add("cluster", pick(rng, &["c1", "c2"]));
    }
    if rng.random_bool(0.3) {
        add("detected_level", pick(rng, &["info", "warn", "error"]));
    }
    if rng.random_bool(0.15) {
        add("pod", "from-the-stream");
    }
    pairs
}

fn record_metadata(rng: &mut impl Rng) -> Vec<(String, String)> {
    let mut pairs = Vec::new();
    let mut add = |name: &str, value: &str| pairs.push((name.to_owned(), value.to_owned()));
    if rng.random_bool(0.3) {
        add("pod", pick(rng, &["pod-a", "pod-b", "pod-ü"]));
    }
    if rng.random_bool(0.2) {
        add(
            "trace_id",
            pick(rng, &["0af7651916cd43dd", "4bf92f3577b34da6"]),
        );
    }
    if rng.random_bool(0.1) {
        // Also a key of lines.
        add("status", pick(rng, &["200", "500"]));
    }
    if rng.random_bool(0.05) {
        // Also a label of streams.
        add("host", "from-the-record");
    }
    pairs
}

/// Without ties every record's time is its own, by its number in the last digits.
fn time(rng: &mut impl Rng, ties: bool, number: u64) -> UnixNanos {
    const SECOND: u64 = 1_000_000_000;
    let seconds = rng.random_range(0..SPREAD / SECOND);
    if ties {
        // On whole tens of seconds, where windows begin and end.
        return UnixNanos(EPOCH + seconds / 10 * 10 * SECOND);
    }
    let nanos = if rng.random_bool(0.3) {
        0
    } else {
        rng.random_range(0..SECOND / 1000) * 1000
    };
    UnixNanos(EPOCH + seconds * SECOND + nanos + number)
}
