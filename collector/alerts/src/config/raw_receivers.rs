//! The receivers of Alertmanager's configuration file as they are written.

use crate::secret::Secret;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Settings of a receiver that is not supported yet.
type Unsupported = Vec<serde_json::Value>;

/// Somebody who can be told, in one or several ways.
#[derive(Clone, Debug, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub(super) struct RawReceiver {
    /// By which routes name it.
    pub name: String,
    /// Slack.
    pub slack_configs: Vec<RawSlack>,
    /// Mail.
    pub email_configs: Vec<RawEmail>,
    /// `PagerDuty`.
    pub pagerduty_configs: Vec<RawPagerDuty>,
    /// Any program that takes HTTP requests.
    pub webhook_configs: Vec<RawWebhook>,
    /// Not supported yet.
    pub discord_configs: Unsupported,
    /// Not supported yet.
    pub incidentio_configs: Unsupported,
    /// Not supported yet.
    pub jira_configs: Unsupported,
    /// Not supported yet.
    pub mattermost_configs: Unsupported,
    /// Not supported yet.
    pub msteams_configs: Unsupported,
    /// Not supported yet.
    pub msteamsv2_configs: Unsupported,
    /// Not supported yet.
    pub opsgenie_configs: Unsupported,
    /// Not supported yet.
    pub pushover_configs: Unsupported,
    /// Not supported yet.
    pub rocketchat_configs: Unsupported,
    /// Not supported yet.
    pub sns_configs: Unsupported,
    /// Not supported yet.
    pub telegram_configs: Unsupported,
    /// Not supported yet.
    pub victorops_configs: Unsupported,
    /// Not supported yet.
    pub webex_configs: Unsupported,
    /// Not supported yet.
    pub wechat_configs: Unsupported,
}

impl RawReceiver {
    /// The kinds of settings that are not supported yet, by the key under which they stand.
    #[must_use]
    pub(super) fn unsupported(&self) -> [(&'static str, &Unsupported); 14] {
        [
            ("discord_configs", &self.discord_configs),
            ("incidentio_configs", &self.incidentio_configs),
            ("jira_configs", &self.jira_configs),
            ("mattermost_configs", &self.mattermost_configs),
            ("msteams_configs", &self.msteams_configs),
            ("msteamsv2_configs", &self.msteamsv2_configs),
            ("opsgenie_configs", &self.opsgenie_configs),
            ("pushover_configs", &self.pushover_configs),
            ("rocketchat_configs", &self.rocketchat_configs),
            ("sns_configs", &self.sns_configs),
            ("telegram_configs", &self.telegram_configs),
            ("victorops_configs", &self.victorops_configs),
            ("webex_configs", &self.webex_configs),
            ("wechat_configs", &self.wechat_configs),
        ]
    }
}

/// A message to Slack by an incoming webhook.
#[derive(Clone, Debug, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub(super) struct RawSlack {
    /// Whether ended alerts are told (false).
    pub send_resolved: Option<bool>,
    /// How requests are made.
    pub http_config: Option<RawHttp>,
    /// The incoming webhook's URL.
    pub api_url: Option<Secret>,
    /// A file with the URL.
    pub api_url_file: Option<String>,
    /// Not supported yet.
    pub app_token: Option<Secret>,
    /// Not supported yet.
    pub app_token_file: Option<String>,
    /// Not supported yet.
    pub app_url: Option<String>,
    /// `#alerts` or `@person`.
    pub channel: Option<String>,
    /// Who speaks.
    pub username: Option<String>,
    /// `danger`, `good`, `warning` or `#rrggbb`.
    pub color: Option<String>,
    /// The attachment's title.
    pub title: Option<String>,
    /// Where the title leads.
    pub title_link: Option<String>,
    /// What stands above the attachment.
    pub pretext: Option<String>,
    /// What stands in the attachment.
    pub text: Option<String>,
    /// What stands in the message itself.
    pub message_text: Option<String>,
    /// A table in the attachment.
    pub fields: Vec<RawSlackField>,
    /// Whether fields stand side by side unless they say otherwise.
    pub short_fields: bool,
    /// What stands below the attachment.
    pub footer: Option<String>,
    /// What stands in notifications of devices.
    pub fallback: Option<String>,
    /// For Slack applications.
    pub callback_id: Option<String>,
    /// `:fire:`
    pub icon_emoji: Option<String>,
    /// A picture of who speaks.
    pub icon_url: Option<String>,
    /// A picture in the attachment.
    pub image_url: Option<String>,
    /// A small picture in the attachment.
    pub thumb_url: Option<String>,
    /// Whether names in the text become links.
    pub link_names: bool,
    /// Where Slack's markup counts (fallback, pretext, text).
    pub mrkdwn_in: Option<Vec<String>>,
    /// Buttons.
    pub actions: Vec<RawSlackAction>,
    /// How long a request may take.
    pub timeout: Option<String>,
}

