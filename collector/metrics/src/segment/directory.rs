//! Where the sections of a segment are.

use super::sections::{Place, count, put, small};
use super::{BLOCK_SERIES, SegmentError};
use crate::chunk::Damaged;
use crate::symbols::Symbol;

/// The least that a place takes.
const PLACE_BYTES: usize = 4;

/// What is read of a segment when it is opened.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Directory {
    pub(super) series: u32,
    pub(super) texts: u32,
    pub(super) symbols: Place,
    /// The values of each label, by the label's symbol.
    pub(super) labels: Vec<(Symbol, Place)>,
    /// Sections of so many series each.
    pub(super) blocks: Vec<Place>,
}

impl Directory {
    pub(super) fn encode(&self) -> Vec<u8> {
        let mut out = Vec::new();
        put(&mut out, u64::from(self.series));
        put(&mut out, u64::from(self.texts));
        self.symbols.put(&mut out);
        put(&mut out, self.labels.len() as u64);
        for (name, place) in &self.labels {
            put(&mut out, u64::from(*name));
            place.put(&mut out);
        }
        put(&mut out, self.blocks.len() as u64);
        self.blocks.iter().for_each(|place| place.put(&mut out));
        out
    }

    /// Reads what [`Self::encode`] wrote; all places lie before `end`.
    pub(super) fn decode(mut bytes: &[u8], end: u64) -> Result<Self, SegmentError> {
        let bytes = &mut bytes;
        let mut directory = Self {
            series: small(bytes)?,
            texts: small(bytes)?,
            symbols: Place::take(bytes, end)?,
            ..Self::default()
        };
        for _ in 0..count(bytes, PLACE_BYTES + 1)? {
            let label = (small(bytes)?, Place::take(bytes, end)?);
            directory.labels.push(label);
        }
        for _ in 0..count(bytes, PLACE_BYTES)? {
            directory.blocks.push(Place::take(bytes, end)?);
        }
        let blocks = directory.series.div_ceil(BLOCK_SERIES) as usize;
        let rising = directory.labels.is_sorted_by(|a, b| a.0 < b.0);
        if blocks == directory.blocks.len() && rising && bytes.is_empty() {
            Ok(directory)
        } else {
            Err(Damaged.into())
        }
    }

    /// Which of the labels has this name.
    pub(super) fn label(&self, name: Symbol) -> Option<usize> {
        self.labels.binary_search_by_key(&name, |(n, _)| *n).ok()
    }

    pub(super) fn bytes(&self) -> usize {
        (self.blocks.len() + self.labels.len()) * 48
    }
}
