//! Joins the lists of several segments whose blocks lie one after the other from now on.
//!
//! The hashes are dealt out over windows of about [`WINDOW`] of them; a window is gathered
//! from all lists, put into order and written. The lists are sorted, so a window is a few
//! sorted runs, which sorting only has to merge.
//!
//! The joined list keeps as many bits as the list that has the fewest, and those of pages where
//! any list has them.

use super::build::Writer;
use super::{BITS_MAX, CHUNK, Damage, Place, Tokens, bits_for, damaged_chunk};
use crate::segment::numbers::{take, take_count};
use std::io::{self, Write};

/// How many hashes are gathered at a time.
const WINDOW: usize = 1 << 15;
/// Lists are joined as long as less than one look-up in so many names a block too many.
const LOOK_UPS_MIN: u64 = 8;

/// A list, and the number that its first block has from now on.
#[derive(Clone, Copy)]
pub(in crate::segment) struct Source<'a> {
    pub(in crate::segment) tokens: &'a Tokens,
    pub(in crate::segment) first_block: u32,
}

/// Why lists could not be joined.
#[derive(Debug)]
pub(in crate::segment) enum ListError {
    /// The list at this place is damaged.
    Damaged(usize, Damage),
    Io(io::Error),
    /// The caller did not want it any more.
    Stopped,
}

impl From<io::Error> for ListError {
    fn from(error: io::Error) -> Self {
        Self::Io(error)
    }
}

/// Whether a joined list would name few blocks too many.
pub(in crate::segment) fn stays_selective<'a>(
    lists: impl Iterator<Item = &'a Tokens> + Clone,
) -> bool {
    let hashes: u64 = lists.clone().map(Tokens::hashes_max).sum();
    let bits = bits_of(lists);
    hashes <= (1 << bits) / LOOK_UPS_MIN
}

/// How many bits a joined list has.
fn bits_of<'a>(lists: impl Iterator<Item = &'a Tokens>) -> u32 {
    let full = lists.filter(|tokens| tokens.chunks() > 0);
    full.map(|tokens| tokens.bits)
        .min()
        .unwrap_or_else(|| bits_for(0))
}

/// Writes the joined list. `go_on` is asked once in a while.
pub(in crate::segment) fn join(
    sources: &[Source<'_>],
    out: &mut impl Write,
    mut go_on: impl FnMut() -> bool,
) -> Result<(), ListError> {
    for (at, source) in sources.iter().enumerate() {
        let of_source = |damage| ListError::Damaged(at, damage);
        source.tokens.check_index().map_err(of_source)?;
    }
    let lists = sources.iter().map(|source| source.tokens);
    let hashes: u64 = lists.clone().map(Tokens::hashes_max).sum();
    let windows = hashes.div_ceil(WINDOW as u64).next_power_of_two();
    let page_bits = lists
        .clone()
        .map(|tokens| tokens.page_bits)
        .max()
        .unwrap_or(0);
    let bits = bits_of(lists);
    let windows_bits = windows.trailing_zeros().min(bits);
    let mut writer = Writer::new(bits, page_bits, out);
    let fronts = sources.iter().map(|source| Front::new(*source, page_bits));
    let mut fronts: Vec<Front<'_>> = fronts.collect();
    let mut window = Vec::with_capacity(2 * WINDOW);
    for number in 1..=1_u64 << windows_bits {
        if !go_on() {
            return Err(ListError::Stopped);
        }
        let end = number << (BITS_MAX - windows_bits);
        window.clear();
        for (at, front) in fronts.iter_mut().enumerate() {
            let gathered = front.gather(end, &mut window);
            gathered.map_err(|damage| ListError::Damaged(at, damage))?;
        }
        // Hashes that were different may be the same with fewer bits.
        let kept = u64::MAX << (64 - bits) | u64::from(u32::MAX);
        window.iter_mut().for_each(|pair| *pair &= kept);
        window.sort();
        window.dedup();
        window.iter().try_for_each(|pair| writer.add(*pair))?;
    }
    Ok(writer.finish()?)
}

/// Reads the pairs of a list, the hash in the upper half and the place in the lower.
struct Front<'a> {
    source: Source<'a>,
    /// Those of the places it gives.
    page_bits: u32,
    /// The chunk to be read next.
    chunk: usize,
    pairs: Vec<u64>,
    /// How many of the pairs were taken.
    taken: usize,
    columns: [Vec<i64>; 3],
}

impl<'a> Front<'a> {
    fn new(source: Source<'a>, page_bits: u32) -> Self {
        Self {
            source,
            page_bits,
            chunk: 0,
            pairs: Vec::new(),
            taken: 0,
            columns: Default::default(),
        }
    }

    /// Takes the pairs whose hash is less than `end`.
    fn gather(&mut self, end: u64, into: &mut Vec<u64>) -> Result<(), Damage> {
        loop {
            let left = &self.pairs[self.taken..];
            let taken = left.partition_point(|pair| pair >> 32 < end);
            into.extend_from_slice(&left[..taken]);
            self.taken += taken;
            if taken < left.len() || !self.read()? {
                return Ok(());
            }
        }
    }

    /// Reads the next chunk; false where there is none.
    fn read(&mut self) -> Result<bool, Damage> {
        let Source {
            tokens,
            first_block,
        } = self.source;
        if self.chunk >= tokens.chunks() {
            return Ok(false);
        }
        let (chunk, first) = tokens.checked_chunk(self.chunk)?;
        self.pairs.clear();
        self.taken = 0;
        let shift = BITS_MAX - tokens.bits;
        let (columns, page_bits) = (&mut self.columns, self.page_bits);
        pairs_of(chunk, columns, |step, place| {
            let hash = u64::from(first).checked_add(step)? << shift;
            let mut place = Place::read(place, tokens.page_bits);
            place.block = first_block.checked_add(place.block)?;
            let place = place.number(page_bits)?;
            let pair = (hash <= u64::from(u32::MAX)).then(|| hash << 32 | u64::from(place));
            self.pairs.push(pair?);
            Some(())
        })
        .ok_or_else(|| damaged_chunk(self.chunk))?;
        self.chunk += 1;
        Ok(true)
    }
}

/// Calls `each` with every pair of a chunk: how much more its hash is than the chunk's first,
/// ascending, and the place.
fn pairs_of(
    chunk: &[u8],
    [steps, more, places]: &mut [Vec<i64>; 3],
    mut each: impl FnMut(u64, u32) -> Option<()>,
) -> Option<()> {
    let mut at = chunk;
    let count = take_count(&mut at).filter(|count| *count <= CHUNK)?;
    take(&mut at, count, steps)?;
    take(&mut at, count, more)?;
    let mut all = 0_usize;
    for more in &*more {
        all = all.checked_add(usize::try_from(*more).ok()?.checked_add(1)?)?;
    }
    take(&mut at, all, places)?;
    let (mut hash, mut from) = (0_u64, 0);
    for (step, more) in steps.iter().zip(&*more) {
        hash = hash.checked_add(u64::try_from(*step).ok()?)?;
        let to = from + usize::try_from(*more).ok()? + 1;
        for place in &places[from..to] {
            each(hash, u32::try_from(*place).ok()?)?;
        }
        from = to;
    }
    Some(())
}

#[cfg(test)]
mod tests;
