//! The labels of the series that are being sealed, in their order.
//!
//! The head goes on growing meanwhile, so they are copied bit by bit: nobody waits for more
//! than a few thousand series. Numbers of series and of texts stay as they are until the
//! frozen generation is let go.

use crate::head::generation::Generation;
use crate::postings::Index as _;
use crate::tenant::TenantStore;

/// How many texts or series are copied while the head is locked.
const STEP: usize = 4096;

/// Which series there are, by their labels.
#[derive(Debug, Default)]
pub(super) struct Catalog {
    /// Every text, by its text.
    texts: Texts,
    /// Names and values of all series, as places in `texts`.
    pairs: Vec<(u32, u32)>,
    /// Number of each series in its head, and where its labels are; in the order of these.
    series: Vec<(u32, u32, u32)>,
}

#[derive(Debug, Default)]
struct Texts {
    all: String,
    ends: Vec<u32>,
}

impl Catalog {
    /// Reads the labels of the generation's series.
    pub(super) fn read(tenant: &TenantStore, generation: &Generation) -> Self {
        let unsorted = Texts::read(tenant);
        let (texts, ranks) = unsorted.sorted();
        let mut catalog = Self {
            texts,
            ..Self::default()
        };
        let mut ids = generation.series().peekable();
        while ids.peek().is_some() {
            let state = tenant.state.read();
            for id in ids.by_ref().take(STEP) {
                let from = catalog.pairs.len() as u32;
                let rank = |symbol: u32| ranks.get(symbol as usize).copied().unwrap_or_default();
                let pairs = state.head.pairs(id).iter();
                catalog
                    .pairs
                    .extend(pairs.map(|(name, value)| (rank(*name), rank(*value))));
                catalog.series.push((id, from, catalog.pairs.len() as u32));
            }
        }
        let pairs = &catalog.pairs;
        let labels = |(_, from, to): &(u32, u32, u32)| &pairs[*from as usize..*to as usize];
        catalog
            .series
            .sort_unstable_by(|a, b| labels(a).cmp(labels(b)));
        catalog
    }

    /// Every series with its labels, in the order of these.
    pub(super) fn series(&self) -> impl Iterator<Item = (u32, impl Iterator<Item = (&str, &str)>)> {
        self.series.iter().map(|(id, from, to)| {
            let pairs = self.pairs[*from as usize..*to as usize].iter();
            let texts =
                |(name, value): &(u32, u32)| (self.texts.get(*name), self.texts.get(*value));
            (*id, pairs.map(texts))
        })
    }
}

impl Texts {
    fn read(tenant: &TenantStore) -> Self {
        let count = tenant.state.read().head.symbols().len();
        let mut texts = Self::default();
        while texts.ends.len() < count {
            let state = tenant.state.read();
            let from = texts.ends.len();
            for symbol in from..count.min(from + STEP) {
                texts.push(state.head.symbols().text(symbol as u32));
            }
        }
        texts
    }

    fn push(&mut self, text: &str) {
        self.all.push_str(text);
        self.ends.push(self.all.len() as u32);
    }

    fn get(&self, number: u32) -> &str {
        let at = number as usize;
        let start = at.checked_sub(1).and_then(|before| self.ends.get(before));
        let end = self.ends.get(at).copied().unwrap_or_default();
        let start = start.copied().unwrap_or_default();
        self.all
            .get(start as usize..end as usize)
            .unwrap_or_default()
    }

    /// The texts in order, and at which place each of them is then.
    fn sorted(self) -> (Self, Vec<u32>) {
        let mut order: Vec<u32> = (0..self.ends.len() as u32).collect();
        order.sort_unstable_by(|a, b| self.get(*a).cmp(self.get(*b)));
        let mut ranks = vec![0; order.len()];
        let mut sorted = Self::default();
        sorted.all.reserve_exact(self.all.len());
        sorted.ends.reserve_exact(self.ends.len());
        for (rank, number) in (0u32..).zip(&order) {
            ranks[*number as usize] = rank;
            sorted.push(self.get(*number));
        }
        (sorted, ranks)
    }
}
