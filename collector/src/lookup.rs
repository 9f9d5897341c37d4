//! One identifier in, everything that belongs to it out, with no time range.
//!
//! An identifier is a trace ID (32 hex digits), a span ID (16), or a request ID: what an
//! application put into one of the attributes that `traces.request_id_keys` names. The
//! traces lead to their logs, and both to the alerts that mention them or that fired on
//! one of their services while they ran. Around them stand what had changed in their
//! services just before, the load of the nodes and containers they ran on, and the metrics'
//! exemplars that point to them ([`around`]); all of it in one line of time ([`timeline`]),
//! and for each trace what it waited for ([`critical`]).

mod around;
mod compare;
mod critical;
mod timeline;

use crate::stores::Stores;
use around::{Exemplar, Load};
pub(crate) use compare::{Comparison, Groups, compare};
use critical::{CriticalPath, critical_path};
use serde::Serialize;
use sonde_alerts::{AlertStatus, Alerts};
use sonde_logs::{Belonging, LogRecord};
use sonde_proto::{Deadline, Position, SpanId, Tenant, TraceId, UnixNanos};
use sonde_signals::{Change, Changes};
use sonde_traces::{Carriers, Trace};
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;
use timeline::{Moment, Parts};

const TRACES_MAX: usize = 20;
const LOGS_MAX: usize = 1000;
/// How long before an alert fires its cause may lie: the windows of its rules.
const CAUSE_WITHIN: Duration = Duration::from_secs(5 * 60);

/// What an identifier turned out to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Kind {
    Trace,
    Request,
    Span,
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
    pub(crate) message: Option<&'static str>,
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

/// Looks an identifier up.
///
/// # Errors
/// What a store could not read.
pub(crate) fn lookup(
    places: Places<'_>,
    tenant: &Tenant,
    id: &str,
    deadline: &Deadline,
) -> Result<Found, String> {
    let Places { stores, alerts, .. } = places;
    let id = id.trim();
    let searched_through = SearchedThrough {
        logs: stores.logs.applied_to(),
        spans: stores.traces.applied_to(),
    };
    let mut logs = Lines::default();
    logs.add(stores.logs.by_id(tenant, id, LOGS_MAX, deadline))?;
    let (kind, carriers) = trace_ids(stores, tenant, id, deadline)?;
    let mut trace_ids = carriers.trace_ids;
    let mut cuts = Cuts::default();
    cuts.note("traces", carriers.cut);
    cuts.note(
        "traces",
        (trace_ids.len() >= TRACES_MAX)
            .then(|| format!("there may be more than these {TRACES_MAX} traces")),
    );
    // A line may carry the identifier where no span does: it names its trace.
    for trace_id in logs.found.iter().filter_map(|record| record.trace_id) {
        if trace_ids.len() < TRACES_MAX && !trace_ids.contains(&trace_id) {
            trace_ids.push(trace_id);
        }
    }
    let mut traces: Vec<Trace> = Vec::new();
    for trace_id in &trace_ids {
        if deadline.has_passed() {
            let over = "the time for the query was over before all traces were read";
            cuts.note("traces", Some(over.into()));
            break;
        }
        let trace = stores.traces.trace(tenant, trace_id);
        let trace = trace.map_err(|e| e.to_string())?;
        let why_not = stores.traces.not_kept(tenant, trace_id);
        if let (None, Some(why)) = (&trace, why_not) {
            cuts.note("traces", Some(format!("trace {trace_id}: {why}")));
        }
        traces.extend(trace);
    }
    cuts.note("traces", traces.iter().find_map(|trace| trace.cut.clone()));
    let own = TraceId::from_hex(id).ok();
    let without_spans = own.filter(|own| !trace_ids.contains(own));
    let not_kept = without_spans.and_then(|own| stores.traces.not_kept(tenant, &own));
    cuts.note("traces", not_kept.map(str::to_owned));
    for trace_id in trace_ids.iter().chain(&without_spans) {
        logs.add(stores.logs.by_trace(tenant, trace_id, LOGS_MAX, deadline))?;
    }
    let (logs, logs_cut) = logs.each_once();
    cuts.note("logs", logs_cut);
    let alerts = mentioned(alerts.list(), id, &traces, &logs);
    let nothing = traces.is_empty() && logs.is_empty() && alerts.is_empty();
    let (mut changes, mut exemplars, mut load) = (Vec::new(), Vec::new(), Vec::new());
    if let Some(ran) = span_of_time(&traces, &logs) {
        let (found, cut) = around::changes(places.changes, tenant, &services(&traces, &logs), ran);
        changes = found;
        cuts.note("changes", cut);
        let (found, cut) = around::exemplars(stores, tenant, &trace_ids, ran, deadline);
        exemplars = found;
        cuts.note("exemplars", cut);
        let at = (ran.1, places.now);
        let (found, cut) = around::loads(stores, tenant, &traces, &logs, at, deadline);
        load = found;
        cuts.note("load", cut);
    }
    let critical_paths: Vec<_> = traces.iter().filter_map(critical_path).collect();
    cuts.note(
        "critical_paths",
        critical_paths.iter().find_map(|path| path.cut.clone()),
    );
    let (timeline, cut) = timeline::timeline(&Parts {
        traces: &traces,
        logs: &logs,
        alerts: &alerts,
        changes: &changes,
        exemplars: &exemplars,
    });
    cuts.note("timeline", cut);
    Ok(Found {
        id: id.into(),
        kind: kind_of(kind, nothing),
        traces,
        logs,
        alerts,
        changes,
        exemplars,
        load,
        critical_paths,
        timeline,
        searched_through,
        cut: cuts.first,
        cuts: cuts.by_part,
        message: nothing.then_some(not_kept.unwrap_or(
            "nothing carries this ID: check it for typing errors; it may be older than what is kept, or not have arrived yet",
        )),
    })
}

