//! What was going on around a request: the software that had changed just before, the load
//! of the nodes and containers it ran on, and the exemplars that point to it.

use super::quoted_regex;
use crate::stores::Stores;
use serde::Serialize;
use sonde_logs::LogRecord;
use sonde_metrics::{MetricStore, QueryLimits, QueryValue};
use sonde_proto::{Deadline, Labels, SampleValue, Tenant, TraceId, UnixNanos};
use sonde_signals::{Change, Changes};
use sonde_traces::Trace;
use std::collections::BTreeSet;
use std::time::Duration;

/// How long before a request a change may be its cause.
const CHANGED_WITHIN: Duration = Duration::from_secs(30 * 60);
const CHANGES_MAX: usize = 50;
/// How far an exemplar's time may lie outside of its trace: clocks differ.
const EXEMPLAR_WITHIN: Duration = Duration::from_secs(5);
const EXEMPLARS_MAX: usize = 50;
/// The load is recorded after it was: rules look back.
const LOAD_AFTER: Duration = Duration::from_secs(15);
const PLACES_MAX: usize = 20;
const LOADS_MAX: usize = 300;

/// A value of a metric that a trace stands for.
#[derive(Debug, Serialize)]
pub(crate) struct Exemplar {
    pub(crate) time: UnixNanos,
    pub(crate) trace_id: String,
    pub(crate) span_id: String,
    pub(crate) value: f64,
    pub(crate) labels: Labels,
}

/// One USE signal of a node or a container.
#[derive(Debug, Serialize)]
pub(crate) struct Load {
    pub(crate) metric: &'static str,
    pub(crate) resource: sonde_signals::Resource,
    pub(crate) method: sonde_signals::Method,
    pub(crate) unit: &'static str,
    pub(crate) help: &'static str,
    pub(crate) labels: Labels,
    pub(crate) value: f64,
}

/// A part of the answer, and why it is not everything.
pub(super) type Part<T> = (Vec<T>, Option<String>);

/// The latest changes of services before a request ended.
pub(super) fn changes(
    changes: &Changes,
    tenant: &Tenant,
    services: &BTreeSet<&str>,
    (start, end): (UnixNanos, UnixNanos),
) -> Part<Change> {
    let mut found = changes.of(tenant, start.minus(CHANGED_WITHIN), end);
    found.retain(|change| services.contains(&change.service[..]));
    let cut = (found.len() > CHANGES_MAX)
        .then(|| format!("there are more than these latest {CHANGES_MAX} changes"));
    found.drain(..found.len().saturating_sub(CHANGES_MAX));
    (found, cut)
}

/// The exemplars of traces.
pub(super) fn exemplars(
    stores: &Stores,
    tenant: &Tenant,
    traces: &[TraceId],
    (start, end): (UnixNanos, UnixNanos),
    deadline: &Deadline,
) -> Part<Exemplar> {
    let (start, end) = (start.minus(EXEMPLAR_WITHIN), end.plus(EXEMPLAR_WITHIN));
    let ids: BTreeSet<String> = traces.iter().map(TraceId::to_string).collect();
    if ids.is_empty() {
        return (Vec::new(), None);
    }
    let of_all = stores
        .metrics
        .exemplars(tenant, &[Vec::new()], start, end, deadline);
    let all = match of_all {
        Ok(all) => all,
        Err(error) => return (Vec::new(), Some(error.to_string())),
    };
    let mut found = Vec::new();
    for (labels, exemplars) in all {
        for exemplar in exemplars {
            if ids.contains(exemplar.labels.get("trace_id")) {
                found.push(Exemplar {
                    time: exemplar.time,
                    trace_id: exemplar.labels.get("trace_id").to_owned(),
                    span_id: exemplar.labels.get("span_id").to_owned(),
                    value: exemplar.value,
                    labels: labels.clone(),
                });
            }
        }
    }
    found.sort_by_key(|exemplar| exemplar.time);
    let cut = (found.len() > EXEMPLARS_MAX)
        .then(|| format!("there are more than these {EXEMPLARS_MAX} exemplars"));
    found.truncate(EXEMPLARS_MAX);
    (found, cut)
}

