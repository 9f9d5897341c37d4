//! One series of a request: labels, then whatever came with them.

use super::each;
use super::histogram::{HistogramAt, each_histogram};
use crate::METRIC_NAME;
use crate::remote_write::Version;
use crate::walk::WalkError;
use crate::walk::wire::{Cursor, DEPTH_MAX, Wire};
use std::ops::Range;

/// So many labels of one series are read; one with more is at [`Fault::TooManyLabels`]
/// whatever is configured, so that labels of two bytes cannot fill memory.
const LABELS_READ_MAX: usize = 4096;

/// A series, borrowed from its request.
#[derive(Debug)]
pub struct Series<'s, 'a> {
    version: Version,
    symbols: &'s [&'a [u8]],
    /// Name, value, name, value, … by name; empty before they are read.
    labels: &'s [&'a [u8]],
    is_cut: bool,
    metadata: Option<Cursor<'a>>,
    message: Cursor<'a>,
    /// From the first field on that is no label.
    rest: Cursor<'a>,
    /// Some label stands behind something else.
    is_scattered: bool,
    has_exemplars: bool,
    has_histograms: bool,
    /// Since when samples count that do not say it themselves.
    created: i64,
}

/// A value at a time.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Sample {
    /// Milliseconds since 1970.
    pub time: i64,
    /// The value, to the bit: a marker that a series has ended is a number that is none.
    pub value: f64,
    /// Since when it counts, in milliseconds since 1970; 0 where that is not said.
    pub start: i64,
}

/// A value that stands for many, with labels of its own.
#[derive(Clone, Copy, Debug)]
pub struct Exemplar<'s, 'a> {
    /// Name, value, name, value, …, as they came.
    labels: &'s [&'a [u8]],
    /// Milliseconds since 1970; 0 where it has no time.
    pub time: i64,
    /// The value.
    pub value: f64,
}

/// What a metric means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Metadata<'a> {
    /// The metric's kind, in Prometheus' words.
    pub kind: &'static str,
    /// Its name, from 1.0 only.
    pub name: &'a [u8],
    /// What it tells.
    pub help: &'a [u8],
    /// Its unit.
    pub unit: &'a [u8],
}

/// What labels may be.
#[derive(Clone, Copy, Debug)]
pub struct LabelBounds {
    /// How many there may be, the name included.
    pub labels_max: usize,
    /// The longest name, in bytes.
    pub name_bytes_max: usize,
    /// The longest value, in bytes.
    pub value_bytes_max: usize,
}

/// Why a series cannot be kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// It has more labels than it may.
    TooManyLabels,
    /// A name or a value is longer than it may be.
    LabelBytes,
    /// It has no `__name__`.
    NoName,
    /// A label has no name.
    EmptyLabelName,
    /// A label is there twice.
    DuplicateLabel,
    /// A name or a value is no UTF-8.
    NotUtf8,
}

impl Fault {
    /// What is wrong, in words for the sender.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::TooManyLabels => "too many labels",
            Self::LabelBytes => "a label that is too long",
            Self::NoName => "no __name__",
            Self::EmptyLabelName => "a label without a name",
            Self::DuplicateLabel => "a label twice",
            Self::NotUtf8 => "a label that is not UTF-8",
        }
    }
}

