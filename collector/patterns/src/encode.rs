//! Bodies in, blocks out, and at the end the dictionary that the blocks share.

mod ladder;
mod sightings;
mod templates;
mod zip;

pub(crate) use zip::Zip;

use crate::column::ColumnWriter;
use crate::dictionary::{RAW_COLUMN, RAW_TEMPLATE, VERSION};
use crate::limits::{BLOCK_BYTES_MAX, Limits, ROWS_MAX, VALUES_MAX};
use crate::split::{Span, Splitter};
use crate::tokens::tokens;
use crate::wire::put_varint;
use crate::{bits, limits};
use ladder::Ladder;
use sightings::Sightings;
use templates::Templates;

/// How much of a block is looked at to guess how small it would be raw.
const SAMPLE_BYTES: usize = 32 << 10;
/// From this share of the guess on it is worth to know exactly: a part compresses worse than
/// the whole.
const SUSPICIOUS: f64 = 0.75;
/// A templated block may be this much larger than a raw one, for what it saves in searches.
const TOLERANCE: f64 = 1.03;

/// The bodies are more than one block takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "a block takes at most {ROWS_MAX} bodies and {BLOCK_BYTES_MAX} bytes of them; give the encoder fewer at a time"
)]
pub struct TooLarge;

/// Encodes the blocks of one segment after the other.
///
/// What it learns of sources and templates it keeps over [`Encoder::finish`], so the first
/// rows of a later segment are not raw again.
pub struct Encoder {
    limits: Limits,
    templates: Templates,
    sightings: Sightings,
    ladder: Ladder,
    splitter: Splitter,
    block: Block,
    writer: ColumnWriter,
    zip: Zip,
}

/// The block that is being encoded.
#[derive(Default)]
struct Block {
    /// All bodies, one after the other.
    bodies: Vec<u8>,
    /// Each row's template.
    rows: Vec<u32>,
    /// Each row's bytes.
    lengths: Vec<u32>,
    /// The variables of each column of the segment, as spans of `bodies`.
    columns: Vec<Vec<Span>>,
    values: usize,
    /// The sources, but for repetitions side by side.
    sources: Vec<u64>,
    /// The templates in use and their rows.
    used: Vec<(u32, u32)>,
    /// Each template's place in `used`.
    places: Vec<u32>,
    head: Vec<u8>,
    data: Vec<u8>,
}

impl Encoder {
    /// An encoder that knows nothing yet.
    #[must_use]
    pub fn new(limits: Limits) -> Self {
        let limits = limits.readable();
        Self {
            templates: Templates::new(),
            sightings: Sightings::new(),
            ladder: Ladder::new(limits.sources_max),
            splitter: Splitter::default(),
            block: Block::default(),
            writer: ColumnWriter::default(),
            zip: Zip::new(),
            limits,
        }
    }

    /// Appends a block of bodies, each with the source it is from, to `out`.
    ///
    /// `token` gets the words (see [`tokens`](crate::tokens)) of everything that is not static
    /// text of a template, no shorter than the limit says; a word may come more than once.
    /// [`Encoder::used`] and [`Encoder::static_words`] name the others.
    ///
    /// # Errors
    /// When the bodies are more than a block takes; then nothing is appended.
    pub fn encode<'a>(
        &mut self,
        bodies: impl IntoIterator<Item = (&'a [u8], u64)>,
        out: &mut Vec<u8>,
        mut token: impl FnMut(&[u8]),
    ) -> Result<(), TooLarge> {
        let shortest = self.limits.token_bytes_min;
        let mut long = |word: &[u8]| {
            if word.len() >= shortest {
                token(word);
            }
        };
        self.encode_values(bodies, out, |value, is_word| {
            if is_word {
                long(value);
            } else if value.len() >= shortest {
                tokens(value, &mut long);
            }
        })
    }

