//! Spans that belong to the log records of a corpus, and series and alerts of the pods they ran
//! in.

use crate::Failure;
use crate::corpus::{Corpus, RECORDS_PER_REQUEST, resource};
use crate::process::{LOOK_EVERY, Sonde};
use crate::text::mixed;
use prost::Message as _;
use serde_json::Value;
use sonde_proto::otlp::common::any_value::Value as Any;
use sonde_proto::otlp::trace::{ResourceSpans, ScopeSpans, Span};
use sonde_proto::otlp::trace_service::ExportTraceServiceRequest;
use sonde_proto::otlp::{any_kv, kv};
use sonde_proto::remote_write::{Series, Version, body};
use std::time::Duration;

pub(crate) const SERIES: u64 = 100_000;
pub(crate) const ALERTS: u64 = 200;
const SPANS_PER_TRACE: u64 = 5;
const PODS: u64 = 287;
const SERIES_PER_REQUEST: u64 = 5_000;
const SENDERS: u64 = 4;
/// The alerts of single pods.
pub(crate) const RULES: &str = "groups:\n- name: bench\n  interval: 5s\n  rules:\n  - {alert: PodIsOdd, expr: bench_pod_odd > 0, labels: {severity: warning}}\n";

/// What is stored beside the log records.
pub(crate) struct World {
    corpus: Corpus,
}

/// The pod of a number, as the corpus names it.
pub(crate) fn pod(n: u64) -> String {
    let n = n % PODS;
    format!("service-{}-7d9f{n:05x}", n % 40)
}

pub(crate) fn namespace(n: u64) -> String {
    format!("shop-{}", n % PODS % 5)
}

pub(crate) fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write as _;
    let mut out = String::new();
    for byte in bytes {
        let _ = write!(out, "{byte:02x}");
    }
    out
}

impl World {
    pub(crate) fn new(corpus: Corpus) -> Self {
        Self { corpus }
    }

    pub(crate) fn spans(&self) -> u64 {
        self.corpus.requests * RECORDS_PER_REQUEST
    }

    fn traces(&self) -> u64 {
        self.spans() / SPANS_PER_TRACE
    }

    /// One of the traces, from all over them.
    pub(crate) fn some_trace(&self, n: u64) -> u64 {
        mixed(n + 7) % self.traces()
    }

    /// As log records name it.
    pub(crate) fn trace_id(&self, trace: u64) -> Vec<u8> {
        let id = mixed(trace + (1 << 40));
        [id.to_be_bytes(), mixed(id).to_be_bytes()].concat()
    }

    /// How many log records belong to a trace; none of a few.
    pub(crate) fn lines(&self, trace: u64) -> usize {
        let request = trace * SPANS_PER_TRACE / RECORDS_PER_REQUEST;
        self.corpus.lines_of_trace(request, &self.trace_id(trace))
    }

    pub(crate) fn span_id(&self, trace: u64, span: u64) -> Vec<u8> {
        mixed((trace * SPANS_PER_TRACE + span) ^ (1 << 50))
            .to_be_bytes()
            .to_vec()
    }

    pub(crate) fn request_id(&self, trace: u64) -> String {
        format!("rq-{:016x}", mixed(trace ^ (1 << 52)))
    }

    fn span(&self, trace: u64, n: u64) -> ResourceSpans {
        let request = trace * SPANS_PER_TRACE / RECORDS_PER_REQUEST;
        let step = self.corpus.span_ms() * 1_000_000 / RECORDS_PER_REQUEST;
        let within = trace * SPANS_PER_TRACE % RECORDS_PER_REQUEST;
        let start = self.corpus.begin_ms(request) * 1_000_000 + within * step;
        let random = mixed(trace * SPANS_PER_TRACE + n);
        let took = 40_000_000 - n * 5_000_000 + random % 1_000_000;
        let mut attributes = vec![
            kv(
                "http.route",
                ["/api/v2/carts", "/api/v2/orders"][(random % 2) as usize],
            ),
            any_kv("http.response.status_code", Any::IntValue(200)),
            kv(
                "url.full",
                format!("https://shop.local/api/v2/carts/{:x}", random >> 20),
            ),
            kv("user.id", (random % 100_000).to_string()),
        ];
        if n == 0 {
            attributes.push(kv(
                "http.request.header.x-request-id",
                self.request_id(trace),
            ));
        }
        let span = Span {
            trace_id: self.trace_id(trace),
            span_id: self.span_id(trace, n),
            parent_span_id: match n {
                0 => Vec::new(),
                n => self.span_id(trace, n - 1),
            },
            name: format!("GET /{}", random % 50),
            kind: if n.is_multiple_of(2) { 2 } else { 3 },
            start_time_unix_nano: start + n * 1_000_000,
            end_time_unix_nano: start + n * 1_000_000 + took,
            attributes,
            ..Span::default()
        };
        ResourceSpans {
            resource: Some(resource((mixed(trace ^ n) % PODS) as usize)),
            scope_spans: vec![ScopeSpans {
                spans: vec![span],
                ..ScopeSpans::default()
            }],
            ..ResourceSpans::default()
        }
    }

