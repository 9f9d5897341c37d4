//! Labels that were looked at before and have no fault.
//!
//! A sender sends the same series every few seconds. Their labels are checked once; afterwards a
//! hash of their bytes tells that nothing is wrong with them. What is remembered is a part of
//! the hash, in the one place that the rest of it names: a series that is not found is only
//! checked again.
//!
//! One of four thousand million labels with a fault, at most, is held for another one without:
//! then its sender is not told, and the store leaves it out and counts it as ever.

use super::{Fault, LabelBounds, Series};
use crate::remote_write::Version;
use crate::walk::WalkError;
use ahash::RandomState;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering};

/// How many series are remembered, at most: 4 MiB, taken with the first.
const PLACES: usize = 1 << 20;

/// Series whose labels have no fault.
#[derive(Debug, Default)]
pub struct Known {
    hasher: RandomState,
    /// Zero where there is none yet.
    places: OnceLock<Box<[AtomicU32]>>,
}

impl Known {
    /// What is wrong with a series' labels, which are read only if they are not known.
    pub(super) fn fault<'a>(
        &self,
        version: Version,
        series: &Series<'_, 'a>,
        bounds: &LabelBounds,
        labels: &mut Vec<&'a [u8]>,
    ) -> Result<Option<Fault>, WalkError> {
        // The bytes of 2.0 are numbers of this one request, and quickly read.
        let bytes = series.label_bytes().filter(|_| version == Version::V1);
        let place = bytes.map(|bytes| self.place(bytes));
        if let Some((place, mark)) = place
            && place.load(Ordering::Relaxed) == mark
        {
            return Ok(None);
        }
        let fault = series.with_labels(labels)?.fault(bounds);
        if let (Some((place, mark)), None) = (place, fault) {
            place.store(mark, Ordering::Relaxed);
        }
        Ok(fault)
    }

    /// Where labels are remembered, and by what.
    fn place(&self, bytes: &[u8]) -> (&AtomicU32, u32) {
        let places = self
            .places
            .get_or_init(|| (0..PLACES).map(|_| AtomicU32::new(0)).collect());
        let hash = self.hasher.hash_one(bytes);
        let at = (hash >> 32) as usize % PLACES;
        (&places[at], (hash as u32).max(1))
    }
}
