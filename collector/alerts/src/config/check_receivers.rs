//! Receivers are built and checked: what is not said comes from the global part, then from us.

use super::Receivers;
use super::check::{Check, RawSecret};
use super::raw::{RawConfig, RawGlobal};
use super::raw_receivers::{RawReceiver, RawWebhook};
use crate::notify::{Integration, Kind, Poster, Webhook};
use crate::secret::SecretSource;
use crate::text::Text;
use std::sync::Arc;
use std::time::Duration;

/// How long an attempt may take unless the receiver says otherwise.
pub(super) const TIMEOUT: Duration = Duration::from_secs(10);

impl Check<'_> {
    pub(super) fn receivers(&mut self, raw: &RawConfig) -> Receivers {
        let mut found = Receivers::new();
        for (at, receiver) in raw.receivers.iter().enumerate() {
            let path = format!("receivers[{at}]");
            let integrations = self.receiver(&path, receiver, &raw.global);
            if receiver.name.is_empty() {
                self.problem(&path, "the key `name` is missing");
            } else if found.insert(receiver.name.clone(), integrations).is_some() {
                self.problem(
                    &format!("{path}.name"),
                    format!("receiver `{}` is defined twice", receiver.name),
                );
            }
        }
        found
    }

    fn receiver(
        &mut self,
        path: &str,
        raw: &RawReceiver,
        global: &RawGlobal,
    ) -> Vec<Arc<Integration>> {
        for (key, unsupported) in raw.unsupported() {
            self.unsupported(&format!("{path}.{key}"), !unsupported.is_empty());
        }
        let mut found = Vec::new();
        for (at, slack) in raw.slack_configs.iter().enumerate() {
            found.extend(self.slack(&format!("{path}.slack_configs[{at}]"), slack, global, at));
        }
        for (at, email) in raw.email_configs.iter().enumerate() {
            found.extend(self.email(&format!("{path}.email_configs[{at}]"), email, global, at));
        }
        for (at, pagerduty) in raw.pagerduty_configs.iter().enumerate() {
            found.extend(self.pagerduty(
                &format!("{path}.pagerduty_configs[{at}]"),
                pagerduty,
                global,
                at,
            ));
        }
        for (at, webhook) in raw.webhook_configs.iter().enumerate() {
            found.extend(self.webhook(
                &format!("{path}.webhook_configs[{at}]"),
                webhook,
                global,
                at,
            ));
        }
        found.into_iter().map(Arc::new).collect()
    }

    pub(super) fn field(
        &mut self,
        path: &str,
        key: &str,
        given: Option<&str>,
        default: &str,
    ) -> Text {
        self.text(&format!("{path}.{key}"), given, default)
    }

    pub(super) fn timeout(&mut self, path: &str, text: Option<&str>) -> Duration {
        let timeout = self.period(&format!("{path}.timeout"), text, TIMEOUT);
        if timeout.is_zero() { TIMEOUT } else { timeout }
    }

    pub(super) fn own_or_shared(
        &mut self,
        path: &str,
        own: &RawSecret<'_>,
        shared: &RawSecret<'_>,
    ) -> Option<SecretSource> {
        let (path, secret) = if own.inline.is_some() || own.file.is_some() {
            (path, own)
        } else {
            ("global", shared)
        };
        if let Some(url) = secret.inline.filter(|_| secret.key.ends_with("url")) {
            self.url(&format!("{path}.{}", secret.key), url);
        }
        self.secret(path, secret)
    }

    fn webhook(
        &mut self,
        path: &str,
        raw: &RawWebhook,
        global: &RawGlobal,
        at: usize,
    ) -> Option<Integration> {
        self.unsupported(&format!("{path}.payload"), raw.payload.is_some());
        let url = RawSecret {
            key: "url",
            inline: raw.url.as_ref(),
            file: raw.url_file.as_deref(),
        };
        if let Some(url) = url.inline {
            self.url(&format!("{path}.url"), url);
        }
        let has_url = url.inline.is_some() || url.file.is_some();
        let url = self.secret(path, &url);
        if !has_url {
            self.problem(path, "no URL: give `url` or `url_file`");
        }
        let webhook = Webhook {
            poster: Poster::new(self.http(
                path,
                raw.http_config.as_ref(),
                global.http_config.as_ref(),
            )),
            alerts_max: usize::try_from(raw.max_alerts).unwrap_or(usize::MAX),
            url: url?,
        };
        Some(Integration {
            name: format!("webhook[{at}]"),
            send_resolved: raw.send_resolved.unwrap_or(true),
            timeout: self.timeout(path, raw.timeout.as_deref()),
            kind: Kind::Webhook(Box::new(webhook)),
        })
    }
}
