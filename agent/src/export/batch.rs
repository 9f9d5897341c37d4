//! A request being gathered: the records of one lane, with what its acknowledgement proves.
//!
//! ```text
//! Batch
//! ├ sections   resource (encoded once a file) + its records, in the order of their offsets
//! └ progress   how far each touched file is read when this batch is acknowledged
//! ```
//!
//! Invariant: everything that was consumed from a file before a batch was sealed is in that
//! batch or in an earlier one of the same lane, so its acknowledgement covers it.

use super::encode::{self, Record};
use crate::tail::cursors::Progress;
use bytes::Bytes;
use sonde_proto::UnixNanos;

/// Records of one resource.
#[derive(Clone, Debug)]
pub(crate) struct Section {
    pub(crate) resource: Bytes,
    pub(crate) records: Bytes,
    pub(crate) count: u64,
}

/// A sealed batch.
#[derive(Debug)]
pub(crate) struct Batch {
    pub(crate) lane: usize,
    pub(crate) sections: Vec<Section>,
    pub(crate) progress: Vec<Progress>,
}

/// The request that carries `sections`, as the pieces that follow one another.
pub(crate) fn request(sections: &[Section]) -> Vec<Bytes> {
    let pieces = |s: &Section| {
        [
            encode::section_header(&s.resource, s.records.len()),
            s.records.clone(),
        ]
    };
    sections.iter().flat_map(pieces).collect()
}

/// Cuts `sections` in two halves of records; `None` when there is but one record.
pub(crate) fn halves(sections: &[Section]) -> Option<(Vec<Section>, Vec<Section>)> {
    let total: u64 = sections.iter().map(|s| s.count).sum();
    if total < 2 {
        return None;
    }
    let (mut first, mut second, mut left) = (Vec::new(), Vec::new(), total / 2);
    for section in sections {
        if section.count <= left {
            left -= section.count;
            first.push(section.clone());
        } else if left == 0 {
            second.push(section.clone());
        } else {
            let (head, rest) = cut(section, left)?;
            left = 0;
            first.push(head);
            second.push(rest);
        }
    }
    Some((first, second))
}

fn cut(section: &Section, count: u64) -> Option<(Section, Section)> {
    let mut at = 0;
    for _ in 0..count {
        at += encode::record_end(&section.records[at..])?;
    }
    let part = |records: Bytes, count| Section {
        resource: section.resource.clone(),
        records,
        count,
    };
    Some((
        part(section.records.slice(..at), count),
        part(section.records.slice(at..), section.count - count),
    ))
}

/// Gathers one lane's next batch.
#[derive(Debug, Default)]
pub(crate) struct Builder {
    open: Vec<Open>,
    bytes: usize,
    records: u64,
    since: Option<UnixNanos>,
    touched: Vec<u64>,
    number: u64,
}

#[derive(Debug)]
struct Open {
    resource: Bytes,
    records: Vec<u8>,
    count: u64,
}

/// Where a file's records go in the batch with this number.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Slot {
    batch: u64,
    section: usize,
}

impl Builder {
    /// Appends a record to the section of `resource`, which `slot` remembers.
    pub(crate) fn push(&mut self, slot: &mut Option<Slot>, resource: &Bytes, record: &Record<'_>) {
        let section = match slot {
            Some(slot) if slot.batch == self.number => slot.section,
            _ => {
                self.open.push(Open {
                    resource: resource.clone(),
                    records: Vec::new(),
                    count: 0,
                });
                self.bytes += resource.len() + 16;
                *slot = Some(Slot {
                    batch: self.number,
                    section: self.open.len() - 1,
                });
                self.open.len() - 1
            }
        };
        let open = &mut self.open[section];
        let before = open.records.len();
        encode::record(&mut open.records, record);
        open.count += 1;
        self.bytes += open.records.len() - before;
        self.records += 1;
    }

    /// Notes that a file was read on: its progress belongs to this batch.
    pub(crate) fn touch(&mut self, follow: u64, touched: &mut Option<u64>, now: UnixNanos) {
        if *touched != Some(self.number) {
            *touched = Some(self.number);
            self.touched.push(follow);
        }
        self.since.get_or_insert(now);
    }

    pub(crate) fn bytes(&self) -> usize {
        self.bytes
    }

    pub(crate) fn records(&self) -> u64 {
        self.records
    }

    /// When its first content came, where it has any.
    pub(crate) fn since(&self) -> Option<UnixNanos> {
        self.since
    }

    /// Takes the gathered sections and the files they came from, and begins the next batch.
    pub(crate) fn take(&mut self) -> (Vec<Section>, Vec<u64>) {
        let number = self.number + 1;
        let taken = std::mem::replace(
            self,
            Self {
                number,
                ..Self::default()
            },
        );
        let sections = taken.open.into_iter().map(|o| Section {
            resource: o.resource,
            records: o.records.into(),
            count: o.count,
        });
        (sections.collect(), taken.touched)
    }
}

/// The `log.record.uid` of the first of `records`: the place to name when it is refused.
pub(crate) fn uid(records: &[u8]) -> Option<String> {
    let key = sonde_proto::semconv::LOG_RECORD_UID.as_bytes();
    let first = &records[..encode::record_end(records)?];
    // The attribute stands behind the body; key and value are each a tag and a length apart.
    let at = memchr::memmem::rfind(first, key)? + key.len() + 4;
    let text = first.get(at..at + 33)?;
    std::str::from_utf8(text).ok().map(str::to_owned)
}
