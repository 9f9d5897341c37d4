//! What becomes of Zipkin's spans, and of what is none.

use super::*;
use proptest::prelude::*;
use serde_json::json;
use sonde_proto::otlp::trace::{ResourceSpans, status::StatusCode};

const NOW: UnixNanos = UnixNanos(1_700_000_000_000_000_000);

fn translated(body: &serde_json::Value) -> (Vec<ResourceSpans>, Option<String>) {
    let (request, faults) = read(body.to_string().as_bytes(), NOW)
        .unwrap()
        .into_request();
    (request.resource_spans, faults)
}

fn only(body: &serde_json::Value) -> Span {
    let (mut resources, faults) = translated(&json!([body]));
    assert_eq!(faults, None);
    resources.remove(0).scope_spans.remove(0).spans.remove(0)
}

fn bytes(hex: &str) -> Vec<u8> {
    SpanId::from_hex(hex).unwrap().as_bytes().to_vec()
}

#[test]
fn a_whole_span_becomes_one_of_otlp() {
    let (resources, faults) = translated(&json!([{
        "traceId": "5982fe77008310cc80f1da5e10147517", "parentId": "90394f6bcffb5d13", "id": "67fae42571535f60",
        "kind": "SERVER", "name": "/m/n/2.6.1", "timestamp": 1_516_781_775_726_000_u64, "duration": 26000,
        "localEndpoint": {"serviceName": "api", "ipv4": "10.0.0.1", "port": 8080},
        "remoteEndpoint": {"serviceName": "apip", "ipv6": "::1"},
        "annotations": [
            {"timestamp": 1_516_781_775_726_001_u64, "value": "cache miss"},
            {"timestamp": 1_516_781_775_726_002_u64, "value": "\"retry\": {\"n\": 2, \"why\": \"x\"}"},
            {"timestamp": 1_516_781_775_726_003_u64, "value": "\"quoted\" only"},
        ],
        "tags": {"data.http_response_code": "201", "otel.scope.name": "lib", "error": "card declined"},
        "debug": true, "unknown": [1, {"a": null}],
    }]));
    assert_eq!(faults, None);
    let resource = resources[0].resource.as_ref().unwrap();
    assert_eq!(resource.attributes, [attribute("service.name", "api")]);
    let scope = &resources[0].scope_spans[0];
    assert_eq!(scope.scope.as_ref().unwrap().name, "lib");
    let span = &scope.spans[0];
    assert_eq!(span.parent_span_id, bytes("90394f6bcffb5d13"));
    assert_eq!(span.span_id, bytes("67fae42571535f60"));
    assert_eq!(
        (span.name.as_str(), span.kind),
        ("/m/n/2.6.1", SpanKind::Server as i32)
    );
    assert_eq!(span.start_time_unix_nano, 1_516_781_775_726_000_000);
    assert_eq!(span.end_time_unix_nano, 1_516_781_775_752_000_000);
    let status = span.status.as_ref().unwrap();
    assert_eq!(
        (status.code, status.message.as_str()),
        (StatusCode::Error as i32, "card declined")
    );
    assert_eq!(
        span.attributes,
        [
            attribute("data.http_response_code", "201"),
            attribute("network.local.address", "10.0.0.1"),
            any_kv("network.local.port", Value::IntValue(8080)),
            attribute("peer.service", "apip"),
            attribute("network.peer.address", "::1"),
            any_kv("zipkin.debug", Value::BoolValue(true)),
        ]
    );
    let names: Vec<_> = span
        .events
        .iter()
        .map(|event| event.name.as_str())
        .collect();
    assert_eq!(names, ["cache miss", "retry", "\"quoted\" only"]);
    assert_eq!(
        span.events[1].attributes,
        [any_kv("n", Value::IntValue(2)), attribute("why", "x")]
    );
    assert_eq!(span.events[1].time_unix_nano, 1_516_781_775_726_002_000);
}

#[test]
fn what_a_span_lacks_is_made_up_for() {
    let span = only(&json!({"traceId": "f0", "id": "00000000000000a1"}));
    assert_eq!(span.trace_id, [[0; 15].as_slice(), &[0xf0]].concat());
    assert_eq!(span.kind, SpanKind::Internal as i32);
    assert_eq!(
        (span.start_time_unix_nano, span.end_time_unix_nano),
        (NOW.0, NOW.0)
    );
    let span = only(
        &json!({"traceId": "f0", "id": "00000000000000a1", "parentId": null, "tags": null, "duration": 1.5,
        "annotations": [{"timestamp": 5, "value": "b"}, {"timestamp": 4, "value": "a"}]}),
    );
    assert_eq!(
        (span.start_time_unix_nano, span.end_time_unix_nano),
        (4000, 6000)
    );
}

#[test]
fn a_server_that_shares_its_clients_id_gets_one_of_its_own() {
    let span = |service: &str, id: &str, parent: Option<&str>, shared: bool| {
        json!({"traceId": "000000000000000000000000000000f0", "id": id, "parentId": parent, "shared": shared,
            "timestamp": 1, "localEndpoint": {"serviceName": service}})
    };
    let (client, call) = ("00000000000000a1", "00000000000000a2");
    let body = json!([
        span("web", client, None, false),
        span("api", client, None, true),
        span("api", call, Some(client), false),
        span("web", "00000000000000a3", Some(client), false),
    ]);
    let (resources, _) = translated(&body);
    let spans = |at: usize| &resources[at].scope_spans[0].spans;
    let server = &spans(1)[0];
    assert_ne!(server.span_id, bytes(client));
    assert_eq!(server.parent_span_id, bytes(client));
    assert_eq!(
        spans(1)[1].parent_span_id,
        server.span_id,
        "a call of the server is its child"
    );
    assert_eq!(
        spans(0)[1].parent_span_id,
        bytes(client),
        "and one of the client is the client's"
    );
    assert_eq!(
        translated(&body).0,
        resources,
        "the same whenever it is sent"
    );
}

