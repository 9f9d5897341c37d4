//! Spans of a web shop as its services' SDKs send them: a request is one service's, of 512
//! spans, each made from its number alone, so that what was stored and counted can be compared
//! with what was sent.
//!
//! ```text
//! a trace      user ─▶ A server, client ─▶ B server, client ─▶ C server, producer ─▶
//!              D consumer, client ─▶ E server, and a call to a database or work of its own
//! a block      256 traces over the same five services: five requests
//! ```

use crate::corpus::Encoded;
use crate::text::mixed;
use prost::Message as _;
use sonde_proto::otlp::common::{InstrumentationScope, KeyValue, any_value::Value};
use sonde_proto::otlp::resource::Resource;
use sonde_proto::otlp::trace::{ResourceSpans, ScopeSpans, Span, Status};
use sonde_proto::otlp::trace_service::ExportTraceServiceRequest;
use sonde_proto::otlp::{any_kv, kv};
use std::collections::BTreeMap;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

pub(crate) const SPANS_PER_TRACE: u64 = 10;
const TRACES_PER_BLOCK: u64 = 256;
/// How many services a trace goes through, and requests a block has.
const HOPS: u64 = 5;
pub(crate) const SPANS_PER_REQUEST: u64 = TRACES_PER_BLOCK * SPANS_PER_TRACE / HOPS;
const OPERATIONS: u64 = 20;
const SPREAD: Duration = Duration::from_secs(3600);
/// Every so many spans one fails.
const FAILS: u64 = 50;

/// Two ways through the shop.
const SERVICES: [[&str; HOPS as usize]; 2] = [
    ["gateway", "checkout", "orders", "mail", "accounts"],
    ["mobile-gateway", "cart", "prices", "stock", "search"],
];
const DATABASE: &str = "ledger";

const SERVER: i32 = 2;
const CLIENT: i32 = 3;
const PRODUCER: i32 = 4;
const CONSUMER: i32 = 5;
const INTERNAL: i32 = 1;

/// What is sent.
#[derive(Clone)]
pub(crate) struct Shop {
    blocks: u64,
    begin_nanos: u64,
    /// From the start of a trace to that of the next.
    step_nanos: u64,
}

