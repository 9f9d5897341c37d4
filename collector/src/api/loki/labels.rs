//! `labels`, `label/{name}/values` and `series`.

use super::answer::{LokiError, read_failed, success_with};
use super::parameters::{LABELS_PERIOD, Parameters};
use super::{Api, tenant};
use crate::logs::Streams;
use axum::extract::{Path, State};
use axum::http::HeaderMap;
use axum::response::Response;
use sonde_proto::{Labels, Matcher, UnixNanos};
use std::collections::BTreeSet;

pub(super) async fn names(
    State(api): State<Api>,
    headers: HeaderMap,
    parameters: Parameters,
) -> Result<Response, LokiError> {
    let found = chosen(&api, &headers, &parameters, Vec::new()).await?;
    let labels = found.streams.iter().flat_map(|s| s.labels.iter());
    let names: BTreeSet<&str> = labels.map(|(name, _)| name).collect();
    Ok(success_with(names, found.reading.cut))
}

pub(super) async fn values(
    State(api): State<Api>,
    headers: HeaderMap,
    Path(name): Path<String>,
    parameters: Parameters,
) -> Result<Response, LokiError> {
    let found = chosen(&api, &headers, &parameters, Vec::new()).await?;
    let values = found.streams.iter().map(|s| s.labels.get(&name));
    let values: BTreeSet<&str> = values.filter(|value| !value.is_empty()).collect();
    Ok(success_with(values, found.reading.cut))
}

pub(super) async fn series(
    State(api): State<Api>,
    headers: HeaderMap,
    parameters: Parameters,
) -> Result<Response, LokiError> {
    // Both spellings are in use.
    let texts = parameters.all("match[]").chain(parameters.all("match"));
    let selectors: Result<Vec<_>, _> = texts.map(sonde_logql::parse_selector).collect();
    let mut all: BTreeSet<Labels> = BTreeSet::new();
    let mut cut = None;
    let selectors = selectors?;
    let every = vec![Vec::new()];
    for selector in if selectors.is_empty() {
        every
    } else {
        selectors
    } {
        let found = chosen(&api, &headers, &parameters, selector).await?;
        all.extend(found.streams.into_iter().map(|stream| stream.labels));
        cut = cut.or(found.reading.cut);
    }
    Ok(success_with(all, cut))
}

/// The streams that `query` and `selector` choose in the period asked for.
async fn chosen(
    api: &Api,
    headers: &HeaderMap,
    parameters: &Parameters,
    mut selector: Vec<Matcher>,
) -> Result<Streams, LokiError> {
    selector.extend(parameters.selector()?);
    let period = parameters.period(api.now(), LABELS_PERIOD)?;
    streams(api, headers, selector, period).await
}

/// The streams of a period.
pub(super) async fn streams(
    api: &Api,
    headers: &HeaderMap,
    selector: Vec<Matcher>,
    period: (UnixNanos, UnixNanos),
) -> Result<Streams, LokiError> {
    let tenant = tenant(headers)?;
    let found = api.ask(move |sources, deadline| {
        let found = sources.logs.streams(&tenant, &selector, period, deadline);
        found.map_err(|error| read_failed(&error))
    });
    Ok(found.await?)
}
