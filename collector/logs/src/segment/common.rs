//! What the segments of a store have in common.

use super::bodies::Encoders;
use super::mapped::Mapped;
use super::templates::Dictionaries;
use crate::config::BodyEncoding;
use crate::stream::StreamPool;
use crate::telemetry::Telemetry;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// How many bytes the dictionaries of templates take in memory that were used last. Those of
/// other segments are read anew by the next query that wants them.
const DICTIONARY_BYTES_MAX: usize = 64 << 20;

/// What is kept once for all segments, and how new ones are written.
#[derive(Debug)]
pub(crate) struct Common {
    pub(super) streams: Arc<StreamPool>,
    pub(super) dictionaries: Dictionaries,
    /// Those that stay open.
    pub(crate) mapped: Mapped,
    pub(super) encoders: Encoders,
    /// How bodies are encoded from now on.
    pub(super) bodies: BodyEncoding,
    /// Whether segments are joined however small their blocks are.
    joins_all: AtomicBool,
}

impl Common {
    /// Nothing yet, and room for streams of so many bytes; what was opened stays open.
    pub(crate) fn new(stream_bytes_max: u64, bodies: BodyEncoding) -> Self {
        Self {
            streams: Arc::new(StreamPool::new(stream_bytes_max)),
            dictionaries: Dictionaries::new(DICTIONARY_BYTES_MAX),
            mapped: Mapped::new(0, &Telemetry::default()),
            encoders: Encoders::default(),
            bodies,
            joins_all: AtomicBool::new(false),
        }
    }

    /// Has segments stay open as `mapped` says.
    pub(crate) fn with(mut self, mapped: Mapped) -> Self {
        self.mapped = mapped;
        self
    }

    /// Whether segments are joined however small their blocks are.
    pub(crate) fn joins_all(&self) -> bool {
        self.joins_all.load(Ordering::Relaxed)
    }

    /// Has them joined from now on, or not any more.
    #[cfg(test)]
    pub(crate) fn join_all(&self, joins: bool) {
        self.joins_all.store(joins, Ordering::Relaxed);
    }

    /// How many streams are kept.
    #[cfg(test)]
    pub(crate) fn streams_kept(&self) -> usize {
        self.streams.len()
    }
}
