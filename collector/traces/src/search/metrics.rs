//! Numbers over time of the spans that a query finds.

use super::{MetricsProgress, SearchError};
use crate::decoded::Decoded;
use crate::store::TraceStore;
use serde::Serialize;
use sonde_proto::{Deadline, Position, Tenant, UnixNanos};
use sonde_traceql::{Counting, Query, Series, Trace as _, Window};

/// What to count.
#[derive(Clone, Debug)]
pub struct MetricsSearch {
    /// What finds spans and counts them: a query with a metrics function.
    pub query: Query,
    /// When, and in which steps.
    pub window: Window,
    /// How many exemplars are wanted at most.
    pub exemplars: usize,
    /// When to stop and return what was counted.
    pub deadline: Deadline,
}

/// What was counted.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct MetricsAnswer {
    /// The series by their labels.
    pub series: Vec<Series>,
    /// Everything before this position was counted.
    pub searched_through: Position,
    /// Why not everything was, when not.
    pub cut: Option<String>,
}

impl TraceStore {
    /// Counts the spans that a query finds; `None` where it has no metrics function and so
    /// asks for spans.
    ///
    /// # Errors
    /// [`SearchError`] when a segment could not be read.
    pub fn metrics(
        &self,
        tenant: &Tenant,
        search: &MetricsSearch,
    ) -> Result<Option<MetricsAnswer>, SearchError> {
        self.metrics_telling(tenant, search, |_| ())
    }

    /// The same, telling how far it has come after each trace that it counts.
    ///
    /// # Errors
    /// [`SearchError`] when a segment could not be read.
    pub fn metrics_telling(
        &self,
        tenant: &Tenant,
        search: &MetricsSearch,
        mut tell: impl FnMut(&MetricsProgress<'_, '_>),
    ) -> Result<Option<MetricsAnswer>, SearchError> {
        let counting = Counting::new(&search.query, search.window, search.exemplars);
        let Some(counting) = counting else {
            return Ok(None);
        };
        let mut counting = counting.until(search.deadline.clone());
        let times = search.window.times();
        let (mut traces, mut reached) = (0, times.1);
        let visit = |trace: &Decoded| {
            counting.add(trace);
            traces += 1;
            if !trace.is_empty() {
                reached = reached.min(UnixNanos(trace.span(0).start));
            }
            tell(&MetricsProgress {
                traces,
                reached,
                counting: &counting,
            });
            true
        };
        let scanned = self.scan(tenant, &search.query, times, &search.deadline, visit)?;
        let (series, dropped) = counting.finish();
        Ok(Some(MetricsAnswer {
            series,
            searched_through: scanned.through,
            cut: scanned.cut.or(dropped),
        }))
    }
}
