//! What the collector counts about itself. The rooms register their own beside it.

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::registry::Registry;
use sonde_proto::Signal;

/// The collector's own counters.
#[derive(Debug, Default)]
pub(crate) struct Telemetry {
    pub(crate) received_records: Family<SignalLabel, Counter>,
    pub(crate) received_bytes: Family<SignalLabel, Counter>,
    pub(crate) refused_requests: Family<RefusedLabels, Counter>,
    pub(crate) refused_records: Family<RefusedLabels, Counter>,
    pub(crate) consumer_failures: Family<SignalLabel, Counter>,
    pub(crate) derived_failures: Counter,
}

/// The label `signal`.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(crate) struct SignalLabel {
    signal: &'static str,
}

impl From<Signal> for SignalLabel {
    fn from(signal: Signal) -> Self {
        Self {
            signal: signal.as_str(),
        }
    }
}

/// The labels of a refused request.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(crate) struct RefusedLabels {
    pub(crate) signal: &'static str,
    pub(crate) reason: &'static str,
}

impl Telemetry {
    pub(crate) fn register(registry: &mut Registry) -> Self {
        let own = Self::default();
        registry.register(
            "sonde_collector_received_records",
            "Log records, spans and data points made durable",
            own.received_records.clone(),
        );
        registry.register(
            "sonde_collector_received_bytes",
            "Bytes of OTLP requests made durable, uncompressed",
            own.received_bytes.clone(),
        );
        registry.register(
            "sonde_collector_refused_requests",
            "OTLP requests refused, by reason",
            own.refused_requests.clone(),
        );
        registry.register(
            "sonde_collector_refused_records",
            "Records whose sender was told that they are not kept, of requests whose rest is, by reason",
            own.refused_records.clone(),
        );
        registry.register(
            "sonde_collector_consumer_failures",
            "Failed attempts to seal or maintain a store; the data stays in the journal",
            own.consumer_failures.clone(),
        );
        registry.register(
            "sonde_collector_derived_failures",
            "Failed attempts to write RED, service-graph or rule results to the journal",
            own.derived_failures.clone(),
        );
        own
    }
}
