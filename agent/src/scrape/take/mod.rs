//! One scrape's body into the samples that leave, as Prometheus' scrape loop decides them.
//!
//! ```text
//! body ─▶ exposition ─▶ limits, target's labels, relabelling ─▶ points by metric ─▶ requests
//!                         once a series, then remembered          series vanished ─▶ stale
//! ```
//!
//! A scrape that fails is all or nothing: what stood before the fault is not sent, every
//! series that was there before is marked stale, and `up` is 0. No I/O, no clock.

mod points;
mod exponential;
mod series;

use super::Labels;
use super::fetch::Fetched;
use super::job::Reading;
use super::relabel::{self, get, set};
use bytes::Bytes;
use points::{Point, Points, Value};
use series::{Described, Known, Number, Series};
use sonde_exposition::{Family, Label, Sample, SampleValue, Sink, format_of, read};
use sonde_proto::scrape::ScrapedMetadata;
use sonde_proto::{Histogram, METRIC_NAME};
use std::collections::BTreeMap;
use std::ops::ControlFlow;
use std::sync::Arc;
use std::time::Duration;

/// How far ahead of the clock a time in a body may be, in milliseconds, as in Prometheus.
const AHEAD_MAX: i64 = 10 * 60 * 1_000;

/// What Prometheus writes of each scrape.
const REPORT: [(&str, &str); 5] = [
    ("up", "Whether the last scrape of the target succeeded"),
    ("scrape_duration_seconds", "How long the scrape took"),
    (
        "scrape_samples_scraped",
        "The samples that the target exposed",
    ),
    (
        "scrape_samples_post_metric_relabeling",
        "The samples that were left after relabelling",
    ),
    (
        "scrape_series_added",
        "The series that were new in this scrape",
    ),
];

/// Takes the scrapes of one target, one after the other.
pub(crate) struct Taker {
    reading: Reading,
    target: Labels,
    series: Series,
    points: Points,
    report: Vec<Number>,
}

/// What a scrape came to.
#[derive(Debug, Default, PartialEq)]
pub(crate) struct Taken {
    /// OTLP, each small enough to be sent.
    pub(crate) requests: Vec<Bytes>,
    /// Points in them.
    pub(crate) points: u64,
    /// What was left out although the scrape succeeded, by reason.
    pub(crate) left_out: BTreeMap<&'static str, u64>,
    /// Why the scrape failed.
    pub(crate) error: Option<String>,
    /// What the target says of its metrics, where that has changed.
    pub(crate) metadata: Option<Arc<[ScrapedMetadata]>>,
}

/// Counts of one body.
#[derive(Debug, Default)]
struct Counts {
    scraped: u64,
    kept: u64,
    added: u64,
    taken: u64,
    left_out: BTreeMap<&'static str, u64>,
}

impl Taker {
    pub(crate) fn new(reading: Reading, target: Labels) -> Self {
        let mut series = Series::default();
        let report = REPORT.iter().map(|(name, help)| {
            let mut labels = target.clone();
            labels.insert(METRIC_NAME.into(), (*name).to_owned());
            let described = Arc::new(Described::gauge(name, help));
            series.keep(&labels, &target, &described)
        });
        let report = report.collect();
        Self {
            points: Points::new(&target),
            reading,
            target,
            series,
            report,
        }
    }

    /// Takes what a scrape at `at` (milliseconds since 1970) brought; `now` is when it is
    /// taken, and `took` tells how long all of it took.
    pub(crate) fn take(
        &mut self,
        at: i64,
        fetched: Result<Fetched, String>,
        took: impl FnOnce() -> Duration,
    ) -> Taken {
        self.series.begin();
        let body = fetched.and_then(|fetched| {
            let content_type = fetched.content_type.clone();
            let format = format_of(content_type.as_deref(), self.reading.fallback);
            let format = format.map_err(|error| {
                format!("{error}; or name a fallback_scrape_protocol in the job")
            })?;
            let body = fetched.body(self.reading.options.bounds.body_bytes)?;
            Ok((format, body))
        });
        let mut counts = Counts::default();
        let error = match body {
            Err(error) => Some(error),
            Ok((format, body)) => {
                let options = self.reading.options;
                let mut reader = Reader::new(self, at, &mut counts);
                let result = read(format, &body, &options, &mut reader);
                reader.finish(result.map_err(|error| error.to_string()))
            }
        };
        if error.is_some() {
            self.points.clear();
            self.series.untrack();
            counts.left_out.clear();
        }
        self.end_vanished(at);
        self.series.finish(error.is_none());
        self.report(at, error.is_none(), took(), &counts);
        Taken {
            points: self.points.count(),
            requests: self.points.take(),
            left_out: counts.left_out,
            error,
            metadata: self.series.metadata_if_changed(),
        }
    }

