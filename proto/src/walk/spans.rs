//! The walk of spans: resource → scope → span, for whoever counts them.
//!
//! A request is read whole before anything of it is used, so that one that is damaged counts
//! as nothing. Of each span, what lies in messages of its own (attributes, links) is left until
//! it is asked for. Whoever stores spans takes them, and the messages around them, as they lie.

use super::WalkError;
use super::value::{Attributes, Unread, next_inside, text};
use super::wire::{Cursor, DEPTH_MAX, Wire};
use std::borrow::Cow;

/// What one resource did.
#[derive(Clone, Debug)]
pub struct ResourceSpans<'a> {
    /// What its scopes did, in order.
    pub scopes: Vec<ScopeSpans<'a>>,
    /// The message without its scopes: resource, schema and what nobody here knows.
    pub shell: Cow<'a, [u8]>,
    at: &'a [u8],
}

/// What one instrumentation scope of a resource did.
#[derive(Clone, Debug)]
pub struct ScopeSpans<'a> {
    /// Its spans, in order.
    pub spans: Vec<Span<'a>>,
    /// The message without its spans: scope, schema and what nobody here knows.
    pub shell: Cow<'a, [u8]>,
}

/// One span as it lies in the request.
#[derive(Clone, Copy, Debug)]
pub struct Span<'a> {
    /// All of it.
    pub bytes: &'a [u8],
    /// 16 bytes, where it is an ID.
    pub trace_id: &'a [u8],
    /// 8 bytes, where it is an ID.
    pub span_id: &'a [u8],
    /// The span it happened within: 8 bytes, or empty.
    pub parent_span_id: &'a [u8],
    /// `SpanKind`, or another number as it came.
    pub kind: i32,
    /// When it began, in nanoseconds since 1970.
    pub start_time_unix_nano: u64,
    /// When it ended.
    pub end_time_unix_nano: u64,
    /// `StatusCode`, or another number as it came.
    pub status_code: i32,
    trace_state: &'a [u8],
    name: &'a [u8],
    /// From the first attribute on.
    attributes: &'a [u8],
    /// From the first link on.
    links: &'a [u8],
}

/// Which other span a span is linked to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Link<'a> {
    /// 16 bytes, where it is an ID.
    pub trace_id: &'a [u8],
    /// 8 bytes, where it is an ID.
    pub span_id: &'a [u8],
}

/// The field of a resource's scopes in its message, and of a scope's spans in its own.
const INSIDE: u32 = 2;

/// Few spans are smaller.
const SPAN_BYTES_USUAL: usize = 256;

/// Reads all resources and spans of a request, in order.
pub(super) fn read(bytes: &[u8]) -> Result<Vec<ResourceSpans<'_>>, WalkError> {
    let mut all = Vec::new();
    let mut request = Cursor::new(bytes);
    while let Some((tag, wire)) = request.field(DEPTH_MAX)? {
        if let (1, Wire::Len(at)) = (tag, wire) {
            all.push(ResourceSpans::read(at)?);
        }
    }
    Ok(all)
}

/// The attributes of a `ResourceSpans`' resource.
pub(super) fn resource_attributes(bytes: &[u8]) -> impl Iterator<Item = (&[u8], Unread<'_>)> {
    unread(Attributes::of_parts(Cursor::new(bytes), 1, 1))
}

/// Reads one span.
pub(super) fn read_one(bytes: &[u8]) -> Result<Span<'_>, WalkError> {
    Span::read(Cursor::new(bytes))
}

impl<'a> ResourceSpans<'a> {
    fn read(at: Cursor<'a>) -> Result<Self, WalkError> {
        let mut scopes = Vec::new();
        let shell = each_inside(at, |scope| {
            scopes.push(ScopeSpans::read(scope)?);
            Ok(())
        })?;
        Ok(Self {
            scopes,
            shell,
            at: at.bytes(),
        })
    }

    /// The resource's attributes. Where the resource is written in parts, those of all parts.
    pub fn attributes(&self) -> impl Iterator<Item = (&'a [u8], Unread<'a>)> + use<'a> {
        resource_attributes(self.at)
    }

    /// The spans of all its scopes.
    pub fn spans(&self) -> impl Iterator<Item = &Span<'a>> {
        self.scopes.iter().flat_map(|scope| &scope.spans)
    }
}

impl<'a> ScopeSpans<'a> {
    fn read(at: Cursor<'a>) -> Result<Self, WalkError> {
        let mut spans = Vec::with_capacity(at.bytes().len() / SPAN_BYTES_USUAL);
        let shell = each_inside(at, |span| {
            spans.push(Span::read(span)?);
            Ok(())
        })?;
        Ok(Self { spans, shell })
    }
}

