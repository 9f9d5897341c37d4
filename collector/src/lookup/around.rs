//! What was going on around a request: the software that had changed just before, the load
//! of the nodes and containers it ran on, and the exemplars that point to it.

use super::part::Part;
use super::ran::Ran;
use crate::stores::Stores;
use serde::Serialize;
use sonde_metrics::{MetricStore, QueryLimits, QueryValue};
use sonde_proto::{Deadline, Labels, SampleValue, Tenant, TraceId, UnixNanos};
use sonde_signals::{Change, Changes, Scope};
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
    Part::new(found, cut)
}

/// The exemplars of traces.
pub(super) fn exemplars(
    stores: &Stores,
    tenant: &Tenant,
    traces: &[TraceId],
    (start, end): (UnixNanos, UnixNanos),
) -> Part<Exemplar> {
    let (start, end) = (start.minus(EXEMPLAR_WITHIN), end.plus(EXEMPLAR_WITHIN));
    let ids: BTreeSet<String> = traces.iter().map(TraceId::to_string).collect();
    if ids.is_empty() {
        return Part::default();
    }
    let of_traces = stores.metrics.exemplars_of_traces(tenant, &ids, start, end);
    let mut found: Vec<_> = of_traces
        .into_iter()
        .map(|(labels, exemplar)| Exemplar {
            time: exemplar.time,
            trace_id: exemplar.labels.get("trace_id").to_owned(),
            span_id: exemplar.labels.get("span_id").to_owned(),
            value: exemplar.value,
            labels,
        })
        .collect();
    found.sort_by_key(|exemplar| exemplar.time);
    let cut = (found.len() > EXEMPLARS_MAX)
        .then(|| format!("there are more than these {EXEMPLARS_MAX} exemplars"));
    found.truncate(EXEMPLARS_MAX);
    Part::new(found, cut)
}

/// The load of the nodes and pods where something ran, at the first of some moments at which
/// there is any.
pub(super) fn loads(
    store: &MetricStore,
    tenant: &Tenant,
    ran: &[Ran],
    moments: &[UnixNanos],
    deadline: &Deadline,
) -> Part<Load> {
    let nodes: BTreeSet<&str> = ran.iter().flat_map(|r| &r.nodes).map(|n| &n[..]).collect();
    let pods: BTreeSet<&str> = ran.iter().map(|ran| &ran.pod[..]).collect();
    let mut part = Part::default();
    if nodes.len() > PLACES_MAX {
        part.cut(format!("of nodes the first {PLACES_MAX} are shown"));
    }
    let metrics = |scopes: &'static [Scope]| recorded(scopes).collect::<Vec<_>>();
    let (of_node, of_pod) = (
        metrics(&[Scope::Node]),
        metrics(&[Scope::Container, Scope::Pod]),
    );
    for (metrics, label, names) in [(of_node, "host_name", nodes), (of_pod, "pod", pods)] {
        let names = names.into_iter().filter(|name| !name.is_empty());
        let queries: Vec<_> = names
            .take(PLACES_MAX)
            .flat_map(|name| {
                metrics
                    .iter()
                    .map(move |metric| selector(metric, label, name))
            })
            .collect();
        for at in moments {
            let found = crate::at_once::each(&queries, |query| {
                let mut found = load(store, tenant, query, *at, deadline)?;
                found.retain(|load| is_there(load, ran));
                found.truncate(LOADS_MAX + 1);
                Ok::<_, String>(found)
            });
            for found in found {
                match found {
                    Ok(found) => part.found.extend(found),
                    Err(error) => part.fail(error),
                }
            }
            let is_of_these = |load: &Load| metrics.contains(&load.metric);
            if part.is_failed || part.found.iter().any(is_of_these) {
                break;
            }
        }
    }
    if part.found.len() > LOADS_MAX {
        part.found.truncate(LOADS_MAX);
        part.cut(format!("there are more than these {LOADS_MAX} signals"));
    }
    part
}

/// When the load is asked of what ended at a moment.
pub(super) fn after(end: UnixNanos, now: UnixNanos) -> UnixNanos {
    end.plus(LOAD_AFTER).min(now)
}

/// The names of the recorded metrics.
fn recorded(scopes: &[Scope]) -> impl Iterator<Item = &'static str> {
    let rows = sonde_signals::use_table().iter();
    let rows = rows.filter(|row| scopes.contains(&row.scope()));
    rows.map(|row| row.metric)
}

/// The series of a metric and a place. Both are told by equality: patterns make the index look
/// at every series.
fn selector(metric: &str, label: &str, name: &str) -> String {
    format!("{metric}{{{label}={}}}", sonde_lex::quoted(name))
}

/// Whether it is the load of where something ran: pods of one name may be in several namespaces.
fn is_there(load: &Load, ran: &[Ran]) -> bool {
    let (pod, namespace) = (load.labels.get("pod"), load.labels.get("namespace"));
    pod.is_empty()
        || ran.iter().any(|ran| {
            ran.pod == pod
                && (ran.namespace.is_empty() || namespace.is_empty() || ran.namespace == namespace)
        })
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

    #[test]
    fn a_pod_of_the_same_name_elsewhere_does_not_hide_the_load_of_one_that_is_gone() {
        let ended = UnixNanos::from_secs(1_700_000_000);
        let now = ended.plus(Duration::from_secs(3600));
        let series = |namespace: &str, at: UnixNanos| Series {
            labels: [
                ("__name__", "container:cpu_utilization:ratio"),
                ("namespace", namespace),
                ("pod", "web-0"),
            ]
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
            .into(),
            samples: vec![(at.as_millis(), 0.5)],
            ..Series::default()
        };
        let body = body(Version::V2, &[series("test", ended), series("shop", now)]).unwrap();
        let dir = tempfile::tempdir().unwrap();
        let (tenant, config) = (Tenant::default(), sonde_metrics::Config::default());
        let store = MetricStore::open(dir.path(), &config, &mut Registry::default(), now).unwrap();
        let entry = Entry::remote_write(tenant.clone(), Version::V2, now, body.into());
        store.apply(&[(store.applied_to(), entry)]);
        let check = |namespace: &str| {
            let ran = [Ran::of_pod(namespace, "web-0")];
            let part = loads(&store, &tenant, &ran, &[now, ended], &Deadline::never());
            let of = |load: &Load| load.labels.get("namespace").to_owned();
            part.found.iter().map(of).collect::<Vec<_>>()
        };
        assert_eq!(check("test"), ["test"]);
        assert_eq!(check("shop"), ["shop"]);
        assert!(check("else").is_empty());
    }

    #[test]
    fn a_selector_matches_one_metric_and_one_name_and_is_a_list_of_the_index() {
        for name in [
            "web-1",
            "a.b",
            "x\"y",
            "c\\d",
            "new\nline",
            "(|)*",
            "n\u{e9}",
        ] {
            let query = selector("node:cpu_load:ratio", "host_name", name);
            let parsed = sonde_metrics::parse_selector(&query).unwrap();
            let is = |m: &sonde_proto::Matcher, name: &str, value: &str| {
                m.op == sonde_proto::MatchOp::Equal && m.name == name && m.value == value
            };
            assert_eq!(parsed.len(), 2, "{query}");
            assert!(parsed.iter().any(|m| is(m, "host_name", name)), "{query}");
            let metric = "node:cpu_load:ratio";
            assert!(parsed.iter().any(|m| is(m, "__name__", metric)), "{query}");
        }
    }
}
