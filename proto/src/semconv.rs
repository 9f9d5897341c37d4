//! Names of OpenTelemetry's semantic conventions (v1.44.0) that Sonde reads or writes.

/// The logical name of a service.
pub const SERVICE_NAME: &str = "service.name";
/// A namespace for [`SERVICE_NAME`].
pub const SERVICE_NAMESPACE: &str = "service.namespace";
/// The instance of a service.
pub const SERVICE_INSTANCE_ID: &str = "service.instance.id";
/// The version of a service.
pub const SERVICE_VERSION: &str = "service.version";
/// In a metric's metadata: its kind in Prometheus' words, where it was scraped. Its names are
/// kept as they are.
pub const PROMETHEUS_TYPE: &str = "prometheus.type";
/// The name of a host.
pub const HOST_NAME: &str = "host.name";
/// The path of a log file.
pub const LOG_FILE_PATH: &str = "log.file.path";
/// The name of a log file.
pub const LOG_FILE_NAME: &str = "log.file.name";
/// `stdout` or `stderr`.
pub const LOG_IOSTREAM: &str = "log.iostream";
/// What identifies a log record over all retries: see the agent's `tail`.
pub const LOG_RECORD_UID: &str = "log.record.uid";
/// The pod's name.
pub const K8S_POD_NAME: &str = "k8s.pod.name";
/// The pod's unique identifier.
pub const K8S_POD_UID: &str = "k8s.pod.uid";
/// The namespace's name.
pub const K8S_NAMESPACE_NAME: &str = "k8s.namespace.name";
/// The container's name in its pod.
pub const K8S_CONTAINER_NAME: &str = "k8s.container.name";
/// How often the container was restarted.
pub const K8S_CONTAINER_RESTART_COUNT: &str = "k8s.container.restart_count";

/// Attributes that carry a request's own identifier, unless configured otherwise.
/// Instrumentation of Python writes the names of headers with underscores.
pub const REQUEST_ID_KEYS: [&str; 7] = [
    "http.request.header.x-request-id",
    "http.request.header.x_request_id",
    "request.id",
    "request_id",
    "x-request-id",
    "correlation_id",
    "correlation.id",
];