#[test]
fn a_span_with_a_fault_is_left_out_and_the_others_are_taken() {
    let good = json!({"traceId": "f0", "id": "00000000000000a1", "timestamp": 1});
    let check = |bad: serde_json::Value, expected: &str| {
        let (resources, faults) = translated(&json!([bad, good]));
        assert_eq!(resources[0].scope_spans[0].spans.len(), 1, "{bad}");
        let faults = faults.unwrap();
        assert!(
            faults.starts_with("1 spans were taken;") && faults.contains(expected),
            "{bad}: {faults}"
        );
    };
    check(json!({}), "span 1: it has no traceId");
    check(json!({"traceId": "f0"}), "span 1: it has no id");
    check(
        json!({"traceId": "0", "id": "00000000000000a1"}),
        "traceId \"0\"",
    );
    check(json!({"traceId": "f0", "id": "a1"}), "id \"a1\"");
    check(
        json!({"traceId": "f0", "id": "00000000000000a1", "parentId": "x"}),
        "parentId \"x\"",
    );
    for time in [-1.0, 1e300] {
        check(
            json!({"traceId": "f0", "id": "00000000000000a1", "timestamp": time}),
            "timestamp",
        );
    }
    check(
        json!({"traceId": "f0", "id": "00000000000000a1", "timestamp": 1e16, "duration": 1e16}),
        "beyond the year 2554",
    );
}

#[test]
fn what_is_no_list_of_spans_is_refused_with_its_place() {
    for body in [
        "",
        "{}",
        "[1]",
        "[{\"traceId\": 5}]",
        "[{\"tags\": {\"a\": {}}}]",
        "[{}",
        "\u{0}",
    ] {
        let error = read(body.as_bytes(), NOW).unwrap_err();
        assert!(
            error.contains("no list of Zipkin's spans in JSON") && error.contains("line 1"),
            "{body}: {error}"
        );
    }
    let deep = format!("[{{\"x\": {}", "[".repeat(1 << 20));
    assert!(read(deep.as_bytes(), NOW).is_err());
    let bomb = format!("[{}{{}}]", "{},".repeat(1 << 20));
    assert!(
        read(bomb.as_bytes(), NOW)
            .unwrap_err()
            .contains("smaller batches")
    );
}

#[test]
fn a_request_of_nothing_but_short_tags_is_refused_and_an_ordinary_one_is_not() {
    let tags = format!("{{{}\"\":\"\"}}", "\"\":\"\",".repeat(1 << 21));
    let of_span = format!("[{{\"tags\":{tags}}}]");
    let text = json!(format!("\"a\":{tags}"));
    let of_annotation = format!("[{{\"annotations\":[{{\"timestamp\":1,\"value\":{text}}}]}}]");
    for body in [of_span, of_annotation] {
        let error = read(body.as_bytes(), NOW).unwrap_err();
        assert!(error.contains("smaller batches"), "{error}");
    }
    let span = json!({
        "traceId": "5982fe77008310cc", "id": "67fae42571535f60", "name": "get", "kind": "CLIENT",
        "timestamp": 1_516_781_775_726_000_u64, "duration": 26000, "localEndpoint": {"serviceName": "api"},
        "tags": {"http.method": "GET", "http.path": "/api"}, "annotations": [{"timestamp": 1, "value": "a, b"}],
    });
    let spans = serde_json::Value::from(vec![span; 50_000]).to_string();
    assert!(spans.len() > 10 << 20);
    assert!(read(spans.as_bytes(), NOW).is_ok());
}

/// Any JSON, with the names and values that mean something more often than others.
fn any_json() -> impl Strategy<Value = serde_json::Value> {
    let leaf = prop_oneof![
        Just(json!(null)),
        any::<bool>().prop_map(|b| json!(b)),
        any::<i64>().prop_map(|n| json!(n)),
        any::<f64>().prop_map(|n| json!(n)),
        "[0-9a-f]{16}".prop_map(|s| json!(s)),
        "\\PC{0,8}".prop_map(|s| json!(s)),
        Just(json!("\"a\": {\"b\": 1}")),
    ];
    let names = prop::sample::select(vec![
        "traceId",
        "id",
        "parentId",
        "name",
        "kind",
        "timestamp",
        "duration",
        "localEndpoint",
        "remoteEndpoint",
        "serviceName",
        "port",
        "ipv4",
        "annotations",
        "value",
        "tags",
        "error",
        "debug",
        "shared",
    ]);
    leaf.prop_recursive(4, 64, 8, move |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(|list| json!(list)),
            prop::collection::vec((names.clone(), inner), 0..8).prop_map(|fields| fields
                .into_iter()
                .map(|(name, value)| (name.to_owned(), value))
                .collect()),
        ]
    })
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn no_json_harms(spans in prop::collection::vec(any_json(), 0..4)) {
        let body = serde_json::Value::from(spans).to_string();
        if let Ok(all) = read(body.as_bytes(), NOW) {
            let (request, _) = all.into_request();
            let whole = |span: &Span| TraceId::from_slice(&span.trace_id).is_ok()
                && SpanId::from_slice(&span.span_id).is_ok()
                && span.end_time_unix_nano >= span.start_time_unix_nano;
            let mut scopes = request.resource_spans.iter().flat_map(|resource| &resource.scope_spans);
            prop_assert!(scopes.all(|scope| scope.spans.iter().all(whole)));
        }
    }
}
