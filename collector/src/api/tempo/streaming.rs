//! `tempopb.StreamingQuerier`: search, tags and metrics over gRPC, which Grafana calls on the
//! data source's host and port where streaming is on. What is asked is what the same question
//! asks over HTTP.
//!
//! A search tells each trace once, and no trace before one that is newer: all that was told is
//! what the answer begins with, whenever a client stops listening. Series are told again and
//! again as they grow, and the last ones stand.

use super::answer::TempoError;
use super::protobuf::{
    ExemplarMessage, FoundMessage, InstantSeries, MetricsRequest, PartialStatus, Question,
    RangeSeries, SampleMessage, ScopeMessage, ScopesResponse, SearchMetrics, SearchRequest,
    SearchResponse, SeriesResponse, TagMetrics, TagsRequest, TextsResponse, ValueMessage,
    ValuesRequest, ValuesResponse, labels,
};
use super::{metrics, search, tags, tenant};
use crate::api::grpc::{Last, Parts, in_parts, many, part_of, service};
use crate::api::{Api, ApiError};
use axum::Router;
use axum::http::HeaderMap;
use prost::Message;
use sonde_proto::UnixNanos;
use sonde_traces::{MetricsAnswer, MetricsProgress, Search, SearchProgress, Series, TagAnswer};
use tonic::Status;

/// Progress is told in so many parts.
const JOBS: u32 = 100;

pub(super) fn router() -> Router<Api> {
    let methods = Router::new()
        .route("/Search", many(searched))
        .route("/SearchTags", many(bare_names))
        .route("/SearchTagsV2", many(scoped_names))
        .route("/SearchTagValues", many(bare_values))
        .route("/SearchTagValuesV2", many(typed_values))
        .route("/MetricsQueryRange", many(over_time))
        .route("/MetricsQueryInstant", many(at_once));
    service("tempopb.StreamingQuerier", methods)
}

async fn searched(
    api: Api,
    headers: HeaderMap,
    request: SearchRequest,
) -> Result<Parts<SearchResponse>, Status> {
    let tenant = tenant(&headers)?;
    let asked = search::read(&api, &tenant, request.parameters()).await?;
    let asker = api.of(&tenant);
    let parts = asker.tell(move |sources, deadline, telling| {
        let search = Search {
            deadline: deadline.clone(),
            ..asked.search.clone()
        };
        let period = (search.start, search.end);
        let (mut metrics, mut told) = (SearchMetrics::default(), 0);
        let tell = |progress: &SearchProgress<'_>| {
            metrics = SearchMetrics {
                inspected_traces: u32::try_from(progress.traces).unwrap_or(u32::MAX),
                inspected_bytes: progress.bytes,
                completed_jobs: jobs_of(period, progress.reached),
                total_jobs: JOBS,
            };
            if telling.is_due() {
                let mut count = 0;
                // What makes more than a part is told with the next.
                let is_told = telling.tell(|| {
                    let mut news = progress.settled().skip(told).map(FoundMessage::of);
                    let traces = part_of(&mut news);
                    count = traces.len();
                    SearchResponse {
                        traces,
                        metrics: Some(metrics),
                    }
                });
                told += if is_told { count } else { 0 };
            }
        };
        let traces = &sources.stores.traces;
        let answer = traces
            .search_telling(&tenant, &search, tell)
            .map_err(|error| ApiError::internal(error.to_string()))?;
        let metrics = Some(SearchMetrics {
            completed_jobs: JOBS,
            total_jobs: JOBS,
            ..metrics
        });
        let cut = asked.cut(&answer);
        let rest = answer.traces.iter().skip(told).map(FoundMessage::of);
        let parts = in_parts(rest).into_iter();
        Ok(Last {
            parts: parts
                .map(|traces| SearchResponse { traces, metrics })
                .collect(),
            cut,
        })
    });
    Ok(parts.await?)
}

/// How many parts of a period were walked through, from its end. The last is for the end.
fn jobs_of((start, end): (UnixNanos, UnixNanos), reached: UnixNanos) -> u32 {
    let all = end.0.saturating_sub(start.0).max(1);
    let done = end.0.saturating_sub(reached.0.max(start.0));
    let part = u128::from(done) * u128::from(JOBS) / u128::from(all);
    u32::try_from(part).unwrap_or(JOBS).min(JOBS - 1)
}

async fn over_time(
    api: Api,
    headers: HeaderMap,
    request: MetricsRequest,
) -> Result<Parts<SeriesResponse<RangeSeries>>, Status> {
    let asked = metrics::Asked::range(&request.parameters(), api.now())?;
    let message = |series: &Series| {
        let numbers = series.samples.iter().filter(|(_, value)| value.is_finite());
        let samples = numbers.map(|(timestamp_ms, value)| SampleMessage {
            value: *value,
            timestamp_ms: *timestamp_ms,
        });
        Some(RangeSeries {
            labels: labels(&series.labels),
            samples: samples.collect(),
            exemplars: series.exemplars.iter().map(ExemplarMessage::of).collect(),
        })
    };
    counted(&api, &headers, asked, message).await
}

