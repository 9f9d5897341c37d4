//! Takes what a source finds into buckets.

use crate::eval::cell::{Cell, Taken};
use crate::eval::dense::Dense;
use crate::eval::held::Held;
use crate::eval::key::Key;
use crate::eval::lattice::Slot;
use crate::eval::limits::{Budget, Work};
use crate::eval::scan::{Compiled, Keep};
use crate::eval::table::Table;
use crate::pipeline::{LabelsView, Scratch};
use crate::source::{Needs, Record, Sink, Span, Stop, StreamView};
use sonde_proto::{Labels, UnixNanos};

/// The mistakes of parsers: all that a query may count instead of leaving it out.
const UNREADABLE: [&str; 2] = ["JSONParserErr", "LogfmtParserErr"];

/// After so many runs of fewer times than this in the same bucket, times are taken as being in
/// no order.
const SHORT_RUNS_MAX: usize = 16;
const SHORT_RUN: usize = 4;

/// How much of a label set or a reason is shown.
const SHOWN_CHARS_MAX: usize = 300;

/// One thread's part of a scan.
pub(crate) struct RangeSink<'c, C> {
    compiled: &'c Compiled<'c>,
    budget: &'c Budget,
    table: Table<C>,
    dense: Dense,
    stream: Current,
    /// Where the last record lay: the next one most likely lies there too.
    slot: Slot,
    key: Key,
    /// The series that has the key.
    last: Option<u32>,
    scratch: Scratch,
    work: Work,
    /// Records wait here until the scan is over, where their order matters.
    pub(crate) held: Option<Held>,
}

/// The stream that is being told of.
#[derive(Default)]
struct Current {
    /// Whether the records' own metadata cannot change their series.
    is_settled: bool,
    /// The series of records without metadata, as soon as there is one.
    series: Option<u32>,
    key: Key,
    labels: Labels,
}

impl<'c, C: Cell> RangeSink<'c, C> {
    pub(crate) fn new(compiled: &'c Compiled<'c>, budget: &'c Budget) -> Self {
        Self {
            compiled,
            budget,
            table: Table::new(compiled.lattice.buckets()),
            dense: Dense::default(),
            stream: Current::default(),
            slot: Slot::NONE,
            key: Key::default(),
            last: None,
            scratch: Scratch::until(budget.deadline()),
            work: Work::default(),
            held: compiled.needs_order.then(Held::default),
        }
    }

    /// The series of the stream's records that have no metadata of their own.
    fn stream_series(&mut self) -> Result<u32, Stop> {
        if let Some(series) = self.stream.series {
            return Ok(series);
        }
        let labels = || self.stream.labels.clone();
        let series = self
            .table
            .series(self.budget, self.stream.key.bytes(), labels)?;
        self.stream.series = Some(series);
        Ok(series)
    }

    /// The bucket of a time.
    #[inline]
    fn bucket(&mut self, time: UnixNanos) -> Option<u32> {
        let at = self.compiled.lattice.at(time);
        if !self.slot.has(at) {
            self.slot = self.compiled.lattice.locate(at);
        }
        self.slot.bucket
    }

    /// Adds records to the bucket that the slot shows.
    fn flush(&mut self, series: u32, count: u64, bytes: u64) -> Result<(), Stop> {
        if let Some(bucket) = self.slot.bucket.filter(|_| count > 0) {
            let cell = self.table.cell(self.budget, series, bucket)?;
            cell.take_many(count, bytes);
        }
        Ok(())
    }

    /// Adds records whose times come in any order.
    fn scattered(&mut self, times: &[UnixNanos], lengths: &[u32]) -> Result<(), Stop> {
        let (budget, lattice) = (self.budget, self.compiled.lattice);
        let series = self.stream_series()?;
        self.dense
            .begin(series, lattice.buckets(), &mut self.table, budget)?;
        for (at, time) in times.iter().enumerate() {
            if let Some(bucket) = lattice.locate(lattice.at(*time)).bucket {
                let bytes = lengths.get(at).copied().unwrap_or_default();
                self.dense.add(bucket, bytes);
            }
        }
        Ok(())
    }

    /// Everything that was counted.
    pub(crate) fn finish(mut self) -> Result<Table<C>, Stop> {
        if self.scratch.gave_up() {
            return Err(Stop::Deadline);
        }
        self.dense.drain(&mut self.table, self.budget)?;
        Ok(self.table)
    }

    fn add(&mut self, series: u32, bucket: u32, taken: Taken) -> Result<(), Stop> {
        let cell = self.table.cell(self.budget, series, bucket)?;
        cell.take(self.compiled.aggregation.op, taken, self.budget)
    }
}

/// The labels of a record's series.
fn kept_labels(keep: &Keep, labels: LabelsView<'_>) -> Labels {
    match keep {
        Keep::Only(names) => {
            let pair = |name: &String| (name.clone(), labels.get(name).unwrap_or_default());
            names.iter().map(pair).collect()
        }
        Keep::AllBut(names) => {
            let mut builder = labels.all().to_builder();
            builder.retain(|name| !names.iter().any(|n| n == name));
            builder.build()
        }
    }
}

