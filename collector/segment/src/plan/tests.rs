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

#[test]
fn retention_lets_the_old_go_and_then_the_oldest_of_the_rest() {
    let segments: Vec<_> = (0..10).map(|id| segment(id, "a", 10)).collect();
    assert_eq!(expire(&segments, UnixNanos(20), u64::MAX), [0, 1]);
    assert_eq!(expire(&segments, UnixNanos(20), 55), [0, 1, 2, 3, 4]);
    assert!(expire(&segments, UnixNanos(0), 100).is_empty());
}
