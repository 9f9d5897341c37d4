//! Receivers are built and checked: what is not said comes from the global part, then from us.

use super::Receivers;
use super::check::{Check, RawSecret};
use super::raw::{RawConfig, RawGlobal};
use super::raw_receivers::{
    RawEmail, RawPagerDuty, RawReceiver, RawSlack, RawSlackAction, RawWebhook,
};
use crate::notify::{
    Email, Integration, Kind, PagerDuty, PagerDutyImage, PagerDutyLink, Poster, Slack, SlackAction,
    SlackConfirm, SlackField, Smarthost, Threading, Webhook,
};
use crate::secret::{Secret, SecretSource};
use crate::text::{Escape, Text};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

/// How long an attempt may take unless the receiver says otherwise.
const TIMEOUT: Duration = Duration::from_secs(10);

const PAGERDUTY_URL: &str = "https://events.pagerduty.com/v2/enqueue";

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

    /// A text of a receiver, and its place.
    fn field(&mut self, path: &str, key: &str, given: Option<&str>, default: &str) -> Text {
        self.text(&format!("{path}.{key}"), given, default)
    }

    fn timeout(&mut self, path: &str, text: Option<&str>) -> Duration {
        let timeout = self.period(&format!("{path}.timeout"), text, TIMEOUT);
        if timeout.is_zero() { TIMEOUT } else { timeout }
    }

    fn slack(
        &mut self,
        path: &str,
        raw: &RawSlack,
        global: &RawGlobal,
        at: usize,
    ) -> Option<Integration> {
        for (key, is_there) in [
            ("app_token", raw.app_token.is_some()),
            ("app_token_file", raw.app_token_file.is_some()),
            ("app_url", raw.app_url.is_some()),
        ] {
            self.unsupported(&format!("{path}.{key}"), is_there);
        }
        let own = RawSecret {
            key: "api_url",
            inline: raw.api_url.as_ref(),
            file: raw.api_url_file.as_deref(),
        };
        let shared = RawSecret {
            key: "slack_api_url",
            inline: global.slack_api_url.as_ref(),
            file: global.slack_api_url_file.as_deref(),
        };
        let url = self.own_or_shared(path, &own, &shared);
        if url.is_none() {
            self.problem(
                path,
                "no URL: give `api_url` or `api_url_file` here, or `slack_api_url` under `global`",
            );
        }
        let text = |check: &mut Self, key: &str, given: &Option<String>, default: &str| {
            check.field(path, key, given.as_deref(), default)
        };
        let slack = Slack {
            poster: Poster::new(self.http(
                path,
                raw.http_config.as_ref(),
                global.http_config.as_ref(),
            )),
            channel: text(self, "channel", &raw.channel, ""),
            username: text(
                self,
                "username",
                &raw.username,
                r#"{{ template "slack.default.username" . }}"#,
            ),
            color: text(
                self,
                "color",
                &raw.color,
                r#"{{ if eq .Status "firing" }}danger{{ else }}good{{ end }}"#,
            ),
            title: text(
                self,
                "title",
                &raw.title,
                r#"{{ template "slack.default.title" . }}"#,
            ),
            title_link: text(
                self,
                "title_link",
                &raw.title_link,
                r#"{{ template "slack.default.titlelink" . }}"#,
            ),
            pretext: text(
                self,
                "pretext",
                &raw.pretext,
                r#"{{ template "slack.default.pretext" . }}"#,
            ),
            text: text(
                self,
                "text",
                &raw.text,
                r#"{{ template "slack.default.text" . }}"#,
            ),
            message_text: text(self, "message_text", &raw.message_text, ""),
            footer: text(
                self,
                "footer",
                &raw.footer,
                r#"{{ template "slack.default.footer" . }}"#,
            ),
            fallback: text(
                self,
                "fallback",
                &raw.fallback,
                r#"{{ template "slack.default.fallback" . }}"#,
            ),
            callback_id: text(
                self,
                "callback_id",
                &raw.callback_id,
                r#"{{ template "slack.default.callbackid" . }}"#,
            ),
            icon_emoji: text(
                self,
                "icon_emoji",
                &raw.icon_emoji,
                r#"{{ template "slack.default.iconemoji" . }}"#,
            ),
            icon_url: text(
                self,
                "icon_url",
                &raw.icon_url,
                r#"{{ template "slack.default.iconurl" . }}"#,
            ),
            image_url: text(self, "image_url", &raw.image_url, ""),
            thumb_url: text(self, "thumb_url", &raw.thumb_url, ""),
            link_names: raw.link_names,
            mrkdwn_in: raw
                .mrkdwn_in
                .clone()
                .unwrap_or_else(|| ["fallback", "pretext", "text"].map(Into::into).into()),
            fields: self.slack_fields(path, raw),
            actions: raw
                .actions
                .iter()
                .enumerate()
                .map(|(at, raw)| self.slack_action(&format!("{path}.actions[{at}]"), raw))
                .collect(),
            url: url?,
        };
        Some(Integration {
            name: format!("slack[{at}]"),
            send_resolved: raw.send_resolved.unwrap_or(false),
            timeout: self.timeout(path, raw.timeout.as_deref()),
            kind: Kind::Slack(Box::new(slack)),
        })
    }

    fn slack_fields(&mut self, path: &str, raw: &RawSlack) -> Vec<SlackField> {
        let mut found = Vec::new();
        for (at, field) in raw.fields.iter().enumerate() {
            let path = format!("{path}.fields[{at}]");
            if field.title.is_empty() || field.value.is_empty() {
                self.problem(&path, "a field needs a `title` and a `value`");
            }
            found.push(SlackField {
                title: self.field(&path, "title", Some(&field.title), ""),
                value: self.field(&path, "value", Some(&field.value), ""),
                short: field.short.unwrap_or(raw.short_fields),
            });
        }
        found
    }

    fn slack_action(&mut self, path: &str, raw: &RawSlackAction) -> SlackAction {
        if raw.kind.is_empty() || raw.text.is_empty() {
            self.problem(path, "an action needs a `type` and a `text`");
        }
        if raw.url.is_none() && raw.name.is_none() {
            self.problem(path, "an action needs a `url` or a `name`");
        }
        let confirm = raw.confirm.as_ref().map(|confirm| {
            let path = format!("{path}.confirm");
            SlackConfirm {
                text: self.field(&path, "text", Some(&confirm.text), ""),
                title: self.field(&path, "title", confirm.title.as_deref(), ""),
                ok_text: self.field(&path, "ok_text", confirm.ok_text.as_deref(), ""),
                dismiss_text: self.field(
                    &path,
                    "dismiss_text",
                    confirm.dismiss_text.as_deref(),
                    "",
                ),
            }
        });
        SlackAction {
            kind: self.field(path, "type", Some(&raw.kind), ""),
            text: self.field(path, "text", Some(&raw.text), ""),
            url: self.field(path, "url", raw.url.as_deref(), ""),
            style: self.field(path, "style", raw.style.as_deref(), ""),
            name: self.field(path, "name", raw.name.as_deref(), ""),
            value: self.field(path, "value", raw.value.as_deref(), ""),
            confirm,
        }
    }

    /// A secret of the receiver or, without one, of the global part.
    fn own_or_shared(
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

    fn email(
        &mut self,
        path: &str,
        raw: &RawEmail,
        global: &RawGlobal,
        at: usize,
    ) -> Option<Integration> {
        for (key, is_there) in [
            ("auth_secret", raw.auth_secret.is_some()),
            ("auth_secret_file", raw.auth_secret_file.is_some()),
            ("force_implicit_tls", raw.force_implicit_tls.is_some()),
        ] {
            self.unsupported(&format!("{path}.{key}"), is_there);
        }
        let to = raw.to.as_deref().filter(|to| !to.trim().is_empty());
        let from = raw
            .from
            .as_deref()
            .or(global.smtp_from.as_deref())
            .filter(|from| !from.is_empty());
        if to.is_none() {
            self.problem(path, "no addressee: give `to`");
        }
        if from.is_none() {
            self.problem(
                path,
                "no sender: give `from` here, or `smtp_from` under `global`",
            );
        }
        let smarthost = self.smarthost(path, raw, global);
        let own = RawSecret {
            key: "auth_password",
            inline: raw.auth_password.as_ref(),
            file: raw.auth_password_file.as_deref(),
        };
        let shared = RawSecret {
            key: "smtp_auth_password",
            inline: global.smtp_auth_password.as_ref(),
            file: global.smtp_auth_password_file.as_deref(),
        };
        let password = self.own_or_shared(path, &own, &shared);
        let username = raw
            .auth_username
            .clone()
            .or(global.smtp_auth_username.clone())
            .filter(|name| !name.is_empty());
        if username.is_some() && password.is_none() {
            self.problem(path, "there is a user name but no password: give `auth_password` or `auth_password_file`");
        }
        let (tls_path, tls) = match &raw.tls_config {
            Some(tls) => (format!("{path}.tls_config"), Some(tls)),
            None => (
                "global.smtp_tls_config".to_owned(),
                global.smtp_tls_config.as_ref(),
            ),
        };
        let email = Email {
            to: self.field(path, "to", to, ""),
            from: self.field(path, "from", from, ""),
            hello: raw
                .hello
                .clone()
                .or(global.smtp_hello.clone())
                .unwrap_or("localhost".into()),
            login: username.zip(password),
            requires_tls: raw.require_tls.or(global.smtp_require_tls).unwrap_or(true),
            tls: self.tls(&tls_path, tls),
            headers: self.headers(path, &raw.headers),
            html: self.escaped_text(
                &format!("{path}.html"),
                raw.html.as_deref(),
                r#"{{ template "email.default.html" . }}"#,
                Escape::Html,
            ),
            text: self.field(path, "text", raw.text.as_deref(), ""),
            threading: self.threading(path, raw),
            smarthost: smarthost?,
        };
        Some(Integration {
            name: format!("email[{at}]"),
            send_resolved: raw.send_resolved.unwrap_or(false),
            timeout: 3 * TIMEOUT,
            kind: Kind::Email(Box::new(email)),
        })
    }

    fn smarthost(&mut self, path: &str, raw: &RawEmail, global: &RawGlobal) -> Option<Smarthost> {
        let (place, text) = match (&raw.smarthost, &global.smtp_smarthost) {
            (Some(own), _) => (format!("{path}.smarthost"), own),
            (None, Some(shared)) => ("global.smtp_smarthost".to_owned(), shared),
            (None, None) => {
                self.problem(
                    path,
                    "no mail server: give `smarthost` here, or `smtp_smarthost` under `global`",
                );
                return None;
            }
        };
        let smarthost = Smarthost::parse(text);
        if smarthost.is_none() {
            self.problem(
                &place,
                format!("{text:?} is no mail server; write host:port, like mail.example.org:587"),
            );
        }
        smarthost
    }

    fn headers(&mut self, path: &str, raw: &BTreeMap<String, String>) -> Vec<(String, Text)> {
        let mut found: BTreeMap<String, (String, Text)> = BTreeMap::new();
        for (name, value) in raw {
            let place = format!("{path}.headers.{name}");
            let is_name =
                !name.is_empty() && name.bytes().all(|b| b.is_ascii_graphic() && b != b':');
            if !is_name {
                self.problem(&place, format!("{name:?} is no header's name"));
            } else if found.contains_key(&name.to_lowercase()) {
                self.problem(&place, format!("header `{name}` is given twice"));
            }
            found.insert(
                name.to_lowercase(),
                (name.clone(), self.text(&place, Some(value), "")),
            );
        }
        if !found.contains_key("subject") {
            let subject = self.text(path, None, r#"{{ template "email.default.subject" . }}"#);
            found.insert("subject".into(), ("Subject".into(), subject));
        }
        found.into_values().collect()
    }

    fn threading(&mut self, path: &str, raw: &RawEmail) -> Threading {
        let Some(threading) = raw.threading.as_ref().filter(|threading| threading.enabled) else {
            return Threading::Off;
        };
        match threading.thread_by_date.as_deref().unwrap_or("daily") {
            "daily" => Threading::Daily,
            "none" => Threading::Whole,
            other => {
                self.problem(
                    &format!("{path}.threading.thread_by_date"),
                    format!("{other:?} is neither `daily` nor `none`"),
                );
                Threading::Off
            }
        }
    }

    fn pagerduty(
        &mut self,
        path: &str,
        raw: &RawPagerDuty,
        global: &RawGlobal,
        at: usize,
    ) -> Option<Integration> {
        for (key, is_there) in [
            ("service_key", raw.service_key.is_some()),
            ("service_key_file", raw.service_key_file.is_some()),
        ] {
            if is_there {
                self.problem(&format!("{path}.{key}"), format!("`{key}` is of Events API v1, which is not supported; use `routing_key` of Events API v2"));
            }
        }
        let key = RawSecret {
            key: "routing_key",
            inline: raw.routing_key.as_ref(),
            file: raw.routing_key_file.as_deref(),
        };
        let key = self.secret(path, &key);
        if key.is_none() && raw.routing_key.is_none() {
            self.problem(path, "no key: give `routing_key` or `routing_key_file`");
        }
        let url = raw
            .url
            .as_deref()
            .or(global.pagerduty_url.as_deref())
            .unwrap_or(PAGERDUTY_URL);
        let place = if raw.url.is_some() {
            format!("{path}.url")
        } else {
            "global.pagerduty_url".into()
        };
        self.url(&place, &Secret::new(url));
        let client_text = raw
            .client
            .as_deref()
            .unwrap_or(r#"{{ template "pagerduty.default.client" . }}"#);
        let mut details = BTreeMap::from([
            (
                "firing",
                r#"{{ template "pagerduty.default.instances" .Alerts.Firing }}"#,
            ),
            (
                "resolved",
                r#"{{ template "pagerduty.default.instances" .Alerts.Resolved }}"#,
            ),
            ("num_firing", "{{ .Alerts.Firing | len }}"),
            ("num_resolved", "{{ .Alerts.Resolved | len }}"),
        ]);
        details.extend(
            raw.details
                .iter()
                .map(|(name, value)| (name.as_str(), value.as_str())),
        );
        let pagerduty = PagerDuty {
            poster: Poster::new(self.http(
                path,
                raw.http_config.as_ref(),
                global.http_config.as_ref(),
            )),
            url: url.to_owned(),
            client: self.field(path, "client", Some(client_text), ""),
            client_url: self.field(
                path,
                "client_url",
                raw.client_url.as_deref(),
                r#"{{ template "pagerduty.default.clientURL" . }}"#,
            ),
            description: self.field(
                path,
                "description",
                raw.description.as_deref(),
                r#"{{ template "pagerduty.default.description" . }}"#,
            ),
            severity: self.field(path, "severity", raw.severity.as_deref(), "error"),
            source: self.field(path, "source", raw.source.as_deref(), client_text),
            class: self.field(path, "class", raw.class.as_deref(), ""),
            component: self.field(path, "component", raw.component.as_deref(), ""),
            group: self.field(path, "group", raw.group.as_deref(), ""),
            details: details
                .into_iter()
                .map(|(name, value)| {
                    (
                        name.to_owned(),
                        self.field(path, &format!("details.{name}"), Some(value), ""),
                    )
                })
                .collect(),
            images: self.pagerduty_images(path, raw),
            links: self.pagerduty_links(path, raw),
            routing_key: key?,
        };
        Some(Integration {
            name: format!("pagerduty[{at}]"),
            send_resolved: raw.send_resolved.unwrap_or(true),
            timeout: self.timeout(path, raw.timeout.as_deref()),
            kind: Kind::PagerDuty(Box::new(pagerduty)),
        })
    }

    fn pagerduty_images(&mut self, path: &str, raw: &RawPagerDuty) -> Vec<PagerDutyImage> {
        let mut found = Vec::new();
        for (at, image) in raw.images.iter().enumerate() {
            let path = format!("{path}.images[{at}]");
            found.push(PagerDutyImage {
                src: self.field(&path, "src", Some(&image.src), ""),
                alt: self.field(&path, "alt", Some(&image.alt), ""),
                href: self.field(&path, "href", Some(&image.href), ""),
            });
        }
        found
    }

    fn pagerduty_links(&mut self, path: &str, raw: &RawPagerDuty) -> Vec<PagerDutyLink> {
        let mut found = Vec::new();
        for (at, link) in raw.links.iter().enumerate() {
            let path = format!("{path}.links[{at}]");
            found.push(PagerDutyLink {
                href: self.field(&path, "href", Some(&link.href), ""),
                text: self.field(&path, "text", Some(&link.text), ""),
            });
        }
        found
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
