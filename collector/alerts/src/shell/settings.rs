//! What the process decides, as opposed to the people who are told.

use crate::core::CoreLimits;
use std::time::Duration;

/// What the process decides.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Where people find the pages: links in notifications begin with it.
    pub external_url: String,
    /// What bounds the memory and the deliveries.
    pub limits: CoreLimits,
    /// The size below which the log is not written anew.
    pub log_bytes_min: u64,
    /// How long a shutdown waits for deliveries under way.
    pub shutdown_max: Duration,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            external_url: String::new(),
            limits: CoreLimits::default(),
            log_bytes_min: 4 << 20,
            shutdown_max: Duration::from_secs(10),
        }
    }
}

impl Default for CoreLimits {
    fn default() -> Self {
        Self {
            alerts_max: 100_000,
            alert_bytes_max: 64 << 10,
            history_max: 1000,
            deliveries_at_once: 4,
            resolved_retention: Duration::from_secs(15 * 60),
            undeliverable_max: Duration::from_secs(5 * 24 * 3600),
            retry_after_max: Duration::from_secs(3600),
        }
    }
}
