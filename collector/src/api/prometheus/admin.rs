//! `admin/tsdb/delete_series`, `clean_tombstones` and `snapshot`, behind `metrics.admin_api`.
//!
//! A deletion is for what was acknowledged before it was asked for: it waits until all of that
//! is in the store.

use super::parameters::{Moment, Parameters};
use super::{Api, Failure, success, tenant};
use crate::api::ApiError;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse as _, Response};
use jiff::Timestamp;
use serde_json::json;
use sonde_metrics::{Delete, DeleteError, StoreError};
use sonde_proto::{Partition, Signal, UnixNanos};

/// Where snapshots lie beside the stores.
const SNAPSHOTS: &str = "snapshots";
/// Each is what `data_dir` names: the collector has this directory of it.
const COLLECTOR: &str = "collector";

pub(super) async fn order(
    State(api): State<Api>,
    Path(what): Path<String>,
    headers: HeaderMap,
    parameters: Parameters,
) -> Result<Response, Failure> {
    if !api.sources.stores.metrics.config().admin_api {
        return Err(Failure::unavailable("admin APIs disabled".into()));
    }
    match what.as_str() {
        "delete_series" => delete(&api, &headers, &parameters).await,
        "clean_tombstones" => clean(&api).await,
        "snapshot" => snapshot(&api, &parameters).await,
        _ => Err(Failure::not_found("there is no such endpoint".into())),
    }
}

async fn delete(
    api: &Api,
    headers: &HeaderMap,
    parameters: &Parameters,
) -> Result<Response, Failure> {
    let tenant = tenant(headers)?;
    let now = api.now();
    let selectors = parameters.selectors(api, headers).await?;
    if selectors.is_empty() {
        return Err(Failure::bad_data("no match[] parameter provided".into()));
    }
    let start = parameters.time("start", Moment::MIN, now)?;
    let end = parameters.time("end", Moment::MAX, now)?;
    all_applied(api).await?;
    carry_out(api, move |api| {
        let delete = Delete {
            selectors: &selectors,
            start: start.0,
            end: end.0,
        };
        let deleted = api.sources.stores.metrics.delete(&tenant, &delete, now);
        deleted.map_err(|error| match error {
            DeleteError::TooMany => ApiError::unprocessable(error.to_string()),
            DeleteError::Store(error) => failed(&error),
        })
    })
    .await?;
    Ok(StatusCode::NO_CONTENT.into_response())
}

async fn clean(api: &Api) -> Result<Response, Failure> {
    carry_out(api, |api| {
        let cleaned = api.sources.stores.metrics.clean_deleted();
        cleaned.map_err(|error| failed(&error))
    })
    .await?;
    Ok(StatusCode::NO_CONTENT.into_response())
}

async fn snapshot(api: &Api, parameters: &Parameters) -> Result<Response, Failure> {
    let sealed_only = match parameters.text("skip_head") {
        "" => false,
        text => text.parse().map_err(|_| {
            let why = format!(
                "unable to parse boolean \"skip_head\" argument: {text:?} is not true or false"
            );
            Failure::parameter("skip_head", why)
        })?,
    };
    if !sealed_only {
        all_applied(api).await?;
    }
    let now = api.now();
    let name = name(now);
    let taken = name.clone();
    carry_out(api, move |api| {
        let store = &api.sources.stores.metrics;
        let above = store.dir().parent().unwrap_or(store.dir());
        let dir = above.join(SNAPSHOTS).join(taken).join(COLLECTOR);
        let made = std::fs::create_dir_all(&dir).map_err(|error| {
            let dir = dir.display();
            ApiError::internal(format!("cannot create {dir}: {error}; is the disk full?"))
        });
        made?;
        let written = store.snapshot(&dir.join("metrics"), sealed_only, now);
        written.map_err(|error| failed(&error))
    })
    .await?;
    Ok(success(json!({ "name": name })))
}

/// As Prometheus names them: the time, and what tells those of one second apart.
fn name(now: UnixNanos) -> String {
    let seconds = i64::try_from(now.0 / 1_000_000_000).unwrap_or_default();
    let time = Timestamp::from_second(seconds).unwrap_or_default();
    let nanos = now.0 % 1_000_000_000;
    format!("{}-{nanos:016x}", time.strftime("%Y%m%dT%H%M%SZ"))
}

/// Waits until everything that is acknowledged is in the store.
async fn all_applied(api: &Api) -> Result<(), Failure> {
    let sources = &api.sources;
    let end = sources
        .journal
        .durable_end(Partition::first(Signal::Metrics));
    let mut progress = sources.progress.iter();
    let Some((_, progress)) = progress.find(|(signal, _)| *signal == Signal::Metrics) else {
        return Ok(());
    };
    let mut applied = progress.follow();
    let has_come = applied.wait_for(|applied| *applied >= end);
    match tokio::time::timeout(api.query_time_max, has_come).await {
        Ok(Ok(_)) => Ok(()),
        _ => Err(Failure::unavailable(
            "what was received is not in the metric store yet; retry later".into(),
        )),
    }
}

/// Runs it to its end on a thread of its own, whoever waits.
async fn carry_out(
    api: &Api,
    order: impl FnOnce(&Api) -> Result<(), ApiError> + Send + 'static,
) -> Result<(), Failure> {
    let api = api.clone();
    let done = tokio::task::spawn_blocking(move || order(&api)).await;
    done.unwrap_or_else(|_| Err(ApiError::internal("this is a defect, please report it")))?;
    Ok(())
}

fn failed(error: &StoreError) -> ApiError {
    ApiError::internal(error.to_string())
}
