//! One block, being filled.
//!
//! ```text
//! times       scale u8 │ first u64 │ numbers: differences, in 1000^scale nanoseconds
//! order       numbers: differences of the journal's positions │ numbers: differences of the
//!             places in an entry
//! details     numbers: severities │ 0, or 1 │ numbers: first seen, less the time
//! lengths     numbers: bytes of each body
//! traces      IDs of 16 bytes (`ids`)
//! spans       IDs of 8 bytes
//! attributes  length varint, zstd (`attributes`)
//! bodies      see `bodies`
//! ```

use super::attributes::AttributesBuilder;
use super::bodies::BodyWriter;
use super::directory::{ANY_IDENTIFIER, ANY_WORD, BY_PAGE, Extent, Head, Run, SECTIONS};
use super::ids::IdsBuilder;
use super::numbers::put;
use super::packing::Packer;
use super::terms::BlockTerms;
use crate::record::{Key, Packed};
use sonde_proto::UnixNanos;

/// A block is full with so many bytes of bodies …
const BODY_BYTES_MAX: usize = 256 << 10;
/// … or of attributes …
const ATTRIBUTE_BYTES_MAX: usize = 1 << 20;
/// … or with so many records.
const RECORDS_MAX: usize = 16 << 10;

/// The scales of times, the largest first.
const SCALES: [(u8, u64); 3] = [(3, 1_000_000_000), (2, 1_000_000), (1, 1000)];

/// The records of a block.
#[derive(Default)]
pub(super) struct BlockBuilder {
    runs: Vec<Run>,
    times: Vec<u64>,
    positions: Vec<u64>,
    indexes: Vec<i64>,
    severities: Vec<i64>,
    observed: Vec<u64>,
    bodies: Vec<u8>,
    ends: Vec<usize>,
    traces: IdsBuilder<16>,
    spans: IdsBuilder<8>,
    attributes: AttributesBuilder,
    scratch: Vec<u8>,
}

impl BlockBuilder {
    /// Adds a record of a stream; streams come in the order of their ordinals.
    pub(super) fn add(&mut self, key: Key, stream: u32, record: &Packed<'_>) {
        if self.runs.last().is_none_or(|run| run.stream != stream) {
            self.runs.push(Run {
                stream,
                ..Run::default()
            });
        }
        if let Some(run) = self.runs.last_mut() {
            run.records += 1;
            run.body_bytes += record.body.len() as u64;
        }
        self.times.push(key.time.0);
        self.positions.push(key.position.0);
        self.indexes.push(i64::from(key.index));
        self.severities.push(i64::from(record.severity));
        self.observed.push(record.observed.0);
        self.bodies.extend_from_slice(record.body);
        self.ends.push(self.bodies.len());
        self.traces.push(record.trace_id.map(|id| *id.as_bytes()));
        self.spans.push(record.span_id.map(|id| *id.as_bytes()));
        self.attributes.push(record.attributes());
    }

    pub(super) fn is_empty(&self) -> bool {
        self.times.is_empty()
    }

    /// Whether it should be finished before more is added.
    pub(super) fn is_full(&self) -> bool {
        self.bodies.len() >= BODY_BYTES_MAX
            || self.attributes.bytes() >= ATTRIBUTE_BYTES_MAX
            || self.times.len() >= RECORDS_MAX
    }

