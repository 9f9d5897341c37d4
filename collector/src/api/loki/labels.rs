//! `labels`, `label/{name}/values` and `series`.

use super::answer::{LokiError, read_failed, success_with};
use super::parameters::{LABELS_PERIOD, Parameters};
use super::{Api, tenant};
use crate::logs::{StreamUse, Streams};
use axum::extract::{Path, State};
use axum::http::HeaderMap;
use axum::response::Response;
use serde::Serialize;
use sonde_proto::{Matcher, UnixNanos};
use std::collections::BTreeSet;

pub(super) async fn names(
    State(api): State<Api>,
    headers: HeaderMap,
    parameters: Parameters,
) -> Result<Response, LokiError> {
    let names = |stream: StreamUse| {
        let names = stream.labels.iter().map(|(name, _)| name.to_owned());
        names.collect::<Vec<_>>()
    };
    let selector = parameters.selector(&api, &tenant(&headers)?).await?;
    distinct(&api, &headers, &parameters, vec![selector], names).await
}

pub(super) async fn values(
    State(api): State<Api>,
    headers: HeaderMap,
    Path(name): Path<String>,
    parameters: Parameters,
) -> Result<Response, LokiError> {
    let value = move |stream: StreamUse| {
        let value = stream.labels.get(&name);
        (!value.is_empty()).then(|| value.to_owned())
    };
    let selector = parameters.selector(&api, &tenant(&headers)?).await?;
    distinct(&api, &headers, &parameters, vec![selector], value).await
}

pub(super) async fn series(
    State(api): State<Api>,
    headers: HeaderMap,
    parameters: Parameters,
) -> Result<Response, LokiError> {
    let tenant = tenant(&headers)?;
    let common = parameters.selector(&api, &tenant).await?;
    let mut selectors = parameters.matches(&api, &tenant).await?;
    if selectors.is_empty() {
        selectors.push(Vec::new());
    }
    for selector in &mut selectors {
        selector.extend(common.iter().cloned());
    }
    let labels = |stream: StreamUse| Some(stream.labels);
    distinct(&api, &headers, &parameters, selectors, labels).await
}

/// What `of` takes from the streams that any of the selectors chooses in the period asked for,
/// each once: one question, with one time for all of it.
async fn distinct<T, I>(
    api: &Api,
    headers: &HeaderMap,
    parameters: &Parameters,
    selectors: Vec<Vec<Matcher>>,
    of: impl Fn(StreamUse) -> I + Send + 'static,
) -> Result<Response, LokiError>
where
    T: Ord + Serialize + Send + 'static,
    I: IntoIterator<Item = T>,
{
    let tenant = tenant(headers)?;
    let period = parameters.period(api.now(), LABELS_PERIOD)?;
    let answer = api.of(&tenant).ask(move |sources, deadline| {
        let mut all = BTreeSet::new();
        let mut cut = None;
        for selector in &selectors {
            let found = sources.logs.streams(&tenant, selector, period, deadline);
            let found = found.map_err(|error| read_failed(&error))?;
            all.extend(found.streams.into_iter().flat_map(&of));
            cut = cut.or(found.reading.cut);
        }
        Ok(success_with(all, cut))
    });
    Ok(answer.await?)
}

/// The streams of a period.
pub(super) async fn streams(
    api: &Api,
    headers: &HeaderMap,
    selector: Vec<Matcher>,
    period: (UnixNanos, UnixNanos),
) -> Result<Streams, LokiError> {
    let tenant = tenant(headers)?;
    let found = api.of(&tenant).ask(move |sources, deadline| {
        let found = sources.logs.streams(&tenant, &selector, period, deadline);
        found.map_err(|error| read_failed(&error))
    });
    Ok(found.await?)
}
