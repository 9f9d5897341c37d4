//! Requests as a node's exporter sends them.

use bytes::Bytes;
use prost::Message as _;
use sonde_proto::otlp::common::KeyValue;
use sonde_proto::otlp::metrics::{Metric, ResourceMetrics, ScopeMetrics};
use sonde_proto::otlp::metrics_service::ExportMetricsServiceRequest;
use sonde_proto::otlp::resource::Resource;

/// One resource's metrics, encoded.
pub(crate) fn request(attributes: Vec<KeyValue>, metrics: Vec<Metric>) -> Bytes {
    let resource = ResourceMetrics {
        resource: Some(Resource {
            attributes,
            ..Default::default()
        }),
        scope_metrics: vec![ScopeMetrics {
            metrics,
            ..Default::default()
        }],
        ..Default::default()
    };
    let request = ExportMetricsServiceRequest {
        resource_metrics: vec![resource],
    };
    request.encode_to_vec().into()
}
