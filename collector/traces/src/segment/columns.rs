//! Columns of span codes, so that a search reads of most spans three or four bytes.
//!
//! ```text
//! index.blk   key  'c' group u32 big endian, column u8      value  one column of a group
//! group       the spans of 1,024 fragments, by ordinal
//! column 0    how many spans of each fragment are listed, varint; 0: none, it may have any
//!        1    durations as codes u16    2  flags u8    3  services u32    4  names u32
//! ```
//!
//! Numbers of fixed width are little endian. Copies of a span may be listed; a fragment with too
//! many spans is not listed at all.

use super::{Fragments, Segment};
use crate::codes::{self, CodeNeeds, SpanCode};
use crate::raw::Shell;
use sonde_proto::Deadline;
use sonde_segment::blocks::{BlockError, Writer, put_varint, take_varint};
use std::ops::Range;
use std::sync::Arc;

pub(super) const COLUMN: u8 = b'c';
/// So many fragments share columns.
pub(super) const GROUP: u32 = 1024;
/// So many spans of one fragment are listed.
const FRAGMENT_SPANS_MAX: usize = 16 << 10;
/// So many spans of one group are listed.
const GROUP_SPANS_MAX: usize = 256 << 10;

const COUNTS: u8 = 0;
const NANOS: u8 = 1;
const FLAGS: u8 = 2;
const SERVICES: u8 = 3;
const NAMES: u8 = 4;

/// Writes the columns of fragments, by ordinal.
#[derive(Default)]
pub(super) struct Columns {
    group: u32,
    fragments: u32,
    counts: Vec<u8>,
    codes: Vec<SpanCode>,
    value: Vec<u8>,
}

/// Columns of one group; those that were not asked for are empty.
#[derive(Debug)]
pub(super) struct Group {
    /// Where the spans of each fragment lie.
    ends: Vec<u32>,
    nanos: Vec<u16>,
    flags: Vec<u8>,
    services: Vec<u32>,
    names: Vec<u32>,
}

impl Columns {
    /// Adds the next fragment, whose spans are listed unless they are too many.
    pub(super) fn add(&mut self, codes: &[SpanCode], out: &mut Writer) -> Result<(), BlockError> {
        let fits =
            codes.len() <= FRAGMENT_SPANS_MAX && self.codes.len() + codes.len() <= GROUP_SPANS_MAX;
        let listed = if fits { codes } else { &[] };
        put_varint(&mut self.counts, listed.len() as u64);
        self.codes.extend_from_slice(listed);
        self.fragments += 1;
        if self.fragments == GROUP {
            self.end_group(out)?;
        }
        Ok(())
    }

    /// Writes the last group.
    pub(super) fn finish(mut self, out: &mut Writer) -> Result<(), BlockError> {
        match self.fragments {
            0 => Ok(()),
            _ => self.end_group(out),
        }
    }

    fn end_group(&mut self, out: &mut Writer) -> Result<(), BlockError> {
        let group = self.group;
        out.add(&column_key(group, COUNTS), &self.counts)?;
        let codes = std::mem::take(&mut self.codes);
        let mut put = |column, fill: &dyn Fn(&SpanCode, &mut Vec<u8>)| {
            self.value.clear();
            codes.iter().for_each(|code| fill(code, &mut self.value));
            out.add(&column_key(group, column), &self.value)
        };
        put(NANOS, &|code, out| out.extend(code.nanos.to_le_bytes()))?;
        put(FLAGS, &|code, out| out.push(code.flags))?;
        put(SERVICES, &|code, out| {
            out.extend(code.service.to_le_bytes());
        })?;
        put(NAMES, &|code, out| out.extend(code.name.to_le_bytes()))?;
        *self = Self {
            group: group + 1,
            value: std::mem::take(&mut self.value),
            ..Self::default()
        };
        Ok(())
    }
}

impl Segment {
    /// What a group has of the columns that `needs` asks for; `None` where a segment was
    /// written without any.
    pub(super) fn group(&self, group: u32, needs: &CodeNeeds) -> Result<Option<Group>, BlockError> {
        let all = CodeNeeds::default();
        self.columns(
            group,
            [
                needs.nanos != all.nanos,
                needs.flags != all.flags,
                needs.service.is_some(),
                needs.name.is_some(),
            ],
        )
    }

    /// Visits the service and the flags of every span; false where the time was over. Those of a
    /// fragment that is not listed are read.
    pub(crate) fn each_service(
        &self,
        deadline: &Deadline,
        mut visit: impl FnMut(u32, u8),
    ) -> Result<bool, BlockError> {
        let mut fragments = Fragments::new(self);
        let mut last: Option<(Arc<Shell>, u32)> = None;
        for number in 0..self.fragments.div_ceil(GROUP) {
            let group = self.columns(number, [false, true, true, false])?;
            if let Some(group) = &group {
                let spans = group.services.iter().zip(&group.flags);
                spans.for_each(|(service, flags)| visit(*service, *flags));
            }
            let first = number * GROUP;
            for place in 0..GROUP.min(self.fragments - first) {
                if group.as_ref().is_some_and(|group| group.is_listed(place)) {
                    continue;
                }
                if let Some(fragment) = fragments.get(first + place)? {
                    self.each_span_of(&fragment.trace_id, |span| {
                        let resource = &span.context.resource;
                        let known = last
                            .as_ref()
                            .filter(|(shell, _)| Arc::ptr_eq(shell, resource));
                        let service =
                            known.map_or_else(|| codes::of_resource(resource), |last| last.1);
                        last = Some((Arc::clone(resource), service));
                        visit(service, codes::of_span(&span.bytes));
                        !deadline.has_passed()
                    })?;
                }
                if deadline.has_passed() {
                    return Ok(false);
                }
            }
            if deadline.has_passed() {
                return Ok(false);
            }
        }
        Ok(true)
    }