    /// The same, but `value` gets everything that is not static text as it is, and whether it
    /// is one word: for a store that finds words in text itself.
    ///
    /// # Errors
    /// As [`Encoder::encode`].
    pub fn encode_values<'a>(
        &mut self,
        bodies: impl IntoIterator<Item = (&'a [u8], u64)>,
        out: &mut Vec<u8>,
        mut value: impl FnMut(&[u8], bool),
    ) -> Result<(), TooLarge> {
        self.block.clear();
        for (body, source) in bodies {
            let bytes = self.block.bodies.len() + body.len();
            if bytes > BLOCK_BYTES_MAX || self.block.rows.len() == ROWS_MAX {
                return Err(TooLarge);
            }
            let template = self.template_of(body, source);
            self.push(body, template);
            if self.block.sources.last() != Some(&source) {
                self.block.sources.push(source);
            }
        }
        self.block.count_templates(self.templates.len());
        let start = out.len();
        self.write(out, &mut value);
        if !self.write_raw_if_smaller(start, out) {
            self.templates.keep(&self.block.used);
        }
        Ok(())
    }

    /// The templates of the last block's bodies, and how many rows each, by number: what is
    /// static in them was not given to `token`. Rows that never had one are not among them.
    #[must_use]
    pub fn used(&self) -> &[(u32, u32)] {
        match self.block.used.split_first() {
            Some(((RAW_TEMPLATE, _), rest)) => rest,
            _ => &self.block.used,
        }
    }

    /// Calls `each` with the words of a template's static text.
    pub fn static_words(&self, template: u32, mut each: impl FnMut(&[u8])) {
        for piece in self.templates.pieces(template) {
            tokens(piece, &mut each);
        }
    }

    /// How many templates the segment has so far, with the one of raw rows.
    #[must_use]
    pub fn templates(&self) -> usize {
        self.templates.len()
    }

    /// Appends the dictionary of the blocks so far to `out`, and begins a new segment.
    pub fn finish(&mut self, out: &mut Vec<u8>) {
        let mut raw = Vec::new();
        self.templates.write(&mut raw);
        self.templates.clear();
        self.block = Block::default();
        out.push(VERSION);
        put_varint(out, raw.len() as u64);
        // A dictionary is always a zstd frame, even one of a few bytes.
        out.extend_from_slice(&self.zip.always(&raw));
    }

    /// The number of a body's template, if it is one that the dictionary has or takes.
    fn template_of(&mut self, body: &[u8], source: u64) -> Option<u32> {
        let cut = self.ladder.cut(source)?;
        let template = self.splitter.split(body, cut).then(|| {
            let text = &self.splitter.template;
            let hash = self.templates.hash(text);
            let known = self.templates.find(hash, text);
            known.or_else(|| {
                let again = self.sightings.again(hash);
                again.then(|| self.templates.add(hash, text, &self.limits))?
            })
        });
        let template = template.flatten();
        self.ladder.note(source, template.is_some());
        template
    }

    fn push(&mut self, body: &[u8], template: Option<u32>) {
        let block = &mut self.block;
        let base = block.bodies.len() as u32;
        block.bodies.extend_from_slice(body);
        block.lengths.push(body.len() as u32);
        block
            .columns
            .resize_with(self.templates.columns(), Vec::new);
        let variables = &self.splitter.variables;
        // Room for one value is kept for each row that may still come.
        let fits = block.values + variables.len() + ROWS_MAX < limits::VALUES_MAX;
        match template.filter(|_| fits) {
            Some(template) => {
                for (column, variable) in self.templates.slots(template).iter().zip(variables) {
                    block.columns[*column as usize].push(Span {
                        from: base + variable.from,
                        to: base + variable.to,
                    });
                }
                block.values += variables.len();
                block.rows.push(template);
            }
            None => {
                block.columns[RAW_COLUMN as usize].push(Span {
                    from: base,
                    to: base + body.len() as u32,
                });
                block.values += 1;
                block.rows.push(RAW_TEMPLATE);
            }
        }
    }

    /// Puts a raw block into the place of the one at `start` if that makes it smaller: text
    /// whose lines repeat their neighbours is compressed better as it is. A look at the first
    /// part of the bodies, once in a while, says whether that may be. Whether it did.
    fn write_raw_if_smaller(&mut self, start: usize, out: &mut Vec<u8>) -> bool {
        let Self { ladder, block, .. } = self;
        if matches!(block.used[..], [] | [(RAW_TEMPLATE, _)]) {
            return false;
        }
        // Every source is asked, because asking is what counts its blocks.
        let doubts = block
            .sources
            .iter()
            .filter(|source| ladder.doubts(**source));
        if doubts.count() == 0 {
            return false;
        }
        let bytes = block.bodies.len();
        let sample = &block.bodies[..bytes.min(SAMPLE_BYTES)];
        let sampled = self.zip.zip(sample).map_or(sample.len(), <[u8]>::len);
        let expected = sampled as f64 / sample.len().max(1) as f64 * bytes as f64;
        let size = out.len() - start;
        let mut worth = true;
        if size as f64 > expected * SUSPICIOUS {
            let mut raw = Vec::new();
            self.write_raw(&mut raw);
            worth = size as f64 <= raw.len() as f64 * TOLERANCE;
            if !worth {
                out.truncate(start);
                out.extend_from_slice(&raw);
            }
        }
        for source in &self.block.sources {
            self.ladder.judge(*source, worth);
        }
        !worth
    }

