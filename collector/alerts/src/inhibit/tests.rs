//! Tests of inhibition.

use super::*;
use crate::alert::Alert;

fn alert(labels: &[(&str, &str)], ends: Option<u64>) -> KeptAlert {
    let report = Alert {
        labels: labels.iter().copied().collect(),
        annotations: Labels::empty(),
        starts_at: UnixNanos::from_secs(1),
        ends_at: ends.map(UnixNanos::from_secs),
        generator_url: String::new(),
    };
    KeptAlert::from_report(
        report,
        UnixNanos::from_secs(10),
        std::time::Duration::from_secs(300),
    )
}

fn rule(source: &str, target: &str, equal: &[&str]) -> InhibitRule {
    InhibitRule {
        source: crate::matchers::parse(source).unwrap(),
        target: crate::matchers::parse(target).unwrap(),
        equal: equal.iter().map(ToString::to_string).collect(),
    }
}

fn check(rule: InhibitRule, alerts: &[KeptAlert], muted: &[bool]) {
    let rules = [rule];
    let listed = alerts.iter().map(|alert| (alert.fingerprint(), alert));
    let inhibitor = Inhibitor::new(&rules, listed, UnixNanos::from_secs(20));
    let found: Vec<bool> = alerts
        .iter()
        .map(|alert| !inhibitor.inhibitors_of(&rules, &alert.labels).is_empty())
        .collect();
    assert_eq!(found, muted);
}

#[test]
fn a_source_mutes_targets_with_equal_labels_while_it_fires() {
    let rule = || rule("severity=critical", "severity=warning", &["node", "zone"]);
    let target = alert(&[("severity", "warning"), ("node", "a")], None);
    let other = alert(&[("severity", "warning"), ("node", "b")], None);
    check(
        rule(),
        &[
            alert(&[("severity", "critical"), ("node", "a")], None),
            target.clone(),
            other.clone(),
        ],
        &[false, true, false],
    );
    check(
        rule(),
        &[
            alert(&[("severity", "critical"), ("node", "a")], Some(15)),
            target,
            other,
        ],
        &[false, false, false],
    );
}

#[test]
fn alerts_that_are_both_source_and_target_do_not_mute_one_another() {
    let both = [
        alert(&[("a", "1"), ("n", "1")], None),
        alert(&[("a", "1"), ("n", "2")], None),
    ];
    check(rule("a=1", "a=1", &[]), &both, &[false, false]);
    let one_sided = [
        alert(&[("a", "1"), ("b", "1")], None),
        alert(&[("a", "1")], None),
    ];
    check(rule("a=1", "b=1", &[]), &one_sided, &[true, false]);
}
