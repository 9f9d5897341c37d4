//! Whether the collector takes what is sent, said once and not once per attempt.

use parking_lot::Mutex;
use sonde_proto::{Clock, UnixNanos};
use std::sync::Arc;
use std::time::Duration;

/// The state of the way to the collector, shared by everything that sends.
#[derive(Clone)]
pub(crate) struct Health {
    endpoint: Arc<str>,
    clock: Arc<dyn Clock>,
    report_every: Duration,
    failing: Arc<Mutex<Option<Failing>>>,
}

/// A failure that lasts.
#[derive(Clone, Debug)]
pub(crate) struct Failing {
    pub(crate) since: UnixNanos,
    pub(crate) error: String,
    reported: UnixNanos,
}

impl Health {
    pub(crate) fn new(endpoint: &str, clock: Arc<dyn Clock>, report_every: Duration) -> Self {
        Self {
            endpoint: endpoint.into(),
            clock,
            report_every,
            failing: Arc::default(),
        }
    }

    /// An attempt failed.
    pub(crate) fn failed(&self, error: &str) {
        let now = self.clock.now();
        let mut failing = self.failing.lock();
        let since = failing.as_ref().map_or(now, |f| f.since);
        let report = failing
            .as_ref()
            .is_none_or(|f| now.since(f.reported) >= self.report_every);
        if report {
            tracing::warn!(
                endpoint = &*self.endpoint,
                failing_seconds = now.since(since).as_secs(),
                error,
                "the collector does not take what is sent; log files keep their lines, metrics wait in the buffer, trying on"
            );
        }
        let reported = if report {
            now
        } else {
            failing.as_ref().map_or(now, |f| f.reported)
        };
        *failing = Some(Failing {
            since,
            error: error.to_owned(),
            reported,
        });
    }

    /// An attempt succeeded.
    pub(crate) fn succeeded(&self) {
        if let Some(failing) = self.failing.lock().take() {
            let seconds = self.clock.now().since(failing.since).as_secs();
            tracing::info!(
                endpoint = &*self.endpoint,
                failed_seconds = seconds,
                "recovered: the collector takes what is sent"
            );
        }
    }

    /// The failure that lasts now.
    pub(crate) fn failing(&self) -> Option<Failing> {
        self.failing.lock().clone()
    }
}
