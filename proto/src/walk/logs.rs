//! The walk itself: resource → scope → record.

use super::value::{Attributes, Gathered, Unread, UnreadAttributes, next_inside, text};
use super::wire::{Cursor, DEPTH_MAX, Wire};
use std::borrow::Cow;

/// A request to walk.
#[derive(Clone, Debug)]
pub struct Logs<'a>(Cow<'a, [u8]>);

/// What one resource logged.
#[derive(Clone, Copy, Debug)]
pub struct ResourceLogs<'a> {
    resource: Option<Cursor<'a>>,
    at: Cursor<'a>,
    /// The schema that the resource's names follow; usually empty.
    pub schema_url: &'a str,
}

/// What one instrumentation scope of a resource logged.
#[derive(Clone, Copy, Debug)]
pub struct ScopeLogs<'a> {
    /// The scope; empty where none was given.
    pub scope: Scope<'a>,
    at: Cursor<'a>,
    /// The schema that the records' names follow; usually empty.
    pub schema_url: &'a str,
}

/// What wrote the records: a library, a module.
#[derive(Clone, Copy, Debug)]
pub struct Scope<'a> {
    /// Its name.
    pub name: &'a str,
    /// Its version.
    pub version: &'a str,
    at: Cursor<'a>,
}

/// One log record.
#[derive(Clone, Copy, Debug)]
pub struct LogRecord<'a> {
    /// When it happened, in nanoseconds since 1970; 0 where unknown.
    pub time_unix_nano: u64,
    /// When it was first seen by a collector; 0 where unknown.
    pub observed_time_unix_nano: u64,
    /// `SeverityNumber`: 1 to 24, 0 where unknown; other numbers as they came.
    pub severity_number: i32,
    /// The severity as the source wrote it.
    pub severity_text: &'a str,
    /// The message.
    pub body: Unread<'a>,
    /// How many attributes the sender left out.
    pub dropped_attributes_count: u32,
    /// W3C trace flags in the lowest byte.
    pub flags: u32,
    /// The trace it belongs to: 16 bytes, or empty.
    pub trace_id: &'a [u8],
    /// The span it belongs to: 8 bytes, or empty.
    pub span_id: &'a [u8],
    /// The name of the event, where the record is one.
    pub event_name: &'a str,
    attributes: Cursor<'a>,
}

impl<'a> Logs<'a> {
    pub(super) fn new(bytes: Cow<'a, [u8]>) -> Self {
        Self(bytes)
    }

    /// Opens bytes that were checked before they were stored, and does not check them
    /// again. Bytes that are damaged all the same end the walk early; they never panic.
    #[must_use]
    pub fn trusted(bytes: &'a [u8]) -> Self {
        Self(Cow::Borrowed(bytes))
    }

    /// The resources, in order.
    pub fn resources(&self) -> impl Iterator<Item = ResourceLogs<'_>> {
        let mut at = Cursor::new(&self.0);
        std::iter::from_fn(move || next_inside(&mut at, 1).map(ResourceLogs::read))
    }
}

impl<'a> ResourceLogs<'a> {
    fn read(at: Cursor<'a>) -> Self {
        let mut resource = Self {
            resource: None,
            at,
            schema_url: "",
        };
        let mut fields = at;
        while let Ok(Some((tag, wire))) = fields.field(DEPTH_MAX) {
            match (tag, wire) {
                (1, Wire::Len(inside)) => resource.resource = Some(inside),
                (3, Wire::Len(url)) => resource.schema_url = text(url),
                _ => {}
            }
        }
        resource
    }

    /// The resource's attributes.
    #[must_use]
    pub fn attributes(&self) -> Attributes<'a> {
        Attributes::new(self.resource.unwrap_or(Cursor::new(&[])), 1)
    }

    /// The resource as it lies in the request: equal bytes are an equal resource, so they
    /// serve as the key of a cache.
    #[must_use]
    pub fn resource_bytes(&self) -> &'a [u8] {
        self.resource.map_or(&[], Cursor::bytes)
    }

    /// The scopes, in order.
    pub fn scopes(&self) -> impl Iterator<Item = ScopeLogs<'a>> + use<'a> {
        let mut at = self.at;
        std::iter::from_fn(move || next_inside(&mut at, 2).map(ScopeLogs::read))
    }
}

