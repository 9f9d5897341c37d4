//! Slack's part of a receiver.

use super::check::{Check, RawSecret};
use super::raw::RawGlobal;
use super::raw_receivers::{RawSlack, RawSlackAction};
use crate::notify::{Integration, Kind, Poster, Slack, SlackAction, SlackConfirm, SlackField};

impl Check<'_> {
    pub(super) fn slack(
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
}
