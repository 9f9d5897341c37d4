//! Everything that is known about a request, in the order of time.

use super::around::Exemplar;
use serde::Serialize;
use sonde_alerts::AlertStatus;
use sonde_logs::LogRecord;
use sonde_proto::{SpanId, TraceId, UnixNanos};
use sonde_signals::Change;
use sonde_traces::{Span, Trace};

const MOMENTS_MAX: usize = 2_000;
const TEXT_BYTES_MAX: usize = 500;

/// What happened at a moment. What explains stands before what it explains.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum MomentKind {
    /// The software changed.
    Change,
    /// An alert began to fire.
    Alert,
    /// An alert ended.
    AlertEnd,
    /// A span began.
    Span,
    /// Something happened during a span, as an exception.
    SpanEvent,
    /// A log line.
    Log,
    /// A metric has an exemplar.
    Exemplar,
}

/// One line of the timeline.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub(crate) struct Moment {
    pub(crate) time: UnixNanos,
    pub(crate) kind: MomentKind,
    pub(crate) service: String,
    pub(crate) text: String,
    /// Whether it is an error.
    pub(crate) is_bad: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) duration_nanos: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) trace_id: Option<TraceId>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) span_id: Option<SpanId>,
}

/// The parts of an answer.
pub(super) struct Parts<'a> {
    pub(super) traces: &'a [Trace],
    pub(super) logs: &'a [LogRecord],
    pub(super) alerts: &'a [AlertStatus],
    pub(super) changes: &'a [Change],
    pub(super) exemplars: &'a [Exemplar],
}

/// All parts as one line of time. Where there is too much, what explains and what failed
/// stays, then what was first.
pub(super) fn timeline(parts: &Parts<'_>) -> (Vec<Moment>, Option<String>) {
    let mut all: Vec<Moment> = parts.changes.iter().map(change).collect();
    all.extend(parts.alerts.iter().flat_map(alert));
    for trace in parts.traces {
        all.extend(trace.spans.iter().flat_map(|of| span(trace.trace_id, of)));
    }
    all.extend(parts.logs.iter().map(log));
    all.extend(parts.exemplars.iter().map(exemplar));
    let mut cut = None;
    if all.len() > MOMENTS_MAX {
        cut = Some(format!(
            "{} things happened; what failed and the first of the rest are shown, {MOMENTS_MAX} together",
            all.len()
        ));
        all.sort_by_key(|moment| {
            let explains = moment.kind <= MomentKind::AlertEnd || moment.is_bad;
            (!explains, moment.time)
        });
        all.truncate(MOMENTS_MAX);
    }
    all.sort_by_key(|moment| (moment.time, moment.kind));
    (all, cut)
}

fn change(change: &Change) -> Moment {
    let Change {
        attribute,
        before,
        after,
        ..
    } = change;
    moment(
        change.time,
        MomentKind::Change,
        &change.service,
        &format!("{attribute}: {before} → {after}"),
    )
}

fn alert(alert: &AlertStatus) -> Vec<Moment> {
    let service = alert.labels.get("service");
    let name = alert.labels.get("alertname");
    let begun = Moment {
        is_bad: true,
        ..moment(
            alert.starts_at,
            MomentKind::Alert,
            service,
            &format!("{name} fires"),
        )
    };
    let ended = alert
        .ends_at
        .map(|at| moment(at, MomentKind::AlertEnd, service, &format!("{name} ended")));
    [Some(begun), ended].into_iter().flatten().collect()
}

