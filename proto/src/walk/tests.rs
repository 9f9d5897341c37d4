//! The walker against prost: the same requests accepted, the same content read.

use super::*;
use crate::otlp::logs_service::ExportLogsServiceRequest;
use crate::otlp::{any_kv, common, kv, logs as types, resource};
use common::any_value::Value as Any;
use proptest::prelude::*;
use prost::Message as _;

/// What the walker reads, as prost's types. Entities, which it does not expose, and what
/// it reads as absent (no value, an index for profiles) are taken out of both sides.
fn walked(logs: &Logs<'_>) -> ExportLogsServiceRequest {
    let attributes = |a: Attributes<'_>| a.map(|kv| kv.to_key_value()).collect::<Vec<_>>();
    let record = |r: LogRecord<'_>| types::LogRecord {
        time_unix_nano: r.time_unix_nano,
        observed_time_unix_nano: r.observed_time_unix_nano,
        severity_number: r.severity_number,
        severity_text: r.severity_text.into(),
        body: Some(r.body.read().to_any()),
        attributes: attributes(r.attributes()),
        dropped_attributes_count: r.dropped_attributes_count,
        flags: r.flags,
        trace_id: r.trace_id.into(),
        span_id: r.span_id.into(),
        event_name: r.event_name.into(),
    };
    let scope = |s: ScopeLogs<'_>| types::ScopeLogs {
        scope: Some(common::InstrumentationScope {
            name: s.scope.name.into(),
            version: s.scope.version.into(),
            attributes: attributes(s.scope.attributes()),
            dropped_attributes_count: 0,
        }),
        log_records: s.records().map(record).collect(),
        schema_url: s.schema_url.into(),
    };
    let resource = |r: ResourceLogs<'_>| types::ResourceLogs {
        resource: Some(resource::Resource {
            attributes: attributes(r.attributes()),
            ..Default::default()
        }),
        scope_logs: r.scopes().map(scope).collect(),
        schema_url: r.schema_url.into(),
    };
    ExportLogsServiceRequest {
        resource_logs: logs.resources().map(resource).collect(),
    }
}

/// Whether names and values are the same to whoever looks at their bytes only.
fn unread_agree(logs: &Logs<'_>) -> bool {
    let scopes = logs.resources().flat_map(|resource| resource.scopes());
    let mut records = scopes.flat_map(|scope| scope.records());
    records.all(|record| {
        let text = |text: &str| text.as_bytes().to_vec();
        let read = record.attributes();
        let read = read.map(|a| (text(a.key), text(&a.value.text())));
        let unread = record.unread_attributes();
        unread
            .map(|a| (a.key.to_vec(), a.value.text().into_owned()))
            .eq(read)
    })
}

fn plain(mut request: ExportLogsServiceRequest) -> ExportLogsServiceRequest {
    for resource in &mut request.resource_logs {
        let inner = resource.resource.get_or_insert_default();
        inner.entity_refs.clear();
        inner.dropped_attributes_count = 0;
        inner.attributes.iter_mut().for_each(plain_kv);
        for scope in &mut resource.scope_logs {
            let inner = scope.scope.get_or_insert_default();
            inner.dropped_attributes_count = 0;
            inner.attributes.iter_mut().for_each(plain_kv);
            for record in &mut scope.log_records {
                plain_value(record.body.get_or_insert_default());
                record.attributes.iter_mut().for_each(plain_kv);
            }
        }
    }
    request
}

fn plain_kv(kv: &mut common::KeyValue) {
    kv.key_strindex = 0;
    plain_value(kv.value.get_or_insert_default());
}

fn plain_value(value: &mut common::AnyValue) {
    match &mut value.value {
        Some(Any::StringValueStrindex(_)) => value.value = None,
        Some(Any::ArrayValue(list)) => list.values.iter_mut().for_each(plain_value),
        Some(Any::KvlistValue(map)) => map.values.iter_mut().for_each(plain_kv),
        _ => {}
    }
}

/// The oracle: prost and the walker accept the same bytes and read the same from them.
fn check(bytes: &[u8]) {
    // A walk of unchecked bytes ends, whatever they are.
    walked(&Logs::trusted(bytes));
    match (ExportLogsServiceRequest::decode(bytes), logs(bytes)) {
        (Ok(expected), Ok(found)) => {
            assert!(unread_agree(&found));
            // NaN is unequal to itself, so the texts are compared.
            let (found, expected) = (walked(&found), plain(expected));
            assert_eq!(format!("{found:?}"), format!("{expected:?}"));
            let counts = validate_logs(bytes).unwrap();
            let scopes = || expected.resource_logs.iter().flat_map(|r| &r.scope_logs);
            assert_eq!(counts.resources, expected.resource_logs.len());
            assert_eq!(counts.scopes, scopes().count());
            assert_eq!(
                counts.records,
                scopes().map(|s| s.log_records.len()).sum::<usize>()
            );
        }
        (Err(_), Err(error)) => assert!(error.offset <= bytes.len(), "{error}"),
        (expected, found) => panic!("prost: {expected:?}\nwalker: {found:?}\nbytes: {bytes:02x?}"),
    }
}

