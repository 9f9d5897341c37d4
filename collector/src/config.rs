//! What can be set, each room's keys under its own name.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use sonde_proto::Tenant;
use sonde_yaml::{Problem, Problems};
use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::PathBuf;

pub use sonde_logs::Config as LogsConfig;
pub use sonde_metrics::Config as MetricsConfig;
pub use sonde_signals::Config as SignalsConfig;
pub use sonde_traces::Config as TracesConfig;

/// The collector's configuration.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    /// The directory that holds everything kept: journal, stores, alert state.
    pub data_dir: PathBuf,
    /// The port for pages and query APIs.
    pub http: HttpConfig,
    /// The ports that applications and agents send OTLP to.
    pub otlp: OtlpConfig,
    /// The durable log of everything that arrives.
    pub journal: sonde_journal::FileConfig,
    /// The log store.
    pub logs: sonde_logs::Config,
    /// The trace store.
    pub traces: sonde_traces::Config,
    /// The time-series database.
    pub metrics: sonde_metrics::Config,
    /// What short jobs push.
    pub push: PushConfig,
    /// What is computed from spans.
    pub signals: sonde_signals::Config,
    /// Recording and alerting rules.
    pub rules: RulesConfig,
    /// Where alerts go.
    pub alerts: AlertsConfig,
}

impl Config {
    /// Everything that is wrong in the retention of logs, and in the rule files and the routing
    /// file it names.
    #[must_use]
    pub fn check_files(&self) -> Problems {
        let rules = crate::load::rules(&self.rules).err();
        let routing = crate::load::alerts(self).err();
        let logs = self.logs.check().err().map(|message| {
            Problems::from(Problem {
                file: "logs".into(),
                line: 0,
                column: 0,
                message,
                hint: None,
            })
        });
        Problems(
            logs.into_iter()
                .chain(rules)
                .chain(routing)
                .flat_map(|problems| problems.0)
                .collect(),
        )
    }
}

impl Default for Config {
    fn default() -> Self {
        Self {
            data_dir: "sonde-data".into(),
            http: HttpConfig::default(),
            otlp: OtlpConfig::default(),
            journal: sonde_journal::FileConfig::default(),
            logs: sonde_logs::Config::default(),
            traces: sonde_traces::Config::default(),
            metrics: sonde_metrics::Config::default(),
            push: PushConfig::default(),
            signals: sonde_signals::Config::default(),
            rules: RulesConfig::default(),
            alerts: AlertsConfig::default(),
        }
    }
}

/// What short jobs push.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct PushConfig {
    /// How many groups are kept; further ones are refused.
    pub groups_max: usize,
    /// How many bytes the groups may take together.
    pub bytes_max: usize,
    /// How often what was pushed is written again, in seconds, so that it does not go stale.
    #[schemars(range(min = 1, max = 240))]
    pub repeat_seconds: u64,
}

impl Default for PushConfig {
    fn default() -> Self {
        Self {
            groups_max: 10_000,
            bytes_max: 64 << 20,
            repeat_seconds: 60,
        }
    }
}

/// The port for pages and query APIs.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct HttpConfig {
    /// The address to listen on; port 0 picks a free one.
    #[schemars(with = "String")]
    pub listen: SocketAddr,
    /// The URL under which people reach this port, for links in notifications.
    /// Empty: `http://` and the address listened on. Where `listen` is an address of this
    /// machine alone, requests must name this URL's host, or this machine.
    pub external_url: String,
    /// The longest a query may run, in seconds.
    #[schemars(range(min = 1))]
    pub query_seconds_max: u64,
    /// How many queries may run at once; further ones wait.
    #[schemars(range(min = 1, max = 10_000))]
    pub queries_max: usize,
    /// Whether whoever asks is shown figures of all tenants: what each has stored, and what was
    /// left out. Where it is not set, only who asks from this machine is, where `listen` is
    /// such an address.
    pub operator: Option<bool>,
    /// How many bytes of answers may wait for their clients to read them; further answers wait.
    #[schemars(range(min = 1))]
    pub unread_bytes_max: u64,
}

impl HttpConfig {
    pub(crate) fn shows_all_tenants(&self) -> bool {
        self.operator.unwrap_or(self.listen.ip().is_loopback())
    }
}

impl Default for HttpConfig {
    fn default() -> Self {
        Self {
            listen: loopback(7070),
            external_url: String::new(),
            query_seconds_max: 30,
            queries_max: 16,
            operator: None,
            unread_bytes_max: 256 << 20,
        }
    }
}

/// The ports that applications and agents send OTLP to.
#[derive(Clone, Debug, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct OtlpConfig {
    /// OTLP over gRPC.
    pub grpc: GrpcConfig,
    /// OTLP over HTTP, protobuf and JSON.
    pub http: OtlpHttpConfig,
    /// What both doors bound.
    pub limits: OtlpLimits,
}

/// OTLP over gRPC.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct GrpcConfig {
    /// The address to listen on; port 0 picks a free one.
    #[schemars(with = "String")]
    pub listen: SocketAddr,
    /// A PEM certificate chain; with `tls_key_file` the door speaks TLS.
    pub tls_cert_file: Option<PathBuf>,
    /// The PEM private key of `tls_cert_file`.
    pub tls_key_file: Option<PathBuf>,
}

impl Default for GrpcConfig {
    fn default() -> Self {
        Self {
            listen: loopback(4317),
            tls_cert_file: None,
            tls_key_file: None,
        }
    }
}

/// OTLP over HTTP.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct OtlpHttpConfig {
    /// The address to listen on; port 0 picks a free one.
    #[schemars(with = "String")]
    pub listen: SocketAddr,
}

