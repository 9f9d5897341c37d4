//! One tenant: its head, its segments, what its metrics mean.

use crate::head::Head;
use crate::promql::HistogramSample;
use crate::segment::{IndexCache, Segment, SegmentError};
use crate::translate::wire::Metric;
use crate::{Samples, is_stale};
use parking_lot::RwLock;
use sonde_proto::Labels;
use std::collections::BTreeMap;
use std::sync::Arc;

/// Help texts are cut at this many bytes.
const HELP_BYTES_MAX: usize = 512;
/// Units are cut at this many bytes.
const UNIT_BYTES_MAX: usize = 64;
/// A metric with a longer name is not described.
const NAME_BYTES_MAX: usize = 1024;
/// How many segments are searched for the last value of a delta series.
const LOOK_BACK_SEGMENTS: usize = 8;

/// What a metric means.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct Metadata {
    /// The metric's name, as series carry it.
    pub name: String,
    /// `counter`, `gauge`, `histogram`, `summary`, or another of Prometheus' words.
    pub kind: &'static str,
    /// What it tells.
    pub help: String,
    /// Its unit, as the exporter wrote it.
    pub unit: String,
}

/// One tenant. Readers share the lock for as long as it takes to note which chunks they want.
#[derive(Debug, Default)]
pub(crate) struct TenantStore {
    pub(crate) state: RwLock<State>,
}

/// Unsealed and sealed, changed in one step.
#[derive(Debug, Default)]
pub(crate) struct State {
    pub(crate) head: Head,
    /// In the order of arrival.
    pub(crate) segments: Vec<Arc<Segment>>,
    pub(crate) metadata: BTreeMap<String, Metadata>,
}

impl State {
    /// Puts the segments in the order of arrival.
    pub(crate) fn sort_segments(&mut self) {
        self.segments
            .sort_by_key(|s| (s.meta.positions.0, s.meta.id));
    }

    /// The segments that can be read and may have samples in the range.
    pub(crate) fn overlapping(&self, start: i64, end: i64) -> Vec<Arc<Segment>> {
        let wanted = |s: &&Arc<Segment>| s.overlaps(start, end) && !s.is_damaged();
        self.segments.iter().filter(wanted).cloned().collect()
    }

    /// Notes what a metric means.
    pub(crate) fn describe(&mut self, name: &str, metric: &Metric<'_>, max: usize) {
        self.describe_as(name, metric.kind.as_str(), metric.help, metric.unit, max);
    }

    /// Notes what a metric of a kind in Prometheus' words means.
    pub(crate) fn describe_as(
        &mut self,
        name: &str,
        kind: &'static str,
        help: &str,
        unit: &str,
        max: usize,
    ) {
        let is_full = self.metadata.len() >= max && !self.metadata.contains_key(name);
        if is_full || name.is_empty() || name.len() > NAME_BYTES_MAX {
            return;
        }
        let described = Metadata {
            name: name.to_owned(),
            kind,
            help: cut(help, HELP_BYTES_MAX),
            unit: cut(unit, UNIT_BYTES_MAX),
        };
        self.metadata.insert(name.to_owned(), described);
    }

    /// The newest sealed sample of a series that is no stale marker.
    pub(crate) fn last_sealed(&self, labels: &Labels, cache: &IndexCache) -> Option<(i64, f64)> {
        self.last_of(labels, cache, |samples| {
            samples.iter().filter(|(_, value)| !is_stale(*value)).last()
        })
    }

    /// The newest sealed histogram of a series.
    pub(crate) fn last_sealed_histogram(
        &self,
        labels: &Labels,
        cache: &IndexCache,
    ) -> Option<HistogramSample> {
        self.last_of(labels, cache, |samples| samples.histograms.last().cloned())
    }

    /// The newest sealed sample of a series that is wanted.
    fn last_of<T>(
        &self,
        labels: &Labels,
        cache: &IndexCache,
        wanted: impl Fn(&Samples) -> Option<T>,
    ) -> Option<T> {
        let mut newest: Vec<&Arc<Segment>> =
            self.segments.iter().filter(|s| !s.is_damaged()).collect();
        newest.sort_by_key(|s| std::cmp::Reverse(s.meta.end));
        newest.into_iter().take(LOOK_BACK_SEGMENTS).find_map(|segment| {
            last_in(segment, labels, cache, &wanted).unwrap_or_else(|error| {
                if error.is_damage() && segment.mark_damaged() {
                    tracing::error!(segment = segment.meta.id, %error, "a metric segment is damaged");
                }
                None
            })
        })
    }
}

fn cut(text: &str, bytes_max: usize) -> String {
    let mut end = text.len().min(bytes_max);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    text[..end].to_owned()
}

fn last_in<T>(
    segment: &Segment,
    labels: &Labels,
    cache: &IndexCache,
    wanted: impl Fn(&Samples) -> Option<T>,
) -> Result<Option<T>, SegmentError> {
    let index = cache.get(segment)?;
    let Some(series) = index.series(labels) else {
        return Ok(None);
    };
    let mut samples = Samples::default();
    for chunk in index.chunks(series).iter().rev() {
        samples.clear();
        segment.read(chunk, &mut samples)?;
        let last = wanted(&samples);
        if last.is_some() {
            return Ok(last);
        }
    }
    Ok(None)
}
