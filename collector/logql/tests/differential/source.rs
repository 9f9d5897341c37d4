//! A source over a world that gives as many shapes as it may: records, times or spans, in
//! any order, to one to three sinks, with no more than was asked for.

use rand::seq::SliceRandom;
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use sonde_logql::source::{Needs, Record, Scan, Scanned, Sink, Source, Span, Stop, StreamView};
use sonde_logql_oracle::{World, world};
use sonde_proto::UnixNanos;
use std::sync::Mutex;

/// A world, and the dice.
pub(crate) struct Scattered<'w> {
    world: &'w World,
    rng: Mutex<ChaCha8Rng>,
}

impl<'w> Scattered<'w> {
    pub(crate) fn new(world: &'w World, seed: u64) -> Self {
        Self {
            world,
            rng: Mutex::new(ChaCha8Rng::seed_from_u64(seed)),
        }
    }
}

impl Source for Scattered<'_> {
    fn scan<S: Sink>(
        &self,
        scan: &Scan<'_>,
        make: impl Fn() -> S + Sync,
    ) -> Result<(Vec<S>, Scanned), Stop> {
        let mut rng = self.rng.lock().unwrap();
        let rng = &mut *rng;
        let mut sinks: Vec<S> = (0..rng.random_range(1..=3)).map(|_| make()).collect();
        let mut scanned = Scanned::default();
        let mut pieces = Vec::new();
        for stream in &self.world.streams {
            if !scan
                .matchers
                .iter()
                .all(|m| m.matches_labels(&stream.labels))
            {
                continue;
            }
            let mut records: Vec<&world::Record> = stream
                .records
                .iter()
                .filter(|r| scan.start <= r.time && r.time < scan.end)
                .filter(|r| scan.filters.iter().all(|f| f.matches(&r.line)))
                .collect();
            records.shuffle(rng);
            let view = StreamView {
                labels: &stream.labels,
                metadata: &stream.metadata,
            };
            while !records.is_empty() {
                let take = rng.random_range(1..=records.len());
                pieces.push((view, records.split_off(records.len() - take)));
            }
        }
        pieces.shuffle(rng);
        for (view, records) in pieces {
            scanned.records += records.len() as u64;
            scanned.bytes += records.iter().map(|r| r.line.len() as u64).sum::<u64>();
            let at = rng.random_range(0..sinks.len());
            give(&mut sinks[at], rng, scan, view, &records)?;
        }
        Ok((sinks, scanned))
    }
}

/// Gives some records of a stream to a sink.
fn give<S: Sink>(
    sink: &mut S,
    rng: &mut ChaCha8Rng,
    scan: &Scan<'_>,
    view: StreamView<'_>,
    records: &[&world::Record],
) -> Result<(), Stop> {
    if !sink.stream(view)? {
        return Ok(());
    }
    let least = sink.needs(scan.needs);
    let needs = if rng.random() { least } else { scan.needs };
    if needs.lines || needs.metadata {
        for record in records {
            let metadata = metadata(rng, scan, needs, record);
            sink.record(&Record {
                time: record.time,
                line: &record.line,
                stream: view,
                metadata: &metadata,
            })?;
        }
        return Ok(());
    }
    let times: Vec<UnixNanos> = records.iter().map(|r| r.time).collect();
    let lengths: Vec<u32> = records.iter().map(|r| r.line.len() as u32).collect();
    if rng.random_bool(0.6) {
        let span = Span {
            count: records.len() as u64,
            bytes: lengths.iter().map(|l| u64::from(*l)).sum(),
            first: times.iter().copied().min().unwrap_or_default(),
            last: times.iter().copied().max().unwrap_or_default(),
        };
        if sink.span(span)? {
            return Ok(());
        }
    }
    let lengths = if needs.lengths {
        lengths.as_slice()
    } else {
        &[]
    };
    sink.times(&times, lengths)
}

/// A record's metadata, where it was asked for; sometimes none, where it has none of the
/// names that were.
fn metadata<'r>(
    rng: &mut ChaCha8Rng,
    scan: &Scan<'_>,
    needs: Needs,
    record: &'r world::Record,
) -> Vec<(&'r str, &'r str)> {
    let is_named = |names: &[String]| record.metadata.iter().any(|(n, _)| names.contains(n));
    let is_unneeded = !needs.metadata || scan.metadata.is_some_and(|names| !is_named(names));
    if is_unneeded && rng.random_bool(0.7) {
        return Vec::new();
    }
    let pairs = record.metadata.iter();
    pairs.map(|(n, v)| (n.as_str(), v.as_str())).collect()
}
