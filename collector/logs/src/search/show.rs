//! Shows what was found, as the query's pipeline leaves it.

use super::collect::{Hit, Record};
use super::{Direction, Search, SearchError};
use crate::record::metadata::{self, Metadata, StreamMetadata};
use crate::record::{Line, LogRecord, Packed};
use crate::stream::Stream;
use ahash::AHashMap;
use sonde_logql::source::{Record as Viewed, StreamView};
use sonde_logql::{LabelsView, Scratch};
use sonde_proto::UnixNanos;
use std::sync::Arc;

/// Shows records, which come in the order asked for. Stages that decide by what came before
/// decide here.
pub(crate) struct Shows<'q> {
    search: &'q Search,
    scratch: Scratch,
    /// By their addresses, which are theirs for as long as they are held here.
    streams: AHashMap<usize, (Arc<Stream>, StreamMetadata)>,
    last: Option<UnixNanos>,
    bytes: u64,
    bytes_max: u64,
}

/// What became of a record.
pub(crate) enum Shown {
    /// The pipeline drops it, or it is too near the one before.
    Dropped,
    /// It would be more than an answer may have.
    TooMuch,
    Record(Box<LogRecord>),
}

impl<'q> Shows<'q> {
    /// Lines and their labels may have so many bytes.
    pub(crate) fn new(search: &'q Search, bytes_max: u64) -> Self {
        Self {
            search,
            scratch: Scratch::until(&search.deadline),
            streams: AHashMap::new(),
            last: None,
            bytes: 0,
            bytes_max,
        }
    }

    /// Shows the next record.
    pub(crate) fn show(&mut self, hit: &Hit) -> Result<Shown, SearchError> {
        let Record::Packed(packed) = &hit.record else {
            return Err(SearchError::Damaged);
        };
        let read = Packed::read(packed).ok_or(SearchError::Damaged)?;
        let Some(line) = self.line(hit, &read) else {
            return Ok(Shown::Dropped);
        };
        let interval = self.search.interval;
        let apart = |last: UnixNanos| match self.search.direction {
            Direction::Backward => last.since(hit.key.time),
            Direction::Forward => hit.key.time.since(last),
        };
        if self.last.is_some_and(|last| apart(last) < interval) {
            return Ok(Shown::Dropped);
        }
        self.bytes = self.bytes.saturating_add(line.bytes());
        if self.bytes > self.bytes_max && self.last.is_some() {
            return Ok(Shown::TooMuch);
        }
        self.last = Some(hit.key.time);
        let mut record = LogRecord::of(hit.key.time, &hit.stream, &read);
        record.line = Some(line);
        Ok(Shown::Record(Box::new(record)))
    }

    /// Whether records were dropped because there was no time for them.
    pub(crate) fn gave_up(&self) -> bool {
        self.scratch.gave_up()
    }

    fn line(&mut self, hit: &Hit, packed: &Packed<'_>) -> Option<Line> {
        let stream: &Arc<Stream> = &hit.stream;
        let common = self.streams.entry(Arc::as_ptr(stream) as usize);
        let (_, common) =
            common.or_insert_with(|| (Arc::clone(stream), metadata::of_stream(stream)));
        let mut own = Metadata::default();
        own.read(packed);
        let record = Viewed {
            time: hit.key.time,
            line: packed.body,
            stream: StreamView {
                labels: &stream.labels,
                metadata: common,
            },
            metadata: &own.pairs(),
        };
        let pipeline = self.search.query.pipeline();
        let left = pipeline.run(&record, &mut self.scratch)?;
        Some(Line {
            text: left.text().into_owned(),
            labels: labels(left.labels),
            is_as_it_came: pipeline.is_empty(),
        })
    }
}

fn labels(view: LabelsView<'_>) -> Vec<(String, String, sonde_logql::Category)> {
    let all = view.sorted().into_iter();
    all.filter(|(_, value, _)| !value.is_empty())
        .map(|(name, value, category)| (name.into_owned(), value.to_owned(), category))
        .collect()
}