impl<'a> ScopeLogs<'a> {
    fn read(at: Cursor<'a>) -> Self {
        let mut logs = Self {
            scope: Scope::default(),
            at,
            schema_url: "",
        };
        let mut fields = at;
        while let Ok(Some((tag, wire))) = fields.field(DEPTH_MAX) {
            match (tag, wire) {
                (1, Wire::Len(inside)) => logs.scope = Scope::read(inside),
                (3, Wire::Len(url)) => logs.schema_url = text(url),
                _ => {}
            }
        }
        logs
    }

    /// The records, in order.
    pub fn records(&self) -> impl Iterator<Item = LogRecord<'a>> + use<'a> {
        let mut at = self.at;
        std::iter::from_fn(move || next_inside(&mut at, 2).map(LogRecord::read))
    }
}

/// No scope at all.
impl Default for Scope<'_> {
    fn default() -> Self {
        Self::read(Cursor::new(&[]))
    }
}

impl<'a> Scope<'a> {
    fn read(at: Cursor<'a>) -> Self {
        let mut scope = Self {
            name: "",
            version: "",
            at,
        };
        let mut fields = at;
        while let Ok(Some((tag, wire))) = fields.field(DEPTH_MAX) {
            match (tag, wire) {
                (1, Wire::Len(name)) => scope.name = text(name),
                (2, Wire::Len(version)) => scope.version = text(version),
                _ => {}
            }
        }
        scope
    }

    /// The scope's attributes.
    #[must_use]
    pub fn attributes(&self) -> Attributes<'a> {
        Attributes::new(self.at, 3)
    }

    /// The scope as it lies in the request, as [`ResourceLogs::resource_bytes`].
    #[must_use]
    pub fn bytes(&self) -> &'a [u8] {
        self.at.bytes()
    }
}

impl<'a> LogRecord<'a> {
    #[expect(
        clippy::cast_possible_truncation,
        reason = "protobuf's 32-bit numbers are the low bits of their varint"
    )]
    fn read(at: Cursor<'a>) -> Self {
        let mut record = Self::empty();
        let mut fields = at;
        let mut before = at;
        let (mut attributes, mut body) = (false, Gathered::default());
        while let Ok(Some((tag, wire))) = fields.field(DEPTH_MAX) {
            match (tag, wire) {
                (1, Wire::Fixed64(n)) => record.time_unix_nano = n,
                (11, Wire::Fixed64(n)) => record.observed_time_unix_nano = n,
                (2, Wire::Varint(n)) => record.severity_number = n as i32,
                (3, Wire::Len(s)) => record.severity_text = text(s),
                (5, Wire::Len(part)) => body.add(5, before, part),
                (6, Wire::Len(_)) if !attributes => {
                    attributes = true;
                    record.attributes = before;
                }
                (7, Wire::Varint(n)) => record.dropped_attributes_count = n as u32,
                (8, Wire::Fixed32(n)) => record.flags = n,
                (9, Wire::Len(id)) => record.trace_id = id.bytes(),
                (10, Wire::Len(id)) => record.span_id = id.bytes(),
                (12, Wire::Len(s)) => record.event_name = text(s),
                _ => {}
            }
            before = fields;
        }
        record.body = body.value();
        record
    }

    fn empty() -> Self {
        Self {
            time_unix_nano: 0,
            observed_time_unix_nano: 0,
            severity_number: 0,
            severity_text: "",
            body: Unread::default(),
            dropped_attributes_count: 0,
            flags: 0,
            trace_id: &[],
            span_id: &[],
            event_name: "",
            attributes: Cursor::new(&[]),
        }
    }

    /// The record's attributes.
    #[must_use]
    pub fn attributes(&self) -> Attributes<'a> {
        Attributes::new(self.attributes, 6)
    }

    /// The same, for whoever wants the bytes of names and values.
    #[must_use]
    pub fn unread_attributes(&self) -> UnreadAttributes<'a> {
        UnreadAttributes::new(self.attributes())
    }
}