fn span(trace_id: TraceId, span: &Span) -> Vec<Moment> {
    let of_span = |moment: Moment| Moment {
        trace_id: Some(trace_id),
        span_id: Some(span.span_id),
        ..moment
    };
    let failed = span.status == "error";
    let text = match span.status_message.as_str() {
        message if failed && !message.is_empty() => format!("{}: {message}", span.name),
        _ => span.name.clone(),
    };
    let begun = of_span(Moment {
        is_bad: failed,
        duration_nanos: Some(span.end.0.saturating_sub(span.start.0)),
        ..moment(span.start, MomentKind::Span, &span.service, &text)
    });
    let event = |event: &sonde_traces::Event| {
        let says = |key: &str| event.attributes.iter().find(|(name, _)| name == key);
        let said = ["exception.type", "exception.message"]
            .iter()
            .filter_map(|key| says(key))
            .map(|(_, value)| format!(" {value}"));
        let text = format!("{}{}", event.name, said.collect::<String>());
        of_span(Moment {
            is_bad: event.name == "exception",
            ..moment(event.time, MomentKind::SpanEvent, &span.service, &text)
        })
    };
    std::iter::once(begun)
        .chain(span.events.iter().map(event))
        .collect()
}

fn log(record: &LogRecord) -> Moment {
    let text = format!("{} {}", record.level, record.body.trim_end());
    Moment {
        is_bad: matches!(record.level.as_str(), "error" | "fatal"),
        trace_id: record.trace_id,
        span_id: record.span_id,
        ..moment(
            record.time,
            MomentKind::Log,
            record.labels.get("service_name"),
            &text,
        )
    }
}

fn exemplar(exemplar: &Exemplar) -> Moment {
    let metric = exemplar.labels.get("__name__");
    let text = format!("{metric} has this trace as an example ({})", exemplar.value);
    Moment {
        trace_id: TraceId::from_hex(&exemplar.trace_id).ok(),
        span_id: SpanId::from_hex(&exemplar.span_id).ok(),
        ..moment(
            exemplar.time,
            MomentKind::Exemplar,
            exemplar.labels.get("service"),
            &text,
        )
    }
}

fn moment(time: UnixNanos, kind: MomentKind, service: &str, text: &str) -> Moment {
    let mut end = text.len().min(TEXT_BYTES_MAX);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    Moment {
        time,
        kind,
        service: service.to_owned(),
        text: text[..end].to_owned(),
        is_bad: false,
        duration_nanos: None,
        trace_id: None,
        span_id: None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn changed(seconds: u64) -> Change {
        Change {
            time: UnixNanos::from_secs(seconds),
            service: "pay".into(),
            attribute: "service.version".into(),
            before: "1".into(),
            after: "é".repeat(600),
        }
    }

    fn seen(seconds: u64) -> Exemplar {
        Exemplar {
            time: UnixNanos::from_secs(seconds),
            trace_id: "07".repeat(16),
            span_id: "no ID".into(),
            value: 0.5,
            labels: sonde_proto::Labels::empty(),
        }
    }

    fn parts<'a>(changes: &'a [Change], exemplars: &'a [Exemplar]) -> Parts<'a> {
        Parts {
            traces: &[],
            logs: &[],
            alerts: &[],
            changes,
            exemplars,
        }
    }

    #[test]
    fn moments_stand_in_the_order_of_time_and_what_explains_stands_first() {
        let (changes, exemplars) = ([changed(5)], [seen(5), seen(1)]);
        let (all, cut) = timeline(&parts(&changes, &exemplars));
        let kinds: Vec<_> = all
            .iter()
            .map(|m| (m.time.0 / 1_000_000_000, m.kind))
            .collect();
        use MomentKind::{Change, Exemplar};
        assert_eq!(kinds, [(1, Exemplar), (5, Change), (5, Exemplar)]);
        assert!(cut.is_none() && all[1].text.len() <= TEXT_BYTES_MAX);
        assert!(all[0].trace_id.is_some() && all[0].span_id.is_none());
    }

    #[test]
    fn where_there_is_too_much_what_explains_stays_and_the_rest_is_cut_aloud() {
        let exemplars: Vec<_> = (0..3_000).map(seen).collect();
        let (all, cut) = timeline(&parts(&[changed(9_999)], &exemplars));
        assert_eq!(all.len(), MOMENTS_MAX);
        assert_eq!(all.last().unwrap().kind, MomentKind::Change);
        assert!(cut.unwrap().contains("3001"));
    }
}
