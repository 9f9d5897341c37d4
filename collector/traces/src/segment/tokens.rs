//! The lists of tokens: which fragments have what a search can ask for.
//!
//! ```text
//! index.blk   key  't' first 6 B of the token's hash     value ordinals, varint deltas
//! ```
//!
//! A tail has ten times as many pairs of token and ordinal as spans, and sorting them was a fifth
//! of a seal. Tokens are hashes and so spread evenly: pairs are dealt out by the upper bits into
//! piles that fit a processor's first cache, and what is left of a pair is a number of 64 bits.

use super::ids::Where;
use super::ordinals::{decode_each, encode_ordinals};
use super::{Segment, TOKEN, token_key};
use crate::tail::TailTrace;
use crate::token;
use sonde_segment::blocks::{BlockError, Cursor, Writer};
use std::sync::Arc;

/// The bits of a token that are listed.
const TOKEN_BITS: u32 = 48;
/// About so many pairs are in one pile.
const PILE: usize = 512;
/// Among so many tokens those seen last are looked for, so that one that every span of a trace
/// has is mostly taken once.
const SEEN: usize = 512;
/// Behind all tokens.
const PAST: u64 = u64::MAX;

/// How a pair is dealt out: the upper bits of the token say the pile, the others lie before the
/// ordinal in a number.
#[derive(Clone, Copy)]
struct Deal {
    pile_bits: u32,
    ordinal_bits: u32,
}

impl Deal {
    /// Of so many traces with at most so many pairs.
    fn of(traces: usize, pairs: usize) -> Self {
        let ordinal_bits = usize::BITS - traces.leading_zeros();
        // What of the token is left has to find room beside the ordinal.
        let least = (TOKEN_BITS + ordinal_bits).saturating_sub(u64::BITS);
        let wanted = (pairs / PILE).checked_ilog2().unwrap_or(0);
        Self {
            pile_bits: wanted.clamp(least, 16.max(least)),
            ordinal_bits,
        }
    }

    fn left_bits(self) -> u32 {
        TOKEN_BITS - self.pile_bits
    }

    fn pile(self, token: u64) -> usize {
        (token >> self.left_bits()) as usize
    }

    fn pair(self, token: u64, ordinal: u32) -> u64 {
        let left = token & ((1 << self.left_bits()) - 1);
        left << self.ordinal_bits | u64::from(ordinal)
    }

    fn token(self, pile: usize, pair: u64) -> u64 {
        (pile as u64) << self.left_bits() | pair >> self.ordinal_bits
    }

    fn ordinal(self, pair: u64) -> u32 {
        (pair & ((1 << self.ordinal_bits) - 1)) as u32
    }
}

/// What the traces of a tail are found by, as it lies with them.
#[derive(Default)]
pub(super) struct Taken {
    /// The listed bits of tokens with the ordinals of their traces, some more than once.
    tokens: Vec<(u64, u32)>,
    /// Which traces carry which request IDs, some more than once.
    pub(super) ids: Vec<(u64, Where)>,
    traces: usize,
}

impl Taken {
    /// Of traces that are in the order of their ordinals. Their tokens lie all over the memory, so
    /// they are walked once.
    pub(super) fn of(traces: &[&TailTrace]) -> Self {
        let mut taken = Self {
            traces: traces.len(),
            ..Self::default()
        };
        let mut seen = vec![(0, u32::MAX); SEEN];
        for (ordinal, trace) in (0..).zip(traces) {
            for token in trace.tokens() {
                if token::is_request_id(*token) {
                    taken.add_id(*token, trace.fragment.order());
                    continue;
                }
                let one = (token >> 16, ordinal);
                let known = &mut seen[one.0 as usize % SEEN];
                if *known != one {
                    *known = one;
                    taken.tokens.push(one);
                }
            }
        }
        taken
    }

    /// Mostly all spans of a trace have the same.
    fn add_id(&mut self, token: u64, at: Where) {
        if self.ids.last() != Some(&(token, at)) {
            self.ids.push((token, at));
        }
    }

