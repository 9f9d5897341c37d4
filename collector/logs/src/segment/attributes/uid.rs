//! Columns of `log.record.uid`: every line that an agent tails has one, of 33 bytes, and
//! they differ from one another by the length of a line.

use crate::segment::numbers::{put, take};

/// 16 hex digits, a hyphen, 16 hex digits.
pub(super) const BYTES: usize = 33;

/// Appends the column, where every value is one; false, and nothing is appended, otherwise.
pub(super) fn put_all<'v>(values: impl Iterator<Item = &'v [u8]>, out: &mut Vec<u8>) -> bool {
    let (mut files, mut places) = (Vec::new(), Vec::new());
    let (mut file_before, mut place_before) = (0, 0);
    for value in values {
        let Some((file, place)) = parse(value) else {
            return false;
        };
        files.push(file.wrapping_sub(file_before).cast_signed());
        places.push(place.wrapping_sub(place_before).cast_signed());
        (file_before, place_before) = (file, place);
    }
    put(&files, out);
    put(&places, out);
    true
}

/// Reads a column.
pub(super) fn read(at: &mut &[u8], count: usize) -> Option<Vec<[u8; BYTES]>> {
    let (mut files, mut places) = (Vec::new(), Vec::new());
    take(at, count, &mut files)?;
    take(at, count, &mut places)?;
    let (mut file, mut place) = (0_u64, 0_u64);
    let texts = files.iter().zip(&places).map(|(f, p)| {
        file = file.wrapping_add(f.cast_unsigned());
        place = place.wrapping_add(p.cast_unsigned());
        text(file, place)
    });
    Some(texts.collect())
}

fn parse(value: &[u8]) -> Option<(u64, u64)> {
    let value: &[u8; BYTES] = value.try_into().ok()?;
    let (file, rest) = value.split_first_chunk()?;
    let (hyphen, place) = rest.split_first()?;
    Some((
        hex(file)?,
        hex((*hyphen == b'-').then_some(place)?.try_into().ok()?)?,
    ))
}

fn hex(digits: &[u8; 16]) -> Option<u64> {
    digits.iter().try_fold(0, |all, digit| {
        let value = match digit {
            b'0'..=b'9' => digit - b'0',
            b'a'..=b'f' => digit - b'a' + 10,
            _ => return None,
        };
        Some(all << 4 | u64::from(value))
    })
}

fn text(file: u64, place: u64) -> [u8; BYTES] {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    let mut text = [b'-'; BYTES];
    for n in 0..16 {
        text[15 - n] = DIGITS[(file >> (4 * n) & 15) as usize];
        text[32 - n] = DIGITS[(place >> (4 * n) & 15) as usize];
    }
    text
}
