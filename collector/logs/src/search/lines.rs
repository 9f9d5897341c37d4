//! Which lines are asked for, prepared once for all segments and batches.

use super::{Direction, Search};
use crate::record::Key;
use crate::words::is_word_byte;
use sonde_logql::ast::Stage;
use sonde_logql::source::Scan;
use sonde_logql::{LineFilter, Pipeline, PipelineLimits};
use sonde_proto::{Labels, Matcher, UnixNanos};
use std::borrow::Cow;
use std::collections::BTreeSet;

/// So many equalities narrow; the pipeline knows all of them.
const EQUALITIES_MAX: usize = 32;
/// How many words are told of, and how many bytes of each.
const TERMS_MAX: usize = 50;
const TERM_CHARS_MAX: usize = 100;

/// Which lines are asked for.
#[derive(Debug)]
pub(crate) struct Lines<'q> {
    matchers: &'q [Matcher],
    pub(crate) filters: &'q [LineFilter],
    /// Of each list, every line that is asked for contains one text.
    pub(crate) required: Vec<Vec<Vec<u8>>>,
    /// Labels, of the stream or of the metadata, that have to have these values.
    pub(crate) equalities: &'q [(String, String)],
    pub(crate) start: UnixNanos,
    pub(crate) end: UnixNanos,
    pub(crate) direction: Direction,
    /// What decides about what is left, whatever the order of the records.
    pub(crate) pipeline: Option<Cow<'q, Pipeline>>,
    /// Whether there are stages that decide by what came before.
    pub(crate) needs_order: bool,
    /// Only records that come after this one.
    pub(crate) after: Option<Key>,
}

impl<'q> Lines<'q> {
    /// The lines of a search.
    pub(crate) fn of_search(search: &'q Search) -> Self {
        let query = &search.query;
        let stages = &query.expr().stages;
        let rest = &stages[query.filters().len().min(stages.len())..];
        let ordered = rest.iter().position(|s| matches!(s, Stage::Distinct(_)));
        let pipeline = match ordered {
            None => Some(Cow::Borrowed(query.pipeline())),
            // All stages were compiled together, so the first of them can be.
            Some(at) => Pipeline::compile(&rest[..at], &PipelineLimits::default())
                .ok()
                .map(Cow::Owned),
        };
        Self {
            direction: search.direction,
            pipeline: pipeline.filter(|pipeline| !pipeline.is_empty()),
            needs_order: ordered.is_some() || !search.interval.is_zero(),
            ..Self::new(
                query.matchers(),
                query.filters(),
                query.pipeline().equalities(),
                (search.start, search.end),
            )
        }
    }

    /// The records of a scan.
    pub(crate) fn of_scan(scan: &Scan<'q>) -> Self {
        let period = (scan.start, scan.end);
        Self::new(scan.matchers, scan.filters, scan.equalities, period)
    }

    fn new(
        matchers: &'q [Matcher],
        filters: &'q [LineFilter],
        equalities: &'q [(String, String)],
        (start, end): (UnixNanos, UnixNanos),
    ) -> Self {
        Self {
            matchers,
            filters,
            required: filters.iter().filter_map(LineFilter::any_of).collect(),
            equalities: &equalities[..equalities.len().min(EQUALITIES_MAX)],
            start,
            end,
            direction: Direction::Forward,
            pipeline: None,
            needs_order: false,
            after: None,
        }
    }

    /// What the labels of a stream must be.
    pub(crate) fn matchers(&self) -> &'q [Matcher] {
        self.matchers
    }

    /// Whether a stream with these labels is asked for.
    pub(crate) fn matches_labels(&self, labels: &Labels) -> bool {
        self.matchers.iter().all(|m| m.matches_labels(labels))
    }

    /// Whether a line satisfies all filters.
    pub(crate) fn matches_line(&self, line: &[u8]) -> bool {
        self.filters.iter().all(|filter| filter.matches(line))
    }

    /// Whether the record with this key comes after those that were had already.
    pub(crate) fn is_after(&self, key: Key) -> bool {
        self.after.is_none_or(|after| match self.direction {
            Direction::Backward => key < after,
            Direction::Forward => key > after,
        })
    }

    /// Leaves out everything up to a record that was had.
    pub(crate) fn go_on_after(&mut self, last: Key) {
        self.after = Some(last);
        match self.direction {
            Direction::Backward => self.end = UnixNanos(last.time.0.saturating_add(1)),
            Direction::Forward => self.start = last.time,
        }
    }

    /// The words that are looked up, or looked for inside of others.
    pub(crate) fn terms(&self) -> Vec<String> {
        let texts = self.required.iter().flatten().map(Vec::as_slice);
        let values = self.equalities.iter().map(|(_, value)| value.as_bytes());
        let words = texts
            .chain(values)
            .flat_map(|text| text.split(|b| !is_word_byte(*b)))
            .filter(|word| !word.is_empty());
        let shown = |word: &[u8]| {
            let text = String::from_utf8_lossy(word);
            text.chars().take(TERM_CHARS_MAX).collect::<String>()
        };
        let terms: BTreeSet<String> = words.take(TERMS_MAX).map(shown).collect();
        terms.into_iter().collect()
    }
}
