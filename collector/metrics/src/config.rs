//! What can be configured of the metric store.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use sonde_promql::{Features, QueryLimits};
use sonde_proto::Tenant;
use std::collections::BTreeMap;

/// How much the metric store holds, for how long, and what it accepts.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    /// How long samples are kept, in seconds.
    pub retention_seconds: u64,
    /// How many bytes of sealed segments are kept; the oldest go first.
    pub bytes_max: u64,
    /// Seal when the oldest unsealed sample was received this long ago.
    pub seal_interval_seconds: u64,
    /// How many bytes of memory the unsealed samples of all tenants may take. At half of it a
    /// seal begins; at all of it nothing more is taken until a seal is done.
    pub head_bytes_max: u64,
    /// Seal when this many samples are not sealed yet: after a crash they are read again from
    /// the journal, and nothing newer is found before that is done.
    pub unsealed_samples_max: u64,
    /// How many series a tenant may have in memory. Existing series go on; new ones are
    /// refused, which their sender is told, and counted.
    pub series_max: usize,
    /// How many series single tenants may have, by their names, instead of `series_max`.
    pub series_max_by_tenant: BTreeMap<String, usize>,
    /// How many series all tenants may have in memory together.
    pub series_total_max: usize,
    /// How many series of one metric name a tenant may have; 0 is no limit of its own.
    pub series_of_metric_max: usize,
    /// How many bytes of memory the names and values of the labels of all tenants' series may
    /// take, each counted once a tenant. Series whose
    /// texts have no room are refused, which their sender is told, and counted.
    pub symbol_bytes_max: u64,
    /// How long a series without samples is remembered in memory, in seconds.
    pub series_idle_seconds: u64,
    /// How many tenants are accepted.
    pub tenants_max: usize,
    /// How many labels a series may have, its name included.
    pub labels_max: usize,
    /// The longest label name, in bytes.
    pub label_name_bytes_max: usize,
    /// The longest label value, in bytes.
    pub label_value_bytes_max: usize,
    /// How much older than its arrival a sample may be, in seconds.
    pub late_max_seconds: u64,
    /// How much newer than its arrival a sample may be, in seconds.
    pub future_max_seconds: u64,
    /// Resource attributes that every series of the resource carries as labels. The others
    /// are on `target_info`.
    pub promote_resource_attributes: Vec<String>,
    /// Whether series from OTLP carry name, version, schema URL and attributes of their
    /// instrumentation scope as `otel_scope_…`. Without, two scopes with a metric of one name
    /// and the same attributes share its series.
    pub scope_labels: bool,
    /// How many exemplars a tenant keeps; the oldest go first.
    pub exemplars_max: usize,
    /// How many metric names a tenant keeps type, help and unit of.
    pub metadata_max: usize,
    /// Merge when this many segments of similar size stand beside one another.
    pub merge_fan_in: usize,
    /// The largest segment that merging makes, in bytes.
    pub segment_bytes_max: u64,
    /// How many bytes a second merging writes at most; 0 is no limit.
    pub merge_bytes_per_second_max: u64,
    /// How many bytes of segment indexes are kept in memory between queries.
    pub index_cache_bytes_max: u64,
    /// How many series one selector of a query may match.
    pub query_series_max: usize,
    /// How many samples a query may read and compute.
    pub query_samples_max: u64,
    /// How many bytes of labels may be kept while a query is computed.
    pub query_label_bytes_max: u64,
    /// How many bytes of values, series by steps, may be kept while a query is computed.
    pub query_value_bytes_max: u64,
    /// Whether series may be deleted and snapshots taken over HTTP, by whoever may ask.
    pub admin_api: bool,
    /// Which experimental parts of PromQL may be used.
    pub features: Features,
}

impl Default for Config {
    fn default() -> Self {
        let promoted = [
            "service.name",
            "service.namespace",
            "host.name",
            "k8s.namespace.name",
            "k8s.pod.name",
            "k8s.container.name",
            "k8s.node.name",
        ];
        let query = QueryLimits::default();
        Self {
            retention_seconds: 15 * 24 * 3600,
            bytes_max: 50 << 30,
            seal_interval_seconds: 2 * 3600,
            head_bytes_max: 512 << 20,
            unsealed_samples_max: 10_000_000,
            series_max: 1_000_000,
            series_max_by_tenant: BTreeMap::new(),
            series_total_max: 4_000_000,
            symbol_bytes_max: 512 << 20,
            series_of_metric_max: 0,
            series_idle_seconds: 3600,
            tenants_max: 1_000,
            labels_max: 64,
            label_name_bytes_max: 512,
            label_value_bytes_max: 4096,
            late_max_seconds: 15 * 24 * 3600,
            future_max_seconds: 600,
            promote_resource_attributes: promoted.map(String::from).to_vec(),
            scope_labels: true,
            exemplars_max: 20_000,
            metadata_max: 10_000,
            merge_fan_in: 4,
            segment_bytes_max: 512 << 20,
            merge_bytes_per_second_max: 16 << 20,
            index_cache_bytes_max: 256 << 20,
            query_series_max: query.series_max,
            query_samples_max: query.samples_max,
            query_label_bytes_max: query.label_bytes_max,
            query_value_bytes_max: query.value_bytes_max,
            admin_api: false,
            features: Features::default(),
        }
    }
}

impl Config {
    /// The bytes of label texts that there may be: no more than fit into a segment.
    #[must_use]
    pub fn symbol_bytes(&self) -> u64 {
        const FIT: u64 = 896 << 20;
        self.symbol_bytes_max.min(FIT)
    }

    /// What a query may take, without an end to its time.
    #[must_use]
    pub fn query_limits(&self) -> QueryLimits {
        QueryLimits {
            samples_max: self.query_samples_max,
            series_max: self.query_series_max,
            label_bytes_max: self.query_label_bytes_max,
            value_bytes_max: self.query_value_bytes_max,
            ..QueryLimits::default()
        }
    }

    /// How many series that tenant may have in memory.
    pub fn series_max_of(&self, tenant: &Tenant) -> usize {
        let own = self.series_max_by_tenant.get(tenant.as_str());
        own.copied().unwrap_or(self.series_max)
    }
}
