//! A segment of one tenant's traces: a directory of two sorted-block files.
//!
//! ```text
//! spans.blk   of each part, see [`parts`]:
//!             key  trace ID, 16 B
//!             value  the trace's spans, see [`value`]; a large trace has several
//! index.blk   key  'c' group, column                     value  codes of spans, see [`columns`]
//!             key  'd' number                            value  a resource or a scope, see [`shells`]
//!             key  'n' service 0x00 operation            value empty: a name that occurs
//!             key  'p' part, chunk                       value  numbers, see [`parts`]
//!             key  'r' token of a request ID           value  the traces that carry it, see [`ids`]
//!             key  's' ordinal u32 big endian            value fragment, below
//!             key  't' first 6 B of the token's hash     value ordinals, see [`tokens`]
//! fragment    trace ID 16 B, start varint, (end - start) varint,
//!             longest span varint, shortest span varint; times in nanoseconds
//! ```
//!
//! A fragment is a trace's part of the segment. Ordinals number the fragments by start,
//! newest first (then by trace ID), so that every list is in the order a search wants, and a
//! number costs a byte or two where a trace ID would cost sixteen.

mod parts;
mod shells;
mod value;
mod columns;
mod ordinals;
mod tokens;
mod matching;
mod ids;
mod write;
mod merge;

pub(crate) use ids::{IdsOnly, Where};
pub(crate) use matching::Matching;
pub(crate) use merge::merge;
pub(crate) use shells::ShellCache;
pub(crate) use write::{received, write_tail};

use crate::raw::RawSpan;
use crate::token;
use bytes::Bytes;
use ordinals::{decode_ordinals, intersect, union};
use parts::joined_checksum;
use sonde_proto::{TraceId, UnixNanos};
use sonde_segment::SegmentMeta;
use sonde_segment::blocks::{BlockError, Reader, Scan, put_varint, take_varint};
use std::ops::Bound;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use value::Values;

/// The last format; the first had no list of resources and scopes, the second has one part.
/// All are read.
const FORMAT: u64 = 3;
const SPANS: &str = "spans.blk";
const INDEX: &str = "index.blk";
const NAME: u8 = b'n';
const SUMMARY: u8 = b's';
const TOKEN: u8 = b't';

/// How far ahead a cursor walks before it seeks.
const STEP_MAX: u32 = 400;

/// What a search must know of a trace's part of a segment or tail.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Fragment {
    pub(crate) trace_id: TraceId,
    pub(crate) start: UnixNanos,
    pub(crate) end: UnixNanos,
    pub(crate) longest: u64,
    pub(crate) shortest: u64,
}

/// Newest first, then by trace ID.
pub(crate) type Order = (std::cmp::Reverse<UnixNanos>, TraceId);

/// An open segment.
#[derive(Debug)]
pub(crate) struct Segment {
    pub(crate) meta: SegmentMeta,
    /// Its spans, at least one part.
    parts: Vec<Reader>,
    index: Reader,
    /// How many fragments it has, at most.
    fragments: u32,
    cache: Arc<ShellCache>,
    damaged: AtomicBool,
}

impl Fragment {
    pub(crate) fn new(trace_id: TraceId, span: &RawSpan) -> Self {
        Self {
            trace_id,
            start: span.start,
            end: span.last(),
            longest: span.nanos(),
            shortest: span.nanos(),
        }
    }

    /// Widens the fragment by a span.
    pub(crate) fn include(&mut self, span: &RawSpan) {
        self.widen(&Self::new(self.trace_id, span));
    }

    /// Widens the fragment by another one of the same trace.
    pub(crate) fn widen(&mut self, other: &Self) {
        self.start = self.start.min(other.start);
        self.end = self.end.max(other.end);
        self.longest = self.longest.max(other.longest);
        self.shortest = self.shortest.min(other.shortest);
    }

    /// What fragments are sorted by: newest first.
    pub(crate) fn order(&self) -> Order {
        (std::cmp::Reverse(self.start), self.trace_id)
    }

    fn encode(&self) -> Vec<u8> {
        let mut out = self.trace_id.as_bytes().to_vec();
        for n in [
            self.start.0,
            self.end.0 - self.start.0,
            self.longest,
            self.shortest,
        ] {
            put_varint(&mut out, n);
        }
        out
    }

    fn decode(mut bytes: &[u8]) -> Option<Self> {
        let trace_id = TraceId::from_slice(bytes.split_off(..16)?).ok()?;
        let start = take_varint(&mut bytes)?;
        let end = start.checked_add(take_varint(&mut bytes)?)?;
        let (longest, shortest) = (take_varint(&mut bytes)?, take_varint(&mut bytes)?);
        Some(Self {
            trace_id,
            start: UnixNanos(start),
            end: UnixNanos(end),
            longest,
            shortest,
        })
    }
}

