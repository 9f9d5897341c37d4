//! A request to any program, in version 4 of Alertmanager's format.

use super::message::rfc3339;
use super::{Message, Poster};
use crate::alert::{AlertState, KeptAlert};
use crate::core::Verdict;
use crate::secret::SecretSource;
use serde_json::{Value, json};

/// Where to, and how much.
#[derive(Debug)]
pub(crate) struct Webhook {
    pub(crate) poster: Poster,
    pub(crate) url: SecretSource,
    /// How many alerts are listed; 0 for all.
    pub(crate) alerts_max: usize,
}

impl Webhook {
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
            Ok(answer) => answer.verdict(),
            Err(verdict) => verdict,
        }
    }

    fn body(&self, message: &Message) -> Value {
        let delivery = &message.delivery;
        let listed = match self.alerts_max {
            0 => delivery.alerts.len(),
            max => max.min(delivery.alerts.len()),
        };
        let alerts: Vec<Value> = delivery.alerts[..listed]
            .iter()
            .map(|(alert, state)| shown(alert, *state))
            .collect();
        json!({
            "version": "4",
            "groupKey": delivery.slot.group_key,
            "truncatedAlerts": delivery.alerts.len() - listed,
            "receiver": delivery.slot.receiver,
            "status": delivery.status,
            "alerts": alerts,
            "groupLabels": delivery.group_labels,
            "commonLabels": message.common_labels(),
            "commonAnnotations": message.common_annotations(),
            "externalURL": message.external_url,
        })
    }
}

fn shown(alert: &KeptAlert, state: AlertState) -> Value {
    json!({
        "status": state,
        "labels": alert.labels,
        "annotations": alert.annotations,
        "startsAt": rfc3339(Some(alert.starts_at)),
        "endsAt": rfc3339((state == AlertState::Resolved).then_some(alert.ends_at)),
        "generatorURL": alert.generator_url,
        "fingerprint": alert.fingerprint().to_string(),
    })
}
