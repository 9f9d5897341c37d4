//! What is stored: lines of nginx, of JSON, and of Java, of about 217 bytes, with 200,000
//! request IDs and as many addresses, 70 % of them with a trace ID.

use crate::text;
use prost::Message as _;
use rand::{Rng as _, SeedableRng as _};
use rand_chacha::ChaCha8Rng;
use sonde_proto::otlp::common::{AnyValue, any_value::Value};
use sonde_proto::otlp::{self, logs, logs_service::ExportLogsServiceRequest, resource::Resource};
use sonde_proto::{Entry, Position, Signal, Tenant};

const RECORDS_PER_ENTRY: usize = 1000;
/// About 32 MB of bodies.
const ENTRIES_PER_CHUNK: usize = 150;
/// How far apart records are: 10 million of them span ten hours.
const STEP_NANOS: u64 = 3_600_000;

/// How many streams there are.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// 287, of very different sizes.
    Few,
    /// 50,000, all small.
    Many,
}

impl Kind {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Few => "287 streams",
            Self::Many => "50,000 streams",
        }
    }

    fn resources(self) -> usize {
        match self {
            Self::Few => 287,
            Self::Many => 50_000,
        }
    }

    /// How many records of one resource an entry has.
    fn run(self) -> usize {
        match self {
            Self::Few => 50,
            Self::Many => 5,
        }
    }
}

pub(crate) struct Corpus {
    kind: Kind,
    records: usize,
}

/// Some entries, to be applied together.
pub(crate) struct Chunk {
    pub(crate) entries: Vec<(Position, Entry)>,
    pub(crate) body_bytes: u64,
}

impl Corpus {
    pub(crate) fn new(kind: Kind, records: usize) -> Self {
        Self { kind, records }
    }

    /// The entries, made as they are asked for.
    pub(crate) fn chunks(&self) -> impl Iterator<Item = Chunk> + use<> {
        let (kind, entries) = (self.kind, self.records.div_ceil(RECORDS_PER_ENTRY));
        let mut rng = ChaCha8Rng::seed_from_u64(1);
        (0..entries).step_by(ENTRIES_PER_CHUNK).map(move |from| {
            let to = entries.min(from + ENTRIES_PER_CHUNK);
            let mut body_bytes = 0;
            let entries = (from..to).map(|n| {
                let request = request(kind, n, &mut rng, &mut body_bytes);
                (Position(n as u64), entry(&request))
            });
            Chunk {
                entries: entries.collect(),
                body_bytes,
            }
        })
    }
}

fn request(
    kind: Kind,
    n: usize,
    rng: &mut ChaCha8Rng,
    body_bytes: &mut u64,
) -> ExportLogsServiceRequest {
    let mut at = n * RECORDS_PER_ENTRY;
    let resource_logs = (0..RECORDS_PER_ENTRY / kind.run()).map(|_| {
        let of = match kind {
            // Half of the records are of a tenth of the streams.
            Kind::Few => (rng.random::<f64>().powi(3) * 287.0) as usize,
            Kind::Many => rng.random_range(0..kind.resources()),
        };
        let log_records = (0..kind.run()).map(|_| {
            at += 1;
            let record = record(of, at as u64, rng);
            if let Some(Value::StringValue(text)) =
                record.body.as_ref().and_then(|b| b.value.as_ref())
            {
                *body_bytes += text.len() as u64;
            }
            record
        });
        logs::ResourceLogs {
            scope_logs: vec![logs::ScopeLogs {
                log_records: log_records.collect(),
                ..Default::default()
            }],
            resource: Some(resource(of)),
            ..Default::default()
        }
    });
    ExportLogsServiceRequest {
        resource_logs: resource_logs.collect(),
    }
}

fn resource(n: usize) -> Resource {
    let attributes = vec![
        otlp::kv("service.name", format!("service-{}", n % 40)),
        otlp::kv("k8s.namespace.name", format!("shop-{}", n % 5)),
        otlp::kv("k8s.pod.name", format!("service-{}-7d9f{n:05x}", n % 40)),
        otlp::kv("k8s.node.name", format!("node-{}", n % 12)),
        otlp::kv("telemetry.sdk.name", "opentelemetry"),
    ];
    Resource {
        attributes,
        ..Default::default()
    }
}

fn record(of: usize, at: u64, rng: &mut ChaCha8Rng) -> logs::LogRecord {
    let severity = match rng.random_range(0..100) {
        0..10 => 17,
        10..15 => 13,
        _ => 9,
    };
    let text = text::of(of, severity, rng);
    // About 3.5 records a trace.
    let trace = rng
        .random_bool(0.7)
        .then(|| text::mixed(at / 5 + (1 << 40)));
    let trace_id = trace.map(|t| [t.to_be_bytes(), text::mixed(t).to_be_bytes()].concat());
    logs::LogRecord {
        time_unix_nano: 1_700_000_000_000_000_000
            + at * STEP_NANOS
            + rng.random_range(0..STEP_NANOS),
        severity_number: severity,
        body: Some(AnyValue {
            value: Some(Value::StringValue(text)),
        }),
        attributes: vec![
            otlp::kv(
                "http.route",
                ["/api/v2/carts", "/api/v2/orders", "/api/v2/users"][rng.random_range(0..3)],
            ),
            otlp::kv(
                "thread.name",
                format!("pool-{}-thread-{}", of % 4, rng.random_range(0..16)),
            ),
        ],
        trace_id: trace_id.unwrap_or_default(),
        ..Default::default()
    }
}

fn entry(request: &ExportLogsServiceRequest) -> Entry {
    Entry::otlp(
        Tenant::default(),
        Signal::Logs,
        super::NOW,
        request.encode_to_vec().into(),
    )
}
