//! Sealed columns: times and values apart.
//!
//! ```text
//! times   u32 count │ bits: 64 first, then differences of differences (see `bits`)
//! values  u8 encoding │ u32 count │ …
//!   0 constant  u64 bits
//!   1 xor       bits: 64 first, then XOR-encoded
//!   2 integers  u8 decimals │ u8 order │ i64 first │ bits: blocks of 64 numbers: 6 bits width, 64 bits
//!               least (zigzag, with a 7-bit length), then number − least in `width` bits each
//!   3           histograms (see `histogram`)
//! ```
//!
//! `integers` holds values that are whole numbers after a shift by `decimals` decimal places;
//! order 0 keeps them, order 1 their differences. The shift must give back the same bits, or
//! the encoding is not used: what is read is always exactly what was written.

use super::bits::{BitReader, BitWriter, Damaged, Xor, read_time, unzigzag, write_time, zigzag};

const CONSTANT: u8 = 0;
const XOR: u8 = 1;
const INTEGERS: u8 = 2;
const BLOCK: usize = 64;
const DECIMALS_MAX: u8 = 4;
/// Above this, neighbouring whole numbers are no longer all representable.
const EXACT_MAX: f64 = 9_007_199_254_740_992.0;
/// A column longer than this is damage, not data.
const COUNT_MAX: usize = 1 << 20;

/// Encodes times.
pub(crate) fn write_times(times: &[i64]) -> Vec<u8> {
    let mut bits = BitWriter::default();
    let (mut last, mut delta) = (0i64, 0i64);
    for (at, time) in times.iter().enumerate() {
        if at == 0 {
            bits.write(*time as u64, 64);
        } else {
            let next = time.wrapping_sub(last);
            write_time(&mut bits, next.wrapping_sub(delta));
            delta = next;
        }
        last = *time;
    }
    let mut out = (times.len() as u32).to_le_bytes().to_vec();
    out.extend(bits.to_bytes());
    out
}

/// Appends the times in `bytes` to `out`.
pub(crate) fn read_times(bytes: &[u8], out: &mut Vec<i64>) -> Result<(), Damaged> {
    let (count, rest) = count(bytes)?;
    let mut bits = BitReader::new(rest);
    let (mut time, mut delta) = (0i64, 0i64);
    for at in 0..count {
        if at == 0 {
            time = bits.read(64)? as i64;
        } else {
            delta = delta.wrapping_add(read_time(&mut bits)?);
            time = time.wrapping_add(delta);
        }
        out.push(time);
    }
    Ok(())
}

/// Encodes values in the smallest encoding.
pub(crate) fn write_values(values: &[f64]) -> Vec<u8> {
    let first = values.first().copied().unwrap_or_default();
    if values.iter().all(|v| v.to_bits() == first.to_bits()) {
        let mut out = header(CONSTANT, values.len());
        out.extend(first.to_bits().to_le_bytes());
        return out;
    }
    let xor = write_xor(values);
    match write_integers(values) {
        Some(integers) if integers.len() <= xor.len() => integers,
        _ => xor,
    }
}

/// Appends the values in `bytes` to `out`.
pub(crate) fn read_values(bytes: &[u8], out: &mut Vec<f64>) -> Result<(), Damaged> {
    let (encoding, rest) = bytes.split_first().ok_or(Damaged)?;
    let (count, rest) = count(rest)?;
    match *encoding {
        CONSTANT => {
            let bits = rest.try_into().map_err(|_| Damaged)?;
            out.resize(out.len() + count, f64::from_bits(u64::from_le_bytes(bits)));
            Ok(())
        }
        XOR => read_xor(rest, count, out),
        INTEGERS => read_integers(rest, count, out),
        _ => Err(Damaged),
    }
}

/// How many values there are in `bytes`.
pub(crate) fn values(bytes: &[u8]) -> Result<usize, Damaged> {
    let (_, rest) = bytes.split_first().ok_or(Damaged)?;
    count(rest).map(|(count, _)| count)
}

fn header(encoding: u8, count: usize) -> Vec<u8> {
    let mut out = vec![encoding];
    out.extend((count as u32).to_le_bytes());
    out
}

