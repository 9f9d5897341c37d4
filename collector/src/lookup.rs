//! One identifier in, everything that belongs to it out, with no time range.
//!
//! An identifier is a trace ID (32 hex digits), a span ID (16), a request ID (what an
//! application put into one of the attributes that `traces.request_id_keys` names), or a
//! [`place`]: a pod or a container. What carries it ([`carriers`]) leads to where it ran
//! ([`ran`]) and to the [`alerts`] that mention it or that fired there meanwhile. Around it
//! stand what had changed in its services just before, the load of the nodes and containers,
//! and the metrics' exemplars that point to it ([`around`]); all of it in one line of time
//! ([`timeline`]), and for each trace what it waited for ([`critical`]).
//!
//! Invariant: every part is bounded, in time too, and says what it lacks ([`part`]); a part
//! that fails leaves the others.

mod alerts;
mod around;
mod carriers;
mod compare;
mod critical;
mod part;
mod place;
mod ran;
mod read;
mod timeline;

use crate::stores::Stores;
use around::{Exemplar, Load};
use carriers::{Asked, Carriers};
pub(crate) use compare::{Comparison, Groups, compare};
use critical::{CriticalPath, critical_path, path_of_outline};
use part::{Cuts, Part, both};
use place::Resource;
use ran::Ran;
use serde::Serialize;
use sonde_alerts::{AlertStatus, Alerts};
use sonde_logs::LogRecord;
use sonde_proto::{Deadline, Position, Tenant, TraceId, UnixNanos};
use sonde_signals::{Change, Changes};
use sonde_traces::Trace;
use std::collections::{BTreeMap, BTreeSet};
use timeline::{Moment, Parts};

const TRACES_MAX: usize = 20;

/// What an identifier turned out to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Kind {
    Trace,
    Request,
    Span,
    Pod,
    PodUid,
    Container,
    None,
}

/// Everything that belongs to an identifier.
#[derive(Debug, Serialize)]
pub(crate) struct Found {
    pub(crate) id: String,
    pub(crate) kind: Kind,
    pub(crate) traces: Vec<Trace>,
    pub(crate) logs: Vec<LogRecord>,
    pub(crate) alerts: Vec<AlertStatus>,
    /// The pods and nodes it ran on.
    pub(crate) ran: Vec<Ran>,
    /// What changed in the services just before.
    pub(crate) changes: Vec<Change>,
    /// Values of metrics that point here.
    pub(crate) exemplars: Vec<Exemplar>,
    /// How busy the nodes and containers were.
    pub(crate) load: Vec<Load>,
    /// What each trace waited for.
    pub(crate) critical_paths: Vec<CriticalPath>,
    /// All of it, in the order of time.
    pub(crate) timeline: Vec<Moment>,
    pub(crate) searched_through: SearchedThrough,
    /// Why this may not be everything: the first of `cuts`.
    pub(crate) cut: Option<String>,
    /// Why a part may not be everything, by its name.
    pub(crate) cuts: BTreeMap<&'static str, String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) message: Option<String>,
}

/// The journal positions up to which the stores had been filled.
#[derive(Debug, Serialize)]
pub(crate) struct SearchedThrough {
    logs: Position,
    spans: Position,
}

/// Where everything is found.
#[derive(Clone, Copy)]
pub(crate) struct Places<'a> {
    pub(crate) stores: &'a Stores,
    pub(crate) alerts: &'a Alerts,
    pub(crate) changes: &'a Changes,
    pub(crate) now: UnixNanos,
}

const NOTHING: &str = "nothing carries this ID: check it for typing errors; it may be older than what is kept, or not have arrived yet";

/// Looks an identifier up.
///
/// # Errors
/// What a store could not read, where nothing was found.
pub(crate) fn lookup(
    places: Places<'_>,
    tenant: &Tenant,
    id: &str,
    deadline: &Deadline,
) -> Result<Found, String> {
    let stores = places.stores;
    let searched_through = SearchedThrough {
        logs: stores.logs.applied_to(),
        spans: stores.traces.applied_to(),
    };
    let asked = Asked {
        stores,
        tenant,
        id: id.trim(),
        deadline,
    };
    let mut cuts = Cuts::default();
    let carriers = asked.carriers(&mut cuts);
    let not_kept = asked.why_not_kept(&carriers);
    let around = around(places, &asked, &carriers, &mut cuts);
    let Carriers { traces, logs, .. } = carriers;
    let is_known = !(traces.is_empty() && logs.is_empty());
    let nothing = !is_known && around.alerts.is_empty() && around.load.is_empty();
    if nothing && let Some(failure) = cuts.failure {
        return Err(failure);
    }
    cuts.note(
        "traces",
        not_kept
            .as_ref()
            .map(|(trace, why)| format!("trace {trace}: {why}")),
    );
    let within = asked.part();
    let path = |trace| path_of_all(stores, tenant, trace, &within);
    let critical_paths: Vec<_> = traces.iter().filter_map(path).collect();
    cuts.note(
        "critical_paths",
        critical_paths.iter().find_map(|path| path.cut.clone()),
    );
    let (timeline, cut) = timeline::timeline(&Parts {
        traces: &traces,
        logs: &logs,
        alerts: &around.alerts,
        changes: &around.changes,
        exemplars: &around.exemplars,
    });
    cuts.note("timeline", cut);
    Ok(Found {
        id: asked.id.into(),
        kind: if nothing { Kind::None } else { around.kind },
        traces,
        logs,
        alerts: around.alerts,
        ran: around.ran,
        changes: around.changes,
        exemplars: around.exemplars,
        load: around.load,
        critical_paths,
        timeline,
        searched_through,
        cut: cuts.first,
        cuts: cuts.by_part,
        message: nothing.then(|| not_kept.map_or(NOTHING.to_owned(), |(_, why)| why)),
    })
}