    /// The target is gone: all of its series end.
    pub(crate) fn end(&mut self, at: i64) -> Taken {
        self.series.begin();
        self.end_vanished(at);
        self.series.finish(false);
        for number in self.report.clone() {
            self.put(number, Point::ended(at));
        }
        Taken {
            points: self.points.count(),
            requests: self.points.take(),
            ..Taken::default()
        }
    }

    fn end_vanished(&mut self, at: i64) {
        for number in self.series.vanished() {
            self.put(number, Point::ended(at));
        }
    }

    fn report(&mut self, at: i64, is_up: bool, took: Duration, counts: &Counts) {
        let values = [
            f64::from(u8::from(is_up)),
            took.as_secs_f64(),
            counts.scraped as f64,
            counts.kept as f64,
            counts.added as f64,
        ];
        for (number, value) in self.report.clone().into_iter().zip(values) {
            self.put(number, Point::of(at, value));
        }
    }

    fn put(&mut self, number: Number, point: Point<'_>) {
        let Self { series, points, .. } = self;
        if let Some(one) = series.get(number) {
            points.put(one, point);
        }
    }
}

/// Takes a body's samples, as they are read.
struct Reader<'t> {
    taker: &'t mut Taker,
    at: i64,
    counts: &'t mut Counts,
    family: u32,
    described: Arc<Described>,
    key: Vec<u8>,
    error: Option<String>,
}

impl<'t> Reader<'t> {
    fn new(taker: &'t mut Taker, at: i64, counts: &'t mut Counts) -> Self {
        Self {
            taker,
            at,
            counts,
            family: 0,
            described: Arc::default(),
            key: Vec::new(),
            error: None,
        }
    }

    /// Why the scrape failed, if it did.
    fn finish(self, read: Result<(), String>) -> Option<String> {
        let limit = self.taker.reading.sample_limit;
        let beyond = (limit > 0 && self.counts.taken > limit).then(|| {
            format!("the scrape has more than {limit} samples after relabelling (sample_limit)")
        });
        self.error.or(read.err()).or(beyond)
    }

    fn leave_out(&mut self, why: &'static str) {
        *self.counts.left_out.entry(why).or_default() += 1;
    }

    /// The number of a sample's series, `None` where relabelling drops it.
    fn known(&mut self, sample: &Sample<'_>) -> Result<(Option<Number>, bool), String> {
        self.key.clear();
        let texts = sample
            .labels
            .iter()
            .flat_map(|label| [label.name.as_ref(), label.value.as_ref()]);
        for text in std::iter::once(sample.name).chain(texts) {
            self.key.extend_from_slice(text.as_bytes());
            self.key.push(0xff);
        }
        match self.taker.series.known(&self.key, self.family) {
            Known::Dropped => Ok((None, false)),
            Known::Series(number) => Ok((Some(number), false)),
            Known::OtherFamily(number) => {
                self.taker
                    .series
                    .describe(number, &self.key, self.family, &self.described);
                Ok((Some(number), false))
            }
            Known::No => {
                let number = self.new_series(sample)?;
                self.taker.series.remember(&self.key, self.family, number);
                Ok((number, true))
            }
        }
    }

    fn new_series(&mut self, sample: &Sample<'_>) -> Result<Option<Number>, String> {
        let Taker {
            reading,
            target,
            series,
            ..
        } = &mut *self.taker;
        let mut labels = with_target(sample, target, reading.honor_labels);
        if !relabel::apply(&reading.metric_relabel, &mut labels) || labels.is_empty() {
            return Ok(None);
        }
        if get(&labels, METRIC_NAME).is_empty() {
            return Err(format!(
                "a sample of {:?} has no name after relabelling",
                sample.name
            ));
        }
        within_limits(&labels, reading)?;
        Ok(Some(series.keep(&labels, target, &self.described)))
    }

