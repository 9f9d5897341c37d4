//! Packing and unpacking: see the drawing in [`crate::record`].

use sonde_proto::{SpanId, TraceId, UnixNanos};

const HAS_TRACE: u8 = 1;
const HAS_SPAN: u8 = 2;

/// What is packed.
pub(crate) struct NewRecord<'a> {
    pub(crate) observed: UnixNanos,
    pub(crate) severity: u8,
    pub(crate) trace_id: Option<TraceId>,
    pub(crate) span_id: Option<SpanId>,
    pub(crate) body: &'a [u8],
}

/// A packed record, read without copying.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Packed<'a> {
    pub(crate) observed: UnixNanos,
    pub(crate) severity: u8,
    pub(crate) trace_id: Option<TraceId>,
    pub(crate) span_id: Option<SpanId>,
    pub(crate) body: &'a [u8],
    attributes: &'a [u8],
}

/// Appends a record to `out`.
pub(crate) fn pack<'k, 'v>(
    record: &NewRecord<'_>,
    attributes: impl ExactSizeIterator<Item = (&'k [u8], &'v [u8])>,
    out: &mut Vec<u8>,
) {
    let flag = |on: bool, bit: u8| if on { bit } else { 0 };
    let flags =
        flag(record.trace_id.is_some(), HAS_TRACE) | flag(record.span_id.is_some(), HAS_SPAN);
    out.extend_from_slice(&[flags, record.severity]);
    put_number(record.observed.0, out);
    if let Some(id) = &record.trace_id {
        out.extend_from_slice(id.as_bytes());
    }
    if let Some(id) = &record.span_id {
        out.extend_from_slice(id.as_bytes());
    }
    put_bytes(record.body, out);
    put_number(attributes.len() as u64, out);
    for (name, value) in attributes {
        put_bytes(name, out);
        put_bytes(value, out);
    }
}

impl<'a> Packed<'a> {
    /// Reads a packed record; nothing where the bytes end too early.
    pub(crate) fn read(bytes: &'a [u8]) -> Option<Self> {
        let mut at = bytes;
        let [flags, severity] = *take(&mut at, 2)? else {
            return None;
        };
        let observed = UnixNanos(number(&mut at)?);
        let trace_id = match flags & HAS_TRACE {
            0 => None,
            _ => Some(TraceId::from_slice(take(&mut at, 16)?).ok()?),
        };
        let span_id = match flags & HAS_SPAN {
            0 => None,
            _ => Some(SpanId::from_slice(take(&mut at, 8)?).ok()?),
        };
        let body = sized(&mut at)?;
        Some(Self {
            observed,
            severity,
            trace_id,
            span_id,
            body,
            attributes: at,
        })
    }

    /// Names and values of the attributes, in order.
    pub(crate) fn attributes(&self) -> impl Iterator<Item = (&'a [u8], &'a [u8])> + use<'a> {
        let mut at = self.attributes;
        let mut left = number(&mut at).unwrap_or(0);
        std::iter::from_fn(move || {
            left = left.checked_sub(1)?;
            Some((sized(&mut at)?, sized(&mut at)?))
        })
    }
}

fn put_bytes(bytes: &[u8], out: &mut Vec<u8>) {
    put_number(bytes.len() as u64, out);
    append(bytes, out);
}

/// Appends bytes. Names and values are mostly of four to thirty-two, which are copied as two
/// pieces that overlap: a call of the system's library takes longer than that.
#[inline]
pub(crate) fn append(bytes: &[u8], out: &mut Vec<u8>) {
    match bytes.len() {
        4..8 => ends::<4>(bytes, out),
        8..16 => ends::<8>(bytes, out),
        16..32 => ends::<16>(bytes, out),
        _ => out.extend_from_slice(bytes),
    }
}

/// Appends the first and the last `N` of at least so many bytes and less than twice as many.
#[inline]
fn ends<const N: usize>(bytes: &[u8], out: &mut Vec<u8>) {
    let end = out.len() + bytes.len();
    if let (Some(first), Some(last)) = (bytes.first_chunk::<N>(), bytes.last_chunk::<N>()) {
        out.extend_from_slice(first);
        out.truncate(end - N);
        out.extend_from_slice(last);
    }
}

#[expect(
    clippy::cast_possible_truncation,
    reason = "the low seven bits are what is meant"
)]
fn put_number(mut n: u64, out: &mut Vec<u8>) {
    while n >= 0x80 {
        out.push(n as u8 | 0x80);
        n >>= 7;
    }
    out.push(n as u8);
}

#[inline]
fn number(at: &mut &[u8]) -> Option<u64> {
    match at.split_first() {
        Some((byte, rest)) if *byte < 0x80 => {
            *at = rest;
            Some(u64::from(*byte))
        }
        _ => long_number(at),
    }
}

fn long_number(at: &mut &[u8]) -> Option<u64> {
    let mut n = 0;
    for shift in (0..64).step_by(7) {
        let (byte, rest) = at.split_first()?;
        *at = rest;
        n |= u64::from(byte & 0x7f) << shift;
        if byte & 0x80 == 0 {
            return Some(n);
        }
    }
    None
}

fn sized<'a>(at: &mut &'a [u8]) -> Option<&'a [u8]> {
    let length = usize::try_from(number(at)?).ok()?;
    take(at, length)
}

fn take<'a>(at: &mut &'a [u8], length: usize) -> Option<&'a [u8]> {
    let (taken, rest) = at.split_at_checked(length)?;
    *at = rest;
    Some(taken)
}

#[cfg(test)]
mod tests;
