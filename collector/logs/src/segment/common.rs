//! What the segments of a store have in common.

use super::bodies::Encoders;
use super::templates::Dictionaries;
use crate::config::BodyEncoding;
use crate::stream::StreamPool;
use std::sync::Arc;

/// How many bytes the dictionaries of templates take in memory that were used last. Those of
/// other segments are read anew by the next query that wants them.
const DICTIONARY_BYTES_MAX: usize = 64 << 20;

/// What is kept once for all segments, and how new ones are written.
#[derive(Debug)]
pub(crate) struct Common {
    pub(super) streams: Arc<StreamPool>,
    pub(super) dictionaries: Dictionaries,
    pub(super) encoders: Encoders,
    /// How bodies are encoded from now on.
    pub(super) bodies: BodyEncoding,
}

impl Common {
    /// Nothing yet, and room for streams of so many bytes.
    pub(crate) fn new(stream_bytes_max: u64, bodies: BodyEncoding) -> Self {
        Self {
            streams: Arc::new(StreamPool::new(stream_bytes_max)),
            dictionaries: Dictionaries::new(DICTIONARY_BYTES_MAX),
            encoders: Encoders::default(),
            bodies,
        }
    }

    /// How many streams are kept.
    #[cfg(test)]
    pub(crate) fn streams_kept(&self) -> usize {
        self.streams.len()
    }
}
