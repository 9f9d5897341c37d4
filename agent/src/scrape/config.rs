//! What can be set about scraping, in Prometheus' words
//! (<https://prometheus.io/docs/prometheus/latest/configuration/configuration/>), so that the
//! `scrape_configs` of a Prometheus can be pasted.

use super::text::{Period, Secret, Size};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::path::PathBuf;

/// What is scraped.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct ScrapeConfig {
    /// What holds where a job says nothing else.
    pub global: GlobalConfig,
    /// The jobs.
    pub scrape_configs: Vec<JobConfig>,
}

/// What holds where a job says nothing else.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct GlobalConfig {
    /// How often a target is scraped.
    pub scrape_interval: Period,
    /// How long a scrape may take.
    pub scrape_timeout: Period,
    /// What targets are asked for, the dearest first. Where native histograms are scraped and
    /// this is not set, protobuf comes before all others.
    pub scrape_protocols: Vec<ProtocolName>,
    /// Whether native histograms are taken, instead of the classic buckets of the same
    /// histogram.
    pub scrape_native_histograms: bool,
    /// Whether the classic buckets of a native histogram are taken too.
    pub always_scrape_classic_histograms: bool,
    /// The largest body, decompressed; 0 is 64 MiB.
    pub body_size_limit: Size,
    /// The most samples of a scrape; 0 is no limit.
    pub sample_limit: u64,
    /// The most targets of a job; 0 is no limit.
    pub target_limit: u64,
    /// The most labels of a sample; 0 is no limit.
    pub label_limit: u64,
    /// The longest name of a label, in bytes; 0 is no limit.
    pub label_name_length_limit: u64,
    /// The longest value of a label, in bytes; 0 is no limit.
    pub label_value_length_limit: u64,
    /// How many dropped targets of a job are remembered for `/api/v1/targets`; 0 is 10,000.
    pub keep_dropped_targets: u64,
}

impl Default for GlobalConfig {
    fn default() -> Self {
        Self {
            scrape_interval: Period::of_seconds(60),
            scrape_timeout: Period::of_seconds(10),
            scrape_protocols: vec![
                ProtocolName::OpenMetricsText1_0_0,
                ProtocolName::OpenMetricsText0_0_1,
                ProtocolName::PrometheusText1_0_0,
                ProtocolName::PrometheusText0_0_4,
            ],
            scrape_native_histograms: false,
            always_scrape_classic_histograms: false,
            body_size_limit: Size::default(),
            sample_limit: 0,
            target_limit: 0,
            label_limit: 0,
            label_name_length_limit: 0,
            label_value_length_limit: 0,
            keep_dropped_targets: 0,
        }
    }
}

/// The name of a protocol, as Prometheus writes it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum ProtocolName {
    /// Protobuf, delimited.
    PrometheusProto,
    /// Text 0.0.4.
    #[serde(rename = "PrometheusText0.0.4")]
    PrometheusText0_0_4,
    /// Text 1.0.0.
    #[serde(rename = "PrometheusText1.0.0")]
    PrometheusText1_0_0,
    /// OpenMetrics 0.0.1.
    #[serde(rename = "OpenMetricsText0.0.1")]
    OpenMetricsText0_0_1,
    /// OpenMetrics 1.0.0.
    #[serde(rename = "OpenMetricsText1.0.0")]
    OpenMetricsText1_0_0,
}

/// One job: targets that are scraped alike.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct JobConfig {
    /// The value of `job` of its series.
    pub job_name: String,
    /// How often a target is scraped; unset, as `global` has it.
    pub scrape_interval: Option<Period>,
    /// How long a scrape may take; unset, as `global` has it, or the interval if that is less.
    pub scrape_timeout: Option<Period>,
    /// What targets are asked for, the dearest first; unset, as `global` has it.
    pub scrape_protocols: Option<Vec<ProtocolName>>,
    /// Whether native histograms are taken; unset, as `global` has it.
    pub scrape_native_histograms: Option<bool>,
    /// Whether classic buckets are taken beside them; unset, as `global` has it.
    pub always_scrape_classic_histograms: Option<bool>,
    /// How a body is read that does not say what it is; unset, its scrape fails.
    pub fallback_scrape_protocol: Option<ProtocolName>,
    /// Where a target has its metrics.
    pub metrics_path: String,
    /// Whether labels of the body win over those of the target; else they are renamed to
    /// `exported_…`.
    pub honor_labels: bool,
    /// Whether times in the body are taken.
    pub honor_timestamps: bool,
    /// Whether series with times of their own get stale markers when they vanish.
    pub track_timestamps_staleness: bool,
    /// `http` or `https`.
    pub scheme: Scheme,
    /// Parameters of the URL.
    pub params: BTreeMap<String, Vec<String>>,
    /// Whether targets may compress.
    pub enable_compression: bool,
    /// Whether redirects are followed.
    pub follow_redirects: bool,
    /// User name and password.
    pub basic_auth: Option<BasicAuth>,
    /// The `Authorization` header.
    pub authorization: Option<Authorization>,
    /// A file with the bearer token.
    pub bearer_token_file: Option<PathBuf>,
    /// TLS, for `https`.
    pub tls_config: ScrapeTlsConfig,
    /// The targets.
    pub static_configs: Vec<StaticConfig>,
    /// Rules that change the labels of targets, or drop targets.
    pub relabel_configs: Vec<RelabelConfig>,
    /// Rules that change the labels of samples, or drop samples.
    pub metric_relabel_configs: Vec<RelabelConfig>,
    /// The largest body, decompressed; unset, as `global` has it.
    pub body_size_limit: Option<Size>,
    /// The most samples of a scrape, after relabelling; beyond it the scrape fails.
    pub sample_limit: Option<u64>,
    /// The most targets, after relabelling; beyond it all scrapes of the job fail.
    pub target_limit: Option<u64>,
    /// The most labels of a sample; beyond it the scrape fails.
    pub label_limit: Option<u64>,
    /// The longest name of a label, in bytes; beyond it the scrape fails.
    pub label_name_length_limit: Option<u64>,
    /// The longest value of a label, in bytes; beyond it the scrape fails.
    pub label_value_length_limit: Option<u64>,
    /// How many dropped targets are remembered; unset, as `global` has it.
    pub keep_dropped_targets: Option<u64>,
}

