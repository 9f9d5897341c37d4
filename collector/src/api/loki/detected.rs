//! `detected_fields`, `detected_field/{name}/values` and `detected_labels`: what one could
//! filter by. Fields are those of a sample of the newest lines.

use super::answer::LokiError;
use super::fields::Fields;
use super::labels::streams;
use super::parameters::{LABELS_PERIOD, Parameters, QUERY_PERIOD};
use super::query::{compiled, found, newest};
use super::{Api, tenant};
use axum::Json;
use axum::extract::{Path, State};
use axum::http::HeaderMap;
use serde_json::{Value, json};
use sonde_logql::ast::{Expr, LogExpr};
use std::collections::{BTreeMap, BTreeSet};

/// How many fields, or values, one answer has unless told otherwise.
const LIMIT_DEFAULT: usize = 1000;
/// How many lines are looked at.
const LINES_DEFAULT: usize = 1000;
const LINES_MAX: usize = 5000;
/// Labels that are shown though all their values are numbers or identifiers.
const ALWAYS: [&str; 4] = ["cluster", "namespace", "instance", "pod"];

pub(super) async fn fields(
    State(api): State<Api>,
    headers: HeaderMap,
    parameters: Parameters,
) -> Result<Json<Value>, LokiError> {
    let limit = parameters.number("limit", LIMIT_DEFAULT)?;
    let mut fields = sample(&api, &headers, &parameters, Fields::finish).await?;
    fields.truncate(limit);
    Ok(Json(json!({ "fields": fields, "limit": limit })))
}

pub(super) async fn values(
    State(api): State<Api>,
    headers: HeaderMap,
    Path(name): Path<String>,
    parameters: Parameters,
) -> Result<Json<Value>, LokiError> {
    let limit = parameters.number("limit", LIMIT_DEFAULT)?;
    let of = move |fields: Fields| fields.values(&name);
    let mut values = sample(&api, &headers, &parameters, of).await?;
    values.truncate(limit);
    Ok(Json(json!({ "values": values, "limit": limit })))
}

/// What `of` takes from the fields of the newest lines. Looking at them is part of the question:
/// it takes as long as finding them.
async fn sample<T: Send + 'static>(
    api: &Api,
    headers: &HeaderMap,
    parameters: &Parameters,
    of: impl FnOnce(Fields) -> T + Send + 'static,
) -> Result<T, LokiError> {
    let tenant = tenant(headers)?;
    let log = match parameters.get("query") {
        None => LogExpr::default(),
        Some(_) => match parameters.query(api, &tenant).await? {
            Expr::Log(log) => log,
            Expr::Metric(_) => {
                return Err(LokiError::bad_request(
                    "query: fields are those of lines; ask for lines, not for numbers",
                ));
            }
        },
    };
    let lines = parameters.number("line_limit", LINES_DEFAULT)?;
    let period = parameters.period(api.now(), QUERY_PERIOD)?;
    let query = compiled(api, &tenant, log).await?;
    let search = newest(query, period, lines.min(LINES_MAX));
    let mut fields = Fields::new()?;
    let looked = api.of(&tenant).ask(move |sources, deadline| {
        let found = found(sources, &tenant, search, deadline)?;
        for line in &found.lines {
            if deadline.has_passed() {
                break;
            }
            fields.add(line);
        }
        Ok(of(fields))
    });
    Ok(looked.await?)
}

/// Not in an envelope, as Loki has it.
pub(super) async fn labels(
    State(api): State<Api>,
    headers: HeaderMap,
    parameters: Parameters,
) -> Result<Json<Value>, LokiError> {
    let selector = parameters.selector(&api, &tenant(&headers)?).await?;
    let period = parameters.period(api.now(), LABELS_PERIOD)?;
    let found = streams(&api, &headers, selector, period).await?;
    let mut values: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
    for (name, value) in found.streams.iter().flat_map(|s| s.labels.iter()) {
        values.entry(name).or_default().insert(value);
    }
    let shown = values
        .iter()
        .filter(|(name, values)| ALWAYS.contains(name) || !values.iter().all(|v| is_id(v)));
    let shown = shown.map(|(name, values)| json!({ "label": name, "cardinality": values.len() }));
    Ok(Json(json!({ "detectedLabels": shown.collect::<Vec<_>>() })))
}

/// Whether a value is a number or a UUID: there is nothing to choose from among those.
fn is_id(value: &str) -> bool {
    let is_uuid = || {
        let groups: Vec<_> = value.split('-').map(str::len).collect();
        let is_hex = |c: char| c.is_ascii_hexdigit() || c == '-';
        groups == [8, 4, 4, 4, 12] && value.chars().all(is_hex)
    };
    value.parse::<f64>().is_ok() || is_uuid()
}
