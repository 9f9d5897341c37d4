//! Histograms, classic and native.
//!
//! ```text
//! histogram   1 count · 4 count as double · 2 sum · 3 bucket* · 15 created · 16 exemplar*
//!             5 schema · 6 zero threshold · 7 zero count · 8 zero count as double
//!             9 span* · 10 delta* · 11 count*      below zero
//!             12 span* · 13 delta* · 14 count*     above zero
//! bucket      1 cumulative count · 4 the same as double · 2 upper bound · 3 exemplar
//! span        1 offset (zigzag) · 2 length
//! ```
//!
//! A histogram is native if it has a span, a bucket count or a zero bucket; a client that
//! has observed nothing yet sends one span of no length to say so. Numbers that come again
//! may be packed or not.

use super::super::wire::{Field, Wire, zigzag};
use super::{Head, Reader, Shared, exemplar, millis};
use crate::bounds::Bounds;
use crate::error::{Halt, Malformed};
use crate::family::Kind;
use crate::number;
use sonde_proto::{BucketSpan, Buckets, Histogram, ResetHint, SampleValue};
use std::sync::Arc;

/// One side of a native histogram as it is written; kept to be filled again.
#[derive(Default)]
struct Side {
    spans: Vec<BucketSpan>,
    deltas: Vec<i64>,
    counts: Vec<f64>,
    /// Whether there is any span, even one of no length.
    has_span: bool,
}

#[derive(Default)]
pub(super) struct Scratch<'a> {
    negative: Side,
    positive: Side,
    exemplars: Vec<Wire<'a>>,
}

/// The numbers of a histogram.
#[derive(Default)]
struct Numbers {
    count: u64,
    count_float: f64,
    sum: f64,
    schema: i32,
    zero_threshold: f64,
    zero_count: u64,
    zero_count_float: f64,
    buckets: usize,
}

impl Numbers {
    /// Doubles override integers if they are above zero.
    fn count(&self) -> f64 {
        over(self.count_float, self.count)
    }

    fn zero_count(&self) -> f64 {
        over(self.zero_count_float, self.zero_count)
    }
}

fn over(float: f64, whole: u64) -> f64 {
    if float > 0.0 { float } else { whole as f64 }
}

