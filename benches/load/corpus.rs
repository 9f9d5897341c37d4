//! Requests of 1,000 records, each made from its number alone, so that what was stored can be
//! compared with what was sent.
//!
//! The time of a record is its sequence number: a request has a span of whole milliseconds
//! to itself, a record a part of that, and no two records have one time.

use crate::text;
use prost::Message as _;
use rand::{Rng as _, SeedableRng as _};
use rand_chacha::ChaCha8Rng;
use sonde_proto::otlp::common::{AnyValue, any_value::Value};
use sonde_proto::otlp::{self, logs, logs_service::ExportLogsServiceRequest, resource::Resource};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

pub(crate) const RECORDS_PER_REQUEST: u64 = 1000;
/// About how many bytes the body of a record has.
pub(crate) const BODY_BYTES: f64 = 217.0;
/// Over how long a time records are spread where nothing else is asked for.
const SPREAD: Duration = Duration::from_secs(10 * 3600);
const NANOS_PER_MS: u64 = 1_000_000;
const MINUTE_MS: u64 = 60_000;

/// How many streams there are: resources, each with three levels.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// 287 resources, of very different sizes.
    Few,
    /// 50,000 resources, all small.
    Many,
}

impl Kind {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Few => "287 resources",
            Self::Many => "50,000 resources",
        }
    }

    /// How many records of one resource follow one another.
    fn run(self) -> u64 {
        match self {
            Self::Few => 50,
            Self::Many => 5,
        }
    }

    fn pick(self, rng: &mut ChaCha8Rng) -> usize {
        match self {
            // Half of the records are of a tenth of the resources.
            Self::Few => (rng.random::<f64>().powi(3) * 287.0) as usize,
            Self::Many => rng.random_range(0..50_000),
        }
    }
}

/// What is sent.
#[derive(Clone)]
pub(crate) struct Corpus {
    kind: Kind,
    pub(crate) requests: u64,
    /// When the first request's span begins, a whole minute.
    begin_ms: u64,
    /// How long a time a request has to itself.
    span_ms: u64,
}

/// A record as it is compared: its time, its service and its text.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Line {
    pub(crate) time: u64,
    pub(crate) service: String,
    pub(crate) text: String,
}

/// A request, ready to be sent.
#[derive(Clone)]
pub(crate) struct Encoded {
    pub(crate) bytes: bytes::Bytes,
    pub(crate) body_bytes: u64,
}

impl Corpus {
    /// Records of the last ten hours.
    pub(crate) fn of_ten_hours(kind: Kind, records: u64) -> Self {
        let requests = records.div_ceil(RECORDS_PER_REQUEST).max(1);
        let spread = SPREAD.as_millis() as u64;
        let begin_ms = (now_ms() - spread) / MINUTE_MS * MINUTE_MS;
        let span_ms = (spread / requests).max(1);
        Self {
            kind,
            requests,
            begin_ms,
            span_ms,
        }
    }

    /// Records from about now on, a request every `every` of whole milliseconds.
    pub(crate) fn from_now(requests: u64, every: Duration) -> Self {
        Self {
            kind: Kind::Few,
            requests,
            begin_ms: now_ms() / MINUTE_MS * MINUTE_MS,
            span_ms: (every.as_secs_f64() * 1e3).round().max(1.0) as u64,
        }
    }

    /// How long a time a request has to itself, in milliseconds.
    pub(crate) fn span_ms(&self) -> u64 {
        self.span_ms
    }

    /// When the span of a request begins, in milliseconds since 1970; that of the request
    /// after the last is the end of all.
    pub(crate) fn begin_ms(&self, request: u64) -> u64 {
        self.begin_ms + request * self.span_ms
    }

    /// Which request's span ends at a time, where one does.
    pub(crate) fn ending_at(&self, ms: u64) -> Option<u64> {
        let since = ms.checked_sub(self.begin_ms)?;
        let request = (since / self.span_ms).checked_sub(1)?;
        (since % self.span_ms == 0 && request < self.requests).then_some(request)
    }

