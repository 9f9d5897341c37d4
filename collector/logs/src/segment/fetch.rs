//! Gets whole records out of a block, packed as the tail keeps them.

use super::attributes::Attributes;
use super::bodies::Needles;
use super::directory::Section;
use super::numbers::take;
use super::packing::Unpacker;
use super::reader::{Block, Segment};
use super::{Damage, guarded};
use crate::record::{Key, NewRecord, pack};
use sonde_logql::Scratch as Pipes;
use sonde_patterns::RowSet;
use sonde_proto::{Deadline, SpanId, TraceId, UnixNanos};

/// What reading a block needs room for; used again for the next.
pub(crate) struct Scratch {
    pub(super) unpacker: Unpacker,
    pub(super) numbers: Vec<i64>,
    pub(super) times: Vec<UnixNanos>,
    /// The rows that lines are asked for of, and their times, stream by stream.
    pub(super) matching: RowSet,
    pub(super) matching_times: Vec<UnixNanos>,
    pub(super) ends: Vec<usize>,
    pub(super) bodies: Vec<u8>,
    pub(super) attributes: Vec<u8>,
    pub(super) needles: Needles,
    /// What a pipeline needs; of one query only.
    pub(super) pipes: Pipes,
    /// Room for some of the bodies.
    pub(super) page: Vec<u8>,
    pub(super) lines: Vec<u8>,
    packed: Vec<u8>,
}

impl Scratch {
    /// Looks for nothing in bodies.
    pub(crate) fn new() -> Result<Self, Damage> {
        Self::until(&Deadline::never(), 0)
    }

    /// Pipelines drop what is read after the deadline. Needles may take so many bytes.
    pub(crate) fn until(deadline: &Deadline, needle_bytes_max: usize) -> Result<Self, Damage> {
        Ok(Self {
            unpacker: Unpacker::new()?,
            numbers: Vec::new(),
            times: Vec::new(),
            matching: RowSet::default(),
            matching_times: Vec::new(),
            ends: Vec::new(),
            bodies: Vec::new(),
            attributes: Vec::new(),
            needles: Needles::within(needle_bytes_max),
            pipes: Pipes::until(deadline),
            page: Vec::new(),
            lines: Vec::new(),
            packed: Vec::new(),
        })
    }
}

/// A record to be fetched.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Wanted<'a> {
    pub(crate) row: usize,
    pub(crate) key: Key,
    /// Its body, where that was read already.
    pub(crate) body: Option<&'a [u8]>,
}

impl Segment {
    /// Calls `each` with the place in `wanted` (ascending rows) and the packed record.
    pub(crate) fn fetch(
        &self,
        block: u32,
        wanted: &[Wanted<'_>],
        scratch: &mut Scratch,
        each: impl FnMut(usize, &[u8]),
    ) -> Result<(), Damage> {
        guarded(|| self.block(block)?.fetch(wanted, scratch, each))
    }
}

impl Block<'_> {
    pub(super) fn fetch(
        &self,
        wanted: &[Wanted<'_>],
        scratch: &mut Scratch,
        mut each: impl FnMut(usize, &[u8]),
    ) -> Result<(), Damage> {
        let mut details = self.section(Section::Details)?;
        let mut severities = Vec::new();
        let observed = take(&mut details, self.records(), &mut severities)
            .and_then(|()| {
                let (has, mut rest) = details.split_first()?;
                let mut observed = Vec::new();
                if *has == 1 {
                    take(&mut rest, self.records(), &mut observed)?;
                }
                Some(observed)
            })
            .ok_or_else(|| self.nonsense(Section::Details))?;
        let (traces, spans) = (self.traces()?, self.spans()?);
        let Scratch {
            unpacker,
            numbers,
            ends,
            bodies,
            attributes,
            packed,
            ..
        } = scratch;
        unpacker
            .unpack_sized(self.section(Section::Attributes)?, attributes)
            .ok_or_else(|| self.nonsense(Section::Attributes))?;
        let attributes = Attributes::read(attributes, self.records())
            .ok_or_else(|| self.nonsense(Section::Attributes))?;
        let rows: Vec<usize> = wanted.iter().map(|w| w.row).collect();
        let mut pairs = Vec::new();
        attributes.for_each(&rows, |row, name, value| pairs.push((row, name, value)));
        let mut rest = &pairs[..];
        let mut at = 0;
        let mut put = |row: usize, body: &[u8]| {
            let key = wanted[at].key;
            let own = rest.iter().take_while(|(r, ..)| *r == row).count();
            let (own, others) = rest.split_at(own);
            rest = others;
            let observed = observed.get(row);
            let record = NewRecord {
                observed: observed.map_or(UnixNanos(0), |later| {
                    UnixNanos(key.time.0.wrapping_add(later.cast_unsigned()))
                }),
                severity: severities
                    .get(row)
                    .and_then(|s| u8::try_from(*s).ok())
                    .unwrap_or(0),
                trace_id: traces.get(row).and_then(|id| TraceId::from_slice(id).ok()),
                span_id: spans.get(row).and_then(|id| SpanId::from_slice(id).ok()),
                body,
            };
            packed.clear();
            pack(
                &record,
                own.iter().map(|(_, name, value)| (*name, *value)),
                packed,
            );
            each(at, packed);
            at += 1;
        };
        if wanted.iter().all(|w| w.body.is_some()) {
            for w in wanted {
                put(w.row, w.body.unwrap_or_default());
            }
            return Ok(());
        }
        self.ends(numbers, ends)?;
        self.bodies(ends)?
            .some(&rows, unpacker, bodies, put)
            .filter(|_| rows.last().is_none_or(|row| *row < ends.len()))
            .map(drop)
            .ok_or_else(|| self.nonsense(Section::Bodies))
    }
}
