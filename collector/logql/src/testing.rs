//! A source that has its records in memory and gives them in every way a store may: in any
//! order, to several sinks, as spans, as times, or whole; and never more than was asked for.

use crate::source::{Needs, Record, Scan, Scanned, Sink, Source, Span, Stop, StreamView};
use rand::seq::SliceRandom as _;
use rand::{Rng as _, SeedableRng as _};
use rand_chacha::ChaCha8Rng;
use sonde_proto::{Labels, UnixNanos};

/// A stream, as a store knows it.
#[derive(Clone, Debug, Default)]
pub(crate) struct Stream {
    pub(crate) labels: Labels,
    pub(crate) metadata: Vec<(String, String)>,
}

/// A record of one of the streams.
#[derive(Clone, Debug)]
pub(crate) struct Entry {
    pub(crate) stream: usize,
    pub(crate) time: UnixNanos,
    pub(crate) line: String,
    pub(crate) metadata: Vec<(String, String)>,
}

/// Streams and their records, in order of arrival.
#[derive(Clone, Debug, Default)]
pub(crate) struct World {
    pub(crate) streams: Vec<Stream>,
    pub(crate) entries: Vec<Entry>,
}

impl World {
    /// Streams by their labels, `a="1",b="2"`.
    pub(crate) fn with_streams(streams: &[&[(&str, &str)]]) -> Self {
        let stream = |labels: &&[(&str, &str)]| Stream {
            labels: labels.iter().copied().collect(),
            metadata: Vec::new(),
        };
        Self {
            streams: streams.iter().map(stream).collect(),
            entries: Vec::new(),
        }
    }

    /// Adds a record.
    pub(crate) fn push(
        &mut self,
        stream: usize,
        seconds: u64,
        line: &str,
        metadata: &[(&str, &str)],
    ) {
        let owned = |(name, value): &(&str, &str)| ((*name).to_owned(), (*value).to_owned());
        self.entries.push(Entry {
            stream,
            time: UnixNanos::from_secs(seconds),
            line: line.to_owned(),
            metadata: metadata.iter().map(owned).collect(),
        });
    }

    pub(crate) fn view(&self, stream: usize) -> StreamView<'_> {
        let stream = &self.streams[stream];
        StreamView {
            labels: &stream.labels,
            metadata: &stream.metadata,
        }
    }
}

/// Gives a world's records, by chance.
#[derive(Debug)]
pub(crate) struct VecSource<'w> {
    pub(crate) world: &'w World,
    pub(crate) seed: u64,
    pub(crate) sinks: usize,
    /// The order of arrival is kept, and there is one sink.
    pub(crate) is_ordered: bool,
}

impl<'w> VecSource<'w> {
    /// One sink, in order.
    pub(crate) fn ordered(world: &'w World) -> Self {
        Self {
            world,
            seed: 0,
            sinks: 1,
            is_ordered: true,
        }
    }
}

impl Source for VecSource<'_> {
    fn scan<S: Sink>(
        &self,
        scan: &Scan<'_>,
        make: impl Fn() -> S + Sync,
    ) -> Result<(Vec<S>, Scanned), Stop> {
        let mut rng = ChaCha8Rng::seed_from_u64(self.seed);
        let asked = |entry: &&Entry| {
            let labels = &self.world.streams[entry.stream].labels;
            scan.matchers.iter().all(|m| m.matches_labels(labels))
                && scan
                    .filters
                    .iter()
                    .all(|f| f.matches(entry.line.as_bytes()))
                && (scan.start..scan.end).contains(&entry.time)
        };
        let mut entries: Vec<&Entry> = self.world.entries.iter().filter(asked).collect();
        let scanned = Scanned {
            records: entries.len() as u64,
            bytes: entries.iter().map(|entry| entry.line.len() as u64).sum(),
            cut: None,
        };
        if rng.random() {
            entries.retain(|entry| self.satisfies(scan, entry));
        }
        if !self.is_ordered {
            entries.shuffle(&mut rng);
        }
        let mut sinks: Vec<S> = (0..self.sinks).map(|_| make()).collect();
        let mut rest = entries.as_slice();
        while let Some(first) = rest.first() {
            let same = rest
                .iter()
                .take_while(|entry| entry.stream == first.stream)
                .count();
            let (run, behind) = rest.split_at(rng.random_range(1..=same));
            rest = behind;
            let sink = rng.random_range(0..self.sinks);
            self.give(&mut sinks[sink], scan, run, &mut rng)?;
        }
        Ok((sinks, scanned))
    }
}

impl VecSource<'_> {
    /// Whether a record has all that is demanded of its labels and metadata.
    fn satisfies(&self, scan: &Scan<'_>, entry: &Entry) -> bool {
        let labels = &self.world.streams[entry.stream].labels;
        let common = &self.world.streams[entry.stream].metadata;
        scan.equalities.iter().all(|(name, value)| {
            let own = entry.metadata.iter().rev().chain(common.iter().rev());
            let metadata = || own.clone().find(|(n, _)| n == name).map_or("", |(_, v)| v);
            let found = match labels.get(name) {
                "" => metadata(),
                found => found,
            };
            found == value
        })
    }

    /// Gives records of one stream.
    fn give<S: Sink>(
        &self,
        sink: &mut S,
        scan: &Scan<'_>,
        run: &[&Entry],
        rng: &mut ChaCha8Rng,
    ) -> Result<(), Stop> {
        let view = self.world.view(run[0].stream);
        if !sink.stream(view)? {
            return Ok(());
        }
        let needs = if rng.random() {
            sink.needs(scan.needs)
        } else {
            scan.needs
        };
        // Metadata that is known not to matter.
        let lacks = |entry: &&Entry| {
            let names = scan.metadata;
            names.is_some_and(|names| !entry.metadata.iter().any(|(n, _)| names.contains(n)))
        };
        let by_times = !needs.lines && (!needs.metadata || run.iter().all(lacks));
        if by_times && rng.random() {
            return give_times(sink, needs.lengths, run, rng);
        }
        for entry in run {
            give_record(sink, view, needs, entry)?;
        }
        Ok(())
    }
}

fn give_times<S: Sink>(
    sink: &mut S,
    lengths: bool,
    run: &[&Entry],
    rng: &mut ChaCha8Rng,
) -> Result<(), Stop> {
    let times: Vec<UnixNanos> = run.iter().map(|entry| entry.time).collect();
    let (Some(first), Some(last)) = (times.iter().min(), times.iter().max()) else {
        return Ok(());
    };
    let span = Span {
        count: times.len() as u64,
        bytes: run.iter().map(|entry| entry.line.len() as u64).sum(),
        first: *first,
        last: *last,
    };
    if rng.random() && sink.span(span)? {
        return Ok(());
    }
    let length = |entry: &&Entry| u32::try_from(entry.line.len()).expect("short");
    let all: Vec<u32> = run.iter().filter(|_| lengths).map(length).collect();
    sink.times(&times, &all)
}

fn give_record<S: Sink>(
    sink: &mut S,
    stream: StreamView<'_>,
    needs: Needs,
    entry: &Entry,
) -> Result<(), Stop> {
    let metadata = entry.metadata.iter().filter(|_| needs.metadata);
    let metadata: Vec<(&str, &str)> = metadata.map(|(n, v)| (n.as_str(), v.as_str())).collect();
    let line = if needs.lines || needs.lengths {
        entry.line.as_bytes()
    } else {
        // Nobody may look at it.
        b"no line was asked for"
    };
    sink.record(&Record {
        time: entry.time,
        line,
        stream,
        metadata: &metadata,
    })
}
