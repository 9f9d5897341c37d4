//! What becomes of Jaeger's spans, over either way in, and of what is none.

mod written;

use super::*;
use proptest::prelude::*;
use sonde_proto::otlp::trace::{ResourceSpans, status::StatusCode};
use sonde_proto::otlp::trace_service::ExportTraceServiceRequest;
use written::{Batch, Written};

fn of_protobuf(batch: &Batch) -> (ExportTraceServiceRequest, Option<String>) {
    protobuf::read(&batch.protobuf()).unwrap().into_request()
}

fn of_thrift(batch: &Batch) -> (ExportTraceServiceRequest, Option<String>) {
    thrift::read(&batch.thrift()).unwrap().into_request()
}

/// What both ways in make of a batch.
fn translated(batch: &Batch) -> (Vec<ResourceSpans>, Option<String>) {
    let found = of_protobuf(batch);
    assert_eq!(found, of_thrift(batch));
    (found.0.resource_spans, found.1)
}

fn only(span: Written) -> trace::Span {
    let batch = Batch {
        spans: vec![span],
        ..Batch::default()
    };
    let (mut resources, faults) = translated(&batch);
    assert_eq!(faults, None);
    resources.remove(0).scope_spans.remove(0).spans.remove(0)
}

fn number(key: &str, value: i64) -> KeyValue {
    any_kv(key, Value::IntValue(value))
}

#[test]
fn a_whole_span_becomes_one_of_otlp() {
    let batch = Batch {
        service: "shop".into(),
        process_tags: vec![
            attribute("hostname", "node-1"),
            attribute("jaeger.version", "Go-2.30.0"),
        ],
        spans: vec![Written {
            trace_id: (1, 2),
            span_id: 3,
            references: vec![(true, (1, 2), 9), (false, (1, 2), 4), (true, (7, 8), 5)],
            name: "POST /checkout".into(),
            flags: 3,
            start: 1_700_000_000_000_001,
            duration: 250,
            tags: vec![
                attribute("span.kind", "server"),
                number("http.status_code", 500),
                any_kv("sampled", Value::BoolValue(true)),
                any_kv("ratio", Value::DoubleValue(0.5)),
                any_kv("raw", Value::BytesValue(vec![0, 255])),
                any_kv("error", Value::BoolValue(true)),
                attribute("otel.scope.name", "lib"),
                attribute("w3c.tracestate", "a=b"),
            ],
            logs: vec![(
                1_700_000_000_000_002,
                vec![attribute("event", "retry"), number("n", 2)],
            )],
        }],
    };
    let (resources, faults) = translated(&batch);
    assert_eq!(faults, None);
    let resource = resources[0].resource.as_ref().unwrap();
    assert_eq!(
        resource.attributes,
        [
            attribute("service.name", "shop"),
            attribute("host.name", "node-1"),
            attribute("jaeger.version", "Go-2.30.0"),
        ]
    );
    assert_eq!(
        resources[0].scope_spans[0].scope.as_ref().unwrap().name,
        "lib"
    );
    let span = &resources[0].scope_spans[0].spans[0];
    assert_eq!(
        span.trace_id,
        [1_u64.to_be_bytes(), 2_u64.to_be_bytes()].concat()
    );
    assert_eq!(span.span_id, 3_u64.to_be_bytes());
    assert_eq!(
        span.parent_span_id,
        4_u64.to_be_bytes(),
        "CHILD_OF goes before FOLLOWS_FROM"
    );
    assert_eq!(
        (span.name.as_str(), span.kind, span.flags),
        ("POST /checkout", SpanKind::Server as i32, 1)
    );
    assert_eq!(span.trace_state, "a=b");
    assert_eq!(span.start_time_unix_nano, 1_700_000_000_000_001_000);
    assert_eq!(span.end_time_unix_nano, 1_700_000_000_000_251_000);
    assert_eq!(span.status.as_ref().unwrap().code, StatusCode::Error as i32);
    assert_eq!(
        span.attributes,
        [
            number("http.status_code", 500),
            any_kv("sampled", Value::BoolValue(true)),
            any_kv("ratio", Value::DoubleValue(0.5)),
            any_kv("raw", Value::BytesValue(vec![0, 255])),
        ]
    );
    let event = &span.events[0];
    assert_eq!(
        (event.name.as_str(), event.time_unix_nano),
        ("retry", 1_700_000_000_000_002_000)
    );
    assert_eq!(event.attributes, [number("n", 2)]);
    let links: Vec<_> = span
        .links
        .iter()
        .map(|link| (link.span_id.clone(), link.attributes.clone()))
        .collect();
    let kind = |kind| vec![attribute("opentracing.ref_type", kind)];
    assert_eq!(
        links,
        [
            (9_u64.to_be_bytes().to_vec(), kind("follows_from")),
            (5_u64.to_be_bytes().to_vec(), kind("follows_from")),
        ]
    );
}