    /// Writes the sections into `out` and what they are found by into `terms`, and begins
    /// the next block. Nothing where a section is too long to be addressed.
    pub(super) fn finish(
        &mut self,
        offset: u64,
        packer: &mut Packer,
        bodies: &mut BodyWriter,
        terms: &mut BlockTerms,
        out: &mut Vec<u8>,
    ) -> Option<(Head, Vec<Run>)> {
        terms.begin(self.bodies.len() + self.attributes.bytes());
        let of_run = |run: &Run| std::iter::repeat_n(run.stream, run.records as usize);
        let streams = self.runs.iter().flat_map(of_run);
        bodies.take(&self.bodies, &self.ends, streams, terms);
        let mut ends = [0; SECTIONS];
        out.clear();
        put_times(&self.times, out);
        ends[0] = out.len();
        put_differences(&self.positions, out);
        let mut before = 0;
        for index in &mut self.indexes {
            (before, *index) = (*index, *index - before);
        }
        put(&self.indexes, out);
        ends[1] = out.len();
        put(&self.severities, out);
        put_observed(&self.observed, &self.times, out);
        ends[2] = out.len();
        let mut before = 0;
        let lengths = self.ends.iter().map(|end| {
            let length = end - before;
            before = *end;
            length as i64
        });
        put(&lengths.collect::<Vec<_>>(), out);
        ends[3] = out.len();
        let summary = {
            self.scratch.clear();
            terms.end_bodies();
            self.attributes.finish(&mut self.scratch, terms);
            terms.end(self.traces.distinct())
        };
        self.traces.finish(out);
        ends[4] = out.len();
        self.spans.finish(out);
        ends[5] = out.len();
        packer.pack_sized(&self.scratch, out);
        ends[6] = out.len();
        bodies.put(&self.bodies, &self.ends, packer, out);
        ends[7] = out.len();
        let flag = |on: bool, flag: u32| if on { flag } else { 0 };
        let extremes = |values: &[u64]| {
            let lowest = values.iter().min().copied().unwrap_or(0);
            (lowest, values.iter().max().copied().unwrap_or(0))
        };
        let (first, last) = extremes(&self.times);
        let head = Head {
            offset,
            first: UnixNanos(first),
            last: UnixNanos(last),
            positions: extremes(&self.positions),
            body_bytes: self.bodies.len() as u64,
            records: u32::try_from(self.times.len()).ok()?,
            flags: flag(summary.any_identifier, ANY_IDENTIFIER)
                | flag(summary.any_word, ANY_WORD)
                | flag(summary.by_page, BY_PAGE),
            reach: summary.reach,
            sections: extents(out, &ends)?,
            ..Head::default()
        };
        self.clear();
        Some((head, std::mem::take(&mut self.runs)))
    }

    fn clear(&mut self) {
        self.times.clear();
        self.positions.clear();
        self.indexes.clear();
        self.severities.clear();
        self.observed.clear();
        self.bodies.clear();
        self.ends.clear();
        // One record of many megabytes should not hold its room for ever.
        self.bodies.shrink_to(4 * BODY_BYTES_MAX);
        self.scratch.shrink_to(4 * ATTRIBUTE_BYTES_MAX);
    }
}

fn extents(bytes: &[u8], ends: &[usize; SECTIONS]) -> Option<[Extent; SECTIONS]> {
    let (mut extents, mut from) = ([Extent::default(); SECTIONS], 0);
    for (extent, end) in extents.iter_mut().zip(ends) {
        extent.length = u32::try_from(end - from).ok()?;
        extent.checksum = crc32c::crc32c(&bytes[from..*end]);
        from = *end;
    }
    Some(extents)
}

/// Clocks often count micro- or milliseconds: the zeros at the end of such times are left out.
fn put_times(times: &[u64], out: &mut Vec<u8>) {
    let divides = |scale: u64| times.iter().all(|t| t.is_multiple_of(scale));
    let scale = SCALES.into_iter().find(|(_, scale)| divides(*scale));
    let (code, scale) = scale.unwrap_or((0, 1));
    out.push(code);
    let scaled: Vec<u64> = times.iter().map(|t| t / scale).collect();
    out.extend_from_slice(&scaled.first().copied().unwrap_or(0).to_le_bytes());
    let steps = scaled
        .windows(2)
        .map(|w| w[1].wrapping_sub(w[0]).cast_signed());
    put(&steps.collect::<Vec<_>>(), out);
}

/// The differences from one to the next, the first from 0.
fn put_differences(values: &[u64], out: &mut Vec<u8>) {
    out.extend_from_slice(&values.first().copied().unwrap_or(0).to_le_bytes());
    let steps = values
        .windows(2)
        .map(|w| w[1].wrapping_sub(w[0]).cast_signed());
    put(&steps.collect::<Vec<_>>(), out);
}

fn put_observed(observed: &[u64], times: &[u64], out: &mut Vec<u8>) {
    if observed.iter().all(|o| *o == 0) {
        return out.push(0);
    }
    out.push(1);
    let later = observed.iter().zip(times);
    let later = later.map(|(o, t)| o.wrapping_sub(*t).cast_signed());
    put(&later.collect::<Vec<_>>(), out);
}
