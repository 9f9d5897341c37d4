//! What one counter of a histogram held in sample after sample.
//!
//! ```text
//! whole    2 bits: 0 always the same, 1 differences, 2 differences of differences
//!          number: the first │ of 2, number: the first difference
//!          of 1 and 2: number: the least │ 6 bits: k │ of each difference, less the least: what
//!            is above k bits in unary, then k bits; 24 ones say that 64 bits follow
//! floats   64 bits: the first, then XOR-encoded (see `bits`)
//! number   7 bits: length, then so many bits, zigzag
//! ```
//!
//! The differences of a counter scatter around a mean, for which such a code (Rice's) is close
//! to the best there is.

use crate::chunk::bits::{BitReader, BitWriter, Damaged, Xor, unzigzag, zigzag};

const CONSTANT: u64 = 0;
const FIRST: u64 = 1;
const SECOND: u64 = 2;
/// What is longer in unary is written out.
const UNARY_MAX: u32 = 24;
/// The largest `k`.
const K_MAX: u32 = 63;

/// Appends whole numbers.
pub(super) fn write_whole(numbers: &[i64], bits: &mut BitWriter) {
    let Some((first, rest)) = numbers.split_first() else {
        return;
    };
    if rest.iter().all(|n| n == first) {
        bits.write(CONSTANT, 2);
        return write_number(*first, bits);
    }
    let differences = differences(numbers);
    let seconds = self::differences(&differences);
    let (once, twice) = (Rice::of(&differences), Rice::of(&seconds));
    if once.cost <= twice.cost {
        bits.write(FIRST, 2);
        write_number(*first, bits);
        once.write(&differences, bits);
    } else {
        bits.write(SECOND, 2);
        write_number(*first, bits);
        write_number(differences.first().copied().unwrap_or_default(), bits);
        twice.write(&seconds, bits);
    }
}

fn differences(numbers: &[i64]) -> Vec<i64> {
    let pairs = numbers.windows(2);
    pairs.map(|pair| pair[1].wrapping_sub(pair[0])).collect()
}

/// Appends `count` whole numbers to `out`.
pub(super) fn read_whole(
    bits: &mut BitReader<'_>,
    count: usize,
    out: &mut Vec<f64>,
) -> Result<(), Damaged> {
    let order = bits.read(2)?;
    let mut value = read_number(bits)?;
    out.push(value as f64);
    if order == CONSTANT {
        out.extend(std::iter::repeat_n(value as f64, count - 1));
        return Ok(());
    }
    let (mut difference, mut left) = (0, count - 1);
    if order == SECOND {
        difference = read_number(bits)?;
        if left > 0 {
            value = value.wrapping_add(difference);
            out.push(value as f64);
            left -= 1;
        }
    } else if order != FIRST {
        return Err(Damaged);
    }
    let least = read_number(bits)?;
    let k = bits.read(6)? as u32;
    for _ in 0..left {
        let n = least.wrapping_add(read_rice(bits, k)? as i64);
        difference = if order == FIRST {
            n
        } else {
            difference.wrapping_add(n)
        };
        value = value.wrapping_add(difference);
        out.push(value as f64);
    }
    Ok(())
}

/// Appends numbers of any kind.
pub(super) fn write_floats(numbers: &[f64], bits: &mut BitWriter) {
    let Some((first, rest)) = numbers.split_first() else {
        return;
    };
    bits.write(first.to_bits(), 64);
    let mut xor = Xor::after(*first);
    rest.iter().for_each(|number| xor.write(bits, *number));
}

/// Appends `count` numbers of any kind to `out`.
pub(super) fn read_floats(
    bits: &mut BitReader<'_>,
    count: usize,
    out: &mut Vec<f64>,
) -> Result<(), Damaged> {
    let first = f64::from_bits(bits.read(64)?);
    let mut xor = Xor::after(first);
    out.push(first);
    for _ in 1..count {
        out.push(xor.read(bits)?);
    }
    Ok(())
}

fn write_number(number: i64, bits: &mut BitWriter) {
    let length = 64 - zigzag(number).leading_zeros();
    bits.write(u64::from(length), 7);
    bits.write(zigzag(number), length);
}

fn read_number(bits: &mut BitReader<'_>) -> Result<i64, Damaged> {
    let length = bits.read(7)? as u32;
    if length > 64 {
        return Err(Damaged);
    }
    Ok(unzigzag(bits.read(length)?))
}

/// How to write some numbers.
struct Rice {
    least: i64,
    k: u32,
    /// In bits.
    cost: u64,
}

impl Rice {
    /// The cheapest way.
    fn of(numbers: &[i64]) -> Self {
        let least = numbers.iter().copied().min().unwrap_or_default();
        let above = |n: &i64| n.wrapping_sub(least) as u64;
        let sum: u128 = numbers.iter().map(|n| u128::from(above(n))).sum();
        let mean = sum / (numbers.len() as u128).max(1);
        let near = 128 - mean.leading_zeros();
        let cost = |k: u32| -> u64 { numbers.iter().map(|n| cost(above(n), k)).sum() };
        let tried = near.saturating_sub(2)..=(near + 1).min(K_MAX);
        let (cost, k) = tried.map(|k| (cost(k), k)).min().unwrap_or((0, 0));
        let head = u64::from(64 - zigzag(least).leading_zeros());
        Self {
            least,
            k,
            cost: cost + head,
        }
    }

    fn write(&self, numbers: &[i64], bits: &mut BitWriter) {
        write_number(self.least, bits);
        bits.write(u64::from(self.k), 6);
        for n in numbers {
            let above = n.wrapping_sub(self.least) as u64;
            match unary(above, self.k) {
                Some(ones) => {
                    bits.write(u64::MAX << 1, ones + 1);
                    bits.write(above, self.k);
                }
                None => {
                    bits.write(u64::MAX, UNARY_MAX);
                    bits.write(above, 64);
                }
            }
        }
    }
}

/// How many ones a number has in unary; `None` where these are too many.
fn unary(number: u64, k: u32) -> Option<u32> {
    let ones = u32::try_from(number >> k).ok()?;
    (ones < UNARY_MAX).then_some(ones)
}

fn cost(number: u64, k: u32) -> u64 {
    let bits = unary(number, k).map_or(UNARY_MAX + 64, |ones| ones + 1 + k);
    u64::from(bits)
}

fn read_rice(bits: &mut BitReader<'_>, k: u32) -> Result<u64, Damaged> {
    let mut ones = 0;
    while bits.bit()? {
        ones += 1;
        if ones == UNARY_MAX {
            return bits.read(64);
        }
    }
    Ok(u64::from(ones) << k | bits.read(k)?)
}
