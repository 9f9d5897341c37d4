//! `delete`: asks for lines to be deleted, lists the requests, and cancels them.
//!
//! What is asked to be deleted is hidden when the answer comes, and removed from disk when
//! it cannot be cancelled any more (`logs.delete_cancel_seconds`).

use super::answer::LokiError;
use super::parameters::Parameters;
use super::{Api, tenant};
use crate::api::ApiError;
use axum::Json;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, header};
use serde_json::{Number, Value, json};
use sonde_logql::LogQuery;
use sonde_logs::{DeleteError, DeleteRequest, DeleteStatus, NewDelete};
use sonde_proto::UnixNanos;

pub(super) async fn add(
    State(api): State<Api>,
    headers: HeaderMap,
    parameters: Parameters,
) -> Result<StatusCode, LokiError> {
    refuse_other_sites(&headers)?;
    let tenant = tenant(&headers)?;
    let now = api.now();
    parameters.required("start")?;
    let new = NewDelete {
        query: query(parameters.required("query")?)?,
        start: parameters.time("start", now, now)?,
        end: parameters.time("end", now, now)?,
        created_at: now,
    };
    let asked = api.ask(move |sources, _| {
        let added = sources.stores.logs.delete(&tenant, new);
        added.map_err(|error| refused(&error))
    });
    asked.await?;
    Ok(StatusCode::NO_CONTENT)
}

pub(super) async fn list(
    State(api): State<Api>,
    headers: HeaderMap,
) -> Result<Json<Value>, LokiError> {
    let tenant = tenant(&headers)?;
    let asked = api.ask(move |sources, _| Ok(sources.stores.logs.deletes(&tenant)));
    let requests = asked.await?;
    Ok(Json(requests.iter().map(shown).collect()))
}

pub(super) async fn cancel(
    State(api): State<Api>,
    headers: HeaderMap,
    parameters: Parameters,
) -> Result<StatusCode, LokiError> {
    refuse_other_sites(&headers)?;
    let tenant = tenant(&headers)?;
    let id = parameters.required("request_id")?.to_owned();
    let force = parameters.get("force") == Some("true");
    let now = api.now();
    let asked = api.ask(move |sources, _| {
        let cancelled = sources.stores.logs.cancel_delete(&tenant, &id, force, now);
        cancelled.map_err(|error| refused(&error))
    });
    asked.await?;
    Ok(StatusCode::NO_CONTENT)
}

fn query(text: &str) -> Result<LogQuery, LokiError> {
    match sonde_logql::parse(text)? {
        sonde_logql::ast::Expr::Log(log) => Ok(LogQuery::compile(&log)?),
        sonde_logql::ast::Expr::Metric(_) => Err(LokiError::bad_request(
            "query: a selector and line filters belong here, as in {app=\"shop\"} |= \"secret\"",
        )),
    }
}

/// A page of another site must not delete what the person who looks at it may delete: a
/// browser sends such a form without asking.
fn refuse_other_sites(headers: &HeaderMap) -> Result<(), LokiError> {
    let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
    let site = text("sec-fetch-site");
    let is_other = match (site, text("origin"), text(header::HOST.as_str())) {
        (Some(site), ..) => site != "same-origin" && site != "none",
        (None, Some(origin), host) => {
            let authority = origin.split_once("://").map(|(_, authority)| authority);
            authority.is_none() || authority != host
        }
        (None, None, _) => false,
    };
    if is_other {
        return Err(ApiError {
            status: StatusCode::FORBIDDEN,
            message: "a page of another site may not delete logs here".into(),
        }
        .into());
    }
    Ok(())
}

fn refused(error: &DeleteError) -> ApiError {
    let message = error.to_string();
    match error {
        DeleteError::Unknown(_) => ApiError::not_found(message),
        DeleteError::TooMany(_) => ApiError {
            status: StatusCode::TOO_MANY_REQUESTS,
            message,
        },
        DeleteError::Store(_) => ApiError::internal(message),
        DeleteError::Stage(_)
        | DeleteError::Times
        | DeleteError::Begun(_)
        | DeleteError::Processed(_) => ApiError::bad_request(message),
    }
}

fn shown(request: &DeleteRequest) -> Value {
    json!({
        "request_id": request.id,
        "start_time": seconds(request.start),
        "end_time": seconds(request.end),
        "query": request.query,
        "status": match request.status {
            DeleteStatus::Received => "received",
            DeleteStatus::Processed => "processed",
        },
        "created_at": seconds(request.created_at),
    })
}

/// Seconds since 1970, with milliseconds where there are any.
fn seconds(time: UnixNanos) -> Value {
    let millis = time.as_millis();
    match millis % 1000 {
        0 => (millis / 1000).into(),
        _ => Number::from_f64(millis as f64 / 1000.0).map_or(Value::Null, Value::Number),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn allowed(pairs: &[(&'static str, &str)]) -> bool {
        let pairs = pairs.iter().map(|(name, value)| {
            let name = header::HeaderName::from_static(name);
            (name, value.parse().unwrap())
        });
        refuse_other_sites(&pairs.collect()).is_ok()
    }

    #[test]
    fn pages_of_other_sites_are_refused_and_programs_are_not() {
        assert!(allowed(&[("host", "logs:7070")]));
        assert!(allowed(&[
            ("host", "logs:7070"),
            ("origin", "http://logs:7070")
        ]));
        assert!(allowed(&[
            ("sec-fetch-site", "same-origin"),
            ("origin", "http://x")
        ]));
        assert!(!allowed(&[
            ("host", "logs:7070"),
            ("origin", "http://evil.example")
        ]));
        assert!(!allowed(&[("host", "logs:7070"), ("origin", "null")]));
        assert!(!allowed(&[
            ("host", "logs:7070"),
            ("sec-fetch-site", "cross-site")
        ]));
    }

    #[test]
    fn times_are_seconds() {
        assert_eq!(seconds(UnixNanos::from_secs(1_700_000_000)), 1_700_000_000);
        assert_eq!(
            seconds(UnixNanos(1_700_000_000_250_000_000)),
            1_700_000_000.25
        );
    }
}
