//! Makes one segment of several, decoding nothing but traces that are in more than one.
//!
//! Memory: the fragments and numbers for each of them (about 70 bytes a trace), one block
//! a file and the columns of a few groups, a trace up to [`TRACE_BYTES_MAX`] without its resources
//! and scopes, of which 8 bytes each and 4 for each input are held, and one for each input.

use super::columns::{CodesOf, Columns};
use super::ids::merge_ids;
use super::ordinals::{decode_ordinals, encode_ordinals};
use super::shells::JoinedShells;
use super::write::{Label, create, meta, received, write_names};
use super::{Fragment, INDEX, SPANS, Segment, summary_key, value};
use crate::raw::collapse;
use crate::tail::NAMES_MAX;
use ahash::AHashMap;
use bytes::Bytes;
use sonde_proto::TraceId;
use sonde_segment::SegmentMeta;
use sonde_segment::blocks::{BlockError, Writer, Written};
use sonde_segment::work::Pace;
use std::cmp::Reverse;
use std::collections::{BTreeSet, BinaryHeap};
use std::ops::Bound;
use std::path::Path;
use std::sync::Arc;
use std::time::Instant;

/// How many stored bytes of one trace are put together at a time. Of a trace with more, copies
/// of a span may stay, which reading collapses as it does those in several segments.
const TRACE_BYTES_MAX: usize = 32 << 20;

/// A merge asks whether it may go on each time it has written so many bytes.
const STEP_BYTES: u64 = 64 << 10;

/// Writes the directory of a segment from segments of one tenant, at least one.
pub(crate) fn merge(
    path: &Path,
    id: u64,
    inputs: &[Arc<Segment>],
    pace: &Pace,
) -> Result<SegmentMeta, BlockError> {
    let Some(first) = inputs.first() else {
        return Err(BlockError::Damaged("nothing to merge"));
    };
    create(path)?;
    let mut steps = Steps::new(pace);
    let shells = JoinedShells::of(inputs)?;
    let (spans, records) = merge_spans(path, inputs, &shells, &mut steps)?;
    let (fragments, new_ordinals) = number_fragments(inputs)?;
    let index = merge_index(path, inputs, &fragments, &new_ordinals, &mut steps)?;
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
    Ok(meta(label, fragments.iter(), records, spans, index))
}

fn merge_spans(
    path: &Path,
    inputs: &[Arc<Segment>],
    shells: &JoinedShells,
    steps: &mut Steps<'_>,
) -> Result<(Written, u64), BlockError> {
    let mut writer = Writer::create(&path.join(SPANS))?;
    let (mut records, mut copies) = (inputs.iter().map(|s| s.meta.records).sum::<u64>(), 0);
    let scans: Vec<_> = inputs
        .iter()
        .map(|s| s.spans.scan(Bound::Unbounded))
        .collect();
    let mut renumbered = Vec::new();
    each_key(scans, TRACE_BYTES_MAX, |key, values| {
        steps.wrote(SPANS, writer.bytes())?;
        if values.iter().all(|(input, _)| *input == values[0].0) {
            return values.iter().try_for_each(|(input, value)| {
                value::renumber(value, *input, shells, &mut renumbered)?;
                writer.add(key, &renumbered)
            });
        }
        let mut spans = Vec::new();
        values.iter().try_for_each(|(input, value)| {
            value::read_for_merge(value, *input, shells, &mut spans)
        })?;
        let before = spans.len();
        collapse(&mut spans);
        copies += (before - spans.len()) as u64;
        value::of_merge(spans)
            .iter()
            .try_for_each(|value| writer.add(key, value))
    })?;
    records -= copies.min(records);
    Ok((writer.finish()?, records))
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

fn merge_index(
    path: &Path,
    inputs: &[Arc<Segment>],
    fragments: &[Fragment],
    new_ordinals: &[Vec<u32>],
    steps: &mut Steps<'_>,
) -> Result<Written, BlockError> {
    let mut writer = Writer::create(&path.join(INDEX))?;
    write_columns(&mut writer, inputs, new_ordinals)?;
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
    merge_ids(&mut writer, inputs)?;
    for (ordinal, fragment) in (0..).zip(fragments) {
        writer.add(&summary_key(ordinal), &fragment.encode())?;
    }
    let (mut ordinals, mut list) = (Vec::new(), Vec::new());
    each_key(
        inputs.iter().map(|s| s.tokens()).collect(),
        usize::MAX,
        |key, values| {
            steps.wrote(INDEX, writer.bytes())?;
            ordinals.clear();
            for (input, value) in values {
                for old in decode_ordinals(value)? {
                    let new = new_ordinals[*input].get(old as usize);
                    ordinals.push(*new.ok_or(BlockError::Damaged(
                        "a token's list names a trace that is not there",
                    ))?);
                }
            }
            ordinals.sort_unstable();
            ordinals.dedup();
            list.clear();
            encode_ordinals(ordinals.iter().copied(), &mut list);
            writer.add(key, &list)
        },
    )?;
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
