//! A whole collector with a few traces, and requests to it.

use crate::{Collector, Config};
use prost::Message as _;
use serde_json::Value;
use sonde_proto::otlp::common::{InstrumentationScope, KeyValue, any_value::Value as Any};
use sonde_proto::otlp::resource::Resource;
use sonde_proto::otlp::trace::span::{Event, Link};
use sonde_proto::otlp::trace::{ResourceSpans, ScopeSpans, Span, Status, TracesData};
use sonde_proto::otlp::{any_kv, kv};
use sonde_proto::{Clock as _, SystemClock, remote_write};
use std::sync::Arc;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tonic::codegen::http::uri::PathAndQuery;
use tonic::metadata::MetadataMap;

/// A trace of two services, of which the call failed.
pub(super) const TRACE_ID: &str = "0af7651916cd43dd8448eb211c80319c";

pub(super) struct Bed {
    collector: Collector,
    sent: TracesData,
    /// A second in the past, in nanoseconds: when the traces began.
    pub(super) begin: u64,
    _dir: tempfile::TempDir,
}

pub(super) struct Answer {
    pub(super) status: u16,
    pub(super) content_type: String,
    /// Why there may be more than it has.
    pub(super) warning: String,
    pub(super) body: Vec<u8>,
}

impl Answer {
    pub(super) fn text(&self) -> &str {
        std::str::from_utf8(&self.body).unwrap()
    }

    pub(super) fn json(&self) -> Value {
        assert_eq!(self.status, 200, "{}", self.text());
        serde_json::from_slice(&self.body).unwrap()
    }
}

impl Bed {
    pub(super) async fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let mut config = Config {
            data_dir: dir.path().into(),
            ..Config::default()
        };
        config.http.listen.set_port(0);
        config.otlp.grpc.listen.set_port(0);
        config.otlp.http.listen.set_port(0);
        config.journal.reserve_bytes = 0;
        config.rules.use_rules = false;
        config.rules.default_alerts = false;
        let clock = Arc::new(SystemClock);
        let begin = clock.now().0 - 1_000_000_000;
        let collector = Collector::start(&config, clock).await.unwrap();
        collector.ready().await;
        Self {
            collector,
            sent: TracesData::default(),
            begin,
            _dir: dir,
        }
    }

    /// With a trace of [`TRACE_ID`] and one of the ID 0xaa, applied.
    pub(super) async fn with_traces() -> Self {
        let mut bed = Self::new().await;
        bed.sent = checkout(bed.begin);
        let mut all = bed.sent.clone();
        all.resource_spans.push(short(bed.begin));
        bed.send(&all).await;
        let short = format!("/tempo/api/traces/{:032x}", 0xaa);
        while bed.get(&short, &[]).await.status != 200 {
            tokio::task::yield_now().await;
        }
        bed
    }

    /// What was sent of the trace [`TRACE_ID`].
    pub(super) fn sent(&self) -> &TracesData {
        &self.sent
    }

    /// Sends spans; what it is told about them.
    pub(super) async fn send(&self, traces: &TracesData) -> Answer {
        let body = traces.encode_to_vec();
        let head = format!(
            "POST /v1/traces HTTP/1.0\r\nHost: localhost\r\nContent-Type: application/x-protobuf\r\nContent-Length: {}\r\n\r\n",
            body.len()
        );
        let address = self.collector.addresses().otlp_http;
        let answer = exchange(address, &[head.as_bytes(), &body].concat()).await;
        assert_eq!(answer.status, 200, "{}", answer.text());
        answer
    }

    /// Writes series, as a Prometheus does.
    pub(super) async fn write(&self, series: &[remote_write::Series]) {
        let body = remote_write::body(remote_write::Version::V1, series).unwrap();
        let head = format!(
            "POST /api/v1/write HTTP/1.0\r\nHost: localhost\r\nContent-Type: application/x-protobuf\r\nContent-Encoding: snappy\r\nContent-Length: {}\r\n\r\n",
            body.len()
        );
        let address = self.collector.addresses().http;
        let answer = exchange(address, &[head.as_bytes(), &body].concat()).await;
        assert_eq!(answer.status / 100, 2, "{}", answer.text());
    }

    pub(super) async fn get(&self, path: &str, headers: &[(&str, &str)]) -> Answer {
        let lines: String = headers
            .iter()
            .map(|(name, value)| format!("{name}: {value}\r\n"))
            .collect();
        let head = format!("GET {path} HTTP/1.0\r\nHost: localhost\r\n{lines}\r\n");
        exchange(self.collector.addresses().http, head.as_bytes()).await
    }

    /// Asks over gRPC, as a client does; all parts, and what stands behind them.
    pub(super) async fn call<Q, A>(
        &self,
        path: &'static str,
        tenant: &str,
        question: Q,
    ) -> Result<(Vec<A>, MetadataMap), tonic::Status>
    where
        Q: prost::Message + 'static,
        A: prost::Message + Default + 'static,
    {
        let url = format!("http://{}", self.collector.addresses().http);
        let channel = tonic::transport::Endpoint::new(url).unwrap();
        let mut client = tonic::client::Grpc::new(channel.connect().await.unwrap());
        client.ready().await.unwrap();
        let mut request = tonic::Request::new(question);
        let headers = request.metadata_mut();
        headers.insert("x-scope-orgid", tenant.parse().unwrap());
        let codec = tonic_prost::ProstCodec::<Q, A>::default();
        let answer = client.server_streaming(request, PathAndQuery::from_static(path), codec);
        let mut answer = answer.await?.into_inner();
        let mut parts = Vec::new();
        while let Some(part) = answer.message().await? {
            parts.push(part);
        }
        Ok((parts, answer.trailers().await?.unwrap_or_default()))
    }

    pub(super) async fn post(&self, path: &str, content_type: &str, body: &[u8]) -> Answer {
        let head = format!(
            "POST {path} HTTP/1.0\r\nHost: localhost\r\nContent-Type: {content_type}\r\nContent-Length: {}\r\n\r\n",
            body.len()
        );
        exchange(
            self.collector.addresses().http,
            &[head.as_bytes(), body].concat(),
        )
        .await
    }
}

