//! Lines that were found in several ways.

use super::*;
use sonde_proto::Labels;

fn line(time: u64, body: &str) -> LogRecord {
    LogRecord {
        time: UnixNanos(time),
        observed: UnixNanos(0),
        labels: Labels::empty(),
        severity: 9,
        level: "info".into(),
        body: body.into(),
        trace_id: None,
        span_id: None,
        attributes: Vec::new(),
        resource: Vec::new(),
        line: None,
    }
}

#[test]
fn a_line_that_was_found_twice_is_shown_once_and_the_oldest_is_first() {
    let mut lines = Lines::default();
    lines.add(Part::new(vec![line(3, "c"), line(1, "a")], None));
    lines.add(Part::new(vec![line(1, "a"), line(1, "b")], None));
    let part = lines.each_once();
    let bodies: Vec<_> = part.found.iter().map(|line| &line.body[..]).collect();
    assert_eq!(bodies, ["a", "b", "c"]);
    assert!(part.cut.is_none());
}

#[test]
fn lines_are_bounded_by_number_and_by_bytes_and_it_is_said() {
    let mut lines = Lines::default();
    let many = (0..=LOGS_MAX as u64).map(|n| line(n, "x"));
    lines.add(Part::new(many.collect(), None));
    let part = lines.each_once();
    assert_eq!(part.found.len(), LOGS_MAX);
    assert!(part.cut.unwrap().contains("more than 1000"));

    let long = "x".repeat(LOG_BYTES_MAX / 4);
    let mut lines = Lines::default();
    for n in 0..9 {
        lines.add(Part::new(vec![line(n, &long)], None));
    }
    assert_eq!(lines.part.found.len(), 4);
    assert!(lines.is_full() && lines.part.cut.unwrap().contains("bytes"));
}

#[test]
fn traces_that_lines_name_are_added_once_until_there_are_enough() {
    let id = |n: u8| TraceId::from_slice(&[n; 16]).unwrap();
    let more = [1, 2, 2, 3].map(id);
    assert_eq!(with_more(vec![id(1)], more.into_iter()), [1, 2, 3].map(id));
    let all = with_more(Vec::new(), (1..=200).map(id));
    assert_eq!(all.len(), TRACES_MAX);
}
