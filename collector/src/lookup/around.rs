//! What was going on around a request: the software that had changed just before, the load
//! of the nodes and containers it ran on, and the exemplars that point to it.

use super::part::Part;
use super::ran::Ran;
use crate::stores::Stores;
use serde::Serialize;
use sonde_metrics::{Lookup, MetricStore, QueryLimits, QueryValue};
use sonde_proto::{
    Deadline, Labels, METRIC_NAME, Matcher, SampleValue, Tenant, TraceId, UnixNanos,
};
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
/// Nodes and pods have shorter names; so many of them are a pattern that a query may have.
const NAME_BYTES_MAX: usize = 256;
/// How exactly it is known when a pod was heard of last.
const HEARD_WITHIN: Duration = Duration::from_secs(1);
const OF_NODES: [Scope; 1] = [Scope::Node];
const OF_PODS: [Scope; 2] = [Scope::Container, Scope::Pod];

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
    /// Which row of the table it is.
    #[serde(skip)]
    row: usize,
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
    for (scopes, label, names) in [(&OF_NODES[..], "host_name", nodes), (&OF_PODS, "pod", pods)] {
        let names = names.into_iter().filter(|name| !name.is_empty());
        let (names, long): (Vec<_>, Vec<_>) = names.partition(|name| name.len() <= NAME_BYTES_MAX);
        if !long.is_empty() {
            part.cut(format!(
                "the load of {label} is not looked up where it has more than {NAME_BYTES_MAX} bytes"
            ));
        }
        let names = names.into_iter();
        let Some(selector) = selector(scopes, label, names.take(PLACES_MAX)) else {
            continue;
        };
        for at in moments {
            match load(store, tenant, &selector, *at, deadline) {
                Ok(mut found) => {
                    found.retain(|load| is_there(load, ran));
                    found.sort_by(|a, b| {
                        let place = |load: &Load| (load.labels.get(label).to_owned(), load.row);
                        (place(a), &a.labels).cmp(&(place(b), &b.labels))
                    });
                    let is_found = !found.is_empty();
                    part.found.extend(found);
                    if is_found {
                        break;
                    }
                }
                Err(error) => {
                    part.fail(error);
                    break;
                }
            }
        }
    }
    if part.found.len() > LOADS_MAX {
        part.found.truncate(LOADS_MAX);
        part.cut(format!("there are more than these {LOADS_MAX} signals"));
    }
    part
}

/// The load of a pod when it was heard of last, and when that was: over everything that is kept.
pub(super) fn last_loads(
    store: &MetricStore,
    tenant: &Tenant,
    ran: &[Ran],
    now: UnixNanos,
    deadline: &Deadline,
) -> (Part<Load>, UnixNanos) {
    let [pod] = ran else {
        return (Part::default(), now);
    };
    match last_heard(store, tenant, pod, now, deadline) {
        Ok(Some(last)) => (loads(store, tenant, ran, &[last], deadline), last),
        Ok(None) => (Part::default(), now),
        Err(error) => (Part::failed(error), now),
    }
}

/// When the load of a pod was recorded last. Only the index is asked, by halves.
fn last_heard(
    store: &MetricStore,
    tenant: &Tenant,
    pod: &Ran,
    now: UnixNanos,
    deadline: &Deadline,
) -> Result<Option<UnixNanos>, String> {
    let Some(mut selector) = selector(&OF_PODS, "pod", [&pod.pod[..]]) else {
        return Ok(None);
    };
    if !pod.namespace.is_empty() {
        selector.extend(Matcher::any_of("namespace", [&pod.namespace[..]]));
    }
    let is_there_since = |start: UnixNanos| {
        let lookup = Lookup {
            selectors: std::slice::from_ref(&selector),
            start,
            end: now,
            limit: 1,
            deadline,
        };
        let found = store.series(tenant, &lookup);
        let found = found.map_err(|error| error.to_string())?;
        Ok::<_, String>(!found.items.is_empty())
    };
    let mut since = UnixNanos(0);
    if !is_there_since(since)? {
        return Ok(None);
    }
    let mut not_since = now.plus(HEARD_WITHIN);
    while not_since.since(since) > HEARD_WITHIN {
        let half = since.plus(not_since.since(since) / 2);
        if is_there_since(half)? {
            since = half;
        } else {
            not_since = half;
        }
    }
    Ok(Some(not_since.min(now)))
}

