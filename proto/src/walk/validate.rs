//! Checks a request as prost would, without building anything.
//!
//! One function a message. Each knows the wire type of every field it names and refuses
//! another, skips fields it does not know, and counts down the nesting.

use super::WalkError;
use super::text::{PAIR_DEPTH, is_ascii, pair};
use super::wire::{Cursor, DEPTH_MAX, TOO_DEEP, Wire};

/// What a request holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Counts {
    /// How many resources.
    pub resources: usize,
    /// How many instrumentation scopes, over all resources.
    pub scopes: usize,
    /// How many log records, over all scopes.
    pub records: usize,
    /// Whether every singular message field occurs at most once. Where it is false,
    /// [`super::logs`] walks a merged copy; a walk of the bytes themselves
    /// ([`super::Logs::trusted`]) takes the last occurrence.
    pub canonical: bool,
}

pub(super) fn logs(bytes: &[u8]) -> Result<Counts, WalkError> {
    let mut check = Check {
        counts: Counts {
            resources: 0,
            scopes: 0,
            records: 0,
            canonical: true,
        },
    };
    check.request(Cursor::new(bytes), DEPTH_MAX)?;
    Ok(check.counts)
}

struct Check {
    counts: Counts,
}

/// Enters a message field: its bytes and the nesting left inside it.
#[inline]
pub(super) fn message<'a>(
    at: &Cursor<'a>,
    wire: Wire<'a>,
    depth_left: u32,
) -> Result<(Cursor<'a>, u32), WalkError> {
    let inside = bytes(at, wire)?;
    let depth_left = depth_left
        .checked_sub(1)
        .ok_or_else(|| at.error(TOO_DEEP))?;
    Ok((inside, depth_left))
}

#[inline]
fn bytes<'a>(at: &Cursor<'a>, wire: Wire<'a>) -> Result<Cursor<'a>, WalkError> {
    match wire {
        Wire::Len(inside) => Ok(inside),
        _ => Err(at.error("a field that holds bytes has another wire type")),
    }
}

#[inline]
pub(super) fn string<'a>(at: &Cursor<'a>, wire: Wire<'a>) -> Result<(), WalkError> {
    let inside = bytes(at, wire)?;
    if is_ascii(inside.bytes()) {
        Ok(())
    } else {
        utf8(inside)
    }
}

#[inline(never)]
fn utf8(inside: Cursor<'_>) -> Result<(), WalkError> {
    match std::str::from_utf8(inside.bytes()) {
        Ok(_) => Ok(()),
        Err(error) => {
            let mut found = inside.error("a string is not UTF-8");
            found.offset += error.valid_up_to();
            Err(found)
        }
    }
}

#[inline]
fn expect(at: &Cursor<'_>, right: bool) -> Result<(), WalkError> {
    if right {
        Ok(())
    } else {
        Err(at.error("a number has another wire type than its field"))
    }
}

/// Whether a `KeyValue` is two texts of ASCII, with which nothing can be wrong.
#[inline]
fn is_plain_pair(inside: Cursor<'_>, depth_left: u32) -> bool {
    depth_left >= PAIR_DEPTH && pair(inside.bytes()).is_some() && is_ascii(inside.bytes())
}

/// A field that OTLP does not have, or not yet.
#[inline]
pub(super) fn unknown(at: &Cursor<'_>, depth_left: u32) -> Result<(), WalkError> {
    if depth_left == 0 {
        Err(at.error(TOO_DEEP))
    } else {
        Ok(())
    }
}

impl Check {
    /// Notes an occurrence of a singular message field.
    #[inline]
    fn once(&mut self, seen: &mut bool) {
        self.counts.canonical &= !*seen;
        *seen = true;
    }

    fn request(&mut self, mut at: Cursor<'_>, depth: u32) -> Result<(), WalkError> {
        while let Some((tag, wire)) = at.field(depth)? {
            match tag {
                1 => {
                    self.counts.resources += 1;
                    let (inside, depth) = message(&at, wire, depth)?;
                    self.resource_logs(inside, depth)?;
                }
                _ => unknown(&at, depth)?,
            }
        }
        Ok(())
    }

    fn resource_logs(&mut self, mut at: Cursor<'_>, depth: u32) -> Result<(), WalkError> {
        let mut resource = false;
        while let Some((tag, wire)) = at.field(depth)? {
            match tag {
                1 => {
                    self.once(&mut resource);
                    let (inside, depth) = message(&at, wire, depth)?;
                    self.resource(inside, depth)?;
                }
                2 => {
                    self.counts.scopes += 1;
                    let (inside, depth) = message(&at, wire, depth)?;
                    self.scope_logs(inside, depth)?;
                }
                3 => string(&at, wire)?,
                _ => unknown(&at, depth)?,
            }
        }
        Ok(())
    }

