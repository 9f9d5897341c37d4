//! From journal entries to batches: decode, label, recognise what came before.

use crate::config::Config;
use crate::dedup::{Marks, Uid};
use crate::record::{Key, NewRecord, pack};
use crate::stream::{LabelRules, Level, Stream, at_level};
use crate::tail::Batch;
use crate::telemetry::Telemetry;
use ahash::AHashMap;
use sonde_proto::walk::{self, LogRecord, ResourceLogs, Scope, Value};
use sonde_proto::{Entry, Position, Signal, SpanId, Tenant, TraceId, UnixNanos, semconv};
use std::borrow::Cow;
use std::collections::BTreeMap;
use std::sync::Arc;

/// How many bytes of resources are remembered with their streams.
const KNOWN_BYTES_MAX: usize = 16 << 20;

/// How many bytes of resources and scopes one entry may spread over streams, beside some
/// times its own size. Every scope has a stream of its own with all of the resource in it,
/// so that a few megabytes of tiny scopes under a large resource would become gigabytes.
const SPREAD_BYTES_MIN: usize = 8 << 20;
const SPREAD_FACTOR: usize = 8;

/// Turns entries into batches.
#[derive(Debug)]
pub(crate) struct Intake {
    rules: LabelRules,
    attributes_max: usize,
    attributes_bytes_max: usize,
    marks: Marks,
    known: Known,
    taken: Taken,
    telemetry: Telemetry,
}

/// What was taken of an entry: counted once an entry, for a counter is shared.
#[derive(Debug, Default)]
struct Taken {
    records: u64,
    body_bytes: u64,
}

/// The streams of the resources and scopes that were seen last. When half of the room is
/// used, what is known becomes what was known, and what was known is forgotten unless it was
/// seen again.
#[derive(Debug, Default)]
struct Known {
    now: AHashMap<Box<[u8]>, Levels>,
    before: AHashMap<Box<[u8]>, Levels>,
    bytes: usize,
}

/// One stream at each of its levels.
#[derive(Debug)]
struct Levels {
    base: Stream,
    at: [Option<Arc<Stream>>; 7],
}

impl Known {
    /// Whether the streams under `key` are known.
    fn has(&mut self, key: &[u8]) -> bool {
        if self.now.contains_key(key) {
            return true;
        }
        let Some((key, levels)) = self.before.remove_entry(key) else {
            return false;
        };
        self.insert(key, levels);
        true
    }

    fn insert(&mut self, key: Box<[u8]>, levels: Levels) {
        let streams = 1 + levels.at.iter().flatten().count();
        let each = usize::try_from(levels.base.bytes()).unwrap_or(usize::MAX);
        let bytes = key.len().saturating_add(each.saturating_mul(streams));
        self.bytes = self.bytes.saturating_add(bytes);
        if self.bytes > KNOWN_BYTES_MAX / 2 {
            self.before = std::mem::take(&mut self.now);
            self.bytes = bytes;
        }
        self.now.insert(key, levels);
    }
}

/// Where the records of one scope come from and go to.
struct Source<'s> {
    tenant: &'s Tenant,
    position: Position,
    received_at: UnixNanos,
    stream_key: &'s [u8],
}

type Attributes<'a> = Vec<(&'a str, Cow<'a, str>)>;

impl Intake {
    pub(crate) fn new(config: &Config, marks: Marks, telemetry: Telemetry) -> Self {
        let limit = |n: u64| usize::try_from(n).unwrap_or(usize::MAX);
        Self {
            rules: LabelRules::new(config),
            attributes_max: limit(config.attributes_max),
            attributes_bytes_max: limit(config.attributes_bytes_max),
            marks,
            known: Known::default(),
            taken: Taken::default(),
            telemetry,
        }
    }

    /// What has been seen of every log file.
    pub(crate) fn marks(&self) -> &Marks {
        &self.marks
    }

    /// Takes an entry's records into its tenant's batch. What is no valid OTLP is counted
    /// and left out: the journal has it.
    pub(crate) fn take(
        &mut self,
        position: Position,
        entry: &Entry,
        batches: &mut BTreeMap<Tenant, Batch>,
    ) {
        if entry.signal != Signal::Logs {
            return self.telemetry.drop("other_signal", 1);
        }
        let logs = match walk::logs(&entry.payload) {
            Ok(logs) => logs,
            Err(error) => {
                tracing::warn!(%position, %error, "an entry of the journal is no valid request for logs and is left out");
                return self.telemetry.drop("bad_entry", 1);
            }
        };
        let batch = batches.entry(entry.tenant.clone()).or_default();
        batch.note_arrival(entry.received_at);
        let mut spread_left = SPREAD_BYTES_MIN + SPREAD_FACTOR * entry.payload.len();
        let mut index = 0;
        let mut stream_key = Vec::new();
        let mut attributes = Vec::new();
        for resource in logs.resources() {
            let mut is_bare = false;
            for scope in resource.scopes() {
                let cost = resource.resource_bytes().len() + scope.scope.bytes().len();
                if cost <= spread_left {
                    spread_left -= cost;
                    is_bare = false;
                    self.find_streams(&resource, &scope.scope, &mut stream_key);
                } else {
                    self.telemetry.drop("scope", 1);
                    if !is_bare {
                        self.find_streams(&resource, &Scope::default(), &mut stream_key);
                        is_bare = true;
                    }
                }
                let source = Source {
                    tenant: &entry.tenant,
                    position,
                    received_at: entry.received_at,
                    stream_key: &stream_key,
                };
                for record in scope.records() {
                    self.take_record(&record, &source, index, &mut attributes, batch);
                    index += 1;
                }
            }
        }
        let taken = std::mem::take(&mut self.taken);
        self.telemetry.records.inc_by(taken.records);
        self.telemetry.body_bytes.inc_by(taken.body_bytes);
    }

