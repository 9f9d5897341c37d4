//! Tests of the core: scenes with an exact timetable, and a simulation of many.

mod scenes;
mod simulation;

use super::*;
use crate::route::{GroupBy, Route, RouteTree};
use sonde_proto::Labels;

pub(super) const T0: u64 = 1_700_000_000;

pub(super) fn secs(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

pub(super) fn limits() -> CoreLimits {
    CoreLimits {
        alerts_max: 1000,
        alert_bytes_max: 10_000,
        history_max: 100,
        deliveries_at_once: 2,
        resolved_retention: secs(900),
        undeliverable_max: secs(100 * 3600),
        retry_after_max: secs(600),
    }
}

pub(super) fn route(
    matchers: &str,
    receiver: &str,
    group_by: &[&str],
    children: &[usize],
) -> Route {
    let matchers = crate::matchers::parse(matchers).unwrap_or_default();
    Route {
        key: crate::route::matchers_key(&matchers),
        matchers,
        continues: true,
        children: children.to_vec(),
        receiver: receiver.into(),
        group_by: GroupBy::Labels(group_by.iter().map(ToString::to_string).collect()),
        group_wait: secs(30),
        group_interval: secs(300),
        repeat_interval: secs(4 * 3600),
        mute: vec![],
        active: vec![],
    }
}

pub(super) fn plan(routes: Vec<Route>, receivers: &[(&str, &[bool])]) -> Arc<Plan> {
    let outlets = |(name, send_resolved): &(&str, &[bool])| {
        let outlet = |(at, send_resolved): (usize, &bool)| Outlet {
            integration: format!("webhook[{at}]"),
            send_resolved: *send_resolved,
        };
        (
            (*name).to_owned(),
            send_resolved.iter().enumerate().map(outlet).collect(),
        )
    };
    Arc::new(Plan {
        resolve_timeout: secs(300),
        routes: RouteTree(routes),
        inhibit_rules: vec![],
        receivers: receivers.iter().map(outlets).collect(),
    })
}

pub(super) fn alert(labels: &[(&str, &str)], starts: u64, ends: Option<u64>) -> Alert {
    Alert {
        labels: labels.iter().copied().collect(),
        annotations: Labels::empty(),
        starts_at: UnixNanos::from_secs(starts),
        ends_at: ends.map(UnixNanos::from_secs),
        generator_url: String::new(),
    }
}
