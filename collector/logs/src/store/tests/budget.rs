//! What one query may have in hand, and what it does once it is too late.

use super::*;
use sonde_logql::LogQuery;
use sonde_logql::ast::Expr;
use sonde_logql::eval::{self, EvalLimits};
use sonde_proto::Deadline;
use std::time::Duration;

const PERIOD: (UnixNanos, UnixNanos) = (UnixNanos(0), UnixNanos(60_000_000_000));

/// Six segments of a hundred streams each.
fn six_segments(dir: &Path) -> LogStore {
    let config = Config {
        mapped_bytes_max: 1,
        query_threads_max: 2,
        ..quiet()
    };
    let store = open(dir, &config);
    for segment in 0..6 {
        for stream in 0..100 {
            let position = segment * 100 + stream;
            let line = format!("line {segment} of {stream}");
            let service = format!("service-{stream}");
            apply(
                &store,
                position,
                &service,
                vec![record(position + 1, &line)],
            );
        }
        store.seal(NOW).unwrap();
    }
    store
}

/// Why numbers may be too low.
fn numbers(store: &LogStore, deadline: &Deadline) -> Result<Option<String>, String> {
    let Expr::Metric(expr) = sonde_logql::parse("sum(count_over_time({}[60s]))").unwrap() else {
        panic!("that is a query for numbers");
    };
    let source = store.source(&Tenant::default(), deadline);
    let (limits, never) = (EvalLimits::default(), Deadline::never());
    let times = (PERIOD.1, PERIOD.1);
    let value = eval::range(&expr, times, 60_000_000_000, &source, &limits, &never);
    value.map_err(|error| error.to_string())?;
    Ok(source.reading().cut)
}

fn patterns(store: &LogStore, deadline: &Deadline) -> Option<String> {
    let step = Duration::from_secs(10);
    // What is asked of a value which only some have needs the streams.
    let matchers = LogQuery::parse(r#"{service_name!="service-7"}"#).unwrap();
    let matchers = matchers.matchers();
    let found = store.patterns(&Tenant::default(), matchers, PERIOD, step, deadline);
    found.reading.cut
}

#[test]
fn a_query_stops_where_the_streams_that_it_has_in_hand_are_too_many() {
    let dir = tempfile::tempdir().unwrap();
    let store = six_segments(dir.path());
    let never = Deadline::never();
    assert_eq!(bodies(&store, "{}").len(), 600);
    assert_eq!(numbers(&store, &never), Ok(None));
    assert_eq!(patterns(&store, &never), None);

    // Eight bytes for each of a hundred streams: there is room for three segments.
    store.view.write().query_stream_bytes_max = 2500;
    let answer = store.search(&Tenant::default(), &search("{}")).unwrap();
    let why = "the streams it has to choose from take more than 2500 bytes";
    assert!(answer.cut.unwrap().contains(why));
    assert!(answer.records.len() <= 300);
    assert!(numbers(&store, &never).unwrap().unwrap().contains(why));
    assert!(patterns(&store, &never).unwrap().contains(why));
    let newest = Search {
        limit: 50,
        ..search("{}")
    };
    let answer = store.search(&Tenant::default(), &newest).unwrap();
    assert_eq!((answer.records.len(), answer.cut), (50, None));
}

#[test]
fn a_query_that_is_too_late_opens_no_segment_any_more() {
    let dir = tempfile::tempdir().unwrap();
    let store = six_segments(dir.path());
    let before = store.common.mapped.opens();
    let late = Deadline::within(Duration::ZERO);
    numbers(&store, &late).unwrap_err();
    assert!(patterns(&store, &late).unwrap().contains("no time"));
    assert_eq!(store.common.mapped.opens(), before);
}
