//! The walk of spans: resource → scope → span, for whoever counts them.
//!
//! A request is read whole before anything of it is used, so that one that is damaged counts
//! as nothing. Of each span, what lies in messages of its own (attributes, links) is left until
//! it is asked for.

use super::WalkError;
use super::value::{Attributes, Unread, next_inside, text};
use super::wire::{Cursor, DEPTH_MAX, Wire};

/// What one resource did.
#[derive(Clone, Debug)]
pub struct ResourceSpans<'a> {
    /// Its spans, of all its scopes, in order.
    pub spans: Vec<Span<'a>>,
    at: Cursor<'a>,
}

/// One span as it lies in the request.
#[derive(Clone, Copy, Debug)]
pub struct Span<'a> {
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
    trace_state: Cursor<'a>,
    name: Cursor<'a>,
    /// From the first attribute on.
    attributes: Cursor<'a>,
    /// From the first link on.
    links: Cursor<'a>,
}

/// Which other span a span is linked to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Link<'a> {
    /// 16 bytes, where it is an ID.
    pub trace_id: &'a [u8],
    /// 8 bytes, where it is an ID.
    pub span_id: &'a [u8],
}

/// Reads all resources and spans of a request, in order.
pub(super) fn read(bytes: &[u8]) -> Result<Vec<ResourceSpans<'_>>, WalkError> {
    let mut all = Vec::new();
    let mut request = Cursor::new(bytes);
    while let Some((tag, wire)) = request.field(DEPTH_MAX)? {
        if let (1, Wire::Len(at)) = (tag, wire) {
            let mut one = ResourceSpans {
                spans: Vec::new(),
                at,
            };
            one.read()?;
            all.push(one);
        }
    }
    Ok(all)
}

impl<'a> ResourceSpans<'a> {
    fn read(&mut self) -> Result<(), WalkError> {
        let mut at = self.at;
        while let Some((tag, wire)) = at.field(DEPTH_MAX)? {
            let (2, Wire::Len(mut scope)) = (tag, wire) else {
                continue;
            };
            while let Some((tag, wire)) = scope.field(DEPTH_MAX)? {
                if let (2, Wire::Len(span)) = (tag, wire) {
                    self.spans.push(Span::read(span)?);
                }
            }
        }
        Ok(())
    }

    /// The resource's attributes. Where the resource is written in parts, those of all parts.
    pub fn attributes(&self) -> impl Iterator<Item = (&'a [u8], Unread<'a>)> + use<'a> {
        let mut at = self.at;
        let parts = std::iter::from_fn(move || next_inside(&mut at, 1));
        parts.flat_map(|resource| unread(Attributes::new(resource, 1)))
    }
}

impl<'a> Span<'a> {
    #[expect(
        clippy::cast_possible_truncation,
        reason = "protobuf's 32-bit numbers are the low bits of their varint"
    )]
    fn read(at: Cursor<'a>) -> Result<Self, WalkError> {
        let nothing = Cursor::new(&[]);
        let mut span = Self {
            trace_id: &[],
            span_id: &[],
            parent_span_id: &[],
            kind: 0,
            start_time_unix_nano: 0,
            end_time_unix_nano: 0,
            status_code: 0,
            trace_state: nothing,
            name: nothing,
            attributes: nothing,
            links: nothing,
        };
        let (mut fields, mut before) = (at, at);
        let (mut has_attributes, mut has_links) = (false, false);
        while let Some((tag, wire)) = fields.field(DEPTH_MAX)? {
            match (tag, wire) {
                (1, Wire::Len(id)) => span.trace_id = id.bytes(),
                (2, Wire::Len(id)) => span.span_id = id.bytes(),
                (3, Wire::Len(state)) => span.trace_state = state,
                (4, Wire::Len(id)) => span.parent_span_id = id.bytes(),
                (5, Wire::Len(name)) => span.name = name,
                (6, Wire::Varint(n)) => span.kind = n as i32,
                (7, Wire::Fixed64(n)) => span.start_time_unix_nano = n,
                (8, Wire::Fixed64(n)) => span.end_time_unix_nano = n,
                (9, Wire::Len(_)) if !has_attributes => {
                    (has_attributes, span.attributes) = (true, before);
                }
                (13, Wire::Len(_)) if !has_links => (has_links, span.links) = (true, before),
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

    /// Its name.
    #[must_use]
    pub fn name(&self) -> &'a str {
        text(self.name)
    }

    /// The `tracestate` of the trace context it was sent with.
    #[must_use]
    pub fn trace_state(&self) -> &'a str {
        text(self.trace_state)
    }

    /// Its attributes, names and values not looked at yet. Where a value is written in parts,
    /// the last that says anything counts.
    pub fn attributes(&self) -> impl Iterator<Item = (&'a [u8], Unread<'a>)> + use<'a> {
        unread(Attributes::new(self.attributes, 9))
    }

    /// What it is linked to first.
    #[must_use]
    pub fn first_link(&self) -> Option<Link<'a>> {
        let mut links = self.links;
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
