//! What a store will keep of a request, found out before it is durable: afterwards nobody
//! waits for an answer any more.

use super::{Fault, Known, LabelBounds, Request, Series};
use crate::histogram::HistogramError;
use crate::remote_write::Version;
use crate::walk::WalkError;

/// What may be kept.
#[derive(Clone, Copy, Debug)]
pub struct Bounds {
    /// When samples have to be.
    pub times: crate::walk::Bounds,
    /// What labels may be.
    pub labels: LabelBounds,
}

/// What a request holds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Look {
    /// Samples that will be kept.
    pub samples: u64,
    /// Native histograms that will be kept.
    pub histograms: u64,
    /// Exemplars of series that will be kept.
    pub exemplars: u64,
    /// What is said about metrics.
    pub metadata: u64,
    /// What will be left out.
    pub refused: Refused,
}

/// What will not be kept, by reason: samples, native histograms among them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Refused {
    /// From before the earliest time.
    pub too_old: u64,
    /// From after the latest.
    pub too_new: u64,
    /// Of series with more labels than there may be.
    pub too_many_labels: u64,
    /// Of series with a label longer than it may be.
    pub label_bytes: u64,
    /// Of series whose labels are no labels.
    pub bad_labels: u64,
    /// What is wrong with the first of these.
    pub first_bad: Option<Fault>,
    /// Native histograms that contradict themselves.
    pub bad_histograms: u64,
    /// What is wrong with the first of these.
    pub first_bad_histogram: Option<HistogramError>,
}

impl Refused {
    /// How many that are.
    #[must_use]
    pub fn count(&self) -> u64 {
        let of_samples = self.too_old + self.too_new;
        let of_series = self.too_many_labels + self.label_bytes + self.bad_labels;
        of_samples + of_series + self.bad_histograms
    }
}

/// Reads a whole unpacked request. `known` is of requests with the same bounds of labels.
///
/// # Errors
/// [`WalkError`] where it is none; then nothing of it is to be kept.
pub fn look(
    version: Version,
    bytes: &[u8],
    bounds: &Bounds,
    known: &Known,
) -> Result<Look, WalkError> {
    let request = Request::arrived(version, bytes)?;
    let (mut look, mut labels) = (Look::default(), Vec::new());
    request.each_unread(|series| {
        let fault = known.fault(version, series, &bounds.labels, &mut labels)?;
        look.series(series, fault, bounds)
    })?;
    request.each_metadata(|_| look.metadata += 1)?;
    Ok(look)
}

impl Look {
    fn series(
        &mut self,
        series: &Series<'_, '_>,
        fault: Option<Fault>,
        bounds: &Bounds,
    ) -> Result<(), WalkError> {
        let (mut samples, mut exemplars) = (0, 0);
        let (mut too_old, mut too_new) = (0, 0);
        series.each_sample(|sample| {
            if sample.time > bounds.times.latest_millis {
                too_new += 1;
            } else if sample.time < bounds.times.earliest_millis {
                too_old += 1;
            } else {
                samples += 1;
            }
        })?;
        let (mut histograms, mut bad, mut first_bad) = (0, 0, None);
        series.each_histogram(|histogram| {
            if let Err(error) = histogram.value {
                bad += 1;
                first_bad.get_or_insert(error);
            } else if histogram.time > bounds.times.latest_millis {
                too_new += 1;
            } else if histogram.time < bounds.times.earliest_millis {
                too_old += 1;
            } else {
                histograms += 1;
            }
        })?;
        series.each_exemplar(|exemplar| {
            exemplars += u64::from(exemplar.time <= bounds.times.latest_millis);
        })?;
        self.metadata += u64::from(series.metadata()?.is_some());
        let Some(fault) = fault else {
            self.samples += samples;
            self.histograms += histograms;
            self.refused.bad_histograms += bad;
            self.refused.first_bad_histogram = self.refused.first_bad_histogram.or(first_bad);
            self.exemplars += exemplars;
            self.refused.too_old += too_old;
            self.refused.too_new += too_new;
            return Ok(());
        };
        let all = samples + histograms + bad + too_old + too_new;
        match fault {
            Fault::TooManyLabels => self.refused.too_many_labels += all,
            Fault::LabelBytes => self.refused.label_bytes += all,
            Fault::NoName | Fault::EmptyLabelName | Fault::DuplicateLabel | Fault::NotUtf8 => {
                self.refused.bad_labels += all;
                self.refused.first_bad = self.refused.first_bad.or(Some(fault));
            }
        }
        Ok(())
    }
}
