//! The logs of one tenant as the source of metric queries.

use super::pages::What;
use super::record::{self, RecordWords, StreamWords};
use super::{LogReader, ReadError, Reading};
use parking_lot::Mutex;
use sonde_logql::source::{Scan, Scanned, Sink, Source, Stop};
use sonde_logs::Direction;
use sonde_proto::Tenant;
use std::time::Instant;

/// One tenant's logs, until a deadline.
pub(crate) struct LogSource<'r> {
    reader: &'r LogReader,
    tenant: Tenant,
    deadline: Option<Instant>,
    reading: Mutex<Reading>,
}

impl<'r> LogSource<'r> {
    pub(super) fn new(reader: &'r LogReader, tenant: Tenant, deadline: Option<Instant>) -> Self {
        Self {
            reader,
            tenant,
            deadline,
            reading: Mutex::default(),
        }
    }

    /// How the last scan went.
    pub(crate) fn reading(&self) -> Reading {
        self.reading.lock().clone()
    }
}

impl Source for LogSource<'_> {
    fn scan<S: Sink>(
        &self,
        scan: &Scan<'_>,
        make: impl Fn() -> S + Sync,
    ) -> Result<(Vec<S>, Scanned), Stop> {
        let mut sink = make();
        let what = What {
            matchers: scan.matchers,
            filters: scan.filters,
            start: scan.start,
            end: scan.end,
            likely: usize::MAX,
        };
        let mut pages = self
            .reader
            .pages(&self.tenant, &what, Direction::Forward, self.deadline);
        let mut stream = StreamWords::default();
        let mut is_wanted = false;
        while let Some(found) = pages.next().map_err(stop)? {
            if stream.turn_to(&found) {
                is_wanted = sink.stream(stream.view())?;
            }
            if !is_wanted {
                continue;
            }
            let needs = sink.needs(scan.needs);
            if needs.lines || needs.metadata {
                let words = RecordWords::of(&found);
                sink.record(&record::view(&found, &stream, &words.pairs()))?;
            } else {
                let length = u32::try_from(found.body.len()).unwrap_or(u32::MAX);
                let lengths = [length];
                let lengths = if needs.lengths { &lengths[..] } else { &[] };
                sink.times(&[found.time], lengths)?;
            }
        }
        let reading = pages.reading();
        // A number that counts a part only would be a wrong one.
        if self
            .deadline
            .is_some_and(|deadline| Instant::now() >= deadline)
            && reading.cut.is_some()
        {
            return Err(Stop::Deadline);
        }
        let scanned = Scanned {
            records: reading.records,
            bytes: reading.bytes,
            cut: reading.cut.clone(),
        };
        *self.reading.lock() = reading;
        Ok((vec![sink], scanned))
    }
}

fn stop(error: ReadError) -> Stop {
    match error {
        ReadError::Store(error) => Stop::Source(error.to_string()),
        ReadError::Deadline => Stop::Deadline,
    }
}
