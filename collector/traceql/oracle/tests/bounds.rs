//! How much one trace may cost a query, and what is said where that was not enough.

use sonde_proto::{Deadline, TraceId, UnixNanos};
use sonde_traceql::{Bounds, Counting, Field, Query, Window};
use sonde_traceql_oracle::{Plain, PlainSpan};

/// Each of very many spans a set of its own, and names of megabytes: what is made of them is
/// bounded, and said.
#[test]
fn span_sets_of_one_trace_are_bounded_in_number_and_bytes() {
    let bounds = Bounds {
        start: UnixNanos(0),
        end: UnixNanos(u64::MAX),
        spans_max: 1,
    };
    let named = |count: u64, name: &dyn Fn(u64) -> String| {
        let span = |id| {
            let mut span = PlainSpan::new(id, 0);
            span.name = name(id);
            span
        };
        Plain {
            id: TraceId::from_slice(&[7; 16]).expect("not zero"),
            spans: (1..=count).map(span).collect(),
        }
    };
    let search = |trace: &Plain, query: &str| {
        let query = Query::parse(query).unwrap();
        query.search_until(trace, &bounds, &Deadline::never())
    };
    let of_few = named(10_000, &|id| (id % 500).to_string());
    let (sets, cut) = search(&of_few, "{ } | by(name) | count() = 20");
    assert_eq!((sets.len(), cut), (100, None));
    let of_many = named(10_000, &|id| id.to_string());
    let (sets, cut) = search(&of_many, "{ } | by(name)");
    assert_eq!(sets.len(), 100);
    assert!(cut.unwrap().contains("by(...)"));
    // As they are told, each of them has some kilobytes.
    let large = "x".repeat(100_000);
    let of_large = named(400, &|id| format!("{large}{id}"));
    assert_eq!(search(&of_large, "{ } | by(name)").1, None);
    let often = format!("{{ }} {}", "| by(name) ".repeat(30));
    assert!(search(&of_large, &often).1.unwrap().contains("by(...)"));
}

#[test]
fn a_query_that_is_too_late_is_given_up_within_a_trace() {
    let spans = (1..=10_000).map(|id| PlainSpan::new(id, id - 1)).collect();
    let trace = Plain {
        id: TraceId::from_slice(&[7; 16]).expect("not zero"),
        spans,
    };
    let bounds = Bounds {
        start: UnixNanos(0),
        end: UnixNanos(u64::MAX),
        spans_max: 1,
    };
    let late = Deadline::within(std::time::Duration::ZERO);
    for query in [
        "{ parent != nil } | by(span:id) | count() > 0",
        "{ } !>> { name = \"nothing\" }",
        "{ } | by(span:id)",
    ] {
        let query = Query::parse(query).unwrap();
        let (sets, cut) = query.search_until(&trace, &bounds, &late);
        assert!(sets.is_empty() && cut.unwrap().contains("time ran out"));
    }
    let bounds = Bounds {
        spans_max: 100,
        ..bounds
    };
    let query = Query::parse("{ name = nil || true }").unwrap();
    let (places, cut) = query.places_until(&trace, &bounds, &late);
    assert!(places.is_empty() && cut.unwrap().contains("time ran out"));
    let (id, mut ids) = (Field::parse_tag("span:id").unwrap(), 0);
    let cut = query.each_value(&id, &trace, &bounds, &late, &mut |_| ids += 1);
    assert!(ids == 0 && cut.unwrap().contains("time ran out"));
    let never = Deadline::never();
    let cut = query.each_value(&id, &trace, &bounds, &never, &mut |_| ids += 1);
    assert_eq!((ids, cut), (100, None));
    let query = Query::parse("{ parent != nil } | rate()").unwrap();
    let window = Window::instant(UnixNanos(0), UnixNanos(u64::MAX)).unwrap();
    let counting = Counting::new(&query, window, 0).unwrap();
    let mut counting = counting.until(late);
    counting.add(&trace);
    let (series, cut) = counting.finish();
    assert!(series.is_empty() && cut.unwrap().contains("time ran out"));
}