fn any_value() -> impl Strategy<Value = Option<common::AnyValue>> {
    let leaf = prop_oneof![
        ".{0,12}".prop_map(Any::StringValue),
        any::<bool>().prop_map(Any::BoolValue),
        any::<i64>().prop_map(Any::IntValue),
        any::<f64>().prop_map(Any::DoubleValue),
        any::<Vec<u8>>().prop_map(Any::BytesValue),
        any::<i32>().prop_map(Any::StringValueStrindex),
    ];
    let value = leaf.prop_recursive(4, 24, 4, |inner| {
        let list = proptest::collection::vec(proptest::option::of(inner.clone()), 0..4);
        let map = proptest::collection::vec(("[a-z.]{0,6}", inner), 0..4);
        prop_oneof![
            list.prop_map(|values| Any::ArrayValue(common::ArrayValue {
                values: values
                    .into_iter()
                    .map(|value| common::AnyValue { value })
                    .collect(),
            })),
            map.prop_map(|pairs| Any::KvlistValue(common::KeyValueList {
                values: pairs.into_iter().map(|(k, v)| any_kv(&k, v)).collect(),
            })),
        ]
    });
    proptest::option::of(proptest::option::of(value).prop_map(|value| common::AnyValue { value }))
}

fn attributes() -> impl Strategy<Value = Vec<common::KeyValue>> {
    let one = ("[a-z.]{0,8}", any_value()).prop_map(|(key, value)| common::KeyValue {
        key,
        value,
        ..Default::default()
    });
    proptest::collection::vec(one, 0..4)
}

prop_compose! {
    fn record()(
        times in any::<(u64, u64)>(), numbers in any::<(i32, u32, u32)>(), texts in (".{0,8}", "[a-z]{0,4}"),
        ids in any::<(Vec<u8>, [u8; 8])>(), body in any_value(), attributes in attributes(),
    ) -> types::LogRecord {
        types::LogRecord {
            time_unix_nano: times.0, observed_time_unix_nano: times.1,
            severity_number: numbers.0, dropped_attributes_count: numbers.1, flags: numbers.2,
            severity_text: texts.0, event_name: texts.1,
            trace_id: ids.0, span_id: ids.1.to_vec(), body, attributes,
        }
    }
}

prop_compose! {
    fn request()(resources in proptest::collection::vec(
        (attributes(), ".{0,5}", proptest::collection::vec(
            (proptest::option::of((".{0,5}", attributes())), proptest::collection::vec(record(), 0..3)), 0..3)),
        0..3)
    ) -> ExportLogsServiceRequest {
        let scope = |(scope, log_records): (Option<(String, Vec<common::KeyValue>)>, _)| types::ScopeLogs {
            scope: scope.map(|(name, attributes)| common::InstrumentationScope {
                version: name.clone(), name, attributes, dropped_attributes_count: 1,
            }),
            log_records,
            schema_url: String::new(),
        };
        ExportLogsServiceRequest {
            resource_logs: resources.into_iter().map(|(attributes, schema_url, scopes)| types::ResourceLogs {
                resource: Some(resource::Resource { attributes, ..Default::default() }),
                scope_logs: scopes.into_iter().map(scope).collect(),
                schema_url,
            }).collect(),
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(400) })]

    #[test]
    fn what_prost_writes_is_read_alike(request in request()) {
        check(&request.encode_to_vec());
    }

    #[test]
    fn damaged_requests_are_judged_alike(
        request in request(),
        damage in proptest::collection::vec((any::<prop::sample::Index>(), any::<u8>(), 0..4_u8), 1..4),
    ) {
        let mut bytes = request.encode_to_vec();
        for (at, byte, how) in damage {
            if bytes.is_empty() { break; }
            let at = at.index(bytes.len());
            match how {
                0 => bytes[at] = byte,
                1 => bytes.truncate(at),
                2 => bytes.insert(at, byte),
                _ => drop(bytes.remove(at)),
            }
        }
        check(&bytes);
    }

    #[test]
    fn arbitrary_bytes_are_judged_alike(bytes in proptest::collection::vec(
        prop_oneof![0..0x40_u8, any::<u8>()], 0..48)
    ) {
        check(&bytes);
    }

    #[test]
    fn two_requests_joined_are_one(a in request(), b in request()) {
        check(&[a.encode_to_vec(), b.encode_to_vec()].concat());
    }
}

/// A field that holds bytes.
fn field(tag: u8, inside: &[u8]) -> Vec<u8> {
    let mut bytes = vec![tag << 3 | 2];
    prost::encoding::encode_varint(inside.len() as u64, &mut bytes);
    [bytes, inside.to_vec()].concat()
}

