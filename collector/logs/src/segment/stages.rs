//! Runs a pipeline over some records of a block.
//!
//! Where only the best are wanted, the best come first, in groups: what a pipeline needs of a
//! record is read for few of them, mostly, and as soon as enough have passed, the rest of the
//! block needs no look.

use super::Damage;
use super::attributes::Attributes;
use super::directory::Section;
use super::fetch::Scratch;
use super::ids::Ids;
use super::numbers::take;
use super::packing::Unpacker;
use super::pick::Picked;
use super::reader::Block;
use super::scan::Bar;
use crate::record::metadata::{Metadata, is_shown, name_of};
use crate::search::{ChooseError, Chosen};
use sonde_logql::Pipeline;
use sonde_logql::source::Record;
use std::borrow::Cow;
use std::iter::Peekable;
use std::vec::IntoIter;

/// How many records the first group has; each further one has so many times more.
const GROUP: usize = 64;
const GROWTH: usize = 4;

/// A block's rows before a pipeline.
pub(super) struct Stages<'a, 's> {
    pub(super) block: &'a Block<'a>,
    pub(super) picked: &'a Picked,
    pub(super) chosen: &'a Chosen<'s>,
    pub(super) bar: Bar,
}

impl Stages<'_, '_> {
    /// Keeps those of `rows` that pass and can be among the best; how many bytes were read.
    pub(super) fn keep_best(
        &self,
        pipeline: &Pipeline,
        rows: &mut Vec<usize>,
        has_bodies: bool,
        scratch: &mut Scratch,
    ) -> Result<usize, ChooseError> {
        let needs = pipeline.needs();
        let (mut has_bodies, mut bytes) = (has_bodies, 0);
        if needs.metadata {
            bytes += self.block.unpack_attributes(scratch)?;
        }
        let mut by_rank = std::mem::take(rows);
        by_rank.sort_by_key(|row| self.bar.rank(scratch.times[*row]));
        let details = needs
            .metadata
            .then(|| Details::read(self.block))
            .transpose()?;
        let (mut passed, mut at, mut size) = (Vec::new(), 0, GROUP);
        while at < by_rank.len() {
            if let Some(last) = self.bar.limit.checked_sub(1).and_then(|n| passed.get(n))
                && scratch.times[*last] != scratch.times[by_rank[at]]
            {
                break;
            }
            let mut group = by_rank[at..by_rank.len().min(at + size)].to_vec();
            at += group.len();
            group.sort_unstable();
            if needs.lines && !has_bodies && at > group.len() {
                // What was not enough at first is likely to need most of the block.
                bytes += self.block.unpack_bodies(scratch)?;
                has_bodies = true;
            }
            let before = passed.len();
            self.picked
                .know_streams_of(&group, self.block, self.chosen)?;
            bytes += self.run(
                pipeline,
                &group,
                needs.lines.then_some(has_bodies),
                details.as_ref(),
                scratch,
                &mut passed,
            )?;
            passed[before..].sort_by_key(|row| self.bar.rank(scratch.times[*row]));
            size *= GROWTH;
        }
        passed.sort_unstable();
        *rows = passed;
        Ok(bytes)
    }

    /// `lines` says whether bodies are unpacked, where they are needed.
    fn run(
        &self,
        pipeline: &Pipeline,
        group: &[usize],
        lines: Option<bool>,
        details: Option<&Details<'_>>,
        scratch: &mut Scratch,
        passed: &mut Vec<usize>,
    ) -> Result<usize, Damage> {
        let Scratch {
            unpacker,
            times,
            ends,
            bodies,
            attributes,
            pipes,
            page,
            lines: own_lines,
            ..
        } = scratch;
        let mut own = Vec::new();
        let mut bytes = 0;
        if lines == Some(false) {
            (own, bytes) = self
                .block
                .some_bodies(group, ends, unpacker, page, own_lines)?;
        }
        let named = Named::read(details.is_some(), attributes, self.block)?;
        let mut pairs = named.pairs(group);
        let mut metadata = Metadata::default();
        let streams = self.picked.streams_of(group);
        for ((n, row), stream) in group.iter().copied().enumerate().zip(streams) {
            if let Some(details) = details {
                details.begin(row, &mut metadata);
                pairs.add(row, &mut metadata);
            }
            let Some(stream) = self.chosen.view(stream as usize) else {
                continue;
            };
            let line = match lines {
                None => &[][..],
                Some(true) => {
                    let start = row.checked_sub(1).map_or(0, |before| ends[before]);
                    &bodies[start..ends[row]]
                }
                Some(false) => &own_lines[own[n].clone()],
            };
            let record = Record {
                time: times[row],
                line,
                stream,
                metadata: &metadata.pairs(),
            };
            if pipeline.run(&record, pipes).is_some() {
                passed.push(row);
            }
        }
        Ok(bytes)
    }
}

