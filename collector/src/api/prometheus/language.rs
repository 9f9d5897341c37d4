//! `format_query` and `parse_query`: an expression, not its answer.

use super::envelope::no_expression;
use super::{Api, Failure, Parameters, success, tenant};
use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::Response;
use sonde_metrics::promql::{self, ast::Expr};

/// The expression on as many lines as it takes.
pub(super) async fn format_query(
    State(api): State<Api>,
    headers: HeaderMap,
    parameters: Parameters,
) -> Result<Response, Failure> {
    let expr = parsed(&api, &headers, &parameters).await?;
    Ok(success(promql::pretty(&expr)))
}

/// The expression as a tree.
pub(super) async fn parse_query(
    State(api): State<Api>,
    headers: HeaderMap,
    parameters: Parameters,
) -> Result<Response, Failure> {
    let expr = parsed(&api, &headers, &parameters).await?;
    Ok(success(promql::to_json(&expr)))
}

async fn parsed(api: &Api, headers: &HeaderMap, parameters: &Parameters) -> Result<Expr, Failure> {
    let tenant = tenant(headers)?;
    let text = parameters.text("query").to_owned();
    let features = *api.sources.stores.metrics.features();
    let read = api
        .of(&tenant)
        .read(move || promql::parse(&text, &features));
    read.await?.map_err(|error| no_expression("query", error))
}
