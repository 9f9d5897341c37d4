//! The store's answers.

use super::LogStore;
use crate::record::LogRecord;
use crate::search::{Ask, Belonging, Found, Limits, LogAnswer, Record, Search, SearchError, run};
use crate::stream::Stream;
use sonde_proto::{Tenant, TraceId};
use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Instant;

/// How many threads a query may have, whatever is configured.
const THREADS_MAX: usize = 64;

impl LogStore {
    /// Finds log lines.
    ///
    /// Whatever limits the answer beyond what was asked for is said in [`LogAnswer::cut`].
    ///
    /// # Errors
    /// [`SearchError`] when a record that was found cannot be read.
    pub fn search(&self, tenant: &Tenant, search: &Search) -> Result<LogAnswer, SearchError> {
        let snapshot = self.view.read().snapshot(tenant);
        let searched_through = snapshot.applied_to;
        let limits = self.limits(search.limit, search.deadline);
        let mut found = run(&snapshot, &Ask::Lines(search), limits, self.threads());
        if limits.records < search.limit && found.hits.len() >= limits.records {
            found
                .cut
                .get_or_insert_with(|| format!("the answer is cut at {} records", limits.records));
        }
        Ok(LogAnswer {
            records: self.shown(&mut found)?,
            searched_through,
            segments_visited: found.visited,
            segments_skipped: found.skipped,
            bytes_read: found.bytes_read,
            cut: found.cut,
        })
    }

    /// The records of a trace, whenever they were, oldest first; the first `limit` of them.
    ///
    /// # Errors
    /// [`SearchError`] when a record that was found cannot be read.
    pub fn by_trace(
        &self,
        tenant: &Tenant,
        trace: &TraceId,
        limit: usize,
        deadline: Option<Instant>,
    ) -> Result<Belonging, SearchError> {
        self.belonging(tenant, &Ask::Trace(trace), limit, deadline)
    }

    /// The records that hold `id` in their body or in an attribute's value, with no letter
    /// or digit going on before or after it; whenever they were, oldest first; the first
    /// `limit` of them.
    ///
    /// # Errors
    /// [`SearchError`] when `id` has nothing to look for, or a record cannot be read.
    pub fn by_id(
        &self,
        tenant: &Tenant,
        id: &str,
        limit: usize,
        deadline: Option<Instant>,
    ) -> Result<Belonging, SearchError> {
        if !id.bytes().any(crate::words::is_word_byte) {
            return Err(SearchError::NoWord(id.chars().take(100).collect()));
        }
        self.belonging(tenant, &Ask::Token(id), limit, deadline)
    }

    fn belonging(
        &self,
        tenant: &Tenant,
        ask: &Ask<'_>,
        limit: usize,
        deadline: Option<Instant>,
    ) -> Result<Belonging, SearchError> {
        let snapshot = self.view.read().snapshot(tenant);
        let limits = self.limits(limit.saturating_add(1), deadline);
        let mut found = run(&snapshot, ask, limits, self.threads());
        let mut records = self.shown(&mut found)?;
        let mut cut = found.cut;
        if records.len() > limit {
            records.truncate(limit);
            cut.get_or_insert_with(|| format!("there are more than {limit} log lines"));
        }
        Ok(Belonging { records, cut })
    }

    /// The services that have logs here, by name.
    #[must_use]
    pub fn services(&self, tenant: &Tenant) -> Vec<String> {
        let snapshot = self.view.read().snapshot(tenant);
        let mut names = BTreeSet::new();
        let mut add = |streams: &[Arc<Stream>]| {
            for name in streams.iter().map(|s| s.labels.get("service_name")) {
                if !name.is_empty() && !names.contains(name) {
                    names.insert(name.to_owned());
                }
            }
        };
        for segment in &snapshot.segments {
            match segment.streams() {
                Ok(streams) => add(&streams),
                Err(damage) => self.damaged.lock().push((segment.meta.id, damage.0)),
            }
        }
        snapshot.tail.iter().for_each(|b| add(b.streams()));
        names.into_iter().collect()
    }

    fn limits(&self, records: usize, deadline: Option<Instant>) -> Limits {
        let records_max = usize::try_from(self.config.records_max).unwrap_or(usize::MAX);
        Limits {
            records: records.min(records_max),
            answer_bytes: self.config.answer_bytes_max,
            scan_bytes: self.config.scan_bytes_max,
            deadline,
        }
    }

    fn threads(&self) -> usize {
        match usize::try_from(self.config.query_threads_max) {
            Ok(0) => std::thread::available_parallelism().map_or(1, usize::from),
            Ok(threads) => threads.min(THREADS_MAX),
            Err(_) => THREADS_MAX,
        }
    }

    /// The records as they are shown; damage that was met is left for `maintain`.
    fn shown(&self, found: &mut Found) -> Result<Vec<LogRecord>, SearchError> {
        for (id, damage) in std::mem::take(&mut found.damaged) {
            self.telemetry.fail("read_segment");
            self.damaged.lock().push((id, damage.0));
        }
        let hits = std::mem::take(&mut found.hits);
        let records = hits.iter().map(|hit| match &hit.record {
            Record::Packed(packed) => LogRecord::unpack(hit.key.time, &hit.stream, packed),
            Record::Sealed(_) => None,
        });
        records
            .collect::<Option<Vec<_>>>()
            .ok_or(SearchError::Damaged)
    }
}
