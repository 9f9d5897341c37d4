//! `series`, `labels` and `label/{name}/values`.

use super::envelope::{TRUNCATED, list, query_failed};
use super::parameters::{Moment, Parameters};
use super::{Api, Failure, success, tenant};
use axum::extract::{Path, State};
use axum::http::HeaderMap;
use axum::response::Response;
use serde::Serialize;
use sonde_exposition::unescape_name;
use sonde_metrics::{Limited, Lookup, MetricStore, QueryError};
use sonde_proto::{Matcher, Tenant, UnixNanos};

pub(super) async fn series(
    State(api): State<Api>,
    headers: HeaderMap,
    parameters: Parameters,
) -> Result<Response, Failure> {
    let tenant = tenant(&headers)?;
    let asked = Asked::read(&api, &headers, &parameters).await?;
    if asked.selectors.is_empty() {
        return Err(Failure::bad_data("no match[] parameter provided".into()));
    }
    let of = tenant.clone();
    let find = move |store: &MetricStore, lookup: &Lookup<'_>| store.series(&of, lookup);
    asked.answer(&api, &tenant, find).await
}

pub(super) async fn labels(
    State(api): State<Api>,
    headers: HeaderMap,
    parameters: Parameters,
) -> Result<Response, Failure> {
    let tenant = tenant(&headers)?;
    let asked = Asked::read(&api, &headers, &parameters).await?;
    let of = tenant.clone();
    let find = move |store: &MetricStore, lookup: &Lookup<'_>| store.label_names(&of, lookup);
    asked.answer(&api, &tenant, find).await
}

pub(super) async fn values(
    State(api): State<Api>,
    headers: HeaderMap,
    Path(name): Path<String>,
    parameters: Parameters,
) -> Result<Response, Failure> {
    let tenant = tenant(&headers)?;
    let name = unescape_name(&name).into_owned();
    let asked = Asked::read(&api, &headers, &parameters).await?;
    let of = tenant.clone();
    let find =
        move |store: &MetricStore, lookup: &Lookup<'_>| store.label_values(&of, &name, lookup);
    asked.answer(&api, &tenant, find).await
}

struct Asked {
    selectors: Vec<Vec<Matcher>>,
    start: UnixNanos,
    end: UnixNanos,
    /// Whether samples can lie between start and end at all.
    is_kept: bool,
    limit: usize,
}

impl Asked {
    async fn read(
        api: &Api,
        headers: &HeaderMap,
        parameters: &Parameters,
    ) -> Result<Self, Failure> {
        let now = api.now();
        let start = parameters.time("start", Moment::MIN, now)?;
        let end = parameters.time("end", Moment::MAX, now)?;
        Ok(Self {
            selectors: parameters.selectors(api, headers).await?,
            start: start.clamped(),
            end: end.clamped(),
            is_kept: start <= end && end.0 >= 0 && start <= Moment::LAST,
            limit: parameters.limit()?,
        })
    }

    async fn answer<T: Serialize + Send + 'static>(
        self,
        api: &Api,
        tenant: &Tenant,
        find: impl FnOnce(&MetricStore, &Lookup<'_>) -> Result<Limited<T>, QueryError> + Send + 'static,
    ) -> Result<Response, Failure> {
        if !self.is_kept {
            return Ok(success([(); 0]));
        }
        let found = api.of(tenant).ask(move |sources, deadline| {
            let lookup = Lookup {
                selectors: &self.selectors,
                start: self.start,
                end: self.end,
                limit: self.limit,
                deadline,
            };
            find(&sources.stores.metrics, &lookup).map_err(|error| query_failed(&error))
        });
        let found = found.await?;
        let warnings = found.is_cut.then(|| TRUNCATED.to_owned());
        Ok(list(found.items, warnings.as_slice()))
    }
}
