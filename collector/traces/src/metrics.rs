//! What the trace store counts of itself.

use crate::raw::Refusal;
use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Reason {
    reason: &'static str,
}

/// The counters, cheap to clone.
#[derive(Clone, Debug, Default)]
pub(crate) struct Metrics {
    pub(crate) spans: Counter,
    dropped: Family<Reason, Counter>,
    pub(crate) bad_payloads: Counter,
    pub(crate) tail_bytes: Gauge,
    pub(crate) segments: Gauge,
    pub(crate) segment_bytes: Gauge,
    pub(crate) damaged: Counter,
    pub(crate) merges: Counter,
    pub(crate) merge_failures: Counter,
    pub(crate) held_back: Counter,
}

impl Metrics {
    pub(crate) fn register(registry: &mut Registry) -> Self {
        let this = Self::default();
        registry.register(
            "sonde_traces_spans",
            "Spans taken into the trace store.",
            this.spans.clone(),
        );
        registry.register(
            "sonde_traces_spans_dropped",
            "Spans left out, by reason.",
            this.dropped.clone(),
        );
        registry.register(
            "sonde_traces_bad_payloads",
            "Entries that are no OTLP spans.",
            this.bad_payloads.clone(),
        );
        registry.register(
            "sonde_traces_tail_bytes",
            "Memory of spans that no segment holds yet.",
            this.tail_bytes.clone(),
        );
        registry.register(
            "sonde_traces_segments",
            "Segments on disk.",
            this.segments.clone(),
        );
        registry.register(
            "sonde_traces_segment_bytes",
            "Bytes of segments on disk.",
            this.segment_bytes.clone(),
        );
        registry.register(
            "sonde_traces_damaged_segments",
            "Segments found damaged.",
            this.damaged.clone(),
        );
        registry.register(
            "sonde_traces_merges",
            "Merges of segments.",
            this.merges.clone(),
        );
        registry.register(
            "sonde_traces_merge_failures",
            "Merges of segments that failed; the segments stay as they are.",
            this.merge_failures.clone(),
        );
        registry.register(
            "sonde_traces_held_back",
            "Batches not taken because the tail is full and cannot be written.",
            this.held_back.clone(),
        );
        this
    }

    /// Counts spans that could not become a segment.
    pub(crate) fn drop_unsealed(&self, spans: u64) {
        let reason = "unsealed";
        self.dropped.get_or_create(&Reason { reason }).inc_by(spans);
    }

    pub(crate) fn drop_span(&self, refusal: Refusal) {
        let reason = match refusal {
            Refusal::TraceId => "bad_trace_id",
            Refusal::SpanId => "bad_span_id",
            Refusal::TooLarge => "too_large",
        };
        self.dropped.get_or_create(&Reason { reason }).inc();
    }
}
