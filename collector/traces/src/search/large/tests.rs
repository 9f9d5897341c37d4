//! What a large trace takes: of time, of memory, and what is told of one that is too large.

use super::{Copies, Heads, LOOK_EVERY, PageLimits, SERVICES_MAX};
use crate::raw::split;
use crate::tests::model::{entry, open, payload, tenant, trace_id};
use crate::{Config, TraceStore};
use bytes::Bytes;
use opentelemetry_proto::tonic::trace::v1::Span;
use prost::Message as _;
use sonde_proto::{Deadline, UnixNanos};
use std::time::Duration;

fn span(number: u64) -> Span {
    Span {
        trace_id: trace_id(1).as_bytes().to_vec(),
        span_id: (number + 1).to_be_bytes().to_vec(),
        start_time_unix_nano: number,
        end_time_unix_nano: number,
        ..Span::default()
    }
}

/// How many spans pages have together, and why the last is not all.
fn paged(store: &TraceStore, heads: usize) -> (usize, Option<String>) {
    let view = store.view(&tenant()).unwrap();
    let limits = PageLimits {
        spans: 700,
        bytes: 1 << 20,
        small_bytes: 0,
        are_judged: false,
        heads,
    };
    let (mut spans, mut after) = (0, None);
    loop {
        let page = store.raw_page(&view, &trace_id(1), after, &limits);
        let page = page.unwrap();
        spans += page.spans.len();
        after = page.next;
        if after.is_none() {
            return (spans, page.cut);
        }
    }
}

#[test]
fn more_spans_than_are_looked_at_are_told_of_and_copies_are_none() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path(), &Config::default());
    for position in 0..6 {
        // Half of each are copies of those before.
        let spans = (position * 1_000..(position + 2) * 1_000).map(span);
        store.apply(&[entry(position, &payload("a", spans.collect()))]);
        store.seal(UnixNanos(0)).unwrap();
    }
    let (spans, cut) = paged(&store, 7_000);
    assert_eq!(
        (spans, cut.unwrap().contains("has 7000 spans")),
        (7_000, true)
    );
    let (spans, cut) = paged(&store, 1_500);
    assert!((1_500..=3_000).contains(&spans), "{spans}");
    assert!(cut.unwrap().contains("more than 1500 spans"));
}

/// They are found in a table, which is bounded: searching a list from end to end for each of a
/// million took minutes.
#[test]
fn a_trace_of_very_many_services_names_some_of_them() {
    let context = |n: u64| {
        let value = payload(&format!("service {n}"), vec![span(n)]).encode_to_vec();
        let mut found = None;
        split(&value.into(), |_, span| found = Some(span), |_| {}).unwrap();
        found.unwrap()
    };
    let mut heads = Heads::default();
    (0..20_000).for_each(|n| heads.add(&context(n), 0, 0));
    let totals = heads.totals();
    assert_eq!(
        (totals.spans, totals.services.len()),
        (20_000, SERVICES_MAX)
    );
    assert!(totals.services.contains("service 0"));
}

#[test]
fn a_copied_span_holds_nothing_of_the_value_it_lay_in() {
    let values: Vec<Bytes> = (0..3)
        .map(|n| {
            payload("a", vec![span(n), span(n + 10)])
                .encode_to_vec()
                .into()
        })
        .collect();
    let (mut copies, mut copied) = (Copies::default(), Vec::new());
    for value in &values {
        split(value, |_, span| copied.push(copies.of(&span)), |_| {}).unwrap();
    }
    let held = values.iter().map(|value| !value.is_unique());
    assert_eq!(held.collect::<Vec<_>>(), [false, false, true]);
    drop(copies);
    assert!(values.iter().all(Bytes::is_unique));
    assert!(std::sync::Arc::ptr_eq(
        &copied[0].context,
        &copied[1].context
    ));
}

/// One that held a tail while it visits would wait for itself here.
#[test]
fn spans_arrive_while_those_of_a_trace_are_visited() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path(), &Config::default());
    store.apply(&[entry(0, &payload("a", (0..3).map(span).collect()))]);
    let view = store.view(&tenant()).unwrap();
    let mut visited = 0;
    let walk = store.each_span(&view, &trace_id(1), 100, &Deadline::never(), |_| {
        visited += 1;
        store.apply(&[entry(visited, &payload("a", vec![span(visited + 10)]))]);
    });
    assert_eq!((visited, walk.unwrap().cut), (3, None));
    let page = store.trace(&tenant(), &trace_id(1)).unwrap().unwrap();
    assert_eq!(page.spans.len(), 6);
}

/// What an outline is made of is not counted to the end for one who has no time.
#[test]
fn the_time_is_looked_at_while_spans_are_counted() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path(), &Config::default());
    store.apply(&[entry(0, &payload("a", (0..3_000).map(span).collect()))]);
    let view = store.view(&tenant()).unwrap();
    let late = Deadline::within(Duration::ZERO);
    let known = store.heads(&view, &trace_id(1), 10_000, &late).unwrap();
    assert_eq!((known.heads.heads.len(), known.is_late), (LOOK_EVERY, true));
    let walk = store.each_span(&view, &trace_id(1), 10_000, &late, |_| unreachable!());
    assert!(walk.unwrap().cut.unwrap().contains("the time was over"));
}
