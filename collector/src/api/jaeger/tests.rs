//! What Jaeger's endpoints answer, over traces that were sent to a whole collector.

use crate::api::testing::{Bed, TRACE_ID};
use serde_json::{Value, json};

#[tokio::test(flavor = "multi_thread")]
async fn services_and_their_operations_are_listed() {
    let bed = Bed::with_traces().await;
    let services = bed.get("/jaeger/api/services", &[]).await.json();
    assert_eq!(
        services,
        json!({"data": ["pay", "web"], "total": 2, "limit": 0, "offset": 0, "errors": null})
    );
    let names = bed
        .get("/jaeger/api/services/web/operations", &[])
        .await
        .json();
    assert_eq!(names["data"], json!(["GET /", "POST /checkout"]));
    let named = bed
        .get("/jaeger/api/operations?service=pay", &[])
        .await
        .json();
    assert_eq!(named["data"], json!([{"name": "charge", "spanKind": ""}]));
    let services = bed.get("/jaeger/api/v3/services", &[]).await.json();
    assert_eq!(services, json!({"services": ["pay", "web"]}));
    let named = bed
        .get("/jaeger/api/v3/operations?service=pay", &[])
        .await
        .json();
    assert_eq!(
        named,
        json!({"operations": [{"name": "charge", "spanKind": ""}]})
    );
    assert_eq!(bed.get("/jaeger/api/operations", &[]).await.status, 400);
    let none = bed
        .get("/jaeger/api/services/x/operations", &[])
        .await
        .json();
    assert_eq!(none["data"], json!([]));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_trace_comes_in_jaegers_json() {
    let bed = Bed::with_traces().await;
    let millis = bed.begin / 1_000_000;
    let path = format!(
        "/jaeger/api/traces/{TRACE_ID}?start={millis}&end={}",
        millis + 5
    );
    let answer = bed.get(&path, &[]).await.json();
    assert_eq!(answer["total"], 1);
    let trace = &answer["data"][0];
    assert_eq!(
        (&trace["traceID"], &trace["warnings"]),
        (&json!(TRACE_ID), &json!(null))
    );
    let spans = trace["spans"].as_array().unwrap();
    assert_eq!(spans.len(), 2);
    let span = |name: &str| {
        spans
            .iter()
            .find(|span| span["operationName"] == name)
            .unwrap()
    };
    let server = span("POST /checkout");
    assert_eq!(
        trace["processes"][server["processID"].as_str().unwrap()],
        json!({
            "serviceName": "web", "tags": [{"key": "host.name", "type": "string", "value": "node-1"}],
        })
    );
    assert_eq!(server["spanID"], "0000000000000001");
    assert_eq!(server["startTime"], bed.begin / 1000);
    assert_eq!(server["duration"], 250_000);
    assert_eq!(
        server["references"],
        json!([
            {"refType": "FOLLOWS_FROM", "traceID": format!("{:032x}", 0xff), "spanID": "0000000000000007"},
        ])
    );
    let tag =
        |key: &str, kind: &str, value: Value| json!({"key": key, "type": kind, "value": value});
    assert_eq!(
        server["tags"],
        json!([
            tag("http.route", "string", json!("/checkout")),
            tag("http.status_code", "int64", json!(500)),
            tag("span.kind", "string", json!("server")),
            tag("otel.scope.name", "string", json!("lib")),
            tag("otel.scope.version", "string", json!("1.2")),
            tag("otel.status_code", "string", json!("ERROR")),
            tag("otel.status_description", "string", json!("declined")),
            tag("error", "bool", json!(true)),
        ])
    );
    assert_eq!(
        server["logs"],
        json!([{
            "timestamp": (bed.begin + 1000) / 1000,
            "fields": [tag("event", "string", json!("retry")), tag("n", "int64", json!(2))],
        }])
    );
    let call = span("charge");
    assert_eq!(
        call["references"],
        json!([
            {"refType": "CHILD_OF", "traceID": TRACE_ID, "spanID": "0000000000000001"},
        ])
    );
    assert_eq!(call["tags"][0], tag("amount", "float64", json!(9.5)));
    assert_eq!(call["tags"][1], tag("retried", "bool", json!(true)));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_trace_comes_as_otlp_from_version_3() {
    let bed = Bed::with_traces().await;
    let answer = bed
        .get(&format!("/jaeger/api/v3/traces/{TRACE_ID}"), &[])
        .await
        .json();
    let resources = answer["result"]["resourceSpans"].as_array().unwrap();
    assert_eq!(resources.len(), 2);
    assert_eq!(
        resources[0]["scopeSpans"][0]["spans"][0]["traceId"],
        TRACE_ID
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_missing_and_what_is_wrong_is_told() {
    let bed = Bed::with_traces().await;
    for version in ["", "/v3"] {
        let missing = bed
            .get(&format!("/jaeger/api{version}/traces/1234"), &[])
            .await;
        assert_eq!(missing.status, 404);
        let body: Value = serde_json::from_slice(&missing.body).unwrap();
        assert_eq!(
            body["errors"],
            json!([{"code": 404, "msg": "trace not found"}])
        );
        assert_eq!(body["data"], json!(null));
        assert_eq!(
            bed.get(&format!("/jaeger/api{version}/traces/xyz"), &[])
                .await
                .status,
            400
        );
    }
    let bad = bed
        .get(&format!("/jaeger/api/traces/{TRACE_ID}?start=soon"), &[])
        .await;
    assert_eq!(bad.status, 400);
    assert_eq!(
        bed.get("/jaeger/api/dependencies?lookback=x", &[])
            .await
            .status,
        400
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn traces_are_found_in_either_version() {
    let bed = Bed::with_traces().await;
    let ids = async |parameters: &str| -> Vec<String> {
        let answer = bed
            .get(&format!("/jaeger/api/traces?{parameters}"), &[])
            .await
            .json();
        let traces = answer["data"].as_array().unwrap().iter();
        traces
            .map(|trace| trace["traceID"].as_str().unwrap().to_owned())
            .collect()
    };
    let short = format!("{:032x}", 0xaa);
    assert_eq!(ids("service=web").await, [short.as_str(), TRACE_ID]);
    assert_eq!(ids("service=web&limit=1").await, [short.as_str()]);
    assert_eq!(
        ids("service=web&operation=all&minDuration=100ms").await,
        [TRACE_ID]
    );
    assert_eq!(ids("service=web&operation=GET+%2F").await, [short.as_str()]);
    let tags = "%7B%22http.status_code%22:%22500%22,%22error%22:%22true%22%7D";
    assert_eq!(ids(&format!("service=web&tags={tags}")).await, [TRACE_ID]);
    assert!(ids(&format!("service=pay&tags={tags}")).await.is_empty());
    assert_eq!(
        ids("service=pay&tag=retried:true&tag=amount:9.5").await,
        [TRACE_ID]
    );
    assert!(
        ids("service=web&start=1000000000000&end=1000000000001")
            .await
            .is_empty()
    );
    assert_eq!(
        ids(&format!("traceID=aa&traceID={TRACE_ID}&traceID=ab")).await,
        [short.as_str(), TRACE_ID]
    );
    let found = bed
        .get("/jaeger/api/v3/traces?query.service_name=pay", &[])
        .await
        .json();
    assert_eq!(
        found["result"]["resourceSpans"].as_array().unwrap().len(),
        2
    );
    let found = bed
        .get("/jaeger/api/v3/trace-summaries?query.service_name=pay", &[])
        .await
        .json();
    let summary = &found["summaries"][0];
    assert_eq!(
        (&summary["spanCount"], &summary["errorSpanCount"]),
        (&json!(2), &json!(1))
    );
    assert_eq!(
        summary["maxEndTimeUnixNano"],
        (bed.begin + 250_000_000).to_string()
    );
    for bad in [
        "",
        "service=web&limit=0",
        "service=web&limit=x",
        "service=web&tags=x",
        "service=web&tag=x",
        "service=web&minDuration=5",
        "service=web&start=5&end=1",
        "traceID=x",
    ] {
        assert_eq!(
            bed.get(&format!("/jaeger/api/traces?{bad}"), &[])
                .await
                .status,
            400,
            "{bad}"
        );
    }
}