async fn exchange(address: std::net::SocketAddr, request: &[u8]) -> Answer {
    let mut socket = TcpStream::connect(address).await.unwrap();
    socket.write_all(request).await.unwrap();
    let mut answer = Vec::new();
    socket.read_to_end(&mut answer).await.unwrap();
    let end = answer
        .windows(4)
        .position(|four| four == b"\r\n\r\n")
        .unwrap();
    let body = answer.split_off(end + 4);
    let head = String::from_utf8(answer).unwrap().to_lowercase();
    let header = |name: &str| {
        let value = head.lines().find_map(|line| line.strip_prefix(name));
        value.unwrap_or_default().to_owned()
    };
    Answer {
        status: head.split(' ').nth(1).unwrap().parse().unwrap(),
        content_type: header("content-type: "),
        warning: header("warning: "),
        body,
    }
}

fn int(key: &str, value: i64) -> KeyValue {
    any_kv(key, Any::IntValue(value))
}

pub(super) fn of_service(service: &str, span: Span) -> ResourceSpans {
    ResourceSpans {
        resource: Some(Resource {
            attributes: vec![kv("service.name", service), kv("host.name", "node-1")],
            ..Resource::default()
        }),
        scope_spans: vec![ScopeSpans {
            scope: Some(InstrumentationScope {
                name: "lib".into(),
                version: "1.2".into(),
                ..InstrumentationScope::default()
            }),
            spans: vec![span],
            ..ScopeSpans::default()
        }],
        ..ResourceSpans::default()
    }
}

/// `POST /checkout` of web, which failed, and `charge` of pay within it.
fn checkout(begin: u64) -> TracesData {
    let trace_id = sonde_proto::TraceId::from_hex(TRACE_ID)
        .unwrap()
        .as_bytes()
        .to_vec();
    let server = Span {
        trace_id: trace_id.clone(),
        span_id: 1_u64.to_be_bytes().to_vec(),
        name: "POST /checkout".into(),
        kind: 2,
        start_time_unix_nano: begin,
        end_time_unix_nano: begin + 250_000_000,
        attributes: vec![kv("http.route", "/checkout"), int("http.status_code", 500)],
        status: Some(Status {
            code: 2,
            message: "declined".into(),
        }),
        events: vec![Event {
            time_unix_nano: begin + 1_000,
            name: "retry".into(),
            attributes: vec![int("n", 2)],
            ..Event::default()
        }],
        links: vec![Link {
            trace_id: 0xff_u128.to_be_bytes().to_vec(),
            span_id: 7_u64.to_be_bytes().to_vec(),
            ..Link::default()
        }],
        ..Span::default()
    };
    let call = Span {
        trace_id,
        span_id: 2_u64.to_be_bytes().to_vec(),
        parent_span_id: 1_u64.to_be_bytes().to_vec(),
        name: "charge".into(),
        kind: 3,
        start_time_unix_nano: begin + 10_000_000,
        end_time_unix_nano: begin + 200_000_000,
        attributes: vec![
            any_kv("amount", Any::DoubleValue(9.5)),
            any_kv("retried", Any::BoolValue(true)),
        ],
        ..Span::default()
    };
    TracesData {
        resource_spans: vec![of_service("web", server), of_service("pay", call)],
    }
}

fn short(begin: u64) -> ResourceSpans {
    let span = Span {
        trace_id: 0xaa_u128.to_be_bytes().to_vec(),
        span_id: 3_u64.to_be_bytes().to_vec(),
        name: "GET /".into(),
        kind: 2,
        start_time_unix_nano: begin + 100_000_000,
        end_time_unix_nano: begin + 101_000_000,
        ..Span::default()
    };
    of_service("web", span)
}
