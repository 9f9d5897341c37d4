//! From journal entries to batches: decode, label, recognise what came before.

mod errors;
mod known;

pub use errors::each_error;

use crate::config::Config;
use crate::dedup::{Marks, Uid};
use crate::record::{Key, NewRecord, pack};
use crate::stream::{LEVELS, LabelRules, Level};
use crate::tail::Batch;
use crate::telemetry::Telemetry;
use known::Known;
use sonde_proto::walk::{self, LogRecord, ResourceLogs, Scope};
use sonde_proto::{Entry, Position, Signal, SpanId, Tenant, TraceId, UnixNanos, semconv};
use std::borrow::Cow;
use std::collections::BTreeMap;

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
    /// Which tail is being filled, from 1 on.
    tail: u64,
    taken: Taken,
    telemetry: Telemetry,
}

/// What was taken of an entry: counted once an entry, for a counter is shared.
#[derive(Debug, Default)]
struct Taken {
    records: u64,
    body_bytes: u64,
}

/// Where the records of one scope come from and go to.
struct Source<'s> {
    tenant: &'s Tenant,
    position: Position,
    received_at: UnixNanos,
    stream_key: &'s [u8],
    /// The batch's numbers of the streams that were looked up already, by level.
    streams: [Option<u32>; LEVELS],
}

/// Names and values, as bytes: that they are texts was found out when the entry was checked.
type Attributes<'a> = Vec<(&'a [u8], Cow<'a, [u8]>)>;

impl Intake {
    pub(crate) fn new(config: &Config, marks: Marks, telemetry: Telemetry) -> Self {
        let limit = |n: u64| usize::try_from(n).unwrap_or(usize::MAX);
        Self {
            rules: LabelRules::new(config),
            attributes_max: limit(config.attributes_max),
            attributes_bytes_max: limit(config.attributes_bytes_max),
            marks,
            known: Known::within(config.known_bytes_max()),
            tail: 1,
            taken: Taken::default(),
            telemetry,
        }
    }

    /// How many bytes of streams are known, without those that were known before.
    #[cfg(test)]
    pub(crate) fn known_bytes(&self) -> usize {
        self.known.bytes()
    }

    /// What has been seen of every log file.
    pub(crate) fn marks(&self) -> &Marks {
        &self.marks
    }

    /// Begins a new tail: what streams take in memory is counted once in each.
    pub(crate) fn begin_tail(&mut self) {
        self.tail += 1;
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
                let mut source = Source {
                    tenant: &entry.tenant,
                    position,
                    received_at: entry.received_at,
                    stream_key: &stream_key,
                    streams: [None; LEVELS],
                };
                for record in scope.records() {
                    self.take_record(&record, &mut source, index, &mut attributes, batch);
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
        self.known.add(key.as_slice().into(), base);
    }

    fn take_record<'a>(
        &mut self,
        record: &LogRecord<'a>,
        source: &mut Source<'_>,
        index: u32,
        attributes: &mut Attributes<'a>,
        batch: &mut Batch,
    ) {
        let level = Level::of(record.severity_number, record.severity_text);
        let uid = self.read_attributes(record, level, attributes);
        if uid.is_some_and(|uid| !self.marks.is_new(source.tenant, uid)) {
            return self.telemetry.drop("duplicate", 1);
        }
        let stream = self.stream(source, level, batch);
        let key = Key {
            time: time_of(record, source.received_at),
            position: source.position,
            index,
        };
        let body = record.body.bytes();
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
        let pairs = attributes.iter().map(|(name, value)| (*name, &**value));
        if batch.push_of(stream, key, |out| pack(&new, pairs, out)) {
            self.taken.records += 1;
            self.taken.body_bytes += body.len() as u64;
        } else {
            self.telemetry.drop("batch_full", 1);
        }
    }

    /// The batch's number of the stream of a record.
    fn stream(&mut self, source: &mut Source<'_>, level: Level, batch: &mut Batch) -> u32 {
        let known = &mut source.streams[level as usize];
        *known.get_or_insert_with(|| {
            let (stream, bytes) = self.known.at(source.stream_key, level, self.tail);
            batch.stream(stream, bytes)
        })
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
        let own = record.unread_attributes();
        let own = own.map(|a| (a.key, a.value.text()));
        let text = record.severity_text;
        let unsaid = !text.is_empty() && !text.eq_ignore_ascii_case(level.as_str());
        let said =
            |name: &'static str, text: &'a str| (name.as_bytes(), Cow::Borrowed(text.as_bytes()));
        let severity = unsaid.then(|| said("severity_text", text));
        let event = record.event_name;
        let event = (!event.is_empty()).then(|| said("event.name", event));
        for (name, value) in own.chain(severity).chain(event) {
            if *name == *semconv::LOG_RECORD_UID.as_bytes() {
                uid = std::str::from_utf8(&value).ok().and_then(Uid::parse);
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
