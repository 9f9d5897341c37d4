//! What the segments of a store have in common.

use super::bodies::Encoders;
use super::mapped::Mapped;
use super::templates::Dictionaries;
use crate::config::BodyEncoding;
use crate::stream::StreamPool;
use crate::telemetry::Telemetry;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// What is kept once for all segments, and how new ones are written.
#[derive(Debug)]
pub(crate) struct Common {
    pub(super) streams: Arc<StreamPool>,
    pub(super) dictionaries: Dictionaries,
    /// How many bytes the needles of one thread of a query may take.
    pub(super) needle_bytes_max: usize,
    /// Those that stay open.
    pub(crate) mapped: Mapped,
    pub(super) encoders: Encoders,
    /// How bodies are encoded from now on.
    pub(super) bodies: BodyEncoding,
    /// Whether segments are joined however small their blocks are.
    joins_all: AtomicBool,
}

impl Common {
    /// Nothing yet, and room of so many bytes for streams, for the dictionaries of templates and
    /// for what a thread looks for in these; what was opened stays open. What has no room is
    /// read anew by the next query that wants it.
    pub(crate) fn new(bytes_max: u64, bodies: BodyEncoding) -> Self {
        let bytes = usize::try_from(bytes_max).unwrap_or(usize::MAX);
        Self {
            streams: Arc::new(StreamPool::new(bytes_max)),
            dictionaries: Dictionaries::new(bytes),
            needle_bytes_max: bytes,
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

    /// How many bytes streams and dictionaries take.
    #[cfg(test)]
    pub(crate) fn bytes_kept(&self) -> (u64, u64) {
        (self.streams.bytes(), self.dictionaries.bytes())
    }

    /// How many streams are kept.
    #[cfg(test)]
    pub(crate) fn streams_kept(&self) -> usize {
        self.streams.len()
    }
}
