//! The values of a column, ready to be taken out one by one.

use super::Text;
use crate::bits::Packed;
use crate::damage::Damage;

const BEYOND: Damage = Damage("a row asks for more variables than its column has");

/// Values in the order of their rows. Reading beyond the last is damage, never a panic.
pub(crate) struct View<'b> {
    pub(crate) count: usize,
    pub(crate) places: Places<'b>,
    /// How many values are stored.
    pub(crate) stored: usize,
    pub(crate) values: Values<'b>,
}

/// Which stored value each value is.
pub(crate) enum Places<'b> {
    Each,
    Runs(&'b [u32]),
    Ids(Packed<'b>),
}

/// Values as they are stored.
pub(crate) enum Values<'b> {
    Const(&'b [u8]),
    Number {
        least: u64,
        packed: Packed<'b>,
        /// 0 when there are no leading zeros.
        digits: usize,
    },
    Hex {
        digits: usize,
        data: &'b [u8],
    },
    Text(&'b Text<'b>),
}

impl View<'_> {
    /// Appends value `at`.
    #[inline]
    pub(crate) fn append(&self, at: usize, out: &mut Vec<u8>) -> Result<(), Damage> {
        self.values.append(self.place(at)?, out)
    }

    /// The bytes of value `at`.
    pub(crate) fn length(&self, at: usize) -> Result<usize, Damage> {
        self.values.length(self.place(at)?)
    }

    /// Where value `at` is stored.
    #[inline]
    pub(crate) fn place(&self, at: usize) -> Result<usize, Damage> {
        match self.places {
            Places::Each => Ok(at),
            Places::Runs(runs) => runs.get(at).map(|place| *place as usize).ok_or(BEYOND),
            Places::Ids(ids) => Ok(ids.get(at) as usize),
        }
    }
}

impl Values<'_> {
    /// Appends the stored value `at`.
    #[inline]
    pub(crate) fn append(&self, at: usize, out: &mut Vec<u8>) -> Result<(), Damage> {
        match self {
            Self::Const(value) => out.extend_from_slice(value),
            Self::Number {
                least,
                packed,
                digits,
            } => {
                let mut room = [b'0'; 20];
                out.extend_from_slice(decimal(least + packed.get(at), *digits, &mut room));
            }
            Self::Hex { digits, data } => hex(data, at * digits, *digits, out)?,
            Self::Text(text) => out.extend_from_slice(text.get(at).ok_or(BEYOND)?),
        }
        Ok(())
    }

    fn length(&self, at: usize) -> Result<usize, Damage> {
        Ok(match self {
            Self::Const(value) => value.len(),
            Self::Number {
                least,
                packed,
                digits: 0,
            } => (least + packed.get(at)).checked_ilog10().unwrap_or(0) as usize + 1,
            Self::Number { digits, .. } | Self::Hex { digits, .. } => *digits,
            Self::Text(text) => text.get(at).ok_or(BEYOND)?.len(),
        })
    }
}

/// A number as text, with zeros before it up to `digits`.
#[inline]
pub(crate) fn decimal(mut number: u64, digits: usize, room: &mut [u8; 20]) -> &[u8] {
    const PAIRS: &[u8; 200] = b"0001020304050607080910111213141516171819\
        2021222324252627282930313233343536373839\
        4041424344454647484950515253545556575859\
        6061626364656667686970717273747576777879\
        8081828384858687888990919293949596979899";
    let mut at = room.len();
    while number >= 10 {
        let pair = (number % 100) as usize * 2;
        at -= 2;
        room[at..at + 2].copy_from_slice(&PAIRS[pair..pair + 2]);
        number /= 100;
    }
    if number > 0 || at == room.len() {
        at -= 1;
        room[at] = b'0' + number as u8;
    }
    let padded = room.len().saturating_sub(digits);
    if padded < at {
        room[padded..at].fill(b'0');
        at = padded;
    }
    &room[at..]
}

/// The two digits of each byte, low half first.
const HEX_PAIRS: [[u8; 2]; 256] = {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    let mut pairs = [[0; 2]; 256];
    let mut byte = 0;
    while byte < 256 {
        pairs[byte] = [DIGITS[byte & 15], DIGITS[byte >> 4]];
        byte += 1;
    }
    pairs
};

/// Appends the digits of all halves of bytes.
pub(crate) fn unhex(data: &[u8], out: &mut Vec<u8>) {
    let start = out.len();
    out.resize(start + data.len() * 2, 0);
    let (pairs, _) = out[start..].as_chunks_mut::<2>();
    for (pair, byte) in pairs.iter_mut().zip(data) {
        *pair = HEX_PAIRS[usize::from(*byte)];
    }
}

/// Appends `digits` halves of bytes from half `from` on.
#[inline]
fn hex(data: &[u8], from: usize, digits: usize, out: &mut Vec<u8>) -> Result<(), Damage> {
    let bytes = data.get(from / 2..(from + digits).div_ceil(2));
    let start = out.len();
    unhex(bytes.ok_or(BEYOND)?, out);
    if from % 2 == 1 {
        out.remove(start);
    }
    out.truncate(start + digits);
    Ok(())
}
