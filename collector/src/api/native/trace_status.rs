//! `GET /status/traces`: what spans are stored, and what they cost: of the asking tenant, with the
//! services that have the most, and how long they are kept. Where whoever asks runs this
//! collector (`http.operator`), of the store, of all tenants, and what was left out too.

use super::log_status::dropped;
use super::{Api, ApiError, tenant};
use crate::api::Sources;
use axum::Json;
use axum::extract::{Query, State};
use axum::http::HeaderMap;
use serde::Deserialize;
use serde_json::{Value, json};
use sonde_proto::{Deadline, Tenant};
use sonde_traces::TraceUsage;

const TOP_DEFAULT: usize = 10;
const TOP_MAX: usize = 1000;
/// How many tenants are listed.
const TENANTS_MAX: usize = 1000;

#[derive(Debug, Deserialize)]
pub(super) struct Top {
    top: Option<usize>,
}

pub(super) async fn trace_status(
    State(api): State<Api>,
    headers: HeaderMap,
    Query(Top { top }): Query<Top>,
) -> Result<Json<Value>, ApiError> {
    let tenant = tenant(&headers)?;
    let top = top.unwrap_or(TOP_DEFAULT);
    if !(1..=TOP_MAX).contains(&top) {
        return Err(ApiError::bad_request(format!(
            "top: {top} is not between 1 and {TOP_MAX}"
        )));
    }
    let is_operator = api.is_operator;
    let answer = api
        .of(&tenant)
        .ask(move |sources, deadline| Ok(answer(sources, &tenant, top, is_operator, deadline)));
    answer.await.map(Json)
}

fn answer(
    sources: &Sources,
    tenant: &Tenant,
    top: usize,
    is_operator: bool,
    deadline: &Deadline,
) -> Value {
    let store = &sources.stores.traces;
    let others = if is_operator {
        store.tenants()
    } else {
        Vec::new()
    };
    let others = others.into_iter().filter(|other| other != tenant);
    let mut all = vec![store.usage_of(tenant, top, deadline)];
    all.extend(
        others
            .take(TENANTS_MAX)
            .map(|other| store.usage_of(&other, top, deadline)),
    );
    // One that has nothing is not there.
    all.retain(|usage| !is_operator || usage.spans > 0);
    let cut = all.iter().find_map(|usage: &TraceUsage| usage.cut.clone());
    let mut answer = json!({
        "tenant": tenant.as_str(),
        "usage": all,
        "retention": {
            "seconds": store.config().retention_seconds,
            "bytes_max": store.config().disk_bytes_max,
        },
        "cut": cut,
    });
    if is_operator {
        answer["store"] = json!(store.stats());
        answer["sampling"] = json!(store.sampling());
        let registries = &sources.observed.lock().registries;
        answer["dropped"] = json!(dropped(
            registries,
            "sonde_traces_spans_dropped_total",
            "traces"
        ));
    }
    answer
}
