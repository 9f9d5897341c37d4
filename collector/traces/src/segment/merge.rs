//! Makes one segment of several.
//!
//! Parts of spans are moved as they lie. Only small ones are written anew, as one: traces that are
//! in more than one of them are decoded, and nothing else is. To write all anew made blocks that
//! are as full as they were.
//!
//! Memory: the fragments and numbers for each of them (about 70 bytes a trace), one block
//! of each index and of each part that is written anew, the columns of a few groups, a trace up to
//! [`TRACE_BYTES_MAX`] without its resources and scopes, of which 8 bytes each and 4 for each part
//! are held, and one for each input.

use super::columns::{CodesOf, Columns};
use super::ids::merge_ids;
use super::parts::{PartsWriter, SpansWritten, write_numbers};
use super::shells::JoinedShells;
use super::tokens::merge_tokens;
use super::write::{Label, create, meta, received, write_names};
use super::{Fragment, INDEX, SPANS, Segment, summary_key, value};
use crate::raw::collapse;
use crate::tail::NAMES_MAX;
use ahash::AHashMap;
use bytes::Bytes;
use sonde_proto::TraceId;
use sonde_segment::SegmentMeta;
use sonde_segment::blocks::{BlockError, Reader, Writer, Written};
use sonde_segment::work::Pace;
use std::borrow::Cow;
use std::cmp::Reverse;
use std::collections::{BTreeSet, BinaryHeap};
use std::io::Write;
use std::ops::Bound;
use std::path::Path;
use std::sync::Arc;
use std::time::Instant;

/// How many stored bytes of one trace are put together at a time. Of a trace with more, copies
/// of a span may stay, which reading collapses as it does those in several segments.
const TRACE_BYTES_MAX: usize = 32 << 20;

/// A merge asks whether it may go on each time it has written so many bytes.
const STEP_BYTES: u64 = 64 << 10;

/// At most so many parts of a segment are moved as they lie. Of a trace that a segment has, the
/// filter of each is looked at, and one in 256 says wrongly that it is there: with so many, a
/// block is unpacked in vain for every other trace that is read.
pub(super) const MOVED_MAX: u64 = 128;

/// Writes the directory of a segment from segments of one tenant, at least one. Parts of spans
/// with fewer than `part_bytes_min` bytes are written anew, and those so small beside all of them
/// that there would be more than [`MOVED_MAX`].
pub(crate) fn merge(
    path: &Path,
    id: u64,
    inputs: &[Arc<Segment>],
    part_bytes_min: u64,
    pace: &Pace,
) -> Result<SegmentMeta, BlockError> {
    let Some(first) = inputs.first() else {
        return Err(BlockError::Damaged("nothing to merge"));
    };
    create(path)?;
    let mut steps = Steps::new(pace);
    let shells = JoinedShells::of(inputs)?;
    let parts = Parts::of(inputs, part_bytes_min);
    let (spans, copies) = merge_spans(path, &parts, &shells, &mut steps)?;
    let records = inputs.iter().map(|s| s.meta.records).sum::<u64>();
    let (fragments, new_ordinals) = number_fragments(inputs)?;
    let numbered = Numbered {
        fragments: &fragments,
        new_ordinals: &new_ordinals,
        part_numbers: parts.numbers(&shells),
    };
    let index = merge_index(path, inputs, &numbered, &mut steps)?;
    let positions = |s: &Arc<Segment>| s.meta.positions;
    let label = Label {
        id,
        tenant: first.meta.tenant.clone(),
        positions: (
            inputs
                .iter()
                .map(|s| positions(s).0)
                .min()
                .unwrap_or_default(),
            inputs
                .iter()
                .map(|s| positions(s).1)
                .max()
                .unwrap_or_default(),
        ),
        received: (
            inputs
                .iter()
                .map(|s| received(&s.meta).0)
                .min()
                .unwrap_or_default(),
            inputs
                .iter()
                .map(|s| received(&s.meta).1)
                .max()
                .unwrap_or_default(),
        ),
    };
    let records = records.saturating_sub(copies);
    Ok(meta(label, fragments.iter(), records, spans, index))
}

/// The parts of all inputs, and which of them are moved as they lie; the others become one.
struct Parts<'a> {
    all: Vec<&'a Reader>,
    moved: Vec<usize>,
    anew: Vec<usize>,
}

impl<'a> Parts<'a> {
    fn of(inputs: &'a [Arc<Segment>], bytes_min: u64) -> Self {
        let all: Vec<&Reader> = inputs.iter().flat_map(|s| &s.parts).collect();
        let bytes: u64 = all.iter().map(|part| part.bytes()).sum();
        let bytes_min = bytes_min.max(bytes.div_ceil(MOVED_MAX));
        let is_small = |at: &usize| all[*at].bytes() < bytes_min;
        let (anew, moved): (Vec<usize>, Vec<usize>) = (0..all.len()).partition(is_small);
        match anew.len() {
            // A single one would become what it is.
            1 => Self {
                moved: (0..all.len()).collect(),
                anew: Vec::new(),
                all,
            },
            _ => Self { all, moved, anew },
        }
    }