/// Calls `found` for each message in the field [`INSIDE`]; returns all but that field.
fn each_inside<'a>(
    mut at: Cursor<'a>,
    mut found: impl FnMut(Cursor<'a>) -> Result<(), WalkError>,
) -> Result<Cow<'a, [u8]>, WalkError> {
    let (mut shell, mut beside, mut before) = (Cow::Borrowed(&[][..]), at, at);
    while let Some((tag, wire)) = at.field(DEPTH_MAX)? {
        if tag == INSIDE {
            add_between(&mut shell, beside, before);
            beside = at;
            if let Wire::Len(inside) = wire {
                found(inside)?;
            }
        }
        before = at;
    }
    add_between(&mut shell, beside, at);
    Ok(shell)
}

/// Adds what lies between two places of a message.
fn add_between<'a>(shell: &mut Cow<'a, [u8]>, from: Cursor<'a>, to: Cursor<'a>) {
    let (from, to) = (from.bytes(), to.bytes());
    let between = &from[..from.len() - to.len()];
    if shell.is_empty() {
        *shell = Cow::Borrowed(between);
    } else if !between.is_empty() {
        shell.to_mut().extend_from_slice(between);
    }
}

impl<'a> Span<'a> {
    #[expect(
        clippy::cast_possible_truncation,
        reason = "protobuf's 32-bit numbers are the low bits of their varint"
    )]
    fn read(at: Cursor<'a>) -> Result<Self, WalkError> {
        let mut span = Self {
            bytes: at.bytes(),
            trace_id: &[],
            span_id: &[],
            parent_span_id: &[],
            kind: 0,
            start_time_unix_nano: 0,
            end_time_unix_nano: 0,
            status_code: 0,
            trace_state: &[],
            name: &[],
            attributes: &[],
            links: &[],
        };
        let (mut fields, mut before) = (at, at);
        let (mut has_attributes, mut has_links) = (false, false);
        while let Some((tag, wire)) = fields.field(DEPTH_MAX)? {
            match (tag, wire) {
                (1, Wire::Len(id)) => span.trace_id = id.bytes(),
                (2, Wire::Len(id)) => span.span_id = id.bytes(),
                (3, Wire::Len(state)) => span.trace_state = state.bytes(),
                (4, Wire::Len(id)) => span.parent_span_id = id.bytes(),
                (5, Wire::Len(name)) => span.name = name.bytes(),
                (6, Wire::Varint(n)) => span.kind = n as i32,
                (7, Wire::Fixed64(n)) => span.start_time_unix_nano = n,
                (8, Wire::Fixed64(n)) => span.end_time_unix_nano = n,
                (9, Wire::Len(_)) if !has_attributes => {
                    (has_attributes, span.attributes) = (true, before.bytes());
                }
                (13, Wire::Len(_)) if !has_links => {
                    (has_links, span.links) = (true, before.bytes());
                }
                (15, Wire::Len(mut status)) => {
                    while let Some((tag, wire)) = status.field(DEPTH_MAX)? {
                        if let (3, Wire::Varint(n)) = (tag, wire) {
                            span.status_code = n as i32;
                        }
                    }
                }
                _ => {}
            }
            before = fields;
        }
        Ok(span)
    }

    /// The bytes of its name, for whoever need not find out once more that it is text.
    #[must_use]
    pub fn name_bytes(&self) -> &'a [u8] {
        self.name
    }

    /// Its name.
    #[must_use]
    pub fn name(&self) -> &'a str {
        text(Cursor::new(self.name))
    }

    /// The `tracestate` of the trace context it was sent with.
    #[must_use]
    pub fn trace_state(&self) -> &'a str {
        text(Cursor::new(self.trace_state))
    }

    /// Its attributes, names and values not looked at yet.
    pub fn attributes(&self) -> impl Iterator<Item = (&'a [u8], Unread<'a>)> + use<'a> {
        unread(Attributes::new(Cursor::new(self.attributes), 9))
    }

    /// What it is linked to first.
    #[must_use]
    pub fn first_link(&self) -> Option<Link<'a>> {
        let mut links = Cursor::new(self.links);
        let mut at = next_inside(&mut links, 13)?;
        let mut link = Link::default();
        while let Ok(Some((tag, wire))) = at.field(DEPTH_MAX) {
            match (tag, wire) {
                (1, Wire::Len(id)) => link.trace_id = id.bytes(),
                (2, Wire::Len(id)) => link.span_id = id.bytes(),
                _ => {}
            }
        }
        Some(link)
    }
}

fn unread<'a>(attributes: Attributes<'a>) -> impl Iterator<Item = (&'a [u8], Unread<'a>)> {
    let all = super::value::UnreadAttributes::new(attributes);
    all.map(|attribute| (attribute.key, attribute.value))
}

#[cfg(test)]
mod tests;
