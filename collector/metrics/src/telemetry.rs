//! What the store counts of itself.

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Why {
    reason: &'static str,
}

/// The store's own metrics.
#[derive(Clone, Debug, Default)]
pub(crate) struct Telemetry {
    pub(crate) samples: Counter,
    pub(crate) late: Counter,
    refused: Family<Why, Counter>,
    pub(crate) conflicts: Counter,
    pub(crate) quarantined: Counter,
    pub(crate) merge_failures: Counter,
    pub(crate) series: Gauge,
    pub(crate) segments: Gauge,
}

/// Why something was not kept. The words are the `reason` labels.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Reason {
    Malformed,
    Duplicate,
    TooLate,
    Future,
    SeriesMax,
    SeriesTotalMax,
    SeriesOfMetricMax,
    SymbolsMax,
    Labels,
    LabelBytes,
    DeltaOutOfOrder,
    TenantsMax,
    NoValue,
    NoName,
    PartsMax,
    BadLabels,
    BadHistogram,
    Scale,
}

impl Reason {
    fn as_str(self) -> &'static str {
        match self {
            Self::Malformed => "malformed",
            Self::Duplicate => "duplicate",
            Self::TooLate => "too_late",
            Self::Future => "in_the_future",
            Self::SeriesMax => "series_max",
            Self::SeriesTotalMax => "series_total_max",
            Self::SeriesOfMetricMax => "series_of_metric_max",
            Self::SymbolsMax => "symbol_bytes_max",
            Self::Labels => "labels_max",
            Self::LabelBytes => "label_bytes_max",
            Self::DeltaOutOfOrder => "delta_out_of_order",
            Self::TenantsMax => "tenants_max",
            Self::NoValue => "no_value",
            Self::NoName => "no_name",
            Self::PartsMax => "buckets_max",
            Self::BadLabels => "bad_labels",
            Self::BadHistogram => "bad_histogram",
            Self::Scale => "scale_below_minus_4",
        }
    }
}

impl Telemetry {
    pub(crate) fn register(registry: &mut Registry) -> Self {
        let this = Self::default();
        registry.register(
            "sonde_metrics_samples",
            "Samples taken into the metric store",
            this.samples.clone(),
        );
        registry.register(
            "sonde_metrics_late_samples",
            "Samples older than their series' newest, taken all the same",
            this.late.clone(),
        );
        registry.register(
            "sonde_metrics_refused_samples",
            "Samples, points or requests not kept, by reason",
            this.refused.clone(),
        );
        registry.register(
            "sonde_metrics_conflicting_types",
            "Metrics that came with another type or unit than one of the same name before",
            this.conflicts.clone(),
        );
        registry.register(
            "sonde_metrics_quarantined_segments",
            "Damaged metric segments that were moved aside",
            this.quarantined.clone(),
        );
        registry.register(
            "sonde_metrics_merge_failures",
            "Merges of metric segments that failed; the segments stay as they are",
            this.merge_failures.clone(),
        );
        registry.register(
            "sonde_metrics_series",
            "Series in memory, over all tenants",
            this.series.clone(),
        );
        registry.register(
            "sonde_metrics_segments",
            "Sealed metric segments, over all tenants",
            this.segments.clone(),
        );
        this
    }

    pub(crate) fn refuse(&self, reason: Reason, count: u64) {
        self.refused
            .get_or_create(&Why {
                reason: reason.as_str(),
            })
            .inc_by(count);
    }

    /// How often something was refused for that reason.
    #[cfg(test)]
    pub(crate) fn refused(&self, reason: Reason) -> u64 {
        self.refused
            .get_or_create(&Why {
                reason: reason.as_str(),
            })
            .get()
    }
}
