//! `GET /status`: what is stored, how far everything has come, what went wrong.

use super::Api;
use crate::api::Sources;
use axum::Json;
use axum::extract::State;
use serde_json::{Map, Value, json};
use sonde_alerts::Outcome;
use sonde_proto::{Partition, UnixNanos};

pub(super) async fn status(State(api): State<Api>) -> Json<Value> {
    let now = api.now();
    Json(render(&api.sources, now))
}

fn render(sources: &Sources, now: UnixNanos) -> Value {
    let agent = sources
        .observed
        .lock()
        .agent
        .as_ref()
        .map(|status| status());
    json!({
        "version": env!("CARGO_PKG_VERSION"),
        "started": sources.started,
        "now": now,
        "journal": journal(sources),
        "stores": {
            "logs": sources.stores.logs.stats(),
            "traces": sources.stores.traces.stats(),
            "metrics": sources.stores.metrics.stats(),
        },
        "agent": agent,
        "alerts": alerts(sources),
    })
}

fn journal(sources: &Sources) -> Value {
    let mut partitions = Map::new();
    for (signal, progress) in &sources.progress {
        let partition = Partition::first(*signal);
        partitions.insert(
            signal.as_str().into(),
            json!({
                "first": sources.journal.first(partition),
                "end": sources.journal.durable_end(partition),
                "applied": progress.applied_to(),
                "caught_up": progress.caught_up(),
                "failed": progress.failed(),
                "troubles": progress.troubles(),
            }),
        );
    }
    Value::Object(partitions)
}

fn alerts(sources: &Sources) -> Value {
    let firing = sources
        .alerts
        .list()
        .iter()
        .filter(|alert| alert.ends_at.is_none())
        .count();
    let notifications = sources.alerts.notifications(usize::MAX);
    let sent = notifications
        .iter()
        .filter(|n| n.outcome == Outcome::Sent)
        .count();
    json!({
        "firing": firing,
        "notifications_sent": sent,
        "notifications_failed": notifications.len() - sent,
    })
}
