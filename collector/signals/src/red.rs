//! RED: rate, errors and duration of every operation that a service answers.

use crate::OVERFLOW;
use crate::histogram::{Example, Histogram, Life, Shape};
use crate::span::{Kind, Span, Status, cut};
use ahash::HashMap;
use serde::{Deserialize, Serialize};
use sonde_proto::UnixNanos;
use std::time::Duration;

/// Calls, by outcome: a counter.
pub const CALLS: &str = "traces_spanmetrics_calls_total";
/// Durations in seconds: a histogram, queried as `_bucket`, `_sum` and `_count`.
pub const LATENCY: &str = "traces_spanmetrics_latency";
/// The label of the service that answered.
pub const SERVICE: &str = "service";
/// The label of the operation.
pub const SPAN_NAME: &str = "span_name";
/// The label of the span's kind: `SPAN_KIND_SERVER` or `SPAN_KIND_CONSUMER`.
pub const SPAN_KIND: &str = "span_kind";
/// The label of the outcome: `STATUS_CODE_UNSET`, `STATUS_CODE_OK` or `STATUS_CODE_ERROR`.
pub const STATUS_CODE: &str = "status_code";

/// The counters of one operation with one outcome.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Series {
    pub(crate) kind: Kind,
    pub(crate) status: Status,
    pub(crate) life: Life,
    pub(crate) latency: Histogram,
    /// The slowest call since the last collection.
    pub(crate) example: Option<Example>,
    /// When one was told last.
    #[serde(default)]
    pub(crate) example_told: UnixNanos,
}

/// All operations of a tenant.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Red {
    services: HashMap<Box<str>, HashMap<Box<str>, Vec<Series>>>,
    series: usize,
}

impl Red {
    /// Counts a call; whether it had a series of its own.
    pub(crate) fn add(
        &mut self,
        span: &Span<'_>,
        shape: &Shape,
        limits: Limits,
        now: UnixNanos,
    ) -> bool {
        let service = cut(span.service, limits.name_bytes_max);
        let name = cut(span.wire.name(), limits.name_bytes_max);
        if let Some(series) = self.find(service, name, span) {
            series.add(span, shape, limits, now);
            return true;
        }
        let operations = self.services.get(service);
        let is_within = |names: &HashMap<Box<str>, Vec<Series>>| {
            let own = names.len() - usize::from(names.contains_key(OVERFLOW));
            names.contains_key(name) || own < limits.service_operations_max
        };
        let fits = self.series < limits.series_max && operations.is_none_or(is_within);
        let (service, name) = match fits {
            true => (service, name),
            // A known service keeps its rate and its errors, though not by operation.
            false if operations.is_some() => (service, OVERFLOW),
            false => (OVERFLOW, OVERFLOW),
        };
        if self.find(service, name, span).is_none() {
            self.create(service, name, span, now);
        }
        if let Some(series) = self.find(service, name, span) {
            series.add(span, shape, limits, now);
        }
        fits
    }

    /// How many series there are.
    pub(crate) fn len(&self) -> usize {
        self.series
    }

    /// Visits all series with their service and operation; those for which `keep` is false
    /// are forgotten.
    pub(crate) fn visit(&mut self, mut keep: impl FnMut(&str, &str, &mut Series) -> bool) {
        let mut kept = 0;
        for (service, names) in &mut self.services {
            for (name, all) in names.iter_mut() {
                all.retain_mut(|series| keep(service, name, series));
                kept += all.len();
            }
            names.retain(|_, all| !all.is_empty());
        }
        self.services.retain(|_, names| !names.is_empty());
        self.series = kept;
    }

    fn find(&mut self, service: &str, name: &str, span: &Span<'_>) -> Option<&mut Series> {
        let all = self.services.get_mut(service)?.get_mut(name)?;
        all.iter_mut()
            .find(|series| series.kind == span.kind && series.status == span.status)
    }

    fn create(&mut self, service: &str, name: &str, span: &Span<'_>, now: UnixNanos) {
        let series = Series {
            kind: span.kind,
            status: span.status,
            life: Life::new(now),
            latency: Histogram::default(),
            example: None,
            example_told: UnixNanos::default(),
        };
        self.services
            .entry(service.into())
            .or_default()
            .entry(name.into())
            .or_default()
            .push(series);
        self.series += 1;
    }
}

impl Series {
    fn add(&mut self, span: &Span<'_>, shape: &Shape, limits: Limits, now: UnixNanos) {
        if self.life.has_ended(now, limits.stale) {
            (self.life, self.latency) = (Life::new(now), Histogram::default());
        }
        self.life.last = self.life.last.max(now);
        self.latency.add(shape, span.nanos, span.weight, now);
        Example::keep_slower(&mut self.example, span.example());
    }
}

/// What bounds [`Red`].
#[derive(Clone, Copy, Debug)]
pub(crate) struct Limits {
    pub(crate) series_max: usize,
    /// Of one service.
    pub(crate) service_operations_max: usize,
    pub(crate) name_bytes_max: usize,
    /// After how long without a span a series ends.
    pub(crate) stale: Duration,
}