/// The critical path of a trace: of all of it, where what is shown is a page.
fn path_of_all(
    stores: &Stores,
    tenant: &Tenant,
    trace: &Trace,
    deadline: &Deadline,
) -> Option<CriticalPath> {
    if trace.next.is_none() {
        return critical_path(trace);
    }
    match stores.traces.outline(tenant, &trace.trace_id, deadline) {
        Ok(outline) if !outline.spans.is_empty() => path_of_outline(trace.trace_id, &outline),
        // Better that of a part, which says so, than none.
        Ok(_) | Err(_) => critical_path(trace),
    }
}

/// What stands around what was found.
struct Around {
    kind: Kind,
    ran: Vec<Ran>,
    exemplars: Vec<Exemplar>,
    load: Vec<Load>,
    changes: Vec<Change>,
    alerts: Vec<AlertStatus>,
}

fn around(
    places: Places<'_>,
    asked: &Asked<'_>,
    carriers: &Carriers<'_>,
    cuts: &mut Cuts,
) -> Around {
    let Carriers {
        place,
        traces,
        logs,
        ..
    } = carriers;
    let (stores, tenant, now) = (asked.stores, asked.tenant, places.now);
    let mut kind = carriers.kind;
    let mut ran = cuts.take("ran", ran::ran(ran::resources(*place, traces, logs)));
    let seen = span_of_time(traces, logs);
    // A place may be there still, however long ago it said something.
    let period = seen.map(|(start, end)| (start, if place.is_some() { now } else { end }));
    let mut moments: Vec<_> = place.iter().map(|_| now).collect();
    moments.extend(seen.map(|(_, end)| around::after(end, now)));
    let is_silent = ran.is_empty() && seen.is_none();
    if let Some(pod) = place.filter(|place| place.is_pod_name() && is_silent) {
        // It may have nothing but metrics.
        ran.push(Ran::of_pod(pod.namespace, pod.name));
    }
    let (exemplars, load) = both(
        || {
            period.map_or_else(Part::default, |period| {
                around::exemplars(stores, tenant, &carriers.trace_ids, period)
            })
        },
        || around::loads(&stores.metrics, tenant, &ran, &moments, &asked.part()),
    );
    let (load, heard) = if is_silent && load.found.is_empty() && !load.is_failed {
        around::last_loads(&stores.metrics, tenant, &ran, now, &asked.part())
    } else {
        (load, now)
    };
    let load = cuts.take("load", load);
    let services: BTreeSet<&str> = ran::resources(*place, traces, logs)
        .map(Resource::service)
        .filter(|service| !service.is_empty())
        .collect();
    let changes = period.map_or_else(Part::default, |period| {
        around::changes(places.changes, tenant, &services, period)
    });
    let trace_ids: Vec<_> = carriers.trace_ids.iter().map(TraceId::to_string).collect();
    let about = alerts::About {
        id: asked.id,
        trace_ids: &trace_ids,
        services: &services,
        ran: &ran,
        period: period.or((!ran.is_empty()).then_some((heard, heard))),
    };
    let all = crate::evaluate::alerts_of(places.alerts, tenant);
    let alerts = cuts.take("alerts", alerts::belonging(all, &about));
    if let Some(place) = place.filter(|_| is_silent) {
        ran = ran::of_labels(load.iter().map(|load| &load.labels));
        if !ran.is_empty() {
            kind = place.kind;
        }
    }
    Around {
        kind,
        ran,
        exemplars: cuts.take("exemplars", exemplars),
        load,
        changes: cuts.take("changes", changes),
        alerts,
    }
}

fn span_of_time(traces: &[Trace], logs: &[LogRecord]) -> Option<(UnixNanos, UnixNanos)> {
    let spans = || traces.iter().flat_map(|t| &t.spans);
    let starts = spans().map(|s| s.start).chain(logs.iter().map(|l| l.time));
    let ends = spans().map(|s| s.end).chain(logs.iter().map(|l| l.time));
    Some((starts.min()?, ends.max()?))
}
