//! The three stores, side by side, as everyone who reads them holds them.

use sonde_logs::LogStore;
use sonde_metrics::MetricStore;
use sonde_traces::TraceStore;
use std::sync::Arc;

/// One store per signal. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Stores {
    pub(crate) logs: Arc<LogStore>,
    pub(crate) traces: Arc<TraceStore>,
    pub(crate) metrics: Arc<MetricStore>,
}