    fn resource(&mut self, mut at: Cursor<'_>, depth: u32) -> Result<(), WalkError> {
        while let Some((tag, wire)) = at.field(depth)? {
            match tag {
                1 => self.key_value(&at, wire, depth)?,
                2 => expect(&at, matches!(wire, Wire::Varint(_)))?,
                3 => {
                    let (inside, depth) = message(&at, wire, depth)?;
                    entity(inside, depth)?;
                }
                _ => unknown(&at, depth)?,
            }
        }
        Ok(())
    }

    fn scope_logs(&mut self, mut at: Cursor<'_>, depth: u32) -> Result<(), WalkError> {
        let mut scope = false;
        while let Some((tag, wire)) = at.field(depth)? {
            match tag {
                1 => {
                    self.once(&mut scope);
                    let (inside, depth) = message(&at, wire, depth)?;
                    self.scope(inside, depth)?;
                }
                2 => {
                    self.counts.records += 1;
                    let (inside, depth) = message(&at, wire, depth)?;
                    self.record(inside, depth)?;
                }
                3 => string(&at, wire)?,
                _ => unknown(&at, depth)?,
            }
        }
        Ok(())
    }

    fn scope(&mut self, mut at: Cursor<'_>, depth: u32) -> Result<(), WalkError> {
        while let Some((tag, wire)) = at.field(depth)? {
            match tag {
                1 | 2 => string(&at, wire)?,
                3 => self.key_value(&at, wire, depth)?,
                4 => expect(&at, matches!(wire, Wire::Varint(_)))?,
                _ => unknown(&at, depth)?,
            }
        }
        Ok(())
    }

    fn record(&mut self, mut at: Cursor<'_>, depth: u32) -> Result<(), WalkError> {
        let mut body = false;
        while let Some((tag, wire)) = at.field(depth)? {
            match tag {
                1 | 11 => expect(&at, matches!(wire, Wire::Fixed64(_)))?,
                2 | 7 => expect(&at, matches!(wire, Wire::Varint(_)))?,
                3 | 12 => string(&at, wire)?,
                5 => {
                    self.once(&mut body);
                    let (inside, depth) = message(&at, wire, depth)?;
                    self.any_value(inside, depth)?;
                }
                6 => self.key_value(&at, wire, depth)?,
                8 => expect(&at, matches!(wire, Wire::Fixed32(_)))?,
                9 | 10 => drop(bytes(&at, wire)?),
                _ => unknown(&at, depth)?,
            }
        }
        Ok(())
    }

    #[inline]
    fn key_value(
        &mut self,
        outer: &Cursor<'_>,
        wire: Wire<'_>,
        depth: u32,
    ) -> Result<(), WalkError> {
        let Wire::Len(inside) = wire else {
            return Err(outer.error("a field that holds bytes has another wire type"));
        };
        if is_plain_pair(inside, depth) {
            return Ok(());
        }
        self.key_value_fields(outer, inside, depth)
    }

    fn key_value_fields(
        &mut self,
        outer: &Cursor<'_>,
        inside: Cursor<'_>,
        depth: u32,
    ) -> Result<(), WalkError> {
        let (mut at, depth) = message(outer, Wire::Len(inside), depth)?;
        let mut value = false;
        while let Some((tag, wire)) = at.field(depth)? {
            match tag {
                1 => string(&at, wire)?,
                2 => {
                    self.once(&mut value);
                    let (inside, depth) = message(&at, wire, depth)?;
                    self.any_value(inside, depth)?;
                }
                3 => expect(&at, matches!(wire, Wire::Varint(_)))?,
                _ => unknown(&at, depth)?,
            }
        }
        Ok(())
    }

    fn any_value(&mut self, mut at: Cursor<'_>, depth: u32) -> Result<(), WalkError> {
        let mut nested = false;
        while let Some((tag, wire)) = at.field(depth)? {
            match tag {
                1 => string(&at, wire)?,
                2 | 3 | 8 => expect(&at, matches!(wire, Wire::Varint(_)))?,
                4 => expect(&at, matches!(wire, Wire::Fixed64(_)))?,
                5 | 6 => {
                    self.once(&mut nested);
                    let (inside, depth) = message(&at, wire, depth)?;
                    self.values(inside, depth, tag == 6)?;
                }
                7 => drop(bytes(&at, wire)?),
                _ => unknown(&at, depth)?,
            }
        }
        Ok(())
    }

    fn values(&mut self, mut at: Cursor<'_>, depth: u32, keyed: bool) -> Result<(), WalkError> {
        while let Some((tag, wire)) = at.field(depth)? {
            match tag {
                1 if keyed => self.key_value(&at, wire, depth)?,
                1 => {
                    let (inside, depth) = message(&at, wire, depth)?;
                    self.any_value(inside, depth)?;
                }
                _ => unknown(&at, depth)?,
            }
        }
        Ok(())
    }
}

fn entity(mut at: Cursor<'_>, depth: u32) -> Result<(), WalkError> {
    while let Some((tag, wire)) = at.field(depth)? {
        match tag {
            1..=4 => string(&at, wire)?,
            _ => unknown(&at, depth)?,
        }
    }
    Ok(())
}
