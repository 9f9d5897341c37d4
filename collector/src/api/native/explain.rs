//! `GET /explain`: how a LogQL query is carried out, and what carrying it out took.

use super::{Api, ApiError, SearchParameters, tenant};
use crate::api::Sources;
use crate::logs::{LineSearch, Reading};
use axum::Json;
use axum::extract::{Query, State};
use axum::http::HeaderMap;
use serde_json::{Value, json};
use sonde_logql::ast::{Binary, Expr, LogExpr, MetricExpr};
use sonde_logql::eval::{self, EvalLimits};
use sonde_logql::{LogQuery, QueryError};
use sonde_logs::Direction;
use sonde_proto::{Deadline, Tenant, UnixNanos};
use std::time::{Duration, Instant};

/// How many literals of a filter are shown, and how long each may be.
const LITERALS_MAX: usize = 20;
const LITERAL_CHARS: usize = 200;

pub(super) async fn explain(
    State(api): State<Api>,
    headers: HeaderMap,
    Query(parameters): Query<SearchParameters>,
) -> Result<Json<Value>, ApiError> {
    let tenant = tenant(&headers)?;
    let period = parameters.period(api.now())?;
    let limit = parameters.limit()?;
    let text = parameters.query.clone();
    let planned = api.of(&tenant).read(move || planned(&text)).await?;
    let (expr, plans) = planned.map_err(|error| ApiError::bad_request(error.to_string()))?;
    let text = expr.to_string();
    let read = api
        .of(&tenant)
        .ask(move |sources, deadline| carry_out(sources, &tenant, &expr, period, limit, deadline))
        .await?;
    Ok(Json(json!({ "query": text, "scans": plans, "read": read })))
}

/// The query that a text is, and what it asks of the store.
fn planned(text: &str) -> Result<(Expr, Vec<Value>), QueryError> {
    let expr = sonde_logql::parse(text)?;
    let mut scans = Vec::new();
    match &expr {
        Expr::Log(log) => scans.push(log),
        Expr::Metric(metric) => collect(metric, &mut scans),
    }
    let plans: Result<Vec<_>, _> = scans.into_iter().map(plan).collect();
    Ok((expr, plans?))
}

/// What is asked of the store for lines, or for one aggregation over them.
fn plan(log: &LogExpr) -> Result<Value, sonde_logql::CompileError> {
    let query = LogQuery::compile(log)?;
    let filters = query.filters().iter().map(|filter| {
        let literals = filter.any_of().map(|literals| {
            let shown = literals.iter().take(LITERALS_MAX);
            shown.map(|literal| text(literal)).collect::<Vec<_>>()
        });
        let contains = filter.as_contains();
        json!({
            "contains": contains.map(|(bytes, _)| text(bytes)),
            "negated": contains.is_some_and(|(_, is_negated)| is_negated),
            // A line that passes holds at least one of these, so the index narrows by them.
            "narrows_by_one_of": literals,
        })
    });
    let matchers = query.matchers().iter().map(ToString::to_string);
    let needs = query.pipeline().needs();
    Ok(json!({
        "log": log.to_string(),
        "matchers": matchers.collect::<Vec<_>>(),
        "line_filters": filters.collect::<Vec<_>>(),
        "narrows_by_attributes": query.pipeline().equalities(),
        "pipeline": {
            "empty": query.pipeline().is_empty(),
            "reads_lines": needs.lines,
            "reads_metadata": needs.metadata,
        },
    }))
}

fn text(bytes: &[u8]) -> String {
    let text = String::from_utf8_lossy(bytes);
    text.chars().take(LITERAL_CHARS).collect()
}

/// The logs under an expression, in the order written.
fn collect<'e>(expr: &'e MetricExpr, into: &mut Vec<&'e LogExpr>) {
    match expr {
        MetricExpr::Number(_) | MetricExpr::Vector(_) => {}
        MetricExpr::Range(range) => into.push(&range.log),
        MetricExpr::Aggregate(aggregation) => collect(&aggregation.expr, into),
        MetricExpr::LabelReplace(replace) => collect(&replace.expr, into),
        MetricExpr::Binary(binary) => {
            let Binary { left, right, .. } = &**binary;
            collect(left, into);
            collect(right, into);
        }
    }
}

fn carry_out(
    sources: &Sources,
    tenant: &Tenant,
    expr: &Expr,
    (start, end): (UnixNanos, UnixNanos),
    limit: usize,
    deadline: &Deadline,
) -> Result<Value, ApiError> {
    let begun = Instant::now();
    let (reading, returned) = match expr {
        Expr::Log(log) => {
            let query = LogQuery::compile(log);
            let search = LineSearch {
                query: query.map_err(|error| ApiError::bad_request(error.to_string()))?,
                start,
                end,
                limit,
                direction: Direction::Backward,
                interval: Duration::ZERO,
                deadline: deadline.clone(),
            };
            let found = sources.logs.search(tenant, &search);
            let found = found.map_err(|error| ApiError::unprocessable(error.to_string()))?;
            (found.reading, Some(found.lines.len()))
        }
        Expr::Metric(metric) => {
            let source = sources.logs.source(tenant, deadline);
            let limits = EvalLimits::default();
            let value = eval::instant(metric, end, &source, &limits, deadline);
            value.map_err(|error| ApiError::unprocessable(error.to_string()))?;
            (source.reading(), None)
        }
    };
    Ok(read(&reading, returned, begun.elapsed()))
}

fn read(reading: &Reading, returned: Option<usize>, time: Duration) -> Value {
    json!({
        "records": reading.records,
        "line_bytes": reading.line_bytes,
        "bytes_read": reading.bytes_read,
        "terms": reading.terms,
        "segments_visited": reading.segments_visited,
        "segments_skipped": reading.segments_skipped,
        "blocks_candidates": reading.blocks_candidates,
        "blocks_visited": reading.blocks_visited,
        "returned": returned,
        "searched_through": reading.searched_through,
        "milliseconds": u64::try_from(time.as_millis()).unwrap_or(u64::MAX),
        "cut": reading.cut,
    })
}
