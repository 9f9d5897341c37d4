//! Requests as clients send them, through the door into a real journal.

use super::*;
use crate::config::OtlpLimits;
use crate::receive::testing::Behind;
use axum::http::Request as HttpRequest;
use prost::Message as _;
use sonde_journal::Journal as _;
use sonde_proto::otlp::logs::LogRecord;
use sonde_proto::otlp::logs_service::ExportLogsServiceRequest;
use sonde_proto::otlp::text;
use sonde_proto::{Partition, Position, SystemClock};
use std::io::Write as _;
use tower::ServiceExt as _;

/// A stream's attributes, its lines with their times and attributes.
type Shown = (Vec<String>, Vec<(u64, String, Vec<String>)>);

fn shown(bytes: &[u8]) -> Vec<Shown> {
    let request = ExportLogsServiceRequest::decode(bytes).unwrap();
    let attributes = |all: &[sonde_proto::otlp::common::KeyValue]| -> Vec<String> {
        let one = |a: &sonde_proto::otlp::common::KeyValue| {
            format!("{}={}", a.key, text(a.value.as_ref().unwrap()))
        };
        all.iter().map(one).collect()
    };
    let line = |record: &LogRecord| {
        let body = text(record.body.as_ref().unwrap()).into_owned();
        (record.time_unix_nano, body, attributes(&record.attributes))
    };
    let streams = request.resource_logs.iter().map(|stream| {
        let records = &stream.scope_logs[0].log_records;
        let resource = stream.resource.as_ref().unwrap();
        (
            attributes(&resource.attributes),
            records.iter().map(line).collect(),
        )
    });
    streams.collect()
}

fn taken(format: Format, body: &[u8]) -> (Vec<Shown>, Option<String>) {
    let pushed = read(
        format,
        Bytes::copy_from_slice(body),
        1 << 20,
        Limits::default(),
    )
    .unwrap();
    let faults = pushed.faults();
    (shown(&pushed.request.finish()), faults)
}

fn stopped(format: Format, body: &[u8]) -> String {
    match read(
        format,
        Bytes::copy_from_slice(body),
        1 << 20,
        Limits::default(),
    )
    .unwrap_err()
    {
        Stop::Malformed(reason) => reason,
        Stop::TooLarge => panic!("too large"),
    }
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
    #[prost(uint64, tag = "3")]
    hash: u64,
}

#[derive(Clone, PartialEq, prost::Message)]
struct PushEntry {
    #[prost(message, optional, tag = "1")]
    timestamp: Option<Timestamp>,
    #[prost(string, tag = "2")]
    line: String,
    #[prost(message, repeated, tag = "3")]
    metadata: Vec<Label>,
}

#[derive(Clone, PartialEq, prost::Message)]
struct Timestamp {
    #[prost(int64, tag = "1")]
    seconds: i64,
    #[prost(int32, tag = "2")]
    nanos: i32,
}

#[derive(Clone, PartialEq, prost::Message)]
struct Label {
    #[prost(string, tag = "1")]
    name: String,
    #[prost(string, tag = "2")]
    value: String,
}

fn entry(seconds: i64, nanos: i32, line: &str) -> PushEntry {
    PushEntry {
        timestamp: Some(Timestamp { seconds, nanos }),
        line: line.into(),
        metadata: vec![Label {
            name: "pod".into(),
            value: "p".into(),
        }],
    }
}

fn stream(labels: &str, entries: Vec<PushEntry>) -> PushStream {
    PushStream {
        labels: labels.into(),
        entries,
        hash: 7,
    }
}

fn snapped(streams: Vec<PushStream>) -> Vec<u8> {
    let bytes = PushRequest { streams }.encode_to_vec();
    snap::raw::Encoder::new().compress_vec(&bytes).unwrap()
}

fn line(time: u64, text: &str, attributes: &[&str]) -> (u64, String, Vec<String>) {
    let attributes = attributes.iter().map(|a| (*a).to_owned()).collect();
    (time, text.into(), attributes)
}

fn resource(attributes: &[&str]) -> Vec<String> {
    attributes.iter().map(|a| (*a).to_owned()).collect()
}

