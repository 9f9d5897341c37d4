//! The walk against prost: what both read of the same bytes.

use super::*;
use crate::otlp::common::any_value::Value;
use crate::otlp::trace::{self as types, span};
use crate::otlp::trace_service::ExportTraceServiceRequest;
use crate::otlp::{self, any_kv, resource};
use proptest::prelude::*;
use prost::Message as _;

/// What is read of a span, and its attributes and first link.
type Read = (
    [Vec<u8>; 3],
    [String; 2],
    [i32; 2],
    [u64; 2],
    Vec<(String, String)>,
    Option<(Vec<u8>, Vec<u8>)>,
);

fn attributes<'a>(all: impl Iterator<Item = (&'a [u8], Unread<'a>)>) -> Vec<(String, String)> {
    let text = |(key, value): (&[u8], Unread<'_>)| {
        let key = String::from_utf8_lossy(key).into_owned();
        (key, value.read().text().into_owned())
    };
    all.map(text).collect()
}

fn walked(span: &Span<'_>) -> Read {
    (
        [span.trace_id, span.span_id, span.parent_span_id].map(<[u8]>::to_vec),
        [span.name(), span.trace_state()].map(str::to_owned),
        [span.kind, span.status_code],
        [span.start_time_unix_nano, span.end_time_unix_nano],
        attributes(span.attributes()),
        span.first_link()
            .map(|link| (link.trace_id.to_vec(), link.span_id.to_vec())),
    )
}

fn texts(attributes: &[otlp::common::KeyValue]) -> Vec<(String, String)> {
    let text = |kv: &otlp::common::KeyValue| {
        let value = kv.value.as_ref();
        // An index for profiles is no value.
        let value = value.filter(|v| !matches!(v.value, Some(Value::StringValueStrindex(_))));
        let value = value.map(otlp::text).unwrap_or_default();
        (kv.key.clone(), value.into_owned())
    };
    attributes.iter().map(text).collect()
}

fn decoded(span: types::Span) -> Read {
    (
        [span.trace_id, span.span_id, span.parent_span_id],
        [span.name, span.trace_state],
        [span.kind, span.status.map_or(0, |status| status.code)],
        [span.start_time_unix_nano, span.end_time_unix_nano],
        texts(&span.attributes),
        span.links
            .into_iter()
            .next()
            .map(|link| (link.trace_id, link.span_id)),
    )
}

/// Both read the same of what prost accepts, and neither panics.
fn check(bytes: &[u8]) {
    let found = read(bytes);
    let Ok(expected) = ExportTraceServiceRequest::decode(bytes) else {
        return;
    };
    let found = found.unwrap();
    assert_eq!(found.len(), expected.resource_spans.len());
    for (found, expected) in found.iter().zip(expected.resource_spans) {
        let resource = expected.resource.unwrap_or_default();
        assert_eq!(attributes(found.attributes()), texts(&resource.attributes));
        let expected = expected.scope_spans.into_iter().flat_map(|s| s.spans);
        let expected: Vec<Read> = expected.map(decoded).collect();
        assert_eq!(found.spans().map(walked).collect::<Vec<_>>(), expected);
    }
}

fn pairs() -> impl Strategy<Value = Vec<otlp::common::KeyValue>> {
    let value = prop_oneof![
        ".{0,12}".prop_map(Value::StringValue),
        any::<i64>().prop_map(Value::IntValue),
        any::<bool>().prop_map(Value::BoolValue),
        any::<[u8; 3]>().prop_map(|bytes| Value::BytesValue(bytes.to_vec())),
    ];
    let pair = ("[a-z.]{0,8}", value).prop_map(|(key, value)| any_kv(&key, value));
    proptest::collection::vec(pair, 0..4)
}

prop_compose! {
    fn one_span()(
        ids in any::<([u8; 16], Vec<u8>, [u8; 8])>(), texts in (".{0,8}", "[a-z=]{0,4}"),
        numbers in any::<(i32, u64, u64, Option<i32>)>(), attributes in pairs(),
        links in proptest::collection::vec((any::<[u8; 16]>(), any::<[u8; 8]>(), pairs()), 0..3),
    ) -> types::Span {
        types::Span {
            trace_id: ids.0.to_vec(), span_id: ids.1, parent_span_id: ids.2.to_vec(),
            name: texts.0, trace_state: texts.1, kind: numbers.0,
            start_time_unix_nano: numbers.1, end_time_unix_nano: numbers.2,
            status: numbers.3.map(|code| types::Status { code, message: "m".into() }),
            links: links.into_iter().map(|(trace, span, attributes)| span::Link {
                trace_id: trace.to_vec(), span_id: span.to_vec(), attributes, ..Default::default()
            }).collect(),
            attributes, flags: 257, ..Default::default()
        }
    }
}

