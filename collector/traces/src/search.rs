//! The questions: this trace, the traces of this ID, the newest traces that match.
//!
//! A search walks the fragments of the tail and of every segment together, newest first,
//! fetches the whole trace of each, and lets the spans decide. A trace never starts after
//! any of its fragments ([`crate::raw::prefer`]), so once `limit` traces are found that start
//! later than the next fragment, nothing better can come.

mod candidates;
mod fetch;
mod large;
mod lookup;
mod matched;
mod otlp;
mod outline;
mod progress;
mod scan;
mod whole;
mod metrics;
mod tags;

pub use fetch::SpanPlace;
pub use lookup::Carriers;
pub use matched::Matched;
pub use metrics::{MetricsAnswer, MetricsSearch};
pub use otlp::OtlpTrace;
pub use outline::{Outline, SpanOutline};
pub use progress::{MetricsProgress, SearchProgress};
pub use tags::{TagAnswer, TagSearch, ValueAnswer};

use crate::decoded::Decoder;
use crate::model::{Trace, TraceSummary};
use crate::query::narrowing;
use crate::store::TraceStore;
use ahash::AHashSet;
use candidates::Wanted;
use fetch::RawTrace;
use serde::Serialize;
use sonde_proto::{Deadline, Position, Tenant, TraceId, UnixNanos};
use sonde_segment::blocks::BlockError;
use sonde_traceql::{Bounds, MatchedSpan, Query, SpanSet, Static};
use std::cmp::Reverse;
use std::collections::BTreeSet;

/// What to search for.
#[derive(Clone, Debug)]
pub struct Search {
    /// What finds spans.
    pub query: Query,
    /// The query looks at spans that run at or after this time.
    pub start: UnixNanos,
    /// The query looks at spans that start before this time.
    pub end: UnixNanos,
    /// How many traces are wanted.
    pub limit: usize,
    /// How many spans are wanted of each span set.
    pub spans_per_set: usize,
    /// When to stop searching and return what was found.
    pub deadline: Deadline,
}

/// What a search found.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct TraceAnswer {
    /// The traces, newest first.
    pub traces: Vec<FoundTrace>,
    /// Everything before this position was searched.
    pub searched_through: Position,
    /// Why there may be more, when there may for another reason than the limit.
    pub cut: Option<String>,
}

/// A trace, and which of its spans were found.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct FoundTrace {
    /// The trace in one line.
    #[serde(flatten)]
    pub summary: TraceSummary,
    /// The found spans.
    pub span_sets: Vec<SpanSet>,
}

/// Why a question has no answer. What is damaged is left out and repaired later; this is
/// for what may work when it is tried again.
#[derive(Debug, thiserror::Error)]
pub enum SearchError {
    /// A segment could not be read.
    #[error("cannot read a segment of traces: {0}")]
    Read(#[source] BlockError),
}

impl TraceStore {
    /// A trace, whenever it happened; of one with very many spans the first.
    ///
    /// # Errors
    /// [`SearchError`] when a segment could not be read.
    pub fn trace(&self, tenant: &Tenant, id: &TraceId) -> Result<Option<Trace>, SearchError> {
        self.trace_after(tenant, id, None)
    }

    /// The newest traces that match.
    ///
    /// # Errors
    /// [`SearchError`] when a segment could not be read.
    pub fn search(&self, tenant: &Tenant, search: &Search) -> Result<TraceAnswer, SearchError> {
        self.search_telling(tenant, search, |_| ())
    }

