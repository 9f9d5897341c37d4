//! Tests of joining reports of an alert.

use super::*;
use std::time::Duration;

const TIMEOUT: Duration = Duration::from_secs(300);

fn report(starts: u64, ends: Option<u64>, now: u64) -> KeptAlert {
    let alert = Alert {
        labels: [("alertname", "A")].into_iter().collect(),
        annotations: Labels::empty(),
        starts_at: UnixNanos::from_secs(starts),
        ends_at: ends.map(UnixNanos::from_secs),
        generator_url: String::new(),
    };
    KeptAlert::from_report(alert, UnixNanos::from_secs(now), TIMEOUT)
}

#[test]
fn a_report_without_times_starts_now_and_ends_by_timeout() {
    let alert = report(0, None, 100);
    assert_eq!(
        (alert.starts_at, alert.ends_at),
        (UnixNanos::from_secs(100), UnixNanos::from_secs(400))
    );
    assert_eq!(
        alert.state_at(UnixNanos::from_secs(399)),
        AlertState::Firing
    );
    assert_eq!(
        alert.state_at(UnixNanos::from_secs(400)),
        AlertState::Resolved
    );
}

#[test]
fn joined_reports_begin_with_the_earlier_and_keep_a_reported_end() {
    let first = report(50, Some(500), 100);
    let second = first.joined(report(90, None, 110), UnixNanos::from_secs(110));
    assert_eq!(second.starts_at, UnixNanos::from_secs(50));
    assert_eq!(second.ends_at, UnixNanos::from_secs(500));
    let resolved = second.joined(report(50, Some(120), 120), UnixNanos::from_secs(120));
    assert_eq!(
        resolved.ends_at,
        UnixNanos::from_secs(120),
        "an explicit end outranks one in the future"
    );
}

#[test]
fn a_second_firing_begins_anew() {
    let resolved = report(50, Some(120), 120);
    let again = resolved.joined(report(200, None, 200), UnixNanos::from_secs(200));
    assert_eq!(again.starts_at, UnixNanos::from_secs(200));
    assert_eq!(again.received_at, UnixNanos::from_secs(200));
}
