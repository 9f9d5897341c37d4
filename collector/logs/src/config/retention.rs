//! How long logs are kept where that differs between tenants or streams.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// How long, and how much of, logs is kept beyond the two keys for everything.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct RetentionConfig {
    /// How long the streams of a selector are kept instead of `retention_seconds`. Of several
    /// that fit a stream the one of the highest priority counts, and among those the shortest.
    pub streams: Vec<StreamRetention>,
    /// What is otherwise for single tenants, by their names.
    pub by_tenant: BTreeMap<String, TenantRetention>,
}

/// How long the streams of a selector are kept.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct StreamRetention {
    /// Which streams, as in `{level="debug"}`.
    pub selector: String,
    /// Which of several that fit a stream counts: the highest.
    #[serde(default)]
    pub priority: u32,
    /// How long their records are kept. 0 keeps them for ever.
    pub seconds: u64,
}

/// How long, and how much of, one tenant's logs is kept.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct TenantRetention {
    /// Instead of `retention_seconds`.
    pub seconds: Option<u64>,
    /// How many bytes of its segments are kept on disk; 0 is no limit. A tenant with a limit
    /// of its own has no part in `retention_bytes_max`.
    pub bytes: Option<u64>,
    /// Instead of `streams` for all.
    pub streams: Option<Vec<StreamRetention>>,
}