/// When the load is asked of what ended at a moment.
pub(super) fn after(end: UnixNanos, now: UnixNanos) -> UnixNanos {
    end.plus(LOAD_AFTER).min(now)
}

/// The recorded series of places. Both matchers are lists of the index.
fn selector<'n>(
    scopes: &[Scope],
    label: &str,
    names: impl IntoIterator<Item = &'n str>,
) -> Option<Vec<Matcher>> {
    let rows = sonde_signals::use_table().iter();
    let metrics = rows.filter(|row| scopes.contains(&row.scope()));
    let metrics = metrics.map(|row| row.metric);
    Some(vec![
        Matcher::any_of(METRIC_NAME, metrics)?,
        Matcher::any_of(label, names)?,
    ])
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

/// The values of series at a moment, or shortly before: those that ended since are among them.
fn load(
    metrics: &MetricStore,
    tenant: &Tenant,
    selector: &[Matcher],
    at: UnixNanos,
    deadline: &Deadline,
) -> Result<Vec<Load>, String> {
    let limits = QueryLimits {
        deadline: deadline.clone(),
        ..metrics.config().query_limits()
    };
    let matchers: Vec<_> = selector.iter().map(Matcher::to_string).collect();
    let query = format!("last_over_time({{{}}}[5m])", matchers.join(","));
    let answer = metrics.instant(tenant, &query, at, &limits);
    let QueryValue::Vector(samples) = answer.map_err(|error| error.to_string())?.value else {
        return Ok(Vec::new());
    };
    let loads = samples.into_iter().filter_map(|sample| {
        let SampleValue::Float(value) = sample.value else {
            return None;
        };
        let name = sample.labels.get(METRIC_NAME);
        let mut rows = sonde_signals::use_table().iter().enumerate();
        let (row, signal) = rows.find(|(_, row)| row.metric == name)?;
        let mut labels = sample.labels.to_builder();
        labels.remove(METRIC_NAME);
        value.is_finite().then(|| Load {
            row,
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
            let hosts = selector(&OF_NODES, "host_name", ["a", "b"]).unwrap();
            load(&store, &tenant, &hosts, now, &Deadline::never())
        };
        assert_eq!(asked(2).map(|loads| loads.len()).unwrap(), 2);
        assert!(asked(1).is_err());
    }

    #[test]
    fn a_pod_of_the_same_name_elsewhere_does_not_hide_the_load_of_one_that_is_gone() {
        let ended = UnixNanos::from_secs(1_700_000_000);
        let now = ended.plus(Duration::from_secs(3600));
        let dir = tempfile::tempdir().unwrap();
        let all = [("test", "web-0", &[ended][..]), ("shop", "web-0", &[now])];
        let (store, tenant) = (with_containers(dir.path(), now, &all), Tenant::default());
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

    /// A store with the processor time of containers: namespace, pod, and when.
    fn with_containers(
        dir: &std::path::Path,
        now: UnixNanos,
        all: &[(&str, &str, &[UnixNanos])],
    ) -> MetricStore {
        let series = all.iter().map(|(namespace, pod, times)| Series {
            labels: [
                ("__name__", "container:cpu_utilization:ratio"),
                ("namespace", namespace),
                ("pod", pod),
            ]
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
            .into(),
            samples: times.iter().map(|at| (at.as_millis(), 0.5)).collect(),
            ..Series::default()
        });
        let body = body(Version::V2, &series.collect::<Vec<_>>()).unwrap();
        let config = sonde_metrics::Config::default();
        let store = MetricStore::open(dir, &config, &mut Registry::default(), now).unwrap();
        let entry = Entry::remote_write(Tenant::default(), Version::V2, now, body.into());
        store.apply(&[(store.applied_to(), entry)]);
        store
    }

    #[test]
    fn when_a_pod_was_heard_of_last_is_known_however_long_ago_it_was() {
        let now = UnixNanos::from_secs(1_700_000_000);
        let ago = |hours: u64| now.minus(Duration::from_secs(hours * 3600));
        let dir = tempfile::tempdir().unwrap();
        let store = with_containers(
            dir.path(),
            now,
            &[
                ("shop", "web-0", &[ago(300), ago(200)]),
                ("test", "web-0", &[ago(100), ago(90)]),
                ("shop", "web-1", &[now]),
            ],
        );
        let tenant = Tenant::default();
        let check = |namespace: &str, pod: &str, expected: Option<UnixNanos>| {
            let (pod, never) = (Ran::of_pod(namespace, pod), Deadline::never());
            let found = last_heard(&store, &tenant, &pod, now, &never).unwrap();
            let off = found.zip(expected).map(|(found, at)| {
                assert!(found >= at, "{found:?} {at:?}");
                found.since(at)
            });
            assert_eq!(found.is_some(), expected.is_some(), "{pod:?}");
            assert!(off.is_none_or(|off| off <= HEARD_WITHIN), "{off:?}");
            let (part, at) = last_loads(&store, &tenant, &[pod], now, &never);
            assert_eq!(
                part.found.len(),
                usize::from(expected.is_some()),
                "{part:?}"
            );
            assert_eq!(at, found.unwrap_or(now));
        };
        for _ in 0..2 {
            check("shop", "web-0", Some(ago(200)));
            check("", "web-0", Some(ago(90)));
            check("", "web-1", Some(now));
            check("else", "web-0", None);
            check("", "web", None);
            store.seal(now).unwrap();
        }
    }

    #[test]
    fn loads_of_many_places_come_by_place_and_in_the_order_of_the_table() {
        let now = UnixNanos::from_secs(1_700_000_000);
        let pods: Vec<String> = (0..PLACES_MAX).map(|n| format!("web-{n:02}")).collect();
        let times = [now];
        let all: Vec<_> = pods
            .iter()
            .map(|pod| ("shop", &pod[..], &times[..]))
            .collect();
        let dir = tempfile::tempdir().unwrap();
        let store = with_containers(dir.path(), now, &all);
        let ran: Vec<_> = pods
            .iter()
            .rev()
            .map(|pod| Ran::of_pod("shop", pod))
            .collect();
        let part = loads(&store, &Tenant::default(), &ran, &[now], &Deadline::never());
        let found: Vec<_> = part
            .found
            .iter()
            .map(|load| load.labels.get("pod"))
            .collect();
        assert_eq!(found, pods);
    }

    #[test]
    fn long_names_of_places_leave_the_load_of_others() {
        let now = UnixNanos::from_secs(1_700_000_000);
        let dir = tempfile::tempdir().unwrap();
        let store = with_containers(dir.path(), now, &[("shop", "web-0", &[now])]);
        let check = |length: usize, is_cut: bool| {
            let long = (1..PLACES_MAX).map(|n| Ran::of_pod("shop", &format!("{n:.<length$}")));
            let ran: Vec<_> = long.chain([Ran::of_pod("shop", "web-0")]).collect();
            let part = loads(&store, &Tenant::default(), &ran, &[now], &Deadline::never());
            assert_eq!(part.found.len(), 1, "{:?}", part.cut);
            assert_eq!(part.cut.is_some(), is_cut, "{:?}", part.cut);
        };
        check(NAME_BYTES_MAX, false);
        check(NAME_BYTES_MAX + 1, true);
        check(60_000, true);
    }

    #[test]
    fn a_selector_is_lists_of_the_index_whatever_places_are_called() {
        let names = [
            "web-1",
            "a.b",
            "x\"y",
            "c\\d",
            "new\nline",
            "(|)*",
            "n\u{e9}",
        ];
        let matchers = selector(&OF_NODES, "host_name", names).unwrap();
        let shown: Vec<_> = matchers.iter().map(Matcher::to_string).collect();
        let parsed = sonde_metrics::parse_selector(&format!("{{{}}}", shown.join(","))).unwrap();
        assert_eq!(parsed, matchers);
        let lists: Vec<_> = parsed.iter().map(|m| m.alternatives().count()).collect();
        assert_eq!(lists, [recorded(&OF_NODES), names.len()]);
        let one = selector(&OF_PODS, "pod", ["web-1"]).unwrap();
        assert_eq!(one[1].op, sonde_proto::MatchOp::Equal);
        assert!(selector(&OF_PODS, "pod", []).is_none());
    }

    fn recorded(scopes: &[Scope]) -> usize {
        let rows = sonde_signals::use_table().iter();
        rows.filter(|row| scopes.contains(&row.scope())).count()
    }
}
