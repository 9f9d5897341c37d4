//! What to merge and what to let go: decided on the manifest alone, without I/O.
//!
//! Merging keeps the number of filters probed per lookup small; retention drops whole
//! segments. Segments are grouped by size class (each class four times the one before), and
//! neighbours in time of one tenant and one class are merged, so that every record is
//! rewritten about `log4(segment_bytes_max / first size)` times.

use crate::SegmentMeta;
use serde::{Deserialize, Serialize};
use sonde_proto::UnixNanos;
use std::collections::{BTreeMap, BTreeSet};

/// When to merge.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct MergeLimits {
    /// How many segments of one size class are let stand before they are merged.
    pub fan_in: usize,
    /// The largest segment that merging may make; larger ones are left alone.
    pub segment_bytes_max: u64,
}

impl Default for MergeLimits {
    fn default() -> Self {
        Self {
            fan_in: 4,
            segment_bytes_max: 256 << 20,
        }
    }
}

/// The next merge worth doing: numbers of at least two segments of one tenant, oldest
/// first, that together stay within `segment_bytes_max`. The smallest class comes first.
#[must_use]
pub fn merge(segments: &[SegmentMeta], limits: &MergeLimits) -> Option<Vec<u64>> {
    let mut classes: BTreeMap<(u32, &str), Vec<&SegmentMeta>> = BTreeMap::new();
    for segment in segments
        .iter()
        .filter(|s| s.bytes < limits.segment_bytes_max)
    {
        classes
            .entry((size_class(segment.bytes), segment.tenant.as_str()))
            .or_default()
            .push(segment);
    }
    classes.into_values().find_map(|mut class| {
        if class.len() < limits.fan_in.max(2) {
            return None;
        }
        class.sort_unstable_by_key(|s| (s.start, s.id));
        longest_that_fits(&class, limits)
    })
}

/// Like [`merge`], for stores in which of two records the one that arrived first counts: the
/// numbers are those of segments that arrived one directly after the other, in that order, so
/// that merging them changes no order. `is_barred` says which are left as they are; no merge
/// reaches over one of them.
///
/// At least `fan_in` of a run are of one size class. Smaller ones that lie between them come
/// along, or they would keep the larger ones apart for ever. Where sizes alternate so that there
/// is no such run and segments gather, the smallest `fan_in` neighbours of any size are merged.
#[must_use]
pub fn merge_in_arrival(
    segments: &[SegmentMeta],
    limits: &MergeLimits,
    is_barred: impl Fn(u64) -> bool,
) -> Option<Vec<u64>> {
    let mut tenants: BTreeMap<&str, Vec<&SegmentMeta>> = BTreeMap::new();
    for segment in segments {
        let name = segment.tenant.as_str();
        tenants.entry(name).or_default().push(segment);
    }
    let mut runs = Vec::new();
    for mut all in tenants.into_values() {
        all.sort_unstable_by_key(|s| (s.positions.0, s.id));
        let is_fixed = |s: &&SegmentMeta| s.bytes >= limits.segment_bytes_max || is_barred(s.id);
        runs.extend(all.split(is_fixed).map(<[_]>::to_vec));
    }
    let classes = runs.iter().flatten().map(|s| size_class(s.bytes));
    let classes: BTreeSet<u32> = classes.collect();
    let of_a_class = classes.into_iter().find_map(|class| {
        let is_larger = |s: &&SegmentMeta| size_class(s.bytes) > class;
        let mut smaller = runs.iter().flat_map(|run| run.split(is_larger));
        smaller.find_map(|run| first_of_class(run, class, limits))
    });
    of_a_class.or_else(|| runs.iter().find_map(|run| smallest_of_many(run, limits)))
}

/// The segments that retention lets go: those whose last record is older than `keep_from`,
/// then the oldest while all together are larger than `bytes_max`.
#[must_use]
pub fn expire(segments: &[SegmentMeta], keep_from: UnixNanos, bytes_max: u64) -> Vec<u64> {
    let (mut gone, mut kept): (Vec<_>, Vec<_>) = segments.iter().partition(|s| s.end < keep_from);
    kept.sort_unstable_by_key(|s| (s.end, s.id));
    let mut bytes: u64 = kept.iter().map(|s| s.bytes).sum();
    for segment in kept {
        if bytes <= bytes_max {
            break;
        }
        bytes -= segment.bytes;
        gone.push(segment);
    }
    gone.into_iter().map(|s| s.id).collect()
}

/// The `fan_in` neighbours with the fewest bytes, where there are far more of them.
fn smallest_of_many(run: &[&SegmentMeta], limits: &MergeLimits) -> Option<Vec<u64>> {
    let fan_in = limits.fan_in.max(2);
    if run.len() <= 8 * fan_in {
        return None;
    }
    let bytes = |part: &&[&SegmentMeta]| part.iter().map(|s| s.bytes).sum::<u64>();
    let smallest = run.windows(fan_in).min_by_key(bytes)?;
    (bytes(&smallest) <= limits.segment_bytes_max).then(|| smallest.iter().map(|s| s.id).collect())
}

/// The first part of `run` with `fan_in` to `4 * fan_in` segments of a class, from one of them
/// to one of them, that stays within the size.
fn first_of_class(run: &[&SegmentMeta], class: u32, limits: &MergeLimits) -> Option<Vec<u64>> {
    let fan_in = limits.fan_in.max(2);
    let is_of_class = |s: &SegmentMeta| size_class(s.bytes) == class;
    (0..run.len())
        .filter(|from| is_of_class(run[*from]))
        .find_map(|from| {
            let (mut bytes, mut of_class, mut length) = (0, 0, 0);
            for (at, segment) in run[from..].iter().enumerate() {
                bytes += segment.bytes;
                if bytes > limits.segment_bytes_max || of_class == 4 * fan_in {
                    break;
                }
                if is_of_class(segment) {
                    (of_class, length) = (of_class + 1, at + 1);
                }
            }
            let ids = run[from..from + length].iter().map(|s| s.id);
            (of_class >= fan_in).then(|| ids.collect())
        })
}

fn size_class(bytes: u64) -> u32 {
    const SMALLEST: u64 = 1 << 20;
    (bytes / SMALLEST)
        .checked_ilog2()
        .map_or(0, |log| log / 2 + 1)
}

/// The first run of `fan_in` to `4 * fan_in` neighbours that stays within the size.
fn longest_that_fits(class: &[&SegmentMeta], limits: &MergeLimits) -> Option<Vec<u64>> {
    let fan_in = limits.fan_in.max(2);
    (0..=class.len() - fan_in).find_map(|from| {
        let mut bytes = 0;
        let fits = |s: &&&SegmentMeta| {
            bytes += s.bytes;
            bytes <= limits.segment_bytes_max
        };
        let run: Vec<u64> = class[from..]
            .iter()
            .take(4 * fan_in)
            .take_while(fits)
            .map(|s| s.id)
            .collect();
        (run.len() >= fan_in).then_some(run)
    })
}

#[cfg(test)]
mod tests;
