//! `PagerDuty`'s Events API v2: `trigger` while anything fires, `resolve` when all has ended.
//!
//! The `dedup_key` is the hash of the group's name alone, so a second trigger about a group
//! adds to its incident and opens no other: a page whose outcome is unknown is safe to repeat.

use super::{Message, Poster};
use crate::alert::AlertState;
use crate::core::{Verdict, hex};
use crate::secret::SecretSource;
use crate::text::Text;
use serde_json::{Map, Value, json};
use sha2::{Digest, Sha256};

/// How long a summary may be, in characters.
const SUMMARY_CHARS_MAX: usize = 1024;
/// How large an event may be.
const EVENT_BYTES_MAX: usize = 512_000;

/// What is written where.
#[derive(Debug)]
pub(crate) struct PagerDuty {
    pub(crate) poster: Poster,
    pub(crate) url: String,
    pub(crate) routing_key: SecretSource,
    pub(crate) client: Text,
    pub(crate) client_url: Text,
    pub(crate) description: Text,
    pub(crate) severity: Text,
    pub(crate) source: Text,
    pub(crate) class: Text,
    pub(crate) component: Text,
    pub(crate) group: Text,
    pub(crate) details: Vec<(String, Text)>,
    pub(crate) images: Vec<PagerDutyImage>,
    pub(crate) links: Vec<PagerDutyLink>,
}

/// A picture.
#[derive(Debug)]
pub(crate) struct PagerDutyImage {
    pub(crate) src: Text,
    pub(crate) alt: Text,
    pub(crate) href: Text,
}

/// A link.
#[derive(Debug)]
pub(crate) struct PagerDutyLink {
    pub(crate) href: Text,
    pub(crate) text: Text,
}

impl PagerDuty {
    pub(crate) async fn send(&self, message: &Message) -> Verdict {
        let key = match self.routing_key.read().await {
            Ok(key) => key,
            Err(error) => return Verdict::Retry { error, after: None },
        };
        let mut event = self.event(message, key.expose());
        let mut body = event.to_string();
        if body.len() > EVENT_BYTES_MAX {
            event["payload"]["custom_details"] = json!({ "error": format!("left out: the event had {} bytes of {EVENT_BYTES_MAX}", body.len()) });
            body = event.to_string();
        }
        match self
            .poster
            .post(&self.url, &[key.expose()], body.into_bytes(), message)
            .await
        {
            Ok(answer) => answer.verdict(),
            Err(verdict) => verdict,
        }
    }

    fn event(&self, message: &Message, routing_key: &str) -> Value {
        let action = match message.delivery.status {
            AlertState::Firing => "trigger",
            AlertState::Resolved => "resolve",
        };
        // The API refuses a page without these two.
        let summary = or(message.headline(&self.description), || message.summary());
        let summary: String = summary.chars().take(SUMMARY_CHARS_MAX).collect();
        let source = or(message.text(&self.source), || "Sonde".to_owned());
        let details: Map<String, Value> = self
            .details
            .iter()
            .map(|(name, text)| (name.clone(), message.text(text).into()))
            .collect();
        let mut payload = Map::from_iter([
            ("summary".to_owned(), summary.into()),
            ("source".to_owned(), source.into()),
            (
                "severity".to_owned(),
                severity(&message.text(&self.severity)).into(),
            ),
            ("custom_details".to_owned(), details.into()),
        ]);
        for (key, text) in [
            ("class", &self.class),
            ("component", &self.component),
            ("group", &self.group),
        ] {
            put(&mut payload, key, message.text(text));
        }
        let mut event = Map::from_iter([
            ("routing_key".to_owned(), routing_key.into()),
            ("event_action".to_owned(), action.into()),
            (
                "dedup_key".to_owned(),
                hex(&Sha256::digest(&message.delivery.slot.group_key)).into(),
            ),
            ("payload".to_owned(), payload.into()),
        ]);
        put(&mut event, "client", message.text(&self.client));
        put(&mut event, "client_url", message.text(&self.client_url));
        let images: Vec<Value> = self
            .images
            .iter()
            .filter_map(|image| image.body(message))
            .collect();
        let links: Vec<Value> = self
            .links
            .iter()
            .filter_map(|link| link.body(message))
            .collect();
        for (key, list) in [("images", images), ("links", links)] {
            if !list.is_empty() {
                event.insert(key.into(), list.into());
            }
        }
        Value::Object(event)
    }
}

impl PagerDutyImage {
    fn body(&self, message: &Message) -> Option<Value> {
        let src = Some(message.text(&self.src)).filter(|src| !src.is_empty())?;
        let mut image = Map::from_iter([("src".to_owned(), src.into())]);
        put(&mut image, "alt", message.text(&self.alt));
        put(&mut image, "href", message.text(&self.href));
        Some(image.into())
    }
}

impl PagerDutyLink {
    fn body(&self, message: &Message) -> Option<Value> {
        let href = Some(message.text(&self.href)).filter(|href| !href.is_empty())?;
        let mut link = Map::from_iter([("href".to_owned(), href.into())]);
        put(&mut link, "text", message.text(&self.text));
        Some(link.into())
    }
}

/// The text, or something else instead of a blank one.
fn or(text: String, instead: impl FnOnce() -> String) -> String {
    if text.trim().is_empty() {
        instead()
    } else {
        text
    }
}

fn put(object: &mut Map<String, Value>, key: &str, text: String) {
    if !text.is_empty() {
        object.insert(key.to_owned(), text.into());
    }
}

/// A severity that the API knows; anything else would make it refuse the page.
fn severity(text: &str) -> &str {
    match text {
        "critical" | "error" | "warning" | "info" => text,
        "page" | "emergency" | "fatal" => "critical",
        "warn" => "warning",
        _ => "error",
    }
}
