//! `status/…` and `features`: what this server is, in Prometheus' words.

use super::envelope::query_failed;
use super::parameters::Parameters;
use super::{Api, Failure, success, tenant};
use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::Response;
use serde_json::{Map, Value, json};
use sonde_proto::{Partition, Signal, UnixNanos};
use std::fmt::Write as _;
use std::time::Duration;

const TOP_DEFAULT: usize = 10;
const TOP_MAX: usize = 10_000;

/// Grafana reads the version to know what it may ask: the dialect is Prometheus 3's.
pub(super) async fn buildinfo() -> Response {
    success(json!({
        "version": "3.0.0",
        "revision": concat!("sonde-", env!("CARGO_PKG_VERSION")),
        "branch": "",
        "buildUser": "",
        "buildDate": "",
        "goVersion": "",
    }))
}

/// What makes the tenant's series so many. Of chunks, those that are being filled are counted.
pub(super) async fn tsdb(
    State(api): State<Api>,
    headers: HeaderMap,
    parameters: Parameters,
) -> Result<Response, Failure> {
    let tenant = tenant(&headers)?;
    let top = match parameters.text("limit") {
        "" => TOP_DEFAULT,
        text => text
            .parse()
            .ok()
            .filter(|top| *top > 0)
            .ok_or_else(|| Failure::bad_data("limit must be a positive number".into()))?,
    };
    if top > TOP_MAX {
        let why = format!("limit must not exceed {TOP_MAX}");
        return Err(Failure::bad_data(why));
    }
    let found = api.of(&tenant).ask(move |sources, deadline| {
        let found = sources.stores.metrics.cardinality(&tenant, top, deadline);
        found.map_err(|error| query_failed(&error))
    });
    let found = found.await?;
    // As Prometheus says that there are no samples.
    let time = |time: Option<UnixNanos>, none| time.map_or(none, UnixNanos::as_millis);
    Ok(success(json!({
        "headStats": {
            "numSeries": found.series,
            "numLabelPairs": found.pairs,
            "chunkCount": found.open,
            "minTime": time(found.oldest, i64::MAX),
            "maxTime": time(found.newest, i64::MIN),
        },
        "seriesCountByMetricName": found.series_by_metric,
        "labelValueCountByLabelName": found.values_by_label,
        "memoryInBytesByLabelName": found.bytes_by_label,
        "seriesCountByLabelValuePair": found.series_by_pair,
    })))
}

/// The configuration of the metric store, which has no secrets; that of the rest is nobody's
/// business who may ask for metrics.
pub(super) async fn config(State(api): State<Api>) -> Response {
    let config = api.sources.stores.metrics.config();
    let all = json!({ "metrics": config });
    let mut text = String::new();
    yaml(&mut text, &all, 0);
    success(json!({ "yaml": text }))
}

/// Writes a map as a block, anything else as JSON, which is YAML.
fn yaml(out: &mut String, map: &Value, indent: usize) {
    for (key, value) in map.as_object().into_iter().flatten() {
        if value.as_object().is_some_and(|inner| !inner.is_empty()) {
            let _ = writeln!(out, "{:indent$}{key}:", "");
            yaml(out, value, indent + 2);
        } else {
            let _ = writeln!(out, "{:indent$}{key}: {value}", "");
        }
    }
}

pub(super) async fn flags(State(api): State<Api>) -> Response {
    let config = api.sources.stores.metrics.config();
    let limits = config.query_limits();
    success(json!({
        "enable-feature": enabled(&json!(config.features)).join(","),
        "query.lookback-delta": span(limits.lookback),
        "query.max-samples": limits.samples_max.to_string(),
        "query.timeout": span(api.query_time_max),
        "storage.tsdb.retention.size": format!("{}B", config.bytes_max),
        "storage.tsdb.retention.time": span(Duration::from_secs(config.retention_seconds)),
        "web.enable-admin-api": config.admin_api.to_string(),
        "web.enable-lifecycle": "false",
    }))
}

fn enabled(features: &Value) -> Vec<String> {
    let all = features.as_object().into_iter().flatten();
    all.filter(|(_, on)| **on == Value::Bool(true))
        .map(|(name, _)| name.replace('_', "-"))
        .collect()
}

