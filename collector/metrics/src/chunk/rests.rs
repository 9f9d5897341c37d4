//! What is known of samples that were dropped, as bytes.
//!
//! ```text
//! column   u8 5 (of floats) or 6 (of histograms) │ parts
//! parts    end − start in ms │ counts │ of floats: sums │ lost │ resets │ changes
//! part     length base 128 │ values (see `columns`)
//! ```
//!
//! The ends are the times of the chunk. See `Rest` of PromQL for what the numbers mean.

use super::bits::Damaged;
use super::columns;
use crate::promql::Rest;
use crate::segment::put;
use crate::translate::wire::varint;

const OF_FLOATS: u8 = 5;
const OF_HISTOGRAMS: u8 = 6;
/// A chunk has at most so many.
const RESTS_MAX: usize = 960;

/// Cuts rests into what a chunk may hold: one kind.
pub(crate) fn pieces(rests: &[Rest]) -> impl Iterator<Item = &[Rest]> {
    let alike = rests.chunk_by(|a, b| a.of_histograms == b.of_histograms);
    alike.flat_map(|part| part.chunks(RESTS_MAX))
}

/// Whether a column holds rests.
pub(crate) fn is_of_rests(column: &[u8]) -> bool {
    matches!(column.first(), Some(&(OF_FLOATS | OF_HISTOGRAMS)))
}

/// Encodes rests of one kind; of their ends nothing is kept.
pub(crate) fn write(rests: &[Rest]) -> Vec<u8> {
    let of_histograms = rests.first().is_some_and(|rest| rest.of_histograms);
    let mut out = vec![if of_histograms {
        OF_HISTOGRAMS
    } else {
        OF_FLOATS
    }];
    let mut part = |number: fn(&Rest) -> f64| {
        let numbers: Vec<f64> = rests.iter().map(number).collect();
        let packed = columns::write_values(&numbers);
        put(&mut out, packed.len() as u64);
        out.extend(packed);
    };
    part(|rest| (rest.end - rest.start) as f64);
    part(|rest| rest.count);
    if !of_histograms {
        part(|rest| rest.sum);
        part(|rest| rest.lost);
        part(|rest| rest.resets);
        part(|rest| rest.changes);
    }
    out
}

/// Appends the rests in `bytes`, which have these ends, to `out`.
pub(crate) fn read(bytes: &[u8], ends: &[i64], out: &mut Vec<Rest>) -> Result<(), Damaged> {
    let (kind, mut rest) = bytes.split_first().ok_or(Damaged)?;
    let of_histograms = match *kind {
        OF_FLOATS => false,
        OF_HISTOGRAMS => true,
        _ => return Err(Damaged),
    };
    let mut part = || -> Result<Vec<f64>, Damaged> {
        let length = varint(&mut rest).map_err(|_| Damaged)?;
        let length = usize::try_from(length).map_err(|_| Damaged)?;
        let (packed, after) = rest.split_at_checked(length).ok_or(Damaged)?;
        rest = after;
        // Counted before it is unpacked.
        if columns::values(packed)? != ends.len() {
            return Err(Damaged);
        }
        let mut numbers = Vec::new();
        columns::read_values(packed, &mut numbers)?;
        Ok(numbers)
    };
    let (lengths, counts) = (part()?, part()?);
    let mut others = [const { Vec::new() }; 4];
    if !of_histograms {
        for numbers in &mut others {
            *numbers = part()?;
        }
    }
    if !rest.is_empty() {
        return Err(Damaged);
    }
    let [sums, lost, resets, changes] = others;
    let number = |numbers: &[f64], at: usize| numbers.get(at).copied().unwrap_or_default();
    for (at, end) in ends.iter().enumerate() {
        let length = lengths[at];
        // As whole milliseconds; what is no such number is damage.
        if !(0.0..=1e15).contains(&length) {
            return Err(Damaged);
        }
        out.push(Rest {
            start: end.saturating_sub(length as i64),
            end: *end,
            count: counts[at],
            sum: number(&sums, at),
            lost: number(&lost, at),
            resets: number(&resets, at),
            changes: number(&changes, at),
            of_histograms,
        });
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn rest() -> impl Strategy<Value = Rest> {
        let numbers = (
            any::<i32>(),
            0..1_000_000i64,
            1..300u32,
            any::<f64>(),
            -9..9i32,
        );
        numbers.prop_map(|(end, length, count, sum, more)| Rest {
            start: i64::from(end) - length,
            end: end.into(),
            count: count.into(),
            sum,
            lost: more.max(0).into(),
            resets: (more / 4).into(),
            changes: more.into(),
            of_histograms: false,
        })
    }

    fn round(rests: &[Rest]) -> Vec<Rest> {
        let mut read_back = Vec::new();
        for piece in pieces(rests) {
            let ends: Vec<i64> = piece.iter().map(|rest| rest.end).collect();
            let bytes = write(piece);
            assert!(is_of_rests(&bytes));
            read(&bytes, &ends, &mut read_back).unwrap();
        }
        read_back
    }

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn what_is_read_is_what_was_written(rests in proptest::collection::vec(rest(), 1..2000)) {
            prop_assume!(rests.iter().all(|rest| !rest.sum.is_nan()));
            prop_assert_eq!(round(&rests), rests.clone());
            let histograms: Vec<Rest> = rests.iter().map(|rest| Rest {
                start: rest.start,
                end: rest.end,
                count: rest.count,
                of_histograms: true,
                ..Rest::default()
            }).collect();
            prop_assert_eq!(round(&histograms), histograms);
        }

        #[test]
        fn no_bytes_harm(mut bytes in proptest::collection::vec(any::<u8>(), 0..200), ends in proptest::collection::vec(any::<i64>(), 0..9)) {
            if let Some(first) = bytes.first_mut() {
                *first = OF_FLOATS + *first % 2;
            }
            prop_assert!(bytes.is_empty() || is_of_rests(&bytes));
            read(&bytes, &ends, &mut Vec::new()).ok();
        }
    }
}
