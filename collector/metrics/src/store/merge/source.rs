//! What a merge reads: one series of a segment after the other, with its labels by numbers
//! that all segments of the merge have in common.

use crate::Samples;
use crate::deletion::{self, Holes};
use crate::postings::Pairs;
use crate::segment::{Segment, SegmentError, SegmentIndex, SeriesBlock};
use crate::symbols::{Symbol, Symbols};
use std::sync::Arc;

/// One segment of a merge, and the series that is next.
pub(super) struct Source<'a> {
    segment: &'a Segment,
    /// What was deleted of it.
    holes: &'a Holes,
    index: SegmentIndex,
    /// The common number of each of its own symbols.
    numbers: Vec<Symbol>,
    block: SeriesBlock,
    next_block: usize,
    at: usize,
    labels: Vec<(Symbol, Symbol)>,
    /// How many bytes of values were read.
    bytes: u64,
}

/// The texts of all segments, and each with its first series.
pub(super) fn sources(
    inputs: &[(Arc<Segment>, Holes)],
) -> Result<(Symbols, Vec<Source<'_>>), SegmentError> {
    let (mut sources, mut tables) = (Vec::new(), Vec::new());
    for (segment, holes) in inputs {
        let opened = segment.index().and_then(|index| {
            let symbols = index.read_symbols()?;
            Ok((index, symbols))
        });
        let (index, symbols) = opened.inspect_err(|error| mark(segment, error))?;
        tables.push(symbols);
        sources.push(Source {
            segment,
            holes,
            index,
            numbers: Vec::new(),
            block: SeriesBlock::default(),
            next_block: 0,
            at: 0,
            labels: Vec::new(),
            bytes: 0,
        });
    }
    let symbols = union(&tables);
    for (source, own) in sources.iter_mut().zip(&tables) {
        let number = |text| symbols.find(text).unwrap_or_default();
        source.numbers = own.iter().map(number).collect();
        source.turn()?;
    }
    Ok((symbols, sources))
}

/// Every text of tables that are sorted, in order and once.
fn union(tables: &[Symbols]) -> Symbols {
    let mut all: Vec<&str> = tables.iter().flat_map(Symbols::iter).collect();
    all.sort_unstable();
    all.dedup();
    Symbols::sorted(all.into_iter())
}

impl Source<'_> {
    /// The labels of the next series; `None` at the end.
    pub(super) fn labels(&self) -> Option<&Pairs> {
        (self.at < self.block.len()).then_some(&self.labels)
    }

    /// How many bytes of values were read.
    pub(super) fn bytes(&self) -> u64 {
        self.bytes
    }

    /// Appends the samples of the next series and goes on to the one after it.
    pub(super) fn take(
        &mut self,
        samples: &mut Samples,
        symbols: &Symbols,
    ) -> Result<(), SegmentError> {
        let before = deletion::mark(samples);
        for chunk in self.block.chunks(self.at) {
            self.bytes += u64::from(chunk.values.1);
            self.segment
                .read(chunk, samples)
                .inspect_err(|error| mark(self.segment, error))?;
        }
        if !self.holes.is_empty() {
            let text = |symbol: &Symbol| symbols.text(*symbol);
            let labels = self.labels.iter().map(|(n, v)| (text(n), text(v)));
            if let Some(gone) = self.holes.in_series(&labels.collect()) {
                deletion::remove(samples, before, &gone);
            }
        }
        self.at += 1;
        self.turn()
    }

    /// Turns to the series at `at`, which may be in the next section.
    fn turn(&mut self) -> Result<(), SegmentError> {
        while self.at >= self.block.len() && self.next_block < self.index.blocks() {
            let block = self.index.read_block(self.next_block);
            self.block = block.inspect_err(|error| mark(self.segment, error))?;
            (self.next_block, self.at) = (self.next_block + 1, 0);
        }
        self.labels.clear();
        if self.at < self.block.len() {
            let number = |symbol: Symbol| self.numbers.get(symbol as usize).copied();
            let pairs = self.block.pairs(self.at).iter();
            let common = pairs.filter_map(|(n, v)| number(*n).zip(number(*v)));
            self.labels.extend(common);
        }
        Ok(())
    }
}

fn mark(segment: &Segment, error: &SegmentError) {
    if error.is_damage() && segment.mark_damaged() {
        tracing::error!(segment = segment.meta.id, %error, "a metric segment is damaged; it will be moved aside");
    }
}