impl<'s, 'a> Series<'s, 'a> {
    /// Notes where everything is; what the labels are is not looked at.
    #[inline]
    pub(super) fn find(
        version: Version,
        symbols: &'s [&'a [u8]],
        message: Cursor<'a>,
    ) -> Result<Self, WalkError> {
        let mut at = message;
        let mut series = Self {
            version,
            symbols,
            labels: &[],
            is_cut: false,
            metadata: None,
            message,
            rest: message,
            is_scattered: false,
            has_exemplars: false,
            has_histograms: false,
            created: 0,
        };
        while let Some((tag, wire)) = at.field(DEPTH_MAX)? {
            if tag != 1 {
                series.find_rest(at, tag, wire)?;
                return Ok(series);
            }
            series.rest = at;
        }
        Ok(series)
    }

    /// The same from the first field on that is no label, which is read already.
    #[inline]
    fn find_rest(
        &mut self,
        mut at: Cursor<'a>,
        mut tag: u32,
        mut wire: Wire<'a>,
    ) -> Result<(), WalkError> {
        let (exemplars, histograms) = match self.version {
            Version::V1 => (3, 4),
            Version::V2 => (4, 3),
        };
        loop {
            match (self.version, tag, wire) {
                (_, 1, _) => self.is_scattered = true,
                (_, 2..=4, Wire::Len(_)) => {
                    self.has_exemplars |= tag == exemplars;
                    self.has_histograms |= tag == histograms;
                }
                (Version::V2, 5, Wire::Len(inside)) => self.metadata = Some(inside),
                (Version::V2, 6, Wire::Varint(millis)) => self.created = millis.cast_signed(),
                (_, 2..=4, _) | (Version::V2, 5, _) => {
                    return Err(at.error("a field of a series has another wire type"));
                }
                _ => {}
            }
            let Some(next) = at.field(DEPTH_MAX)? else {
                return Ok(());
            };
            (tag, wire) = next;
        }
    }

    /// The same series with its labels, which `labels` has room for.
    ///
    /// # Errors
    /// [`WalkError`] where they are no labels at all.
    pub fn with_labels<'l>(
        &self,
        labels: &'l mut Vec<&'a [u8]>,
    ) -> Result<Series<'l, 'a>, WalkError>
    where
        's: 'l,
    {
        labels.clear();
        let (mut count, mut at) = (0, self.message);
        while let Some((tag, wire)) = at.field(DEPTH_MAX)? {
            if tag == 1 {
                read_labels(self.version, self.symbols, &at, wire, labels, &mut count)?;
            } else if !self.is_scattered {
                break;
            }
        }
        if !count.is_multiple_of(2) {
            return Err(at.error("a label has a name and no value"));
        }
        let is_cut = count > labels.len();
        let are_in_order = sort(labels);
        Ok(Series {
            labels,
            is_cut,
            is_scattered: self.is_scattered || !are_in_order,
            ..*self
        })
    }

    /// The bytes of the labels, where they stand together. Of one request of 2.0, and of all of
    /// 1.0, series with the same bytes have the same labels.
    #[must_use]
    pub fn label_bytes(&self) -> Option<&'a [u8]> {
        let (all, rest) = (self.message.bytes(), self.rest.bytes());
        (!self.is_scattered).then(|| &all[..all.len() - rest.len()])
    }

    /// Where it lies in its request.
    #[must_use]
    pub fn place(&self) -> Range<usize> {
        self.message.place()
    }

    /// Whether there is nothing to it but samples that are numbers.
    #[must_use]
    pub fn has_only_samples(&self) -> bool {
        !self.has_exemplars && !self.has_histograms
    }

    /// Visits the numbers of the labels' symbols, which only 2.0 has.
    ///
    /// # Errors
    /// [`WalkError`] where there is no such symbol.
    #[inline]
    pub fn each_label_symbol(&self, mut visit: impl FnMut(usize)) -> Result<(), WalkError> {
        let mut at = self.message;
        let mut checked = |at: &Cursor<'_>, number| {
            symbol(self.symbols, at, number)?;
            visit(number as usize);
            Ok(())
        };
        while let Some((1, wire)) = at.field(DEPTH_MAX)? {
            match (self.version, wire) {
                (Version::V2, Wire::Len(mut numbers)) => {
                    while let Some(number) = numbers.packed_varint()? {
                        checked(&at, number)?;
                    }
                }
                (Version::V2, Wire::Varint(number)) => checked(&at, number)?,
                _ => return Err(at.error("a label has another wire type")),
            }
        }
        Ok(())
    }

    /// Names and values one after the other, by name: what the series is known by.
    #[must_use]
    pub fn label_parts(&self) -> &'s [&'a [u8]] {
        self.labels
    }

    /// Names and values, by name.
    pub fn labels(&self) -> impl Iterator<Item = (&'a [u8], &'a [u8])> + use<'s, 'a> {
        pairs(self.labels)
    }

    /// The metric's name; empty where it has none.
    #[must_use]
    pub fn name(&self) -> &'a [u8] {
        let name = self
            .labels()
            .find(|(name, _)| *name == METRIC_NAME.as_bytes());
        name.map_or(&[], |(_, value)| value)
    }

    /// What is wrong with the labels, if anything is.
    #[must_use]
    pub fn fault(&self, bounds: &LabelBounds) -> Option<Fault> {
        if self.is_cut || self.labels.len() / 2 > bounds.labels_max {
            return Some(Fault::TooManyLabels);
        }
        let (mut before, mut is_named): (Option<&[u8]>, bool) = (None, false);
        for (name, value) in self.labels() {
            if name.len() > bounds.name_bytes_max || value.len() > bounds.value_bytes_max {
                return Some(Fault::LabelBytes);
            }
            if name.is_empty() {
                return Some(Fault::EmptyLabelName);
            }
            if before == Some(name) {
                return Some(Fault::DuplicateLabel);
            }
            if !is_utf8(name) || !is_utf8(value) {
                return Some(Fault::NotUtf8);
            }
            is_named |= name == METRIC_NAME.as_bytes();
            before = Some(name);
        }
        (!is_named).then_some(Fault::NoName)
    }

    /// Visits every sample that is a number.
    ///
    /// # Errors
    /// [`WalkError`] at the first that cannot be read.
    #[inline]
    pub fn each_sample(&self, mut visit: impl FnMut(Sample)) -> Result<(), WalkError> {
        each(self.rest, 2, |message| {
            let mut sample = read_sample(message)?;
            sample.start = self.start(sample.start);
            visit(sample);
            Ok(())
        })
    }

    /// Visits every native histogram.
    ///
    /// # Errors
    /// [`WalkError`] at the first that cannot be read.
    pub fn each_histogram(&self, mut visit: impl FnMut(HistogramAt)) -> Result<(), WalkError> {
        if !self.has_histograms {
            return Ok(());
        }
        let number = match self.version {
            Version::V1 => 4,
            Version::V2 => 3,
        };
        each_histogram(self.rest, number, |mut histogram| {
            histogram.start = self.start(histogram.start);
            visit(histogram);
        })
    }

    /// Since when a sample counts, by its own word or that of its series. 1.0 has neither.
    #[inline]
    fn start(&self, own: i64) -> i64 {
        match (self.version, own) {
            (Version::V1, _) => 0,
            (Version::V2, 0) => self.created,
            (Version::V2, own) => own,
        }
    }

    /// Visits every exemplar.
    ///
    /// # Errors
    /// [`WalkError`] at the first that cannot be read.
    pub fn each_exemplar(&self, mut visit: impl FnMut(&Exemplar<'_, 'a>)) -> Result<(), WalkError> {
        if !self.has_exemplars {
            return Ok(());
        }
        let number = match self.version {
            Version::V1 => 3,
            Version::V2 => 4,
        };
        let mut labels = Vec::new();
        each(self.rest, number, |mut at| {
            labels.clear();
            let (mut count, mut time, mut value) = (0, 0, 0);
            while let Some((tag, wire)) = at.field(DEPTH_MAX)? {
                match (tag, wire) {
                    (1, _) => {
                        let (version, symbols) = (self.version, self.symbols);
                        read_labels(version, symbols, &at, wire, &mut labels, &mut count)?;
                    }
                    (2, Wire::Fixed64(bits)) => value = bits,
                    (3, Wire::Varint(millis)) => time = millis.cast_signed(),
                    (2 | 3, _) => return Err(at.error("a number has another wire type")),
                    _ => {}
                }
            }
            if !count.is_multiple_of(2) {
                return Err(at.error("a label has a name and no value"));
            }
            visit(&Exemplar {
                labels: &labels,
                time,
                value: f64::from_bits(value),
            });
            Ok(())
        })
    }

    /// What the metric means, where 2.0 says it. Senders that do not know may send the message
    /// with nothing in it, which must not stand for what others said.
    ///
    /// # Errors
    /// [`WalkError`] where it cannot be read.
    pub fn metadata(&self) -> Result<Option<Metadata<'a>>, WalkError> {
        let Some(mut at) = self.metadata else {
            return Ok(None);
        };
        let (mut kind, mut help, mut unit): (u64, &[u8], &[u8]) = (0, &[], &[]);
        while let Some((tag, wire)) = at.field(DEPTH_MAX)? {
            match (tag, wire) {
                (1, Wire::Varint(number)) => kind = number,
                (3, Wire::Varint(number)) => help = symbol(self.symbols, &at, number)?,
                (4, Wire::Varint(number)) => unit = symbol(self.symbols, &at, number)?,
                (1 | 3 | 4, _) => return Err(at.error("a number has another wire type")),
                _ => {}
            }
        }
        if kind == 0 && help.is_empty() && unit.is_empty() {
            return Ok(None);
        }
        Ok(Some(Metadata {
            kind: kind_of(kind),
            name: &[],
            help,
            unit,
        }))
    }
}

