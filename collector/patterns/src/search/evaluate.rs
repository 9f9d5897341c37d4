//! Which values of a column pass a test.

use super::needle::{Kind, Needle, contains};
use crate::column::{Places, Text, Values, View, decimal, unhex};
use crate::damage::Damage;

/// The values that pass, by number.
pub(super) enum Hits {
    None,
    All,
    Some(Vec<u64>),
}

impl Hits {
    #[inline]
    pub(super) fn contains(&self, value: usize) -> bool {
        match self {
            Self::None => false,
            Self::All => true,
            Self::Some(words) => {
                let word = words.get(value / 64);
                word.is_some_and(|word| word >> (value % 64) & 1 == 1)
            }
        }
    }

    /// Of the 64 values with this number which pass, a bit each.
    #[inline]
    pub(super) fn word(&self, at: usize) -> u64 {
        match self {
            Self::None => 0,
            Self::All => u64::MAX,
            Self::Some(words) => words.get(at).copied().unwrap_or(0),
        }
    }

    /// How many of so many values pass.
    pub(super) fn count(&self, values: usize) -> usize {
        match self {
            Self::None => 0,
            Self::All => values,
            Self::Some(words) => words.iter().map(|w| w.count_ones() as usize).sum(),
        }
    }

    /// The values for which `passes` says so.
    fn of(values: usize, mut passes: impl FnMut(usize) -> bool) -> Self {
        let mut hits = Vec::with_capacity(values.div_ceil(64));
        for from in (0..values).step_by(64) {
            let bits = from..values.min(from + 64);
            hits.push(bits.fold(0, |word, value| {
                word | u64::from(passes(value)) << (value % 64)
            }));
        }
        Self::some(hits)
    }

    /// The values whose places are among `hits`.
    fn at(places: &[u16], hits: &[u64]) -> Self {
        // A place is looked up in bytes: half the work of looking up a bit.
        let most = places.iter().copied().max().map_or(0, usize::from);
        let bit = |place: usize| hits.get(place / 64).copied().unwrap_or(0) >> (place % 64) & 1;
        let is_hit: Vec<u8> = (0..=most).map(|place| bit(place) as u8).collect();
        let word = |places: &[u16]| {
            let places = places.iter().enumerate();
            places.fold(0, |word, (n, place)| {
                word | u64::from(is_hit[usize::from(*place)]) << n
            })
        };
        Self::some(places.chunks(64).map(word).collect())
    }

    fn none_of(values: usize) -> Vec<u64> {
        vec![0; values.div_ceil(64)]
    }

    fn some(words: Vec<u64>) -> Self {
        if words.iter().all(|word| *word == 0) {
            Self::None
        } else {
            Self::Some(words)
        }
    }
}

/// Tests all values of a column against a part of the needle.
pub(super) fn evaluate(
    view: &View<'_>,
    kind: Kind,
    part: &[u8],
    needle: &Needle,
) -> Result<Hits, Damage> {
    let hits = evaluate_stored(&view.values, view.stored, kind, part, needle)?;
    let Hits::Some(words) = &hits else {
        return Ok(hits);
    };
    let stored = |place: usize| words.get(place / 64).copied().unwrap_or(0) >> (place % 64) & 1;
    Ok(match view.places {
        Places::Each => hits,
        Places::Runs(runs) => Hits::of(view.count, |value| stored(runs[value] as usize) == 1),
        Places::Ids(ids) => {
            let mut places = Vec::new();
            if ids.unpack(view.count, &mut places) {
                Hits::at(&places, words)
            } else {
                Hits::of(view.count, |value| stored(ids.get(value) as usize) == 1)
            }
        }
    })
}

fn evaluate_stored(
    view: &Values<'_>,
    values: usize,
    kind: Kind,
    part: &[u8],
    needle: &Needle,
) -> Result<Hits, Damage> {
    let passes = |value: &[u8]| match kind {
        Kind::Contains => contains(value, part),
        Kind::Equals => value == part,
        Kind::Begins => value.starts_with(part),
        Kind::Ends => value.ends_with(part),
    };
    Ok(match view {
        Values::Const(value) if passes(value) => Hits::All,
        Values::Const(_) => Hits::None,
        Values::Text(text) if kind == Kind::Contains => inside_text(text, needle),
        Values::Text(text) => Hits::of(values, |value| text.get(value).is_some_and(passes)),
        Values::Number {
            least,
            packed,
            digits,
        } => {
            let number = |value| least + packed.get(value);
            match kind {
                Kind::Equals => match number_of(part, *digits) {
                    Some(wanted) => Hits::of(values, |value| number(value) == wanted),
                    None => Hits::None,
                },
                Kind::Contains if part.len() <= 9 => {
                    let window = Window::new(part, *digits);
                    Hits::of(values, |value| window.is_in(number(value)))
                }
                _ => Hits::of(values, |value| {
                    passes(decimal(number(value), *digits, &mut [b'0'; 20]))
                }),
            }
        }
        // The part can only be all of a value, whatever it has to do with it.
        Values::Hex { digits, data } if part.len() == *digits && digits % 2 == 0 => {
            equal_hex(data, part, values)
        }
        Values::Hex { digits, data } => {
            // All digits at once, and the values from them.
            let mut text = Vec::new();
            unhex(data, &mut text);
            text.truncate(values * digits);
            if kind == Kind::Contains {
                inside_hex(&text, *digits, values, needle)
            } else {
                let value = |value: usize| text.get(value * digits..(value + 1) * digits);
                Hits::of(values, |at| value(at).is_some_and(passes))
            }
        }
    })
}

