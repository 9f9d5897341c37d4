//! The store's answers.

use super::LogStore;
use crate::record::LogRecord;
use crate::search::{
    Ask, Belonging, Found, Limits, Lines, LogAnswer, Looked, Record, Search, SearchError, Shown,
    Shows, Snapshot, StreamVolumes, TenantSource, Threads, count, run,
};
use crate::segment::ReadError;
use sonde_proto::{Deadline, Matcher, Tenant, TraceId, UnixNanos};
use std::collections::BTreeSet;
use std::time::Duration;

const SERVICE: &str = "service_name";
/// How many records are looked for at a time where stages decide by what came before.
const PAGE_MIN: usize = 5000;

impl LogStore {
    /// Finds log lines.
    ///
    /// Whatever limits the answer beyond what was asked for is said in [`LogAnswer::cut`].
    ///
    /// # Errors
    /// [`SearchError`] when a record that was found cannot be read.
    pub fn search(&self, tenant: &Tenant, search: &Search) -> Result<LogAnswer, SearchError> {
        let snapshot = self.snapshot(tenant);
        let mut lines = Lines::of_search(search);
        let mut limits = self.limits(search.limit, &search.deadline);
        let wanted = limits.records;
        if lines.needs_order && wanted > 0 {
            limits.records = wanted.max(PAGE_MIN);
        }
        let mut shows = Shows::new(search, self.config.answer_bytes_max);
        let (mut records, mut looked) = (Vec::new(), Looked::default());
        let mut cut = None;
        while records.len() < wanted && cut.is_none() {
            let mut found = run(&snapshot, &Ask::Lines(&lines), &limits, &self.threads);
            self.note_all_unread(&mut found);
            looked.add(&found.looked);
            cut = found.cut;
            for hit in &found.hits {
                match shows.show(hit)? {
                    Shown::Record(record) => records.push(*record),
                    Shown::Dropped => {}
                    Shown::TooMuch => {
                        let max = self.config.answer_bytes_max;
                        cut.get_or_insert_with(|| format!("the answer is cut at {max} bytes of lines and labels; ask for a shorter time or fewer lines"));
                        break;
                    }
                }
                if records.len() >= wanted {
                    break;
                }
            }
            let last = found
                .hits
                .last()
                .filter(|_| lines.needs_order && found.is_full);
            let Some(last) = last else { break };
            lines.go_on_after(last.key);
            limits.scan_bytes = limits.scan_bytes.saturating_sub(found.looked.bytes);
        }
        if shows.gave_up() {
            cut.get_or_insert_with(|| {
                "the search ran out of time; ask for a shorter time or a rarer word".into()
            });
        }
        if wanted < search.limit && records.len() >= wanted {
            cut.get_or_insert_with(|| format!("the answer is cut at {wanted} records"));
        }
        Ok(LogAnswer {
            records,
            searched_through: snapshot.applied_to,
            terms: lines.terms(),
            segments_visited: looked.visited,
            segments_skipped: snapshot.segments.len() - looked.visited,
            blocks_candidates: looked.candidates,
            blocks_visited: looked.blocks,
            records_read: looked.records,
            bytes_read: looked.bytes,
            cut,
        })
    }

    /// A tenant's logs for queries for numbers, which have an answer until `deadline`, or
    /// none.
    #[must_use]
    pub fn source(&self, tenant: &Tenant, deadline: &Deadline) -> TenantSource<'_> {
        TenantSource::new(self, tenant.clone(), deadline)
    }

    /// The streams that satisfy `matchers` and have records from `period.0` on and before
    /// `period.1`, and how much of each. With `part`, the bytes of every part of the period
    /// that is so long are told too. No bodies are read.
    ///
    /// # Errors
    /// [`SearchError::Deadline`] when there was not enough time.
    pub fn streams(
        &self,
        tenant: &Tenant,
        matchers: &[Matcher],
        period: (UnixNanos, UnixNanos),
        part: Option<Duration>,
        deadline: &Deadline,
    ) -> Result<StreamVolumes, SearchError> {
        count(&self.source(tenant, deadline), matchers, period, part)
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
        deadline: &Deadline,
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
        deadline: &Deadline,
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
        deadline: &Deadline,
    ) -> Result<Belonging, SearchError> {
        let snapshot = self.snapshot(tenant);
        let mut limits = self.limits(limit, deadline);
        let limit = limits.records;
        // One more tells whether there are more.
        limits.records = limit.saturating_add(1);
        let mut found = run(&snapshot, ask, &limits, &self.threads);
        self.note_all_unread(&mut found);
        let mut records = unpacked(&found)?;
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
        let snapshot = self.snapshot(tenant);
        let mut names = BTreeSet::new();
        let mut add = |name: &str| {
            if !name.is_empty() && !names.contains(name) {
                names.insert(name.to_owned());
            }
        };
        for segment in &snapshot.segments {
            let added = segment
                .open()
                .and_then(|open| Ok(open.each_value(SERVICE, &mut add)?));
            if let Err(error) = added {
                self.note_unread(segment.meta.id, error);
            }
        }
        for stream in snapshot.tail.iter().flat_map(|batch| batch.streams()) {
            add(stream.labels.get(SERVICE));
        }
        names.into_iter().collect()
    }

    fn limits(&self, records: usize, deadline: &Deadline) -> Limits {
        let records_max = usize::try_from(self.config.records_max).unwrap_or(usize::MAX);
        Limits {
            records: records.min(records_max),
            answer_bytes: self.config.answer_bytes_max,
            scan_bytes: self.config.scan_bytes_max,
            deadline: deadline.clone(),
        }
    }

    /// What queries are carried out by.
    pub(crate) fn threads(&self) -> &Threads {
        &self.threads
    }

    /// How many bytes a query may look at.
    pub(crate) fn scan_bytes_max(&self) -> u64 {
        self.config.scan_bytes_max
    }

    /// What a tenant has, at one instant.
    pub(crate) fn snapshot(&self, tenant: &Tenant) -> Snapshot {
        self.view.read().snapshot(tenant)
    }

    /// Leaves a segment that turned out to be damaged for `maintain`.
    pub(crate) fn note_unread(&self, segment: u64, error: ReadError) {
        self.telemetry.fail("read_segment");
        match error {
            ReadError::Damaged(damage) => self.damaged.lock().push((segment, damage.0)),
            ReadError::Unreadable(error) => {
                tracing::error!(segment, %error, "a segment of logs cannot be read; it stays, in case that passes");
            }
        }
    }

    fn note_all_unread(&self, found: &mut Found) {
        for (id, error) in std::mem::take(&mut found.unread) {
            self.note_unread(id, error);
        }
    }
}

/// The records that were found.
fn unpacked(found: &Found) -> Result<Vec<LogRecord>, SearchError> {
    let records = found.hits.iter().map(|hit| match &hit.record {
        Record::Packed(packed) => LogRecord::unpack(hit.key.time, &hit.stream, packed),
        Record::Sealed(_) => None,
    });
    records
        .collect::<Option<Vec<_>>>()
        .ok_or(SearchError::Damaged)
}