    /// Of each new part what its spans name; nothing where there is but one, which names the
    /// numbers of the list.
    fn numbers<'s>(&self, shells: &'s JoinedShells) -> Vec<Cow<'s, [u32]>> {
        if self.moved.is_empty() {
            return Vec::new();
        }
        let moved = self.moved.iter().map(|at| shells.numbers(*at));
        let mut numbers: Vec<Cow<'s, [u32]>> = moved.map(Cow::Borrowed).collect();
        if !self.anew.is_empty() {
            numbers.push((0..).take(shells.len()).collect());
        }
        numbers
    }
}

/// Writes the spans; returns how many copies of others were left out.
fn merge_spans(
    path: &Path,
    parts: &Parts<'_>,
    shells: &JoinedShells,
    steps: &mut Steps<'_>,
) -> Result<(SpansWritten, u64), BlockError> {
    let mut out = PartsWriter::create(path)?;
    for at in &parts.moved {
        out.copy(parts.all[*at], |bytes| steps.wrote(SPANS, bytes))?;
    }
    let mut copies = 0;
    if !parts.anew.is_empty() {
        out.write(|writer, before| {
            copies = write_anew(writer, parts, shells, |bytes| {
                steps.wrote(SPANS, before + bytes)
            })?;
            Ok(())
        })?;
    }
    Ok((out.finish()?, copies))
}

/// Writes the spans of small parts as those of one.
fn write_anew<W: Write>(
    writer: &mut Writer<W>,
    parts: &Parts<'_>,
    shells: &JoinedShells,
    mut wrote: impl FnMut(u64) -> Result<(), BlockError>,
) -> Result<u64, BlockError> {
    let scans = parts.anew.iter().map(|at| parts.all[*at]);
    let scans: Vec<_> = scans.map(|part| part.scan(Bound::Unbounded)).collect();
    let (mut copies, mut room) = (0, Vec::new());
    each_key(scans, TRACE_BYTES_MAX, |key, values| {
        wrote(writer.bytes())?;
        if values.iter().all(|(scan, _)| *scan == values[0].0) {
            return values.iter().try_for_each(|(scan, value)| {
                value::renumber(value, parts.anew[*scan], shells, &mut room)?;
                writer.add(key, &room)
            });
        }
        let mut spans = Vec::new();
        values.iter().try_for_each(|(scan, value)| {
            value::read_for_merge(value, parts.anew[*scan], shells, &mut spans)
        })?;
        let before = spans.len();
        collapse(&mut spans);
        copies += (before - spans.len()) as u64;
        value::of_merge(&spans, &mut room, |value| writer.add(key, value))
    })?;
    Ok(copies)
}

/// All fragments in their new order, and for every input the new number of each old one.
fn number_fragments(inputs: &[Arc<Segment>]) -> Result<(Vec<Fragment>, Vec<Vec<u32>>), BlockError> {
    let mut by_trace: AHashMap<TraceId, usize> = AHashMap::new();
    let mut fragments: Vec<Fragment> = Vec::new();
    let mut places: Vec<Vec<usize>> = Vec::new();
    for input in inputs {
        let mut mine = Vec::new();
        for fragment in input.fragments() {
            let fragment = fragment?;
            let at = *by_trace.entry(fragment.trace_id).or_insert(fragments.len());
            match fragments.get_mut(at) {
                Some(known) => known.widen(&fragment),
                None => fragments.push(fragment),
            }
            mine.push(at);
        }
        places.push(mine);
    }
    let mut order: Vec<usize> = (0..fragments.len()).collect();
    order.sort_unstable_by_key(|at| fragments[*at].order());
    let mut number = vec![0; fragments.len()];
    for (ordinal, at) in (0_u32..).zip(&order) {
        number[*at] = ordinal;
    }
    let new_ordinals = places
        .into_iter()
        .map(|mine| mine.into_iter().map(|at| number[at]).collect())
        .collect();
    Ok((
        order.into_iter().map(|at| fragments[at]).collect(),
        new_ordinals,
    ))
}

/// What got new numbers.
struct Numbered<'a> {
    fragments: &'a [Fragment],
    /// Of each input.
    new_ordinals: &'a [Vec<u32>],
    part_numbers: Vec<Cow<'a, [u32]>>,
}

