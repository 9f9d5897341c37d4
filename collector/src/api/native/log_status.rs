//! `GET /status/logs`: what logs are stored, and what they cost: of the asking tenant, with its
//! largest streams and labels; how long they are kept, and what was asked to be deleted. Where
//! whoever asks runs this collector (`http.operator`), of the store, of all tenants, and what
//! was left out too.

use super::{Api, ApiError, SearchParameters, tenant};
use crate::api::Sources;
use crate::logs::{ReadError, StreamUse};
use axum::Json;
use axum::extract::{Query, State};
use axum::http::HeaderMap;
use prometheus_client::encoding::text;
use prometheus_client::registry::Registry;
use serde::Deserialize;
use serde_json::{Value, json};
use sonde_logs::{DeleteRequest, DeleteStatus, TenantUsage};
use sonde_proto::{Deadline, Labels, Tenant, UnixNanos};
use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};

const TOP_DEFAULT: usize = 10;
const TOP_MAX: usize = 1000;
/// How many tenants are listed.
const TENANTS_MAX: usize = 1000;

#[derive(Debug, Deserialize)]
pub(super) struct Top {
    top: Option<usize>,
}

pub(super) async fn log_status(
    State(api): State<Api>,
    headers: HeaderMap,
    Query(parameters): Query<SearchParameters>,
    Query(Top { top }): Query<Top>,
) -> Result<Json<Value>, ApiError> {
    let tenant = tenant(&headers)?;
    let period = parameters.period(api.now())?;
    let top = top.unwrap_or(TOP_DEFAULT);
    if !(1..=TOP_MAX).contains(&top) {
        return Err(ApiError::bad_request(format!(
            "top: {top} is not between 1 and {TOP_MAX}"
        )));
    }
    let is_operator = api.is_operator;
    let answer = api.of(&tenant).ask(move |sources, deadline| {
        let asked = Asked {
            is_operator,
            tenant,
            period,
            top,
        };
        asked.answer(sources, deadline)
    });
    answer.await.map(Json)
}

struct Asked {
    is_operator: bool,
    tenant: Tenant,
    period: (UnixNanos, UnixNanos),
    top: usize,
}

impl Asked {
    fn answer(&self, sources: &Sources, deadline: &Deadline) -> Result<Value, ApiError> {
        let mut all = if self.is_operator {
            sources.stores.logs.tenants()
        } else {
            Vec::new()
        };
        all.truncate(TENANTS_MAX);
        if !all.contains(&self.tenant) {
            all.push(self.tenant.clone());
        }
        let mut cut = None;
        let mut own = Vec::new();
        let mut tenants = Vec::new();
        for tenant in all {
            let used = sources
                .logs
                .streams(&tenant, &[], self.period, deadline)
                .map_err(|error| failed(&error))?;
            // One that has nothing is not there.
            if self.is_operator && tenant == self.tenant && used.streams.is_empty() {
                continue;
            }
            tenants.push(json!({
                "tenant": tenant.as_str(),
                "streams": used.streams.len(),
                "records": used.streams.iter().map(|stream| stream.entries).sum::<u64>(),
                "bytes": used.streams.iter().map(|stream| stream.bytes).sum::<u64>(),
            }));
            cut = cut.or(used.reading.cut);
            if tenant == self.tenant {
                own = used.streams;
            }
        }
        let labels = largest_labels(&own, self.top);
        let own_usage = sources.stores.logs.usage_of(&self.tenant, self.top);
        let mut answer = json!({
            "start": self.period.0,
            "end": self.period.1,
            "tenant": self.tenant.as_str(),
            "usage": [usage_of(&own_usage)],
            "retention": own_usage.retention,
            "deletes": own_usage.deletes,
            "largest": own_usage.largest,
            "tenants": tenants,
            "streams": largest_streams(own, self.top),
            "labels": labels,
            "cut": cut,
        });
        if self.is_operator {
            let usage = sources.stores.logs.usage(0);
            let mut store = json!(sources.stores.logs.stats());
            let sealed = usage.iter().map(|of| of.line_bytes - of.tail_line_bytes);
            // What lies on disk is to be compared with these.
            store["line_bytes"] = sealed.sum::<u64>().into();
            answer["store"] = store;
            answer["usage"] = usage.iter().take(TENANTS_MAX).map(usage_of).collect();
            answer["dropped"] = json!(dropped(
                &sources.observed.lock().registries,
                "sonde_logs_dropped_total",
                "logs"
            ));
        }
        Ok(answer)
    }
}

/// What a tenant has altogether. What it asked to delete is its own affair.
fn usage_of(usage: &TenantUsage) -> Value {
    let waits = |request: &&DeleteRequest| request.status == DeleteStatus::Received;
    json!({
        "tenant": usage.tenant,
        "streams": usage.streams,
        "records": usage.records,
        "line_bytes": usage.line_bytes,
        "disk_bytes": usage.disk_bytes,
        "parts": usage.parts,
        "segments": usage.segments,
        "oldest": usage.oldest,
        "newest": usage.newest,
        "tail_records": usage.tail_records,
        "tail_bytes": usage.tail_bytes,
        "deletes_waiting": usage.deletes.iter().filter(waits).count(),
        "retention": usage.retention,
    })
}

