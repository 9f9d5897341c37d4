//! The chain from a broken service to a person, link by link, each proved by asking the
//! APIs that people use.

use super::customers::Seen;
use super::inbox::Inbox;
use super::shop::{BROKEN, SERVICES};
use crate::Failure;
use crate::client::Client;
use crate::render;
use serde_json::Value;
use std::collections::BTreeSet;

/// The alert that the fault leads to.
pub(super) const ALERT: &str = "HighErrorRatio";

/// One link, in the order in which they come to hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Link {
    /// The services' requests are counted.
    Red,
    /// The node's use is computed.
    Use,
    /// A failed request is found by its ID, with its trace and its logs.
    Lookup,
    /// An alert fires on the broken service.
    Alert,
    /// It arrived in the inbox.
    Inbox,
    /// Its page shows rate, errors, durations, an example trace, its logs and the node.
    Page,
}

impl Link {
    /// All links.
    pub(super) const ALL: [Self; 6] = [
        Self::Red,
        Self::Use,
        Self::Lookup,
        Self::Alert,
        Self::Inbox,
        Self::Page,
    ];

    /// What holds once the link does.
    pub(super) fn promise(self) -> &'static str {
        match self {
            Self::Red => "request rates of every service, computed from all spans",
            Self::Use => "this node's utilisation, saturation and errors",
            Self::Lookup => "a failed request found by its ID, with trace, logs and alert",
            Self::Alert => "an alert fires on the broken service",
            Self::Inbox => "the alert arrived in the inbox",
            Self::Page => "the alert's page leads to its cause",
        }
    }
}

/// What is asked, and whom.
pub(super) struct Chain {
    client: Client,
    fingerprint: Option<String>,
}

impl Chain {
    pub(super) fn new(client: Client) -> Self {
        Self {
            client,
            fingerprint: None,
        }
    }

    /// The fingerprint of the alert, once it fires.
    pub(super) fn fingerprint(&self) -> Option<&str> {
        self.fingerprint.as_deref()
    }

    /// Whether a link holds now: what was seen, or nothing yet.
    ///
    /// # Errors
    /// When a collector of this very process does not answer.
    pub(super) async fn holds(
        &mut self,
        link: Link,
        seen: &Seen,
        inbox: &Inbox,
    ) -> Result<Option<String>, Failure> {
        match link {
            Link::Red => self.red().await,
            Link::Use => self.use_signals().await,
            Link::Lookup => self.lookup(seen).await,
            Link::Alert => self.alert().await,
            Link::Inbox => Ok(inbox.message_with(&[ALERT, BROKEN]).map(|message| {
                let title = message["attachments"][0]["title"]
                    .as_str()
                    .unwrap_or("")
                    .trim()
                    .to_owned();
                format!("Slack message {title:?}")
            })),
            Link::Page => self.page().await,
        }
    }

    async fn red(&self) -> Result<Option<String>, Failure> {
        let services = self.client.get("/sonde/v1/services", &[]).await?.json;
        let with_rate = render::list(&services, "services")
            .iter()
            .filter(|s| s["rate"].as_f64() > Some(0.0));
        let shown: Vec<_> = with_rate
            .map(|s| {
                format!(
                    "{} {:.1}/s",
                    render::text(s, "name"),
                    s["rate"].as_f64().unwrap_or(0.0)
                )
            })
            .collect();
        Ok((shown.len() >= SERVICES).then(|| shown.join(", ")))
    }

    async fn use_signals(&self) -> Result<Option<String>, Failure> {
        let signals = self
            .client
            .get("/sonde/v1/signals/use", &[("start", "-5m")])
            .await?
            .json;
        let signals = render::list(&signals, "signals");
        let resources: BTreeSet<_> = signals
            .iter()
            .map(|signal| render::text(signal, "resource"))
            .collect();
        let all = ["cpu", "memory", "disk", "network"]
            .iter()
            .all(|resource| resources.contains(resource));
        Ok(all.then(|| {
            format!(
                "{} signals of {}",
                signals.len(),
                Vec::from_iter(resources).join(", ")
            )
        }))
    }

    async fn lookup(&self, seen: &Seen) -> Result<Option<String>, Failure> {
        let Some(id) = seen.failed_request() else {
            return Ok(None);
        };
        let found = self
            .client
            .get(&format!("/sonde/v1/lookup/{id}"), &[])
            .await?
            .json;
        let traces = render::list(&found, "traces");
        let spans: usize = traces
            .iter()
            .map(|trace| render::list(trace, "spans").len())
            .sum();
        let services: BTreeSet<_> = traces
            .iter()
            .flat_map(|t| render::list(t, "spans"))
            .map(|s| render::text(s, "service"))
            .collect();
        let (logs, alerts) = (
            render::list(&found, "logs").len(),
            render::list(&found, "alerts").len(),
        );
        let whole =
            traces.len() == 1 && services.len() == SERVICES && logs >= SERVICES && alerts >= 1;
        Ok(whole.then(|| {
            format!(
                "{id}: {spans} spans of {} services, {logs} log lines, {alerts} alerts",
                services.len()
            )
        }))
    }

    async fn alert(&mut self) -> Result<Option<String>, Failure> {
        let alerts = self.client.get("/sonde/v1/alerts", &[]).await?.json;
        let ours = |alert: &&Value| {
            alert["labels"]["alertname"] == ALERT
                && alert["labels"]["service"] == BROKEN
                && alert["ends_at"].is_null()
        };
        let Some(alert) = render::list(&alerts, "alerts").iter().find(ours) else {
            return Ok(None);
        };
        self.fingerprint = alert["fingerprint"].as_str().map(str::to_owned);
        Ok(Some(format!(
            "{ALERT}: {}",
            render::text(&alert["annotations"], "summary")
        )))
    }

    async fn page(&self) -> Result<Option<String>, Failure> {
        let Some(fingerprint) = &self.fingerprint else {
            return Ok(None);
        };
        let view = self
            .client
            .get(&format!("/sonde/v1/alerts/{fingerprint}"), &[])
            .await?
            .json;
        let red = ["rate", "errors", "p99_seconds"]
            .iter()
            .all(|part| !render::list(&view["red"], part).is_empty());
        let spans = render::list(&view["example_trace"], "spans").len();
        let (logs, node) = (
            render::list(&view, "logs").len(),
            render::list(&view, "use").len(),
        );
        let sent = render::list(&view, "notifications")
            .iter()
            .any(|n| n["outcome"] == "sent");
        let whole = red && spans > 0 && logs > 0 && node > 0 && sent;
        Ok(whole.then(|| {
            format!("rate, errors and durations; an example trace of {spans} spans with {logs} log lines; {node} signals of the node")
        }))
    }
}
