//! The traces that firing alerts name, which are kept where traces are sampled.

use sonde_proto::{Tenant, TraceId, UnixNanos};
use sonde_rules::AlertUpdate;
use sonde_traces::{TraceStore, Vote};

/// So many of one alert count.
const TRACES_MAX: usize = 16;
/// A trace ID in hex.
const DIGITS: usize = 32;

/// Counts a vote for every trace ID in the labels and annotations of alerts that fire.
pub(super) fn vote(traces: &TraceStore, alerts: &[AlertUpdate], now: UnixNanos) {
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
            traces.vote(&Tenant::default(), id, Vote::Alert, now);
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
