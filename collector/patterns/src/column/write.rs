//! Choosing the smallest way to lay down a column's values, and doing so.

use super::distinct::Distinct;
use super::grams::GramWriter;
use super::{CONST, EACH, GRAMS, HEX, IDS, NUMBER_DIGITS_MAX, PADDED, RUNS, TEXT, WHOLE};
use crate::bits::{pack, width_of};
use crate::class::{DIGITS, LOWER_HEX, NO_WORD, signature};
use crate::encode::Zip;
use crate::split::Span;
use crate::text::{append, same};
use crate::wire::put_varint;

/// Texts of less than this are not worth the time to unzip them.
const ZIP_BYTES_MIN: usize = 512;

/// What a look at all values says.
struct Looks {
    signature: u64,
    shortest: usize,
    longest: usize,
    bytes: usize,
    leading_zero: bool,
    /// How often a value is not the one before.
    changes: usize,
}

impl Looks {
    const NONE: Self = Self {
        signature: 0,
        shortest: usize::MAX,
        longest: 0,
        bytes: 0,
        leading_zero: false,
        changes: 0,
    };

    fn of(values: &[Span], bodies: &[u8]) -> Self {
        let mut looks = Self::NONE;
        let mut last: Option<&[u8]> = None;
        for value in values {
            let text = value.of(bodies);
            looks.bytes += text.len();
            if last.is_none_or(|last| !same(last, text)) {
                looks.changes += 1;
                last = Some(text);
                looks.see(text);
            }
        }
        looks
    }

    /// The same, of values of which it is known which are equal: each is looked at once.
    fn of_distinct(values: &[Span], distinct: &Distinct, bodies: &[u8]) -> Self {
        let mut looks = Self::NONE;
        looks.bytes = values.iter().map(|value| value.len()).sum();
        let changes = distinct.ids.windows(2).filter(|two| two[0] != two[1]);
        looks.changes = 1 + changes.count();
        let entries = distinct.entries.iter();
        entries.for_each(|value| looks.see(value.of(bodies)));
        looks
    }

    #[inline]
    fn see(&mut self, text: &[u8]) {
        self.signature |= signature(text);
        self.shortest = self.shortest.min(text.len());
        self.longest = self.longest.max(text.len());
        self.leading_zero |= text.len() > 1 && text[0] == b'0';
    }

    fn one_length(&self) -> bool {
        self.shortest == self.longest
    }

    fn are_numbers(&self) -> bool {
        self.signature & !DIGITS == 0
            && (!self.leading_zero || self.one_length())
            && (1..=NUMBER_DIGITS_MAX).contains(&self.longest)
            && self.shortest > 0
    }

    fn are_hex(&self) -> bool {
        self.signature & !LOWER_HEX == 0 && self.one_length() && self.longest > 0
    }

    /// About how many bits a stored value takes.
    fn bits(&self, values: usize) -> f64 {
        if self.are_numbers() {
            self.longest as f64 * 3.3
        } else if self.are_hex() {
            self.longest as f64 * 4.0
        } else {
            // zstd makes about so much of short texts.
            self.bytes as f64 / values as f64 * 4.5 + 6.0
        }
    }
}

/// Writes columns; what it holds is used again for each.
#[derive(Default)]
pub(crate) struct ColumnWriter {
    distinct: Distinct,
    runs: Vec<Span>,
    run_lengths: Vec<u64>,
    numbers: Vec<u64>,
    text: Vec<u8>,
    grams: GramWriter,
    /// The width of those that the column has.
    gram_width: Option<u8>,
}

