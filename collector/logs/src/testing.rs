//! What the tests of this crate share: entries to apply, and a store in a directory.
use crate::{BodyEncoding, Config, Direction, LogStore, Search};
use prometheus_client::registry::Registry;
use prost::Message as _;
use sonde_logql::LogQuery;
use sonde_logql::ast::{LineFilter, LineOp, LineText, LogExpr, Stage};
use sonde_proto::otlp::common::{AnyValue, any_value::Value};
use sonde_proto::otlp::{self, logs, logs_service::ExportLogsServiceRequest, resource::Resource};
use sonde_proto::{Deadline, Entry, Matcher, Position, Signal, Tenant, UnixNanos};
use std::path::Path;
use std::time::Duration;

pub(crate) const NOW: UnixNanos = UnixNanos::from_secs(1_700_000_000);

/// A body of bytes, as text where they are text.
pub(crate) fn body(bytes: &[u8]) -> AnyValue {
    let value = match std::str::from_utf8(bytes) {
        Ok(text) => Value::StringValue(text.into()),
        Err(_) => Value::BytesValue(bytes.into()),
    };
    AnyValue { value: Some(value) }
}

/// A record with a time and a body.
pub(crate) fn record(time: u64, text: &str) -> logs::LogRecord {
    logs::LogRecord {
        time_unix_nano: time,
        body: Some(body(text.as_bytes())),
        ..Default::default()
    }
}

/// The records of one service as a request.
pub(crate) fn request(service: &str, records: Vec<logs::LogRecord>) -> ExportLogsServiceRequest {
    ExportLogsServiceRequest {
        resource_logs: vec![logs::ResourceLogs {
            resource: Some(Resource {
                attributes: vec![otlp::kv("service.name", service)],
                ..Default::default()
            }),
            scope_logs: vec![logs::ScopeLogs {
                log_records: records,
                ..Default::default()
            }],
            ..Default::default()
        }],
    }
}

/// A request as an entry of the journal.
pub(crate) fn entry(tenant: &Tenant, request: &ExportLogsServiceRequest) -> Entry {
    Entry::otlp(
        tenant.clone(),
        Signal::Logs,
        NOW,
        request.encode_to_vec().into(),
    )
}

/// Applies records of one service at a position.
pub(crate) fn apply(store: &LogStore, position: u64, service: &str, records: Vec<logs::LogRecord>) {
    store.apply(&[(
        Position(position),
        entry(&Tenant::default(), &request(service, records)),
    )]);
}

/// Seals a record of another tenant that arrived at `time`: ages count until then.
pub(crate) fn tick(store: &LogStore, time: UnixNanos) {
    let tenant = Tenant::new(CLOCK).unwrap();
    let payload = request(CLOCK, vec![record(time.0, "tick")]).encode_to_vec();
    let entry = Entry::otlp(tenant, Signal::Logs, time, payload.into());
    store.apply(&[(store.applied_to(), entry)]);
    store.seal(time).unwrap();
}

/// The tenant of [`tick`].
pub(crate) const CLOCK: &str = "clock";

pub(crate) fn open(dir: &Path, config: &Config) -> LogStore {
    LogStore::open(dir, config, &mut Registry::default(), NOW).unwrap()
}

/// A filter with one text.
pub(crate) fn line_filter(op: LineOp, text: &str) -> LineFilter {
    LineFilter {
        op,
        alternatives: vec![LineText {
            text: text.into(),
            is_ip: false,
        }],
    }
}

/// A query of a selector and line filters.
pub(crate) fn query(matchers: Vec<Matcher>, filters: &[LineFilter]) -> LogQuery {
    let stages = filters.iter().cloned().map(Stage::Line).collect();
    LogQuery::compile(&LogExpr { matchers, stages }).unwrap()
}

/// A search for everything, the newest 1,000 first.
pub(crate) fn search(query: &str) -> Search {
    Search {
        query: LogQuery::parse(query).unwrap(),
        start: UnixNanos(0),
        end: UnixNanos(u64::MAX),
        limit: 1000,
        direction: Direction::Backward,
        interval: Duration::ZERO,
        deadline: Deadline::never(),
    }
}

/// The bodies that a query finds, newest first.
pub(crate) fn bodies(store: &LogStore, query: &str) -> Vec<String> {
    let answer = store.search(&Tenant::default(), &search(query)).unwrap();
    assert_eq!(answer.cut, None);
    answer.records.into_iter().map(|r| r.body).collect()
}

/// Settings under which nothing is dropped or sealed by itself.
pub(crate) fn quiet() -> Config {
    Config {
        seal_interval_ms: u64::MAX,
        retention_seconds: 0,
        merge_factor: 3,
        // All that plain bodies do, and more.
        bodies: BodyEncoding::Templated,
        ..Config::default()
    }
}
