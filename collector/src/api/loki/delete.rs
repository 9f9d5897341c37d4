//! `delete`: asks for lines to be deleted, lists the requests, and cancels them.
//!
//! What is asked to be deleted is hidden when the answer comes, and removed from disk when
//! it cannot be cancelled any more (`logs.delete_cancel_seconds`).

use super::answer::LokiError;
use super::parameters::Parameters;
use super::query::compiled;
use super::{Api, tenant};
use crate::api::ApiError;
use crate::api::sites::refuse_other_sites;
use axum::Json;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use serde_json::{Number, Value, json};
use sonde_logql::LogQuery;
use sonde_logql::ast::Expr;
use sonde_logs::{DeleteError, DeleteRequest, DeleteStatus, NewDelete};
use sonde_proto::{Tenant, UnixNanos};

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
        query: query(&api, &tenant, &parameters).await?,
        start: parameters.time("start", now, now)?,
        end: parameters.time("end", now, now)?,
        created_at: now,
    };
    let asked = api.of(&tenant).ask(move |sources, _| {
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
    let asked = api
        .of(&tenant)
        .ask(move |sources, _| Ok(sources.stores.logs.deletes(&tenant)));
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
    let asked = api.of(&tenant).ask(move |sources, _| {
        let cancelled = sources.stores.logs.cancel_delete(&tenant, &id, force, now);
        cancelled.map_err(|error| refused(&error))
    });
    asked.await?;
    Ok(StatusCode::NO_CONTENT)
}

async fn query(api: &Api, tenant: &Tenant, parameters: &Parameters) -> Result<LogQuery, LokiError> {
    match parameters.query(api, tenant).await? {
        Expr::Log(log) => compiled(api, tenant, log).await,
        Expr::Metric(_) => Err(LokiError::bad_request(
            "query: a selector and line filters belong here, as in {app=\"shop\"} |= \"secret\"",
        )),
    }
}

fn refused(error: &DeleteError) -> ApiError {
    let message = error.to_string();
    match error {
        DeleteError::Unknown(_) => ApiError::not_found(message),
        DeleteError::TooMany(_) => ApiError {
            status: StatusCode::TOO_MANY_REQUESTS,
            message,
        },
        DeleteError::Store(_) | DeleteError::Unsynced { .. } => ApiError::internal(message),
        DeleteError::Stage(_)
        | DeleteError::Query { .. }
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
