//! The variables of one context of one block, in the order of their rows.
//!
//! ```text
//! head       column − previous column varint, places × 16 + encoding u8, values varint,
//!            by places
//!   0 each     every value is stored
//!   1 runs     stored varint, width u8                  equal values side by side are one
//!   2 ids      stored varint                            every different value is stored once
//!            and by encoding
//!   0 const    length varint, the value
//!   1 whole    least varint, width u8                   numbers without leading zeros
//!   2 padded   least varint, width u8, digits u8        numbers of one length, with zeros
//!   3 hex      digits varint                            lower-case, all of one length
//!   4 text     signature u64, longest varint, raw bytes varint, data length varint
//!   5 grams    the same, width u8                       text, and which three bytes it has
//! data, all columns' one after the other, in the order of their heads
//!   runs       each run's length − 1, packed in `width` bits
//!   ids        each value's place among the stored, packed
//!   whole      value − least, packed in `width` bits; padded alike
//!   hex        four bits a digit, low half first
//!   text       shortest varint, width u8, zipped bytes varint (0: as they are),
//!              each length − shortest packed, the bytes
//!   grams      the same, behind it 2^width bits (see `grams`)
//! ```
//!
//! All but runs and text are read where they lie. Signature, longest and grams say what no value
//! can contain, so that most columns are never looked at.

mod view;
mod text;
mod grams;
mod distinct;
mod write;

pub(crate) use text::{Text, TextBytes};
pub(crate) use view::{Places, Values, View, decimal, unhex};
pub(crate) use write::ColumnWriter;

use crate::bits::{Packed, bytes_of, width_of};
use crate::class::{DIGITS, LOWER_HEX, signature};
use crate::damage::Damage;
use crate::limits::{BLOCK_BYTES_MAX, VALUES_MAX};
use crate::wire::Wire;
use grams::Grams;

const EACH: u8 = 0;
const RUNS: u8 = 1;
const IDS: u8 = 2;

const CONST: u8 = 0;
const WHOLE: u8 = 1;
const PADDED: u8 = 2;
const HEX: u8 = 3;
const TEXT: u8 = 4;
const GRAMS: u8 = 5;

/// The most digits of a number: each such number fits into the bits that can be packed.
const NUMBER_DIGITS_MAX: usize = 16;

/// A column as its head says it lies.
pub(crate) struct Column<'a> {
    /// Its number in the segment.
    pub(crate) number: u32,
    /// How many values it has.
    pub(crate) values: usize,
    /// The bits of all bytes of its values (see `class`), or more.
    pub(crate) signature: u64,
    /// The longest value's bytes, or more.
    pub(crate) longest: usize,
    /// How many bytes decoding makes of it.
    pub(crate) raw_bytes: usize,
    /// How many of its values are stored.
    pub(crate) stored: usize,
    /// Which three bytes its values have, where that is known.
    grams: Option<Grams<'a>>,
    places: Placing<'a>,
    encoding: Encoding<'a>,
}

