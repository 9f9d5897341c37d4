//! Series as they are stored, for others that keep series: the newest sample of each, or all
//! of a period.

use super::MetricStore;
use super::answer::{labels_bytes, range};
use crate::Samples;
use crate::is_stale;
use crate::promql::source::{Room, Series as _, Source as _, Stop};
use crate::promql::{QueryError, QueryLimits};
use crate::select::{Reads, StoredSeries};
use sonde_proto::{Deadline, Labels, METRIC_NAME, Matcher, SampleValue, Tenant, UnixNanos};
use std::collections::BTreeMap;
use std::sync::Arc;

/// How many series one selector may match, unless a query may match more.
const SERIES_MAX: usize = 500_000;

/// Which series, and of which period.
#[derive(Clone, Copy, Debug)]
pub struct Selection<'a> {
    /// Series that satisfy any of these.
    pub selectors: &'a [Vec<Matcher>],
    /// Samples from here on,
    pub start: UnixNanos,
    /// up to here, both included.
    pub end: UnixNanos,
    /// How many samples may be read.
    pub samples_max: u64,
    /// When to give up.
    pub deadline: &'a Deadline,
}

/// The newest sample of a series.
#[derive(Clone, Debug, PartialEq)]
pub struct NewestSample {
    /// The series.
    pub labels: Labels,
    /// When, in milliseconds since 1970.
    pub time: i64,
    /// What.
    pub value: SampleValue,
}

/// The series of an answer, each once.
type Selected<'a> = BTreeMap<(String, Labels), StoredSeries<'a>>;

impl MetricStore {
    /// The newest sample of each series in the period, by the name of the metric and then by
    /// labels. Series that ended in it are left out.
    ///
    /// # Errors
    /// [`QueryError`] when it takes too long, or more than it may.
    pub fn newest(
        &self,
        tenant: &Tenant,
        selection: &Selection<'_>,
    ) -> Result<Vec<NewestSample>, QueryError> {
        let mut found = Vec::new();
        self.raw(tenant, selection, &mut |labels, samples| {
            if let Some((time, value)) = newest_of(samples) {
                found.push(NewestSample {
                    labels: labels.clone(),
                    time,
                    value,
                });
            }
            Ok(())
        })?;
        Ok(found)
    }

    /// Gives each series with its samples in the period, stale markers included, to `sink`, by
    /// the name of the metric and then by labels.
    ///
    /// # Errors
    /// [`QueryError`] when it takes too long, or more than it may, or `sink` wants no more.
    pub fn raw(
        &self,
        tenant: &Tenant,
        selection: &Selection<'_>,
        sink: &mut dyn FnMut(&Labels, &Samples) -> Result<(), Stop>,
    ) -> Result<(), QueryError> {
        let (reads, limits) = (Reads::default(), self.config.query_limits());
        let label_bytes_max = limits.label_bytes_max;
        self.with(tenant, selection.deadline, &reads, |source| {
            let mut selected = Selected::new();
            let mut bytes = 0;
            let mut room = Room::new(&QueryLimits {
                series_max: limits.series_max.max(SERIES_MAX),
                samples_max: selection.samples_max,
                ..limits
            });
            for selector in selection.selectors {
                let period = range(selection.start, selection.end);
                for series in source.select(selector, period, &mut room)? {
                    let labels = series.labels();
                    bytes += 2 * labels_bytes(&labels);
                    if bytes > label_bytes_max {
                        return Err(Stop::LabelBytesMax(label_bytes_max));
                    }
                    selected.insert((labels.get(METRIC_NAME).to_owned(), labels), series);
                }
            }
            let mut samples = Samples::default();
            for ((_, labels), series) in &selected {
                if selection.deadline.has_passed() {
                    return Err(Stop::Deadline);
                }
                series.read(&mut samples)?;
                if reads.samples() > selection.samples_max {
                    return Err(Stop::SamplesMax(selection.samples_max));
                }
                if !samples.is_empty() {
                    sink(labels, &samples)?;
                }
            }
            Ok(())
        })?;
        Ok(())
    }
}

/// The newest of the samples, unless it says that the series ended.
fn newest_of(samples: &Samples) -> Option<(i64, SampleValue)> {
    let histogram = samples.histograms.last();
    let histogram = histogram.map(|s| (s.time, SampleValue::Histogram(Arc::clone(&s.value))));
    let float = samples.iter().last();
    match float.filter(|(time, _)| histogram.as_ref().is_none_or(|(other, _)| other < time)) {
        Some((_, value)) if is_stale(value) => None,
        Some((time, value)) => Some((time, SampleValue::Float(value))),
        None => histogram,
    }
}
