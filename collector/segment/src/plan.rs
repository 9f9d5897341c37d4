//! What to merge and what to let go: decided on the manifest alone, without I/O.
//!
//! Merging keeps the number of filters probed per lookup small; retention drops whole
//! segments. Segments are grouped by size class (each class four times the one before), and
//! neighbours in time of one tenant and one class are merged, so that every record is
//! rewritten about `log4(segment_bytes_max / first size)` times.

use crate::SegmentMeta;
use serde::{Deserialize, Serialize};
use sonde_proto::UnixNanos;
use std::collections::BTreeMap;

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
