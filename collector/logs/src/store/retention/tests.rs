//! Which segments go.

use super::*;
use crate::config::{RetentionConfig, TenantRetention};
use sonde_proto::Position;

fn segment(id: u64, tenant: &str, end: u64, bytes: u64) -> SegmentMeta {
    SegmentMeta {
        id,
        tenant: Tenant::new(tenant).unwrap(),
        start: UnixNanos(0),
        end: UnixNanos::from_secs(end),
        positions: (Position(id), Position(id + 1)),
        bytes,
        records: 1,
        checksum: 0,
        extra: serde_json::Value::Null,
    }
}

fn gone(config: &Config, segments: &[SegmentMeta]) -> Vec<u64> {
    gone_at(1000, config, segments)
}

/// What goes at a time, until which records came in.
fn gone_at(now: u64, config: &Config, segments: &[SegmentMeta]) -> Vec<u64> {
    let retention = Retention::new(config).unwrap();
    let segments = [segments, &[segment(99, "clock", now, 0)]].concat();
    let gone = retention.beyond(&segments, UnixNanos::from_secs(now));
    let mut gone: Vec<u64> = gone.iter().map(|(segment, _)| segment.id).collect();
    gone.sort_unstable();
    gone
}

fn stream(selector: &str, priority: u32, seconds: u64) -> StreamRetention {
    StreamRetention {
        selector: selector.into(),
        priority,
        seconds,
    }
}

#[test]
fn ages_count_until_the_newest_record_or_the_clock_where_that_is_behind() {
    let mut segments = vec![segment(0, "a", 400, 1), segment(1, "b", 700, 1)];
    let until = |segments: &[SegmentMeta], now| ages_until(segments, UnixNanos::from_secs(now));
    assert_eq!(until(&segments, 1 << 30), UnixNanos::from_secs(700));
    assert_eq!(until(&segments, 500), UnixNanos::from_secs(500));
    assert_eq!(until(&[], 500), UnixNanos::from_secs(500));
    // A time that lies after the arrival counts as that.
    segments[1].extra = serde_json::json!({ "received": UnixNanos::from_secs(450).0 });
    assert_eq!(until(&segments, 1 << 30), UnixNanos::from_secs(450));
    let config = Config {
        retention_seconds: 100,
        ..Config::default()
    };
    let retention = Retention::new(&config).unwrap();
    let gone = retention.beyond(&segments, UnixNanos::from_secs(1 << 30));
    assert!(gone.is_empty());
}

#[test]
fn tenants_are_kept_for_their_own_time() {
    let own = TenantRetention {
        seconds: Some(100),
        ..TenantRetention::default()
    };
    let config = Config {
        retention_seconds: 500,
        retention: RetentionConfig {
            by_tenant: [("a".to_owned(), own)].into(),
            ..RetentionConfig::default()
        },
        ..Config::default()
    };
    let segments = [
        segment(0, "a", 899, 1),
        segment(1, "a", 900, 1),
        segment(2, "b", 499, 1),
        segment(3, "b", 500, 1),
    ];
    assert_eq!(gone(&config, &segments), [0, 2]);
}

#[test]
fn a_segment_goes_when_the_streams_that_are_kept_longest_are_past() {
    let mut config = Config {
        retention_seconds: 500,
        ..Config::default()
    };
    let segments = [segment(0, "a", 100, 1), segment(1, "a", 600, 1)];
    config.retention.streams = vec![stream("{level=\"debug\"}", 0, 10)];
    assert_eq!(gone(&config, &segments), [0]);
    config
        .retention
        .streams
        .push(stream("{level=\"error\"}", 0, 950));
    assert_eq!(gone(&config, &segments), Vec::<u64>::new());
    config.retention.streams = vec![stream("{level=\"error\"}", 0, 0)];
    assert_eq!(gone(&config, &segments), Vec::<u64>::new());
}

#[test]
fn who_has_the_most_goes_first_and_whoever_has_a_limit_is_counted_alone() {
    let mut config = Config {
        retention_seconds: 0,
        retention_bytes_max: 100,
        ..Config::default()
    };
    let mut segments: Vec<SegmentMeta> = (0..10).map(|n| segment(n, "loud", 500 + n, 15)).collect();
    segments.push(segment(20, "quiet", 1, 40));
    // The loud one's oldest go, though the quiet one's is older than all of them.
    assert_eq!(gone(&config, &segments), [0, 1, 2, 3, 4, 5]);
    let own = TenantRetention {
        bytes: Some(30),
        ..TenantRetention::default()
    };
    config.retention.by_tenant = [("loud".to_owned(), own)].into();
    assert_eq!(gone(&config, &segments), [0, 1, 2, 3, 4, 5, 6, 7]);
    config.retention_bytes_max = 39;
    assert_eq!(gone(&config, &segments).last(), Some(&20));
    config.retention_bytes_max = 0;
    assert_eq!(gone(&config, &segments), [0, 1, 2, 3, 4, 5, 6, 7]);
}

#[test]
fn the_rule_of_the_highest_priority_counts_and_of_equal_ones_the_shortest() {
    let mut config = Config::default();
    config.retention.streams = vec![
        stream("{app=\"a\"}", 1, 0),
        stream("{app=~\"a|b\"}", 1, 70),
        stream("{app=\"b\"}", 2, 900),
        stream("{}", 0, 5),
    ];
    let tenant = Tenant::default();
    let of = |config: &Config, app: &str| {
        let ages = Retention::new(config).unwrap().ages(&tenant).cloned();
        ages.unwrap().of(&[("app", app)].into_iter().collect())
    };
    assert_eq!(["a", "b", "c"].map(|app| of(&config, app)), [70, 900, 5]);
    let own = TenantRetention {
        streams: Some(vec![stream("{app=\"a\"}", 0, 1)]),
        ..TenantRetention::default()
    };
    config.retention.by_tenant = [("default".to_owned(), own)].into();
    let default = config.retention_seconds;
    assert_eq!(["a", "b"].map(|app| of(&config, app)), [1, default]);
}

#[test]
fn what_cannot_be_is_refused_by_name() {
    let mut config = Config::default();
    config.retention.streams = vec![stream("{app=", 0, 1)];
    let error = Retention::new(&config).unwrap_err();
    assert!(
        error.contains(r#"retention.streams: "{app=" is no selector"#),
        "{error}"
    );
    config.retention.streams.clear();
    let own = TenantRetention::default();
    config.retention.by_tenant = [("../x".to_owned(), own)].into();
    assert!(
        Retention::new(&config)
            .unwrap_err()
            .contains("retention.by_tenant")
    );
}
