//! The labels of the series that are being sealed, in their order.
//!
//! The head goes on growing meanwhile, so they are copied bit by bit: nobody waits for more
//! than a few thousand series. Numbers of series and of texts stay as they are until the
//! frozen generation is let go.

use crate::head::generation::Generation;
use crate::postings::{Index as _, Pairs};
use crate::symbols::{Symbol, Symbols};
use crate::tenant::TenantStore;

/// How many texts or series are copied while the head is locked.
const STEP: usize = 4096;

/// Which series there are, by their labels.
#[derive(Debug, Default)]
pub(super) struct Catalog {
    /// The texts of their labels, in order.
    pub(super) symbols: Symbols,
    /// Names and values of all series.
    pairs: Vec<(Symbol, Symbol)>,
    /// Number of each series in its head, and where its labels are; in the order of these.
    series: Vec<(u32, u32, u32)>,
}

impl Catalog {
    /// Reads the labels of the generation's series.
    pub(super) fn read(tenant: &TenantStore, generation: &Generation) -> Self {
        let mut catalog = Self::default();
        catalog.copy_pairs(tenant, generation);
        catalog.copy_texts(tenant);
        let pairs = &catalog.pairs;
        let labels = |(_, from, to): &(u32, u32, u32)| &pairs[*from as usize..*to as usize];
        catalog
            .series
            .sort_unstable_by(|a, b| labels(a).cmp(labels(b)));
        catalog
    }

    fn copy_pairs(&mut self, tenant: &TenantStore, generation: &Generation) {
        let mut ids = generation.series().peekable();
        while ids.peek().is_some() {
            let state = tenant.state.read();
            for id in ids.by_ref().take(STEP) {
                let from = self.pairs.len() as u32;
                self.pairs.extend_from_slice(state.head.pairs(id));
                self.series.push((id, from, self.pairs.len() as u32));
            }
        }
    }

    /// Copies the texts that are used, puts them in order, and numbers the labels anew.
    fn copy_texts(&mut self, tenant: &TenantStore) {
        let mut used: Vec<Symbol> = self.pairs.iter().flat_map(|(n, v)| [*n, *v]).collect();
        used.sort_unstable();
        used.dedup();
        let mut texts = Vec::with_capacity(used.len());
        for some in used.chunks(STEP) {
            let state = tenant.state.read();
            let text = |symbol: &Symbol| Box::<str>::from(state.head.symbols().text(*symbol));
            texts.extend(some.iter().map(|symbol| (text(symbol), *symbol)));
        }
        texts.sort_unstable();
        let mut numbers = vec![0; used.last().map_or(0, |last| *last as usize + 1)];
        for (number, (_, symbol)) in (0..).zip(&texts) {
            numbers[*symbol as usize] = number;
        }
        self.symbols = Symbols::sorted(texts.iter().map(|(text, _)| &**text));
        for (name, value) in &mut self.pairs {
            (*name, *value) = (numbers[*name as usize], numbers[*value as usize]);
        }
    }

    /// Every series with its labels, in the order of these.
    pub(super) fn series(&self) -> impl Iterator<Item = (u32, &Pairs)> {
        self.series
            .iter()
            .map(|(id, from, to)| (*id, &self.pairs[*from as usize..*to as usize]))
    }
}