fn failed(error: &ReadError) -> ApiError {
    match error {
        ReadError::Store(_) => ApiError::internal(error.to_string()),
        ReadError::Deadline => ApiError::timeout(
            "counting streams and labels ran out of time; count less of the past, as in --since 1h",
        ),
    }
}

fn largest_streams(mut streams: Vec<StreamUse>, top: usize) -> Vec<Value> {
    streams.sort_by_key(|stream| Reverse(stream.bytes));
    let shown = streams.iter().take(top).map(|stream| {
        json!({
            "labels": pairs(&stream.labels).collect::<BTreeMap<_, _>>(),
            "records": stream.entries,
            "bytes": stream.bytes,
        })
    });
    shown.collect()
}

/// The labels with the most values, and how many bytes of lines each stands at.
fn largest_labels(streams: &[StreamUse], top: usize) -> Vec<Value> {
    let mut labels: BTreeMap<&str, (BTreeSet<&str>, u64)> = BTreeMap::new();
    for stream in streams {
        for (name, value) in pairs(&stream.labels) {
            let (values, bytes) = labels.entry(name).or_default();
            values.insert(value);
            *bytes += stream.bytes;
        }
    }
    let mut labels: Vec<_> = labels.into_iter().collect();
    labels.sort_by_key(|(_, (values, bytes))| Reverse((values.len(), *bytes)));
    let shown = labels.iter().take(top).map(
        |(name, (values, bytes))| json!({"name": name, "values": values.len(), "bytes": bytes}),
    );
    shown.collect()
}

/// What was left out since the start, by reason: by the store, which counts it under the name
/// `store`, and of the signal at the door.
pub(super) fn dropped(registries: &[Registry], store: &str, signal: &str) -> BTreeMap<String, u64> {
    const DOOR: [&str; 2] = [
        "sonde_collector_refused_requests_total",
        "sonde_collector_refused_records_total",
    ];
    let of_signal = format!("signal=\"{signal}\"");
    let mut counted = String::new();
    for registry in registries {
        // Writing to a string does not fail.
        let _ = text::encode_registry(&mut counted, registry);
    }
    let mut dropped = BTreeMap::new();
    for line in counted.lines().filter(|line| !line.starts_with('#')) {
        let Some((name, rest)) = line.split_once('{') else {
            continue;
        };
        let Some((labels, count)) = rest.rsplit_once("} ") else {
            continue;
        };
        let is_meant = name == store || DOOR.contains(&name) && labels.contains(&of_signal);
        let reason = labels
            .split_once("reason=\"")
            .and_then(|(_, rest)| rest.split('"').next());
        if let (true, Some(reason), Ok(count)) = (is_meant, reason, count.parse::<u64>())
            && count > 0
        {
            *dropped.entry(reason.to_owned()).or_default() += count;
        }
    }
    dropped
}

fn pairs(labels: &Labels) -> impl Iterator<Item = (&str, &str)> {
    labels.iter()
}

#[cfg(test)]
mod tests {
    use super::*;
    use prometheus_client::metrics::counter::Counter;
    use prometheus_client::metrics::family::Family;

    #[test]
    fn what_was_left_out_of_logs_is_told_by_reason() {
        let count = |registry: &mut Registry, name: &str, of: &[(&[(&str, &str)], u64)]| {
            let family = Family::<Vec<(String, String)>, Counter>::default();
            for (labels, n) in of {
                let labels = labels.iter().map(|(n, v)| ((*n).into(), (*v).into()));
                family.get_or_create(&labels.collect()).inc_by(*n);
            }
            registry.register(name, "help", family);
        };
        let (mut store, mut door) = (Registry::default(), Registry::default());
        let cut = [("reason", "attributes_max")];
        count(
            &mut store,
            "sonde_logs_dropped",
            &[(&cut, 3), (&[("reason", "none")], 0)],
        );
        let refused: [(&[(&str, &str)], u64); 2] = [
            (&[("signal", "logs"), ("reason", "rate")], 2),
            (&[("signal", "traces"), ("reason", "rate")], 9),
        ];
        count(&mut door, "sonde_collector_refused_requests", &refused);
        let found = dropped(&[store, door], "sonde_logs_dropped_total", "logs");
        let expected = [("attributes_max", 3), ("rate", 2)];
        assert_eq!(found, expected.map(|(reason, n)| (reason.into(), n)).into());
    }

    #[test]
    fn the_labels_with_the_most_values_come_first() {
        let stream = |pod: &str, bytes: u64| StreamUse {
            labels: [("app", "a"), ("pod", pod)].into_iter().collect(),
            entries: 1,
            bytes,
            parts: BTreeMap::new(),
        };
        let streams = [stream("x", 1), stream("y", 2)];
        let expected = json!([{"name": "pod", "values": 2, "bytes": 3}]);
        assert_eq!(Value::from(largest_labels(&streams, 1)), expected);
        let largest = largest_streams(streams.to_vec(), 1);
        assert_eq!(largest[0]["labels"]["pod"], "y");
    }
}
