//! What can be set.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The settings of the signals from spans.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    /// How many RED series a tenant may have; further operations count as `__overflow__`.
    pub series_max: usize,
    /// How many operations of one service have series of their own; further ones count as
    /// `__overflow__` of their service, and leave room for other services.
    pub service_operations_max: usize,
    /// How many edges of the service graph a tenant may have; further ones count as `__overflow__`.
    pub edges_max: usize,
    /// How many sides of requests of a tenant may wait for the other side.
    pub pending_max: usize,
    /// How long one side of a request waits for the other side to arrive.
    pub pending_wait_ms: u64,
    /// After how long without a span a series ends.
    pub stale_seconds: u64,
    /// How long the bytes of a batch are remembered, so that one that is sent again, because its
    /// answer was lost, does not count again. Zero switches it off.
    pub repeat_window_seconds: u64,
    /// How many batches of a tenant are remembered for that.
    pub repeats_max: usize,
    /// Whether durations are told as native histograms too, beside those with fixed buckets.
    pub native_histograms: bool,
    /// The resource attributes of which a new value is a change in the software.
    pub change_attributes: Vec<String>,
    /// How many changes of a tenant are kept; the oldest go first.
    pub changes_max: usize,
    /// Of how many services of a tenant changes are noticed.
    pub change_services_max: usize,
    /// The longest service or operation name kept, in bytes; longer ones are cut.
    pub name_bytes_max: usize,
    /// Upper bounds of the buckets of operations' durations.
    pub latency_buckets_seconds: Vec<f64>,
    /// Upper bounds of the buckets of requests between services.
    pub graph_buckets_seconds: Vec<f64>,
}

impl Default for Config {
    fn default() -> Self {
        let doubling = |first: f64, count: i32| (0..count).map(|n| first * 2_f64.powi(n)).collect();
        Self {
            series_max: 20_000,
            service_operations_max: 500,
            edges_max: 5_000,
            pending_max: 50_000,
            pending_wait_ms: 10_000,
            stale_seconds: 900,
            repeat_window_seconds: 300,
            repeats_max: 20_000,
            native_histograms: false,
            change_attributes: [
                "service.version",
                "container.image.name",
                "container.image.tags",
                "k8s.replicaset.name",
            ]
            .map(str::to_owned)
            .into(),
            changes_max: 1_000,
            change_services_max: 2_000,
            name_bytes_max: 256,
            latency_buckets_seconds: doubling(0.002, 14),
            graph_buckets_seconds: doubling(0.1, 8),
        }
    }
}
