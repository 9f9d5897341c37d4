//! Prometheus' remote write, read in place.
//!
//! ```text
//! 1.0  WriteRequest   { timeseries: TimeSeries[] = 1, metadata: MetricMetadata[] = 3 }
//!      TimeSeries     { labels: Label[] = 1, samples: Sample[] = 2, exemplars: Exemplar[] = 3,
//!                       histograms: Histogram[] = 4 }
//!      Label          { name: string = 1, value: string = 2 }
//!      MetricMetadata { type: enum = 1, metric_family_name: string = 2, help: string = 4,
//!                       unit: string = 5 }
//! 2.0  Request        { symbols: string[] = 4, timeseries: TimeSeries[] = 5 }
//!      TimeSeries     { labels_refs: uint32[] = 1, samples: Sample[] = 2,
//!                       histograms: Histogram[] = 3, exemplars: Exemplar[] = 4,
//!                       metadata: Metadata = 5, created_timestamp: int64 = 6 }
//!      Metadata       { type: enum = 1, help_ref: uint32 = 3, unit_ref: uint32 = 4 }
//! both Sample         { value: double = 1, timestamp: int64 = 2,
//!                       start_timestamp: int64 = 3 (2.0 only) }
//!      Exemplar       { labels: Label[] or labels_refs: uint32[] = 1, value: double = 2,
//!                       timestamp: int64 = 3 }
//!      Histogram      see `histogram`
//! ```
//!
//! A request that breaks this is refused whole: its bytes cannot be trusted. A series with a
//! [`Fault`] of its own is left out alone. Labels that are not sorted are sorted, and those
//! without a value are left out, as Prometheus itself does when it is written to.
//!
//! Nothing is allocated for a sample or a series: one list of the request's symbols, and one
//! of the labels of the series at hand. These are read last, and only if somebody asks: most
//! series were seen before, and are known by the bytes of their labels.

mod series;
mod histogram;
mod known;
mod look;

pub use histogram::{BUCKETS_MAX, HistogramAt};
pub use known::Known;
pub use look::{Bounds, Look, Refused, look};
pub use series::{Exemplar, Fault, LabelBounds, Metadata, Sample, Series};

use super::WalkError;
use super::wire::{Cursor, DEPTH_MAX, Wire};
use crate::remote_write::Version;
use std::ops::Range;

/// A request of 2.0 that arrives may have so many symbols however small it is,
const SYMBOLS_ANYWAY: usize = 1 << 16;
/// and one more for so many bytes: the table of where they are takes no more than the request.
const BYTES_PER_SYMBOL: usize = size_of::<&[u8]>();

/// A request whose symbols are known.
#[derive(Debug)]
pub struct Request<'a> {
    version: Version,
    at: Cursor<'a>,
    symbols: Vec<&'a [u8]>,
}

impl<'a> Request<'a> {
    /// Opens an unpacked request. Series are only looked at when they are visited.
    ///
    /// # Errors
    /// [`WalkError`] where the outermost message is no such request, or has no table of
    /// symbols that begins with the empty text.
    pub fn open(version: Version, bytes: &'a [u8]) -> Result<Self, WalkError> {
        Self::with_symbols(version, bytes, usize::MAX)
    }

    /// The same for one that was not taken before, which may not have many times as many symbols
    /// as its series can need: each takes eight times the two bytes that it can have there.
    fn arrived(version: Version, bytes: &'a [u8]) -> Result<Self, WalkError> {
        let symbols_max = SYMBOLS_ANYWAY + bytes.len() / BYTES_PER_SYMBOL;
        Self::with_symbols(version, bytes, symbols_max)
    }

    fn with_symbols(
        version: Version,
        bytes: &'a [u8],
        symbols_max: usize,
    ) -> Result<Self, WalkError> {
        let at = Cursor::new(bytes);
        let mut symbols = Vec::new();
        if version == Version::V2 {
            // Counted first: while a list doubles, it is there one and a half times.
            let mut count = 0;
            each(at, 4, |_| {
                count += 1;
                if count > symbols_max {
                    return Err(at.error(
                        "there are far more symbols than so few bytes can need; send each once",
                    ));
                }
                Ok(())
            })?;
            symbols.reserve_exact(count);
            each(at, 4, |symbol| {
                symbols.push(symbol.bytes());
                Ok(())
            })?;
            if symbols.first().is_some_and(|first| !first.is_empty()) {
                return Err(at.error("the first symbol is not the empty text"));
            }
        }
        Ok(Self {
            version,
            at,
            symbols,
        })
    }

    /// Every text of a request of 2.0, by its number.
    #[must_use]
    pub fn symbols(&self) -> &[&'a [u8]] {
        &self.symbols
    }

    /// Visits every series.
    ///
    /// # Errors
    /// [`WalkError`] at the first that cannot be read, or the visitor's own.
    pub fn each_series(
        &self,
        mut visit: impl FnMut(&Series<'_, 'a>) -> Result<(), WalkError>,
    ) -> Result<(), WalkError> {
        let mut labels = Vec::new();
        self.each_unread(|series| visit(&series.with_labels(&mut labels)?))
    }

    /// Visits every series, whose labels are not read yet: who knows a series by their bytes
    /// need not look at them.
    ///
    /// # Errors
    /// [`WalkError`] at the first that cannot be read, or the visitor's own.
    #[inline]
    pub fn each_unread(
        &self,
        mut visit: impl FnMut(&Series<'_, 'a>) -> Result<(), WalkError>,
    ) -> Result<(), WalkError> {
        let (own, foreign) = match self.version {
            Version::V1 => (1, [4, 5]),
            Version::V2 => (5, [1, 3]),
        };
        let mut at = self.at;
        while let Some((tag, wire)) = at.field(DEPTH_MAX)? {
            match wire {
                Wire::Len(message) if tag == own => {
                    visit(&Series::find(self.version, &self.symbols, message)?)?;
                }
                // Else one of these would pass for an empty one of the other.
                Wire::Len(_) if foreign.contains(&tag) => {
                    return Err(at.error("it is a request of the other version of remote write"));
                }
                _ if tag == own => return Err(at.error("a series has another wire type")),
                _ => {}
            }
        }
        Ok(())
    }

    /// The series at a place where one of this request was found.
    ///
    /// # Errors
    /// [`WalkError`] where there is none.
    pub fn series_at(&self, place: Range<usize>) -> Result<Series<'_, 'a>, WalkError> {
        let message = Cursor::at(self.at.bytes(), place);
        let message = message.ok_or_else(|| self.at.error("a series lies outside"))?;
        Series::find(self.version, &self.symbols, message)
    }

    /// Visits what 1.0 says about metrics; 2.0 says it with each series.
    ///
    /// # Errors
    /// [`WalkError`] at the first that cannot be read.
    pub fn each_metadata(&self, mut visit: impl FnMut(&Metadata<'a>)) -> Result<(), WalkError> {
        if self.version == Version::V2 {
            return Ok(());
        }
        each(self.at, 3, |message| {
            visit(&Metadata::read(message)?);
            Ok(())
        })
    }
}

/// Visits the messages and texts in one field.
fn each<'a>(
    mut at: Cursor<'a>,
    number: u32,
    mut visit: impl FnMut(Cursor<'a>) -> Result<(), WalkError>,
) -> Result<(), WalkError> {
    while let Some((tag, wire)) = at.field(DEPTH_MAX)? {
        match wire {
            Wire::Len(inside) if tag == number => visit(inside)?,
            _ if tag == number => return Err(at.error("a field has another wire type")),
            _ => {}
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests;