/// Searches all values for one that fills whole bytes, as they lie there.
fn equal_hex(data: &[u8], wanted: &[u8], values: usize) -> Hits {
    let mut packed = Vec::with_capacity(wanted.len() / 2);
    for pair in wanted.as_chunks::<2>().0 {
        let (Some(low), Some(high)) = (half(pair[0]), half(pair[1])) else {
            return Hits::None;
        };
        packed.push(low | high << 4);
    }
    if packed.is_empty() {
        return if values > 0 { Hits::All } else { Hits::None };
    }
    let (finder, width) = (memchr::memmem::Finder::new(&packed), packed.len());
    let mut hits = Hits::none_of(values);
    let mut at = 0;
    while let Some(found) = data.get(at..).and_then(|rest| finder.find(rest)) {
        let (value, within) = ((at + found) / width, (at + found) % width);
        if within == 0
            && let Some(word) = hits.get_mut(value / 64)
        {
            *word |= 1 << (value % 64);
        }
        at = (value + 1) * width;
    }
    Hits::some(hits)
}

/// The half of a byte that a lower-case hexadecimal digit is.
fn half(digit: u8) -> Option<u8> {
    match digit {
        b'0'..=b'9' => Some(digit - b'0'),
        b'a'..=b'f' => Some(digit - b'a' + 10),
        _ => None,
    }
}

/// Searches the digits of all values at once.
fn inside_hex(text: &[u8], digits: usize, values: usize, needle: &Needle) -> Hits {
    let length = needle.bytes().len();
    let mut hits = Hits::none_of(values);
    let mut at = 0;
    while let Some(found) = text.get(at..).and_then(|rest| needle.finder().find(rest)) {
        let from = at + found;
        let value = from / digits.max(1);
        let end = (value + 1) * digits;
        if from + length <= end {
            hits[value / 64] |= 1 << (value % 64);
            at = end;
        } else {
            at = from + 1;
        }
    }
    Hits::some(hits)
}

/// Searches all texts at once, and finds out afterwards which they are.
fn inside_text(text: &Text<'_>, needle: &Needle) -> Hits {
    let length = needle.bytes().len();
    let mut hits = Hits::none_of(text.ends.len());
    let (mut at, mut value) = (0, 0);
    while let Some(found) = needle.finder().find(&text.bytes[at..]) {
        let from = at + found;
        // Hits come upwards, and the next one is mostly near.
        if text
            .ends
            .get(value)
            .is_some_and(|end| *end as usize <= from)
        {
            value += 1;
        }
        if text
            .ends
            .get(value)
            .is_some_and(|end| *end as usize <= from)
        {
            value += text.ends[value..].partition_point(|end| *end as usize <= from);
        }
        let Some(end) = text.ends.get(value) else {
            break;
        };
        let end = *end as usize;
        if from + length <= end {
            hits[value / 64] |= 1 << (value % 64);
            at = end;
        } else {
            at = from + 1;
        }
    }
    Hits::some(hits)
}

/// The number that a text is in a column whose numbers have that many digits, 0 for as few as
/// they need; `None` if no number of the column is that text.
fn number_of(text: &[u8], digits: usize) -> Option<u64> {
    let canonical = match digits {
        0 => text == b"0" || text.first() != Some(&b'0'),
        digits => text.len() == digits,
    };
    let number = text.iter().try_fold(0_u64, |n, d| {
        let digit = d.is_ascii_digit().then(|| u64::from(d - b'0'))?;
        n.checked_mul(10)?.checked_add(digit)
    });
    number.filter(|_| canonical && !text.is_empty())
}

/// Digits to be found inside numbers, without writing the numbers out.
struct Window {
    wanted: u64,
    modulus: u64,
    /// A number has another window as long as it is not below this.
    floor: u64,
    /// How many windows numbers of one length have; 0 when lengths differ.
    windows: usize,
}

impl Window {
    /// For up to nine digits.
    fn new(part: &[u8], digits: usize) -> Self {
        let modulus = 10_u64.pow(part.len() as u32);
        Self {
            wanted: part
                .iter()
                .fold(0, |n, d| n * 10 + u64::from(d.wrapping_sub(b'0'))),
            modulus,
            floor: if part.len() > 1 { modulus / 10 } else { 0 },
            windows: (digits + 1).saturating_sub(part.len()),
        }
    }

    #[inline]
    fn is_in(&self, number: u64) -> bool {
        match (u32::try_from(number), u32::try_from(self.modulus)) {
            (Ok(number), Ok(modulus)) => self.is_in_narrow(number, modulus),
            _ => self.is_in_wide(number),
        }
    }

    /// Divisions of 32 bits cost half as much.
    fn is_in_narrow(&self, mut number: u32, modulus: u32) -> bool {
        let (wanted, floor) = (self.wanted as u32, self.floor as u32);
        let mut left = if self.windows == 0 { 20 } else { self.windows };
        while left > 0 && (self.windows > 0 || number >= floor) {
            if number % modulus == wanted {
                return true;
            }
            number /= 10;
            left -= 1;
            if self.windows == 0 && number == 0 {
                break;
            }
        }
        false
    }

    fn is_in_wide(&self, mut number: u64) -> bool {
        let mut left = if self.windows == 0 { 20 } else { self.windows };
        while left > 0 && (self.windows > 0 || number >= self.floor) {
            if number % self.modulus == self.wanted {
                return true;
            }
            number /= 10;
            left -= 1;
            if self.windows == 0 && number == 0 {
                break;
            }
        }
        false
    }
}