    pub(crate) fn encoded(&self, request: u64) -> Encoded {
        let made = self.made(request);
        Encoded {
            bytes: made.encode_to_vec().into(),
            body_bytes: records(&made).map(|(_, _, text)| text.len() as u64).sum(),
        }
    }

    /// The records of a request by time.
    pub(crate) fn lines(&self, request: u64) -> Vec<Line> {
        let made = self.made(request);
        let lines = records(&made).map(|(service, time, text)| Line {
            time,
            service: service.into(),
            text: text.into(),
        });
        let mut lines: Vec<Line> = lines.collect();
        lines.sort();
        lines
    }

    /// How many records of a request carry a trace ID.
    pub(crate) fn lines_of_trace(&self, request: u64, trace_id: &[u8]) -> usize {
        let made = self.made(request);
        let scopes = made.resource_logs.iter().flat_map(|r| &r.scope_logs);
        let records = scopes.flat_map(|scope| &scope.log_records);
        records.filter(|one| one.trace_id == trace_id).count()
    }

    fn made(&self, request: u64) -> ExportLogsServiceRequest {
        let mut rng = ChaCha8Rng::seed_from_u64(request);
        let step = self.span_ms * NANOS_PER_MS / RECORDS_PER_REQUEST;
        let mut time = self.begin_ms(request) * NANOS_PER_MS;
        let runs = (0..RECORDS_PER_REQUEST / self.kind.run()).map(|run| {
            let of = self.kind.pick(&mut rng);
            let log_records = (0..self.kind.run()).map(|n| {
                let at = request * RECORDS_PER_REQUEST + run * self.kind.run() + n;
                // Never at an edge, which belongs to two spans.
                let own = time + rng.random_range(1..step);
                time += step;
                record(of, at, own, &mut rng)
            });
            let scope_logs = logs::ScopeLogs {
                log_records: log_records.collect(),
                ..Default::default()
            };
            logs::ResourceLogs {
                scope_logs: vec![scope_logs],
                resource: Some(resource(of)),
                ..Default::default()
            }
        });
        ExportLogsServiceRequest {
            resource_logs: runs.collect(),
        }
    }
}

fn now_ms() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    since.map_or(0, |since| since.as_millis() as u64)
}

/// Service, time and text of each record.
fn records(request: &ExportLogsServiceRequest) -> impl Iterator<Item = (&str, u64, &str)> {
    request.resource_logs.iter().flat_map(|resource| {
        let service = resource.resource.as_ref();
        let service = service.and_then(|of| text_of(of.attributes.first()?.value.as_ref()));
        let records = resource.scope_logs.iter().flat_map(|s| &s.log_records);
        records.map(move |record| {
            let text = text_of(record.body.as_ref()).unwrap_or_default();
            (service.unwrap_or_default(), record.time_unix_nano, text)
        })
    })
}

fn text_of(value: Option<&AnyValue>) -> Option<&str> {
    match value?.value.as_ref()? {
        Value::StringValue(text) => Some(text),
        _ => None,
    }
}

/// What a record of the resource of this number comes from.
pub(crate) fn resource(n: usize) -> Resource {
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

fn record(of: usize, at: u64, time: u64, rng: &mut ChaCha8Rng) -> logs::LogRecord {
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
    let routes = ["/api/v2/carts", "/api/v2/orders", "/api/v2/users"];
    let thread = format!("pool-{}-thread-{}", of % 4, rng.random_range(0..16));
    logs::LogRecord {
        time_unix_nano: time,
        severity_number: severity,
        body: Some(AnyValue {
            value: Some(Value::StringValue(text)),
        }),
        attributes: vec![
            otlp::kv("http.route", routes[rng.random_range(0..3)]),
            otlp::kv("thread.name", thread),
        ],
        trace_id: trace_id.unwrap_or_default(),
        ..Default::default()
    }
}
