//! What is to be thinned when, and what cannot be.

use super::*;
use sonde_proto::{Position, Tenant};

const DAY: u64 = 24 * 3600;

fn read(steps: &[(&str, &str)]) -> Result<Downsampling, String> {
    let step = |(after, resolution): &(&str, &str)| Step {
        after: Period::read(after).unwrap(),
        resolution: Period::read(resolution).unwrap(),
    };
    Downsampling::try_from(steps.iter().map(step).collect::<Vec<_>>())
}

fn two() -> Downsampling {
    read(&[("30d", "5m"), ("180d", "1h")]).unwrap()
}

/// A segment whose newest sample is so many days old, on day 1000.
fn segment(id: u64, age: u64, resolution: i64) -> SegmentMeta {
    SegmentMeta {
        id,
        tenant: Tenant::default(),
        start: UnixNanos::from_secs((1000 - age) * DAY - 7200),
        end: UnixNanos::from_secs((1000 - age) * DAY),
        positions: (Position(id), Position(id + 1)),
        bytes: 100,
        records: 1,
        checksum: 0,
        extra: serde_json::json!({ "resolution_ms": resolution }),
    }
}

fn next(segments: &[SegmentMeta]) -> Option<(Vec<u64>, i64)> {
    let newest = UnixNanos::from_secs(1000 * DAY);
    two().next(segments, newest, 250, |id| id == 66)
}

#[test]
fn steps_that_do_not_fit_are_refused() {
    let check = |steps: &[(&str, &str)], part: &str| {
        let error = read(steps).unwrap_err();
        assert!(error.contains(part), "{error}");
    };
    check(&[("30d", "0s")], "resolution of 0s");
    check(&[("30d", "2d")], "at most 1d");
    check(&[("1m", "5m")], "to 5m after 1m");
    check(&[("30d", "5m"), ("30d", "1h")], "youngest first");
    check(&[("30d", "5m"), ("60d", "7m")], "no multiple of 5m");
    check(&[("30d", "1h"), ("60d", "5m")], "no multiple of 1h");
    check(&[("30d", "1h"); 9], "more than 8");
    let text = serde_json::to_string(&two()).unwrap();
    assert_eq!(serde_json::from_str::<Downsampling>(&text).unwrap(), two());
    assert_eq!(read(&[]).unwrap(), Downsampling::default());
}

#[test]
fn what_is_old_enough_is_thinned_and_only_once() {
    assert_eq!(next(&[segment(1, 29, 0)]), None);
    assert_eq!(next(&[segment(1, 30, 0)]), Some((vec![1], 300_000)));
    assert_eq!(next(&[segment(1, 30, 300_000)]), None);
    assert_eq!(
        next(&[segment(1, 181, 300_000)]),
        Some((vec![1], 3_600_000))
    );
    assert_eq!(next(&[segment(1, 181, 0)]), Some((vec![1], 3_600_000)));
    assert_eq!(next(&[segment(1, 181, 3_600_000)]), None);
}

#[test]
fn segments_are_merged_that_get_old_together() {
    let alike = |a: (u64, i64), b: (u64, i64)| {
        let group = |(age, resolution)| two().group(&segment(1, age, resolution));
        group(a) == group(b)
    };
    // Day 1000 lies in a stretch of 7.5 days from day 997.5 on.
    assert!(alike((0, 0), (2, 0)) && !alike((0, 0), (3, 0)));
    // And in one of 45 days from day 990 on.
    assert!(alike((0, 300_000), (9, 300_000)) && !alike((0, 300_000), (11, 300_000)));
    assert!(alike((0, 3_600_000), (900, 3_600_000)));
    assert!(!alike((0, 0), (0, 300_000)));
    let none = Downsampling::default();
    assert_eq!(
        none.group(&segment(1, 0, 0)),
        none.group(&segment(2, 900, 0))
    );
}

#[test]
fn neighbours_of_one_kind_are_thinned_together() {
    let mut all = vec![
        segment(1, 200, 3_600_000),
        segment(2, 50, 0),
        segment(3, 40, 0),
    ];
    all.extend([segment(4, 35, 0), segment(5, 2, 0)]);
    assert_eq!(next(&all), Some((vec![2, 3], 300_000)));
    all[2].id = 66;
    assert_eq!(next(&all), Some((vec![2], 300_000)));
    all[1].bytes = 5000;
    assert_eq!(next(&all), Some((vec![2], 300_000)));
}
