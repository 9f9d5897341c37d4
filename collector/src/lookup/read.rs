//! The traces of an answer, within what one answer may have of spans.

use super::part::Part;
use crate::stores::Stores;
use sonde_proto::{Deadline, Tenant, TraceId};
use sonde_traces::{Span, SpanPlace, Trace};

/// How many spans, and how many bytes of them, an answer has.
const BUDGET: Budget = Budget {
    spans: 10_000,
    bytes: 16 << 20,
};

#[derive(Clone, Copy, Debug)]
struct Budget {
    spans: usize,
    bytes: usize,
}

/// Reads traces. Each may have its share of what is left; what a small one leaves goes to
/// those after it. One that is known already is not read again.
pub(super) fn traces(
    stores: &Stores,
    tenant: &Tenant,
    ids: &[TraceId],
    mut known: Option<Trace>,
    deadline: &Deadline,
) -> Part<Trace> {
    within(BUDGET, ids, deadline, |id| {
        let known = known.take_if(|known| known.trace_id == *id);
        known.map_or_else(|| stores.traces.trace(tenant, id), |known| Ok(Some(known)))
    })
}

fn within<E: std::fmt::Display>(
    mut left: Budget,
    ids: &[TraceId],
    deadline: &Deadline,
    mut read: impl FnMut(&TraceId) -> Result<Option<Trace>, E>,
) -> Part<Trace> {
    let mut part = Part::default();
    for (at, id) in ids.iter().enumerate() {
        if deadline.has_passed() {
            part.cut("the time for the lookup was over before all traces were read".into());
            break;
        }
        let mut trace = match read(id) {
            Ok(Some(trace)) => trace,
            Ok(None) => continue,
            Err(error) => {
                part.fail(format!("trace {id}: {error}"));
                continue;
            }
        };
        let share = Budget {
            spans: left.spans / (ids.len() - at),
            bytes: left.bytes / (ids.len() - at),
        };
        let used = shorten(&mut trace, share);
        left.spans = left.spans.saturating_sub(used.spans);
        left.bytes = left.bytes.saturating_sub(used.bytes);
        if let Some(cut) = &trace.cut {
            part.cut(format!("trace {id}: {cut}"));
        }
        part.found.push(trace);
    }
    part
}

/// Leaves a trace the first of its spans, at least one, and says so.
fn shorten(trace: &mut Trace, share: Budget) -> Budget {
    let mut used = Budget { spans: 0, bytes: 0 };
    for span in &trace.spans {
        let bytes = used.bytes + bytes(span);
        if used.spans > 0 && (used.spans >= share.spans || bytes > share.bytes) {
            break;
        }
        used.bytes = bytes;
        used.spans += 1;
    }
    let all = trace.spans.len();
    if used.spans < all {
        trace.spans.truncate(used.spans);
        let last = trace.spans.last().map(|span| SpanPlace {
            start: span.start,
            span_id: span.span_id,
        });
        trace.next = last.map(|place| place.to_string());
        let room = format!(
            "a lookup has room for the first {} of its {all} spans or more; ask for the trace by its ID to see the others",
            used.spans
        );
        trace.cut = Some(match &trace.in_part {
            Some(in_part) => format!("{room}; {in_part}"),
            None => room,
        });
    }
    used
}

/// About how much memory a span takes.
fn bytes(span: &Span) -> usize {
    let attributes = |all: &[(String, String)]| -> usize {
        let one =
            |(name, value): &(String, String)| 2 * size_of::<String>() + name.len() + value.len();
        all.iter().map(one).sum()
    };
    let events = span.events.iter();
    let links = span.links.iter();
    size_of::<Span>()
        + span.service.len()
        + span.scope.len()
        + span.name.len()
        + span.status_message.len()
        + attributes(&span.resource)
        + attributes(&span.attributes)
        + events
            .map(|event| size_of_val(event) + event.name.len() + attributes(&event.attributes))
            .sum::<usize>()
        + links
            .map(|link| size_of_val(link) + attributes(&link.attributes))
            .sum::<usize>()
}

#[cfg(test)]
mod tests {
    use super::super::critical::tests::{span, trace};
    use super::*;
    use std::convert::Infallible;

    fn id(at: usize) -> TraceId {
        TraceId::from_hex(&format!("{at:032x}")).unwrap()
    }

    /// Traces of so many spans each, read within a budget: how many each came to have.
    fn check(budget: Budget, spans: &[usize]) -> (Vec<usize>, Option<String>) {
        let ids: Vec<_> = (1..=spans.len()).map(id).collect();
        let read = |wanted: &TraceId| -> Result<_, Infallible> {
            let at = ids.iter().position(|id| id == wanted).unwrap();
            let spans = 1..=spans[at] as u64;
            Ok(Some(trace(spans.map(|n| span(n, 0, n, n + 1)).collect())))
        };
        let part = within(budget, &ids, &Deadline::never(), read);
        (part.found.iter().map(|t| t.spans.len()).collect(), part.cut)
    }

    #[test]
    fn a_large_trace_leaves_the_others_their_share_and_says_what_it_lacks() {
        let of_spans = |spans| Budget {
            spans,
            bytes: usize::MAX,
        };
        let (spans, cut) = check(of_spans(100), &[500, 10, 500]);
        assert_eq!(spans, [33, 10, 57]);
        assert!(cut.unwrap().contains("first 33 of its 500 spans"));
        assert_eq!(check(of_spans(100), &[50, 50]), (vec![50, 50], None));
        assert_eq!(check(of_spans(1), &[5, 5]).0, [1, 1]);
    }

    #[test]
    fn bytes_are_bounded_as_spans_are_and_the_page_goes_on_behind_the_last() {
        let one = bytes(&span(1, 0, 1, 2));
        let budget = Budget {
            spans: usize::MAX,
            bytes: 4 * one,
        };
        assert_eq!(check(budget, &[9]).0, [4]);
        let mut large = trace((1..=9).map(|n| span(n, 0, n, n + 1)).collect());
        shorten(&mut large, budget);
        let next: SpanPlace = large.next.unwrap().parse().unwrap();
        assert_eq!(next.span_id, large.spans[3].span_id);
    }

    #[test]
    fn nothing_is_read_when_the_time_is_over_and_a_failure_leaves_the_rest() {
        let late = Deadline::within(std::time::Duration::ZERO);
        let read = |_: &TraceId| Ok::<_, Infallible>(None);
        let part = within(BUDGET, &[id(1)], &late, read);
        assert!(part.found.is_empty() && part.cut.is_some());
        let read = |wanted: &TraceId| match *wanted == id(1) {
            true => Err("no disk"),
            false => Ok(Some(trace(vec![span(1, 0, 1, 2)]))),
        };
        let part = within(BUDGET, &[id(1), id(2)], &Deadline::never(), read);
        assert_eq!(part.found.len(), 1);
        assert!(part.is_failed && part.cut.unwrap().contains("no disk"));
    }
}