async fn at_once(
    api: Api,
    headers: HeaderMap,
    request: MetricsRequest,
) -> Result<Parts<SeriesResponse<InstantSeries>>, Status> {
    let asked = metrics::Asked::instant(&request.parameters(), api.now())?;
    let message = |series: &Series| {
        let value = metrics::last_number(series)?;
        Some(InstantSeries {
            labels: labels(&series.labels),
            value,
        })
    };
    counted(&api, &headers, asked, message).await
}

async fn counted<S: Message + Default + std::fmt::Debug + 'static>(
    api: &Api,
    headers: &HeaderMap,
    asked: metrics::Asked,
    message: impl Fn(&Series) -> Option<S> + Send + 'static,
) -> Result<Parts<SeriesResponse<S>>, Status> {
    let tenant = tenant(headers)?;
    let period = asked.window.times();
    let search = asked.read(api, &tenant).await?;
    let parts = api.of(&tenant).tell(move |sources, deadline, telling| {
        let search = search.until(deadline);
        let mut metrics = SearchMetrics::default();
        let messages = |series: &[Series]| in_parts(series.iter().filter_map(&message));
        let tell = |progress: &MetricsProgress<'_, '_>| {
            metrics = SearchMetrics {
                inspected_traces: u32::try_from(progress.traces).unwrap_or(u32::MAX),
                completed_jobs: jobs_of(period, progress.reached),
                total_jobs: JOBS,
                ..SearchMetrics::default()
            };
            if telling.is_due() {
                telling.tell(|| {
                    let mut parts = messages(&progress.series());
                    // All of them or none: a part would stand for the whole.
                    let is_whole = parts.len() == 1;
                    let series = parts.swap_remove(0);
                    SeriesResponse {
                        series: if is_whole { series } else { Vec::new() },
                        metrics: Some(metrics),
                        ..SeriesResponse::default()
                    }
                });
            }
        };
        let found = sources
            .stores
            .traces
            .metrics_telling(&tenant, &search, tell);
        let found = found.map_err(|error| ApiError::internal(error.to_string()))?;
        let MetricsAnswer { series, cut, .. } = found.ok_or_else(metrics::asks_for_spans)?;
        let metrics = Some(SearchMetrics {
            completed_jobs: JOBS,
            total_jobs: JOBS,
            ..metrics
        });
        let status = match cut {
            None => PartialStatus::Complete,
            Some(_) => PartialStatus::Partial,
        };
        let parts = messages(&series).into_iter().map(|series| SeriesResponse {
            series,
            metrics,
            status: status as i32,
            message: cut.clone().unwrap_or_default(),
        });
        Ok(Last {
            parts: parts.collect(),
            cut: None,
        })
    });
    Ok(parts.await?)
}

async fn bare_names(
    api: Api,
    headers: HeaderMap,
    request: TagsRequest,
) -> Result<Parts<TextsResponse>, Status> {
    let found = tags::names(&api, &headers, &request.parameters()).await?;
    let part = TextsResponse {
        texts: tags::without_scopes(found.scopes),
        metrics: TagMetrics::DONE,
    };
    Ok(Parts::one(part, found.cut))
}

async fn scoped_names(
    api: Api,
    headers: HeaderMap,
    request: TagsRequest,
) -> Result<Parts<ScopesResponse>, Status> {
    let TagAnswer { scopes, cut } = tags::names(&api, &headers, &request.parameters()).await?;
    let scopes = scopes.into_iter().map(|(name, tags)| ScopeMessage {
        name: name.to_owned(),
        tags,
    });
    let part = ScopesResponse {
        scopes: scopes.collect(),
        metrics: TagMetrics::DONE,
    };
    Ok(Parts::one(part, cut))
}

async fn bare_values(
    api: Api,
    headers: HeaderMap,
    request: ValuesRequest,
) -> Result<Parts<TextsResponse>, Status> {
    let tag = tags::named_long_ago(&request.tag_name)?;
    let found = tags::values(&api, &headers, tag, &request.parameters()).await?;
    let part = TextsResponse {
        texts: tags::without_types(found.values),
        metrics: TagMetrics::DONE,
    };
    Ok(Parts::one(part, found.cut))
}

async fn typed_values(
    api: Api,
    headers: HeaderMap,
    request: ValuesRequest,
) -> Result<Parts<ValuesResponse>, Status> {
    let tag = tags::named(&request.tag_name)?;
    let found = tags::values(&api, &headers, tag, &request.parameters()).await?;
    let values = found.values.into_iter().map(|(kind, value)| ValueMessage {
        kind: tags::type_of(kind).to_owned(),
        value,
    });
    let part = ValuesResponse {
        values: values.collect(),
        metrics: TagMetrics::DONE,
    };
    Ok(Parts::one(part, found.cut))
}

impl From<TempoError> for Status {
    fn from(error: TempoError) -> Self {
        let TempoError { status, message } = error;
        crate::api::grpc::status(status, message)
    }
}

#[cfg(test)]
mod tests;