/// What a record's metadata has beside its attributes.
pub(super) struct Details<'b> {
    traces: Ids<'b, 16>,
    spans: Ids<'b, 8>,
    severities: Vec<i64>,
}

impl<'b> Details<'b> {
    pub(super) fn read(block: &Block<'b>) -> Result<Self, Damage> {
        let mut at = block.section(Section::Details)?;
        let mut severities = Vec::new();
        take(&mut at, block.records(), &mut severities)
            .ok_or_else(|| block.nonsense(Section::Details))?;
        Ok(Self {
            traces: block.traces()?,
            spans: block.spans()?,
            severities,
        })
    }

    /// Turns to a record; its attributes come next.
    pub(super) fn begin(&self, row: usize, metadata: &mut Metadata<'_>) {
        let severity = self.severities.get(row);
        let severity = severity.and_then(|s| u8::try_from(*s).ok());
        metadata.begin(
            self.traces.get(row),
            self.spans.get(row),
            severity.unwrap_or(0),
        );
    }
}

/// The attributes of a block with their names as metadata has them, made once for a column.
pub(super) struct Named<'s> {
    attributes: Option<Attributes<'s>>,
    names: Vec<Option<Cow<'s, str>>>,
}

impl<'s> Named<'s> {
    /// Reads the attributes that were unpacked into `bytes`, where they are needed.
    pub(super) fn read(needed: bool, bytes: &'s [u8], block: &Block<'_>) -> Result<Self, Damage> {
        if !needed {
            return Ok(Self {
                attributes: None,
                names: Vec::new(),
            });
        }
        let attributes = Attributes::read(bytes, block.records())
            .ok_or_else(|| block.nonsense(Section::Attributes))?;
        let names = attributes.names().map(shown).collect();
        Ok(Self {
            attributes: Some(attributes),
            names,
        })
    }

    /// Whether a record of the block may have metadata of one of these names.
    pub(super) fn may_have(&self, wanted: &[String]) -> bool {
        let Some(attributes) = &self.attributes else {
            return false;
        };
        let mut names = self.names.iter().flatten();
        attributes.has_more_names() || names.any(|name| wanted.iter().any(|w| w == name))
    }

    /// The attributes of `rows` (ascending).
    pub(super) fn pairs(&self, rows: &[usize]) -> Pairs<'_> {
        let mut all = Vec::new();
        if let Some(attributes) = &self.attributes {
            attributes.for_each_in_column(rows, |row, column, name, value| {
                let name = match self.names.get(column) {
                    Some(name) => name.as_deref().map(Cow::Borrowed),
                    None => shown(name),
                };
                if let Some(name) = name {
                    all.push((row, name, value));
                }
            });
        }
        Pairs {
            all: all.into_iter().peekable(),
        }
    }
}

/// The attributes of some records, one after the other.
pub(super) struct Pairs<'s> {
    all: Peekable<IntoIter<Pair<'s>>>,
}

/// Of a row, a name and a value.
type Pair<'s> = (usize, Cow<'s, str>, &'s [u8]);

impl<'s> Pairs<'s> {
    /// Adds those of the next row.
    pub(super) fn add(&mut self, row: usize, metadata: &mut Metadata<'s>) {
        while let Some((_, name, value)) = self.all.next_if(|(own, ..)| *own == row) {
            metadata.add_attribute(name, value);
        }
    }
}

fn shown(name: &[u8]) -> Option<Cow<'_, str>> {
    is_shown(name).then(|| match String::from_utf8_lossy(name) {
        Cow::Borrowed(name) => name_of(name),
        Cow::Owned(name) => Cow::Owned(name_of(&name).into_owned()),
    })
}

impl Block<'_> {
    /// Unpacks the attributes; how many bytes these are.
    pub(super) fn unpack_attributes(&self, scratch: &mut Scratch) -> Result<usize, Damage> {
        scratch
            .unpacker
            .unpack_sized(self.section(Section::Attributes)?, &mut scratch.attributes)
            .ok_or_else(|| self.nonsense(Section::Attributes))?;
        Ok(scratch.attributes.len())
    }

    /// The bodies of `rows` (ascending), one after the other in `into`, and where each lies;
    /// and how many bytes were unpacked.
    pub(super) fn some_bodies(
        &self,
        rows: &[usize],
        ends: &[usize],
        unpacker: &mut Unpacker,
        page: &mut Vec<u8>,
        into: &mut Vec<u8>,
    ) -> Result<(Vec<std::ops::Range<usize>>, usize), Damage> {
        into.clear();
        let mut ranges = Vec::with_capacity(rows.len());
        let read = self.bodies(ends)?.some(rows, unpacker, page, |_, body| {
            let from = into.len();
            into.extend_from_slice(body);
            ranges.push(from..into.len());
        });
        match read {
            Some(bytes) if ranges.len() == rows.len() => Ok((ranges, bytes)),
            _ => Err(self.nonsense(Section::Bodies)),
        }
    }
}
