//! Deliveries under way: a task each.

use super::telemetry::Telemetry;
use crate::core::{Delivery, Event, SlotKey, Verdict};
use crate::notify::{Integration, Message};
use std::collections::HashMap;
use std::sync::Arc;
use tokio::task::{Id, JoinError, JoinSet};

/// Deliveries under way. The core bounds how many there are.
pub(super) struct Deliveries {
    tasks: JoinSet<Verdict>,
    slots: HashMap<Id, SlotKey>,
    telemetry: Telemetry,
}

/// How a task ended, or that there is none.
type Ended = Option<Result<(Id, Verdict), JoinError>>;

impl Deliveries {
    pub(super) fn new(telemetry: Telemetry) -> Self {
        Self {
            tasks: JoinSet::new(),
            slots: HashMap::new(),
            telemetry,
        }
    }

    pub(super) fn len(&self) -> usize {
        self.tasks.len()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.tasks.is_empty()
    }

    /// Starts one.
    pub(super) fn start(
        &mut self,
        integration: Option<Arc<Integration>>,
        delivery: Delivery,
        external_url: &str,
    ) {
        let slot = delivery.slot.clone();
        let telemetry = self.telemetry.clone();
        let external_url = external_url.to_owned();
        let task = self.tasks.spawn(async move {
            match integration {
                Some(integration) => {
                    deliver(&integration, delivery, &external_url, &telemetry).await
                }
                None => Verdict::Rejected {
                    error: "the receiver is no longer configured".into(),
                },
            }
        });
        self.slots.insert(task.id(), slot);
    }

    /// The next end of a delivery; never when none is under way. Nothing is lost when this is
    /// cancelled.
    pub(super) async fn next(&mut self) -> Ended {
        if self.tasks.is_empty() {
            return std::future::pending().await;
        }
        self.tasks.join_next_with_id().await
    }

    /// The events of an end and of others that have ended meanwhile.
    pub(super) fn with_others(&mut self, first: Ended, max: usize) -> Vec<Event> {
        let mut events = Vec::new();
        let mut next = first;
        while let Some(ended) = next {
            events.extend(self.event(ended));
            next = (events.len() < max)
                .then(|| self.tasks.try_join_next_with_id())
                .flatten();
        }
        events
    }

    fn event(&mut self, ended: Result<(Id, Verdict), JoinError>) -> Option<Event> {
        let (id, verdict) = ended.unwrap_or_else(|error| {
            let verdict = Verdict::Retry {
                error: "the delivery broke down; whether it was received is unknown".into(),
                after: None,
            };
            tracing::error!("a delivery broke down: {error}");
            (error.id(), verdict)
        });
        let slot = self.slots.remove(&id)?;
        Some(Event::Ended { slot, verdict })
    }
}

async fn deliver(
    integration: &Integration,
    delivery: Delivery,
    external_url: &str,
    telemetry: &Telemetry,
) -> Verdict {
    let message = Message::new(delivery, external_url);
    let verdict = integration.send(&message).await;
    telemetry.ended(integration.kind.as_str(), &verdict);
    for error in message.template_errors() {
        telemetry.template_failed(integration.kind.as_str());
        let SlotKey {
            receiver,
            integration,
            ..
        } = &message.delivery.slot;
        tracing::error!(
            "a template of receiver `{receiver}`, {integration}, failed: {error}; it was replaced by a summary"
        );
    }
    report(&message.delivery, &verdict);
    verdict
}

/// Says how an attempt ended.
fn report(delivery: &Delivery, verdict: &Verdict) {
    let SlotKey {
        receiver,
        integration,
        ..
    } = &delivery.slot;
    let (reason, attempt) = (delivery.reason, delivery.attempt);
    match verdict {
        Verdict::Sent => {
            tracing::debug!(
                ?reason,
                attempt,
                "told receiver `{receiver}`, {integration}"
            );
        }
        Verdict::Retry { error, .. } => tracing::warn!(
            ?reason,
            attempt,
            "could not tell receiver `{receiver}`, {integration}: {error}; it is tried again"
        ),
        Verdict::Rejected { error } => tracing::error!(
            ?reason,
            attempt,
            "receiver `{receiver}`, {integration}, refused a notification: {error}; it is tried again when its group is due"
        ),
    }
}
