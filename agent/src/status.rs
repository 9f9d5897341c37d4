//! What the agent says about itself.

use serde::Serialize;
use sonde_proto::UnixNanos;
use std::collections::BTreeMap;

/// The agent's state, for people.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Status {
    /// This host's name in telemetry.
    pub host_name: String,
    /// Where everything is sent.
    pub endpoint: String,
    /// Whether the last attempt to send succeeded.
    pub connected: bool,
    /// Since when sending fails, if it does.
    pub failing_since: Option<UnixNanos>,
    /// The last error of sending, while it fails.
    pub error: Option<String>,
    /// Log files followed.
    pub files: i64,
    /// Log files open.
    pub files_open: i64,
    /// Bytes in followed files that are not read yet.
    pub backlog_bytes: i64,
    /// Lines read since the start.
    pub lines: u64,
    /// Bytes read since the start.
    pub bytes: u64,
    /// Log records encoded since the start.
    pub records: u64,
    /// Log records that the collector acknowledged since the start.
    pub records_acked: u64,
    /// Bytes of metrics that wait for the collector.
    pub metrics_waiting_bytes: u64,
    /// Targets that are scraped.
    pub targets: usize,
    /// Targets whose last scrape failed.
    pub targets_down: usize,
    /// Some of them, and why.
    pub targets_failing: Vec<TargetDown>,
    /// What was lost since the start, by reason; reasons without a loss are left out.
    pub dropped: BTreeMap<String, u64>,
    /// Lines changed on the way since the start, by reason.
    pub damaged: BTreeMap<String, u64>,
}

/// A target whose last scrape failed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct TargetDown {
    /// Its job.
    pub job: String,
    /// Its instance.
    pub instance: String,
    /// Why.
    pub error: String,
}