fn in_record(inside: &[u8]) -> Vec<u8> {
    field(1, &field(2, &field(2, inside)))
}

#[test]
fn nesting_is_followed_exactly_as_deep_as_prost_does() {
    let nested = |depth: usize, innermost: &[u8]| {
        let mut value = innermost.to_vec();
        for _ in 0..depth {
            value = field(5, &field(1, &value));
        }
        in_record(&field(5, &value))
    };
    for depth in 40..60 {
        check(&nested(depth, b""));
        check(&nested(depth, &field(1, b"text")));
        check(&nested(depth, &field(15, b"unknown")));
        check(&nested(depth, &field(5, &field(15, b"unknown"))));
    }
    assert!(validate_logs(&nested(5_000, b"")).is_err());
}

#[test]
fn groups_are_skipped_to_the_same_depth() {
    for depth in 90..110 {
        let group = [vec![0x7b; depth], vec![0x7c; depth]].concat();
        check(&group);
        check(&in_record(&group));
    }
    check(&in_record(&[0x7b, 0x08, 0x01, 0x7c]));
    check(&in_record(&[0x7b, 0x08, 0x01, 0x74]));
    check(&in_record(&[0x7c]));
    // A known field as a group.
    check(&in_record(&[0x2b, 0x2c]));
    assert!(validate_logs(&vec![0x7b; 1 << 20]).is_err());
}

#[test]
fn a_message_given_twice_is_merged_as_prost_does() {
    let list = |n: u8| field(5, &field(1, &[0x18, n]));
    let record = [
        field(5, &list(1)),
        field(5, &list(2)),
        field(6, &[field(2, &list(3)), field(2, &list(4))].concat()),
    ];
    let bytes = in_record(&record.concat());
    assert!(!validate_logs(&bytes).unwrap().canonical);
    check(&bytes);
    check(&in_record(&field(
        5,
        &[list(1), list(2), field(1, b"x"), list(3)].concat(),
    )));
    let resources = [
        field(1, &field(1, &field(1, b"a"))),
        field(1, &field(1, &field(1, b"b"))),
    ]
    .concat();
    check(&field(1, &resources));
}

#[test]
fn a_body_in_parts_is_whole_to_who_walks_it_unmerged() {
    let list = |n: u8| field(5, &field(1, &[0x18, n]));
    for record in [
        [field(5, &list(1)), field(5, &list(2))].concat(),
        [field(5, &list(1)), field(3, b"INFO"), field(5, &list(2))].concat(),
        field(5, &[list(1), list(2)].concat()),
    ] {
        let bytes = in_record(&record);
        let request = ExportLogsServiceRequest::decode(&bytes[..]).unwrap();
        assert_eq!(
            format!("{:?}", walked(&Logs::trusted(&bytes))),
            format!("{:?}", plain(request))
        );
    }
}

#[test]
fn a_resource_that_follows_its_records_is_found() {
    let attributes = field(1, &field(1, &field(1, b"late")));
    let bytes = field(1, &[field(2, &field(2, b"")), attributes].concat());
    let logs = logs(&bytes).unwrap();
    let resource = logs.resources().next().unwrap();
    assert_eq!(resource.attributes().next().unwrap().key, "late");
    assert_eq!(resource.scopes().next().unwrap().records().count(), 1);
}

#[test]
fn text_of_every_kind_is_as_the_types_write_it() {
    let values = [
        Any::StringValue("a".into()),
        Any::BoolValue(true),
        Any::IntValue(-3),
        Any::DoubleValue(0.5),
        Any::BytesValue(vec![1, 255]),
        Any::ArrayValue(common::ArrayValue {
            values: vec![kv("", "x").value.unwrap()],
        }),
        Any::KvlistValue(common::KeyValueList {
            values: vec![kv("k", "v")],
        }),
    ];
    for value in values {
        let value = common::AnyValue { value: Some(value) };
        let bytes = in_record(&field(5, &value.encode_to_vec()));
        let logs = logs(&bytes).unwrap();
        let record = logs
            .resources()
            .next()
            .unwrap()
            .scopes()
            .next()
            .unwrap()
            .records()
            .next()
            .unwrap();
        let text = crate::otlp::text(&value);
        assert_eq!(record.body.read().text(), text);
        assert_eq!(record.body.text(), text.as_bytes());
        let as_it_came = match &value.value {
            Some(Any::BytesValue(bytes)) => bytes.as_slice(),
            _ => text.as_bytes(),
        };
        assert_eq!(record.body.bytes(), as_it_came);
    }
}

#[test]
fn an_error_names_the_byte() {
    let error = validate_logs(&in_record(&field(3, b"ok\xff"))).unwrap_err();
    assert_eq!(
        error.to_string(),
        "not a valid OTLP request: a string is not UTF-8 at byte 10"
    );
}