    fn take(&mut self, sample: &Sample<'_>) -> Result<(), String> {
        self.counts.scraped += 1;
        let (known, is_new) = self.known(sample)?;
        let Some(number) = known else {
            return Ok(());
        };
        self.counts.kept += 1;
        let fitting;
        let value = match &sample.value {
            SampleValue::Float(value) => Value::Number(*value),
            SampleValue::Histogram(histogram) => {
                fitting = exponential::fitting(histogram);
                Value::Histogram(&fitting)
            }
        };
        let reading = &self.taker.reading;
        let own_time = sample.time.filter(|_| reading.honor_timestamps);
        let track = own_time.is_none() || reading.track_timestamps_staleness;
        let limit = reading.sample_limit;
        let time = own_time.unwrap_or(self.at);
        if own_time.is_none() && self.taker.series.is_taken(number) {
            self.leave_out("duplicate");
            return Ok(());
        }
        // A time that OTLP cannot carry is far older than anything that is kept.
        if time <= 0 || time > self.at.saturating_add(AHEAD_MAX) {
            self.leave_out("time");
            return Ok(());
        }
        self.taker.series.took(number, track);
        self.counts.taken += 1;
        if limit > 0 && self.counts.taken > limit {
            // Counted on, so that it is told how many there are.
            return Ok(());
        }
        self.counts.added += u64::from(is_new);
        let point = Point {
            time,
            start: sample.start.unwrap_or_default(),
            value,
            exemplars: sample.exemplars,
        };
        self.taker.put(number, point);
        Ok(())
    }
}

impl Sink for Reader<'_> {
    fn family(&mut self, family: &Family<'_>) -> ControlFlow<()> {
        (self.family, self.described) = self.taker.series.family(family);
        ControlFlow::Continue(())
    }

    fn takes(&self, histogram: &Histogram) -> bool {
        self.taker.reading.native_histograms && exponential::can_fit(histogram)
    }

    fn sample(&mut self, sample: &Sample<'_>) -> ControlFlow<()> {
        if let SampleValue::Histogram(histogram) = &sample.value
            && !self.takes(histogram)
        {
            self.leave_out("native_histogram");
            return ControlFlow::Continue(());
        }
        match self.take(sample) {
            Ok(()) => ControlFlow::Continue(()),
            Err(error) => {
                self.error = Some(error);
                ControlFlow::Break(())
            }
        }
    }
}

/// A sample's labels and those of its target. Where both have one, the target's wins and the
/// sample's is renamed, unless `honor` says otherwise.
fn with_target(sample: &Sample<'_>, target: &Labels, honor: bool) -> Labels {
    let own = |label: &Label<'_>| (label.name.to_string(), label.value.to_string());
    let mut labels: Labels = sample.labels.iter().map(own).collect();
    labels.insert(METRIC_NAME.into(), sample.name.to_owned());
    let mut conflicting = Vec::new();
    for (name, value) in target {
        match labels.get(name) {
            // An empty one counts: it says that there is none.
            Some(_) if honor => continue,
            Some(exposed) if !exposed.is_empty() => {
                conflicting.push((name.clone(), exposed.clone()));
            }
            _ => {}
        }
        labels.insert(name.clone(), value.clone());
    }
    conflicting.sort_by_key(|(name, _)| name.len());
    for (mut name, value) in conflicting {
        name.insert_str(0, "exported_");
        while !get(&labels, &name).is_empty() {
            name.insert_str(0, "exported_");
        }
        set(&mut labels, &name, value);
    }
    labels.retain(|_, value| !value.is_empty());
    labels
}

fn within_limits(labels: &Labels, reading: &Reading) -> Result<(), String> {
    let metric = get(labels, METRIC_NAME);
    let is_beyond = |length: usize, limit: u64| limit > 0 && length as u64 > limit;
    if is_beyond(labels.len(), reading.label_limit) {
        return Err(format!(
            "a sample of {metric:?} has {} labels, and {} are allowed (label_limit)",
            labels.len(),
            reading.label_limit
        ));
    }
    for (name, value) in labels {
        if is_beyond(name.len(), reading.name_length_limit) {
            return Err(format!(
                "a sample of {metric:?} has a label name of {} bytes, and {} are allowed (label_name_length_limit)",
                name.len(),
                reading.name_length_limit
            ));
        }
        if is_beyond(value.len(), reading.value_length_limit) {
            return Err(format!(
                "a sample of {metric:?} has a value of label {name:?} of {} bytes, and {} are allowed (label_value_length_limit)",
                value.len(),
                reading.value_length_limit
            ));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests;