/// A row of an attachment's table.
#[derive(Clone, Debug, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub(super) struct RawSlackField {
    /// Its name.
    pub title: String,
    /// Its content.
    pub value: String,
    /// Whether it may stand beside another.
    pub short: Option<bool>,
}

/// A button.
#[derive(Clone, Debug, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub(super) struct RawSlackAction {
    /// `button`
    #[serde(rename = "type")]
    pub kind: String,
    /// What stands on it.
    pub text: String,
    /// Where it leads.
    pub url: Option<String>,
    /// `primary` or `danger`.
    pub style: Option<String>,
    /// For Slack applications.
    pub name: Option<String>,
    /// For Slack applications.
    pub value: Option<String>,
    /// A question before it counts.
    pub confirm: Option<RawSlackConfirm>,
}

/// A question before a button counts.
#[derive(Clone, Debug, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub(super) struct RawSlackConfirm {
    /// What is asked.
    pub text: String,
    /// What stands above it.
    pub title: Option<String>,
    /// "Yes"
    pub ok_text: Option<String>,
    /// "No"
    pub dismiss_text: Option<String>,
}

/// A mail.
#[derive(Clone, Debug, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub(super) struct RawEmail {
    /// Whether ended alerts are told (false).
    pub send_resolved: Option<bool>,
    /// Addresses, with commas.
    pub to: Option<String>,
    /// The sender.
    pub from: Option<String>,
    /// The mail server, `host:port`.
    pub smarthost: Option<String>,
    /// The name by which we greet the mail server.
    pub hello: Option<String>,
    /// The user name for PLAIN and LOGIN.
    pub auth_username: Option<String>,
    /// The password for PLAIN and LOGIN.
    pub auth_password: Option<Secret>,
    /// A file with the password.
    pub auth_password_file: Option<String>,
    /// Not supported.
    pub auth_secret: Option<Secret>,
    /// Not supported.
    pub auth_secret_file: Option<String>,
    /// The identity for PLAIN.
    pub auth_identity: Option<String>,
    /// Whether the connection must be encrypted.
    pub require_tls: Option<bool>,
    /// How the server's certificate is checked.
    pub tls_config: Option<RawTls>,
    /// Headers, which replace ours.
    pub headers: BTreeMap<String, String>,
    /// The body as HTML.
    pub html: Option<String>,
    /// The body as text.
    pub text: Option<String>,
    /// Whether mails about a group belong together.
    pub threading: Option<RawThreading>,
    /// Not supported yet.
    pub force_implicit_tls: Option<bool>,
}

/// Whether mails about a group belong together.
#[derive(Clone, Debug, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub(super) struct RawThreading {
    /// Whether they do (false).
    pub enabled: bool,
    /// `daily` (a thread a day) or `none` (one thread).
    pub thread_by_date: Option<String>,
}

/// An event for `PagerDuty`.
#[derive(Clone, Debug, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub(super) struct RawPagerDuty {
    /// Whether ended alerts resolve the incident (true).
    pub send_resolved: Option<bool>,
    /// How requests are made.
    pub http_config: Option<RawHttp>,
    /// The integration key of Events API v2.
    pub routing_key: Option<Secret>,
    /// A file with the key.
    pub routing_key_file: Option<String>,
    /// The key of Events API v1, which is not supported.
    pub service_key: Option<Secret>,
    /// A file with the key of Events API v1, which is not supported.
    pub service_key_file: Option<String>,
    /// The API's URL.
    pub url: Option<String>,
    /// Who reports.
    pub client: Option<String>,
    /// Where to look.
    pub client_url: Option<String>,
    /// The incident's title.
    pub description: Option<String>,
    /// `critical`, `error` (default), `warning` or `info`.
    pub severity: Option<String>,
    /// What is affected.
    pub source: Option<String>,
    /// The kind of problem.
    pub class: Option<String>,
    /// The part that has the problem.
    pub component: Option<String>,
    /// What the part belongs to.
    pub group: Option<String>,
    /// Whatever else is to be seen.
    pub details: BTreeMap<String, String>,
    /// Pictures.
    pub images: Vec<RawPagerDutyImage>,
    /// Links.
    pub links: Vec<RawPagerDutyLink>,
    /// How long a request may take.
    pub timeout: Option<String>,
}

