//! A message with one attachment to Slack's incoming webhook, as Alertmanager writes it.

use super::http::Answer;
use super::{Message, Poster};
use crate::core::Verdict;
use crate::secret::SecretSource;
use crate::text::{Text, slack_escape};
use serde_json::{Map, Value, json};

/// How long a title may be, in characters.
const TITLE_CHARS_MAX: usize = 1024;

/// What is written where.
#[derive(Debug)]
pub(crate) struct Slack {
    pub(crate) poster: Poster,
    pub(crate) url: SecretSource,
    pub(crate) channel: Text,
    pub(crate) username: Text,
    pub(crate) color: Text,
    pub(crate) title: Text,
    pub(crate) title_link: Text,
    pub(crate) pretext: Text,
    pub(crate) text: Text,
    pub(crate) message_text: Text,
    pub(crate) footer: Text,
    pub(crate) fallback: Text,
    pub(crate) callback_id: Text,
    pub(crate) icon_emoji: Text,
    pub(crate) icon_url: Text,
    pub(crate) image_url: Text,
    pub(crate) thumb_url: Text,
    pub(crate) link_names: bool,
    pub(crate) mrkdwn_in: Vec<String>,
    pub(crate) fields: Vec<SlackField>,
    pub(crate) actions: Vec<SlackAction>,
}

/// A row of the attachment's table.
#[derive(Debug)]
pub(crate) struct SlackField {
    pub(crate) title: Text,
    pub(crate) value: Text,
    pub(crate) short: bool,
}

/// A button.
#[derive(Debug)]
pub(crate) struct SlackAction {
    pub(crate) kind: Text,
    pub(crate) text: Text,
    pub(crate) url: Text,
    pub(crate) style: Text,
    pub(crate) name: Text,
    pub(crate) value: Text,
    pub(crate) confirm: Option<SlackConfirm>,
}

/// A question before a button counts.
#[derive(Debug)]
pub(crate) struct SlackConfirm {
    pub(crate) text: Text,
    pub(crate) title: Text,
    pub(crate) ok_text: Text,
    pub(crate) dismiss_text: Text,
}

impl Slack {
    pub(crate) async fn send(&self, message: &Message) -> Verdict {
        let url = match self.url.read().await {
            Ok(url) => url,
            Err(error) => return Verdict::Retry { error, after: None },
        };
        match self
            .poster
            .post(
                url.expose(),
                &[url.expose()],
                self.body(message).to_string().into_bytes(),
                message,
            )
            .await
        {
            Ok(answer) => verdict(&answer),
            Err(verdict) => verdict,
        }
    }

    fn body(&self, message: &Message) -> Value {
        let mut body = Filled::default();
        body.put("channel", message.text(&self.channel));
        body.put("username", message.text(&self.username));
        body.put("icon_emoji", message.text(&self.icon_emoji));
        body.put("icon_url", message.text(&self.icon_url));
        body.put("text", message.text(&self.message_text));
        if self.link_names {
            body.0.insert("link_names".into(), true.into());
        }
        body.0
            .insert("attachments".into(), json!([self.attachment(message)]));
        Value::Object(body.0)
    }

    fn attachment(&self, message: &Message) -> Value {
        let title: String = message
            .headline_as(&self.title, slack_escape)
            .chars()
            .take(TITLE_CHARS_MAX)
            .collect();
        let mut attachment = Filled(Map::from_iter([
            ("text".to_owned(), message.text(&self.text).into()),
            (
                "fallback".to_owned(),
                message.headline_as(&self.fallback, slack_escape).into(),
            ),
            (
                "callback_id".to_owned(),
                message.text(&self.callback_id).into(),
            ),
            ("footer".to_owned(), message.text(&self.footer).into()),
        ]));
        attachment.put("title", title);
        attachment.put("title_link", message.text(&self.title_link));
        attachment.put("pretext", message.text(&self.pretext));
        attachment.put("image_url", message.text(&self.image_url));
        attachment.put("thumb_url", message.text(&self.thumb_url));
        attachment.put("color", message.text(&self.color));
        if !self.mrkdwn_in.is_empty() {
            attachment
                .0
                .insert("mrkdwn_in".into(), json!(self.mrkdwn_in));
        }
        if !self.fields.is_empty() {
            let fields: Vec<Value> = self
                .fields
                .iter()
                .map(|field| field.body(message))
                .collect();
            attachment.0.insert("fields".into(), fields.into());
        }
        if !self.actions.is_empty() {
            let actions: Vec<Value> = self
                .actions
                .iter()
                .map(|action| action.body(message))
                .collect();
            attachment.0.insert("actions".into(), actions.into());
        }
        Value::Object(attachment.0)
    }
}

impl SlackField {
    fn body(&self, message: &Message) -> Value {
        json!({ "title": message.text(&self.title), "value": message.text(&self.value), "short": self.short })
    }
}

impl SlackAction {
    fn body(&self, message: &Message) -> Value {
        let mut action = Filled::default();
        for (key, text) in [
            ("type", &self.kind),
            ("text", &self.text),
            ("url", &self.url),
            ("style", &self.style),
            ("name", &self.name),
            ("value", &self.value),
        ] {
            action.put(key, message.text(text));
        }
        if let Some(confirm) = &self.confirm {
            let mut asked = Filled::default();
            for (key, text) in [
                ("text", &confirm.text),
                ("title", &confirm.title),
                ("ok_text", &confirm.ok_text),
                ("dismiss_text", &confirm.dismiss_text),
            ] {
                asked.put(key, message.text(text));
            }
            action.0.insert("confirm".into(), Value::Object(asked.0));
        }
        Value::Object(action.0)
    }
}

/// An object that lists only what is there.
#[derive(Default)]
struct Filled(Map<String, Value>);

impl Filled {
    fn put(&mut self, key: &str, text: String) {
        if !text.is_empty() {
            self.0.insert(key.to_owned(), text.into());
        }
    }
}

/// A 2xx counts only when the body agrees: Slack reports some failures inside one.
fn verdict(answer: &Answer) -> Verdict {
    let verdict = answer.verdict();
    if verdict != Verdict::Sent {
        return verdict;
    }
    match serde_json::from_str::<Value>(&answer.body) {
        Ok(Value::Object(body)) if body.get("ok") == Some(&Value::Bool(false)) => {
            Verdict::Rejected {
                error: answer.describe(),
            }
        }
        Ok(_) => verdict,
        Err(_) if matches!(answer.body.trim(), "ok" | "") => verdict,
        Err(_) => Verdict::Rejected {
            error: answer.describe(),
        },
    }
}
