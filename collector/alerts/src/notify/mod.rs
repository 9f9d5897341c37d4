//! The integrations: how a delivery becomes a message that somebody receives.
//!
//! Each integration builds its body without I/O and then sends it once; whether it is sent
//! again decides the core. Every attempt has a time limit, every answer is read up to a limit.

mod message;
mod http;
mod slack;
mod email;
mod pagerduty;
mod webhook;

pub(crate) use email::{Email, Prepared, Smarthost, Threading};
pub(crate) use http::{Authorization, Http, Poster, Tls, base64};
pub(crate) use message::{Message, common};
pub(crate) use pagerduty::{PagerDuty, PagerDutyImage, PagerDutyLink};
pub(crate) use slack::{Slack, SlackAction, SlackConfirm, SlackField};
pub(crate) use webhook::Webhook;

use crate::core::Verdict;
use std::time::Duration;

/// One way to tell a receiver.
#[derive(Debug)]
pub(crate) struct Integration {
    /// Its name within the receiver, like `slack[0]`.
    pub(crate) name: String,
    /// Whether ended alerts are told.
    pub(crate) send_resolved: bool,
    /// How long an attempt may take.
    pub(crate) timeout: Duration,
    /// What it is.
    pub(crate) kind: Kind,
}

/// What an integration is.
#[derive(Debug)]
pub(crate) enum Kind {
    /// Slack's incoming webhook.
    Slack(Box<Slack>),
    /// Mail.
    Email(Box<Email>),
    /// `PagerDuty`'s Events API v2.
    PagerDuty(Box<PagerDuty>),
    /// Any program that takes HTTP requests.
    Webhook(Box<Webhook>),
}

impl Kind {
    /// Its name in metrics.
    pub(crate) fn as_str(&self) -> &'static str {
        match self {
            Self::Slack(_) => "slack",
            Self::Email(_) => "email",
            Self::PagerDuty(_) => "pagerduty",
            Self::Webhook(_) => "webhook",
        }
    }
}

impl Integration {
    /// Sends a message, once.
    pub(crate) async fn send(&self, message: &Message) -> Verdict {
        let attempt = async {
            match &self.kind {
                Kind::Slack(slack) => slack.send(message).await,
                Kind::Email(email) => email.send(message).await,
                Kind::PagerDuty(pagerduty) => pagerduty.send(message).await,
                Kind::Webhook(webhook) => webhook.send(message).await,
            }
        };
        match tokio::time::timeout(self.timeout, attempt).await {
            Ok(verdict) => verdict,
            Err(_) => Verdict::Retry {
                error: format!(
                    "no answer within {} s; whether it was received is unknown",
                    self.timeout.as_secs_f64()
                ),
                after: None,
            },
        }
    }
}

#[cfg(test)]
mod tests;
