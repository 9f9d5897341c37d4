//! What the signals count of themselves.

use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;

/// The counters, cheap to clone.
#[derive(Clone, Debug, Default)]
pub(crate) struct Metrics {
    pub(crate) spans: Counter,
    pub(crate) bad_payloads: Counter,
    pub(crate) repeated: Counter,
    pub(crate) overflowed: Counter,
    pub(crate) edges_expired: Counter,
    pub(crate) edges_dropped: Counter,
    pub(crate) edges_waiting: Gauge,
    pub(crate) unwatched: Counter,
    pub(crate) series: Gauge,
}

impl Metrics {
    pub(crate) fn register(registry: &mut Registry) -> Self {
        let this = Self::default();
        registry.register(
            "sonde_signals_spans",
            "Spans that signals were computed from.",
            this.spans.clone(),
        );
        registry.register(
            "sonde_signals_bad_payloads",
            "Entries that are no OTLP spans.",
            this.bad_payloads.clone(),
        );
        registry.register(
            "sonde_signals_repeated_batches",
            "Batches of spans that came again, byte for byte, and were not counted again.",
            this.repeated.clone(),
        );
        registry.register(
            "sonde_signals_overflowed",
            "Spans and requests counted under __overflow__.",
            this.overflowed.clone(),
        );
        registry.register(
            "sonde_signals_edges_expired",
            "Sides of requests whose other side never came.",
            this.edges_expired.clone(),
        );
        registry.register(
            "sonde_signals_edges_dropped",
            "Sides of requests that found no room to wait.",
            this.edges_dropped.clone(),
        );
        registry.register(
            "sonde_signals_edges_waiting",
            "Sides of requests whose other side has not come yet.",
            this.edges_waiting.clone(),
        );
        registry.register(
            "sonde_signals_unwatched",
            "Values of resources that had no room to be watched for changes.",
            this.unwatched.clone(),
        );
        registry.register(
            "sonde_signals_series",
            "RED series and edges kept.",
            this.series.clone(),
        );
        this
    }
}
