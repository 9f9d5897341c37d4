//! What evaluation counts of itself.

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::{Histogram, exponential_buckets};
use prometheus_client::registry::Registry;
use std::sync::atomic::AtomicU64;

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct GroupLabels {
    file: String,
    group: String,
}

/// The engine's own metrics.
#[derive(Debug)]
pub(crate) struct Telemetry {
    /// How long rules take.
    pub(crate) seconds: Histogram,
    pub(crate) template_failures: Counter,
    evaluations: Family<GroupLabels, Counter>,
    failures: Family<GroupLabels, Counter>,
    missed: Family<GroupLabels, Counter>,
    slow: Family<GroupLabels, Counter>,
    last_seconds: Family<GroupLabels, Gauge<f64, AtomicU64>>,
}

/// The metrics of one group.
pub(crate) struct GroupTelemetry {
    pub(crate) evaluations: Counter,
    pub(crate) failures: Counter,
    pub(crate) missed: Counter,
    pub(crate) slow: Counter,
    pub(crate) last_seconds: Gauge<f64, AtomicU64>,
}

impl Telemetry {
    pub(crate) fn register(registry: &mut Registry) -> Self {
        let this = Self {
            seconds: Histogram::new(exponential_buckets(0.001, 4.0, 8)),
            template_failures: Counter::default(),
            evaluations: Family::default(),
            failures: Family::default(),
            missed: Family::default(),
            slow: Family::default(),
            last_seconds: Family::default(),
        };
        registry.register(
            "sonde_rules_evaluation_seconds",
            "How long rules take to evaluate",
            this.seconds.clone(),
        );
        registry.register(
            "sonde_rules_template_failures",
            "Templates in rules that could not be expanded",
            this.template_failures.clone(),
        );
        registry.register(
            "sonde_rules_evaluations",
            "Rules evaluated, by group",
            this.evaluations.clone(),
        );
        registry.register(
            "sonde_rules_failures",
            "Rules whose evaluation failed, by group",
            this.failures.clone(),
        );
        registry.register(
            "sonde_rules_missed_evaluations",
            "Evaluations of a group that were due and never made",
            this.missed.clone(),
        );
        registry.register(
            "sonde_rules_slow_evaluations",
            "Evaluations of a group that took longer than its interval",
            this.slow.clone(),
        );
        registry.register(
            "sonde_rules_last_evaluation_seconds",
            "How long the last evaluation of a group took",
            this.last_seconds.clone(),
        );
        this
    }

    pub(crate) fn group(&self, file: &str, group: &str) -> GroupTelemetry {
        let labels = GroupLabels {
            file: file.into(),
            group: group.into(),
        };
        GroupTelemetry {
            evaluations: self.evaluations.get_or_create(&labels).clone(),
            failures: self.failures.get_or_create(&labels).clone(),
            missed: self.missed.get_or_create(&labels).clone(),
            slow: self.slow.get_or_create(&labels).clone(),
            last_seconds: self.last_seconds.get_or_create(&labels).clone(),
        }
    }
}