/// What tells series apart.
pub(crate) type Labels = Vec<(&'static str, String)>;
/// What is to be counted.
pub(crate) type Counts = BTreeMap<Labels, u64>;

/// The counters that these spans come to.
#[derive(Default)]
pub(crate) struct Signals {
    pub(crate) calls: Counts,
    pub(crate) requests: Counts,
    pub(crate) failed: Counts,
}

/// Which of a trace's spans one is.
#[derive(Clone, Copy)]
struct Which {
    trace: u64,
    hop: u64,
    /// Whether it asks the next service, rather than answering.
    asks: bool,
}

impl Shop {
    /// Spans of the last hour.
    pub(crate) fn of_an_hour(spans: u64) -> Self {
        let blocks = spans.div_ceil(TRACES_PER_BLOCK * SPANS_PER_TRACE).max(1);
        let since = SystemTime::now().duration_since(UNIX_EPOCH);
        let now = since.unwrap_or_default().as_nanos() as u64;
        let spread = SPREAD.as_nanos() as u64;
        Self {
            blocks,
            begin_nanos: now - spread,
            step_nanos: spread / (blocks * TRACES_PER_BLOCK),
        }
    }

    pub(crate) fn traces(&self) -> u64 {
        self.blocks * TRACES_PER_BLOCK
    }

    pub(crate) fn spans(&self) -> u64 {
        self.traces() * SPANS_PER_TRACE
    }

    pub(crate) fn requests(&self) -> u64 {
        self.blocks * HOPS
    }

    pub(crate) fn encoded(&self, request: u64) -> Encoded {
        let (block, hop) = (request / HOPS, request % HOPS);
        let traces = block * TRACES_PER_BLOCK..(block + 1) * TRACES_PER_BLOCK;
        let spans = traces.flat_map(|trace| self.of_hop(trace, hop)).collect();
        let resource_spans = vec![self.resource_spans(block, hop, spans)];
        let bytes = ExportTraceServiceRequest { resource_spans }.encode_to_vec();
        Encoded {
            body_bytes: bytes.len() as u64,
            bytes: bytes.into(),
        }
    }

    /// All of a trace by service.
    pub(crate) fn trace(&self, trace: u64) -> Vec<ResourceSpans> {
        let of_hop = |hop| {
            let spans = self.of_hop(trace, hop).into();
            self.resource_spans(trace / TRACES_PER_BLOCK, hop, spans)
        };
        (0..HOPS).map(of_hop).collect()
    }

    /// What all spans together come to.
    pub(crate) fn signals(&self) -> Signals {
        let mut signals = Signals::default();
        for trace in 0..self.traces() {
            for hop in 0..HOPS {
                signals.count(Which {
                    trace,
                    hop,
                    asks: false,
                });
            }
        }
        signals
    }

    fn of_hop(&self, trace: u64, hop: u64) -> [Span; 2] {
        [false, true].map(|asks| self.span(Which { trace, hop, asks }))
    }

    fn resource_spans(&self, block: u64, hop: u64, spans: Vec<Span>) -> ResourceSpans {
        let service = service(block, hop);
        // A few instances of each service.
        let instance = mixed(block) % 3;
        let attributes = vec![
            kv("service.name", service),
            kv("service.version", "2.14.1"),
            kv(
                "service.instance.id",
                format!("{service}-7d9f5c6b8-{instance}"),
            ),
            kv("host.name", format!("node-{instance}")),
            kv("k8s.namespace.name", "shop"),
            kv("k8s.pod.name", format!("{service}-7d9f5c6b8-{instance}")),
            kv("telemetry.sdk.name", "opentelemetry"),
            kv("telemetry.sdk.language", "java"),
            kv("telemetry.sdk.version", "1.49.0"),
        ];
        let scope = InstrumentationScope {
            name: "io.opentelemetry.netty-4.1".into(),
            version: "2.15.0-alpha".into(),
            ..Default::default()
        };
        ResourceSpans {
            resource: Some(Resource {
                attributes,
                ..Default::default()
            }),
            scope_spans: vec![ScopeSpans {
                scope: Some(scope),
                spans,
                ..Default::default()
            }],
            ..Default::default()
        }
    }

    fn span(&self, which: Which) -> Span {
        let start = self.begin_nanos + which.trace * self.step_nanos + which.number() * 200_000;
        let nanos = (900_000_000 / (1 + mixed(which.seed()) % 3000)) >> which.hop;
        let parent = match which.before() {
            Some(before) => before.id().to_vec(),
            None => Vec::new(),
        };
        let code = if which.fails() { 2 } else { 0 };
        Span {
            trace_id: trace_id(which.trace).to_vec(),
            span_id: which.id().to_vec(),
            parent_span_id: parent,
            flags: 0x101,
            name: which.name(),
            kind: which.kind(),
            start_time_unix_nano: start,
            end_time_unix_nano: start + nanos,
            attributes: which.attributes(),
            status: Some(Status {
                code,
                message: String::new(),
            }),
            ..Default::default()
        }
    }
}

impl Which {
    fn number(self) -> u64 {
        self.hop * 2 + u64::from(self.asks)
    }

    fn seed(self) -> u64 {
        self.trace * SPANS_PER_TRACE + self.number() + 1
    }

    fn id(self) -> [u8; 8] {
        mixed(self.seed()).to_be_bytes()
    }

    fn fails(self) -> bool {
        mixed(self.seed() ^ 0x5eed).is_multiple_of(FAILS)
    }

    fn service(self) -> &'static str {
        service(self.trace / TRACES_PER_BLOCK, self.hop)
    }

    /// The span it is the child of; every span has the one before it.
    fn before(self) -> Option<Self> {
        let number = self.number().checked_sub(1)?;
        Some(Self {
            hop: number / 2,
            asks: number % 2 == 1,
            ..self
        })
    }

    fn kind(self) -> i32 {
        match (self.hop, self.asks) {
            (3, false) => CONSUMER,
            (_, false) => SERVER,
            (2, true) => PRODUCER,
            (4, true) if !self.calls_database() => INTERNAL,
            (_, true) => CLIENT,
        }
    }

    fn calls_database(self) -> bool {
        self.trace.is_multiple_of(2)
    }

    fn operation(self) -> u64 {
        mixed(self.trace / 7 + self.hop) % OPERATIONS
    }

    fn name(self) -> String {
        let operation = self.operation();
        match (self.kind(), self.hop) {
            (SERVER, _) => format!("GET /api/v2/resource-{operation}/{{id}}"),
            (CLIENT, 4) => format!("SELECT {DATABASE}.entry_{operation}"),
            (CLIENT, _) => "GET".into(),
            (PRODUCER, _) => format!("publish orders.{operation}"),
            (CONSUMER, _) => format!("process orders.{operation}"),
            _ => "AccountView.render".into(),
        }
    }

    fn attributes(self) -> Vec<KeyValue> {
        let (operation, item) = (self.operation(), mixed(self.seed()) % 100_000);
        let int = |key, number: u64| any_kv(key, Value::IntValue(number.cast_signed()));
        let request = || kv("request.id", request_id(self.trace));
        let status = if self.fails() { 500 } else { 200 };
        match (self.kind(), self.hop) {
            (SERVER, _) => vec![
                kv("http.request.method", "GET"),
                kv("http.route", format!("/api/v2/resource-{operation}/{{id}}")),
                kv("url.path", format!("/api/v2/resource-{operation}/{item}")),
                int("http.response.status_code", status),
                request(),
                int("thread.id", item % 64),
            ],
            (CLIENT, 4) => vec![
                kv("db.system.name", "postgresql"),
                kv("db.namespace", DATABASE),
                kv("db.operation.name", "SELECT"),
                kv(
                    "db.query.text",
                    format!("select * from entry_{operation} where id = ?"),
                ),
                kv("server.address", "ledger.shop.svc"),
                int("thread.id", item % 64),
            ],
            (CLIENT, _) => vec![
                kv("http.request.method", "GET"),
                kv(
                    "url.full",
                    format!("http://next.shop.svc:8080/api/v2/resource-{operation}/{item}"),
                ),
                kv("server.address", "next.shop.svc"),
                int("server.port", 8080),
                int("http.response.status_code", status),
                int("thread.id", item % 64),
            ],
            (PRODUCER | CONSUMER, _) => vec![
                kv("messaging.system", "kafka"),
                kv("messaging.destination.name", format!("orders.{operation}")),
                kv("messaging.client.id", "shop-events"),
                int("messaging.kafka.offset", item),
                request(),
                int("thread.id", item % 64),
            ],
            _ => vec![
                kv("code.function.name", "com.example.AccountView.render"),
                kv("user_agent.original", "Mozilla/5.0 (X11; Linux x86_64)"),
                kv("enduser.id", format!("user-{item}")),
                int("view.rows", item % 500),
                int("thread.id", item % 64),
                kv("thread.name", format!("worker-{}", item % 64)),
            ],
        }
    }
}