pub(super) async fn runtimeinfo(State(api): State<Api>) -> Response {
    let store = &api.sources.stores.metrics;
    let retention = span(Duration::from_secs(store.config().retention_seconds));
    let started = rfc3339(api.sources.started);
    let corrupt = if api.is_operator {
        store.stats().quarantined
    } else {
        0
    };
    let (loaded, is_loaded) = match api.sources.observed.lock().reloaded {
        Some((at, is_followed)) => (rfc3339(at), is_followed),
        None => (started.clone(), true),
    };
    success(json!({
        "startTime": started,
        "CWD": "",
        "hostname": "",
        "serverTime": rfc3339(api.now()),
        "reloadConfigSuccess": is_loaded,
        "lastConfigTime": loaded,
        "corruptionCount": corrupt,
        "goroutineCount": 0,
        "GOMAXPROCS": std::thread::available_parallelism().map_or(1, usize::from),
        "GOMEMLIMIT": i64::MAX,
        "GOGC": "",
        "GODEBUG": "",
        "storageRetention": retention,
    }))
}

/// How far the journal has been read into the store.
pub(super) async fn walreplay(State(api): State<Api>) -> Response {
    let metrics = |(signal, _): &&(Signal, _)| *signal == Signal::Metrics;
    let progress = api.sources.progress.iter().find(metrics);
    let partition = Partition::first(Signal::Metrics);
    let journal = &api.sources.journal;
    let (applied, is_done) = progress.map_or((None, true), |(_, progress)| {
        (Some(progress.applied_to()), progress.caught_up())
    });
    success(json!({
        "min": journal.first(partition),
        "max": journal.durable_end(partition),
        "current": applied,
        "state": if is_done { "done" } else { "in progress" },
    }))
}

/// What of Prometheus' features there is, as Prometheus 3 tells it.
pub(super) async fn features(State(api): State<Api>) -> Response {
    let language = json!(api.sources.stores.metrics.config().features);
    let mut promql = Map::new();
    for (name, on) in language.as_object().into_iter().flatten() {
        promql.insert(name.clone(), on.clone());
    }
    for known in [
        "at_modifier",
        "bool",
        "by",
        "group_left",
        "group_right",
        "ignoring",
        "negative_offset",
        "offset",
        "on",
        "subqueries",
        "without",
    ] {
        promql.insert(known.into(), true.into());
    }
    success(json!({
        "api": {
            "admin": api.sources.stores.metrics.config().admin_api,
            "exclude_alerts": true,
            "label_values_match": true,
            "lifecycle": false,
            "otlp_write_receiver": true,
            "query_stats": true,
            "query_warnings": true,
            "remote_read": true,
            "time_range_labels": true,
            "time_range_series": true,
        },
        "promql": promql,
    }))
}

fn rfc3339(time: UnixNanos) -> String {
    let stamp = jiff::Timestamp::from_nanosecond(i128::from(time.0));
    stamp.map(|stamp| stamp.to_string()).unwrap_or_default()
}

/// A length of time as Prometheus writes it: `15d`, `1h30m`, `250ms`.
fn span(length: Duration) -> String {
    const UNITS: [(&str, u128); 5] = [
        ("d", 86_400_000),
        ("h", 3_600_000),
        ("m", 60_000),
        ("s", 1_000),
        ("ms", 1),
    ];
    let mut rest = length.as_millis();
    let mut text = String::new();
    for (unit, millis) in UNITS {
        if rest / millis > 0 {
            let _ = write!(text, "{}{unit}", rest / millis);
            rest %= millis;
        }
    }
    if text.is_empty() { "0s".into() } else { text }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spans_and_maps_are_written_as_prometheus_reads_them() {
        for (millis, text) in [
            (0, "0s"),
            (250, "250ms"),
            (5_400_000, "1h30m"),
            (15 * 86_400_000, "15d"),
        ] {
            assert_eq!(span(Duration::from_millis(millis)), text);
        }
        let mut out = String::new();
        yaml(&mut out, &json!({"a": {"b": 1, "c": ["x"], "d": {}}}), 0);
        assert_eq!(out, "a:\n  b: 1\n  c: [\"x\"]\n  d: {}\n");
    }
}
