//! Loki's API of a real process: what is pushed in every form is found by every endpoint, is
//! followed as it comes, and is there after a power cut.

use crate::harness::{Sonde, client, list};
use crate::websocket::WebSocket;
use prost::Message as _;
use serde_json::{Value, json};
use std::path::Path;
use std::time::{SystemTime, UNIX_EPOCH};

async fn up(dir: &Path) -> Sonde {
    let quiet = [("agent.tail.paths", "[]"), ("agent.node.enabled", "false")];
    Sonde::up(dir, &quiet).await
}

/// Nanoseconds since 1970.
fn now() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    u64::try_from(since.as_nanos()).unwrap()
}

#[derive(Clone, PartialEq, prost::Message)]
struct PushRequest {
    #[prost(message, repeated, tag = "1")]
    streams: Vec<PushStream>,
}

#[derive(Clone, PartialEq, prost::Message)]
struct PushStream {
    #[prost(string, tag = "1")]
    labels: String,
    #[prost(message, repeated, tag = "2")]
    entries: Vec<PushEntry>,
}

#[derive(Clone, PartialEq, prost::Message)]
struct PushEntry {
    #[prost(message, optional, tag = "1")]
    timestamp: Option<Timestamp>,
    #[prost(string, tag = "2")]
    line: String,
}

#[derive(Clone, PartialEq, prost::Message)]
struct Timestamp {
    #[prost(int64, tag = "1")]
    seconds: i64,
    #[prost(int32, tag = "2")]
    nanos: i32,
}

/// Snappy's block format, of literals only.
fn snappy(bytes: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    prost::encoding::encode_varint(bytes.len() as u64, &mut out);
    for literal in bytes.chunks(1 << 16) {
        let length = u16::try_from(literal.len() - 1).unwrap();
        out.push(61 << 2);
        out.extend_from_slice(&length.to_le_bytes());
        out.extend_from_slice(literal);
    }
    out
}

async fn push_protobuf(sonde: &Sonde, labels: &str, lines: &[(u64, &str)]) {
    let entry = |(time, line): &(u64, &str)| PushEntry {
        timestamp: Some(Timestamp {
            seconds: i64::try_from(time / 1_000_000_000).unwrap(),
            nanos: i32::try_from(time % 1_000_000_000).unwrap(),
        }),
        line: (*line).into(),
    };
    let request = PushRequest {
        streams: vec![PushStream {
            labels: labels.into(),
            entries: lines.iter().map(entry).collect(),
        }],
    };
    let sent = client()
        .post(sonde.url("/loki/api/v1/push"))
        .header("Content-Type", "application/x-protobuf")
        .body(snappy(&request.encode_to_vec()))
        .send();
    taken(sent.await.unwrap()).await;
}

async fn push_json(sonde: &Sonde, labels: Value, values: Value) {
    let body = json!({"streams": [{"stream": labels, "values": values}]});
    let sent = client().post(sonde.url("/loki/api/v1/push")).json(&body);
    taken(sent.send().await.unwrap()).await;
}

async fn taken(response: reqwest::Response) {
    let status = response.status();
    assert_eq!(status, 204, "{}", response.text().await.unwrap());
}

/// The lines of an answer, by time.
fn lines(answer: &Value) -> Vec<String> {
    let streams = list(&answer["data"], "result").iter();
    let values = streams.flat_map(|stream| list(stream, "values"));
    let mut lines: Vec<(String, String)> = values
        .map(|value| {
            let text = |at: usize| value[at].as_str().unwrap().to_owned();
            (text(0), text(1))
        })
        .collect();
    lines.sort();
    lines.into_iter().map(|(_, line)| line).collect()
}

const RANGE: &str = "/loki/api/v1/query_range";

