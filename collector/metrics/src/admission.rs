//! What the doors ask before a request becomes durable: which of its series there is no room
//! for, while somebody still waits for the answer.
//!
//! Far below every limit nothing is looked up ([`crate::MetricStore::may_refuse`] reads three numbers).
//! Near one, the keys of the request are looked up in the head as they will be when the entry is
//! applied ([`Look`]): series that exist always pass. What the door lets in and other requests
//! have taken the room for by then is refused when it is applied, and counted there.

mod look;
mod offenders;

use crate::head::Refusal;
pub(crate) use look::Look;
pub use offenders::Offender;
pub(crate) use offenders::Offenders;

/// What of a request there is no room for, in data points or samples, by reason.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Verdict {
    /// The tenant has as many series as it may.
    pub series_max: u64,
    /// All tenants together have.
    pub series_total_max: u64,
    /// Their metric has.
    pub series_of_metric_max: u64,
    /// The texts of all labels take as many bytes as they may.
    pub symbol_bytes_max: u64,
    /// Their series have more labels than one may.
    pub labels: u64,
    /// A label's name or value is longer than it may be.
    pub label_bytes: u64,
    /// How many of all those are native histograms.
    pub histograms: u64,
    /// Exemplars of refused series, which are not counted above.
    pub exemplars: u64,
    /// Whether any series of its data points has room: one of a histogram's may have where
    /// others have not.
    pub has_room: bool,
    /// Series that are new and for which there is room, as long as nobody else takes it.
    pub new_series: u64,
}

impl Verdict {
    /// How many data points or samples that are.
    #[must_use]
    pub fn count(&self) -> u64 {
        self.of_number() + self.labels + self.label_bytes
    }

    /// How many of them for want of room.
    #[must_use]
    pub fn of_number(&self) -> u64 {
        self.series_max + self.series_total_max + self.series_of_metric_max + self.symbol_bytes_max
    }

    fn add(&mut self, refusal: Refusal, count: u64) {
        let of = match refusal {
            Refusal::SeriesMax => &mut self.series_max,
            Refusal::SeriesTotalMax => &mut self.series_total_max,
            Refusal::SeriesOfMetricMax => &mut self.series_of_metric_max,
            Refusal::SymbolsMax => &mut self.symbol_bytes_max,
            Refusal::Labels => &mut self.labels,
            Refusal::LabelBytes => &mut self.label_bytes,
        };
        *of += count;
    }
}

#[cfg(test)]
mod tests;
