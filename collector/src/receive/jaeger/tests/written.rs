//! Batches as clients of Jaeger write them: by prost's own types, and by hand in Thrift.

use prost::Message;
use sonde_proto::otlp::common::{KeyValue, any_value::Value};

/// A batch before it is written.
#[derive(Clone, Debug, Default)]
pub(super) struct Batch {
    pub(super) service: String,
    pub(super) process_tags: Vec<KeyValue>,
    pub(super) spans: Vec<Written>,
}

/// A span before it is written: trace IDs as high and low half, times in microseconds, and
/// references as whether they follow, of which trace, and of which span.
#[derive(Clone, Debug, Default)]
pub(super) struct Written {
    pub(super) trace_id: (u64, u64),
    pub(super) span_id: u64,
    pub(super) references: Vec<(bool, (u64, u64), u64)>,
    pub(super) name: String,
    pub(super) flags: u32,
    pub(super) start: i64,
    pub(super) duration: i64,
    pub(super) tags: Vec<KeyValue>,
    pub(super) logs: Vec<(i64, Vec<KeyValue>)>,
}

#[derive(Clone, PartialEq, Message)]
struct PostSpansRequest {
    #[prost(message, optional, tag = "1")]
    batch: Option<PbBatch>,
}

#[derive(Clone, PartialEq, Message)]
struct PbBatch {
    #[prost(message, repeated, tag = "1")]
    spans: Vec<PbSpan>,
    #[prost(message, optional, tag = "2")]
    process: Option<PbProcess>,
}

#[derive(Clone, PartialEq, Message)]
struct PbSpan {
    #[prost(bytes = "vec", tag = "1")]
    trace_id: Vec<u8>,
    #[prost(bytes = "vec", tag = "2")]
    span_id: Vec<u8>,
    #[prost(string, tag = "3")]
    operation_name: String,
    #[prost(message, repeated, tag = "4")]
    references: Vec<PbReference>,
    #[prost(uint32, tag = "5")]
    flags: u32,
    #[prost(message, optional, tag = "6")]
    start_time: Option<PbTime>,
    #[prost(message, optional, tag = "7")]
    duration: Option<PbTime>,
    #[prost(message, repeated, tag = "8")]
    tags: Vec<PbTag>,
    #[prost(message, repeated, tag = "9")]
    logs: Vec<PbLog>,
    #[prost(message, optional, tag = "10")]
    process: Option<PbProcess>,
}

#[derive(Clone, PartialEq, Message)]
struct PbReference {
    #[prost(bytes = "vec", tag = "1")]
    trace_id: Vec<u8>,
    #[prost(bytes = "vec", tag = "2")]
    span_id: Vec<u8>,
    #[prost(int32, tag = "3")]
    ref_type: i32,
}

#[derive(Clone, PartialEq, Message)]
struct PbTime {
    #[prost(int64, tag = "1")]
    seconds: i64,
    #[prost(int32, tag = "2")]
    nanos: i32,
}

#[derive(Clone, PartialEq, Message)]
struct PbTag {
    #[prost(string, tag = "1")]
    key: String,
    #[prost(int32, tag = "2")]
    v_type: i32,
    #[prost(string, tag = "3")]
    v_str: String,
    #[prost(bool, tag = "4")]
    v_bool: bool,
    #[prost(int64, tag = "5")]
    v_int64: i64,
    #[prost(double, tag = "6")]
    v_float64: f64,
    #[prost(bytes = "vec", tag = "7")]
    v_binary: Vec<u8>,
}

#[derive(Clone, PartialEq, Message)]
struct PbLog {
    #[prost(message, optional, tag = "1")]
    timestamp: Option<PbTime>,
    #[prost(message, repeated, tag = "2")]
    fields: Vec<PbTag>,
}

#[derive(Clone, PartialEq, Message)]
struct PbProcess {
    #[prost(string, tag = "1")]
    service_name: String,
    #[prost(message, repeated, tag = "2")]
    tags: Vec<PbTag>,
}

impl Batch {
    pub(super) fn protobuf(&self) -> Vec<u8> {
        self.message(None).encode_to_vec()
    }

    pub(super) fn protobuf_with_own_process(&self, service: &str) -> Vec<u8> {
        let process = PbProcess {
            service_name: service.into(),
            tags: Vec::new(),
        };
        self.message(Some(&process)).encode_to_vec()
    }

    fn message(&self, own: Option<&PbProcess>) -> PostSpansRequest {
        let span = |span: &Written| PbSpan {
            trace_id: bytes(span.trace_id),
            span_id: span.span_id.to_be_bytes().to_vec(),
            operation_name: span.name.clone(),
            references: span
                .references
                .iter()
                .map(|(follows, trace_id, span_id)| PbReference {
                    trace_id: bytes(*trace_id),
                    span_id: span_id.to_be_bytes().to_vec(),
                    ref_type: i32::from(*follows),
                })
                .collect(),
            flags: span.flags,
            start_time: Some(pb_time(span.start)),
            duration: Some(pb_time(span.duration)),
            tags: span.tags.iter().map(pb_tag).collect(),
            logs: span
                .logs
                .iter()
                .map(|(time, fields)| PbLog {
                    timestamp: Some(pb_time(*time)),
                    fields: fields.iter().map(pb_tag).collect(),
                })
                .collect(),
            process: own.cloned(),
        };
        let process = PbProcess {
            service_name: self.service.clone(),
            tags: self.process_tags.iter().map(pb_tag).collect(),
        };
        PostSpansRequest {
            batch: Some(PbBatch {
                spans: self.spans.iter().map(span).collect(),
                process: Some(process),
            }),
        }
    }