prop_compose! {
    fn request()(resources in proptest::collection::vec(
        (proptest::option::of(pairs()), proptest::collection::vec(
            proptest::collection::vec(one_span(), 0..3), 0..3)),
        0..3)
    ) -> ExportTraceServiceRequest {
        let scope = |spans| types::ScopeSpans { spans, ..Default::default() };
        let one = |(attributes, scopes): (Option<_>, Vec<_>)| types::ResourceSpans {
            resource: attributes.map(|attributes| resource::Resource { attributes, ..Default::default() }),
            scope_spans: scopes.into_iter().map(scope).collect(),
            schema_url: "s".into(),
        };
        ExportTraceServiceRequest { resource_spans: resources.into_iter().map(one).collect() }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(300) })]

    #[test]
    fn what_prost_writes_is_read_alike(a in request(), b in request()) {
        let (a, b) = (a.encode_to_vec(), b.encode_to_vec());
        check(&a);
        check(&[a, b].concat());
    }

    #[test]
    fn damaged_requests_end_the_walk(
        request in request(), at in any::<prop::sample::Index>(), byte in any::<u8>(), cut in any::<bool>(),
    ) {
        let mut bytes = request.encode_to_vec();
        if !bytes.is_empty() {
            let at = at.index(bytes.len());
            if cut { bytes.truncate(at) } else { bytes[at] = byte }
        }
        let resources = read(&bytes).unwrap_or_default();
        for resource in &resources {
            attributes(resource.attributes());
            resource.spans().for_each(|span| drop(walked(span)));
        }
        check(&bytes);
    }

    #[test]
    fn fields_in_any_order_and_more_than_once_are_read_as_prost_does(request in any_request()) {
        prop_assert!(ExportTraceServiceRequest::decode(&request[..]).is_ok());
        check(&request);
    }
}

/// A message of some of these fields, each any number of times and in any order, among others
/// that nobody knows.
fn message(known: Vec<BoxedStrategy<Vec<u8>>>) -> BoxedStrategy<Vec<u8>> {
    let unknown = prop_oneof![
        Just(b"\xa0\x06\x07".to_vec()),
        Just(b"\xa3\x06\x0a\x01x\xa4\x06".to_vec()),
        Just(b"\xa5\x06\x01\x02\x03\x04".to_vec()),
    ];
    let field = prop_oneof![9 => known_of(known), 1 => unknown];
    let fields = proptest::collection::vec(field, 0..6);
    fields.prop_map(|fields| fields.concat()).boxed()
}

fn inside(tag: u8, message: BoxedStrategy<Vec<u8>>) -> BoxedStrategy<Vec<u8>> {
    message.prop_map(move |bytes| field(tag, &bytes)).boxed()
}

fn written(tag: u8, text: &'static str) -> BoxedStrategy<Vec<u8>> {
    text.prop_map(move |text| field(tag, text.as_bytes()))
        .boxed()
}

fn bytes(tag: u8) -> BoxedStrategy<Vec<u8>> {
    let some = prop_oneof![
        any::<[u8; 8]>().prop_map(|id| id.to_vec()),
        any::<Vec<u8>>()
    ];
    some.prop_map(move |bytes| field(tag, &bytes)).boxed()
}

fn varint(tag: u8) -> BoxedStrategy<Vec<u8>> {
    let number = prop_oneof![0..7_u64, any::<u64>()];
    let write = move |number| {
        let mut bytes = vec![tag << 3];
        prost::encoding::encode_varint(number, &mut bytes);
        bytes
    };
    number.prop_map(write).boxed()
}

fn eight_bytes(tag: u8) -> BoxedStrategy<Vec<u8>> {
    let write = move |number: u64| [vec![tag << 3 | 1], number.to_le_bytes().to_vec()].concat();
    any::<u64>().prop_map(write).boxed()
}

/// Values with lists in lists, each in any number of parts.
fn any_value(depth: u32) -> BoxedStrategy<Vec<u8>> {
    let mut known = vec![
        written(1, ".{0,4}"),
        varint(2),
        varint(3),
        eight_bytes(4),
        bytes(7),
        varint(8),
    ];
    if let Some(depth) = depth.checked_sub(1) {
        let list = inside(5, message(vec![inside(1, any_value(depth))]));
        let map = inside(6, message(vec![inside(1, any_pair(depth))]));
        // Often enough that one kind follows itself.
        known = vec![list.clone(), list, map.clone(), map, known_of(known)];
    }
    message(known)
}

