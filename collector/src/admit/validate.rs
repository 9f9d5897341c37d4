//! Whether a payload is the OTLP request that it claims to be, and how many records it has.

use prost::Message as _;
use sonde_proto::Signal;
use sonde_proto::otlp::metrics::metric::Data;
use sonde_proto::otlp::metrics_service::ExportMetricsServiceRequest;
use sonde_proto::otlp::trace_service::ExportTraceServiceRequest;

/// The number of log records, spans or data points in a request.
///
/// # Errors
/// What is wrong with the bytes, where they are no valid request.
pub(super) fn records(signal: Signal, payload: &[u8]) -> Result<u64, String> {
    match signal {
        Signal::Logs => sonde_proto::walk::validate_logs(payload)
            .map(|counts| counts.records as u64)
            .map_err(|error| error.to_string()),
        Signal::Spans => ExportTraceServiceRequest::decode(payload)
            .map(|request| spans(&request))
            .map_err(|error| error.to_string()),
        Signal::Metrics => ExportMetricsServiceRequest::decode(payload)
            .map(|request| points(&request))
            .map_err(|error| error.to_string()),
    }
}

fn spans(request: &ExportTraceServiceRequest) -> u64 {
    let scopes = request.resource_spans.iter().flat_map(|r| &r.scope_spans);
    scopes.map(|s| s.spans.len() as u64).sum()
}

fn points(request: &ExportMetricsServiceRequest) -> u64 {
    let scopes = request
        .resource_metrics
        .iter()
        .flat_map(|r| &r.scope_metrics);
    let points = |data: &Data| match data {
        Data::Gauge(d) => d.data_points.len(),
        Data::Sum(d) => d.data_points.len(),
        Data::Histogram(d) => d.data_points.len(),
        Data::ExponentialHistogram(d) => d.data_points.len(),
        Data::Summary(d) => d.data_points.len(),
    };
    scopes
        .flat_map(|s| &s.metrics)
        .filter_map(|m| m.data.as_ref())
        .map(|d| points(d) as u64)
        .sum()
}