fn merge_index(
    path: &Path,
    inputs: &[Arc<Segment>],
    numbered: &Numbered<'_>,
    steps: &mut Steps<'_>,
) -> Result<Written, BlockError> {
    let mut writer = Writer::create(&path.join(INDEX))?;
    write_columns(&mut writer, inputs, numbered.new_ordinals)?;
    JoinedShells::write(&mut writer, inputs)?;
    let mut names = BTreeSet::new();
    for name in inputs.iter().flat_map(|s| s.names()) {
        let name = name?;
        if names.len() < NAMES_MAX {
            names.insert(name);
        }
    }
    write_names(
        &mut writer,
        names
            .iter()
            .map(|(service, operation)| (service.as_str(), operation.as_str())),
    )?;
    let part_numbers = numbered.part_numbers.iter();
    write_numbers(&mut writer, part_numbers.map(|numbers| &**numbers))?;
    if numbered.part_numbers.len() > 1 {
        let ids = numbered.fragments.iter().map(|f| f.trace_id);
        ids.for_each(|id| writer.also_filter(id.as_bytes()));
    }
    merge_ids(&mut writer, inputs)?;
    for (ordinal, fragment) in (0..).zip(numbered.fragments) {
        writer.add(&summary_key(ordinal), &fragment.encode())?;
    }
    merge_tokens(&mut writer, inputs, numbered.new_ordinals, |bytes| {
        steps.wrote(INDEX, bytes)
    })?;
    writer.finish()
}

/// Lists the codes of every fragment's spans. A copy of a span may be listed beside it.
fn write_columns(
    writer: &mut Writer,
    inputs: &[Arc<Segment>],
    new_ordinals: &[Vec<u32>],
) -> Result<(), BlockError> {
    let of_input = |(input, mine): (u32, &Vec<u32>)| -> Vec<(u32, u32, u32)> {
        let mine = (0..).zip(mine);
        mine.map(|(old, new)| (*new, input, old)).collect()
    };
    let mut parts: Vec<(u32, u32, u32)> = (0..).zip(new_ordinals).flat_map(of_input).collect();
    parts.sort_unstable();
    let mut readers: Vec<CodesOf<'_>> = inputs.iter().map(|s| CodesOf::new(s)).collect();
    let (mut columns, mut codes) = (Columns::default(), Vec::new());
    for parts in parts.chunk_by(|a, b| a.0 == b.0) {
        codes.clear();
        let mut are_listed = true;
        for (_, input, old) in parts {
            are_listed &= readers[*input as usize].take(*old, &mut codes)?;
        }
        columns.add(if are_listed { &codes } else { &[] }, writer)?;
    }
    columns.finish(writer)
}

/// How far a merge has come, and whether it may go on.
struct Steps<'a> {
    pace: &'a Pace,
    started: Instant,
    /// Bytes of the files before this one.
    before: u64,
    file: &'static str,
    written: u64,
    asked: u64,
}

impl<'a> Steps<'a> {
    fn new(pace: &'a Pace) -> Self {
        Self {
            pace,
            started: Instant::now(),
            before: 0,
            file: SPANS,
            written: 0,
            asked: 0,
        }
    }

    /// Waits as long as the pace asks, after so many bytes were written to a file.
    fn wrote(&mut self, file: &'static str, bytes: u64) -> Result<(), BlockError> {
        if self.file != file {
            (self.before, self.file) = (self.before + self.written, file);
        }
        self.written = bytes;
        let all = self.before + bytes;
        if all.saturating_sub(self.asked) < STEP_BYTES {
            return Ok(());
        }
        self.asked = all;
        match self.pace.may_go_on(all, self.started) {
            true => Ok(()),
            false => Err(BlockError::Io {
                operation: "go on merging",
                cause: std::io::Error::other("the store is closing"),
            }),
        }
    }
}

/// Visits every key of sorted inputs with all its values and which input each is from; once,
/// or every time that `bytes_max` bytes of values have come together.
pub(super) fn each_key<I>(
    mut inputs: Vec<I>,
    bytes_max: usize,
    mut visit: impl FnMut(&Bytes, &[(usize, Bytes)]) -> Result<(), BlockError>,
) -> Result<(), BlockError>
where
    I: Iterator<Item = Result<(Bytes, Bytes), BlockError>>,
{
    let mut heads = BinaryHeap::new();
    for (at, input) in inputs.iter_mut().enumerate() {
        if let Some((key, value)) = input.next().transpose()? {
            heads.push(Reverse((key, at, value)));
        }
    }
    let (mut values, mut bytes) = (Vec::new(), 0);
    while let Some(Reverse((key, at, value))) = heads.pop() {
        bytes += value.len();
        values.push((at, value));
        if let Some((next_key, next_value)) = inputs[at].next().transpose()? {
            heads.push(Reverse((next_key, at, next_value)));
        }
        let is_last = heads
            .peek()
            .is_none_or(|Reverse((next, _, _))| *next != key);
        if is_last || bytes >= bytes_max {
            visit(&key, &values)?;
            values.clear();
            bytes = 0;
        }
    }
    Ok(())
}