/// The load of the nodes and pods that spans and log lines name, when the request ended.
pub(super) fn loads(
    stores: &Stores,
    tenant: &Tenant,
    traces: &[Trace],
    logs: &[LogRecord],
    (end, now): (UnixNanos, UnixNanos),
    deadline: &Deadline,
) -> Part<Load> {
    let at = end.plus(LOAD_AFTER).min(now);
    let nodes = places(traces, logs, &["host.name", "k8s.node.name"]);
    let pods = places(traces, logs, &["k8s.pod.name"]);
    let mut cut = (nodes.len() > PLACES_MAX || pods.len() > PLACES_MAX)
        .then(|| format!("of nodes and of pods no more than {PLACES_MAX} are shown"));
    let mut loads = Vec::new();
    let places = [
        ("node", "host_name", nodes),
        ("(container|pod)", "pod", pods),
    ];
    for (prefix, label, places) in places {
        let names: Vec<_> = places
            .into_iter()
            .take(PLACES_MAX)
            .map(quoted_regex)
            .collect();
        if names.is_empty() {
            continue;
        }
        let query = format!(
            r#"{{__name__=~"{prefix}:.+",{label}=~"{}"}}"#,
            names.join("|")
        );
        match load(&stores.metrics, tenant, &query, at, deadline) {
            Ok(found) => loads.extend(found),
            Err(error) => cut = cut.or(Some(error)),
        }
    }
    if loads.len() > LOADS_MAX {
        loads.truncate(LOADS_MAX);
        cut.get_or_insert_with(|| format!("there are more than these {LOADS_MAX} signals"));
    }
    (loads, cut)
}

fn load(
    metrics: &MetricStore,
    tenant: &Tenant,
    query: &str,
    at: UnixNanos,
    deadline: &Deadline,
) -> Result<Vec<Load>, String> {
    let limits = QueryLimits {
        deadline: deadline.clone(),
        ..metrics.config().query_limits()
    };
    let answer = metrics.instant(tenant, query, at, &limits);
    let QueryValue::Vector(samples) = answer.map_err(|error| error.to_string())?.value else {
        return Ok(Vec::new());
    };
    let loads = samples.into_iter().filter_map(|sample| {
        let SampleValue::Float(value) = sample.value else {
            return None;
        };
        let name = sample.labels.get("__name__");
        let signal = sonde_signals::use_table()
            .iter()
            .find(|row| row.metric == name)?;
        let mut labels = sample.labels.to_builder();
        labels.remove("__name__");
        value.is_finite().then(|| Load {
            metric: signal.metric,
            resource: signal.resource,
            method: signal.method,
            unit: signal.unit,
            help: signal.help,
            labels: labels.build(),
            value,
        })
    });
    Ok(loads.collect())
}

/// What spans and log lines say about where they happened, under any of the attributes.
fn places<'a>(
    traces: &'a [Trace],
    logs: &'a [LogRecord],
    attributes: &[&str],
) -> BTreeSet<&'a str> {
    let mut found = BTreeSet::new();
    let is_place = |name: &str| attributes.contains(&name);
    for span in traces.iter().flat_map(|trace| &trace.spans) {
        let named = span.resource.iter().filter(|(name, _)| is_place(name));
        found.extend(named.map(|(_, value)| value.as_str()));
    }
    for log in logs {
        let named = log.resource.iter().filter(|(name, _)| is_place(name));
        found.extend(named.map(|(_, value)| value.as_str()));
        for attribute in attributes {
            found.insert(log.labels.get(&attribute.replace('.', "_")));
        }
    }
    found.remove("");
    found
}

#[cfg(test)]
mod tests {
    use super::*;
    use prometheus_client::registry::Registry;
    use sonde_proto::Entry;
    use sonde_proto::remote_write::{Series, Version, body};

    #[test]
    fn the_load_is_asked_within_the_limits_that_were_configured() {
        let now = UnixNanos::from_secs(1_700_000_000);
        let series = |host: &str| Series {
            labels: [
                ("__name__", "node:cpu_utilization:ratio"),
                ("host_name", host),
            ]
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
            .into(),
            samples: vec![(now.as_millis(), 0.5)],
            ..Series::default()
        };
        let body = body(Version::V2, &[series("a"), series("b")]).unwrap();
        let asked = |query_series_max: usize| {
            let dir = tempfile::tempdir().unwrap();
            let config = sonde_metrics::Config {
                query_series_max,
                ..sonde_metrics::Config::default()
            };
            let (tenant, registry) = (Tenant::default(), &mut Registry::default());
            let store = MetricStore::open(dir.path(), &config, registry, now).unwrap();
            let entry = Entry::remote_write(tenant.clone(), Version::V2, now, body.clone().into());
            store.apply(&[(store.applied_to(), entry)]);
            let query = r#"{__name__=~"node:.+"}"#;
            load(&store, &tenant, query, now, &Deadline::never())
        };
        assert_eq!(asked(2).map(|loads| loads.len()).unwrap(), 2);
        assert!(asked(1).is_err());
    }
}
