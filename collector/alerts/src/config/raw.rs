//! Alertmanager's configuration file as it is written. What the words mean is decided in the
//! parent module; here are only their names.

use super::raw_receivers::{RawHttp, RawReceiver};
use crate::secret::Secret;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// The whole file.
#[derive(Clone, Debug, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub(super) struct RawConfig {
    /// What holds for every receiver that does not say otherwise.
    pub global: RawGlobal,
    /// The root of the routing tree.
    pub route: Option<RawRoute>,
    /// Who can be told.
    pub receivers: Vec<RawReceiver>,
    /// Which alerts make which others superfluous.
    pub inhibit_rules: Vec<RawInhibitRule>,
    /// Files with templates: paths with `*`, relative to this file.
    pub templates: Vec<String>,
    /// Named times.
    pub time_intervals: Vec<RawNamedIntervals>,
    /// Named times, under their older name.
    pub mute_time_intervals: Vec<RawNamedIntervals>,
    /// Not supported.
    pub tracing: Option<serde_json::Value>,
}

/// Defaults for all receivers.
#[derive(Clone, Debug, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub(super) struct RawGlobal {
    /// When an alert without an end counts as ended (5m).
    pub resolve_timeout: Option<String>,
    /// How HTTP requests are made.
    pub http_config: Option<RawHttp>,
    /// The sender of mail.
    pub smtp_from: Option<String>,
    /// The name by which we greet the mail server (localhost).
    pub smtp_hello: Option<String>,
    /// The mail server, `host:port`.
    pub smtp_smarthost: Option<String>,
    /// The user name for PLAIN and LOGIN.
    pub smtp_auth_username: Option<String>,
    /// The password for PLAIN and LOGIN.
    pub smtp_auth_password: Option<Secret>,
    /// A file with the password.
    pub smtp_auth_password_file: Option<String>,
    /// The secret for CRAM-MD5, which is not supported.
    pub smtp_auth_secret: Option<Secret>,
    /// A file with the secret for CRAM-MD5, which is not supported.
    pub smtp_auth_secret_file: Option<String>,
    /// The identity for PLAIN.
    pub smtp_auth_identity: Option<String>,
    /// Whether mail is only sent over an encrypted connection (true).
    pub smtp_require_tls: Option<bool>,
    /// How the mail server's certificate is checked.
    pub smtp_tls_config: Option<super::raw_receivers::RawTls>,
    /// Slack's incoming webhook.
    pub slack_api_url: Option<Secret>,
    /// A file with the URL of Slack's incoming webhook.
    pub slack_api_url_file: Option<String>,
    /// `PagerDuty`'s Events API.
    pub pagerduty_url: Option<String>,
    /// Of a receiver that is not supported yet.
    pub opsgenie_api_url: Option<serde_json::Value>,
    /// Of a receiver that is not supported yet.
    pub opsgenie_api_key: Option<Secret>,
    /// Of a receiver that is not supported yet.
    pub opsgenie_api_key_file: Option<String>,
    /// Of a receiver that is not supported yet.
    pub victorops_api_url: Option<serde_json::Value>,
    /// Of a receiver that is not supported yet.
    pub victorops_api_key: Option<Secret>,
    /// Of a receiver that is not supported yet.
    pub victorops_api_key_file: Option<String>,
    /// Of a receiver that is not supported yet.
    pub telegram_api_url: Option<serde_json::Value>,
    /// Of a receiver that is not supported yet.
    pub webex_api_url: Option<serde_json::Value>,
    /// Of a receiver that is not supported yet.
    pub wechat_api_url: Option<serde_json::Value>,
    /// Of a receiver that is not supported yet.
    pub wechat_api_secret: Option<Secret>,
    /// Of a receiver that is not supported yet.
    pub wechat_api_corp_id: Option<String>,
}

/// One route.
#[derive(Clone, Debug, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub(super) struct RawRoute {
    /// Who is told; inherited.
    pub receiver: Option<String>,
    /// The labels by which alerts are grouped, or `...` for all; inherited.
    pub group_by: Option<Vec<String>>,
    /// Whether later siblings are tried too.
    #[serde(rename = "continue")]
    pub continues: bool,
    /// What an alert must satisfy.
    pub matchers: Vec<String>,
    /// Labels that an alert must have, in the older form.
    #[serde(rename = "match")]
    pub equals: BTreeMap<String, String>,
    /// Patterns that an alert's labels must match, in the older form.
    pub match_re: BTreeMap<String, String>,
    /// How long a new group waits (30s); inherited.
    pub group_wait: Option<String>,
    /// How long until a group's changes are told (5m); inherited.
    pub group_interval: Option<String>,
    /// How long until an unchanged group is told again (4h); inherited.
    pub repeat_interval: Option<String>,
    /// Times in which nobody is told.
    pub mute_time_intervals: Vec<String>,
    /// Times outside which nobody is told.
    pub active_time_intervals: Vec<String>,
    /// The routes below.
    pub routes: Vec<RawRoute>,
}

/// One inhibition.
#[derive(Clone, Debug, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub(super) struct RawInhibitRule {
    /// A name, for people.
    pub name: Option<String>,
    /// Which alerts mute.
    pub source_matchers: Vec<String>,
    /// Labels of alerts that mute, in the older form.
    pub source_match: BTreeMap<String, String>,
    /// Patterns for labels of alerts that mute, in the older form.
    pub source_match_re: BTreeMap<String, String>,
    /// Which alerts are muted.
    pub target_matchers: Vec<String>,
    /// Labels of alerts that are muted, in the older form.
    pub target_match: BTreeMap<String, String>,
    /// Patterns for labels of alerts that are muted, in the older form.
    pub target_match_re: BTreeMap<String, String>,
    /// Labels that must be equal.
    pub equal: Vec<String>,
}

/// Named times.
#[derive(Clone, Debug, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub(super) struct RawNamedIntervals {
    /// By which routes name it.
    pub name: String,
    /// It holds when any of these does.
    pub time_intervals: Vec<RawInterval>,
}

/// One interval.
#[derive(Clone, Debug, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub(super) struct RawInterval {
    /// Times of day.
    pub times: Vec<RawTimes>,
    /// `monday:friday`, `saturday`.
    pub weekdays: Vec<String>,
    /// `1:5`, `-3:-1`.
    pub days_of_month: Vec<String>,
    /// `may:august`, `1:3`.
    pub months: Vec<String>,
    /// `2026:2028`.
    pub years: Vec<String>,
    /// A name of the time zone database, or `Local`; UTC otherwise.
    pub location: Option<String>,
}

/// A time of day.
#[derive(Clone, Debug, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub(super) struct RawTimes {
    /// `09:00`
    pub start_time: String,
    /// `17:00`, excluded.
    pub end_time: String,
}
