//! Encoders between two segments. What one has learned of sources, which of them write lines
//! that are worth templates and how these are best cut, holds for the next segment too: a
//! segment of a few seconds would otherwise learn it anew for a good part of its lines.

use parking_lot::Mutex;
use sonde_patterns::{Encoder, Limits};

/// A seal and a merge write at the same time, and hardly anybody else.
const KEPT_MAX: usize = 2;

/// Encoders that nobody uses.
#[derive(Default)]
pub(in crate::segment) struct Encoders {
    kept: Mutex<Vec<Encoder>>,
}

impl Encoders {
    /// An encoder for a new segment.
    pub(super) fn take(&self) -> Encoder {
        let known = self.kept.lock().pop();
        known.unwrap_or_else(|| Encoder::new(Limits::default()))
    }

    /// Takes an encoder back whose segment is finished.
    pub(super) fn give_back(&self, encoder: Encoder) {
        let mut kept = self.kept.lock();
        if kept.len() < KEPT_MAX {
            kept.push(encoder);
        }
    }
}

impl std::fmt::Debug for Encoders {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let kept = self.kept.lock().len();
        f.debug_struct("Encoders").field("kept", &kept).finish()
    }
}