#[test]
fn a_span_of_a_trace_of_64_bits_has_zeros_before_its_id() {
    let span = only(Written {
        trace_id: (0, 2),
        span_id: 3,
        ..Written::default()
    });
    assert_eq!(
        span.trace_id,
        [0_u64.to_be_bytes(), 2_u64.to_be_bytes()].concat()
    );
    assert_eq!(
        (span.kind, span.parent_span_id),
        (SpanKind::Internal as i32, vec![])
    );
    assert_eq!(padded(&[1, 2]), [[0; 14].as_slice(), &[1, 2]].concat());
}

#[test]
fn the_field_of_the_parent_goes_before_references() {
    let batch = Batch {
        spans: vec![Written {
            trace_id: (0, 2),
            span_id: 3,
            references: vec![(false, (0, 2), 4)],
            ..Written::default()
        }],
        ..Batch::default()
    };
    let with_parent = batch.thrift_with_parent(7);
    let (request, _) = thrift::read(&with_parent).unwrap().into_request();
    let span = &request.resource_spans[0].scope_spans[0].spans[0];
    assert_eq!(span.parent_span_id, 7_u64.to_be_bytes());
    assert_eq!(
        span.links[0].attributes,
        [attribute("opentracing.ref_type", "child_of")]
    );
}

#[test]
fn a_span_with_a_fault_is_left_out_and_the_others_are_taken() {
    let good = || Written {
        trace_id: (0, 2),
        span_id: 3,
        ..Written::default()
    };
    let check = |bad: Written, expected: &str| {
        let (resources, faults) = translated(&Batch {
            spans: vec![good(), bad],
            ..Batch::default()
        });
        assert_eq!(resources[0].scope_spans[0].spans.len(), 1);
        let faults = faults.unwrap();
        assert!(
            faults.starts_with("1 spans were taken;") && faults.contains(expected),
            "{faults}"
        );
    };
    check(
        Written {
            trace_id: (0, 0),
            ..good()
        },
        "span 2: trace ID must be",
    );
    check(
        Written {
            span_id: 0,
            ..good()
        },
        "span 2: span ID must be",
    );
    check(
        Written {
            start: -1,
            ..good()
        },
        "span 2: its start",
    );
    check(
        Written {
            duration: -1,
            ..good()
        },
        "span 2: its duration",
    );
    check(
        Written {
            start: 1 << 54,
            duration: 1 << 54,
            ..good()
        },
        "span 2: its duration",
    );
}

#[test]
fn a_process_of_a_spans_own_is_its_resource() {
    let mut batch = Batch {
        service: "shared".into(),
        ..Batch::default()
    };
    batch.spans.push(Written {
        trace_id: (0, 2),
        span_id: 3,
        ..Written::default()
    });
    let own = batch.protobuf_with_own_process("own");
    let (request, _) = protobuf::read(&own).unwrap().into_request();
    let resources = request
        .resource_spans
        .iter()
        .filter(|resource| !resource.scope_spans.is_empty());
    let names: Vec<_> = resources
        .map(|r| r.resource.as_ref().unwrap().attributes.clone())
        .collect();
    assert_eq!(names, [vec![attribute("service.name", "own")]]);
}

#[test]
fn what_is_no_batch_is_refused() {
    for bytes in [
        &b"\xff"[..],
        b"{\"spans\": []}",
        b"\x0f\x00\x02\x0c\x7f\xff\xff\xff",
        b"\x0c\x00\x01",
    ] {
        let error = thrift::read(bytes).unwrap_err();
        assert!(
            error.contains("cut off") || error.contains("none of Thrift's"),
            "{bytes:?}: {error}"
        );
    }
    // An unknown field of lists in lists.
    let deep = [&[15, 0, 9][..], &[15, 0, 0, 0, 1].repeat(1000)].concat();
    assert!(thrift::read(&deep).unwrap_err().contains("deep"));
    for bytes in [&b"\xff"[..], b"\x0a\x05\x00", b"\x0b"] {
        assert!(
            protobuf::read(bytes).unwrap_err().contains("cut off"),
            "{bytes:?}"
        );
    }
}

