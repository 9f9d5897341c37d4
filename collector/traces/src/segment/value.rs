//! The values of `spans.blk`: spans of one trace.
//!
//! ```text
//! value   1 │ group*
//! group   resource varint │ scope varint │ bytes of spans varint │ (length varint, OTLP Span)*
//! ```
//!
//! Resource and scope are numbers in the segment's list ([`super::shells`]), or where a segment has
//! several parts in what such a part has of it ([`super::parts`]). A value that begins
//! with 10 is as all were before there was a list: an OTLP `TracesData` message, whose spans have
//! their resources and scopes with them. Both may lie in one segment: merging moves the older ones
//! as they are.

use super::Segment;
use super::shells::{JoinedShells, ShellList};
use crate::raw::{Context, RawSpan, Shell, encode, read_head, split};
use crate::wire::field_len;
use bytes::Bytes;
use sonde_segment::blocks::{BlockError, put_varint, take_varint};
use std::borrow::Borrow;
use std::sync::Arc;

const REFERRING: u8 = 1;
/// The largest value: a trace with more is cut into several.
const VALUE_BYTES: usize = 1 << 20;

const DAMAGED: BlockError = BlockError::Damaged("a trace's spans cannot be read");

/// Spans of one resource and one scope, as they lie in a value.
struct Group<'a> {
    resource: u32,
    scope: u32,
    spans: &'a [u8],
}

/// The groups of a referring value, behind its first byte.
struct Groups<'a>(&'a [u8]);

impl<'a> Groups<'a> {
    fn step(&mut self) -> Option<Group<'a>> {
        let number = |bytes: &mut &[u8]| u32::try_from(take_varint(bytes)?).ok();
        let (resource, scope) = (number(&mut self.0)?, number(&mut self.0)?);
        let len = usize::try_from(take_varint(&mut self.0)?).ok()?;
        let spans = self.0.split_off(..len)?;
        Some(Group {
            resource,
            scope,
            spans,
        })
    }
}

impl<'a> Iterator for Groups<'a> {
    type Item = Result<Group<'a>, BlockError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.0.is_empty() {
            return None;
        }
        let step = self.step();
        if step.is_none() {
            self.0 = &[];
        }
        Some(step.ok_or(DAMAGED))
    }
}

/// Copies resources and scopes out of the value they lie in: who decodes them holds them for longer
/// than the spans, and with them, as they lie, the block that was unpacked.
#[derive(Default)]
struct Apart {
    /// The last ones, and their copies.
    resource: Option<(Arc<Shell>, Arc<Shell>)>,
    context: Option<(Arc<Context>, Arc<Context>)>,
}

impl Apart {
    fn of(&mut self, span: RawSpan) -> RawSpan {
        let known = self.context.as_ref();
        let known = known.filter(|(from, _)| Arc::ptr_eq(from, &span.context));
        let context = match known {
            Some((_, copy)) => Arc::clone(copy),
            None => Arc::new(Context {
                resource: self.resource(&span.context.resource),
                scope: span.context.scope.set_apart(),
            }),
        };
        self.context = Some((span.context, Arc::clone(&context)));
        RawSpan { context, ..span }
    }

    fn resource(&mut self, resource: &Arc<Shell>) -> Arc<Shell> {
        let known = self.resource.as_ref();
        let known = known.filter(|(from, _)| Arc::ptr_eq(from, resource));
        let copy = known.map_or_else(|| resource.set_apart(), |(_, copy)| Arc::clone(copy));
        self.resource = Some((Arc::clone(resource), Arc::clone(&copy)));
        copy
    }
}

/// Visits the spans of a value until `visit` wants no more; whether it still does.
fn each_span(
    value: &Bytes,
    mut context: impl FnMut(u32, u32) -> Result<Option<Arc<Context>>, BlockError>,
    mut visit: impl FnMut(RawSpan) -> bool,
) -> Result<bool, BlockError> {
    let Some((&REFERRING, groups)) = value.split_first() else {
        let (mut goes_on, mut apart) = (true, Apart::default());
        let each = |_, span: RawSpan| goes_on = goes_on && visit(apart.of(span));
        split(value, each, |_| {}).map_err(|_| DAMAGED)?;
        return Ok(goes_on);
    };
    for group in Groups(groups) {
        let group = group?;
        let Some(context) = context(group.resource, group.scope)? else {
            return Ok(false);
        };
        let mut rest = group.spans;
        while !rest.is_empty() {
            let len = take_varint(&mut rest).and_then(|len| usize::try_from(len).ok());
            let span = len.and_then(|len| rest.split_off(..len)).ok_or(DAMAGED)?;
            let Ok(Ok((_, span))) = read_head(&context, value.slice_ref(span)) else {
                return Err(DAMAGED);
            };
            if !visit(span) {
                return Ok(false);
            }
        }
    }
    Ok(true)
}

/// Reads values of a segment with the resources and scopes that they name.
pub(super) struct Values<'a> {
    segment: &'a Segment,
    last: Option<(u32, Arc<Shell>)>,
    /// The bytes of values, and of the resources and scopes of their groups, read so far.
    pub(super) bytes: usize,
    bytes_max: usize,
}

impl<'a> Values<'a> {
    /// Reading goes no further once there are more bytes.
    pub(super) fn new(segment: &'a Segment, bytes_max: usize) -> Self {
        Self {
            segment,
            last: None,
            bytes: 0,
            bytes_max,
        }
    }