    pub(super) fn thrift(&self) -> Vec<u8> {
        self.thrift_with_parent(0)
    }

    pub(super) fn thrift_with_parent(&self, parent: u64) -> Vec<u8> {
        let mut out = Thrift::default();
        out.field(12, 1);
        out.field(11, 1);
        out.text(self.service.as_bytes());
        out.tags(2, &self.process_tags);
        out.end();
        out.list(2, self.spans.len());
        for span in &self.spans {
            out.span(span, parent);
        }
        // A number of the batch, which is passed over.
        out.number(3, 77);
        out.end();
        out.0
    }
}

fn bytes((high, low): (u64, u64)) -> Vec<u8> {
    [high.to_be_bytes(), low.to_be_bytes()].concat()
}

fn pb_time(micros: i64) -> PbTime {
    PbTime {
        seconds: micros.div_euclid(1_000_000),
        nanos: i32::try_from(micros.rem_euclid(1_000_000) * 1000).unwrap(),
    }
}

fn pb_tag(kv: &KeyValue) -> PbTag {
    let mut tag = PbTag {
        key: kv.key.clone(),
        ..PbTag::default()
    };
    match value(kv) {
        Value::BoolValue(is) => (tag.v_type, tag.v_bool) = (1, is),
        Value::IntValue(number) => (tag.v_type, tag.v_int64) = (2, number),
        Value::DoubleValue(number) => (tag.v_type, tag.v_float64) = (3, number),
        Value::BytesValue(bytes) => (tag.v_type, tag.v_binary) = (4, bytes),
        Value::StringValue(text) => tag.v_str = text,
        other => panic!("{other:?} is no value of Jaeger's"),
    }
    tag
}

fn value(kv: &KeyValue) -> Value {
    kv.value.clone().unwrap().value.unwrap()
}

/// Thrift's binary protocol.
#[derive(Default)]
struct Thrift(Vec<u8>);

impl Thrift {
    fn field(&mut self, kind: u8, id: i16) {
        self.0.push(kind);
        self.0.extend(id.to_be_bytes());
    }

    fn end(&mut self) {
        self.0.push(0);
    }

    fn count(&mut self, count: usize) {
        self.0.extend(i32::try_from(count).unwrap().to_be_bytes());
    }

    fn text(&mut self, bytes: &[u8]) {
        self.count(bytes.len());
        self.0.extend(bytes);
    }

    fn number(&mut self, id: i16, number: i64) {
        self.field(10, id);
        self.0.extend(number.to_be_bytes());
    }

    fn small(&mut self, id: i16, number: i32) {
        self.field(8, id);
        self.0.extend(number.to_be_bytes());
    }

    /// A list of structs.
    fn list(&mut self, id: i16, count: usize) {
        self.field(15, id);
        self.0.push(12);
        self.count(count);
    }

    fn tags(&mut self, id: i16, tags: &[KeyValue]) {
        self.list(id, tags.len());
        for kv in tags {
            self.field(11, 1);
            self.text(kv.key.as_bytes());
            match value(kv) {
                Value::StringValue(text) => {
                    self.small(2, 0);
                    self.field(11, 3);
                    self.text(text.as_bytes());
                }
                Value::DoubleValue(number) => {
                    self.small(2, 1);
                    self.field(4, 4);
                    self.0.extend(number.to_be_bytes());
                }
                Value::BoolValue(is) => {
                    self.small(2, 2);
                    self.field(2, 5);
                    self.0.push(u8::from(is));
                }
                Value::IntValue(number) => {
                    self.small(2, 3);
                    self.number(6, number);
                }
                Value::BytesValue(bytes) => {
                    self.small(2, 4);
                    self.field(11, 7);
                    self.text(&bytes);
                }
                other => panic!("{other:?} is no value of Jaeger's"),
            }
            self.end();
        }
    }

    fn span(&mut self, span: &Written, parent: u64) {
        self.number(1, span.trace_id.1.cast_signed());
        self.number(2, span.trace_id.0.cast_signed());
        self.number(3, span.span_id.cast_signed());
        self.number(4, parent.cast_signed());
        self.field(11, 5);
        self.text(span.name.as_bytes());
        self.list(6, span.references.len());
        for (follows, (high, low), span_id) in &span.references {
            self.small(1, i32::from(*follows));
            self.number(2, low.cast_signed());
            self.number(3, high.cast_signed());
            self.number(4, span_id.cast_signed());
            self.end();
        }
        self.small(7, span.flags.cast_signed());
        self.number(8, span.start);
        self.number(9, span.duration);
        self.tags(10, &span.tags);
        self.list(11, span.logs.len());
        for (time, fields) in &span.logs {
            self.number(1, *time);
            self.tags(2, fields);
            self.end();
        }
        self.end();
    }
}