impl<'a> Reader<'a, '_> {
    pub(super) fn histogram(
        &mut self,
        wire: Wire<'a>,
        head: &Head<'a>,
        mut shared: Shared,
    ) -> Result<(), Halt> {
        let mut numbers = Numbers::default();
        self.scratch.clear();
        let mut rest = wire;
        while let Some((number, field)) = rest.field()? {
            match number {
                1 => numbers.count = field.varint(&rest)?,
                2 => numbers.sum = field.double(&rest)?,
                3 => numbers.buckets += 1,
                4 => numbers.count_float = field.double(&rest)?,
                5 => numbers.schema = zigzag32(field.varint(&rest)?, &rest)?,
                6 => numbers.zero_threshold = field.double(&rest)?,
                7 => numbers.zero_count = field.varint(&rest)?,
                8 => numbers.zero_count_float = field.double(&rest)?,
                9..=11 => {
                    let negative = &mut self.scratch.negative;
                    negative.read(number - 9, field, &rest, self.options.bounds)?;
                }
                12..=14 => {
                    let positive = &mut self.scratch.positive;
                    positive.read(number - 12, field, &rest, self.options.bounds)?;
                }
                15 => shared.start = Some(millis(field.bytes(&rest)?)?),
                16 if self.scratch.exemplars.len() < self.options.bounds.exemplars => {
                    self.scratch.exemplars.push(field.bytes(&rest)?);
                }
                _ => {}
            }
        }
        let is_native = self.scratch.is_native(&numbers);
        let is_taken = is_native && self.native(wire, &numbers, head, shared)?;
        let beside = self.options.classic_beside_native || !is_taken;
        if !is_native || (beside && numbers.buckets > 0) {
            self.classic(wire, &numbers, head, shared)?;
        }
        Ok(())
    }

    /// Gives it, and says whether it was of use.
    fn native(
        &mut self,
        wire: Wire<'a>,
        numbers: &Numbers,
        head: &Head<'a>,
        shared: Shared,
    ) -> Result<bool, Halt> {
        let is_gauge = head.family.kind == Kind::GaugeHistogram;
        let histogram = Histogram {
            schema: i8::try_from(numbers.schema).unwrap_or(i8::MAX),
            hint: if is_gauge {
                ResetHint::Gauge
            } else {
                ResetHint::Unknown
            },
            zero_threshold: numbers.zero_threshold,
            zero_count: numbers.zero_count(),
            count: numbers.count(),
            sum: number::plain(numbers.sum),
            positive: self.scratch.positive.buckets(&wire)?,
            negative: self.scratch.negative.buckets(&wire)?,
            bounds: Arc::default(),
        };
        histogram
            .check(self.options.bounds.buckets)
            .map_err(|wrong| wire.error(format!("the histogram makes no sense: {wrong}")))?;
        let exemplars = self.native_exemplars(wire)?;
        let is_taken = self.out.sink.takes(&histogram);
        let value = SampleValue::Histogram(Arc::new(histogram));
        self.give(&head.family.name, value, shared, exemplars)?;
        Ok(is_taken)
    }

    /// Its own exemplars, else those of its classic buckets; only those with a time, because
    /// no order tells which of them are new.
    fn native_exemplars(&mut self, wire: Wire<'a>) -> Result<usize, Malformed> {
        let mut kept = 0;
        let own = std::mem::take(&mut self.scratch.exemplars);
        for &wire in &own {
            kept += self.timed_exemplar(wire, kept)?;
        }
        let had_own = !own.is_empty();
        self.scratch.exemplars = own;
        if had_own {
            return Ok(kept);
        }
        let mut rest = wire;
        while let Some((number, field)) = rest.field()? {
            if number == 3 {
                let bucket = Bucket::read(field.bytes(&rest)?)?;
                if let Some(wire) = bucket.exemplar {
                    kept += self.timed_exemplar(wire, kept)?;
                }
            }
        }
        Ok(kept)
    }

    fn timed_exemplar(&mut self, wire: Wire<'a>, at: usize) -> Result<usize, Malformed> {
        if at == self.options.bounds.exemplars {
            return Ok(0);
        }
        exemplar::read(wire, self.options.bounds, &mut self.exemplars, at)?;
        let is_timed = self
            .exemplars
            .get(at)
            .is_some_and(|exemplar| exemplar.time.is_some());
        Ok(usize::from(is_timed))
    }

    fn classic(
        &mut self,
        wire: Wire<'a>,
        numbers: &Numbers,
        head: &Head<'a>,
        shared: Shared,
    ) -> Result<(), Halt> {
        let count = numbers.count();
        self.float(&head.count, count, shared)?;
        self.float(&head.sum, numbers.sum, shared)?;
        let mut ends = false;
        let mut rest = wire;
        while let Some((number, field)) = rest.field()? {
            if number != 3 {
                continue;
            }
            let bucket = Bucket::read(field.bytes(&rest)?)?;
            ends |= bucket.bound == f64::INFINITY;
            if let Some(wire) = bucket.exemplar {
                exemplar::read(wire, self.options.bounds, &mut self.exemplars, 0)?;
            }
            let exemplars = usize::from(bucket.exemplar.is_some());
            self.bounded(
                &head.bucket,
                "le",
                bucket.bound,
                bucket.count,
                shared,
                exemplars,
                &rest,
            )?;
        }
        if !ends {
            self.bounded(&head.bucket, "le", f64::INFINITY, count, shared, 0, &rest)?;
        }
        Ok(())
    }
}

struct Bucket<'a> {
    count: f64,
    bound: f64,
    exemplar: Option<Wire<'a>>,
}

impl<'a> Bucket<'a> {
    fn read(mut wire: Wire<'a>) -> Result<Self, Malformed> {
        let (mut count, mut count_float, mut bound, mut exemplar) = (0, 0.0, 0.0, None);
        while let Some((number, field)) = wire.field()? {
            match number {
                1 => count = field.varint(&wire)?,
                2 => bound = field.double(&wire)?,
                3 => exemplar = Some(field.bytes(&wire)?),
                4 => count_float = field.double(&wire)?,
                _ => {}
            }
        }
        Ok(Self {
            count: over(count_float, count),
            bound,
            exemplar,
        })
    }
}