/// Why parts are not everything.
#[derive(Default)]
struct Cuts {
    first: Option<String>,
    by_part: BTreeMap<&'static str, String>,
}

impl Cuts {
    fn note(&mut self, part: &'static str, cut: Option<String>) {
        if let Some(cut) = cut {
            self.first.get_or_insert_with(|| cut.clone());
            self.by_part.entry(part).or_insert(cut);
        }
    }
}

/// A name as a regular expression within a string of PromQL that matches only that name.
fn quoted_regex(name: &str) -> String {
    let mut out = String::new();
    for c in name.chars() {
        match c {
            '\n' => out.push_str("\\n"),
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\\\\\"),
            c if c.is_ascii_punctuation() => {
                out.push_str("\\\\");
                out.push(c);
            }
            c => out.push(c),
        }
    }
    out
}

fn kind_of(kind: Kind, nothing: bool) -> Kind {
    if nothing { Kind::None } else { kind }
}

fn trace_ids(
    stores: &Stores,
    tenant: &Tenant,
    id: &str,
    deadline: &Deadline,
) -> Result<(Kind, Carriers), String> {
    if let Ok(trace) = TraceId::from_hex(id)
        && stores
            .traces
            .trace(tenant, &trace)
            .map_err(|e| e.to_string())?
            .is_some()
    {
        let trace_ids = vec![trace];
        return Ok((
            Kind::Trace,
            Carriers {
                trace_ids,
                cut: None,
            },
        ));
    }
    let found = stores
        .traces
        .lookup(tenant, id, TRACES_MAX, deadline)
        .map_err(|e| e.to_string())?;
    let kind = match (TraceId::from_hex(id).is_ok(), SpanId::from_hex(id).is_ok()) {
        (true, _) if found.trace_ids.is_empty() => Kind::Trace,
        (_, true) => Kind::Span,
        _ => Kind::Request,
    };
    Ok((kind, found))
}