impl Segment {
    /// Opens a segment's files.
    pub(crate) fn open(
        path: &Path,
        meta: SegmentMeta,
        cache: &Arc<ShellCache>,
    ) -> Result<Self, BlockError> {
        let format = meta.extra["format"].as_u64().unwrap_or(1);
        if format > FORMAT {
            let why = format!("it has format {format}, and this version reads up to {FORMAT}");
            return Err(BlockError::Io {
                operation: "open",
                cause: std::io::Error::other(why),
            });
        }
        let (parts, index) = (
            Reader::open_all(&path.join(SPANS))?,
            Reader::open(&path.join(INDEX))?,
        );
        let spans = joined_checksum(parts.iter().map(Reader::checksum));
        if meta.checksum != checksum(spans, index.checksum()) {
            return Err(BlockError::Damaged(
                "it is another segment than the manifest lists",
            ));
        }
        let fragments = meta.extra["fragments"].as_u64().unwrap_or(meta.records);
        Ok(Self {
            fragments: u32::try_from(fragments).unwrap_or(u32::MAX),
            meta,
            parts,
            index,
            cache: Arc::clone(cache),
            damaged: AtomicBool::new(false),
        })
    }

    /// Adds the segment's spans of a trace, until more than `bytes_max` bytes of them and of what
    /// they share are read; returns how many were.
    pub(crate) fn spans_of(
        &self,
        trace_id: &TraceId,
        bytes_max: usize,
        out: &mut Vec<RawSpan>,
    ) -> Result<usize, BlockError> {
        let mut values = Values::new(self, bytes_max);
        self.each_value_of(trace_id, |part, value| {
            values.each_span(part, value, |span| {
                out.push(span);
                true
            })
        })?;
        Ok(values.bytes)
    }

    /// Visits the segment's spans of a trace, of which no more than a value is held at a time.
    /// After the one that `visit` wants as the last, none is read.
    pub(crate) fn each_span_of(
        &self,
        trace_id: &TraceId,
        mut visit: impl FnMut(RawSpan) -> bool,
    ) -> Result<(), BlockError> {
        let mut values = Values::new(self, usize::MAX);
        self.each_value_of(trace_id, |part, value| {
            values.each_span(part, value, &mut visit)
        })
    }

    /// Visits the values of a trace, and which part each lies in, until `visit` wants no more.
    fn each_value_of(
        &self,
        trace_id: &TraceId,
        mut visit: impl FnMut(u32, &Bytes) -> Result<bool, BlockError>,
    ) -> Result<(), BlockError> {
        if !self.may_have(trace_id) {
            return Ok(());
        }
        let id = trace_id.as_bytes();
        for (at, part) in (0..).zip(&self.parts) {
            if !part.may_contain(id) {
                continue;
            }
            for entry in part.scan(Bound::Included(id)) {
                let (key, value) = entry?;
                if key[..] != id[..] {
                    break;
                }
                if !visit(at, &value)? {
                    return Ok(());
                }
            }
        }
        Ok(())
    }

    /// Whether the segment may have spans of a trace. Touches no disk.
    pub(crate) fn may_have(&self, trace_id: &TraceId) -> bool {
        let id = trace_id.as_bytes();
        match self.parts.as_slice() {
            [part] => part.may_contain(id),
            _ => self.index.may_contain(id),
        }
    }

    /// The ordinals of fragments that may have all tokens; `None` when no token is asked for.
    fn ordinals(&self, tokens: &[u64]) -> Result<Option<Vec<u32>>, BlockError> {
        if tokens.is_empty() {
            return Ok(None);
        }
        let found = self.ordinals_with(tokens)?;
        let over = self.ordinals_with(&[token::overflow()])?;
        Ok(Some(union(found, over)))
    }

    fn ordinals_with(&self, tokens: &[u64]) -> Result<Vec<u32>, BlockError> {
        let mut found: Option<Vec<u32>> = None;
        for token in tokens {
            let Some(list) = self.index.get(&token_key(*token))? else {
                return Ok(Vec::new());
            };
            let list = decode_ordinals(&list)?;
            found = Some(match found {
                None => list,
                Some(before) => intersect(&before, &list),
            });
        }
        Ok(found.unwrap_or_default())
    }

