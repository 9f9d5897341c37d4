//! Which traces carry a request ID: the part of a segment's index that may outlive its spans.
//!
//! ```text
//! index.blk   key  'r' token u64 big endian     value  where, 24 B each, the newest first
//! ids.blk     key  token u64 big endian         value  the same: all that is left of a segment
//!                                                       whose spans were let go
//! where       start of the trace's part u64 big endian, trace ID 16 B
//! ```

use super::write::create;
use super::{Segment, merge::each_key};
use crate::token;
use bytes::Bytes;
use sonde_proto::{TraceId, UnixNanos};
use sonde_segment::SegmentMeta;
use sonde_segment::blocks::{BlockError, Reader, Writer};
use std::cmp::Reverse;
use std::ops::Bound;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

const IDS: u8 = b'r';
const FILE: &str = "ids.blk";
const WHERE_LEN: usize = 24;
/// So many traces are listed of one ID in one segment; the newest.
const LISTED_MAX: usize = 10_000;
/// Says of a segment that only its IDs are left.
const ONLY: &str = "ids_only";

/// A trace that carries an ID, the newest first.
pub(crate) type Where = (Reverse<UnixNanos>, TraceId);

/// Writes which traces carry which IDs.
pub(super) fn write_ids(writer: &mut Writer, mut ids: Vec<(u64, Where)>) -> Result<(), BlockError> {
    ids.sort_unstable();
    ids.dedup();
    let mut value = Vec::new();
    for one in ids.chunk_by(|a, b| a.0 == b.0) {
        encode(one.iter().map(|(_, at)| *at), &mut value);
        writer.add(&key(one[0].0), &value)?;
    }
    Ok(())
}

/// Writes the IDs of several segments as those of one.
pub(super) fn merge_ids(writer: &mut Writer, inputs: &[Arc<Segment>]) -> Result<(), BlockError> {
    let mut value = Vec::new();
    let inputs = inputs.iter().map(|s| s.ids()).collect();
    each_key(inputs, usize::MAX, |key, values| {
        let mut all = Vec::new();
        for (_, value) in values {
            decode(value, &mut all)?;
        }
        all.sort_unstable();
        // A trace whose parts are merged starts with the earliest of them, which search does
        // not need: the order is only about which are read first.
        all.dedup_by_key(|(_, id)| *id);
        encode(all.into_iter(), &mut value);
        writer.add(key, &value)
    })
}

impl Segment {
    /// Adds the traces that carry an ID.
    pub(crate) fn carriers(&self, token: u64, out: &mut Vec<Where>) -> Result<(), BlockError> {
        match self.index.get(&key(token))? {
            Some(value) => decode(&value, out),
            None => Ok(()),
        }
    }

    fn ids(&self) -> impl Iterator<Item = Result<(Bytes, Bytes), BlockError>> {
        let entries = self.index.scan(Bound::Included(&[IDS]));
        entries.take_while(|entry| {
            entry
                .as_ref()
                .map_or(true, |(key, _)| key.first() == Some(&IDS))
        })
    }
}

/// What is left of a segment whose spans were let go.
#[derive(Debug)]
pub(crate) struct IdsOnly {
    pub(crate) meta: SegmentMeta,
    ids: Reader,
    damaged: AtomicBool,
}

impl IdsOnly {
    /// Whether a listed segment is one.
    pub(crate) fn is_meant(meta: &SegmentMeta) -> bool {
        meta.extra[ONLY].as_bool().unwrap_or(false)
    }

    /// Writes the IDs of a segment into a directory of their own; `None` where it has none.
    pub(crate) fn write(
        path: &Path,
        id: u64,
        segment: &Segment,
    ) -> Result<Option<SegmentMeta>, BlockError> {
        create(path)?;
        let mut writer = Writer::create(&path.join(FILE))?;
        let mut count = 0;
        for entry in segment.ids() {
            let (key, value) = entry?;
            writer.add(key.get(1..).unwrap_or_default(), &value)?;
            count += 1;
        }
        let written = writer.finish()?;
        let mut meta = SegmentMeta {
            id,
            bytes: written.bytes,
            records: 0,
            checksum: written.checksum,
            ..segment.meta.clone()
        };
        meta.extra[ONLY] = true.into();
        Ok((count > 0).then_some(meta))
    }

    /// Opens what [`Self::write`] wrote.
    pub(crate) fn open(path: &Path, meta: SegmentMeta) -> Result<Self, BlockError> {
        let ids = Reader::open(&path.join(FILE))?;
        if ids.checksum() != meta.checksum {
            return Err(BlockError::Damaged(
                "it is another segment than the manifest lists",
            ));
        }
        Ok(Self {
            meta,
            ids,
            damaged: AtomicBool::new(false),
        })
    }

    /// Adds the traces that carried an ID.
    pub(crate) fn carriers(&self, token: u64, out: &mut Vec<Where>) -> Result<(), BlockError> {
        match self.ids.get(&token.to_be_bytes())? {
            Some(value) => decode(&value, out),
            None => Ok(()),
        }
    }

    /// Marks it for quarantine; whether this was the first time.
    pub(crate) fn mark_damaged(&self) -> bool {
        !self.damaged.swap(true, Ordering::Relaxed)
    }

    /// Whether something in it was found wrong.
    pub(crate) fn is_damaged(&self) -> bool {
        self.damaged.load(Ordering::Relaxed)
    }
}

fn key(token: u64) -> [u8; 9] {
    debug_assert!(token::is_request_id(token), "only these are listed");
    let mut key = [IDS; 9];
    key[1..].copy_from_slice(&token.to_be_bytes());
    key
}

fn encode(all: impl Iterator<Item = Where>, value: &mut Vec<u8>) {
    value.clear();
    for (Reverse(start), id) in all.take(LISTED_MAX) {
        value.extend_from_slice(&start.0.to_be_bytes());
        value.extend_from_slice(id.as_bytes());
    }
}

fn decode(value: &[u8], out: &mut Vec<Where>) -> Result<(), BlockError> {
    let (all, rest) = value.as_chunks::<WHERE_LEN>();
    let damaged = BlockError::Damaged("the traces of a request ID cannot be read");
    if !rest.is_empty() {
        return Err(damaged);
    }
    for one in all {
        let (start, id) = one.split_at(8);
        let start = start.try_into().map(u64::from_be_bytes);
        let (Ok(start), Ok(id)) = (start, TraceId::from_slice(id)) else {
            return Err(damaged);
        };
        out.push((Reverse(UnixNanos(start)), id));
    }
    Ok(())
}