/// Which stored value each value is.
enum Placing<'a> {
    Each,
    Runs(Packed<'a>),
    Ids(Packed<'a>),
}

/// How the stored values lie there.
enum Encoding<'a> {
    Const(&'a [u8]),
    Number {
        least: u64,
        packed: Packed<'a>,
        digits: u8,
    },
    Hex {
        digits: usize,
        data: &'a [u8],
    },
    Text(&'a [u8]),
}

/// What had to be decoded of a column.
pub(crate) struct Decoded<'a> {
    text: Option<Text<'a>>,
    /// For each value the place where it is stored, if equal ones side by side are one.
    runs: Option<Vec<u32>>,
}

impl<'a> Column<'a> {
    /// Takes a column's head and data off the fronts of `heads` and `data`; `previous` is the
    /// number of the column before.
    pub(crate) fn read(
        heads: &mut Wire<'a>,
        data: &mut Wire<'a>,
        previous: u32,
    ) -> Result<Self, Damage> {
        let number = u64::from(previous) + heads.up_to(1 << 24)? as u64;
        let kind = heads.byte()?;
        let values = heads.up_to(VALUES_MAX)?;
        let (placing, stored) = read_places(kind >> 4, values, heads, data)?;
        let mut column = Self {
            number: u32::try_from(number).map_err(|_| Damage("a column has no such number"))?,
            values,
            signature: 0,
            longest: 0,
            raw_bytes: 0,
            stored,
            grams: None,
            places: placing,
            encoding: Encoding::Const(&[]),
        };
        match kind & 15 {
            CONST => column.read_const(heads)?,
            WHOLE => column.read_number(heads, data, false)?,
            PADDED => column.read_number(heads, data, true)?,
            HEX => column.read_hex(heads, data)?,
            TEXT => column.read_text(heads, data, false)?,
            GRAMS => column.read_text(heads, data, true)?,
            _ => return Err(Damage("a column has an encoding that is not known")),
        }
        Ok(column)
    }

    fn read_const(&mut self, heads: &mut Wire<'a>) -> Result<(), Damage> {
        self.longest = heads.up_to(BLOCK_BYTES_MAX)?;
        let value = heads.take(self.longest)?;
        self.signature = signature(value);
        self.encoding = Encoding::Const(value);
        Ok(())
    }

    fn read_number(
        &mut self,
        heads: &mut Wire<'a>,
        data: &mut Wire<'a>,
        padded: bool,
    ) -> Result<(), Damage> {
        const TOO_LARGE: Damage = Damage("a column's numbers are too large");
        let (least, width) = (heads.varint()?, heads.byte()?);
        let digits = if padded { heads.byte()? } else { 0 };
        if width > 56 || usize::from(digits) > NUMBER_DIGITS_MAX {
            return Err(TOO_LARGE);
        }
        let most = least.checked_add((1 << width) - 1).ok_or(TOO_LARGE)?;
        let most_digits = most.checked_ilog10().unwrap_or(0) as usize + 1;
        self.longest = most_digits.max(usize::from(digits));
        self.signature = DIGITS;
        let packed = Packed::new(data.take(bytes_of(self.stored, width))?, self.stored, width);
        self.encoding = Encoding::Number {
            least,
            packed: packed.ok_or(TOO_LARGE)?,
            digits,
        };
        Ok(())
    }

    fn read_hex(&mut self, heads: &mut Wire<'a>, data: &mut Wire<'a>) -> Result<(), Damage> {
        self.longest = heads.up_to(BLOCK_BYTES_MAX)?;
        self.signature = LOWER_HEX;
        self.encoding = Encoding::Hex {
            digits: self.longest,
            data: data.take(bytes_of(self.stored.saturating_mul(self.longest), 4))?,
        };
        Ok(())
    }

    fn read_text(
        &mut self,
        heads: &mut Wire<'a>,
        data: &mut Wire<'a>,
        has_grams: bool,
    ) -> Result<(), Damage> {
        const WRONG: Damage = Damage("the grams of a column have the wrong length");
        self.signature = heads.fixed64()?;
        self.longest = heads.up_to(BLOCK_BYTES_MAX)?;
        self.raw_bytes = heads.up_to(BLOCK_BYTES_MAX)?;
        let length = heads.up_to(data.0.len())?;
        self.encoding = Encoding::Text(data.take(length)?);
        if has_grams {
            let width = heads.byte()?;
            let bits = data.take(grams::bytes_of(width).ok_or(WRONG)?)?;
            self.grams = Some(Grams::new(bits, width).ok_or(WRONG)?);
        }
        Ok(())
    }

    /// Whether a value may contain a text of that signature.
    #[inline]
    pub(crate) fn may_contain(&self, signature: u64, text: &[u8]) -> bool {
        signature & !self.signature == 0
            && text.len() <= self.longest
            && self.grams.is_none_or(|grams| grams.may_have(text))
    }

    /// Decodes the parts that cannot be read where they lie.
    pub(crate) fn decode(&self) -> Result<Decoded<'a>, Damage> {
        let text = match self.encoding {
            Encoding::Text(data) => {
                let text = TextBytes::read(&mut Wire(data), self.stored, self.raw_bytes)?;
                Some(text.decode()?)
            }
            _ => None,
        };
        let runs = match self.places {
            Placing::Runs(lengths) => Some(self.decode_runs(lengths)?),
            _ => None,
        };
        Ok(Decoded { text, runs })
    }

    /// For each value the place where it is stored.
    fn decode_runs(&self, lengths: Packed<'_>) -> Result<Vec<u32>, Damage> {
        const WRONG: Damage = Damage("the runs of a column do not add up");
        let mut places = Vec::with_capacity(self.values);
        for run in 0..self.stored {
            let length = usize::try_from(lengths.get(run)).map_err(|_| WRONG)?;
            if length >= self.values - places.len() {
                return Err(WRONG);
            }
            places.resize(places.len() + length + 1, run as u32);
        }
        if places.len() == self.values {
            Ok(places)
        } else {
            Err(WRONG)
        }
    }

    /// The values, given what [`Column::decode`] decoded.
    pub(crate) fn view<'b>(&'b self, decoded: &'b Decoded<'a>) -> Result<View<'b>, Damage> {
        const MISSING: Damage = Damage("a column was not decoded");
        Ok(View {
            count: self.values,
            places: match self.places {
                Placing::Each => Places::Each,
                Placing::Runs(_) => Places::Runs(decoded.runs.as_ref().ok_or(MISSING)?),
                Placing::Ids(ids) => Places::Ids(ids),
            },
            stored: self.stored,
            values: match self.encoding {
                Encoding::Const(value) => Values::Const(value),
                Encoding::Number {
                    least,
                    packed,
                    digits,
                } => Values::Number {
                    least,
                    packed,
                    digits: usize::from(digits),
                },
                Encoding::Hex { digits, data } => Values::Hex { digits, data },
                Encoding::Text(_) => Values::Text(decoded.text.as_ref().ok_or(MISSING)?),
            },
        })
    }
}

/// Reads how values are placed, and how many are stored.
fn read_places<'a>(
    kind: u8,
    values: usize,
    heads: &mut Wire<'a>,
    data: &mut Wire<'a>,
) -> Result<(Placing<'a>, usize), Damage> {
    const WRONG: Damage = Damage("a column's places have the wrong length");
    if kind == EACH {
        return Ok((Placing::Each, values));
    }
    let stored = heads.up_to(values)?;
    match kind {
        RUNS => {
            let width = heads.byte()?;
            let lengths = data.take(bytes_of(stored, width))?;
            let lengths = Packed::new(lengths, stored, width).ok_or(WRONG)?;
            Ok((Placing::Runs(lengths), stored))
        }
        IDS => {
            let width = width_of(stored.saturating_sub(1) as u64);
            let ids = data.take(bytes_of(values, width))?;
            let ids = Packed::new(ids, values, width).ok_or(WRONG)?;
            Ok((Placing::Ids(ids), stored))
        }
        _ => Err(Damage("a column has places of a kind that is not known")),
    }
}

#[cfg(test)]
mod tests;
