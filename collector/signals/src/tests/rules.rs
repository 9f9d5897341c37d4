//! The shipped rule files and the table say the same. Their syntax is checked where rules
//! are read; here are the names.

use crate::{DEFAULT_ALERTS, Method, Resource, USE_RULES, red, use_table};

fn values<'a>(text: &'a str, key: &str) -> Vec<&'a str> {
    text.lines()
        .filter_map(|line| line.trim().trim_start_matches("- ").strip_prefix(key))
        .map(str::trim)
        .collect()
}

#[test]
fn every_row_of_the_table_is_recorded_and_every_record_is_in_the_table() {
    let table: Vec<_> = use_table().iter().map(|row| row.metric).collect();
    assert_eq!(values(USE_RULES, "record:"), table);
}

#[test]
fn every_resource_has_utilization_and_saturation() {
    for resource in [
        Resource::Cpu,
        Resource::Memory,
        Resource::Disk,
        Resource::Network,
    ] {
        for method in [Method::Utilization, Method::Saturation] {
            assert!(
                use_table()
                    .iter()
                    .any(|row| (row.resource, row.method) == (resource, method)),
                "{resource:?} {method:?}"
            );
        }
    }
}

#[test]
fn the_alerts_use_names_that_exist() {
    for metric in DEFAULT_ALERTS.split(|c: char| !(c.is_alphanumeric() || c == '_' || c == ':')) {
        if metric.starts_with("node:") {
            assert!(
                use_table().iter().any(|row| row.metric == metric),
                "{metric}"
            );
        }
        if metric.starts_with("traces_") {
            assert!(
                [red::CALLS.to_owned(), format!("{}_bucket", red::LATENCY)]
                    .contains(&metric.to_owned()),
                "{metric}"
            );
        }
    }
    for alert in [
        "HighErrorRatio",
        "HighLatency",
        "NodeCpuSaturated",
        "NodeMemorySaturated",
        "NodeDiskSaturated",
    ] {
        assert!(values(DEFAULT_ALERTS, "alert:").contains(&alert), "{alert}");
    }
}
