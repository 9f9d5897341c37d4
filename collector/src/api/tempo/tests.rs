//! What Tempo's endpoints answer, over traces that were sent to a whole collector.

use crate::api::testing::{Bed, TRACE_ID};
use prost::Message as _;
use serde_json::json;
use sonde_proto::otlp::trace::TracesData;

#[tokio::test(flavor = "multi_thread")]
async fn a_data_source_finds_that_it_works() {
    let bed = Bed::new().await;
    assert_eq!(bed.get("/tempo/api/echo", &[]).await.text(), "echo");
    let info = bed.get("/tempo/api/status/buildinfo", &[]).await.json();
    assert!(
        info["version"].as_str().unwrap().starts_with("2."),
        "{info}"
    );
    assert_eq!(bed.get("/tempo/ready", &[]).await.status, 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_trace_comes_as_it_was_sent() {
    let bed = Bed::with_traces().await;
    let path = format!("/tempo/api/v2/traces/{TRACE_ID}?start=1&end=2000000000");
    let accept = [("Accept", "application/protobuf")];
    let answer = bed.get(&path, &accept).await;
    assert_eq!(
        (answer.status, answer.content_type.as_str()),
        (200, "application/protobuf")
    );
    let wrapped = super::protobuf::TraceById::decode(answer.body.as_slice()).unwrap();
    assert_eq!((wrapped.status, wrapped.message.as_str()), (0, ""));
    let answer = bed
        .get(&format!("/tempo/api/traces/{TRACE_ID}"), &accept)
        .await;
    assert_eq!(
        wrapped.trace.unwrap(),
        answer.body,
        "the same bytes, not wrapped"
    );
    let mut found = TracesData::decode(answer.body.as_slice()).unwrap();
    let mut sent = bed.sent().clone();
    for data in [&mut found, &mut sent] {
        data.resource_spans
            .sort_by_key(|resource| format!("{resource:?}"));
    }
    assert_eq!(found, sent);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_trace_comes_in_tempos_json() {
    let bed = Bed::with_traces().await;
    let answer = bed
        .get(&format!("/tempo/api/traces/{TRACE_ID}"), &[])
        .await
        .json();
    let wrapped = bed
        .get(&format!("/tempo/api/v2/traces/{TRACE_ID}"), &[])
        .await
        .json();
    assert_eq!(wrapped["trace"]["resourceSpans"], answer["batches"]);
    assert_eq!(wrapped["status"], json!(null));
    let batches = answer["batches"].as_array().unwrap();
    let server = batches
        .iter()
        .find(|batch| batch.to_string().contains("POST /checkout"))
        .unwrap();
    let span = &server["scopeSpans"][0]["spans"][0];
    assert_eq!(span["traceId"], "CvdlGRbNQ92ESOshHIAxnA==");
    assert_eq!(span["spanId"], "AAAAAAAAAAE=");
    assert_eq!(span["kind"], "SPAN_KIND_SERVER");
    assert_eq!(span["status"]["code"], "STATUS_CODE_ERROR");
    assert_eq!(span["parentSpanId"], json!(null));
    assert!(span["startTimeUnixNano"].is_string());
    assert_eq!(span["links"][0]["traceId"], "AAAAAAAAAAAAAAAAAAAA/w==");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_short_id_is_found_and_what_is_none_is_told() {
    let bed = Bed::with_traces().await;
    let status = async |path: &str| bed.get(path, &[]).await.status;
    assert_eq!(status("/tempo/api/v2/traces/00000000000000aa").await, 200);
    assert_eq!(status("/tempo/api/v2/traces/AA").await, 200);
    for version in ["", "/v2"] {
        let missing = bed
            .get(&format!("/tempo/api{version}/traces/1234"), &[])
            .await;
        assert_eq!(missing.status, 404);
        assert!(
            missing.text().starts_with("trace not found"),
            "{}",
            missing.text()
        );
        for bad in ["xyz", "0", "0af7651916cd43dd8448eb211c80319c0"] {
            assert_eq!(
                status(&format!("/tempo/api{version}/traces/{bad}")).await,
                400,
                "{bad}"
            );
        }
    }
    let of_times = format!("/tempo/api/traces/{TRACE_ID}?start=");
    assert_eq!(status(&format!("{of_times}x")).await, 400);
    assert_eq!(
        status(&format!("{of_times}2000000000&end=1000000000")).await,
        400
    );
    assert_eq!(status(&format!("{of_times}0&end=0")).await, 200);
    let other = [("X-Scope-OrgID", "other")];
    assert_eq!(
        bed.get(&format!("/tempo/api/traces/{TRACE_ID}"), &other)
            .await
            .status,
        404
    );
}

/// Through the doors for other formats, on the port of the pages.
#[tokio::test(flavor = "multi_thread")]
async fn what_zipkin_and_jaeger_send_is_found() {
    let bed = Bed::new().await;
    let good = json!({"traceId": "b1", "id": "00000000000000a1", "timestamp": bed.begin / 1000, "name": "get"});
    let body = json!([good, {"traceId": "b2"}]).to_string();
    let answer = bed
        .post("/api/v2/spans", "application/json", body.as_bytes())
        .await;
    assert_eq!(answer.status, 400);
    assert!(
        answer.text().contains("1 spans were taken")
            && answer.text().contains("span 2: it has no id"),
        "{}",
        answer.text()
    );
    let body = json!([good]).to_string();
    assert_eq!(
        bed.post("/api/v2/spans", "application/json", body.as_bytes())
            .await
            .status,
        202
    );
    assert_eq!(
        bed.post("/api/v2/spans", "application/json", b"{")
            .await
            .status,
        400
    );
    assert_eq!(
        bed.post("/api/v2/spans", "application/x-protobuf", b"")
            .await
            .status,
        415
    );
    // A batch of one span with a trace ID, a span ID, a name, a start and a duration.
    let number = |id: u8, number: u64| [&[10, 0, id][..], &number.to_be_bytes()].concat();
    let span = [
        number(1, 0xb3),
        number(2, 0),
        number(3, 7),
        vec![11, 0, 5, 0, 0, 0, 1, b'x'],
        number(8, bed.begin / 1000),
        number(9, 5),
        vec![0],
    ];
    let process = [12, 0, 1, 11, 0, 1, 0, 0, 0, 1, b's', 0];
    let batch = [
        &process[..],
        &[15, 0, 2, 12, 0, 0, 0, 1],
        &span.concat(),
        &[0],
    ]
    .concat();
    let thrift = "application/x-thrift";
    assert_eq!(
        bed.post("/api/traces?format=jaeger.thrift", thrift, &batch)
            .await
            .status,
        202
    );
    assert_eq!(
        bed.post("/api/traces", thrift, &batch[..9]).await.status,
        400
    );
    assert_eq!(
        bed.post("/api/traces", "application/json", b"[]")
            .await
            .status,
        415
    );
    for id in ["b1", "b3"] {
        let path = format!("/tempo/api/traces/{id}");
        while bed.get(&path, &[]).await.status != 200 {
            tokio::task::yield_now().await;
        }
    }
}