    /// The same, telling how far it has come before each trace that it judges.
    ///
    /// # Errors
    /// [`SearchError`] when a segment could not be read.
    pub fn search_telling(
        &self,
        tenant: &Tenant,
        search: &Search,
        mut tell: impl FnMut(&SearchProgress<'_>),
    ) -> Result<TraceAnswer, SearchError> {
        // Before the view is taken: what is applied in between was not searched.
        let applied_to = self.applied_to();
        let Some(view) = self.view(tenant) else {
            return Ok(TraceAnswer {
                traces: Vec::new(),
                searched_through: applied_to,
                cut: None,
            });
        };
        let wanted = Wanted {
            narrowing: &narrowing(&search.query),
            times: (search.start, search.end),
            deadline: &search.deadline,
        };
        let mut fragments = self.candidates(&view, &wanted);
        let bounds = Bounds {
            start: search.start,
            end: search.end,
            spans_max: search.spans_per_set,
        };
        let (mut best, mut seen) = (Best::new(search.limit, ANSWER_BYTES_MAX), AHashSet::new());
        let (mut cut, mut in_part, mut examined) = (None, None, Examined::default());
        let mut decoder = Decoder::default();
        while let Some(fragment) = fragments.pop()? {
            if best.is_full_before(fragment.start) {
                break;
            }
            if !seen.insert(fragment.trace_id) {
                continue;
            }
            tell(&SearchProgress::new(&examined, fragment.start, &best));
            cut = self.why_stop(&search.deadline, &examined);
            if cut.is_some() {
                break;
            }
            let raw = self.raw(&view, &fragment.trace_id)?;
            examined.add(&raw);
            if let Some(part) = &raw.cut {
                let id = fragment.trace_id;
                in_part.get_or_insert_with(|| {
                    format!("{id} was not judged by all of its spans: {part}")
                });
            }
            let decoded = decoder.decode(fragment.trace_id, &raw.spans);
            let query = &search.query;
            let (span_sets, why) = query.search_until(&decoded, &bounds, &search.deadline);
            if let Some(why) = why {
                in_part.get_or_insert_with(|| format!("{}: {why}", fragment.trace_id));
            }
            if span_sets.is_empty() {
                continue;
            }
            let mut summary = TraceSummary::of(fragment.trace_id, &decoded);
            if let (Some(summary), Some(totals)) = (&mut summary, &raw.totals) {
                totals.complete(summary);
            }
            best.extend(summary.map(|summary| FoundTrace { summary, span_sets }));
        }
        let damaged =
            view.is_partial || fragments.damaged || view.segments.iter().any(|s| s.is_damaged());
        let late = fragments.is_late.then(|| TOO_LATE.to_owned());
        let cut = cut.or(late).or(best.why_cut()).or(in_part);
        let cut = cut.or_else(|| damaged.then(|| "a damaged segment was left out".to_owned()));
        Ok(TraceAnswer {
            traces: best.into_sorted(),
            searched_through: view.applied_to,
            cut,
        })
    }

    /// The services that have spans, by name.
    #[must_use]
    pub fn services(&self, tenant: &Tenant) -> Vec<String> {
        self.each_name(tenant, |service, _| Some(service.to_owned()))
    }

    /// The operations of a service, by name.
    #[must_use]
    pub fn operations(&self, tenant: &Tenant, service: &str) -> Vec<String> {
        self.each_name(tenant, |s, operation| {
            (s == service).then(|| operation.to_owned())
        })
    }

    fn each_name(
        &self,
        tenant: &Tenant,
        pick: impl Fn(&str, &str) -> Option<String>,
    ) -> Vec<String> {
        let Some(view) = self.view(tenant) else {
            return Vec::new();
        };
        let mut found: BTreeSet<String> = BTreeSet::new();
        view.each_tail(|tail| found.extend(tail.names().filter_map(|(s, o)| pick(s, o))));
        for segment in &view.segments {
            for name in segment.names() {
                match name {
                    Ok((service, operation)) => found.extend(pick(&service, &operation)),
                    Err(error) => {
                        self.note_damage(segment, &error);
                        break;
                    }
                }
            }
        }
        found.into_iter().collect()
    }

    /// Why a search goes no further, when it does not.
    fn why_stop(&self, deadline: &Deadline, examined: &Examined) -> Option<String> {
        let config = self.config();
        if examined.traces >= config.search_traces_max {
            return Some(format!(
                "stopped after {} traces; narrow the query or the time range",
                config.search_traces_max
            ));
        }
        if examined.bytes >= config.search_bytes_max {
            return Some(format!(
                "stopped after {} bytes of spans; narrow the query or the time range",
                examined.bytes
            ));
        }
        let late = deadline.has_passed();
        late.then(|| TOO_LATE.to_owned())
    }
}

/// Why a search stops at its deadline.
const TOO_LATE: &str = "the time for this search ran out; narrow the query or the time range";

/// How much memory the found traces of an answer take.
const ANSWER_BYTES_MAX: usize = 64 << 20;

impl FoundTrace {
    /// About how much memory it takes.
    fn bytes(&self) -> usize {
        let summary = &self.summary;
        let services = summary.services.iter();
        let attributes = |attributes: &[(String, Static)]| -> usize {
            let of =
                |(key, value): &(String, Static)| size_of::<String>() + key.len() + value.bytes();
            attributes.iter().map(of).sum()
        };
        let span = |span: &MatchedSpan| {
            size_of::<MatchedSpan>()
                + span.name.len()
                + span.service.len()
                + attributes(&span.attributes)
        };
        let set = |set: &SpanSet| {
            let spans: usize = set.spans.iter().map(span).sum();
            size_of::<SpanSet>() + spans + attributes(&set.attributes)
        };
        size_of::<Self>()
            + summary.root_service.len()
            + summary.root_name.len()
            + services
                .map(|s| size_of::<String>() + s.len())
                .sum::<usize>()
            + self.span_sets.iter().map(set).sum::<usize>()
    }
}

/// How much a search has read.
#[derive(Debug, Default)]
struct Examined {
    traces: usize,
    bytes: u64,
}

impl Examined {
    fn add(&mut self, trace: &RawTrace) {
        let bytes: usize = trace.spans.iter().map(|span| span.bytes.len()).sum();
        self.traces += 1;
        self.bytes += bytes as u64;
    }
}

/// The best traces so far: newest first, then by trace ID.
#[derive(Debug)]
struct Best {
    limit: usize,
    bytes: usize,
    bytes_max: usize,
    /// Whether there are fewer than were wanted, since they are large.
    is_cut: bool,
    kept: std::collections::BTreeMap<(Reverse<UnixNanos>, TraceId), FoundTrace>,
}

impl Best {
    fn new(limit: usize, bytes_max: usize) -> Self {
        Self {
            limit,
            bytes: 0,
            bytes_max,
            is_cut: false,
            kept: std::collections::BTreeMap::new(),
        }
    }

