//! Which segments stay open, within bytes.
//!
//! What is open is mapped into memory, and what was read of a mapping counts as the process'
//! own. With every segment open, that would grow with the disk. So the segments that were used
//! last stay open, and others only as long as somebody reads of them: what is mapped is never
//! more than the bound and what is in use.

use super::reader::Segment;
use crate::telemetry::Telemetry;
use parking_lot::Mutex;
use prometheus_client::metrics::gauge::Gauge;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// What an open segment takes beside the bytes of its files: the rest of the last page of each
/// file, and about 10 KiB that tantivy keeps of its dictionary.
const OPEN_BYTES: u64 = 64 << 10;
/// So many segments stay open at most, however small: each is 12 mappings, and a process may
/// have some 65,000.
const SEGMENTS_MAX: usize = 2048;

/// The segments that stay open.
pub(crate) struct Mapped {
    bytes_max: u64,
    kept: Mutex<Kept>,
    telemetry: Telemetry,
    /// The most that was mapped at any time.
    #[cfg(test)]
    peak: AtomicU64,
}

#[derive(Default)]
struct Kept {
    /// By their last use.
    segments: BTreeMap<u64, Arc<Segment>>,
    bytes: u64,
    /// How often a segment was used: the later of two uses has the greater number.
    uses: u64,
}

/// What an open segment takes; counted as long as it lives.
pub(super) struct Lease {
    bytes: u64,
    gauge: Gauge,
    /// The number of its last use among those that stay open; 0 where it is not among them.
    /// Changed under their lock only.
    used: AtomicU64,
}

impl Mapped {
    /// None yet, and room for so many bytes; 0 is no limit.
    pub(crate) fn new(bytes_max: u64, telemetry: &Telemetry) -> Self {
        Self {
            bytes_max: if bytes_max == 0 { u64::MAX } else { bytes_max },
            kept: Mutex::default(),
            telemetry: telemetry.clone(),
            #[cfg(test)]
            peak: AtomicU64::new(0),
        }
    }

    /// Counts a segment whose files have so many bytes as open.
    pub(super) fn lease(&self, file_bytes: u64) -> Lease {
        let bytes = file_bytes.saturating_add(OPEN_BYTES);
        let gauge = self.telemetry.mapped_bytes.clone();
        gauge.inc_by(signed(bytes));
        self.telemetry.segment_opens.inc();
        #[cfg(test)]
        self.peak.fetch_max(self.bytes(), Ordering::Relaxed);
        Lease {
            bytes,
            gauge,
            used: AtomicU64::new(0),
        }
    }

    /// Keeps a segment open that is being used, in the place of those that were not used for
    /// longest. One that is larger than all the room is not kept.
    pub(super) fn keep(&self, segment: &Arc<Segment>) {
        let mut left = Vec::new();
        {
            let mut kept = self.kept.lock();
            left.extend(kept.take(segment));
            if segment.lease.bytes <= self.bytes_max {
                kept.put(Arc::clone(segment));
            }
            while kept.bytes > self.bytes_max || kept.segments.len() > SEGMENTS_MAX {
                let Some((_, oldest)) = kept.segments.pop_first() else {
                    break;
                };
                kept.bytes -= oldest.lease.bytes;
                oldest.lease.used.store(0, Ordering::Relaxed);
                left.push(oldest);
            }
        }
        // Closing a segment gives back its mappings: not while others wait for the lock.
        drop(left);
    }

    /// Does not keep a segment open any longer.
    pub(super) fn forget(&self, segment: &Segment) {
        let left = self.kept.lock().take(segment);
        drop(left);
    }

    /// How many bytes those take that stay open.
    #[cfg(test)]
    pub(crate) fn kept_bytes(&self) -> u64 {
        self.kept.lock().bytes
    }

    /// How many bytes are mapped, in use or not.
    #[cfg(test)]
    pub(crate) fn bytes(&self) -> u64 {
        u64::try_from(self.telemetry.mapped_bytes.get()).unwrap_or(0)
    }

    /// The most that was mapped at any time.
    #[cfg(test)]
    pub(crate) fn peak(&self) -> u64 {
        self.peak.load(Ordering::Relaxed)
    }

    /// How often a segment was opened.
    #[cfg(test)]
    pub(crate) fn opens(&self) -> u64 {
        self.telemetry.segment_opens.get()
    }
}

impl Kept {
    fn put(&mut self, segment: Arc<Segment>) {
        self.uses += 1;
        self.bytes += segment.lease.bytes;
        segment.lease.used.store(self.uses, Ordering::Relaxed);
        self.segments.insert(self.uses, segment);
    }

    fn take(&mut self, segment: &Segment) -> Option<Arc<Segment>> {
        let used = segment.lease.used.swap(0, Ordering::Relaxed);
        let taken = self.segments.remove(&used)?;
        self.bytes -= taken.lease.bytes;
        Some(taken)
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        self.gauge.dec_by(signed(self.bytes));
    }
}

impl std::fmt::Debug for Mapped {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let kept = self.kept.lock();
        f.debug_struct("Mapped")
            .field("kept", &kept.segments.len())
            .field("bytes", &kept.bytes)
            .finish_non_exhaustive()
    }
}

fn signed(n: u64) -> i64 {
    i64::try_from(n).unwrap_or(i64::MAX)
}
