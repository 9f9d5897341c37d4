//! Who hides what.

use super::*;

fn request(query: &str, before: u64) -> Arc<Request> {
    Arc::new(Request {
        number: before,
        query: LogQuery::parse(query).unwrap(),
        start: UnixNanos(10),
        end: UnixNanos(20),
        before: Position(before),
    })
}

fn place(positions: (u64, u64), times: (u64, u64)) -> Place {
    Place {
        positions: (Position(positions.0), Position(positions.1)),
        times: (UnixNanos(times.0), UnixNanos(times.1)),
        received: UnixNanos(times.1),
        deletes_through: 0,
    }
}

fn labels(service: &str) -> Labels {
    [("service_name", service)].into_iter().collect()
}

#[test]
fn a_request_hides_what_matches_and_was_there_before_it() {
    let hidden = Hidden {
        requests: vec![request(r#"{service_name="a"} |= "x""#, 5)],
        ages: None,
    };
    let veil = hidden.at(&place((0, 9), (0, 30)));
    assert!(veil.of(&labels("b")).is_none());
    let veil = veil.of(&labels("a")).unwrap();
    let check = |time, position, body: &str, expected| {
        let hides = veil.hides(UnixNanos(time), Position(position), body.as_bytes());
        assert_eq!(hides, expected, "{time} {position} {body}");
    };
    check(10, 4, "x", true);
    check(20, 0, "axb", true);
    check(10, 5, "x", false);
    check(9, 4, "x", false);
    check(21, 4, "x", false);
    check(15, 4, "y", false);
    assert!(veil.needs_body() && veil.needs_position(Position(5)));
    assert!(!veil.needs_position(Position(4)));
    assert!(!veil.may_hide(UnixNanos(21), UnixNanos(99)));
    assert!(veil.may_hide(UnixNanos(20), UnixNanos(99)));
}

#[test]
fn places_that_a_request_cannot_reach_have_no_veil() {
    let hidden = Hidden {
        requests: vec![request("{}", 5)],
        ages: None,
    };
    let reaches = |positions, times| !hidden.at(&place(positions, times)).is_empty();
    assert!(reaches((4, 6), (20, 30)) && reaches((0, 1), (0, 10)));
    assert!(!reaches((5, 6), (20, 30)) && !reaches((0, 1), (21, 30)));
    assert!(!reaches((0, 1), (0, 9)));
    let done = Place {
        deletes_through: 5,
        ..place((0, 1), (0, 10))
    };
    assert!(hidden.at(&done).is_empty());
    let veil = hidden
        .at(&place((0, 5), (10, 20)))
        .of(&labels("a"))
        .unwrap();
    let all = |times: (u64, u64), last| {
        let times = (UnixNanos(times.0), UnixNanos(times.1));
        veil.hides_all(times, (Position(0), Position(last)))
    };
    assert!(all((10, 20), 4));
    assert!(!all((10, 21), 4) && !all((9, 20), 4) && !all((10, 20), 5));
}

#[test]
fn each_stream_is_kept_for_its_time_counted_from_arrival_where_that_is_earlier() {
    let rule = |selector, seconds| AgeRule {
        matchers: sonde_logql::parse_selector(selector).unwrap(),
        seconds,
    };
    let ages = Ages {
        rules: vec![
            rule(r#"{service_name="a"}"#, 10),
            rule("{service_name=~\"a|b\"}", 0),
        ],
        seconds: 50,
    };
    let of = |service| ages.of(&labels(service));
    assert_eq!((of("a"), of("b"), of("c")), (10, 0, 50));
    assert_eq!((ages.shortest(), ages.longest()), (Some(10), None));
    let now = UnixNanos::from_secs(100);
    let hidden = Hidden {
        requests: Vec::new(),
        ages: Some((Arc::new(ages), now)),
    };
    let secs = UnixNanos::from_secs;
    let at = |first, received| {
        let place = Place {
            received: secs(received),
            ..place((0, 9), (secs(first).0, secs(200).0))
        };
        hidden.at(&place)
    };
    assert!(at(90, 100).is_empty());
    let veil = at(20, 80);
    assert!(veil.of(&labels("b")).is_none());
    let past = |service, time| veil.of(&labels(service)).unwrap().is_past(secs(time));
    assert!(
        past("a", 89) && past("a", 150),
        "it arrived at 80 the latest"
    );
    assert!(past("c", 49) && !past("c", 50));
}
