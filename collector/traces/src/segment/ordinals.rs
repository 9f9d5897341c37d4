//! Lists of ordinals: ascending, stored as the differences from one to the next.

use sonde_segment::blocks::{BlockError, put_varint, take_varint};

pub(super) fn encode_ordinals(ordinals: impl IntoIterator<Item = u32>, out: &mut Vec<u8>) {
    let mut before = 0;
    for ordinal in ordinals {
        put_varint(out, u64::from(ordinal - before));
        before = ordinal;
    }
}

pub(super) fn decode_ordinals(list: &[u8]) -> Result<Vec<u32>, BlockError> {
    let mut out = Vec::with_capacity(list.len());
    decode_each(list, |ordinal| {
        out.push(ordinal);
        Ok(())
    })?;
    Ok(out)
}

/// Visits the ordinals of a list.
pub(super) fn decode_each(
    mut list: &[u8],
    mut visit: impl FnMut(u32) -> Result<(), BlockError>,
) -> Result<(), BlockError> {
    let mut at = 0_u32;
    while !list.is_empty() {
        let delta = take_varint(&mut list).and_then(|n| u32::try_from(n).ok());
        at = delta
            .and_then(|delta| at.checked_add(delta))
            .ok_or(BlockError::Damaged("a list of numbers cannot be read"))?;
        visit(at)?;
    }
    Ok(())
}

/// Both lists are ascending.
pub(super) fn union(mut a: Vec<u32>, b: Vec<u32>) -> Vec<u32> {
    if !b.is_empty() {
        a.extend(b);
        a.sort_unstable();
        a.dedup();
    }
    a
}

pub(super) fn intersect(a: &[u32], b: &[u32]) -> Vec<u32> {
    let (short, long) = if a.len() < b.len() { (a, b) } else { (b, a) };
    let (mut out, mut at) = (Vec::new(), 0);
    for ordinal in short {
        at += long[at..].partition_point(|o| o < ordinal);
        match long.get(at) {
            Some(found) if found == ordinal => out.push(*ordinal),
            Some(_) => {}
            None => break,
        }
    }
    out
}
