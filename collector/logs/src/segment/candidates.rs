//! Which blocks of a segment can match at all, and on which of their pages: words narrow, bytes
//! decide.

use super::bodies::Pages;
use super::directory::{ANY_IDENTIFIER, ANY_WORD};
use super::reader::Segment;
use super::tokens;
use super::vocabulary::Place;
use super::{Damage, guarded};
use crate::record::metadata;
use crate::search::{Ask, Chosen, Lines};
use crate::words::{Needle, Part, Whole, hash, hex};
use sonde_proto::{TraceId, UnixNanos};

/// A block that may have what is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Candidate {
    pub(crate) block: u32,
    pub(crate) first: UnixNanos,
    pub(crate) last: UnixNanos,
    /// The equalities that a record of it may have by itself, a bit each.
    pub(crate) may_have: u32,
    /// Where the texts may be that lines have to contain.
    pub(crate) pages: Pages,
}

/// Blocks of a segment, a bit for each page: a block is there as long as any page is. One whose
/// identifiers are not listed by page is on the first then, or on all.
#[derive(Clone, Debug)]
struct Blocks(Vec<u64>);

/// How many blocks a number has the pages of.
const PER_WORD: usize = 64 / Pages::MAX;
/// Where an identifier leaves so few blocks, it is not asked which of them may have a part of
/// another word: to go through a dictionary for it takes longer than to look into them.
const FEW: usize = 16;

impl Segment {
    /// The blocks that may have what is asked for of the chosen streams.
    pub(crate) fn candidates(
        &self,
        ask: &Ask<'_>,
        chosen: &Chosen<'_>,
    ) -> Result<Vec<Candidate>, Damage> {
        guarded(|| {
            self.directory.check()?;
            let may_have = match ask.lines() {
                Some(lines) if !chosen.all() => self.equalities(lines)?,
                _ => Vec::new(),
            };
            let mut candidates = self.in_time_and_streams(ask, chosen, &may_have)?;
            if candidates.is_empty() {
                return Ok(candidates);
            }
            let mut blocks = Blocks::none(self.directory.blocks());
            candidates.iter().for_each(|c| blocks.insert(c.block));
            self.narrow(ask, &mut blocks)?;
            candidates.retain_mut(|c| {
                c.pages = blocks.pages(c.block);
                blocks.has(c.block)
            });
            Ok(candidates)
        })
    }

    fn in_time_and_streams(
        &self,
        ask: &Ask<'_>,
        chosen: &Chosen<'_>,
        equalities: &[Blocks],
    ) -> Result<Vec<Candidate>, Damage> {
        let (start, end) = ask.times();
        let mut candidates = Vec::new();
        for block in 0..self.directory.blocks() {
            let head = self.directory.head(block)?;
            if head.last < start || head.first >= end {
                continue;
            }
            let bits = equalities.iter().enumerate();
            let may_have = bits.fold(0, |bits, (n, of)| bits | u32::from(of.has(block)) << n);
            let mut runs = self.directory.runs(&head);
            if chosen.all() || runs.any(|run| chosen.may_want(run.stream, may_have)) {
                candidates.push(Candidate {
                    block,
                    first: head.first,
                    last: head.last,
                    may_have,
                    pages: Pages::ALL,
                });
            }
        }
        Ok(candidates)
    }

    fn narrow(&self, ask: &Ask<'_>, blocks: &mut Blocks) -> Result<(), Damage> {
        match ask {
            Ask::Lines(lines) => {
                let mut lists = lines.required.iter();
                lists.try_for_each(|one_of| self.narrow_to_one_of(one_of, blocks))
            }
            Ask::Trace(id) => {
                let mut found = Blocks::none(self.directory.blocks());
                self.tokens
                    .look_up(hash(&hex(id.as_bytes())), |place| found.insert_page(place))?;
                blocks.intersect(&found);
                Ok(())
            }
            Ask::Token(token) => {
                for whole in Needle::token(token.as_bytes()).whole {
                    let mut found = self.with_whole(&whole, Place::Attributes)?;
                    if matches!(whole, Whole::Word(_)) {
                        found.add(&self.with_whole(&whole, Place::Body)?);
                    }
                    blocks.intersect(&found);
                }
                Ok(())
            }
        }
    }

    /// For each equality, the blocks where a record may have it by itself: its value stands
    /// whole in an attribute's value, or it is a column.
    fn equalities(&self, lines: &Lines<'_>) -> Result<Vec<Blocks>, Damage> {
        let of = |(name, value): &(String, String)| {
            let mut found = Blocks::all(self.directory.blocks());
            if matches!(name.as_str(), metadata::SPAN_ID | metadata::SEVERITY_NUMBER) {
                return Ok(found);
            }
            for whole in Needle::token(value.as_bytes()).whole {
                found.intersect(&self.with_whole(&whole, Place::Attributes)?);
            }
            if name == metadata::TRACE_ID && TraceId::from_hex(value).is_ok() {
                let hash = hash(value.to_ascii_lowercase().as_bytes());
                self.tokens
                    .look_up(hash, |place| found.insert(place.block))?;
            }
            Ok(found)
        };
        lines.equalities.iter().map(of).collect()
    }

