//! The path of drawn traces, and of any trace.

use super::*;
use proptest::prelude::*;

pub(in crate::lookup) fn span(id: u64, parent: u64, start: u64, end: u64) -> Span {
    let id_of = |n: u64| SpanId::from_slice(&n.to_be_bytes()).ok();
    Span {
        span_id: id_of(id).unwrap(),
        parent: id_of(parent),
        service: "shop".into(),
        resource: Vec::new(),
        scope: String::new(),
        name: format!("op {id}"),
        kind: "server".into(),
        start: UnixNanos(start),
        end: UnixNanos(end),
        status: "unset".into(),
        status_message: String::new(),
        attributes: Vec::new(),
        events: Vec::new(),
        links: Vec::new(),
    }
}

pub(in crate::lookup) fn trace(spans: Vec<Span>) -> Trace {
    Trace {
        trace_id: TraceId::from_slice(&[7; 16]).unwrap(),
        spans,
        cut: None,
        in_part: None,
        next: None,
    }
}

/// Spans as (ID, parent, start, end); the path as (ID, start, end).
fn check(spans: &[(u64, u64, u64, u64)], expected: &[(u64, u64, u64)]) {
    let spans = spans
        .iter()
        .map(|(id, parent, start, end)| span(*id, *parent, *start, *end));
    let path = critical_path(&trace(spans.collect()));
    let steps: Vec<_> = path
        .iter()
        .flat_map(|path| &path.steps)
        .map(|step| {
            let id = u64::from_be_bytes(step.span_id.as_bytes()[..].try_into().unwrap());
            (id, step.start.0, step.end.0)
        })
        .collect();
    assert_eq!(steps, expected);
}

#[test]
fn a_span_waits_for_the_child_that_ends_last() {
    check(&[(1, 0, 10, 20)], &[(1, 10, 20)]);
    check(
        &[(1, 0, 0, 30), (2, 1, 2, 11), (3, 1, 6, 13), (4, 1, 16, 23)],
        &[(1, 0, 6), (3, 6, 13), (1, 13, 16), (4, 16, 23), (1, 23, 30)],
    );
    check(
        &[(1, 0, 0, 10), (2, 1, 1, 9), (3, 2, 2, 8), (4, 3, 3, 7)],
        &[
            (1, 0, 1),
            (2, 1, 2),
            (3, 2, 3),
            (4, 3, 7),
            (3, 7, 8),
            (2, 8, 9),
            (1, 9, 10),
        ],
    );
}

#[test]
fn children_one_after_the_other_are_all_on_the_path() {
    check(
        &[(1, 0, 0, 9), (2, 1, 0, 3), (3, 1, 3, 6), (4, 1, 6, 9)],
        &[(2, 0, 3), (3, 3, 6), (4, 6, 9)],
    );
}

#[test]
fn what_outlives_its_parent_counts_until_its_end_and_what_lies_outside_not_at_all() {
    check(&[(1, 0, 0, 10), (2, 1, 5, 99)], &[(1, 0, 5), (2, 5, 10)]);
    check(&[(1, 0, 5, 10), (2, 1, 0, 7)], &[(2, 5, 7), (1, 7, 10)]);
    check(
        &[(1, 0, 5, 10), (2, 1, 20, 30), (3, 1, 1, 4)],
        &[(1, 5, 10)],
    );
}

#[test]
fn orphans_and_circles_have_a_path_and_no_time_has_none() {
    check(&[(2, 9, 5, 10), (3, 8, 6, 7)], &[(2, 5, 10)]);
    check(
        &[(1, 2, 0, 10), (2, 1, 2, 5)],
        &[(1, 0, 2), (2, 2, 5), (1, 5, 10)],
    );
    check(&[(1, 1, 0, 10)], &[(1, 0, 10)]);
    check(&[(1, 0, 10, 10), (2, 0, 9, 3)], &[]);
    check(&[], &[]);
}

#[test]
fn the_time_of_an_operation_is_the_sum_of_its_steps() {
    let spans = [(1, 0, 0, 10), (2, 1, 2, 4), (3, 1, 5, 9)];
    let spans = spans.map(|(id, parent, start, end)| span(id, parent, start, end));
    let path = critical_path(&trace(spans.into())).unwrap();
    let found: Vec<_> = path
        .operations
        .iter()
        .map(|o| (&o.name[..], o.nanos))
        .collect();
    assert_eq!(found, [("op 1", 4), ("op 3", 4), ("op 2", 2)]);
    assert!((path.operations.iter().map(|o| o.share).sum::<f64>() - 1.0).abs() < 1e-9);
}

#[test]
fn the_path_of_a_part_of_a_trace_says_so() {
    let mut trace = trace(vec![span(1, 0, 0, 10)]);
    assert_eq!(critical_path(&trace).unwrap().cut, None);
    trace.cut = Some("the trace has 4000 spans; these are the first 1000".into());
    let cut = critical_path(&trace).unwrap().cut.unwrap();
    assert!(cut.ends_with("these are the first 1000"), "{cut}");
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, cases: 500, ..ProptestConfig::default() })]

    #[test]
    fn whatever_the_spans_the_steps_are_one_line_from_start_to_end(
        spans in proptest::collection::vec((1..12_u64, 0..12_u64, 0..40_u64, 0..40_u64), 0..12)
    ) {
        let mut seen = std::collections::HashSet::new();
        let spans: Vec<_> = spans
            .into_iter()
            .filter(|(id, ..)| seen.insert(*id))
            .map(|(id, parent, start, end)| span(id, parent, start, end))
            .collect();
        let trace = trace(spans);
        if let Some(path) = critical_path(&trace) {
            let root = trace.spans.iter().find(|s| s.span_id == path.root).unwrap();
            let mut at = root.start;
            for step in &path.steps {
                prop_assert_eq!(step.start, at);
                prop_assert!(step.end > step.start);
                let owner = trace.spans.iter().find(|s| s.span_id == step.span_id).unwrap();
                prop_assert!(owner.start <= step.start && step.end <= owner.end);
                at = step.end;
            }
            prop_assert_eq!(at, root.end);
        } else {
            prop_assert!(trace.spans.iter().all(|s| s.end <= s.start));
        }
    }
}