    fn is_full_before(&self, start: UnixNanos) -> bool {
        self.limit == 0
            || (self.kept.len() >= self.limit
                && self
                    .kept
                    .last_key_value()
                    .is_some_and(|((Reverse(worst), _), _)| start < *worst))
    }

    /// Those that start after a time.
    fn after(&self, time: UnixNanos) -> impl Iterator<Item = &FoundTrace> {
        let kept = self.kept.iter();
        kept.take_while(move |((Reverse(start), _), _)| *start > time)
            .map(|(_, found)| found)
    }

    fn extend(&mut self, found: Option<FoundTrace>) {
        if let Some(found) = found {
            let key = (Reverse(found.summary.start), found.summary.trace_id);
            self.bytes += found.bytes();
            self.kept.insert(key, found);
        }
        while self.bytes > self.bytes_max && self.kept.len() > 1 {
            self.pop_last();
            // None that is older comes in again.
            self.limit = self.kept.len();
            self.is_cut = true;
        }
        if self.kept.len() > self.limit {
            self.pop_last();
        }
    }

    fn pop_last(&mut self) {
        let oldest = self.kept.pop_last();
        self.bytes -= oldest.map_or(0, |(_, found)| found.bytes());
    }

    fn why_cut(&self) -> Option<String> {
        self.is_cut.then(|| {
            format!(
                "more than these {} traces make an answer of more than {} bytes; ask for fewer spans of each",
                self.kept.len(),
                self.bytes_max
            )
        })
    }

    fn into_sorted(self) -> Vec<FoundTrace> {
        self.kept.into_values().collect()
    }
}

#[cfg(test)]
mod tests;