    /// All fragments, newest first.
    pub(crate) fn fragments(&self) -> impl Iterator<Item = Result<Fragment, BlockError>> {
        let mut fragments = Fragments::new(self);
        let mut ordinal = 0;
        std::iter::from_fn(move || {
            let fragment = fragments.get(ordinal).transpose();
            ordinal += 1;
            fragment
        })
    }

    /// The first fragment that starts before a time, by its ordinal: all those behind it do.
    pub(crate) fn first_before(&self, time: UnixNanos) -> Result<u32, BlockError> {
        let (mut low, mut high) = (0, self.fragments);
        if self.meta.end < time {
            return Ok(low);
        }
        while low < high {
            let middle = low.midpoint(high);
            let summary = self.index.get(&summary_key(middle))?;
            let starts_before = match summary {
                Some(summary) => decode_summary(&summary)?.start < time,
                None => true,
            };
            (low, high) = match starts_before {
                true => (low, middle),
                false => (middle + 1, high),
            };
        }
        Ok(low)
    }

    /// Services and operations in the segment, in order.
    pub(crate) fn names(&self) -> impl Iterator<Item = Result<(String, String), BlockError>> {
        let entries = self.index.scan(Bound::Included(&[NAME])).take_while(|e| {
            e.as_ref()
                .map_or(true, |(key, _)| key.first() == Some(&NAME))
        });
        entries.map(|entry| entry.and_then(|(key, _)| decode_name(&key)))
    }

    /// How many traces it has spans of.
    pub(crate) fn fragment_count(&self) -> u64 {
        u64::from(self.fragments)
    }

    /// Its files and their sizes.
    pub(crate) fn parts(&self) -> [(&'static str, u64); 2] {
        let spans = self.parts.iter().map(Reader::bytes).sum();
        [("spans", spans), ("index", self.index.bytes())]
    }

    /// Marks the segment for quarantine; whether this was the first time.
    pub(crate) fn mark_damaged(&self) -> bool {
        !self.damaged.swap(true, Ordering::Relaxed)
    }

    /// Whether something in it was found wrong.
    pub(crate) fn is_damaged(&self) -> bool {
        self.damaged.load(Ordering::Relaxed)
    }

    /// Reads all of it through.
    pub(crate) fn verify(&self) -> Result<(), BlockError> {
        self.parts.iter().try_for_each(Reader::verify)?;
        self.index.verify()
    }
}

/// Reads fragments by ascending ordinals.
pub(crate) struct Fragments<'a> {
    segment: &'a Segment,
    scan: Option<Scan<'a>>,
    at: u32,
}

impl<'a> Fragments<'a> {
    pub(crate) fn new(segment: &'a Segment) -> Self {
        Self {
            segment,
            scan: None,
            at: 0,
        }
    }

    /// The fragment of an ordinal; `None` past the last.
    pub(crate) fn get(&mut self, wanted: u32) -> Result<Option<Fragment>, BlockError> {
        let near = self.scan.is_some() && wanted >= self.at && wanted - self.at <= STEP_MAX;
        let scan = match &mut self.scan {
            Some(scan) if near => scan,
            other => other.insert(
                self.segment
                    .index
                    .scan(Bound::Included(&summary_key(wanted))),
            ),
        };
        for entry in scan {
            let (key, value) = entry?;
            if key.first() != Some(&SUMMARY) {
                return Ok(None);
            }
            if key[..] >= summary_key(wanted)[..] {
                self.at = wanted + 1;
                return decode_summary(&value).map(Some);
            }
        }
        Ok(None)
    }
}

fn decode_summary(value: &[u8]) -> Result<Fragment, BlockError> {
    Fragment::decode(value).ok_or(BlockError::Damaged("a summary cannot be read"))
}

fn checksum(spans: u32, index: u32) -> u32 {
    spans.rotate_left(1) ^ index
}

fn summary_key(ordinal: u32) -> [u8; 5] {
    let [a, b, c, d] = ordinal.to_be_bytes();
    [SUMMARY, a, b, c, d]
}

fn token_key(token: u64) -> [u8; 7] {
    let [a, b, c, d, e, f, _, _] = token.to_be_bytes();
    [TOKEN, a, b, c, d, e, f]
}

fn name_key(service: &str, operation: &str) -> Vec<u8> {
    [&[NAME], service.as_bytes(), &[0], operation.as_bytes()].concat()
}

fn decode_name(key: &[u8]) -> Result<(String, String), BlockError> {
    let text = key
        .get(1..)
        .and_then(|bytes| std::str::from_utf8(bytes).ok());
    let (service, operation) = text
        .and_then(|t| t.split_once('\0'))
        .ok_or(BlockError::Damaged("a name cannot be read"))?;
    Ok((service.to_owned(), operation.to_owned()))
}