    /// Sends spans and series.
    pub(crate) async fn send(&self, sonde: &Sonde) -> Result<(), Failure> {
        let senders = (0..SENDERS).map(|sender| self.send_spans(sonde, sender));
        futures::future::try_join_all(senders).await?;
        let mut from = 0;
        while from < SERIES {
            let series: Vec<_> = (from..from + SERIES_PER_REQUEST).map(one_series).collect();
            let body = body(Version::V2, &series).map_err(|error| format!("{error:?}"))?;
            let request = sonde.http().post(sonde.url("/api/v1/write"));
            let request = request.header("Content-Encoding", "snappy").header(
                "Content-Type",
                "application/x-protobuf;proto=io.prometheus.write.v2.Request",
            );
            delivered(&request.body(body)).await?;
            from += SERIES_PER_REQUEST;
        }
        Ok(())
    }

    async fn send_spans(&self, sonde: &Sonde, sender: u64) -> Result<(), Failure> {
        let traces_per_request = RECORDS_PER_REQUEST / SPANS_PER_TRACE;
        let requests = self.traces() / traces_per_request;
        for request in (sender..requests).step_by(SENDERS as usize) {
            let first = request * traces_per_request;
            let traces = first..first + traces_per_request;
            let spans = traces.flat_map(|t| (0..SPANS_PER_TRACE).map(move |n| self.span(t, n)));
            let body = ExportTraceServiceRequest {
                resource_spans: spans.collect(),
            };
            let request = sonde.http().post(sonde.otlp("traces"));
            let request = request.header("Content-Type", "application/x-protobuf");
            delivered(&request.body(body.encode_to_vec())).await?;
        }
        Ok(())
    }

    /// Waits until all spans are sealed, and there are loads and alerts.
    pub(crate) async fn searchable(&self, sonde: &Sonde) -> Result<(), Failure> {
        let begun = std::time::Instant::now();
        loop {
            let get = |path: &'static str| async move {
                let answer = sonde.http().get(sonde.url(path)).send().await?;
                Ok::<Value, Failure>(answer.json().await?)
            };
            let status = get("/sonde/v1/status").await?;
            let alerts = get("/sonde/v1/alerts").await?;
            let alerts = alerts["alerts"].as_array().map_or(0, Vec::len) as u64;
            let is_there = status["journal"]["spans"]["caught_up"] == true
                && status["stores"]["traces"]["records"] == self.spans()
                && alerts >= ALERTS;
            if is_there {
                return Ok(());
            }
            if begun.elapsed() > Duration::from_secs(300) {
                return Err(format!("not all is there: {alerts} alerts, {status:#}").into());
            }
            tokio::time::sleep(LOOK_EVERY * 100).await;
        }
    }
}

/// A series: of the load of a pod or of a node, of an alert, or of anything else.
fn one_series(n: u64) -> Series {
    let (node, containers) = (12 * 3, PODS * 6);
    let pod_labels = |n: u64| vec![("namespace", namespace(n)), ("pod", pod(n))];
    let (name, labels) = match n {
        n if n < node => {
            let names = [
                "cpu_utilization:ratio",
                "memory_utilization:ratio",
                "cpu_load:ratio",
            ];
            let host = vec![("host_name", format!("node-{}", n / 3))];
            (format!("node:{}", names[(n % 3) as usize]), host)
        }
        n if n < node + containers => {
            let n = n - node;
            let names = [
                "container:cpu_utilization:ratio",
                "container:cpu_saturation:ratio",
                "container:memory_utilization:ratio",
                "container:memory_failures:rate",
                "pod:network_throughput:bytes_rate",
                "pod:network_errors:rate",
            ];
            let name = names[(n % 6) as usize];
            let mut labels = pod_labels(n / 6);
            if name.starts_with("container") {
                labels.push(("container", "app".into()));
            }
            (name.to_owned(), labels)
        }
        n if n < node + containers + ALERTS => (
            "bench_pod_odd".to_owned(),
            pod_labels(n - node - containers),
        ),
        n => {
            let mut labels = pod_labels(n);
            labels.push(("number", n.to_string()));
            (format!("bench_metric_{}_total", n % 500), labels)
        }
    };
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    let now = now.map_or(0, |now| now.as_millis() as i64);
    let labels = labels
        .into_iter()
        .map(|(name, value)| (name.to_owned(), value));
    let mut labels: Vec<_> = labels.chain([("__name__".to_owned(), name)]).collect();
    labels.sort();
    Series {
        labels: labels.into_iter().collect(),
        // As far ahead as is taken, so that they are there as long as questions are asked.
        samples: (-3..=9)
            .map(|minute| (now + minute * 60_000, 1.0))
            .collect(),
        ..Series::default()
    }
}

/// Sends a request until it is taken.
async fn delivered(request: &reqwest::RequestBuilder) -> Result<(), Failure> {
    loop {
        let again = request
            .try_clone()
            .ok_or("a request has a body that cannot be sent twice")?;
        let answer = again.send().await?;
        match answer.status().as_u16() {
            200..=299 => return Ok(()),
            429 | 503 => tokio::time::sleep(Duration::from_millis(50)).await,
            status => return Err(format!("{status}: {}", answer.text().await?).into()),
        }
    }
}