#[test]
fn json_is_read_with_metadata_in_any_order_of_keys() {
    let body = br#"{"streams": [
        {"values": [["17", "a \"quoted\" line", {"pod": "p", "trace_id": "x"}], ["18", "b"]], "stream": {"job": "x"}, "more": 1},
        {"stream": {"app": "shop"}, "values": []},
        {"labels": "{job=\"old\"}", "entries": [{"ts": "1970-01-01T00:00:00.000000019Z", "line": "c"}]}
    ], "other": {}}"#;
    let (streams, faults) = taken(Format::Json, body);
    assert_eq!(faults, None);
    let of = |job: &str| {
        resource(&[
            &format!("service.name={job}"),
            &format!("loki.label.job={job}"),
            &format!("loki.label.service_name={job}"),
        ])
    };
    assert_eq!(
        streams,
        [
            (
                of("x"),
                vec![
                    line(17, "a \"quoted\" line", &["pod=p", "trace_id=x"]),
                    line(18, "b", &[])
                ]
            ),
            (of("old"), vec![line(19, "c", &[])]),
        ]
    );
}

#[test]
fn protobuf_is_read_with_times_and_metadata() {
    let body = snapped(vec![
        stream(r#"{job="x"}"#, vec![entry(1, 5, "a"), entry(2, 0, "b")]),
        stream(r#"{job="y"}"#, vec![]),
    ]);
    let (streams, faults) = taken(Format::Protobuf, &body);
    assert_eq!(faults, None);
    let lines = vec![
        line(1_000_000_005, "a", &["pod=p"]),
        line(2_000_000_000, "b", &["pod=p"]),
    ];
    assert_eq!(streams.len(), 1);
    assert_eq!(streams[0].1, lines);
}

#[test]
fn what_is_wrong_with_one_stream_or_entry_is_told_and_its_neighbours_are_taken() {
    let body = br#"{"streams": [
        {"stream": {}, "values": [["1", "lost"]]},
        {"stream": {"job": "x"}, "values": [["1", "a"], ["yesterday", "b"], ["-1", "c"], ["4", "d"]]}
    ]}"#;
    let (streams, faults) = taken(Format::Json, body);
    let faults = faults.unwrap();
    assert_eq!(streams[0].1, [line(1, "a", &[]), line(4, "d", &[])]);
    assert!(faults.starts_with("2 lines were taken"), "{faults}");
    assert!(faults.contains("stream 1 : it has no label"), "{faults}");
    let place = "stream 2 {job=\"x\", service_name=\"x\"}, entry 2: \"yesterday\" is no time";
    assert!(faults.contains(place), "{faults}");
    let body = snapped(vec![
        stream("job", vec![entry(1, 0, "a")]),
        stream(r#"{job="x"}"#, vec![entry(-1, 0, "b"), entry(3, 0, "c")]),
    ]);
    let (streams, faults) = taken(Format::Protobuf, &body);
    let faults = faults.unwrap();
    assert_eq!(streams[0].1, [line(3_000_000_000, "c", &["pod=p"])]);
    assert!(
        faults.contains("stream 1 job: its labels are not written as"),
        "{faults}"
    );
    assert!(
        faults.contains("entry 1: \"-1000000000\" is no time"),
        "{faults}"
    );
}

#[test]
fn many_faults_are_counted_and_few_are_told() {
    let values: Vec<_> = (0..100).map(|_| "[\"x\", \"a\"]").collect();
    let body = format!(
        "{{\"streams\": [{{\"stream\": {{\"a\": \"1\"}}, \"values\": [{}]}}]}}",
        values.join(",")
    );
    let (streams, faults) = taken(Format::Json, body.as_bytes());
    assert!(streams.is_empty());
    assert!(faults.unwrap().ends_with("\nand 95 more\n"));
}

#[test]
fn what_cannot_be_read_is_refused_whole_with_its_place() {
    let check = |format, body: &[u8], expected: &str| {
        let reason = stopped(format, body);
        assert!(reason.contains(expected), "{reason}");
    };
    check(Format::Json, b"", "no push request in JSON");
    check(Format::Json, b"[]", "an object with \"streams\"");
    check(Format::Json, br#"{"streams": {}}"#, "a list of streams");
    check(Format::Json, br#"{"streams": []} x"#, "trailing");
    check(
        Format::Json,
        br#"{"streams": [{"stream": {"a": 1}, "values": []}]}"#,
        "stream 0 : its labels cannot be read",
    );
    check(
        Format::Json,
        br#"{"streams": [{"stream": {"a": "1"}, "values": [["1", "a"], ["2"]]}]}"#,
        "an entry has no line",
    );
    check(
        Format::Json,
        br#"{"streams": [{"stream": {"a": "1"}, "values": [["1", "a", {"n": 5}]]}]}"#,
        "stream 1 {a=\"1\", service_name=\"unknown_service\"}",
    );
    check(
        Format::Protobuf,
        b"\xff\xff\xff",
        "not compressed with snappy",
    );
    let cut = PushRequest {
        streams: vec![stream(r#"{job="x"}"#, vec![entry(1, 0, "a")])],
    }
    .encode_to_vec();
    let cut = snap::raw::Encoder::new()
        .compress_vec(&cut[..cut.len() - 1])
        .unwrap();
    check(Format::Protobuf, &cut, "no PushRequest in protobuf");
}

#[test]
fn an_entry_that_is_null_is_none_and_the_others_are_taken() {
    let body = br#"{"streams": [
        {"stream": {"job": "x"}, "values": [null, ["17", "a"], null]},
        {"labels": "{job=\"old\"}", "entries": [{"ts": "1970-01-01T00:00:00.000000019Z", "line": "c"}, null]},
        {"stream": {"job": "none"}, "values": [null]}
    ]}"#;
    let (streams, faults) = taken(Format::Json, body);
    assert_eq!(faults, None);
    let lines: Vec<_> = streams.into_iter().map(|(_, lines)| lines).collect();
    assert_eq!(lines, [[line(17, "a", &[])], [line(19, "c", &[])]]);
}

#[test]
fn a_bomb_is_refused_before_it_unfolds() {
    let zeros = snap::raw::Encoder::new()
        .compress_vec(&vec![0; 2 << 20])
        .unwrap();
    let limits = Limits::default();
    let read = |body: &[u8], max| {
        let body = Bytes::copy_from_slice(body);
        read(Format::Protobuf, body, max, limits).map(|_| ())
    };
    assert_eq!(read(&zeros, 1 << 20), Err(Stop::TooLarge));
    // Two bytes an entry, which becomes ten times as large.
    let entries = [0x12, 0].repeat(400_000);
    let mut stream = vec![0x0a, 9];
    stream.extend_from_slice(br#"{job="x"}"#);
    stream.extend_from_slice(&entries);
    let mut request = vec![0x0a];
    prost::encoding::encode_varint(stream.len() as u64, &mut request);
    request.extend_from_slice(&stream);
    let bomb = snap::raw::Encoder::new().compress_vec(&request).unwrap();
    assert_eq!(read(&bomb, 1 << 20), Err(Stop::TooLarge));
}

proptest::proptest! {
    #![proptest_config(proptest::test_runner::Config {
        failure_persistence: None,
        ..Default::default()
    })]
    #[test]
    fn no_bytes_do_harm(bytes in proptest::collection::vec(proptest::num::u8::ANY, 0..300)) {
        let body = Bytes::from(bytes.clone());
        let _ = read(Format::Json, body.clone(), 1000, Limits::default());
        let _ = read(Format::Protobuf, body, 1000, Limits::default());
        let mut pushed = Pushed::new(1000, Limits::default());
        let _ = protobuf::read(&bytes, &mut pushed);
    }
}

/// The door before a real journal.
struct Bed {
    router: axum::Router,
    behind: Behind,
}

impl Bed {
    fn new(limits: &OtlpLimits) -> Self {
        let behind = Behind::new(limits, Arc::new(SystemClock));
        Self {
            router: router(Arc::clone(&behind.admission), Limits::default()),
            behind,
        }
    }

    fn written(&self) -> Position {
        self.behind
            .journal
            .durable_end(Partition::first(Signal::Logs))
    }

    async fn push(
        &self,
        headers: &[(&str, &str)],
        body: Vec<u8>,
    ) -> (StatusCode, HeaderMap, String) {
        self.post("/loki/api/v1/push", headers, body).await
    }

    async fn post(
        &self,
        path: &str,
        headers: &[(&str, &str)],
        body: Vec<u8>,
    ) -> (StatusCode, HeaderMap, String) {
        let mut request = HttpRequest::post(path);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let request = request.body(Body::from(body)).unwrap();
        let response = self.router.clone().oneshot(request).await.unwrap();
        let (head, body) = response.into_parts();
        let body = axum::body::to_bytes(body, 1 << 20).await.unwrap();
        let text = String::from_utf8_lossy(&body).into_owned();
        (head.status, head.headers, text)
    }
}

const JSON: (&str, &str) = ("content-type", "application/json");
const ONE: &[u8] = br#"{"streams": [{"stream": {"job": "x"}, "values": [["1", "a"]]}]}"#;

#[tokio::test]
async fn every_form_is_durable_before_it_is_acknowledged() {
    let bed = Bed::new(&OtlpLimits::default());
    let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    gzip.write_all(ONE).unwrap();
    let gzip = gzip.finish().unwrap();
    let protobuf = snapped(vec![stream(r#"{job="x"}"#, vec![entry(1, 0, "a")])]);
    let sent = [
        bed.push(&[JSON], ONE.into()).await,
        bed.push(&[JSON, ("content-encoding", "gzip")], gzip).await,
        bed.push(&[], protobuf.clone()).await,
        bed.push(
            &[
                ("content-type", "application/x-protobuf"),
                ("content-encoding", "snappy"),
            ],
            protobuf,
        )
        .await,
        bed.post("/api/prom/push", &[JSON], ONE.into()).await,
    ];
    for (at, (status, _, text)) in sent.iter().enumerate() {
        assert_eq!(
            (*status, text.as_str()),
            (StatusCode::NO_CONTENT, ""),
            "{at}"
        );
    }
    assert_eq!(bed.written(), Position(5));
    let otlp =
        br#"{"resourceLogs": [{"scopeLogs": [{"logRecords": [{"body": {"stringValue": "a"}}]}]}]}"#;
    let (status, _, text) = bed.post("/otlp/v1/logs", &[JSON], otlp.to_vec()).await;
    assert_eq!((status, text.as_str()), (StatusCode::OK, "{}"));
    assert_eq!(bed.written(), Position(6));
}

#[tokio::test]
async fn bad_requests_are_told_why_and_leave_nothing() {
    let bed = Bed::new(&OtlpLimits::default());
    let (status, _, text) = bed
        .push(&[("content-type", "text/plain")], ONE.into())
        .await;
    assert!(
        status == StatusCode::BAD_REQUEST && text.contains("\"text/plain\" is neither"),
        "{text}"
    );
    let (status, _, text) = bed
        .push(&[JSON, ("content-encoding", "br")], ONE.into())
        .await;
    assert!(
        status == StatusCode::BAD_REQUEST && text.contains("\"br\" is not understood"),
        "{text}"
    );
    let (status, _, text) = bed.push(&[JSON], b"{".to_vec()).await;
    assert!(
        status == StatusCode::BAD_REQUEST && text.contains("the push request is refused"),
        "{text}"
    );
    let (status, _, _) = bed
        .push(&[JSON, ("x-scope-orgid", "a/b")], ONE.into())
        .await;
    assert_eq!(status, StatusCode::FORBIDDEN);
    assert_eq!(bed.written(), Position(0));
    // One with a good neighbour: that is kept, and the answer is still a refusal.
    let both = br#"{"streams": [{"stream": {"job": "x"}, "values": [["1", "a"], ["z", "b"]]}]}"#;
    let (status, _, text) = bed.push(&[JSON], both.to_vec()).await;
    assert!(
        status == StatusCode::BAD_REQUEST && text.contains("entry 2"),
        "{text}"
    );
    assert_eq!(bed.written(), Position(1));
}

#[tokio::test]
async fn who_sends_too_much_is_told_when_to_come_back_and_others_are_served() {
    let mut limits = OtlpLimits::default();
    limits.tenant.log_streams_max = 1;
    let slow = crate::config::TenantOverrides {
        logs_bytes_per_second: Some(1),
        logs_burst_bytes: Some(1),
        ..Default::default()
    };
    limits.by_tenant.insert("slow".into(), slow);
    let bed = Bed::new(&limits);
    let as_slow = [JSON, ("x-scope-orgid", "slow")];
    assert_eq!(
        bed.push(&as_slow, ONE.into()).await.0,
        StatusCode::NO_CONTENT
    );
    let (status, headers, text) = bed.push(&as_slow, ONE.into()).await;
    assert_eq!(status, StatusCode::TOO_MANY_REQUESTS);
    let wait: u64 = headers["retry-after"].to_str().unwrap().parse().unwrap();
    assert!(
        wait > 10 && text.contains("logs_bytes_per_second"),
        "{wait} {text}"
    );
    assert_eq!(
        bed.push(&[JSON], ONE.into()).await.0,
        StatusCode::NO_CONTENT
    );
    let other = br#"{"streams": [{"stream": {"job": "y"}, "values": [["1", "a"]]}]}"#;
    let (status, headers, text) = bed.push(&[JSON], other.to_vec()).await;
    assert_eq!(status, StatusCode::TOO_MANY_REQUESTS);
    assert_eq!(headers["retry-after"], "60");
    assert!(text.contains("log_streams_max"), "{text}");
    assert_eq!(
        bed.push(&[JSON], ONE.into()).await.0,
        StatusCode::NO_CONTENT
    );
    assert_eq!(bed.written(), Position(3));
    // The same at OTLP's door.
    let otlp =
        br#"{"resourceLogs": [{"scopeLogs": [{"logRecords": [{"body": {"stringValue": "a"}}]}]}]}"#;
    let (status, headers, _) = bed.post("/otlp/v1/logs", &[JSON], otlp.to_vec()).await;
    assert_eq!(status, StatusCode::TOO_MANY_REQUESTS);
    assert_eq!(headers["retry-after"], "60");
}
