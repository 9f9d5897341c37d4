//! Bodies of each format, written family by family.
//!
//! ```text
//! Writer ─┬─ text      lines, as they come
//!         └─ protobuf  metrics put together again from the samples that they are read as,
//!                      a family at a time, because its length stands before it
//! ```
//!
//! What a format cannot say is left out and counted ([`Writer::left_out`]); custom buckets
//! become a classic histogram, which says the same.

mod text;
mod protobuf;
mod classic;

use crate::content::{Answer, Format};
use crate::family::{Family, Kind, Sample};
use sonde_proto::{CUSTOM_SCHEMA, SampleValue};
use std::borrow::Cow;
use std::io;

/// Bytes that are gathered before they are written.
const BUFFER_BYTES: usize = 64 << 10;

/// Writes one body.
///
/// Samples of one family must follow each other, and in it those of one group (the buckets,
/// the sum and the count of one histogram) too; formats ask for that.
pub struct Writer<'w> {
    out: &'w mut dyn io::Write,
    answer: Answer,
    family: Family<'static>,
    /// Whether `family` was begun in the body.
    is_begun: bool,
    lines: text::Lines,
    metrics: protobuf::Metrics,
    left_out: u64,
}

impl<'w> Writer<'w> {
    /// A body of this format into `out`, which gets large pieces.
    pub fn new(answer: Answer, out: &'w mut dyn io::Write) -> Self {
        Self {
            out,
            answer,
            family: Family::default(),
            is_begun: false,
            lines: text::Lines::new(answer),
            metrics: protobuf::Metrics::new(answer.escaping),
            left_out: 0,
        }
    }

    /// The samples that follow are of this family.
    ///
    /// # Errors
    /// The output does not take what was gathered.
    pub fn family(&mut self, family: &Family<'_>) -> io::Result<()> {
        self.end_family()?;
        self.family = Family {
            name: Cow::Owned(family.name.clone().into_owned()),
            kind: family.kind,
            help: Cow::Owned(family.help.clone().into_owned()),
            unit: Cow::Owned(family.unit.clone().into_owned()),
        };
        Ok(())
    }

    /// Adds a sample; one that is not of the family becomes one of its own.
    ///
    /// # Errors
    /// The output does not take what was gathered.
    pub fn sample(&mut self, sample: &Sample<'_>) -> io::Result<()> {
        if let SampleValue::Histogram(histogram) = &sample.value {
            if histogram.schema == CUSTOM_SCHEMA {
                return classic::expand(sample, histogram, |sample| self.plain(sample));
            }
            if self.answer.protocol.format() != Format::Protobuf {
                self.left_out += 1;
                return Ok(());
            }
        }
        self.plain(sample)
    }

    fn plain(&mut self, sample: &Sample<'_>) -> io::Result<()> {
        if !self.family.has(sample.name) {
            self.family(&Family {
                name: Cow::Borrowed(sample.name),
                kind: Kind::Unknown,
                ..Family::default()
            })?;
        }
        let is_first = !std::mem::replace(&mut self.is_begun, true);
        if self.answer.protocol.format() == Format::Protobuf {
            if is_first {
                self.metrics.begin(&self.family, sample.name);
            }
            self.metrics.add(&self.family, sample);
        } else {
            if is_first {
                self.lines.begin(&self.family, sample.name);
            }
            self.lines.add(&self.family, sample);
            self.flush(BUFFER_BYTES)?;
        }
        Ok(())
    }

    /// How many samples were left out, because the format cannot say them.
    #[must_use]
    pub fn left_out(&self) -> u64 {
        self.left_out
    }

    /// Ends the body.
    ///
    /// # Errors
    /// The output does not take what was gathered.
    pub fn end(mut self) -> io::Result<()> {
        self.end_family()?;
        self.lines.end();
        self.flush(0)?;
        self.out.flush()
    }

    fn end_family(&mut self) -> io::Result<()> {
        if std::mem::take(&mut self.is_begun) {
            self.lines.end_family();
            self.metrics.end(self.lines.buffer());
        }
        self.flush(BUFFER_BYTES)
    }

    /// Hands over what was gathered if it is more than `above` bytes.
    fn flush(&mut self, above: usize) -> io::Result<()> {
        let buffer = self.lines.buffer();
        if buffer.len() > above {
            self.out.write_all(buffer)?;
            buffer.clear();
        }
        Ok(())
    }
}