/// Empty tags take a byte or two each, and a hundred times as much once read.
#[test]
fn empty_parts_are_refused_before_they_take_memory() {
    let count: i32 = 4 << 20;
    let tags = [
        &[15, 0, 2, 12, 0, 0, 0, 1, 15, 0, 10, 12][..],
        &count.to_be_bytes(),
    ]
    .concat();
    let bomb = [tags, vec![0; 4 << 20], vec![0, 0]].concat();
    assert!(thrift::read(&bomb).unwrap_err().contains("smaller batches"));
    let within = |number: u8, inside: Vec<u8>| {
        let mut bytes = vec![number << 3 | 2];
        prost::encoding::encode_varint(inside.len() as u64, &mut bytes);
        [bytes, inside].concat()
    };
    for part in [4, 8, 9, 12] {
        let parts = [part << 3 | 2, 0].repeat(2 << 20);
        let bomb = within(1, within(1, parts));
        assert!(
            protobuf::read(&bomb)
                .unwrap_err()
                .contains("smaller batches"),
            "{part}"
        );
    }
    let spans = within(1, [0x0a, 0].repeat(2 << 20));
    assert!(
        protobuf::read(&spans)
            .unwrap_err()
            .contains("smaller batches")
    );
}

fn tags() -> impl Strategy<Value = Vec<KeyValue>> {
    let keys = prop::sample::select(vec![
        "error",
        "span.kind",
        "event",
        "otel.status_code",
        "hostname",
        "a",
        "",
    ]);
    let value = prop_oneof![
        "\\PC{0,6}".prop_map(Value::StringValue),
        any::<bool>().prop_map(Value::BoolValue),
        any::<i64>().prop_map(Value::IntValue),
        (-1e9..1e9).prop_map(Value::DoubleValue),
        prop::collection::vec(any::<u8>(), 0..6).prop_map(Value::BytesValue),
    ];
    let tag = (keys, value).prop_map(|(key, value)| any_kv(key, value));
    prop::collection::vec(tag, 0..5)
}

fn written() -> impl Strategy<Value = Written> {
    let id = (0..3_u64, 0..3_u64);
    let reference = (any::<bool>(), id.clone(), 0..4_u64);
    let times = (-1..1_i64 << 50, -1..1_i64 << 40);
    let parts = (
        tags(),
        prop::collection::vec((0..1_i64 << 50, tags()), 0..3),
    );
    (
        id,
        0..4_u64,
        prop::collection::vec(reference, 0..4),
        "\\PC{0,6}",
        any::<u8>(),
        times,
        parts,
    )
        .prop_map(
            |(trace_id, span_id, references, name, flags, (start, duration), (tags, logs))| {
                Written {
                    trace_id,
                    span_id,
                    references,
                    name,
                    flags: u32::from(flags),
                    start,
                    duration,
                    tags,
                    logs,
                }
            },
        )
}

fn batch() -> impl Strategy<Value = Batch> {
    ("\\PC{0,6}", tags(), prop::collection::vec(written(), 0..4)).prop_map(
        |(service, process_tags, spans)| Batch {
            service,
            process_tags,
            spans,
        },
    )
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn both_ways_in_make_the_same_of_a_batch(batch in batch()) {
        prop_assert_eq!(of_protobuf(&batch), of_thrift(&batch));
    }

    #[test]
    fn no_bytes_harm(batch in batch(), changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..8), cut in any::<prop::sample::Index>()) {
        for mut bytes in [batch.protobuf(), batch.thrift()] {
            for (at, byte) in &changes {
                if !bytes.is_empty() {
                    let at = at.index(bytes.len());
                    bytes[at] = *byte;
                }
            }
            let cut = cut.index(bytes.len() + 1);
            for bytes in [&bytes[..], &bytes[..cut]] {
                let _ = protobuf::read(bytes);
                let _ = thrift::read(bytes);
            }
        }
    }
}

#[test]
fn an_event_is_called_by_its_field_event_or_else_as_its_message_says() {
    let check = |fields: &[(&str, &str)], name: &str, left: &[(&str, &str)]| {
        let all = |fields: &[(&str, &str)]| fields.iter().map(|(k, v)| attribute(*k, *v)).collect();
        let found = super::event(super::Log {
            time: 5,
            fields: all(fields),
        });
        let left: Vec<_> = all(left);
        assert_eq!((found.name.as_str(), found.attributes), (name, left));
    };
    check(&[("a", "b"), ("event", "retry")], "retry", &[("a", "b")]);
    check(
        &[("message", "m"), ("event", "retry")],
        "retry",
        &[("message", "m")],
    );
    check(&[("message", "m")], "m", &[("message", "m")]);
    check(&[("a", "b")], "", &[("a", "b")]);
}
