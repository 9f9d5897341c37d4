//! The list of requests by itself.

use super::*;

const SECOND: Duration = Duration::from_secs(1);

fn new(query: &str, created_at: u64) -> NewDelete {
    NewDelete {
        query: LogQuery::parse(query).unwrap(),
        start: UnixNanos(10),
        end: UnixNanos(20),
        created_at: UnixNanos::from_secs(created_at),
    }
}

fn segment(id: u64, positions: (u64, u64), times: (u64, u64), through: u64) -> SegmentMeta {
    SegmentMeta {
        id,
        tenant: Tenant::default(),
        start: UnixNanos(times.0),
        end: UnixNanos(times.1),
        positions: (Position(positions.0), Position(positions.1)),
        bytes: 1,
        records: 1,
        checksum: 0,
        extra: serde_json::json!({"deletes_through": through}),
    }
}

#[test]
fn requests_become_due_in_their_order_also_where_the_clock_stepped_back() {
    let tenant = Tenant::default();
    let mut requests = Requests::default();
    for created_at in [100, 90, 200] {
        requests.add(&tenant, new("{}", created_at), Position(5));
    }
    let due = |now| requests.due_through(UnixNanos::from_secs(now), 10);
    assert_eq!((due(99), due(100), due(109)), (0, 0, 0));
    assert_eq!((due(110), due(209), due(210)), (2, 2, 3));
}

#[test]
fn a_request_is_processed_when_no_segment_can_have_what_it_deletes() {
    let tenant = Tenant::default();
    let now = UnixNanos::from_secs(1000);
    let check = |covers, segments: Vec<SegmentMeta>, due, expected: usize| {
        let mut requests = Requests::default();
        requests.add(&tenant, new("{}", 0), Position(5));
        let manifest = Manifest {
            covers: Position(covers),
            segments,
            ..Manifest::default()
        };
        assert_eq!(
            requests.finish(&manifest, due, now).len(),
            expected,
            "{manifest:?}"
        );
        assert_eq!(requests.in_force().is_empty(), expected == 1);
    };
    check(5, vec![], 1, 1);
    check(5, vec![], 0, 0);
    // Some of it is in the tail.
    check(4, vec![], 1, 0);
    check(5, vec![segment(0, (0, 5), (15, 15), 0)], 1, 0);
    check(5, vec![segment(0, (0, 5), (15, 15), 1)], 1, 1);
    check(5, vec![segment(0, (5, 6), (15, 15), 0)], 1, 1);
    check(5, vec![segment(0, (0, 5), (21, 25), 0)], 1, 1);
    let other = SegmentMeta {
        tenant: Tenant::new("other").unwrap(),
        ..segment(0, (0, 5), (15, 15), 0)
    };
    check(5, vec![other], 1, 1);
}

#[test]
fn what_is_saved_comes_back_and_names_are_never_given_twice() {
    let tenant = Tenant::default();
    let mut requests = Requests::default();
    let query = r#"{service_name="a"} |~ "x.y" != "\"z""#;
    let first = requests.add(&tenant, new(query, 7), Position(5));
    requests.add(&tenant, new("{}", 8), Position(9));
    requests.cancel(&tenant, "00000002", 0, false).unwrap();
    let text = serde_json::to_string(&requests.save()).unwrap();
    let mut restored = Requests::restore(serde_json::from_str(&text).unwrap());
    assert_eq!(restored.of(&tenant), [first]);
    assert_eq!(serde_json::to_string(&restored.save()).unwrap(), text);
    assert_eq!(restored.in_force()[&tenant][0].before, Position(5));
    assert_eq!(
        restored.add(&tenant, new("{}", 9), Position(9)).id,
        "00000003"
    );
    assert!(restored.of(&Tenant::new("other").unwrap()).is_empty());
}

#[test]
fn a_request_that_cannot_be_read_hides_all_of_its_time_and_is_never_carried_out() {
    let tenant = Tenant::default();
    let saved = serde_json::json!({"last": 1, "requests": [{
        "number": 1, "tenant": "default", "query": "{", "start": 0, "end": 1, "before": 1,
        "created_at": 0, "processed_at": null,
    }]});
    let mut requests = Requests::restore(serde_json::from_value(saved.clone()).unwrap());
    let trouble = requests.troubles().next().unwrap();
    assert!(trouble.contains("00000001 of tenant default"), "{trouble}");
    let in_force = &requests.in_force()[&tenant][0];
    assert!(in_force.query.matches_line(b"anything"));
    assert_eq!(in_force.end, UnixNanos(1));
    assert_eq!(serde_json::to_value(requests.save()).unwrap(), saved);
    requests.add(&tenant, new("{}", 0), Position(5));
    assert_eq!(requests.due_through(UnixNanos(u64::MAX), 0), 0);
    requests.cancel(&tenant, "00000001", 0, false).unwrap();
    assert_eq!(requests.troubles().count(), 0);
    assert_eq!(requests.due_through(UnixNanos(u64::MAX), 0), 2);
}

#[test]
fn only_what_waits_can_be_cancelled() {
    let (tenant, other) = (Tenant::default(), Tenant::new("other").unwrap());
    let mut requests = Requests::default();
    let id = requests.add(&tenant, new("{}", 0), Position(0)).id;
    let cancel = |tenant: &Tenant, due, force| requests.clone().cancel(tenant, &id, due, force);
    assert!(cancel(&tenant, 0, false).is_ok());
    assert!(matches!(
        cancel(&other, 0, true),
        Err(DeleteError::Unknown(_))
    ));
    assert!(matches!(
        cancel(&tenant, 1, false),
        Err(DeleteError::Begun(_))
    ));
    assert!(cancel(&tenant, 1, true).is_ok());
    requests.finish(&Manifest::default(), 1, UnixNanos(5));
    let done = requests.cancel(&tenant, &id, 1, true);
    assert!(matches!(done, Err(DeleteError::Processed(_))));
}

#[test]
fn processed_requests_are_forgotten_when_they_are_old_or_many() {
    let tenant = Tenant::default();
    let mut requests = Requests::default();
    let mut now = UnixNanos::from_secs(1000);
    for _ in 0..LISTED_MAX + 20 {
        requests.add(&tenant, new("{}", 0), Position(0));
        requests.finish(&Manifest::default(), u64::MAX, now);
        now = now.plus(SECOND);
    }
    let listed = requests.of(&tenant);
    assert_eq!(listed.len(), LISTED_MAX);
    assert_eq!(listed[0].id, format!("{:08x}", 21));
    requests.add(&tenant, new("{}", 0), Position(0));
    requests.finish(&Manifest::default(), u64::MAX, now.plus(LISTED));
    assert_eq!(requests.of(&tenant).len(), 1);
}