fn failed(labels: LabelsView<'_>, error: &str) -> Stop {
    let short = |text: &str| text.chars().take(SHOWN_CHARS_MAX).collect::<String>();
    let details = labels.error_details();
    let details = details.map(|text| format!(" ({})", short(text)));
    Stop::Pipeline(format!(
        "pipeline error: {error}{} for a line of {}; add | __error__=\"\" behind the stage that fails to leave such lines out, or | __error__!=\"{error}\" for these only; behind unwrap it goes as well: | unwrap … | __error__=\"\"",
        details.unwrap_or_default(),
        short(&labels.all().to_string()),
    ))
}

impl<C: Cell> Sink for RangeSink<'_, C> {
    fn stream(&mut self, stream: StreamView<'_>) -> Result<bool, Stop> {
        self.work.add(self.budget, 64)?;
        self.stream.series = None;
        self.stream.is_settled = false;
        if let Some(held) = &mut self.held {
            held.stream(stream, self.budget)?;
            return Ok(true);
        }
        if !self.compiled.counts_only() {
            return Ok(true);
        }
        let record = Record {
            time: UnixNanos(0),
            line: b"",
            stream,
            metadata: &[],
        };
        let keep = &self.compiled.keep;
        let Some(processed) = self.compiled.pipeline.run(&record, &mut self.scratch) else {
            return Ok(false);
        };
        self.stream.key.write(keep, processed.labels);
        self.stream.series = self.table.find(self.stream.key.bytes());
        if self.stream.series.is_none() {
            self.stream.labels = kept_labels(keep, processed.labels);
        }
        self.stream.is_settled = !keep.looks_at_metadata(stream.labels);
        Ok(true)
    }

    fn needs(&self, asked: Needs) -> Needs {
        if !self.stream.is_settled {
            return asked;
        }
        Needs {
            lengths: self.compiled.counts_bytes(),
            lines: false,
            metadata: false,
        }
    }

    fn span(&mut self, span: Span) -> Result<bool, Stop> {
        if !self.compiled.counts_only() {
            return Ok(false);
        }
        self.work.add(self.budget, 1)?;
        self.bucket(span.first);
        if !self.slot.has(self.compiled.lattice.at(span.last)) {
            return Ok(false);
        }
        if self.slot.bucket.is_some() {
            let series = self.stream_series()?;
            self.flush(series, span.count, span.bytes)?;
        }
        Ok(true)
    }

    fn times(&mut self, times: &[UnixNanos], lengths: &[u32]) -> Result<(), Stop> {
        if !self.compiled.counts_only() {
            return Err(Stop::Source(
                "the source gave only times where the query needs whole records".to_owned(),
            ));
        }
        self.work.add(self.budget, times.len())?;
        let lattice = self.compiled.lattice;
        let (mut at, mut short_runs) = (0, 0);
        while at < times.len() {
            if short_runs == SHORT_RUNS_MAX {
                return self.scattered(&times[at..], lengths.get(at..).unwrap_or_default());
            }
            let bucket = self.bucket(times[at]);
            let slot = self.slot;
            let rest = &times[at..];
            let run = rest
                .iter()
                .position(|time| !slot.has(lattice.at(*time)))
                .unwrap_or(rest.len());
            if bucket.is_some() {
                let bytes = lengths.get(at..at + run).unwrap_or_default();
                let bytes = bytes.iter().map(|length| u64::from(*length)).sum();
                let series = self.stream_series()?;
                self.flush(series, run as u64, bytes)?;
            }
            at += run;
            short_runs = if run < SHORT_RUN { short_runs + 1 } else { 0 };
        }
        Ok(())
    }

    fn record(&mut self, record: &Record<'_>) -> Result<(), Stop> {
        let size = record.line.len() / 4 + record.metadata.len() * 4;
        self.work.add(self.budget, 16 + size)?;
        if let Some(held) = &mut self.held {
            return held.push(record, self.budget);
        }
        let bucket = self.bucket(record.time);
        // A record between windows counts nowhere, but may be the first of its value.
        if bucket.is_none() && !self.compiled.needs_order {
            return Ok(());
        }
        if self.stream.is_settled {
            let series = self.stream_series()?;
            return self.flush(series, 1, record.line.len() as u64);
        }
        let compiled = self.compiled;
        let (value, processed) = match &compiled.unwrapper {
            None => match compiled.pipeline.run(record, &mut self.scratch) {
                Some(processed) => (0.0, processed),
                None => return Ok(()),
            },
            Some(unwrapper) => {
                match unwrapper.sample(&compiled.pipeline, record, &mut self.scratch) {
                    Some(sample) => sample,
                    None => return Ok(()),
                }
            }
        };
        let Some(bucket) = bucket else {
            return Ok(());
        };
        if let Some(error) = processed.labels.error() {
            let is_unreadable = UNREADABLE.contains(&error);
            if !(is_unreadable && compiled.keeps_unreadable) {
                return Err(failed(processed.labels, error));
            }
        }
        let taken = Taken {
            time: record.time,
            bytes: processed.line.len() as u64,
            value,
        };
        let is_other = self.key.write(&compiled.keep, processed.labels);
        let series = match self.last {
            Some(last) if !is_other => last,
            _ => {
                let labels = || kept_labels(&compiled.keep, processed.labels);
                let series = self.table.series(self.budget, self.key.bytes(), labels)?;
                self.last = Some(series);
                series
            }
        };
        self.add(series, bucket, taken)
    }
}
