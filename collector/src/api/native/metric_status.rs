//! `GET /status/metrics`: how many series the asking tenant has in memory, how many it may have,
//! which metrics, labels and values make them so many, and which metrics had series refused. Where whoever asks runs this
//! collector (`http.operator`), of the store and of what was refused too.

use super::log_status::dropped;
use super::{Api, ApiError, tenant};
use axum::Json;
use axum::extract::{Query, State};
use axum::http::HeaderMap;
use serde::Deserialize;
use serde_json::{Value, json};
use sonde_metrics::Metadata;

const TOP_DEFAULT: usize = 10;
const TOP_MAX: usize = 1000;

#[derive(Debug, Deserialize)]
pub(super) struct Top {
    top: Option<usize>,
}

pub(super) async fn metric_status(
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
    let answer = api.of(&tenant).ask(move |sources, deadline| {
        let store = &sources.stores.metrics;
        let cardinality = store
            .cardinality(&tenant, top, deadline)
            .map_err(|error| ApiError::timeout(error.to_string()))?;
        let mut answer = json!({
            "tenant": tenant.as_str(),
            "series_max": store.config().series_max_of(&tenant),
            "offenders": store.offenders(&tenant, top),
            "conflicts": conflicts(&store.metadata(&tenant), top),
            "cardinality": cardinality,
        });
        if is_operator {
            answer["store"] = json!(store.stats());
            answer["series_total_max"] = json!(store.config().series_total_max);
            let registries = &sources.observed.lock().registries;
            let refused = dropped(registries, "sonde_metrics_refused_samples_total", "metrics");
            answer["refused"] = json!(refused);
        }
        Ok(answer)
    });
    answer.await.map(Json)
}

/// Names that came with several types or units.
fn conflicts(known: &[Metadata], most: usize) -> Vec<Value> {
    let of_name = known.chunk_by(|a, b| a.name == b.name);
    let several = of_name.filter(|all| all.len() > 1).take(most);
    several
        .map(|all| {
            let types = all.iter().map(|one| match one.unit.as_str() {
                "" => one.kind.to_owned(),
                unit => format!("{} in {unit}", one.kind),
            });
            json!({ "name": all[0].name, "types": types.collect::<Vec<_>>() })
        })
        .collect()
}
