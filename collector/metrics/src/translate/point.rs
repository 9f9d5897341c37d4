//! One data point: the values of its series, in a fixed order.
//!
//! ```text
//! number      value
//! histogram   a cumulative count per bound, +Inf, then sum (if there), then count
//! summary     a value per quantile, then sum, then count
//! ```
//!
//! An exponential histogram has one series, whose samples are native histograms.

use super::exponential::{Exponential, sint32};
use super::labels::{LabelMap, NAME};
use super::wire::{Fields, Kind, Malformed, Metric, Value};
use crate::stale_nan;
use crate::telemetry::Reason;
use smallvec::SmallVec;
use sonde_promql::label_number;
use sonde_proto::{Histogram, UnixNanos};
use std::sync::Arc;

/// The bit of a point's flags that says "no value": the series ended.
const NO_RECORDED_VALUE: u64 = 1;
/// More bounds or quantiles than this in one point are refused.
const PARTS_MAX: usize = 1024;

/// A data point, read in place. Reused from point to point to save allocations.
#[derive(Default)]
pub(crate) struct Point<'a> {
    /// `KeyValue` messages.
    pub(crate) attributes: SmallVec<[&'a [u8]; 12]>,
    /// `Exemplar` messages.
    pub(crate) exemplars: SmallVec<[&'a [u8]; 2]>,
    /// When it was measured.
    pub(crate) time_unix_nano: u64,
    /// Since when it counts.
    pub(crate) start_unix_nano: u64,
    /// The series have ended.
    pub(crate) is_stale: bool,
    /// Why it cannot be kept: more bounds, buckets or quantiles than one point may have, say.
    pub(crate) unfit: Option<Reason>,
    /// `le` without `+Inf`, or quantiles.
    pub(crate) bounds: Vec<f64>,
    /// Values in the order above.
    pub(crate) values: Vec<f64>,
    /// In the place of values.
    pub(crate) histogram: Option<Arc<Histogram>>,
    has_sum: bool,
    counts: Vec<u64>,
}

impl<'a> Point<'a> {
    /// Reads the next point into `self`.
    pub(crate) fn read(&mut self, message: &'a [u8], metric: &Metric<'_>) -> Result<(), Malformed> {
        self.clear();
        match metric.kind {
            Kind::Gauge | Kind::Counter | Kind::UpDown => self.read_number(message),
            Kind::Histogram => self.read_histogram(message),
            Kind::Exponential => self.read_exponential(message, metric.scraped),
            Kind::Summary => self.read_summary(message),
        }?;
        if self.is_stale {
            self.values.fill(stale_nan());
        }
        Ok(())
    }

    fn clear(&mut self) {
        self.attributes.clear();
        self.exemplars.clear();
        self.bounds.clear();
        self.values.clear();
        self.counts.clear();
        (self.time_unix_nano, self.start_unix_nano) = (0, 0);
        (self.is_stale, self.has_sum) = (false, false);
        (self.unfit, self.histogram) = (None, None);
    }

    fn read_number(&mut self, message: &'a [u8]) -> Result<(), Malformed> {
        let mut result = None;
        let mut fields = Fields::of(message);
        while let Some((number, value)) = fields.next()? {
            match (number, value) {
                (4, Value::Fixed64(n)) => result = Some(f64::from_bits(n)),
                (6, Value::Fixed64(n)) => result = Some(n as i64 as f64),
                (5, Value::Bytes(b)) => self.exemplars.push(b),
                (7, Value::Bytes(b)) => self.attributes.push(b),
                (8, Value::Varint(n)) => self.is_stale = n & NO_RECORDED_VALUE != 0,
                other => self.read_times(other),
            }
        }
        if self.is_stale || result.is_some() {
            self.values.push(result.unwrap_or_default());
        }
        Ok(())
    }

    fn read_histogram(&mut self, message: &'a [u8]) -> Result<(), Malformed> {
        let (mut sum, mut count) = (None, 0);
        let mut fields = Fields::of(message);
        while let Some((number, value)) = fields.next()? {
            match (number, value) {
                (4, Value::Fixed64(n)) => count = n,
                (5, Value::Fixed64(n)) => sum = Some(f64::from_bits(n)),
                (6, Value::Bytes(b)) => self.counts.extend(fixed64s(b)?),
                (6, Value::Fixed64(n)) => self.counts.push(n),
                (7, Value::Bytes(b)) => self.bounds.extend(fixed64s(b)?.map(f64::from_bits)),
                (7, Value::Fixed64(n)) => self.bounds.push(f64::from_bits(n)),
                (8, Value::Bytes(b)) => self.exemplars.push(b),
                (9, Value::Bytes(b)) => self.attributes.push(b),
                (10, Value::Varint(n)) => self.is_stale = n & NO_RECORDED_VALUE != 0,
                other => self.read_times(other),
            }
        }
        if self.bounds.len() > PARTS_MAX || self.counts.len() > PARTS_MAX + 1 {
            self.unfit = Some(Reason::PartsMax);
            return Ok(());
        }
        let mut below = 0u64;
        for at in 0..self.bounds.len() {
            below = below.saturating_add(self.counts.get(at).copied().unwrap_or_default());
            self.values.push(below as f64);
        }
        self.push_totals(sum, count);
        Ok(())
    }

    fn read_exponential(
        &mut self,
        message: &'a [u8],
        scraped: Option<&'static str>,
    ) -> Result<(), Malformed> {
        let mut read = Exponential {
            scraped,
            ..Exponential::default()
        };
        let mut fields = Fields::of(message);
        while let Some((number, value)) = fields.next()? {
            match (number, value) {
                (1, Value::Bytes(b)) => self.attributes.push(b),
                (4, Value::Fixed64(n)) => read.count = n,
                (5, Value::Fixed64(n)) => read.sum = Some(f64::from_bits(n)),
                (6, Value::Varint(n)) => read.scale = sint32(n),
                (7, Value::Fixed64(n)) => read.zero_count = n,
                (8, Value::Bytes(b)) => read.positive = b,
                (9, Value::Bytes(b)) => read.negative = b,
                (10, Value::Varint(n)) => self.is_stale = n & NO_RECORDED_VALUE != 0,
                (11, Value::Bytes(b)) => self.exemplars.push(b),
                (14, Value::Fixed64(n)) => read.zero_threshold = f64::from_bits(n),
                other => self.read_times(other),
            }
        }
        if self.is_stale {
            self.values.push(stale_nan());
            return Ok(());
        }
        match read.native()? {
            Ok(histogram) => self.histogram = Some(Arc::new(histogram)),
            Err(reason) => self.unfit = Some(reason),
        }
        Ok(())
    }

    fn read_summary(&mut self, message: &'a [u8]) -> Result<(), Malformed> {
        let (mut sum, mut count) = (0.0, 0);
        let mut fields = Fields::of(message);
        while let Some((number, value)) = fields.next()? {
            match (number, value) {
                (4, Value::Fixed64(n)) => count = n,
                (5, Value::Fixed64(n)) => sum = f64::from_bits(n),
                (6, Value::Bytes(b)) => {
                    let (quantile, value) = quantile(b)?;
                    self.bounds.push(quantile);
                    self.values.push(value);
                }
                (7, Value::Bytes(b)) => self.attributes.push(b),
                (8, Value::Varint(n)) => self.is_stale = n & NO_RECORDED_VALUE != 0,
                other => self.read_times(other),
            }
        }
        if self.bounds.len() > PARTS_MAX {
            self.unfit = Some(Reason::PartsMax);
            return Ok(());
        }
        self.has_sum = true;
        self.values.extend([sum, count as f64]);
        Ok(())
    }

    /// `+Inf`, sum and count of a histogram.
    fn push_totals(&mut self, sum: Option<f64>, count: u64) {
        self.values.push(count as f64);
        self.has_sum = sum.is_some();
        self.values.extend(sum);
        self.values.push(count as f64);
    }

    fn read_times(&mut self, field: (u64, Value<'_>)) {
        match field {
            (2, Value::Fixed64(n)) => self.start_unix_nano = n,
            (3, Value::Fixed64(n)) => self.time_unix_nano = n,
            _ => {}
        }
    }

    /// When the point counts, in milliseconds; one that does not say, when it was received.
    pub(crate) fn time(&self, received_at: UnixNanos) -> i64 {
        let time = match self.time_unix_nano {
            0 => received_at,
            nanos => UnixNanos(nanos),
        };
        time.as_millis()
    }

    /// Since when it counts, in milliseconds; 0 where that is not said. What a gauge shows is
    /// not counted, unless it was scraped: then it may be the sum of a histogram, which can fall.
    pub(crate) fn start(&self, metric: &Metric<'_>) -> i64 {
        if metric.kind == Kind::Gauge && metric.scraped.is_none() {
            return 0;
        }
        UnixNanos(self.start_unix_nano).as_millis()
    }

    /// How many samples it is.
    pub(crate) fn samples(&self) -> u64 {
        self.values.len() as u64 + u64::from(self.histogram.is_some())
    }

    /// Whether the point says nothing of its series' shape (a histogram that ended).
    pub(crate) fn is_shapeless(&self) -> bool {
        self.is_stale && self.bounds.is_empty()
    }

    /// What must be equal for two points to have the same series.
    pub(crate) fn shape(&self, state: &ahash::RandomState) -> u64 {
        use std::hash::{BuildHasher as _, Hash as _, Hasher as _};
        let mut hasher = state.build_hasher();
        self.has_sum.hash(&mut hasher);
        for bound in &self.bounds {
            hasher.write_u64(bound.to_bits());
        }
        hasher.finish()
    }

    /// The labels of every series of the point, in the order of the values.
    pub(crate) fn series(&self, kind: Kind, name: &str, labels: &LabelMap) -> Vec<LabelMap> {
        let with = |suffix: &str, extra: Option<(&str, String)>| {
            let mut labels = labels.clone();
            labels.insert(NAME.into(), format!("{name}{suffix}"));
            labels.extend(extra.map(|(name, value)| (name.to_owned(), value)));
            labels
        };
        let bound = |bound: &f64| label_number(*bound);
        let sum = self.has_sum.then(|| with("_sum", None));
        match kind {
            Kind::Gauge | Kind::Counter | Kind::UpDown | Kind::Exponential => {
                vec![with("", None)]
            }
            Kind::Histogram => {
                let bounds = self.bounds.iter().map(bound).chain([String::from("+Inf")]);
                let buckets = bounds.map(|le| with("_bucket", Some(("le", le))));
                buckets.chain(sum).chain([with("_count", None)]).collect()
            }
            Kind::Summary => {
                let quantiles = self
                    .bounds
                    .iter()
                    .map(|q| with("", Some(("quantile", bound(q)))));
                quantiles.chain(sum).chain([with("_count", None)]).collect()
            }
        }
    }

    /// Which of the values an observation of `value` was counted in first.
    pub(crate) fn part_of(&self, kind: Kind, value: f64) -> usize {
        match kind {
            Kind::Histogram => self.bounds.partition_point(|le| *le < value),
            Kind::Gauge | Kind::Counter | Kind::UpDown | Kind::Exponential | Kind::Summary => 0,
        }
    }
}

fn quantile(message: &[u8]) -> Result<(f64, f64), Malformed> {
    let (mut quantile, mut value) = (0.0, 0.0);
    let mut fields = Fields::of(message);
    while let Some((number, field)) = fields.next()? {
        match (number, field) {
            (1, Value::Fixed64(n)) => quantile = f64::from_bits(n),
            (2, Value::Fixed64(n)) => value = f64::from_bits(n),
            _ => {}
        }
    }
    Ok((quantile, value))
}

fn fixed64s(packed: &[u8]) -> Result<impl Iterator<Item = u64>, Malformed> {
    let (chunks, rest) = packed.as_chunks::<8>();
    if !rest.is_empty() {
        return Err(Malformed);
    }
    Ok(chunks.iter().map(|n| u64::from_le_bytes(*n)))
}