impl Default for OtlpHttpConfig {
    fn default() -> Self {
        Self {
            listen: loopback(4318),
        }
    }
}

/// What the OTLP doors bound.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct OtlpLimits {
    /// The largest request, in bytes after decompression.
    #[schemars(range(min = 1024, max = 1_073_741_824))]
    pub request_bytes_max: usize,
    /// How many requests may be read and in flight at once over all connections; further
    /// ones wait.
    #[schemars(range(min = 1, max = 100_000))]
    pub requests_max: usize,
    /// How many streams one gRPC connection may have open.
    #[schemars(range(min = 1))]
    pub streams_max: u32,
    /// How many tenants there may be; the requests of further ones are refused.
    #[schemars(range(min = 1))]
    pub tenants_max: usize,
    /// What one tenant may send.
    pub tenant: TenantLimits,
    /// What single tenants may send, by their names; keys that are not set are as in `tenant`.
    pub by_tenant: BTreeMap<String, TenantOverrides>,
}

/// What one tenant may send. Who has to wait is told for how long.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct TenantLimits {
    /// How many bytes of logs per second, uncompressed, as OTLP writes them.
    #[schemars(range(min = 1))]
    pub logs_bytes_per_second: u64,
    /// How many bytes of logs at once, before the rate counts.
    #[schemars(range(min = 1))]
    pub logs_burst_bytes: u64,
    /// How many streams of logs (a resource and a scope, with all their attributes) may be in
    /// use; one is for up to an hour after something was sent to it.
    #[schemars(range(min = 1))]
    pub log_streams_max: u64,
}

impl Default for TenantLimits {
    fn default() -> Self {
        Self {
            logs_bytes_per_second: 256 << 20,
            logs_burst_bytes: 1 << 30,
            log_streams_max: 1_000_000,
        }
    }
}

/// What is otherwise for a single tenant.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct TenantOverrides {
    /// As `logs_bytes_per_second` of `tenant`.
    #[schemars(range(min = 1))]
    pub logs_bytes_per_second: Option<u64>,
    /// As `logs_burst_bytes` of `tenant`.
    #[schemars(range(min = 1))]
    pub logs_burst_bytes: Option<u64>,
    /// As `log_streams_max` of `tenant`.
    #[schemars(range(min = 1))]
    pub log_streams_max: Option<u64>,
}

impl OtlpLimits {
    /// What this tenant may send.
    pub(crate) fn of(&self, tenant: &Tenant) -> TenantLimits {
        let common = &self.tenant;
        let own = self.by_tenant.get(tenant.as_str()).cloned();
        let own = own.unwrap_or_default();
        TenantLimits {
            logs_bytes_per_second: own
                .logs_bytes_per_second
                .unwrap_or(common.logs_bytes_per_second),
            logs_burst_bytes: own.logs_burst_bytes.unwrap_or(common.logs_burst_bytes),
            log_streams_max: own.log_streams_max.unwrap_or(common.log_streams_max),
        }
    }
}

impl Default for OtlpLimits {
    fn default() -> Self {
        Self {
            request_bytes_max: 16 << 20,
            requests_max: 64,
            streams_max: 128,
            tenants_max: 1000,
            tenant: TenantLimits::default(),
            by_tenant: BTreeMap::new(),
        }
    }
}

/// Recording and alerting rules.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct RulesConfig {
    /// Prometheus rule files, as globs.
    pub files: Vec<String>,
    /// Whether the shipped USE recording rules are evaluated.
    pub use_rules: bool,
    /// Whether the shipped alerts (error ratio, latency, saturation) are evaluated.
    pub default_alerts: bool,
    /// How often a group without an interval of its own is evaluated, in milliseconds.
    pub interval_ms: u64,
}

impl Default for RulesConfig {
    fn default() -> Self {
        Self {
            files: Vec::new(),
            use_rules: true,
            default_alerts: true,
            interval_ms: 15_000,
        }
    }
}

/// Where alerts go.
#[derive(Clone, Debug, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct AlertsConfig {
    /// An Alertmanager configuration file. Without one, alerts are kept and shown but
    /// nobody is notified.
    pub config_file: Option<PathBuf>,
}

fn loopback(port: u16) -> SocketAddr {
    SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), port)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What is said of a configuration, with its place.
    fn told(text: &str) -> String {
        let options = sonde_yaml::Options::default();
        let read = sonde_yaml::read::<Config>("sonde.yaml", text, &options);
        read.err()
            .map(|problems| problems.to_string())
            .unwrap_or_default()
    }

    #[test]
    fn what_is_wrong_with_downsampling_is_told_with_its_place() {
        let steps = "metrics:\n  downsampling:\n    - {after: 30d, resolution: 5m}\n";
        assert_eq!(told(steps), "");
        let more = format!("{steps}    - {{after: 60d, resolution: 7m}}\n");
        let text = told(&more);
        assert!(text.starts_with("sonde.yaml:3:5: "), "{text}");
        assert!(text.contains("7m is no multiple of 5m"), "{text}");
        let text = told(&steps.replace("30d", "30 days"));
        assert!(text.contains("sonde.yaml:3:"), "{text}");
        assert!(text.contains("no duration"), "{text}");
        let text = told(&steps.replace("after", "older"));
        assert!(text.contains("sonde.yaml:3:"), "{text}");
    }

    /// Or the golden signals of all services are refused where there are many operations.
    #[test]
    fn a_query_may_match_all_series_of_durations_that_a_tenant_may_have() {
        let config = Config::default();
        let buckets = config.signals.latency_buckets_seconds.len() + 1;
        let series = config.signals.series_max * buckets;
        let overflow = config.signals.series_max;
        assert!(series + overflow <= config.metrics.query_series_max);
    }
}