    fn columns(&self, group: u32, wanted: [bool; 4]) -> Result<Option<Group>, BlockError> {
        let damaged = BlockError::Damaged("a column of spans cannot be read");
        let Some(counts) = self.index.get(&column_key(group, COUNTS))? else {
            return Ok(None);
        };
        let Some(ends) = decode_counts(&counts) else {
            return Err(damaged);
        };
        let spans = ends.last().map_or(0, |end| *end as usize);
        let [nanos, flags, services, names] = wanted;
        let read = |is_wanted: bool, column, width: usize| {
            if !is_wanted {
                return Ok(bytes::Bytes::new());
            }
            let column = self.index.get(&column_key(group, column))?;
            column
                .filter(|bytes| bytes.len() == spans * width)
                .ok_or(BlockError::Damaged("a column of spans cannot be read"))
        };
        let u32s = |bytes: &[u8]| -> Vec<u32> {
            let (words, _) = bytes.as_chunks::<4>();
            words.iter().map(|word| u32::from_le_bytes(*word)).collect()
        };
        Ok(Some(Group {
            ends,
            nanos: {
                let bytes = read(nanos, NANOS, 2)?;
                let (words, _) = bytes.as_chunks::<2>();
                words.iter().map(|word| u16::from_le_bytes(*word)).collect()
            },
            flags: read(flags, FLAGS, 1)?.to_vec(),
            services: u32s(&read(services, SERVICES, 4)?),
            names: u32s(&read(names, NAMES, 4)?),
        }))
    }
}

impl Group {
    fn is_listed(&self, place: u32) -> bool {
        !self.spans(place).is_empty()
    }

    /// Whether a fragment, by its place in the group, may have a span of such a code.
    pub(super) fn may_have(&self, place: u32, needs: &CodeNeeds) -> bool {
        let spans = self.spans(place);
        // One that is not listed may have any.
        spans.is_empty()
            || spans
                .into_iter()
                .any(|at| needs.may_be(&self.code(at, needs)))
    }

    fn spans(&self, place: u32) -> Range<usize> {
        let end = |place: usize| self.ends.get(place).map_or(0, |end| *end as usize);
        let place = place as usize;
        let start = place.checked_sub(1).map_or(0, end);
        start..end(place).max(start)
    }

    /// The code of a span; in columns that were not read it is what is asked for.
    fn code(&self, at: usize, needs: &CodeNeeds) -> SpanCode {
        SpanCode {
            service: self
                .services
                .get(at)
                .copied()
                .or(needs.service)
                .unwrap_or(0),
            name: self.names.get(at).copied().or(needs.name).unwrap_or(0),
            nanos: self.nanos.get(at).copied().unwrap_or(needs.nanos.0),
            flags: self.flags.get(at).copied().unwrap_or(needs.flags.1),
        }
    }
}

/// So many groups of one segment are kept while fragments are taken out of it.
const CACHED: usize = 8;

/// Takes the codes of fragments out of a segment, mostly by ordinal.
pub(super) struct CodesOf<'a> {
    segment: &'a Segment,
    /// Those used last are behind.
    groups: Vec<(u32, Option<Arc<Group>>)>,
}

impl<'a> CodesOf<'a> {
    pub(super) fn new(segment: &'a Segment) -> Self {
        Self {
            segment,
            groups: Vec::new(),
        }
    }

    /// Adds the codes of a fragment; false where they are not listed.
    pub(super) fn take(
        &mut self,
        ordinal: u32,
        out: &mut Vec<SpanCode>,
    ) -> Result<bool, BlockError> {
        let Some(group) = self.group(ordinal / GROUP)? else {
            return Ok(false);
        };
        let spans = group.spans(ordinal % GROUP);
        let is_listed = !spans.is_empty();
        out.extend(spans.map(|at| group.code(at, &CodeNeeds::default())));
        Ok(is_listed)
    }

    fn group(&mut self, number: u32) -> Result<Option<Arc<Group>>, BlockError> {
        let known = self.groups.iter().position(|(known, _)| *known == number);
        let group = match known {
            Some(at) => self.groups.remove(at).1,
            None => self.segment.columns(number, [true; 4])?.map(Arc::new),
        };
        if self.groups.len() >= CACHED {
            self.groups.remove(0);
        }
        self.groups.push((number, group.clone()));
        Ok(group)
    }
}

fn column_key(group: u32, column: u8) -> [u8; 6] {
    let [a, b, c, d] = group.to_be_bytes();
    [COLUMN, a, b, c, d, column]
}

/// Where the spans of each fragment end.
fn decode_counts(mut bytes: &[u8]) -> Option<Vec<u32>> {
    let (mut ends, mut end) = (Vec::with_capacity(bytes.len()), 0_u32);
    while !bytes.is_empty() {
        end = end.checked_add(u32::try_from(take_varint(&mut bytes)?).ok()?)?;
        ends.push(end);
    }
    Some(ends)
}
