//! Is it alive, is it ready, what does it count.

use super::Api;
use crate::consume::Progress;
use axum::Router;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use prometheus_client::encoding::text;
use sonde_proto::Signal;
use std::sync::Arc;

pub(super) fn router() -> Router<Api> {
    Router::new()
        .route("/healthz", get(async || "ok\n"))
        .route("/readyz", get(ready))
        // As Loki calls it.
        .route("/ready", get(ready))
        .route("/metrics", get(metrics))
}

/// Ready once the stores show everything that the journal held at the start, and while
/// every consumer runs.
pub(super) async fn ready(State(api): State<Api>) -> Response {
    match why_not_ready(&api.sources.progress) {
        None => "ready\n".into_response(),
        Some(why) => (StatusCode::SERVICE_UNAVAILABLE, why).into_response(),
    }
}

fn why_not_ready(progress: &[(Signal, Arc<Progress>)]) -> Option<String> {
    let those = |is: fn(&Progress) -> bool| {
        let found = progress.iter().filter(|(_, progress)| is(progress));
        let names: Vec<_> = found.map(|(signal, _)| signal.as_str()).collect();
        (!names.is_empty()).then(|| names.join(", "))
    };
    if let Some(failed) = those(Progress::failed) {
        return Some(format!(
            "not consumed any more after a defect, which the log shows: {failed}; restart the collector, which goes on from the journal\n"
        ));
    }
    let behind = those(|progress| !progress.caught_up())?;
    Some(format!("replaying the journal of: {behind}\n"))
}

async fn metrics(State(api): State<Api>) -> Response {
    let mut body = String::new();
    let observed = api.sources.observed.lock();
    let written = observed
        .registries
        .iter()
        .try_for_each(|registry| text::encode_registry(&mut body, registry));
    match written.and_then(|()| text::encode_eof(&mut body)) {
        Ok(()) => {
            let content_type = "application/openmetrics-text; version=1.0.0; charset=utf-8";
            ([(header::CONTENT_TYPE, content_type)], body).into_response()
        }
        Err(error) => (StatusCode::INTERNAL_SERVER_ERROR, error.to_string()).into_response(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_ready_when_all_have_caught_up_and_run() {
        let check = |spans: (bool, bool), expected: Option<&str>| {
            let progress = [
                (Signal::Logs, Progress::of(true, false)),
                (Signal::Spans, Progress::of(spans.0, spans.1)),
            ];
            let why = why_not_ready(&progress);
            assert_eq!(why.is_some(), expected.is_some(), "{why:?}");
            assert!(why.unwrap_or_default().contains(expected.unwrap_or("")));
        };
        check((true, false), None);
        check((false, false), Some("replaying the journal of: spans\n"));
        check((true, true), Some("which the log shows: spans;"));
        check((false, true), Some("which the log shows: spans;"));
    }
}
