//! Merging ends, and retention takes the oldest.

use super::*;
use sonde_proto::{Position, Tenant};

const MIB: u64 = 1 << 20;

fn segment(id: u64, tenant: &str, bytes: u64) -> SegmentMeta {
    SegmentMeta {
        id,
        tenant: Tenant::new(tenant).unwrap(),
        start: UnixNanos(id * 10),
        end: UnixNanos(id * 10 + 9),
        positions: (Position(id), Position(id + 1)),
        bytes,
        records: 1,
        checksum: 0,
        extra: serde_json::Value::Null,
    }
}

#[test]
fn neighbours_of_one_tenant_and_one_size_are_merged() {
    let limits = MergeLimits::default();
    let mut segments: Vec<_> = (0..3).map(|id| segment(id, "a", MIB / 2)).collect();
    segments.push(segment(3, "b", MIB / 2));
    segments.push(segment(4, "a", 100 * MIB));
    assert_eq!(merge(&segments, &limits), None);
    segments.push(segment(5, "a", MIB / 3));
    assert_eq!(merge(&segments, &limits), Some(vec![0, 1, 2, 5]));
}

#[test]
fn merging_ends_keeps_few_segments_and_rewrites_each_byte_a_few_times() {
    let limits = MergeLimits {
        fan_in: 4,
        segment_bytes_max: 64 * MIB,
    };
    let (mut segments, mut rewritten, mut next_id) = (Vec::new(), 0, 0);
    for _ in 0..1000 {
        segments.push(segment(next_id, "a", MIB));
        next_id += 1;
        while let Some(ids) = merge(&segments, &limits) {
            let bytes = segments
                .iter()
                .filter(|s| ids.contains(&s.id))
                .map(|s| s.bytes)
                .sum();
            assert!(ids.len() >= 4 && bytes <= limits.segment_bytes_max);
            segments.retain(|s| !ids.contains(&s.id));
            segments.push(segment(next_id, "a", bytes));
            rewritten += bytes;
            next_id += 1;
        }
    }
    assert!(segments.len() < 40, "{} segments", segments.len());
    assert!(
        rewritten < 4 * 1000 * MIB,
        "{} MiB rewritten",
        rewritten / MIB
    );
}

/// What a store of so many bytes a seal comes to: segments left and bytes rewritten.
fn merge_all_in_arrival(bytes_of: impl Fn(u64) -> u64, limits: &MergeLimits) -> (usize, u64) {
    let (mut segments, mut rewritten, mut next_id) = (Vec::new(), 0, 0);
    for seal in 0..1000 {
        let mut sealed = segment(next_id, "a", bytes_of(seal));
        sealed.positions = (Position(seal), Position(seal + 1));
        segments.push(sealed);
        next_id += 1;
        while let Some(ids) = merge_in_arrival(&segments, limits, |_| false) {
            let chosen: Vec<_> = segments.iter().filter(|s| ids.contains(&s.id)).collect();
            let from = chosen.iter().map(|s| s.positions.0).min().unwrap();
            let to = chosen.iter().map(|s| s.positions.1).max().unwrap();
            let bytes: u64 = chosen.iter().map(|s| s.bytes).sum();
            assert!(bytes <= limits.segment_bytes_max);
            let is_between = |s: &&SegmentMeta| s.positions.0 < to && s.positions.1 > from;
            let between = segments.iter().filter(is_between).count();
            assert_eq!(
                between,
                ids.len(),
                "a segment that is left arrived in between"
            );
            let mut merged = segment(next_id, "a", bytes);
            merged.positions = (from, to);
            segments.retain(|s| !ids.contains(&s.id));
            segments.push(merged);
            rewritten += bytes;
            next_id += 1;
        }
    }
    (segments.len(), rewritten)
}

#[test]
fn merging_in_arrival_merges_what_is_contiguous_and_rewrites_each_byte_a_few_times() {
    let limits = MergeLimits {
        fan_in: 4,
        segment_bytes_max: 64 * MIB,
    };
    let total = |bytes_of: &dyn Fn(u64) -> u64| (0..1000).map(bytes_of).sum::<u64>();
    let courses: [&dyn Fn(u64) -> u64; 3] = [
        &|_| MIB,
        // A large one now and then, and others that vary.
        &|seal| if seal % 7 == 0 { 20 * MIB } else { MIB / 2 },
        &|seal| (seal * 7919 % 13 + 1) * MIB,
    ];
    for (number, bytes_of) in courses.into_iter().enumerate() {
        let (left, rewritten) = merge_all_in_arrival(bytes_of, &limits);
        let (all, most) = (total(bytes_of), limits.segment_bytes_max);
        let needed = (all / most) as usize;
        assert!(
            left < 3 * needed + 40,
            "course {number}: {left} segments for {needed}"
        );
        assert!(
            rewritten < 4 * all,
            "course {number}: {} rewritten",
            rewritten / all
        );
    }
}

#[test]
fn no_merge_in_arrival_reaches_over_one_that_is_barred() {
    let limits = MergeLimits::default();
    let segments: Vec<_> = (0..8).map(|id| segment(id, "a", MIB / 2)).collect();
    let merge = |barred: u64| merge_in_arrival(&segments, &limits, |id| id == barred);
    assert_eq!(merge(9), Some((0..8).collect()));
    assert_eq!(merge(3), Some(vec![4, 5, 6, 7]));
    assert_eq!(merge(5), Some(vec![0, 1, 2, 3, 4]));
    assert_eq!(merge_in_arrival(&segments, &limits, |id| id % 4 == 3), None);
}

#[test]
fn retention_lets_the_old_go_and_then_the_oldest_of_the_rest() {
    let segments: Vec<_> = (0..10).map(|id| segment(id, "a", 10)).collect();
    assert_eq!(expire(&segments, UnixNanos(20), u64::MAX), [0, 1]);
    assert_eq!(expire(&segments, UnixNanos(20), 55), [0, 1, 2, 3, 4]);
    assert!(expire(&segments, UnixNanos(0), 100).is_empty());
}