impl<'s, 'a> Exemplar<'s, 'a> {
    /// Names and values, as they came.
    pub fn labels(&self) -> impl Iterator<Item = (&'a [u8], &'a [u8])> + use<'s, 'a> {
        pairs(self.labels)
    }
}

impl<'a> Metadata<'a> {
    /// Reads 1.0's `MetricMetadata`.
    pub(super) fn read(mut at: Cursor<'a>) -> Result<Self, WalkError> {
        let mut metadata = Self {
            kind: kind_of(0),
            name: &[],
            help: &[],
            unit: &[],
        };
        while let Some((tag, wire)) = at.field(DEPTH_MAX)? {
            match (tag, wire) {
                (1, Wire::Varint(number)) => metadata.kind = kind_of(number),
                (2, Wire::Len(text)) => metadata.name = text.bytes(),
                (4, Wire::Len(text)) => metadata.help = text.bytes(),
                (5, Wire::Len(text)) => metadata.unit = text.bytes(),
                (1 | 2 | 4 | 5, _) => return Err(at.error("a field has another wire type")),
                _ => {}
            }
        }
        Ok(metadata)
    }
}

/// Takes labels as texts or as numbers of symbols, as far as there is room. `count` is of all
/// names and values that there were.
#[inline]
fn read_labels<'a>(
    version: Version,
    symbols: &[&'a [u8]],
    at: &Cursor<'a>,
    wire: Wire<'a>,
    labels: &mut Vec<&'a [u8]>,
    count: &mut usize,
) -> Result<(), WalkError> {
    let mut take = |text: &'a [u8]| {
        if labels.len() < 2 * LABELS_READ_MAX {
            labels.push(text);
        }
        *count += 1;
    };
    match (version, wire) {
        (Version::V1, Wire::Len(message)) => {
            let (name, value) = read_label(message)?;
            take(name);
            take(value);
        }
        (Version::V2, Wire::Len(mut numbers)) => {
            while let Some(number) = numbers.packed_varint()? {
                take(symbol(symbols, at, number)?);
            }
        }
        (Version::V2, Wire::Varint(number)) => take(symbol(symbols, at, number)?),
        _ => return Err(at.error("a label has another wire type")),
    }
    Ok(())
}