fn count(bytes: &[u8]) -> Result<(usize, &[u8]), Damaged> {
    let (count, rest) = bytes.split_first_chunk().ok_or(Damaged)?;
    let count = u32::from_le_bytes(*count) as usize;
    if count > COUNT_MAX {
        Err(Damaged)
    } else {
        Ok((count, rest))
    }
}

fn write_xor(values: &[f64]) -> Vec<u8> {
    let mut bits = BitWriter::default();
    let mut xor: Option<Xor> = None;
    for value in values {
        match &mut xor {
            Some(xor) => xor.write(&mut bits, *value),
            None => {
                bits.write(value.to_bits(), 64);
                xor = Some(Xor::after(*value));
            }
        }
    }
    let mut out = header(XOR, values.len());
    out.extend(bits.to_bytes());
    out
}

fn read_xor(bytes: &[u8], count: usize, out: &mut Vec<f64>) -> Result<(), Damaged> {
    let mut bits = BitReader::new(bytes);
    let first = f64::from_bits(bits.read(64)?);
    let mut xor = Xor::after(first);
    out.push(first);
    for _ in 1..count {
        out.push(xor.read(&mut bits)?);
    }
    Ok(())
}

/// The values as whole numbers after a shift by the fewest decimal places, if there is one.
fn whole_numbers(values: &[f64]) -> Option<(u8, Vec<i64>)> {
    (0..=DECIMALS_MAX).find_map(|decimals| {
        let scale = 10f64.powi(i32::from(decimals));
        let whole = |v: &f64| {
            let n = (v * scale).round();
            let same = n.abs() < EXACT_MAX && (n as i64 as f64 / scale).to_bits() == v.to_bits();
            same.then_some(n as i64)
        };
        values
            .iter()
            .map(whole)
            .collect::<Option<Vec<_>>>()
            .map(|numbers| (decimals, numbers))
    })
}

fn write_integers(values: &[f64]) -> Option<Vec<u8>> {
    let (decimals, numbers) = whole_numbers(values)?;
    let first = *numbers.first()?;
    let mut last = first;
    let differences: Vec<i64> = numbers
        .iter()
        .map(|n| n - std::mem::replace(&mut last, *n))
        .collect();
    let (plain, differing) = (pack(&numbers), pack(&differences));
    let (order, bits) = if plain.len() <= differing.len() {
        (0, plain)
    } else {
        (1, differing)
    };
    let mut out = header(INTEGERS, values.len());
    out.extend([decimals, order]);
    out.extend(first.to_le_bytes());
    out.extend(bits.to_bytes());
    Some(out)
}

fn read_integers(bytes: &[u8], count: usize, out: &mut Vec<f64>) -> Result<(), Damaged> {
    let ([decimals, order], rest) = bytes.split_first_chunk().ok_or(Damaged)?;
    if *decimals > DECIMALS_MAX || *order > 1 {
        return Err(Damaged);
    }
    let (first, rest) = rest.split_first_chunk().ok_or(Damaged)?;
    let scale = 10f64.powi(i32::from(*decimals));
    let mut bits = BitReader::new(rest);
    let (mut left, mut last) = (count, i64::from_le_bytes(*first));
    while left > 0 {
        let width = bits.read(6)? as u32;
        let length = bits.read(7)? as u32;
        let least = unzigzag(bits.read(length.min(64))?);
        for _ in 0..left.min(BLOCK) {
            let n = least.wrapping_add(bits.read(width)? as i64);
            last = if *order == 1 { last.wrapping_add(n) } else { n };
            out.push(last as f64 / scale);
        }
        left -= left.min(BLOCK);
    }
    Ok(())
}

/// Frame of reference per block. Numbers are below 2^53, so a width fits in 6 bits.
fn pack(numbers: &[i64]) -> BitWriter {
    let mut bits = BitWriter::default();
    for block in numbers.chunks(BLOCK) {
        let least = block.iter().copied().min().unwrap_or_default();
        let widest = block
            .iter()
            .map(|n| n.wrapping_sub(least) as u64)
            .max()
            .unwrap_or_default();
        let width = 64 - widest.leading_zeros();
        let length = 64 - zigzag(least).leading_zeros();
        bits.write(u64::from(width), 6);
        bits.write(u64::from(length), 7);
        bits.write(zigzag(least), length);
        for n in block {
            bits.write(n.wrapping_sub(least) as u64, width);
        }
    }
    bits
}