#[tokio::test(flavor = "multi_thread")]
async fn what_is_pushed_is_found_by_every_endpoint_and_after_a_power_cut() {
    let dir = tempfile::tempdir().unwrap();
    let sonde = up(dir.path()).await;
    let begin = now() - 60_000_000_000;
    let protobuf = [(begin, "one level=error"), (begin + 1, "two")];
    push_protobuf(&sonde, r#"{job="batch", env="prod"}"#, &protobuf).await;
    let at = |n: u64| (begin + n).to_string();
    push_json(
        &sonde,
        json!({"job": "web", "env": "prod"}),
        json!([
            [at(2), r#"{"status": 200}"#],
            [at(3), r#"{"status": 500}"#, {"pod": "p-1"}],
        ]),
    )
    .await;
    let all = [("query", r#"{env="prod"}"#)];
    let four = |answer: &Value| lines(answer).len() == 4;
    let answer = sonde.until(RANGE, &all, four).await;
    let expected = [
        "one level=error",
        "two",
        r#"{"status": 200}"#,
        r#"{"status": 500}"#,
    ];
    assert_eq!(lines(&answer), expected);

    let get = async |path: &str, parameters: &[(&str, &str)]| sonde.get(path, parameters).await;
    let error = [("query", r#"{job="batch"} | detected_level="error""#)];
    assert_eq!(lines(&get(RANGE, &error).await), ["one level=error"]);
    let pod = [(
        "query",
        r#"{job="web"} | json | status >= 500 and pod="p-1""#,
    )];
    assert_eq!(lines(&get(RANGE, &pod).await), [r#"{"status": 500}"#]);
    let count = [("query", r#"sum(count_over_time({env="prod"}[1h]))"#)];
    let count = get("/loki/api/v1/query", &count).await;
    assert_eq!(count["data"]["result"][0]["value"][1], "4");
    let data = async |path: &str, parameters: &[(&str, &str)]| {
        sonde.get(path, parameters).await["data"].clone()
    };
    let labels = json!(["env", "job", "level", "service_name"]);
    assert_eq!(data("/loki/api/v1/labels", &[]).await, labels);
    assert_eq!(
        data("/loki/api/v1/label/job/values", &[]).await,
        json!(["batch", "web"])
    );
    let series = data("/loki/api/v1/series", &[("match[]", r#"{job="web"}"#)]).await;
    assert_eq!(
        series,
        json!([{"env": "prod", "job": "web", "level": "unknown", "service_name": "web"}])
    );
    let stats = get("/loki/api/v1/index/stats", &all).await;
    assert_eq!(stats["entries"], 4);
    let volume = data("/loki/api/v1/index/volume", &[("query", r#"{env="prod"}"#)]).await;
    assert_eq!(volume["result"][0]["metric"], json!({"env": "prod"}));
    let range = data("/loki/api/v1/index/volume_range", &all).await;
    assert_eq!(range["resultType"], "matrix");
    let fields = get("/loki/api/v1/detected_fields", &all).await;
    let names: Vec<_> = list(&fields, "fields")
        .iter()
        .map(|f| f["label"].clone())
        .collect();
    assert!(
        names.contains(&json!("status")) && names.contains(&json!("pod")),
        "{names:?}"
    );
    let values = get("/loki/api/v1/detected_field/status/values", &all).await;
    assert_eq!(values["values"], json!(["200", "500"]));
    let detected = get("/loki/api/v1/detected_labels", &[]).await;
    assert!(!list(&detected, "detectedLabels").is_empty(), "{detected}");
    assert!(
        !data("/loki/api/v1/patterns", &all)
            .await
            .as_array()
            .unwrap()
            .is_empty()
    );
    let health = get("/loki/api/v1/query", &[("query", "vector(1)+vector(1)")]).await;
    assert_eq!(health["data"]["result"][0]["value"][1], "2");

    // Services are known by their names everywhere.
    let services = get("/sonde/v1/services", &[]).await.to_string();
    assert!(
        services.contains("batch") && services.contains("web"),
        "{services}"
    );

    sonde.kill().await;
    let sonde = up(dir.path()).await;
    let answer = sonde.until(RANGE, &all, four).await;
    assert_eq!(lines(&answer), expected);
    assert!(sonde.stop().await.success());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_tail_begins_with_what_is_there_and_goes_on_with_what_comes() {
    let dir = tempfile::tempdir().unwrap();
    let sonde = up(dir.path()).await;
    push_protobuf(&sonde, r#"{job="t"}"#, &[(now(), "before")]).await;
    let there = |answer: &Value| lines(answer) == ["before"];
    sonde
        .until(RANGE, &[("query", r#"{job="t"}"#)], there)
        .await;
    let path = "/loki/api/v1/tail?query=%7Bjob%3D%22t%22%7D%20%21%3D%20%22noise%22&limit=10";
    let mut tail = WebSocket::open(sonde.address("http"), path).await;
    let mut next = async || -> Vec<String> {
        let frame: Value = serde_json::from_str(&tail.text().await).unwrap();
        assert_eq!(frame["dropped_entries"], Value::Null);
        let streams = list(&frame, "streams").iter();
        let values = streams.flat_map(|stream| {
            assert_eq!(stream["stream"]["job"], "t", "{stream}");
            list(stream, "values")
        });
        values.map(|v| v[1].as_str().unwrap().to_owned()).collect()
    };
    assert_eq!(next().await, ["before"]);
    push_json(
        &sonde,
        json!({"job": "other"}),
        json!([[now().to_string(), "elsewhere"]]),
    )
    .await;
    push_json(
        &sonde,
        json!({"job": "t"}),
        json!([[now().to_string(), "noise"], [now().to_string(), "first"],]),
    )
    .await;
    assert_eq!(next().await, ["first"]);
    // One that is older than what was sent, and one from the future that holds nothing up.
    push_protobuf(
        &sonde,
        r#"{job="t"}"#,
        &[
            (now() - 5_000_000_000, "late"),
            (now() + 60_000_000_000, "early"),
        ],
    )
    .await;
    assert_eq!(next().await, ["late", "early"]);
    push_protobuf(&sonde, r#"{job="t"}"#, &[(now(), "last")]).await;
    assert_eq!(next().await, ["last"]);
    // A tail that is open keeps no process from stopping.
    assert!(sonde.stop().await.success());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_tenant_beyond_its_rate_waits_and_its_neighbour_does_not() {
    let dir = tempfile::tempdir().unwrap();
    let slow = "{slow: {logs_bytes_per_second: 1, logs_burst_bytes: 1}}";
    let extra = [
        ("agent.tail.paths", "[]"),
        ("agent.node.enabled", "false"),
        ("otlp.limits.by_tenant", slow),
    ];
    let sonde = Sonde::up(dir.path(), &extra).await;
    // What it owes for one of these takes it hours.
    let line = "a".repeat(100_000);
    let body =
        json!({"streams": [{"stream": {"job": "x"}, "values": [[now().to_string(), line]]}]});
    let push = async |tenant: &str| {
        let sent = client()
            .post(sonde.url("/loki/api/v1/push"))
            .header("X-Scope-OrgID", tenant)
            .json(&body);
        sent.send().await.unwrap()
    };
    assert_eq!(push("slow").await.status(), 204);
    let refused = push("slow").await;
    assert_eq!(refused.status(), 429);
    assert!(refused.headers().contains_key("retry-after"));
    let text = refused.text().await.unwrap();
    assert!(text.contains("tenant slow sends more"), "{text}");
    assert_eq!(push("quick").await.status(), 204);
    assert!(sonde.stop().await.success());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_sender_is_told_at_the_door_what_the_stores_will_not_keep() {
    let dir = tempfile::tempdir().unwrap();
    let sonde = up(dir.path()).await;
    let post = async |path: &str, body: Value| -> Value {
        let url = format!("http://{}{path}", sonde.address("otlp.http"));
        let response = client().post(url).json(&body).send().await.unwrap();
        assert_eq!(response.status(), 200);
        response.json().await.unwrap()
    };
    let time = now().to_string();
    let span = |id: &str| {
        json!({"traceId": id, "spanId": "0102030405060708", "name": "x",
            "startTimeUnixNano": time, "endTimeUnixNano": time})
    };
    let good = "0af7651916cd43dd8448eb211c80319c";
    let zero = "00000000000000000000000000000000";
    let spans = json!({"resourceSpans": [{"scopeSpans": [{"spans": [span(good), span(zero)]}]}]});
    let answer = post("/v1/traces", spans).await;
    let partial = &answer["partialSuccess"];
    assert_eq!(partial["rejectedSpans"], "1", "{answer}");
    assert!(
        partial["errorMessage"]
            .as_str()
            .unwrap()
            .contains("trace ID"),
        "{answer}"
    );
    let point = |time: String| json!({"timeUnixNano": time, "asDouble": 1.0});
    let points = [point(time.clone()), point("1000000000".into())];
    let metrics = json!({"resourceMetrics": [{"scopeMetrics": [{"metrics": [{"name": "m", "gauge": {"dataPoints": points}}]}]}]});
    let answer = post("/v1/metrics", metrics).await;
    let partial = &answer["partialSuccess"];
    assert_eq!(partial["rejectedDataPoints"], "1", "{answer}");
    assert!(
        partial["errorMessage"]
            .as_str()
            .unwrap()
            .contains("late_max_seconds"),
        "{answer}"
    );
    let whole = json!({"resourceSpans": [{"scopeSpans": [{"spans": [span(good)]}]}]});
    assert_eq!(post("/v1/traces", whole).await, json!({}));
    assert!(sonde.stop().await.success());
}