impl Default for JobConfig {
    fn default() -> Self {
        Self {
            job_name: String::new(),
            scrape_interval: None,
            scrape_timeout: None,
            scrape_protocols: None,
            scrape_native_histograms: None,
            always_scrape_classic_histograms: None,
            fallback_scrape_protocol: None,
            metrics_path: "/metrics".into(),
            honor_labels: false,
            honor_timestamps: true,
            track_timestamps_staleness: false,
            scheme: Scheme::Http,
            params: BTreeMap::new(),
            enable_compression: true,
            follow_redirects: true,
            basic_auth: None,
            authorization: None,
            bearer_token_file: None,
            tls_config: ScrapeTlsConfig::default(),
            static_configs: Vec::new(),
            relabel_configs: Vec::new(),
            metric_relabel_configs: Vec::new(),
            body_size_limit: None,
            sample_limit: None,
            target_limit: None,
            label_limit: None,
            label_name_length_limit: None,
            label_value_length_limit: None,
            keep_dropped_targets: None,
        }
    }
}

/// How a target is spoken to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Scheme {
    /// Plain.
    #[default]
    Http,
    /// With TLS.
    Https,
}

impl Scheme {
    pub(crate) const fn word(self) -> &'static str {
        match self {
            Self::Http => "http",
            Self::Https => "https",
        }
    }
}

/// User name and password.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct BasicAuth {
    /// The name.
    pub username: String,
    /// A file with the name.
    pub username_file: Option<PathBuf>,
    /// The password.
    pub password: Option<Secret>,
    /// A file with the password.
    pub password_file: Option<PathBuf>,
}

/// The `Authorization` header.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Authorization {
    /// The word before the credentials.
    #[serde(rename = "type")]
    pub scheme: String,
    /// The credentials.
    pub credentials: Option<Secret>,
    /// A file with the credentials.
    pub credentials_file: Option<PathBuf>,
}

impl Default for Authorization {
    fn default() -> Self {
        Self {
            scheme: "Bearer".into(),
            credentials: None,
            credentials_file: None,
        }
    }
}

/// TLS towards targets.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct ScrapeTlsConfig {
    /// A PEM file with the authorities to trust. Unset: the public ones.
    pub ca_file: Option<PathBuf>,
    /// A PEM file with a certificate of our own.
    pub cert_file: Option<PathBuf>,
    /// A PEM file with its key.
    pub key_file: Option<PathBuf>,
    /// The name to expect in the target's certificate.
    pub server_name: String,
    /// Whether any certificate is taken.
    pub insecure_skip_verify: bool,
}

/// Targets with labels.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct StaticConfig {
    /// `host:port` of each.
    pub targets: Vec<String>,
    /// Labels of them all.
    pub labels: BTreeMap<String, String>,
}

/// One relabelling rule.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct RelabelConfig {
    /// The labels whose values are looked at, joined.
    pub source_labels: Vec<String>,
    /// What stands between the joined values.
    pub separator: String,
    /// The label that is written.
    pub target_label: String,
    /// What the joined values must match as a whole.
    pub regex: String,
    /// By what a hash is divided.
    pub modulus: u64,
    /// What is written; `$1` and `${1}` are groups of the expression.
    pub replacement: String,
    /// What is done: `replace`, `keep`, `drop`, `keepequal`, `dropequal`, `hashmod`,
    /// `labelmap`, `labeldrop`, `labelkeep`, `lowercase` or `uppercase`.
    pub action: String,
}

impl Default for RelabelConfig {
    fn default() -> Self {
        Self {
            source_labels: Vec::new(),
            separator: ";".into(),
            target_label: String::new(),
            regex: super::relabel::ANYTHING.into(),
            modulus: 0,
            replacement: super::relabel::WHOLE.into(),
            action: "replace".into(),
        }
    }
}