fn known_of(known: Vec<BoxedStrategy<Vec<u8>>>) -> BoxedStrategy<Vec<u8>> {
    proptest::strategy::Union::new(known).boxed()
}

fn any_pair(depth: u32) -> BoxedStrategy<Vec<u8>> {
    let value = || inside(2, any_value(depth));
    message(vec![written(1, "[ab]{0,2}"), value(), value(), varint(3)])
}

fn any_request() -> BoxedStrategy<Vec<u8>> {
    let pair = any_pair(1);
    let link = message(vec![bytes(1), bytes(2), inside(4, pair.clone())]);
    let status = message(vec![written(2, "[ab]{0,2}"), varint(3)]);
    let span = message(vec![
        bytes(1),
        bytes(2),
        written(3, ".{0,4}"),
        bytes(4),
        written(5, ".{0,4}"),
        varint(6),
        eight_bytes(7),
        eight_bytes(8),
        inside(9, pair.clone()),
        inside(9, pair.clone()),
        varint(10),
        inside(13, link),
        inside(15, status),
    ]);
    let scope = message(vec![inside(2, span), written(3, "[ab]{0,2}")]);
    let resource = message(vec![inside(1, pair), varint(2)]);
    let all = message(vec![
        inside(1, resource),
        inside(2, scope),
        written(3, "[ab]{0,2}"),
    ]);
    message(vec![inside(1, all)])
}

/// A field that holds bytes.
fn field(tag: u8, inside: &[u8]) -> Vec<u8> {
    let mut bytes = vec![tag << 3 | 2];
    prost::encoding::encode_varint(inside.len() as u64, &mut bytes);
    [bytes, inside.to_vec()].concat()
}

#[test]
fn a_resource_and_a_status_in_parts_are_read_as_prost_does() {
    let part = |key: &[u8]| field(1, &field(1, &field(1, key)));
    let status = [field(15, &[0x18, 2]), field(15, &field(2, b"why"))].concat();
    let spans = field(2, &field(2, &status));
    check(&field(1, &[part(b"a"), spans, part(b"b")].concat()));
}

/// Cuts a message in two that is made of these fields.
fn split(tag: u8, fields: &[Vec<u8>], at: usize) -> Vec<u8> {
    let (one, other) = fields.split_at(at.min(fields.len()));
    [field(tag, &one.concat()), field(tag, &other.concat())].concat()
}

#[test]
fn a_list_in_parts_is_one_list_wherever_it_is_cut() {
    let number = |n: u8| vec![0x18, n];
    let elements: Vec<_> = (0..3).map(|n| field(1, &number(n))).collect();
    let pair = |n: u8| field(1, &[field(1, b"k"), field(2, &number(n))].concat());
    let pairs: Vec<_> = (0..3).map(pair).collect();
    for (kind, elements) in [(5, &elements), (6, &pairs)] {
        let other = field(11 - kind, &elements[0]);
        for at in 0..=elements.len() {
            let cut = split(kind, elements, at);
            let (first, second) = (
                field(kind, &elements[..at].concat()),
                field(kind, &elements[at..].concat()),
            );
            let text = field(1, b"t");
            for value in [
                // Cut in the list, in the value, in both; with others before, between and behind.
                field(2, &cut),
                [field(2, &first), field(2, &second)].concat(),
                [field(2, &cut), field(2, &cut)].concat(),
                [field(2, &text), field(2, &cut), field(2, b"")].concat(),
                [
                    field(2, &[text.clone(), cut.clone()].concat()),
                    field(2, &second),
                ]
                .concat(),
                [field(2, &first), field(2, &text), field(2, &second)].concat(),
                [field(2, &first), field(2, &other), field(2, &second)].concat(),
                [field(2, &first), field(2, &other)].concat(),
                [
                    field(2, &first),
                    field(2, b"\xa0\x06\x07"),
                    field(2, &second),
                ]
                .concat(),
            ] {
                let attribute = [field(1, b"a"), value].concat();
                let span = [field(9, &attribute), field(9, &pair(7)[2..])].concat();
                let resource = field(1, &field(1, &attribute));
                check(&field(1, &[resource, field(2, &field(2, &span))].concat()));
            }
        }
    }
}

#[test]
fn a_request_that_is_cut_off_is_nothing() {
    let whole = field(1, &field(2, &field(2, &field(1, &[7; 16]))));
    assert_eq!(read(&whole).unwrap()[0].spans().count(), 1);
    for end in 1..whole.len() {
        assert!(read(&whole[..end]).is_err(), "{end}");
    }
}