impl Scratch<'_> {
    fn clear(&mut self) {
        for side in [&mut self.negative, &mut self.positive] {
            side.spans.clear();
            side.deltas.clear();
            side.counts.clear();
            side.has_span = false;
        }
        self.exemplars.clear();
    }

    fn is_native(&self, numbers: &Numbers) -> bool {
        let has = |side: &Side| side.has_span || !side.deltas.is_empty() || !side.counts.is_empty();
        has(&self.negative)
            || has(&self.positive)
            || numbers.zero_threshold > 0.0
            || numbers.zero_count() > 0.0
    }
}

impl Side {
    /// Reads field 0 (span), 1 (deltas) or 2 (counts).
    fn read(
        &mut self,
        number: u32,
        field: Field<'_>,
        at: &Wire<'_>,
        bounds: Bounds,
    ) -> Result<(), Malformed> {
        match (number, field) {
            (0, Field::Bytes(wire)) => {
                self.has_span = true;
                self.span(wire)?;
            }
            (1, Field::Varint(delta)) => self.deltas.push(zigzag(delta)),
            (1, Field::Bytes(mut packed)) => {
                while !packed.is_empty() && self.deltas.len() <= bounds.buckets {
                    self.deltas.push(zigzag(packed.varint()?));
                }
            }
            (2, Field::Fixed64(bits)) => self.counts.push(f64::from_bits(bits)),
            (2, Field::Bytes(mut packed)) => {
                while !packed.is_empty() && self.counts.len() <= bounds.buckets {
                    self.counts.push(f64::from_bits(packed.fixed64()?));
                }
            }
            _ => return Err(at.error("a bucket field has a type that it cannot have")),
        }
        let most = self
            .spans
            .len()
            .max(self.deltas.len())
            .max(self.counts.len());
        if most > bounds.buckets {
            let message = format!("the histogram has more than {} buckets", bounds.buckets);
            return Err(at.error(message));
        }
        Ok(())
    }

    /// Adds a span. One of no length only moves the next one.
    fn span(&mut self, mut wire: Wire<'_>) -> Result<(), Malformed> {
        let at = wire;
        let (mut offset, mut length) = (0, 0_u32);
        while let Some((number, field)) = wire.field()? {
            match number {
                1 => offset = zigzag32(field.varint(&wire)?, &wire)?,
                2 => {
                    let given = field.varint(&wire)?;
                    let read = u32::try_from(given);
                    length = read.map_err(|_| wire.error("a span is longer than 32 bits tell"))?;
                }
                _ => {}
            }
        }
        if let Some(last) = self.spans.last_mut().filter(|last| last.length == 0) {
            let moved = last.offset.checked_add(offset);
            last.offset = moved.ok_or_else(|| at.error("a span lies outside of all buckets"))?;
            last.length = length;
        } else {
            self.spans.push(BucketSpan { offset, length });
        }
        Ok(())
    }

    fn buckets(&mut self, at: &Wire<'_>) -> Result<Buckets, Malformed> {
        if self.spans.last().is_some_and(|last| last.length == 0) {
            self.spans.pop();
        }
        let counts = if self.counts.is_empty() {
            let mut total = 0_i64;
            let mut absolute = Vec::with_capacity(self.deltas.len());
            for &delta in &self.deltas {
                let next = total.checked_add(delta);
                total = next.ok_or_else(|| at.error("the deltas of the buckets overflow"))?;
                absolute.push(total as f64);
            }
            absolute
        } else {
            self.counts.clone()
        };
        Ok(Buckets {
            spans: self.spans.clone(),
            counts,
        })
    }
}

fn zigzag32(value: u64, at: &Wire<'_>) -> Result<i32, Malformed> {
    // The upper half of a number of 32 bits is not read, as protobuf says.
    i32::try_from(zigzag(value & 0xffff_ffff))
        .map_err(|_| at.error("the number has 32 bits at most"))
}