#[inline]
fn read_label(mut at: Cursor<'_>) -> Result<(&[u8], &[u8]), WalkError> {
    let (mut name, mut value): (&[u8], &[u8]) = (&[], &[]);
    while let Some((tag, wire)) = at.field(DEPTH_MAX)? {
        match (tag, wire) {
            (1, Wire::Len(text)) => name = text.bytes(),
            (2, Wire::Len(text)) => value = text.bytes(),
            (1 | 2, _) => return Err(at.error("a label's name or value has another wire type")),
            _ => {}
        }
    }
    Ok((name, value))
}

#[inline]
fn read_sample(mut at: Cursor<'_>) -> Result<Sample, WalkError> {
    let (mut time, mut value, mut start) = (0, 0, 0);
    while let Some((tag, wire)) = at.field(DEPTH_MAX)? {
        match (tag, wire) {
            (1, Wire::Fixed64(bits)) => value = bits,
            (2, Wire::Varint(millis)) => time = millis,
            // What was taken before this was known must still be readable.
            (3, Wire::Varint(millis)) => start = millis,
            (1 | 2, _) => return Err(at.error("a number of a sample has another wire type")),
            _ => {}
        }
    }
    Ok(Sample {
        time: time.cast_signed(),
        value: f64::from_bits(value),
        start: start.cast_signed(),
    })
}

#[inline]
fn symbol<'a>(symbols: &[&'a [u8]], at: &Cursor<'_>, number: u64) -> Result<&'a [u8], WalkError> {
    let found = usize::try_from(number).ok().and_then(|n| symbols.get(n));
    found
        .copied()
        .ok_or_else(|| at.error("a symbol's number lies beyond the table of symbols"))
}

fn pairs<'s, 'a>(flat: &'s [&'a [u8]]) -> impl Iterator<Item = (&'a [u8], &'a [u8])> + use<'s, 'a> {
    flat.as_chunks::<2>()
        .0
        .iter()
        .map(|[name, value]| (*name, *value))
}

/// Leaves out labels without a value, which are none, and sorts the others by name. Nearly
/// always there is nothing to do, which it returns.
#[inline]
fn sort(labels: &mut Vec<&[u8]>) -> bool {
    let mut before: &[u8] = &[];
    let is_fine = pairs(labels).all(|(name, value)| {
        let ascends = before < name;
        before = name;
        ascends && !value.is_empty()
    });
    if !is_fine {
        sort_slow(labels);
    }
    is_fine
}

#[inline(never)]
fn sort_slow(labels: &mut Vec<&[u8]>) {
    let mut kept = 0;
    for at in (0..labels.len()).step_by(2) {
        if !labels[at + 1].is_empty() {
            labels.swap(kept, at);
            labels.swap(kept + 1, at + 1);
            kept += 2;
        }
    }
    labels.truncate(kept);
    labels.as_chunks_mut::<2>().0.sort_by_key(|[name, _]| *name);
}

fn is_utf8(text: &[u8]) -> bool {
    crate::walk::text::is_ascii(text) || std::str::from_utf8(text).is_ok()
}

fn kind_of(number: u64) -> &'static str {
    const KINDS: [&str; 8] = [
        "unknown",
        "counter",
        "gauge",
        "histogram",
        "gaugehistogram",
        "summary",
        "info",
        "stateset",
    ];
    let kind = usize::try_from(number).ok().and_then(|n| KINDS.get(n));
    kind.copied().unwrap_or("unknown")
}