impl ColumnWriter {
    /// Appends a column's head (but for its number) and data. Values are spans of `bodies`, at
    /// least one. Gives back all different values, most of them only once, and whether each of
    /// them is a word or nothing.
    pub(crate) fn write<'a>(
        &'a mut self,
        values: &'a [Span],
        bodies: &[u8],
        zip: &mut Zip,
        out: (&mut Vec<u8>, &mut Vec<u8>),
    ) -> (&'a [Span], bool) {
        let (head, data) = out;
        let repeats = self.distinct.find(values, bodies);
        let looks = match repeats {
            true => Looks::of_distinct(values, &self.distinct, bodies),
            false => Looks::of(values, bodies),
        };
        let are_words = looks.signature & NO_WORD == 0;
        if looks.changes == 1 {
            write_const(values, bodies, head);
            return (&values[..1], are_words);
        }
        let kind = head.len();
        let bits = looks.bits(values.len());
        let each = values.len() as f64 * bits;
        let runs = looks.changes as f64 * (bits + run_bits(values.len(), looks.changes));
        let ids = if repeats {
            let entries = self.distinct.entries.len();
            let width = f64::from(width_of(entries as u64 - 1));
            entries as f64 * bits + values.len() as f64 * width
        } else {
            f64::INFINITY
        };
        if runs < each && runs <= ids {
            self.find_runs(values, bodies);
            let stored = std::mem::take(&mut self.runs);
            self.write_runs(&stored, values.len(), &looks, head, data);
            self.write_stored(&stored, bodies, &looks, zip, (head, data));
            self.runs = stored;
        } else if ids < each {
            let stored = std::mem::take(&mut self.distinct.entries);
            self.write_ids(&stored, &looks, head, data);
            self.write_stored(&stored, bodies, &looks, zip, (head, data));
            self.distinct.entries = stored;
        } else {
            head.push(EACH << 4 | encoding_of(&looks));
            put_varint(head, values.len() as u64);
            self.write_stored(values, bodies, &looks, zip, (head, data));
        }
        if let Some(width) = self.gram_width.take() {
            head[kind] += GRAMS - TEXT;
            head.push(width);
        }
        let values = if repeats {
            &self.distinct.entries
        } else {
            values
        };
        (values, are_words)
    }

    fn find_runs(&mut self, values: &[Span], bodies: &[u8]) {
        self.runs.clear();
        self.run_lengths.clear();
        let mut last: Option<&[u8]> = None;
        for value in values {
            let text = value.of(bodies);
            match self.run_lengths.last_mut() {
                Some(length) if last.is_some_and(|last| same(last, text)) => *length += 1,
                _ => {
                    self.runs.push(*value);
                    self.run_lengths.push(0);
                    last = Some(text);
                }
            }
        }
    }

    fn write_runs(
        &self,
        stored: &[Span],
        values: usize,
        looks: &Looks,
        head: &mut Vec<u8>,
        data: &mut Vec<u8>,
    ) {
        let width = width_of(self.run_lengths.iter().copied().max().unwrap_or(0));
        head.push(RUNS << 4 | encoding_of(looks));
        put_varint(head, values as u64);
        put_varint(head, stored.len() as u64);
        head.push(width);
        pack(self.run_lengths.iter().copied(), width, data);
    }

    fn write_ids(&self, stored: &[Span], looks: &Looks, head: &mut Vec<u8>, data: &mut Vec<u8>) {
        head.push(IDS << 4 | encoding_of(looks));
        put_varint(head, self.distinct.ids.len() as u64);
        put_varint(head, stored.len() as u64);
        let width = width_of(stored.len() as u64 - 1);
        pack(
            self.distinct.ids.iter().map(|id| u64::from(*id)),
            width,
            data,
        );
    }

    /// Writes what follows the number of values: the stored ones.
    fn write_stored(
        &mut self,
        stored: &[Span],
        bodies: &[u8],
        looks: &Looks,
        zip: &mut Zip,
        out: (&mut Vec<u8>, &mut Vec<u8>),
    ) {
        let (head, data) = out;
        match encoding_of(looks) {
            HEX => {
                put_varint(head, looks.longest as u64);
                self.gather(stored, bodies);
                put_hex(&self.text, data);
            }
            TEXT => {
                head.extend_from_slice(&looks.signature.to_le_bytes());
                put_varint(head, looks.longest as u64);
                self.gather(stored, bodies);
                put_varint(head, self.text.len() as u64);
                let before = data.len();
                let zipped = self.put_text(stored, zip, data);
                put_varint(head, (data.len() - before) as u64);
                let lengths = stored.iter().map(|value| value.len());
                self.gram_width =
                    zipped.and_then(|zipped| self.grams.write(&self.text, lengths, zipped, data));
            }
            _ => self.put_numbers(stored, bodies, looks, head, data),
        }
    }

    fn put_numbers(
        &mut self,
        stored: &[Span],
        bodies: &[u8],
        looks: &Looks,
        head: &mut Vec<u8>,
        data: &mut Vec<u8>,
    ) {
        self.numbers.clear();
        let (mut least, mut most) = (u64::MAX, 0);
        for value in stored {
            let digits = value.of(bodies).iter();
            let number = digits.fold(0, |n, d| n * 10 + u64::from(d - b'0'));
            (least, most) = (least.min(number), most.max(number));
            self.numbers.push(number);
        }
        let width = width_of(most - least);
        put_varint(head, least);
        head.push(width);
        if looks.leading_zero {
            head.push(looks.longest as u8);
        }
        pack(self.numbers.iter().map(|n| n - least), width, data);
    }

    /// Copies texts into one piece.
    fn gather(&mut self, stored: &[Span], bodies: &[u8]) {
        self.text.clear();
        for value in stored {
            append(&mut self.text, value.of(bodies));
        }
    }

    /// Appends texts that were gathered; to how many bytes they were zipped.
    fn put_text(&self, stored: &[Span], zip: &mut Zip, data: &mut Vec<u8>) -> Option<usize> {
        let lengths = stored.iter().map(|value| value.len());
        let shortest = lengths.clone().min().unwrap_or(0);
        let width = width_of((lengths.clone().max().unwrap_or(0) - shortest) as u64);
        let zipped = if self.text.len() < ZIP_BYTES_MIN {
            None
        } else {
            zip.zip(&self.text)
        };
        put_varint(data, shortest as u64);
        data.push(width);
        put_varint(data, zipped.map_or(0, <[u8]>::len) as u64);
        pack(
            lengths.map(|length| (length - shortest) as u64),
            width,
            data,
        );
        data.extend_from_slice(zipped.unwrap_or(&self.text));
        zipped.map(<[u8]>::len)
    }
}

fn write_const(values: &[Span], bodies: &[u8], head: &mut Vec<u8>) {
    let value = values[0].of(bodies);
    head.push(EACH << 4 | CONST);
    put_varint(head, values.len() as u64);
    put_varint(head, value.len() as u64);
    head.extend_from_slice(value);
}

/// About how many bits a run's length takes.
fn run_bits(values: usize, runs: usize) -> f64 {
    (values as f64 / runs as f64).log2() + 2.0
}

fn encoding_of(looks: &Looks) -> u8 {
    if looks.are_numbers() {
        if looks.leading_zero { PADDED } else { WHOLE }
    } else if looks.are_hex() {
        HEX
    } else {
        TEXT
    }
}

/// Appends digits as halves of bytes.
fn put_hex(digits: &[u8], data: &mut Vec<u8>) {
    // The letters' low bits count from 1, and only letters have the bit of 64.
    let half = |digit: u8| (digit & 15) + 9 * (digit >> 6);
    let (pairs, last) = digits.as_chunks::<2>();
    data.extend(
        pairs
            .iter()
            .map(|[low, high]| half(*low) | half(*high) << 4),
    );
    data.extend(last.iter().map(|low| half(*low)));
}
