//! One tenant: its head, its segments, what its metrics mean.

use crate::admission::Offenders;
use crate::deletion::{self, Deletions, Holes};
use crate::head::Head;
use crate::promql::HistogramSample;
use crate::segment::{IndexCache, Segment, SegmentError};
use crate::translate::wire::Metric;
use crate::{Samples, is_stale};
use parking_lot::{Mutex, RwLock};
use sonde_proto::Labels;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;

/// Help texts are cut at this many bytes.
const HELP_BYTES_MAX: usize = 512;
/// Units are cut at this many bytes.
const UNIT_BYTES_MAX: usize = 64;
/// So many types and units of one name are kept.
const OF_NAME_MAX: usize = 4;
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

/// What became of what was said of a metric.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Described {
    Noted,
    /// It contradicts what was said of one of the same name.
    Conflict,
}

/// One tenant. Readers share the lock for as long as it takes to note which chunks they want.
#[derive(Debug, Default)]
pub(crate) struct TenantStore {
    pub(crate) state: RwLock<State>,
    /// How many series it has in memory, and the metric with the most has.
    pub(crate) series: AtomicU64,
    /// Bytes of the texts of its labels.
    pub(crate) symbol_bytes: AtomicU64,
    pub(crate) of_metric_most: AtomicU64,
    /// Whose series were refused.
    pub(crate) offenders: Mutex<Offenders>,
}

/// Unsealed and sealed, changed in one step.
#[derive(Debug, Default)]
pub(crate) struct State {
    pub(crate) head: Head,
    /// In the order of arrival.
    pub(crate) segments: Vec<Arc<Segment>>,
    /// What is to be left out of them.
    pub(crate) deletions: Deletions,
    /// By name, the first that came first.
    pub(crate) metadata: BTreeMap<String, Vec<Metadata>>,
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
    pub(crate) fn describe(&mut self, name: &str, metric: &Metric<'_>, max: usize) -> Described {
        self.describe_as(name, metric.kind.as_str(), metric.help, metric.unit, max)
    }

    /// Notes what a metric of a kind in Prometheus' words means. The samples of one that comes
    /// with another kind or unit than before are kept all the same, in the series of their
    /// labels; both meanings are.
    pub(crate) fn describe_as(
        &mut self,
        name: &str,
        kind: &'static str,
        help: &str,
        unit: &str,
        max: usize,
    ) -> Described {
        let is_full = self.metadata.len() >= max && !self.metadata.contains_key(name);
        if is_full || name.is_empty() || name.len() > NAME_BYTES_MAX {
            return Described::Noted;
        }
        let described = Metadata {
            name: name.to_owned(),
            kind,
            help: cut(help, HELP_BYTES_MAX),
            unit: cut(unit, UNIT_BYTES_MAX),
        };
        let known = self.metadata.entry(name.to_owned()).or_default();
        let same = |one: &&mut Metadata| one.kind == described.kind && one.unit == described.unit;
        if let Some(one) = known.iter_mut().find(same) {
            one.help = described.help;
            return Described::Noted;
        }
        if known.len() < OF_NAME_MAX {
            known.push(described);
        }
        if known.len() == 1 {
            Described::Noted
        } else {
            Described::Conflict
        }
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
            let holes = self.deletions.in_segment(segment);
            last_in(segment, labels, cache, &holes, &wanted).unwrap_or_else(|error| {
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
    holes: &Holes,
    wanted: impl Fn(&Samples) -> Option<T>,
) -> Result<Option<T>, SegmentError> {
    let index = cache.get(segment)?;
    let Some(series) = index.series(labels) else {
        return Ok(None);
    };
    let gone = holes.in_series(labels);
    let mut samples = Samples::default();
    for chunk in index.chunks(series).iter().rev() {
        samples.clear();
        let all_gone = |gone: &deletion::Gone| deletion::covers(gone, chunk.first, chunk.last);
        if gone.as_ref().is_some_and(all_gone) {
            continue;
        }
        segment.read(chunk, &mut samples)?;
        if let Some(gone) = &gone {
            deletion::remove(&mut samples, (0, 0, 0), gone);
        }
        let last = wanted(&samples);
        if last.is_some() {
            return Ok(last);
        }
    }
    Ok(None)
}
