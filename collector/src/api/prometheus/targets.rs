//! Targets, scrape pools, Alertmanagers: what a collector has none of. Its metrics are sent to
//! it, and it notifies itself. Clients that list them find nothing, in the right shape.

use super::success;
use axum::response::Response;
use serde_json::json;

pub(super) async fn targets() -> Response {
    success(json!({
        "activeTargets": [],
        "droppedTargets": [],
        "droppedTargetCounts": {},
    }))
}

pub(super) async fn metadata() -> Response {
    success([(); 0])
}

pub(super) async fn scrape_pools() -> Response {
    success(json!({ "scrapePools": [] }))
}

pub(super) async fn alertmanagers() -> Response {
    success(json!({ "activeAlertmanagers": [], "droppedAlertmanagers": [] }))
}

/// The notices that Prometheus 3 shows on its page.
pub(super) async fn notifications() -> Response {
    success([(); 0])
}