/// A picture in an incident.
#[derive(Clone, Debug, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub(super) struct RawPagerDutyImage {
    /// Where it is.
    pub src: String,
    /// What it shows.
    pub alt: String,
    /// Where it leads.
    pub href: String,
}

/// A link in an incident.
#[derive(Clone, Debug, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub(super) struct RawPagerDutyLink {
    /// Where it leads.
    pub href: String,
    /// What it says.
    pub text: String,
}

/// A request to any program.
#[derive(Clone, Debug, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub(super) struct RawWebhook {
    /// Whether ended alerts are told (true).
    pub send_resolved: Option<bool>,
    /// How requests are made.
    pub http_config: Option<RawHttp>,
    /// Where it is sent.
    pub url: Option<Secret>,
    /// A file with the URL.
    pub url_file: Option<String>,
    /// How many alerts a message lists; 0 for all.
    pub max_alerts: u64,
    /// How long a request may take.
    pub timeout: Option<String>,
    /// Not supported yet.
    pub payload: Option<serde_json::Value>,
}

/// How HTTP requests are made.
#[derive(Clone, Debug, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub(super) struct RawHttp {
    /// A user name and a password.
    pub basic_auth: Option<RawBasicAuth>,
    /// Another `Authorization` header.
    pub authorization: Option<RawAuthorization>,
    /// A bearer token, in the older form.
    pub bearer_token: Option<Secret>,
    /// A file with a bearer token, in the older form.
    pub bearer_token_file: Option<String>,
    /// Not supported yet.
    pub oauth2: Option<serde_json::Value>,
    /// A proxy. Those of the environment are never used.
    pub proxy_url: Option<Secret>,
    /// Not supported.
    pub proxy_from_environment: Option<bool>,
    /// Not supported.
    pub no_proxy: Option<String>,
    /// Not supported.
    pub proxy_connect_header: Option<serde_json::Value>,
    /// Only `false` is possible: redirects are never followed.
    pub follow_redirects: Option<bool>,
    /// Whether HTTP/2 may be used.
    pub enable_http2: Option<bool>,
    /// How certificates are checked.
    pub tls_config: Option<RawTls>,
    /// Not supported yet.
    pub http_headers: Option<serde_json::Value>,
}

/// A user name and a password.
#[derive(Clone, Debug, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub(super) struct RawBasicAuth {
    /// The user's name.
    pub username: String,
    /// Not supported yet.
    pub username_file: Option<String>,
    /// The password.
    pub password: Option<Secret>,
    /// A file with the password.
    pub password_file: Option<String>,
}

/// An `Authorization` header.
#[derive(Clone, Debug, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub(super) struct RawAuthorization {
    /// Its first word (Bearer).
    #[serde(rename = "type")]
    pub kind: Option<String>,
    /// What follows.
    pub credentials: Option<Secret>,
    /// A file with what follows.
    pub credentials_file: Option<String>,
}

/// How certificates are checked.
#[derive(Clone, Debug, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub(super) struct RawTls {
    /// A file with the authorities that are trusted too.
    pub ca_file: Option<String>,
    /// The authorities themselves.
    pub ca: Option<String>,
    /// A file with our certificate.
    pub cert_file: Option<String>,
    /// Our certificate itself: not supported yet.
    pub cert: Option<String>,
    /// A file with our key.
    pub key_file: Option<String>,
    /// Our key itself: not supported yet.
    pub key: Option<Secret>,
    /// Not supported yet.
    pub server_name: Option<String>,
    /// Whether any certificate is accepted.
    pub insecure_skip_verify: bool,
    /// Not supported yet: it is TLS 1.2 at least.
    pub min_version: Option<String>,
    /// Not supported yet.
    pub max_version: Option<String>,
}
