//! Votes that logs give: in time, and over a crash.

use super::{Consumer, LogConsumer};
use prometheus_client::registry::Registry;
use prost::Message as _;
use serde_json::json;
use sonde_logs::LogStore;
use sonde_proto::otlp::logs::{LogRecord, ResourceLogs, ScopeLogs};
use sonde_proto::otlp::logs_service::ExportLogsServiceRequest;
use sonde_proto::otlp::trace::{ResourceSpans, ScopeSpans, Span};
use sonde_proto::otlp::trace_service::ExportTraceServiceRequest;
use sonde_proto::{Entry, Position, Signal, Tenant, TraceId, UnixNanos};
use sonde_traces::{Config, TraceStore};
use std::path::Path;
use std::sync::Arc;

fn at(seconds: u64) -> UnixNanos {
    UnixNanos::from_secs(seconds)
}

fn id(trace: u8) -> Vec<u8> {
    vec![trace; 16]
}

fn entry(position: u64, second: u64, signal: Signal, payload: &[u8]) -> (Position, Entry) {
    let payload = payload.to_vec().into();
    let entry = Entry::otlp(Tenant::default(), signal, at(second), payload);
    (Position(position), entry)
}

/// Spans of some traces, which arrive in a second.
fn spans(position: u64, second: u64, traces: &[u8]) -> (Position, Entry) {
    let span = |trace: &u8| Span {
        trace_id: id(*trace),
        span_id: vec![*trace; 8],
        start_time_unix_nano: at(second).0,
        end_time_unix_nano: at(second).0,
        ..Span::default()
    };
    let request = ExportTraceServiceRequest {
        resource_spans: vec![ResourceSpans {
            scope_spans: vec![ScopeSpans {
                spans: traces.iter().map(span).collect(),
                ..ScopeSpans::default()
            }],
            ..ResourceSpans::default()
        }],
    };
    entry(position, second, Signal::Spans, &request.encode_to_vec())
}

/// An error of a trace, which arrives in a second.
fn error(position: u64, second: u64, trace: u8) -> (Position, Entry) {
    let record = LogRecord {
        time_unix_nano: at(second).0,
        trace_id: id(trace),
        severity_number: 17,
        ..LogRecord::default()
    };
    let request = ExportLogsServiceRequest {
        resource_logs: vec![ResourceLogs {
            scope_logs: vec![ScopeLogs {
                log_records: vec![record],
                ..ScopeLogs::default()
            }],
            ..ResourceLogs::default()
        }],
    };
    entry(position, second, Signal::Logs, &request.encode_to_vec())
}

/// Both stores: traces are kept that an error names.
struct Bed {
    logs: LogConsumer,
    traces: Arc<TraceStore>,
}

impl Bed {
    fn open(dir: &Path) -> Self {
        let mut config = Config::default();
        let policies = json!([{"name": "logged", "type": "error_log"}]);
        config.sampling.policies = serde_json::from_value(policies).unwrap();
        let (registry, now) = (&mut Registry::default(), at(0));
        let traces = TraceStore::open(&dir.join("traces"), &config, registry, now).unwrap();
        let logs = LogStore::open(&dir.join("logs"), &Default::default(), registry, now).unwrap();
        let traces = Arc::new(traces);
        Self {
            logs: LogConsumer::new(Arc::new(logs), Arc::clone(&traces)),
            traces,
        }
    }

    /// Which of the first traces are there.
    fn kept(&self) -> Vec<u8> {
        let is_there = |trace: &u8| {
            let id = TraceId::from_slice(&id(*trace)).unwrap();
            let found = self.traces.trace(&Tenant::default(), &id).unwrap();
            found.is_some()
        };
        (1..10).filter(is_there).collect()
    }
}

#[test]
fn while_there_are_logs_to_take_no_trace_is_judged_that_came_after_the_last() {
    let dir = tempfile::tempdir().unwrap();
    let mut bed = Bed::open(dir.path());
    bed.logs.maintain(at(1), true).unwrap();
    bed.traces.apply(&[spans(0, 20, &[1, 2])]);
    bed.logs.apply(&[error(0, 10, 9)]);
    bed.logs.maintain(at(100), true).unwrap();
    bed.traces.seal(at(100)).unwrap();
    assert_eq!(bed.kept(), [1, 2], "they wait");
    assert_eq!(bed.traces.resume_from(), Position(0));
    bed.logs.apply(&[error(1, 21, 2)]);
    // There are no more.
    bed.logs.maintain(at(101), true).unwrap();
    bed.logs.maintain(at(102), true).unwrap();
    bed.traces.seal(at(102)).unwrap();
    assert_eq!(bed.kept(), [2]);
    assert_eq!(bed.traces.resume_from(), Position(1));
}

#[test]
fn logs_are_forgotten_by_the_journal_when_their_votes_are_durable_and_count_after_a_crash() {
    let dir = tempfile::tempdir().unwrap();
    let journal = [error(0, 10, 1), error(1, 11, 2), error(2, 12, 3)];
    let mut bed = Bed::open(dir.path());
    bed.logs.apply(&journal[..2]);
    assert_eq!(bed.logs.resume_from(), Position(0));
    bed.logs.seal(at(20), true).unwrap();
    assert_eq!(bed.logs.resume_from(), Position(2));
    bed.logs.apply(&journal[2..]);
    drop(bed);

    let mut bed = Bed::open(dir.path());
    assert_eq!(bed.logs.resume_from(), Position(2));
    bed.traces.apply(&[spans(0, 13, &[1, 2, 3, 4])]);
    bed.traces.seal(at(1000)).unwrap();
    assert_eq!(bed.kept(), [1, 2, 3, 4], "the logs have not come again yet");
    bed.logs.apply(&journal[2..]);
    bed.logs.maintain(at(1000), true).unwrap();
    bed.logs.maintain(at(1001), true).unwrap();
    bed.traces.seal(at(1001)).unwrap();
    assert_eq!(bed.kept(), [1, 2, 3]);
}
