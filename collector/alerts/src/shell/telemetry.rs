//! What is counted.

use super::Shared;
use crate::core::{Refused, Verdict};
use crate::log::Recovery;
use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeLabelSet, EncodeMetric};
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::{ConstGauge, Gauge};
use prometheus_client::registry::Registry;
use std::path::Path;
use std::sync::{Arc, Weak};

/// The counters. Cheap to clone.
#[derive(Clone, Debug, Default)]
pub(super) struct Telemetry {
    received: Counter,
    refused: Family<ReasonLabel, Counter>,
    sent: Family<IntegrationLabel, Counter>,
    failed: Family<FailureLabels, Counter>,
    held_back: Counter,
    given_up: Counter,
    template_failures: Family<IntegrationLabel, Counter>,
    log_bytes: Gauge,
    log_damaged_records: Counter,
    log_write_failures: Counter,
}

/// The label `reason`.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ReasonLabel {
    reason: &'static str,
}

/// The label `integration`.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct IntegrationLabel {
    integration: &'static str,
}

/// The labels of an attempt that failed.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct FailureLabels {
    integration: &'static str,
    reason: &'static str,
}

impl Telemetry {
    pub(super) fn register(registry: &mut Registry) -> Self {
        let own = Self::default();
        registry.register(
            "sonde_alerts_received",
            "Reports of alerts, from rules and clients",
            own.received.clone(),
        );
        registry.register(
            "sonde_alerts_refused",
            "Reports of alerts that could not be kept, by reason",
            own.refused.clone(),
        );
        registry.register(
            "sonde_alerts_notifications_sent",
            "Notifications that a receiver confirmed, by integration",
            own.sent.clone(),
        );
        registry.register(
            "sonde_alerts_notifications_failed",
            "Attempts to notify that failed, by integration and reason",
            own.failed.clone(),
        );
        registry.register(
            "sonde_alerts_notifications_held_back",
            "Notifications not sent yet because the alerts log could not be written",
            own.held_back.clone(),
        );
        registry.register(
            "sonde_alerts_given_up",
            "Ended alerts that a receiver could not be told of for too long",
            own.given_up.clone(),
        );
        registry.register(
            "sonde_alerts_template_failures",
            "Templates that failed and were replaced by a summary, by integration",
            own.template_failures.clone(),
        );
        registry.register(
            "sonde_alerts_log_bytes",
            "Size of the alerts log",
            own.log_bytes.clone(),
        );
        registry.register(
            "sonde_alerts_log_damaged_records",
            "Damaged stretches of the alerts log that were skipped",
            own.log_damaged_records.clone(),
        );
        registry.register(
            "sonde_alerts_log_write_failures",
            "Failed writes of the alerts log; nobody is told anything until one succeeds",
            own.log_write_failures.clone(),
        );
        own
    }

    pub(super) fn recovered(&self, dir: &Path, recovery: Recovery, bytes: u64) {
        self.log_has(bytes);
        self.log_damaged_records.inc_by(recovery.damaged);
        if recovery != Recovery::default() {
            tracing::warn!(
                "the alerts log in {} was damaged: {} stretches were skipped, {} bytes of a torn write cut off",
                dir.display(),
                recovery.damaged,
                recovery.torn_bytes
            );
        }
    }

    pub(super) fn received(&self, reports: usize, refused: &[Refused]) {
        self.received.inc_by(reports as u64);
        let mut all = Refused::default();
        for refused in refused {
            all.no_labels += refused.no_labels;
            all.too_large += refused.too_large;
            all.too_many += refused.too_many;
        }
        if all.total() == 0 {
            return;
        }
        for (reason, count) in [
            ("no_labels", all.no_labels),
            ("too_large", all.too_large),
            ("too_many", all.too_many),
        ] {
            self.refused
                .get_or_create(&ReasonLabel { reason })
                .inc_by(count);
        }
        tracing::warn!(
            "{} alerts were refused: {} without labels, {} too large, {} because too many are kept",
            all.total(),
            all.no_labels,
            all.too_large,
            all.too_many
        );
    }

    pub(super) fn ended(&self, integration: &'static str, verdict: &Verdict) {
        let reason = match verdict {
            Verdict::Sent => {
                self.sent
                    .get_or_create(&IntegrationLabel { integration })
                    .inc();
                return;
            }
            Verdict::Retry { after: Some(_), .. } => "throttled",
            Verdict::Retry { after: None, .. } => "unavailable",
            Verdict::Rejected { .. } => "rejected",
        };
        let labels = FailureLabels {
            integration,
            reason,
        };
        self.failed.get_or_create(&labels).inc();
    }

    pub(super) fn template_failed(&self, integration: &'static str) {
        self.template_failures
            .get_or_create(&IntegrationLabel { integration })
            .inc();
    }

    pub(super) fn held_back(&self) {
        self.held_back.inc();
    }

    pub(super) fn given_up(&self, alerts: u64) {
        self.given_up.inc_by(alerts);
    }

    pub(super) fn log_has(&self, bytes: u64) {
        self.log_bytes.set(i64::try_from(bytes).unwrap_or(i64::MAX));
    }

    pub(super) fn write_failed(&self) {
        self.log_write_failures.inc();
    }
}

/// How many alerts fire, counted when somebody asks.
pub(super) struct Firing(Weak<Shared>);

impl Firing {
    pub(super) fn new(shared: &Arc<Shared>) -> Self {
        Self(Arc::downgrade(shared))
    }
}

impl std::fmt::Debug for Firing {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Firing")
    }
}

impl Collector for Firing {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> Result<(), std::fmt::Error> {
        let Some(shared) = self.0.upgrade() else {
            return Ok(());
        };
        let firing = shared.core.lock().firing(shared.clock.now());
        let gauge = ConstGauge::new(i64::try_from(firing).unwrap_or(i64::MAX));
        let metric = encoder.encode_descriptor(
            "sonde_alerts_firing",
            "Alerts that fire",
            None,
            gauge.metric_type(),
        )?;
        gauge.encode(metric)
    }
}
