//! What the log store counts about itself.

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;

/// The log store's metrics.
#[derive(Clone, Debug, Default)]
pub(crate) struct Telemetry {
    pub(crate) records: Counter,
    pub(crate) body_bytes: Counter,
    pub(crate) dropped: Family<ReasonLabel, Counter>,
    pub(crate) failures: Family<ReasonLabel, Counter>,
    pub(crate) segments: Gauge,
    pub(crate) segment_bytes: Gauge,
    pub(crate) tail_bytes: Gauge,
    pub(crate) mapped_bytes: Gauge,
    pub(crate) segment_opens: Counter,
}

/// The label `reason`.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(crate) struct ReasonLabel {
    reason: &'static str,
}

impl Telemetry {
    pub(crate) fn register(registry: &mut Registry) -> Self {
        let own = Self::default();
        registry.register(
            "sonde_logs_records",
            "Log records taken into the store",
            own.records.clone(),
        );
        registry.register(
            "sonde_logs_body_bytes",
            "Bytes of log bodies taken into the store",
            own.body_bytes.clone(),
        );
        registry.register(
            "sonde_logs_dropped",
            "Entries, records, attributes and segments not kept, by reason",
            own.dropped.clone(),
        );
        registry.register(
            "sonde_logs_failures",
            "Failed attempts at work that is tried again, by what failed",
            own.failures.clone(),
        );
        registry.register(
            "sonde_logs_segments",
            "Segments in the store",
            own.segments.clone(),
        );
        registry.register(
            "sonde_logs_segment_bytes",
            "Bytes of segments on disk",
            own.segment_bytes.clone(),
        );
        registry.register(
            "sonde_logs_tail_bytes",
            "Bytes of records in memory that are not sealed yet",
            own.tail_bytes.clone(),
        );
        registry.register(
            "sonde_logs_mapped_bytes",
            "Bytes of segments that are open, mapped into memory",
            own.mapped_bytes.clone(),
        );
        registry.register(
            "sonde_logs_segment_opens",
            "How often segments were opened to read of them",
            own.segment_opens.clone(),
        );
        own
    }

    /// Counts `n` things that are not kept.
    pub(crate) fn drop(&self, reason: &'static str, n: u64) {
        if n > 0 {
            self.dropped
                .get_or_create(&ReasonLabel { reason })
                .inc_by(n);
        }
    }

    /// Counts a failed attempt.
    pub(crate) fn fail(&self, reason: &'static str) {
        self.failures.get_or_create(&ReasonLabel { reason }).inc();
    }
}