/// The logs of the traces, and those that carry the identifier itself.
#[derive(Default)]
struct Lines {
    found: Vec<LogRecord>,
    cut: Option<String>,
}

impl Lines {
    fn add(&mut self, answer: Result<Belonging, sonde_logs::SearchError>) -> Result<(), String> {
        let answer = answer.map_err(|error| error.to_string())?;
        self.found.extend(answer.records);
        self.cut = self.cut.take().or(answer.cut);
        Ok(())
    }

    /// Each line once, oldest first: one may have been found by both.
    fn each_once(mut self) -> (Vec<LogRecord>, Option<String>) {
        self.found.sort_by(|a, b| order(a).cmp(&order(b)));
        self.found
            .dedup_by(|a, b| order(a) == order(b) && a.attributes == b.attributes);
        if self.found.len() > LOGS_MAX {
            self.found.truncate(LOGS_MAX);
            self.cut
                .get_or_insert_with(|| format!("there are more than {LOGS_MAX} log lines"));
        }
        (self.found, self.cut)
    }
}

fn order(record: &LogRecord) -> (UnixNanos, &sonde_proto::Labels, &str, Option<SpanId>) {
    (record.time, &record.labels, &record.body, record.span_id)
}

fn mentioned(
    alerts: Vec<AlertStatus>,
    id: &str,
    traces: &[Trace],
    logs: &[LogRecord],
) -> Vec<AlertStatus> {
    let trace_ids: BTreeSet<String> = traces.iter().map(|t| t.trace_id.to_string()).collect();
    let services = services(traces, logs);
    let ran = span_of_time(traces, logs);
    let names_it = |alert: &AlertStatus| {
        let mut texts = alert
            .labels
            .iter()
            .chain(alert.annotations.iter())
            .map(|(_, text)| text);
        texts.any(|text| text.contains(id) || trace_ids.iter().any(|t| text.contains(t.as_str())))
    };
    let fired_meanwhile = |alert: &AlertStatus| {
        ran.is_some_and(|(start, end)| {
            services.contains(alert.labels.get("service"))
                && alert.starts_at.minus(CAUSE_WITHIN) <= end
                && alert.ends_at.is_none_or(|ended| ended >= start)
        })
    };
    alerts
        .into_iter()
        .filter(|alert| names_it(alert) || fired_meanwhile(alert))
        .collect()
}

fn services<'a>(traces: &'a [Trace], logs: &'a [LogRecord]) -> BTreeSet<&'a str> {
    traces
        .iter()
        .flat_map(|t| t.spans.iter().map(|s| s.service.as_str()))
        .chain(logs.iter().map(|l| l.labels.get("service_name")))
        .filter(|service| !service.is_empty())
        .collect()
}

fn span_of_time(traces: &[Trace], logs: &[LogRecord]) -> Option<(UnixNanos, UnixNanos)> {
    let spans = || traces.iter().flat_map(|t| &t.spans);
    let starts = spans().map(|s| s.start).chain(logs.iter().map(|l| l.time));
    let ends = spans().map(|s| s.end).chain(logs.iter().map(|l| l.time));
    Some((starts.min()?, ends.max()?))
}

#[cfg(test)]
mod tests {
    use super::quoted_regex;

    #[test]
    fn a_quoted_name_matches_itself_and_nothing_else() {
        for name in [
            "web-1",
            "a.b",
            "x\"y",
            "c\\d",
            "new\nline",
            "(|)*",
            "n\u{e9}",
        ] {
            let query = format!("{{host_name=~\"{}\"}}", quoted_regex(name));
            let parsed = sonde_metrics::parse_selector(&query).unwrap();
            let matcher = &parsed[0];
            assert!(matcher.matches(name), "{query}");
            assert!(
                !matcher.matches("other") && !matcher.matches("aXb"),
                "{query}"
            );
        }
    }
}