    /// Keeps the blocks whose bodies may contain one of the texts.
    fn narrow_to_one_of(&self, one_of: &[Vec<u8>], blocks: &mut Blocks) -> Result<(), Damage> {
        let needles: Vec<Needle<'_>> = one_of.iter().map(|text| Needle::inside(text)).collect();
        if needles.iter().any(Needle::is_empty) {
            return Ok(());
        }
        let mut found = Blocks::none(self.directory.blocks());
        for needle in &needles {
            let mut of_needle = blocks.clone();
            for whole in &needle.whole {
                of_needle.intersect(&self.with_whole(whole, Place::Body)?);
            }
            // An identifier leaves fewer blocks than anything else: once that is known, and where
            // it leaves few, nothing else is asked.
            let is_identifier = |whole: &Whole<'_>| matches!(whole, Whole::Identifier(_));
            let mut is_narrow = needle.whole.iter().any(is_identifier);
            let (words, others): (Vec<_>, Vec<_>) = needle
                .parts
                .iter()
                .partition(|part| part.fits_plain_words());
            for part in others.into_iter().chain(words) {
                let least = if is_narrow { FEW } else { 0 };
                if of_needle.count() > least {
                    self.narrow_to_part(part, &mut of_needle)?;
                }
                is_narrow |= Whole::of(part.bytes).as_ref().is_some_and(is_identifier);
            }
            found.add(&of_needle);
        }
        blocks.intersect(&found);
        Ok(())
    }

    fn with_whole(&self, whole: &Whole<'_>, place: Place) -> Result<Blocks, Damage> {
        let flag = match whole {
            Whole::Identifier(_) => ANY_IDENTIFIER,
            Whole::Word(_) => ANY_WORD,
        };
        let mut found = self.with_flag(flag);
        match whole {
            Whole::Identifier(hash) => self.tokens.look_up(*hash, |listed| match place {
                Place::Body => found.insert_page(listed),
                // Those of attributes are on any page.
                Place::Attributes => found.insert(listed.block),
            })?,
            Whole::Word(word) => self
                .words()?
                .look_up(place, word, |block| found.insert(block))?,
        }
        Ok(found)
    }

    /// Keeps the blocks where a word may have the part. A plain word is looked for in the
    /// dictionary. Of identifiers there is only the hash: that of the part, where it is the
    /// whole word, and else what they look like together.
    fn narrow_to_part(&self, part: &Part<'_>, blocks: &mut Blocks) -> Result<(), Damage> {
        let mut found = self.with_flag(ANY_IDENTIFIER);
        if part.fits_plain_words() {
            found.add(&self.with_flag(ANY_WORD));
            let all = self
                .words()?
                .look_up_part(part, |block| found.insert(block))?;
            if !all {
                return Ok(());
            }
        } else {
            let Some(Whole::Identifier(hash)) = Whole::of(part.bytes) else {
                return Ok(());
            };
            self.tokens
                .look_up(hash, |place| found.insert_page(place))?;
        }
        for block in 0..self.directory.blocks() {
            if blocks.has(block)
                && found.pages(block) != Pages::ALL
                && self.directory.head(block)?.reach.goes_beyond(part.bytes)
            {
                found.insert(block);
            }
        }
        blocks.intersect(&found);
        Ok(())
    }

    fn words(&self) -> Result<&super::vocabulary::Vocabulary, Damage> {
        self.vocabulary.check(self.directory.words_checksum())?;
        Ok(&self.vocabulary)
    }

    fn with_flag(&self, flag: u32) -> Blocks {
        let mut found = Blocks::none(self.directory.blocks());
        self.directory
            .flagged(flag)
            .for_each(|block| found.insert(block));
        found
    }
}

impl Blocks {
    fn none(blocks: u32) -> Self {
        Self(vec![0; (blocks as usize).div_ceil(PER_WORD)])
    }

    fn all(blocks: u32) -> Self {
        Self(vec![u64::MAX; (blocks as usize).div_ceil(PER_WORD)])
    }

    /// Takes a block in; one that is not there is no block of the segment.
    fn insert(&mut self, block: u32) {
        self.insert_pages(block, Pages::ALL);
    }

    fn insert_page(&mut self, place: tokens::Place) {
        self.insert_pages(place.block, Pages::only(place.page));
    }

    fn insert_pages(&mut self, block: u32, pages: Pages) {
        let (at, shift) = Self::bits_of(block);
        if let Some(bits) = self.0.get_mut(at) {
            *bits |= u64::from(pages.0) << shift;
        }
    }

    fn pages(&self, block: u32) -> Pages {
        let (at, shift) = Self::bits_of(block);
        let bits = self.0.get(at).copied().unwrap_or(0);
        Pages((bits >> shift) as u8 & Pages::ALL.0)
    }

    fn bits_of(block: u32) -> (usize, usize) {
        let block = block as usize;
        (block / PER_WORD, block % PER_WORD * Pages::MAX)
    }

    fn has(&self, block: u32) -> bool {
        self.pages(block) != Pages(0)
    }

    fn add(&mut self, other: &Self) {
        self.0.iter_mut().zip(&other.0).for_each(|(a, b)| *a |= b);
    }

    fn intersect(&mut self, other: &Self) {
        self.0.iter_mut().zip(&other.0).for_each(|(a, b)| *a &= b);
    }

    /// How many blocks have any page.
    fn count(&self) -> usize {
        const FIRST: u64 = u64::MAX / 15;
        let blocks = self.0.iter().map(|bits| {
            let any = bits | bits >> 1 | bits >> 2 | bits >> 3;
            (any & FIRST).count_ones() as usize
        });
        blocks.sum()
    }
}