    /// Writes the lists of tokens.
    pub(super) fn write_tokens(self, writer: &mut Writer) -> Result<(), BlockError> {
        let deal = Deal::of(self.traces, self.tokens.len());
        let mut ends = vec![0; 1 << deal.pile_bits];
        for (token, _) in &self.tokens {
            ends[deal.pile(*token)] += 1;
        }
        let mut all = 0;
        for end in &mut ends {
            (*end, all) = (all, all + *end);
        }
        let mut pairs = vec![0; all];
        for (token, ordinal) in self.tokens {
            let end = &mut ends[deal.pile(token)];
            pairs[*end] = deal.pair(token, ordinal);
            *end += 1;
        }
        let (mut start, mut ordinals, mut list) = (0, Vec::new(), Vec::new());
        for (pile, end) in ends.into_iter().enumerate() {
            let pairs = &mut pairs[start..end];
            start = end;
            pairs.sort_unstable();
            for one in pairs.chunk_by(|a, b| a >> deal.ordinal_bits == b >> deal.ordinal_bits) {
                ordinals.clear();
                ordinals.extend(one.iter().map(|pair| deal.ordinal(*pair)));
                ordinals.dedup();
                list.clear();
                encode_ordinals(ordinals.iter().copied(), &mut list);
                writer.add(&token_key(deal.token(pile, one[0]) << 16), &list)?;
            }
        }
        Ok(())
    }
}

/// The tokens of one segment.
struct Lists<'a> {
    cursor: Cursor<'a>,
    new_ordinals: &'a [u32],
}

impl<'a> Lists<'a> {
    fn of(segment: &'a Segment, new_ordinals: &'a [u32]) -> Self {
        Self {
            cursor: segment.index.cursor(&[TOKEN]),
            new_ordinals,
        }
    }

    /// The next token, or [`PAST`].
    fn step(&mut self) -> Result<u64, BlockError> {
        if !self.cursor.step()? {
            return Ok(PAST);
        }
        match *self.cursor.key() {
            [TOKEN, a, b, c, d, e, f] => Ok(u64::from_be_bytes([0, 0, a, b, c, d, e, f])),
            _ => Err(BlockError::Damaged("a token cannot be read")),
        }
    }

    /// Adds the list of the token it stands on, by new ordinals.
    fn take(&self, out: &mut Vec<u32>) -> Result<(), BlockError> {
        decode_each(self.cursor.value(), |old| {
            let new = self.new_ordinals.get(old as usize);
            out.push(*new.ok_or(BlockError::Damaged(
                "a token's list names a trace that is not there",
            ))?);
            Ok(())
        })
    }
}

/// Writes the lists of several segments as those of one. `wrote` hears of the file's bytes, and
/// may end it.
pub(super) fn merge_tokens(
    writer: &mut Writer,
    inputs: &[Arc<Segment>],
    new_ordinals: &[Vec<u32>],
    mut wrote: impl FnMut(u64) -> Result<(), BlockError>,
) -> Result<(), BlockError> {
    let inputs = inputs.iter().zip(new_ordinals);
    let mut lists: Vec<Lists<'_>> = inputs.map(|(s, new)| Lists::of(s, new)).collect();
    let heads: Result<Vec<u64>, _> = lists.iter_mut().map(Lists::step).collect();
    let (mut heads, mut ordinals, mut list) = (heads?, Vec::new(), Vec::new());
    // There are few inputs: to look at all heads is less work than to keep them in order.
    while let Some(least) = heads.iter().copied().min().filter(|least| *least != PAST) {
        wrote(writer.bytes())?;
        ordinals.clear();
        for (head, lists) in heads.iter_mut().zip(&mut lists) {
            while *head == least {
                lists.take(&mut ordinals)?;
                *head = lists.step()?;
            }
        }
        if !ordinals.is_sorted() {
            // Stable: it makes use of what each input had in order.
            ordinals.sort();
        }
        ordinals.dedup();
        list.clear();
        encode_ordinals(ordinals.iter().copied(), &mut list);
        writer.add(&token_key(least << 16), &list)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]
        #[test]
        fn a_pair_comes_back_from_its_pile_and_keeps_its_order(
            traces in prop_oneof![1_usize..200_000, 1 << 31..(1_usize << 32) - 1],
            pairs in 0_usize..1 << 40,
            tokens in any::<[u64; 2]>(),
            ordinals in any::<[u32; 2]>(),
        ) {
            let deal = Deal::of(traces, pairs);
            let dealt = |at: usize| {
                let (token, ordinal) = (tokens[at] >> 16, ordinals[at] % traces as u32);
                let (pile, pair) = (deal.pile(token), deal.pair(token, ordinal));
                assert!(pile < 1 << deal.pile_bits);
                assert_eq!((deal.token(pile, pair), deal.ordinal(pair)), (token, ordinal));
                ((pile, pair), (token, ordinal))
            };
            let (a, b) = (dealt(0), dealt(1));
            prop_assert_eq!(a.0.cmp(&b.0), a.1.cmp(&b.1));
        }
    }
}