    /// Visits the spans of a value that lies in a part of the segment, until `visit` wants no
    /// more, or there are too many bytes; whether it goes on.
    pub(super) fn each_span(
        &mut self,
        part: u32,
        value: &Bytes,
        visit: impl FnMut(RawSpan) -> bool,
    ) -> Result<bool, BlockError> {
        self.bytes += value.len();
        let context = |resource, scope| {
            let resource = self.resource(self.segment.listed(part, resource)?)?;
            let scope = self.segment.listed(part, scope)?;
            let scope = self.segment.cache.get(self.segment, scope)?;
            self.bytes += scope.bytes.len();
            let fits = self.bytes <= self.bytes_max;
            Ok(fits.then(|| Arc::new(Context { resource, scope })))
        };
        each_span(value, context, visit)
    }

    /// Those of one resource lie side by side.
    fn resource(&mut self, number: u32) -> Result<Arc<Shell>, BlockError> {
        if let Some((known, shell)) = &self.last
            && *known == number
        {
            return Ok(Arc::clone(shell));
        }
        let shell = self.segment.cache.get(self.segment, number)?;
        self.bytes += shell.bytes.len();
        self.last = Some((number, Arc::clone(&shell)));
        Ok(shell)
    }
}

/// Adds the spans of a value, with stand-ins for the resources and scopes it names.
pub(super) fn read_for_merge(
    value: &Bytes,
    part: usize,
    shells: &JoinedShells,
    out: &mut Vec<RawSpan>,
) -> Result<(), BlockError> {
    let context = |resource, scope| {
        Ok(Some(Arc::new(Context {
            resource: shells.stand_in(part, resource)?,
            scope: shells.stand_in(part, scope)?,
        })))
    };
    let visit = |span| {
        out.push(span);
        true
    };
    each_span(value, context, visit).map(drop)
}

/// Copies a value of one part, by the numbers of the joined list.
pub(super) fn renumber(
    value: &Bytes,
    part: usize,
    shells: &JoinedShells,
    out: &mut Vec<u8>,
) -> Result<(), BlockError> {
    out.clear();
    let Some((&REFERRING, groups)) = value.split_first() else {
        out.extend_from_slice(value);
        return Ok(());
    };
    out.push(REFERRING);
    for group in Groups(groups) {
        let group = group?;
        let (resource, scope) = (
            shells.number(part, group.resource)?,
            shells.number(part, group.scope)?,
        );
        put_group(out, (resource, scope), group.spans.len());
        out.extend_from_slice(group.spans);
    }
    Ok(())
}

/// Gives the values of a trace to `put`, from collapsed spans of a tail. They are made in `room`.
pub(super) fn of_tail(
    spans: &[&RawSpan],
    list: &ShellList,
    room: &mut Vec<u8>,
    put: impl FnMut(&[u8]) -> Result<(), BlockError>,
) -> Result<(), BlockError> {
    values(spans, |shell| list.number(shell), room, put)
}

/// Gives the values of a trace to `put`, from collapsed spans of segments that are merged.
pub(super) fn of_merge(
    spans: &[RawSpan],
    room: &mut Vec<u8>,
    put: impl FnMut(&[u8]) -> Result<(), BlockError>,
) -> Result<(), BlockError> {
    values(spans, |shell| shell.number(), room, put)
}

fn values<S: Borrow<RawSpan>>(
    spans: &[S],
    number: impl Fn(&Arc<Shell>) -> Option<u32>,
    value: &mut Vec<u8>,
    mut put: impl FnMut(&[u8]) -> Result<(), BlockError>,
) -> Result<(), BlockError> {
    let (mut referring, mut others) = (Vec::with_capacity(spans.len()), Vec::new());
    for span in spans {
        let span: &RawSpan = span.borrow();
        let (resource, scope) = (number(&span.context.resource), number(&span.context.scope));
        match resource.zip(scope) {
            Some(context) => referring.push((context, span)),
            None => others.push(span.clone()),
        }
    }
    referring.sort_unstable_by_key(|(context, span)| (*context, span.start, span.span_id));
    let start = |value: &mut Vec<u8>| {
        value.clear();
        value.push(REFERRING);
    };
    start(value);
    for group in referring.chunk_by(|a, b| a.0 == b.0) {
        let mut rest = group;
        while !rest.is_empty() {
            let (fitting, later) = rest.split_at(fitting(rest.iter().map(|(_, span)| *span)));
            let bytes = fitting.iter().map(|(_, span)| len(span)).sum();
            if value.len() > 1 && value.len() + bytes > VALUE_BYTES {
                put(value)?;
                start(value);
            }
            put_group(value, group[0].0, bytes);
            for (_, span) in fitting {
                put_varint(value, span.bytes.len() as u64);
                value.extend_from_slice(&span.bytes);
            }
            rest = later;
        }
    }
    if value.len() > 1 {
        put(value)?;
    }
    let mut rest = &mut others[..];
    while !rest.is_empty() {
        let (fitting, later) = rest.split_at_mut(fitting(rest.iter()));
        put(&encode(fitting))?;
        rest = later;
    }
    Ok(())
}

fn put_group(out: &mut Vec<u8>, (resource, scope): (u32, u32), bytes: usize) {
    for number in [u64::from(resource), u64::from(scope), bytes as u64] {
        put_varint(out, number);
    }
}

/// How many spans fit one value; at least one.
fn fitting<'a>(spans: impl Iterator<Item = &'a RawSpan>) -> usize {
    let mut bytes = 0;
    let fits = |span: &&RawSpan| {
        bytes += len(span);
        bytes <= VALUE_BYTES
    };
    spans.take_while(fits).count().max(1)
}

/// How many bytes a span takes with its length.
fn len(span: &RawSpan) -> usize {
    field_len(span.bytes.len()) - 1
}
