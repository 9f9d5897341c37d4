//! The oracle's worlds in a store, and what a store adds to them.

use prometheus_client::registry::Registry;
use prost::Message as _;
use rand::seq::{IndexedRandom as _, SliceRandom as _};
use rand::{Rng as _, SeedableRng as _};
use rand_chacha::ChaCha8Rng;
use sonde_logql_oracle::World;
use sonde_logql_oracle::world::{Record, Stream};
use sonde_logs::{BodyEncoding, Config, LogStore};
use sonde_proto::otlp::common::{AnyValue, any_value::Value};
use sonde_proto::otlp::logs::{LogRecord, ResourceLogs, ScopeLogs};
use sonde_proto::otlp::logs_service::ExportLogsServiceRequest;
use sonde_proto::otlp::{kv, resource::Resource};
use sonde_proto::{Entry, Position, Signal, Tenant, UnixNanos};

const NOW: UnixNanos = UnixNanos::from_secs(1_700_000_000);
const SEVERITIES: [(i32, &str); 4] = [(0, "unknown"), (9, "info"), (13, "warn"), (17, "error")];

/// A world in a store.
pub(crate) struct Stored {
    /// As the store shows it.
    pub(crate) world: World,
    pub(crate) store: LogStore,
    _dir: tempfile::TempDir,
}

impl Stored {
    /// A random world, applied in many entries, sealed and merged in between; the last
    /// records stay in the tail.
    pub(crate) fn random(number: u64) -> Self {
        let mut rng = ChaCha8Rng::seed_from_u64(number);
        let mut world = World::random(&mut rng);
        let severities: Vec<_> = world
            .streams
            .iter_mut()
            .map(|stream| complete(stream, &mut rng))
            .collect();
        let dir = tempfile::tempdir().unwrap();
        let config = Config {
            retention_seconds: 0,
            seal_interval_ms: u64::MAX,
            merge_factor: 2,
            bodies: *[BodyEncoding::Plain, BodyEncoding::Templated]
                .choose(&mut rng)
                .unwrap(),
            query_threads_max: rng.random_range(1..4),
            ..Config::default()
        };
        let store = LogStore::open(dir.path(), &config, &mut Registry::default(), NOW).unwrap();
        let mut order: Vec<(usize, usize)> = Vec::new();
        for (at, stream) in world.streams.iter().enumerate() {
            order.extend((0..stream.records.len()).map(|record| (at, record)));
        }
        order.shuffle(&mut rng);
        let mut position = 0;
        let mut left = &order[..];
        let seals = rng.random_range(1..6);
        for part in 0..=seals {
            let (now, rest) = left.split_at(left.len() / (seals + 1 - part));
            left = rest;
            for some in now.chunks(rng.random_range(1..30)) {
                let entry = entry(&world, some, &severities);
                store.apply(&[(Position(position), entry)]);
                position += 1;
            }
            if part < seals {
                store.seal(NOW).unwrap();
                if rng.random_bool(0.3) {
                    store.merge_all().unwrap();
                }
            }
        }
        assert!(store.stats().tail_records > 0);
        assert_eq!(store.stats().records, order.len() as u64);
        Self {
            world,
            store,
            _dir: dir,
        }
    }
}

/// Adds what a store does: a level, and what it was taken from; some trace IDs are real ones.
fn complete(stream: &mut Stream, rng: &mut ChaCha8Rng) -> i32 {
    let (severity, level) = match stream.labels.get("level") {
        // Others of this level may be told apart by nothing else.
        "" => SEVERITIES[0],
        _ => *SEVERITIES.choose(rng).unwrap(),
    };
    if stream.labels.get("level").is_empty() {
        let mut labels = stream.labels.to_builder();
        labels.set("level", level);
        stream.labels = labels.build();
    }
    if !stream.metadata.iter().any(|(n, _)| n == "detected_level") {
        stream
            .metadata
            .push(("detected_level".into(), level.into()));
    }
    for record in &mut stream.records {
        if severity > 0 {
            let number = ("severity_number".into(), severity.to_string());
            record.metadata.push(number);
        }
        let id = record.metadata.iter_mut().find(|(n, _)| n == "trace_id");
        if let Some((_, id)) = id
            && rng.random_bool(0.5)
        {
            *id = id.repeat(2);
        }
    }
    severity
}

fn entry(world: &World, records: &[(usize, usize)], severities: &[i32]) -> Entry {
    let resource_logs = records.iter().map(|(stream, record)| {
        let own = &world.streams[*stream];
        let severity = severities[*stream];
        ResourceLogs {
            resource: Some(resource(own)),
            scope_logs: vec![ScopeLogs {
                log_records: vec![log_record(&own.records[*record], severity)],
                ..Default::default()
            }],
            ..Default::default()
        }
    });
    let request = ExportLogsServiceRequest {
        resource_logs: resource_logs.collect(),
    };
    Entry::otlp(
        Tenant::default(),
        Signal::Logs,
        NOW,
        request.encode_to_vec().into(),
    )
}

fn resource(stream: &Stream) -> Resource {
    let labels = stream.labels.iter();
    let labels = labels.map(|(name, value)| kv(&format!("loki.label.{name}"), value));
    let metadata = stream.metadata.iter();
    let metadata = metadata.map(|(name, value)| kv(name, value.as_str()));
    Resource {
        attributes: labels.chain(metadata).collect(),
        ..Default::default()
    }
}

fn log_record(record: &Record, severity: i32) -> LogRecord {
    let body = match String::from_utf8(record.line.clone()) {
        Ok(text) => Value::StringValue(text),
        Err(bytes) => Value::BytesValue(bytes.into_bytes()),
    };
    let mut out = LogRecord {
        time_unix_nano: record.time.0,
        severity_number: severity,
        body: Some(AnyValue { value: Some(body) }),
        ..Default::default()
    };
    for (name, value) in &record.metadata {
        match name.as_str() {
            "severity_number" => {}
            "trace_id" if value.len() == 32 => {
                out.trace_id = sonde_proto::TraceId::from_hex(value)
                    .unwrap()
                    .as_bytes()
                    .into();
            }
            _ => out.attributes.push(kv(name, value.as_str())),
        }
    }
    out
}
