//! The traces that firing alerts name, which are kept where traces are sampled.

use sonde_proto::{Tenant, TraceId, UnixNanos};
use sonde_rules::AlertUpdate;
use sonde_traces::{TraceStore, Vote};

/// So many of one alert count.
const TRACES_MAX: usize = 16;
/// A trace ID in hex.
const DIGITS: usize = 32;

/// Counts a vote for every trace ID in the labels and annotations of a tenant's alerts that fire:
/// for the traces of that tenant.
pub(super) fn vote(traces: &TraceStore, tenant: &Tenant, alerts: &[AlertUpdate], now: UnixNanos) {
    if !traces.samples() {
        return;
    }
    let firing = alerts
        .iter()
        .filter(|alert| alert.ends_at.is_none_or(|ends| ends > now));
    for alert in firing {
        let texts = alert.labels.iter().chain(alert.annotations.iter());
        let named = texts.flat_map(|(_, text)| trace_ids(text));
        for id in named.take(TRACES_MAX) {
            traces.vote(tenant, id, Vote::Alert, now);
        }
    }
}

/// The trace IDs in a text, such as a link to a trace.
fn trace_ids(text: &str) -> impl Iterator<Item = TraceId> {
    let words = text.split(|c: char| !c.is_ascii_alphanumeric());
    let words = words.filter(|word| word.len() == DIGITS);
    words.filter_map(|word| TraceId::from_hex(word).ok())
}

#[cfg(test)]
mod tests {
    use super::*;
    use prometheus_client::registry::Registry;
    use prost::Message as _;
    use serde_json::json;
    use sonde_proto::otlp::trace::{ResourceSpans, ScopeSpans, Span};
    use sonde_proto::otlp::trace_service::ExportTraceServiceRequest;
    use sonde_proto::{Entry, Labels, Position, Signal};
    use sonde_traces::Config;

    const NAMED: &str = "0af7651916cd43dd8448eb211c80319c";

    /// A span of the trace that the alert names.
    fn spans(tenant: &Tenant) -> Entry {
        let span = Span {
            trace_id: TraceId::from_hex(NAMED).unwrap().as_bytes().to_vec(),
            span_id: vec![1; 8],
            ..Span::default()
        };
        let request = ExportTraceServiceRequest {
            resource_spans: vec![ResourceSpans {
                scope_spans: vec![ScopeSpans {
                    spans: vec![span],
                    ..ScopeSpans::default()
                }],
                ..ResourceSpans::default()
            }],
        };
        let payload = request.encode_to_vec().into();
        Entry::otlp(
            tenant.clone(),
            Signal::Spans,
            UnixNanos::from_secs(1),
            payload,
        )
    }

    #[test]
    fn an_alert_keeps_traces_of_the_tenant_whose_it_is() {
        let (dir, mut config) = (tempfile::tempdir().unwrap(), Config::default());
        let policies = json!([{"name": "named", "type": "alert"}]);
        config.sampling.policies = serde_json::from_value(policies).unwrap();
        let mut registry = Registry::default();
        let store = TraceStore::open(dir.path(), &config, &mut registry, UnixNanos(0)).unwrap();
        let tenants = ["default", "team-a"].map(|name| Tenant::new(name).unwrap());
        for (position, tenant) in (0..).zip(&tenants) {
            store.apply(&[(Position(position), spans(tenant))]);
        }
        let alert = AlertUpdate {
            labels: [("alertname", "Slow")].into_iter().collect::<Labels>(),
            annotations: [("see", NAMED)].into_iter().collect(),
            starts_at: UnixNanos::from_secs(1),
            ends_at: None,
            generator_url: String::new(),
        };
        vote(&store, &tenants[1], &[alert], UnixNanos::from_secs(2));
        store.seal(UnixNanos::from_secs(1_000)).unwrap();
        let id = TraceId::from_hex(NAMED).unwrap();
        let kept = tenants.map(|tenant| store.trace(&tenant, &id).unwrap().is_some());
        assert_eq!(kept, [false, true]);
    }

    #[test]
    fn trace_ids_are_found_in_texts() {
        let id = "0af7651916cd43dd8448eb211c80319c";
        let check = |text: &str, expected: usize| {
            let found: Vec<_> = trace_ids(text).map(|id| id.to_string()).collect();
            assert_eq!(found, vec![id.to_owned(); expected], "{text}");
        };
        check(id, 1);
        check(
            &format!("see http://127.0.0.1:7070/trace/{id}?a=b, and {id}"),
            2,
        );
        check(&format!("{id}0"), 0);
        check(&format!("x{id}"), 0);
        check("00000000000000000000000000000000", 0);
        check("nothing of the kind", 0);
    }
}
