//! A rule file as it is written. What the words mean is decided in `check`; here are only
//! their names.

use schemars::JsonSchema;
use serde::Deserialize;
use std::collections::BTreeMap;

/// The whole file.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub(super) struct RawFile {
    /// The groups.
    pub(super) groups: Vec<RawGroup>,
}

/// Rules that are evaluated together.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub(super) struct RawGroup {
    /// Its name, which no other group of the file has.
    pub(super) name: String,
    /// How often it is evaluated.
    pub(super) interval: Option<String>,
    /// How far in the past it queries.
    pub(super) query_offset: Option<String>,
    /// How many series or alerts one of its rules may yield.
    pub(super) limit: Option<i64>,
    /// Labels for every rule.
    pub(super) labels: BTreeMap<String, String>,
    /// The rules, in the order in which they are evaluated.
    pub(super) rules: Vec<RawRule>,
}

/// A recording or an alerting rule.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub(super) struct RawRule {
    /// The name under which the result is recorded.
    pub(super) record: Option<String>,
    /// The name of the alerts.
    pub(super) alert: Option<String>,
    /// The expression.
    pub(super) expr: Option<String>,
    /// How long the condition must hold before an alert fires.
    #[serde(rename = "for")]
    pub(super) hold: Option<String>,
    /// How long an alert fires after its condition ceased to hold.
    pub(super) keep_firing_for: Option<String>,
    /// Labels to set; templates in alerting rules.
    pub(super) labels: BTreeMap<String, String>,
    /// What explains the alerts; templates.
    pub(super) annotations: BTreeMap<String, String>,
}
