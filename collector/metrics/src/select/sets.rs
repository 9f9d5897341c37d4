//! Label sets of one selection: charged before they are built, and a text that several have is
//! in memory once.

use crate::postings::Index;
use crate::promql::source::{Room, Stop};
use crate::symbols::Symbol;
use ahash::{AHashMap, AHashSet};
use sonde_proto::{Labels, LabelsBuilder};
use std::sync::Arc;

/// What a text takes besides its bytes: its counts, and its place among the texts.
const TEXT_BYTES: usize = 16 + 32;
/// What a set takes of its own: its counts, and its series' places in lists and maps.
pub(super) const SET_BYTES: usize = 160;
/// What a label of a set takes: where its two texts are.
const LABEL_BYTES: usize = 32;

/// The texts of the sets so far.
#[derive(Default)]
pub(super) struct Texts(AHashSet<Arc<str>>);

/// Builds the sets of one index.
pub(super) struct Sets<'a> {
    texts: &'a mut Texts,
    index: &'a dyn Index,
    known: AHashMap<Symbol, Arc<str>>,
}

impl Texts {
    pub(super) fn of<'a>(&'a mut self, index: &'a dyn Index) -> Sets<'a> {
        Sets {
            texts: self,
            index,
            known: AHashMap::new(),
        }
    }
}

impl Sets<'_> {
    /// The labels of a series. Its texts are charged, but the set is not, see [`charge`].
    pub(super) fn labels(&mut self, series: u32, room: &mut Room) -> Result<Labels, Stop> {
        let mut set = LabelsBuilder::default();
        for (name, value) in self.index.pairs(series) {
            set.set_shared(&self.text(*name, room)?, &self.text(*value, room)?);
        }
        Ok(set.build())
    }

    fn text(&mut self, symbol: Symbol, room: &mut Room) -> Result<Arc<str>, Stop> {
        if let Some(known) = self.known.get(&symbol) {
            return Ok(Arc::clone(known));
        }
        let text = self.index.symbols().text(symbol);
        let shared = match self.texts.0.get(text) {
            Some(shared) => Arc::clone(shared),
            None => {
                room.take_label_bytes((TEXT_BYTES + text.len()) as u64)?;
                let shared: Arc<str> = text.into();
                self.texts.0.insert(Arc::clone(&shared));
                shared
            }
        };
        self.known.insert(symbol, Arc::clone(&shared));
        Ok(shared)
    }
}

/// Charges a set of so many labels that is kept.
pub(super) fn charge(labels: usize, room: &mut Room) -> Result<(), Stop> {
    room.take_label_bytes((SET_BYTES + labels * LABEL_BYTES) as u64)
}