impl Signals {
    /// Counts a span that answers, and the requests that it is the end of or goes on with.
    fn count(&mut self, span: Which) {
        let consumes = span.kind() == CONSUMER;
        let kind = if consumes { "CONSUMER" } else { "SERVER" };
        let status = if span.fails() { "ERROR" } else { "UNSET" };
        let labels = vec![
            ("service", span.service().to_owned()),
            ("span_kind", format!("SPAN_KIND_{kind}")),
            ("span_name", span.name()),
            ("status_code", format!("STATUS_CODE_{status}")),
        ];
        *self.calls.entry(labels).or_default() += 1;
        let asker = span.before();
        let (client, connection) = match asker {
            None => ("user", "virtual_node"),
            Some(asker) if consumes => (asker.service(), "messaging_system"),
            Some(asker) => (asker.service(), ""),
        };
        let failed = span.fails() || asker.is_some_and(Which::fails);
        self.request(client, span.service(), connection, failed);
        let next = Which { asks: true, ..span };
        if span.hop == 4 && next.kind() == CLIENT {
            self.request(span.service(), DATABASE, "database", next.fails());
        }
    }

    fn request(&mut self, client: &str, server: &str, connection: &str, failed: bool) {
        let mut labels = vec![
            ("client", client.to_owned()),
            ("connection_type", connection.to_owned()),
            ("server", server.to_owned()),
        ];
        labels.retain(|(_, value)| !value.is_empty());
        *self.failed.entry(labels.clone()).or_default() += u64::from(failed);
        *self.requests.entry(labels).or_default() += 1;
    }
}

/// Spread over all IDs, as random ones are.
pub(crate) fn trace_id(trace: u64) -> [u8; 16] {
    let number = u128::from(mixed(trace + 1)) << 64 | u128::from(trace + 1);
    number.to_be_bytes()
}

/// What a trace's spans carry.
pub(crate) fn request_id(trace: u64) -> String {
    format!("req-{:016x}", mixed(trace + 1))
}

fn service(block: u64, hop: u64) -> &'static str {
    SERVICES[(block % 2) as usize][hop as usize]
}