    /// Appends the block with every row raw.
    fn write_raw(&mut self, out: &mut Vec<u8>) {
        let block = &mut self.block;
        let mut from = 0;
        let rows = block.lengths.iter().map(|length| {
            let span = Span {
                from,
                to: from + length,
            };
            from = span.to;
            span
        });
        let rows: Vec<Span> = rows.collect();
        put_varint(out, rows.len() as u64);
        put_varint(out, block.bodies.len() as u64);
        put_varint(out, 1);
        put_varint(out, u64::from(RAW_TEMPLATE));
        put_varint(out, rows.len() as u64);
        put_varint(out, 1);
        block.head.clear();
        block.data.clear();
        put_varint(&mut block.head, u64::from(RAW_COLUMN));
        let parts = (&mut block.head, &mut block.data);
        self.writer
            .write(&rows, &block.bodies, &mut self.zip, parts);
        put_varint(out, block.head.len() as u64);
        out.extend_from_slice(&block.head);
        out.extend_from_slice(&block.data);
    }

    /// Appends the block, as `block` reads it.
    fn write(&mut self, out: &mut Vec<u8>, each: &mut impl FnMut(&[u8], bool)) {
        let block = &mut self.block;
        put_varint(out, block.rows.len() as u64);
        put_varint(out, block.bodies.len() as u64);
        put_varint(out, block.used.len() as u64);
        let mut previous = 0;
        for (template, rows) in &block.used {
            put_varint(out, u64::from(template - previous));
            put_varint(out, u64::from(*rows));
            previous = *template;
        }
        let used = block.columns.iter().filter(|values| !values.is_empty());
        put_varint(out, used.count() as u64);
        let mut previous = 0;
        for (number, values) in block.columns.iter().enumerate() {
            if values.is_empty() {
                continue;
            }
            put_varint(&mut block.head, (number - previous) as u64);
            previous = number;
            let (distinct, are_words) = self.writer.write(
                values,
                &block.bodies,
                &mut self.zip,
                (&mut block.head, &mut block.data),
            );
            let are_words = are_words || !self.templates.is_text(number as u32);
            for value in distinct {
                let value = value.of(&block.bodies);
                if !value.is_empty() {
                    each(value, are_words);
                }
            }
        }
        put_varint(out, block.head.len() as u64);
        out.extend_from_slice(&block.head);
        let width = bits::width_of(block.used.len().saturating_sub(1) as u64);
        let places = block
            .rows
            .iter()
            .map(|t| u64::from(block.places[*t as usize]));
        bits::pack(places, width, out);
        out.extend_from_slice(&block.data);
    }
}

impl Block {
    fn clear(&mut self) {
        self.bodies.clear();
        self.rows.clear();
        self.lengths.clear();
        self.columns.iter_mut().for_each(Vec::clear);
        self.values = 0;
        self.sources.clear();
        self.head.clear();
        self.data.clear();
    }

    /// Fills `used` and `places`.
    fn count_templates(&mut self, templates: usize) {
        for (template, _) in self.used.drain(..) {
            self.places[template as usize] = 0;
        }
        self.places.resize(templates, 0);
        for template in &self.rows {
            let rows = &mut self.places[*template as usize];
            if *rows == 0 {
                self.used.push((*template, 0));
            }
            *rows += 1;
        }
        self.used.sort_unstable();
        for (place, (template, rows)) in self.used.iter_mut().enumerate() {
            *rows = std::mem::replace(&mut self.places[*template as usize], place as u32);
        }
    }
}

const _: () = assert!(ROWS_MAX * 2 < VALUES_MAX);

#[cfg(test)]
mod tests;