    /// Makes sure that the streams of a resource and a scope are known, under `key`.
    fn find_streams(&mut self, resource: &ResourceLogs<'_>, scope: &Scope<'_>, key: &mut Vec<u8>) {
        let (resource_bytes, scope_bytes) = (resource.resource_bytes(), scope.bytes());
        key.clear();
        key.extend_from_slice(&(resource_bytes.len() as u64).to_le_bytes());
        key.extend_from_slice(resource_bytes);
        key.extend_from_slice(scope_bytes);
        if self.known.has(key) {
            return;
        }
        let (base, cut) = self.rules.stream(resource.attributes(), scope);
        self.telemetry.drop("label_value_cut", cut.labels);
        self.telemetry.drop("resource_attribute", cut.attributes);
        self.known.insert(
            key.as_slice().into(),
            Levels {
                base,
                at: Default::default(),
            },
        );
    }

    fn take_record<'a>(
        &mut self,
        record: &LogRecord<'a>,
        source: &Source<'_>,
        index: u32,
        attributes: &mut Attributes<'a>,
        batch: &mut Batch,
    ) {
        let level = Level::of(record.severity_number, record.severity_text);
        let uid = self.read_attributes(record, level, attributes);
        if uid.is_some_and(|uid| !self.marks.is_new(source.tenant, uid)) {
            return self.telemetry.drop("duplicate", 1);
        }
        let stream = self.stream(source.stream_key, level);
        let key = Key {
            time: time_of(record, source.received_at),
            position: source.position,
            index,
        };
        let body = body(&record.body);
        let new = NewRecord {
            observed: UnixNanos(record.observed_time_unix_nano),
            severity: u8::try_from(record.severity_number)
                .ok()
                .filter(|n| *n <= 24)
                .unwrap_or(0),
            trace_id: TraceId::from_slice(record.trace_id).ok(),
            span_id: SpanId::from_slice(record.span_id).ok(),
            body: &body,
        };
        let pairs = attributes
            .iter()
            .map(|(name, value)| (name.as_bytes(), value.as_bytes()));
        if batch.push(key, &stream, |out| pack(&new, pairs, out)) {
            self.taken.records += 1;
            self.taken.body_bytes += body.len() as u64;
        } else {
            self.telemetry.drop("batch_full", 1);
        }
    }

    fn stream(&mut self, key: &[u8], level: Level) -> Arc<Stream> {
        let levels = self
            .known
            .now
            .get_mut(key)
            .expect("find_streams was called for this key just before");
        let stream = levels.at[level as usize]
            .get_or_insert_with(|| Arc::new(at_level(&levels.base, level)));
        Arc::clone(stream)
    }

    /// Collects what is kept of a record's attributes, and its `log.record.uid`.
    fn read_attributes<'a>(
        &self,
        record: &LogRecord<'a>,
        level: Level,
        into: &mut Attributes<'a>,
    ) -> Option<Uid> {
        into.clear();
        let (mut bytes, mut dropped, mut uid) = (0_usize, 0, None);
        let own = record.attributes().map(|a| (a.key, a.value.text()));
        let text = record.severity_text;
        let unsaid = !text.is_empty() && !text.eq_ignore_ascii_case(level.as_str());
        let severity = unsaid.then_some(("severity_text", Cow::Borrowed(text)));
        let event = (!record.event_name.is_empty())
            .then_some(("event.name", Cow::Borrowed(record.event_name)));
        for (name, value) in own.chain(severity).chain(event) {
            if name == semconv::LOG_RECORD_UID {
                uid = Uid::parse(&value);
            }
            let with = bytes.saturating_add(name.len()).saturating_add(value.len());
            if into.len() >= self.attributes_max || with > self.attributes_bytes_max {
                dropped += 1;
            } else {
                bytes = with;
                into.push((name, value));
            }
        }
        self.telemetry.drop("attribute", dropped);
        uid
    }
}

/// A record's own time, else when it was first seen, else when it arrived.
fn time_of(record: &LogRecord<'_>, received_at: UnixNanos) -> UnixNanos {
    let known = [record.time_unix_nano, record.observed_time_unix_nano]
        .into_iter()
        .find(|t| *t != 0);
    // The end of a range is exclusive, so the last instant there is could not be asked for.
    known
        .map_or(received_at, UnixNanos)
        .min(UnixNanos(u64::MAX - 1))
}

/// The bytes that searches see: text and bytes as they came, anything else as its text.
fn body<'a>(value: &Value<'a>) -> Cow<'a, [u8]> {
    match value {
        Value::Str(text) => Cow::Borrowed(text.as_bytes()),
        Value::Bytes(bytes) => Cow::Borrowed(bytes),
        Value::Empty
        | Value::Bool(_)
        | Value::Int(_)
        | Value::Double(_)
        | Value::List(_)
        | Value::Map(_) => match value.text() {
            Cow::Borrowed(text) => Cow::Borrowed(text.as_bytes()),
            Cow::Owned(text) => Cow::Owned(text.into_bytes()),
        },
    }
}
