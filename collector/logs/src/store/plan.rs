//! Which segments to merge: neighbours by position that together at least double the
//! largest of them.
//!
//! A record is therefore rewritten at most once for every doubling of its segment, and a
//! tenant's segments stay fewer than `factor` times the doublings between the smallest and
//! the largest, plus those that are full.

use sonde_proto::UnixNanos;
use std::ops::Range;

/// What the plan has to know of a segment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Piece {
    pub(super) raw_bytes: u64,
    pub(super) start: UnixNanos,
    pub(super) end: UnixNanos,
}

/// How far merging goes.
#[derive(Clone, Copy, Debug)]
pub(super) struct PlanLimits {
    pub(super) factor: usize,
    pub(super) raw_bytes_max: u64,
    pub(super) span_max: std::time::Duration,
}

/// The neighbours to merge next, cheapest first; `pieces` are in the order of positions.
pub(super) fn next_merge(pieces: &[Piece], limits: &PlanLimits) -> Option<Range<usize>> {
    let factor = limits.factor.max(2);
    let windows =
        (0..pieces.len()).flat_map(|from| (factor..=factor * 2).map(move |n| from..from + n));
    let fitting = windows
        .filter(|w| w.end <= pieces.len())
        .filter_map(|w| Some((cost(&pieces[w.clone()], limits)?, w)));
    let best = fitting.min_by_key(|(cost, w)| (*cost, w.start, w.end));
    best.map(|(_, window)| window)
        .or_else(|| filling(pieces, limits))
}

/// Neighbours, fewer than the factor, that together make a segment that counts as full;
/// none of them is full already, so this rewrites a record once.
fn filling(pieces: &[Piece], limits: &PlanLimits) -> Option<Range<usize>> {
    let full = limits.raw_bytes_max / 4 * 3;
    let windows =
        (0..pieces.len()).flat_map(|from| (2..limits.factor.max(2)).map(move |n| from..from + n));
    windows.filter(|w| w.end <= pieces.len()).find(|w| {
        let pieces = &pieces[w.clone()];
        pieces.iter().all(|p| p.raw_bytes < full)
            && fitting_sum(pieces, limits).is_some_and(|sum| sum >= full)
    })
}

/// How many bytes a merge rewrites; `None` where it would not at least double the largest.
fn cost(pieces: &[Piece], limits: &PlanLimits) -> Option<u64> {
    let largest = pieces.iter().map(|p| p.raw_bytes).max()?;
    fitting_sum(pieces, limits).filter(|sum| largest <= sum / 2)
}

/// The size of the merged segment; `None` where it would be too large or too wide.
fn fitting_sum(pieces: &[Piece], limits: &PlanLimits) -> Option<u64> {
    let sum: u64 = pieces.iter().map(|p| p.raw_bytes).sum();
    let widest = pieces.iter().map(|p| p.end.since(p.start)).max()?;
    let start = pieces.iter().map(|p| p.start).min()?;
    let end = pieces.iter().map(|p| p.end).max()?;
    let fits = sum <= limits.raw_bytes_max && end.since(start) <= limits.span_max.max(widest);
    fits.then_some(sum)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::time::Duration;

    const LIMITS: PlanLimits = PlanLimits {
        factor: 4,
        raw_bytes_max: 1000,
        span_max: Duration::from_secs(1),
    };

    fn pieces(sizes: &[u64]) -> Vec<Piece> {
        sizes
            .iter()
            .map(|n| Piece {
                raw_bytes: *n,
                start: UnixNanos(5),
                end: UnixNanos(9),
            })
            .collect()
    }

    #[test]
    fn neighbours_of_about_one_size_are_merged_and_a_large_one_is_left_alone() {
        let check = |sizes: &[u64], expected| {
            assert_eq!(next_merge(&pieces(sizes), &LIMITS), expected, "{sizes:?}");
        };
        check(&[1, 1, 1], None);
        check(&[1, 1, 1, 1], Some(0..4));
        check(&[900, 1, 1, 1], None);
        check(&[900, 2, 1, 1, 1], Some(1..5));
        check(&[300, 300, 300, 300], Some(0..3));
        check(&[400, 500], Some(0..2));
        check(&[900, 900, 900, 900], None);
    }

    #[test]
    fn segments_far_apart_in_time_are_not_merged_unless_one_is_as_wide() {
        let mut far = pieces(&[1, 1, 1, 1]);
        far[3].end = UnixNanos::from_secs(100);
        far[3].start = UnixNanos::from_secs(100);
        assert_eq!(next_merge(&far, &LIMITS), None);
        far[3].start = UnixNanos(0);
        assert_eq!(next_merge(&far, &LIMITS), Some(0..4));
    }

    #[test]
    fn ten_minutes_of_a_seal_a_second_become_full_segments_and_few_others() {
        use rand::{Rng as _, SeedableRng as _};
        let limits = PlanLimits {
            factor: 8,
            raw_bytes_max: 512 << 20,
            span_max: Duration::from_secs(86_400),
        };
        let mut rng = rand_chacha::ChaCha8Rng::seed_from_u64(1);
        let (mut kept, mut written, mut total) = (Vec::new(), 0, 0);
        for _ in 0..600 {
            // A tail is sealed as soon as it has half of what it may have, so it has a little more.
            let size = rng.random_range(32_u64 << 20..36 << 20);
            kept.push(size);
            total += size;
            while let Some(window) = next_merge(&pieces(&kept), &limits) {
                let sum: u64 = kept[window.clone()].iter().sum();
                written += sum;
                kept.splice(window, [sum]);
            }
            let full = limits.raw_bytes_max / 4 * 3;
            let others = kept.iter().filter(|size| **size < full).count();
            assert!(others < limits.factor, "{kept:?}");
            assert!((kept.len() - others) as u64 <= total / full, "{kept:?}");
        }
        assert!(written <= 2 * total, "{written} of {total}");
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 64, failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn whatever_the_sizes_the_number_of_segments_stays_bounded(sizes in prop::collection::vec(1_u64..100, 1..400)) {
            let (mut kept, mut written, total) = (Vec::new(), 0, sizes.iter().sum::<u64>());
            for size in sizes {
                kept.push(size);
                while let Some(window) = next_merge(&pieces(&kept), &LIMITS) {
                    let sum: u64 = kept[window.clone()].iter().sum();
                    written += sum;
                    kept.splice(window, [sum]);
                }
            }
            let full = usize::try_from(total / 1000).unwrap();
            prop_assert!(kept.len() <= 4 * 10 + 4 * full, "{} of {total} bytes", kept.len());
            prop_assert!(written <= total * 10);
        }
    }
}
