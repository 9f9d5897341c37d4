//! What spans share: kept once, given back whole, whatever a sender makes of it.

use super::model::{open, tenant, trace_id};
use crate::raw::{Context, Shell, split};
use crate::segment::{Segment, ShellCache};
use crate::{Config, OpenError, Search, TraceQuery, TraceStore};
use opentelemetry_proto::tonic::trace::v1::{ResourceSpans, ScopeSpans, Span, TracesData};
use prometheus_client::registry::Registry;
use proptest::prelude::*;
use prost::Message as _;
use rand::distr::Alphanumeric;
use rand::{Rng as _, SeedableRng as _};
use rand_chacha::ChaCha8Rng;
use sonde_proto::otlp::common::InstrumentationScope;
use sonde_proto::otlp::resource::Resource;
use sonde_proto::{Deadline, Entry, Position, Signal, UnixNanos, otlp, walk};
use sonde_segment::SegmentDir;
use sonde_segment::blocks::{Reader, Writer};
use std::collections::BTreeSet;
use std::ops::Bound;
use std::path::Path;
use std::sync::Arc;

fn span(trace: u64, number: u64) -> Span {
    Span {
        trace_id: trace_id(trace).as_bytes().to_vec(),
        span_id: number.to_be_bytes().to_vec(),
        name: format!("span {number}"),
        start_time_unix_nano: number,
        end_time_unix_nano: number + 10,
        ..Span::default()
    }
}

fn apply(store: &TraceStore, position: u64, payload: Vec<u8>) {
    let received = UnixNanos::from_secs(position);
    let entry = Entry::otlp(tenant(), Signal::Spans, received, payload.into());
    store.apply(&[(Position(position), entry)]);
}

fn found(store: &TraceStore, query: &str) -> usize {
    found_up_to(store, query, 100_000)
}

fn found_up_to(store: &TraceStore, query: &str, limit: usize) -> usize {
    let search = Search {
        query: TraceQuery::parse(query).unwrap(),
        start: UnixNanos(0),
        end: UnixNanos(u64::MAX),
        limit,
        spans_per_set: 1,
        deadline: Deadline::never(),
    };
    let answer = store.search(&tenant(), &search).unwrap();
    assert_eq!(answer.cut, None);
    answer.traces.len()
}

fn field(number: u32, inside: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    prost::encoding::encode_key(number, prost::encoding::WireType::LengthDelimited, &mut out);
    prost::encoding::encode_varint(inside.len() as u64, &mut out);
    out.extend_from_slice(inside);
    out
}

/// Fields that OTLP does not have, of all kinds, groups in groups among them.
fn strange_fields(rng: &mut ChaCha8Rng, depth: u32) -> Vec<u8> {
    let mut out = Vec::new();
    for _ in 0..rng.random_range(0..3) {
        let number: u32 = rng.random_range(100..5_000);
        let kind = rng.random_range(0..if depth < 3 { 5 } else { 4 });
        let key = |kind: u64, out: &mut Vec<u8>| {
            prost::encoding::encode_varint(u64::from(number) << 3 | kind, out);
        };
        match kind {
            0 => {
                key(0, &mut out);
                prost::encoding::encode_varint(rng.random(), &mut out);
            }
            1 => {
                key(1, &mut out);
                out.extend(rng.random::<[u8; 8]>());
            }
            2 => {
                key(5, &mut out);
                out.extend(rng.random::<[u8; 4]>());
            }
            3 => out.extend(field(number, &rng.random::<[u8; 3]>())),
            _ => {
                key(3, &mut out);
                out.extend(strange_fields(rng, depth + 1));
                key(4, &mut out);
            }
        }
    }
    out
}

/// A payload, and each of its spans with what is around it, as bytes in no order.
type Around = (Vec<u8>, Vec<u8>, Vec<u8>);

/// Resources, scopes and spans with fields that OTLP does not have, before, between and behind
/// the others; some with a schema, some without anything.
fn strange_payload(rng: &mut ChaCha8Rng, traces: u64) -> (Vec<u8>, BTreeSet<(u64, Around)>) {
    let (mut payload, mut all) = (strange_fields(rng, 0), BTreeSet::new());
    for _ in 0..rng.random_range(1..4) {
        let schema = |rng: &mut ChaCha8Rng, number| match rng.random_range(0..3) {
            0 => field(
                number,
                format!("https://schema/{}", rng.random_range(0..3)).as_bytes(),
            ),
            _ => Vec::new(),
        };
        let resource = Resource {
            attributes: vec![otlp::kv(
                "service.name",
                format!("s{}", rng.random_range(0..4)),
            )],
            ..Resource::default()
        };
        let resource = resource.encode_to_vec();
        let before = match rng.random_range(0..4) {
            0 => Vec::new(),
            _ => field(1, &[resource, strange_fields(rng, 0)].concat()),
        };
        let behind = [schema(rng, 3), strange_fields(rng, 0)].concat();
        let mut inside = Vec::new();
        for _ in 0..rng.random_range(0..3) {
            let scope = InstrumentationScope {
                name: format!("scope {}", rng.random_range(0..3)),
                ..InstrumentationScope::default()
            };
            let (front, back) = (field(1, &scope.encode_to_vec()), schema(rng, 3));
            let (mut spans, middle) = (Vec::new(), strange_fields(rng, 0));
            for place in 0..rng.random_range(0..4) {
                let number = rng.random();
                let trace = rng.random_range(0..traces);
                let span = [span(trace, number).encode_to_vec(), strange_fields(rng, 0)].concat();
                spans.extend(field(2, &span));
                if place == 0 {
                    spans.extend_from_slice(&middle);
                }
                all.insert((trace, (before.clone(), front.clone(), span)));
            }
            inside.extend(field(2, &[front, spans, back].concat()));
        }
        payload.extend(field(1, &[before, inside, behind].concat()));
    }
    (payload, all)
}

/// Each span of a message, and the two around it without what is in them.
fn taken_apart(message: &[u8]) -> BTreeSet<Around> {
    let mut all = BTreeSet::new();
    let each = |_, span: crate::raw::RawSpan| {
        let (resource, scope) = (&span.context.resource, &span.context.scope);
        let shells = (resource.bytes.to_vec(), scope.bytes.to_vec());
        all.insert((shells.0, shells.1, span.bytes.to_vec()));
    };
    split(&message.to_vec().into(), each, |refusal| {
        panic!("{refusal:?}")
    })
    .unwrap();
    all
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, failure_persistence: None, ..ProptestConfig::default() })]

    /// Also what is around them: schemas, and fields that nothing here knows. Whatever a door
    /// takes can be read.
    #[test]
    fn spans_come_back_byte_for_byte(seed in any::<u64>()) {
        let rng = &mut ChaCha8Rng::seed_from_u64(seed);
        let dir = tempfile::tempdir().unwrap();
        let config = Config {
            merge_fan_in: 2,
            merge_part_bytes_min: [0, 512, 1 << 20][rng.random_range(0..3)],
            ..Config::default()
        };
        let store = open(dir.path(), &config);
        let mut sent: BTreeSet<(u64, Around)> = BTreeSet::new();
        for position in 0..6 {
            let (payload, spans) = strange_payload(rng, 4);
            prop_assert!(walk::measure(Signal::Spans, &payload).is_ok());
            prop_assert_eq!(taken_apart(&payload).len(), spans.len());
            let apart = taken_apart(&payload);
            for (trace, (before, front, span)) in &spans {
                let is_it = |one: &&Around| one.2 == *span;
                let around = apart.iter().find(is_it).unwrap();
                prop_assert!(around.0.starts_with(before) && around.1.starts_with(front));
                sent.insert((*trace, around.clone()));
            }
            apply(&store, position, payload);
            if rng.random_bool(0.6) {
                store.seal(UnixNanos(0)).unwrap();
            }
            if rng.random_bool(0.4) {
                store.merge_all().unwrap();
            }
            for trace in 0..4 {
                let otlp = store.otlp(&tenant(), &trace_id(trace)).unwrap();
                let bytes = otlp.map_or_else(Vec::new, |otlp| otlp.bytes);
                prop_assert!(TracesData::decode(&bytes[..]).is_ok());
                let expected = sent.iter().filter(|(of, _)| *of == trace);
                let expected: BTreeSet<Around> = expected.map(|(_, one)| one.clone()).collect();
                prop_assert_eq!(taken_apart(&bytes), expected);
            }
        }
    }
}

fn noise(bytes: usize) -> String {
    let rng = ChaCha8Rng::seed_from_u64(5);
    rng.sample_iter(Alphanumeric)
        .take(bytes)
        .map(char::from)
        .collect()
}

fn of_resource(attributes: Vec<otlp::common::KeyValue>, spans: Vec<Span>) -> ResourceSpans {
    ResourceSpans {
        resource: Some(Resource {
            attributes,
            ..Resource::default()
        }),
        scope_spans: vec![ScopeSpans {
            spans,
            ..ScopeSpans::default()
        }],
        ..ResourceSpans::default()
    }
}

/// Once for each trace it would be 800 GB.
#[test]
fn a_resource_of_8_mib_is_written_once_for_100_000_traces() {
    let dir = tempfile::tempdir().unwrap();
    let config = Config {
        merge_fan_in: 2,
        ..Config::default()
    };
    let store = open(dir.path(), &config);
    let noise = noise(8 << 20);
    for half in 0..2 {
        let spans = (half * 50_000..(half + 1) * 50_000).map(|n| span(n, n + 1));
        let attributes = vec![otlp::kv("service.name", "wide"), otlp::kv("noise", &*noise)];
        let resource_spans = vec![of_resource(attributes, spans.collect())];
        apply(&store, half, TracesData { resource_spans }.encode_to_vec());
        store.seal(UnixNanos(0)).unwrap();
        let bytes = store.stats().bytes;
        assert!(bytes < (half + 1) * (14 << 20), "{bytes}");
    }
    let wide = "{ resource.service.name = \"wide\" }";
    assert_eq!(found_up_to(&store, wide, 2_000), 2_000);
    store.merge_all().unwrap();
    let stats = store.stats();
    assert_eq!((stats.records, stats.segments), (100_000, 1));
    assert!(stats.bytes < 20 << 20, "{stats:?}");
    assert_eq!(found(&store, "{ name = \"span 77777\" }"), 1);
    let trace = store.otlp(&tenant(), &trace_id(99_999)).unwrap().unwrap();
    let trace = TracesData::decode(&trace.bytes[..]).unwrap();
    let resource = trace.resource_spans[0].resource.as_ref().unwrap();
    assert_eq!(resource.attributes[1], otlp::kv("noise", noise));
}

/// Very many scopes of a large resource are as many reads of its attributes only where somebody
/// has forgotten that they share it.
#[test]
fn a_large_resource_is_read_once_for_all_of_its_scopes() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path(), &Config::default());
    let attributes = (0..20_000).map(|n| otlp::kv(&format!("key.{n}"), "value"));
    let mut wide = of_resource(attributes.collect(), Vec::new());
    let scope = |n: u64| ScopeSpans {
        spans: vec![span(n % 100, n + 1)],
        schema_url: format!("https://schema/{n}"),
        ..ScopeSpans::default()
    };
    wide.scope_spans = (0..20_000).map(scope).collect();
    let resource_spans = vec![wide];
    apply(&store, 0, TracesData { resource_spans }.encode_to_vec());
    for _ in 0..2 {
        assert_eq!(found(&store, "{ .key.19999 = \"value\" }"), 100);
        store.seal(UnixNanos(0)).unwrap();
    }
    assert!(store.stats().bytes < 4 << 20, "{:?}", store.stats());
}

#[test]
fn fifty_thousand_resources_are_listed_once_each_and_found_by_what_they_say() {
    // Spans are written anew, or moved as they are.
    [1 << 20, 0]
        .into_iter()
        .for_each(check_fifty_thousand_resources);
}

fn check_fifty_thousand_resources(merge_part_bytes_min: u64) {
    let dir = tempfile::tempdir().unwrap();
    let config = Config {
        merge_fan_in: 2,
        merge_part_bytes_min,
        ..Config::default()
    };
    let store = open(dir.path(), &config);
    for half in 0..2 {
        let resource_spans = (0..50_000).map(|n| {
            let attributes = vec![
                otlp::kv("service.name", format!("service {}", n % 10)),
                otlp::kv("service.instance.id", format!("instance {n}")),
            ];
            of_resource(
                attributes,
                vec![span(n / 50 + half * 500, half * 50_000 + n + 1)],
            )
        });
        let resource_spans = resource_spans.collect();
        apply(&store, half, TracesData { resource_spans }.encode_to_vec());
        store.seal(UnixNanos(0)).unwrap();
    }
    for _ in 0..2 {
        assert_eq!(
            found(
                &store,
                "{ resource.service.instance.id = \"instance 12345\" }"
            ),
            2
        );
        assert_eq!(
            found(&store, "{ resource.service.name = \"service 3\" }"),
            1_500
        );
        store.merge_all().unwrap();
    }
    let segments = dir.path().join("segments").join("team-a");
    let mut segments = std::fs::read_dir(segments).unwrap();
    let index = segments.next().unwrap().unwrap().path().join("index.blk");
    let index = Reader::open(&index).unwrap();
    let listed = index.scan(Bound::Included(b"d")).take_while(|entry| {
        let (key, _) = entry.as_ref().unwrap();
        key[0] == b'd'
    });
    // And the scope of all of them.
    assert_eq!((listed.count(), segments.next().is_none()), (50_001, true));
}

/// Rewrites all segments as they were before there was a list of resources and scopes.
fn make_old(path: &Path) {
    let (dir, mut manifest) = SegmentDir::open(path).unwrap();
    for meta in &mut manifest.segments {
        let folder = dir.path(&meta.tenant, meta.id);
        let cache = Arc::new(ShellCache::new(1 << 20));
        let segment = Segment::open(&folder, meta.clone(), &cache).unwrap();
        let (spans, index) = (folder.join("spans.old"), folder.join("index.old"));
        let mut old = Writer::create(&spans).unwrap();
        let reader = Reader::open(&folder.join("spans.blk")).unwrap();
        let mut ids: Vec<_> = reader
            .scan(Bound::Unbounded)
            .map(|e| e.unwrap().0)
            .collect();
        ids.dedup();
        for id in ids {
            let mut spans = Vec::new();
            let trace = sonde_proto::TraceId::from_slice(&id).unwrap();
            segment.spans_of(&trace, usize::MAX, &mut spans).unwrap();
            old.add(&id, &crate::raw::encode(&mut spans)).unwrap();
        }
        let spans_written = old.finish().unwrap();
        let mut old = Writer::create(&index).unwrap();
        let reader = Reader::open(&folder.join("index.blk")).unwrap();
        for entry in reader.scan(Bound::Unbounded) {
            let (key, value) = entry.unwrap();
            if key[0] != b'd' {
                old.add(&key, &value).unwrap();
            }
        }
        let index_written = old.finish().unwrap();
        std::fs::rename(spans, folder.join("spans.blk")).unwrap();
        std::fs::rename(index, folder.join("index.blk")).unwrap();
        meta.checksum = spans_written.checksum.rotate_left(1) ^ index_written.checksum;
        meta.bytes = spans_written.bytes + index_written.bytes;
        meta.extra.as_object_mut().unwrap().remove("format");
    }
    dir.swap(&manifest).unwrap();
}

#[test]
fn segments_of_the_first_format_are_read_and_merged_with_others() {
    // Spans are written anew, or moved as they are.
    [1 << 20, 0].into_iter().for_each(check_first_format);
}

fn check_first_format(merge_part_bytes_min: u64) {
    let dir = tempfile::tempdir().unwrap();
    let config = Config {
        merge_fan_in: 4,
        merge_part_bytes_min,
        ..Config::default()
    };
    let rng = &mut ChaCha8Rng::seed_from_u64(3);
    let mut sent: BTreeSet<(u64, Around)> = BTreeSet::new();
    for position in 0..4 {
        let store = open(dir.path(), &config);
        let payload = loop {
            let (payload, spans) = strange_payload(rng, 4);
            if spans.len() > 5 {
                break payload;
            }
        };
        let each = |id, span: crate::raw::RawSpan| {
            let context = &span.context;
            let shells = [&context.resource, &context.scope].map(|shell| shell.bytes.to_vec());
            let [resource, scope] = shells;
            let trace = (0..4).find(|trace| trace_id(*trace) == id).unwrap();
            sent.insert((trace, (resource, scope, span.bytes.to_vec())));
        };
        split(&payload.clone().into(), each, |_| {}).unwrap();
        apply(&store, position, payload);
        store.seal(UnixNanos(0)).unwrap();
        drop(store);
        if position == 1 {
            make_old(dir.path());
        }
    }
    let store = open(dir.path(), &config);
    for segments in [4, 1] {
        assert_eq!(store.stats().segments, segments);
        for trace in 0..4 {
            let otlp = store.otlp(&tenant(), &trace_id(trace)).unwrap();
            let expected = sent.iter().filter(|(of, _)| *of == trace);
            let expected: BTreeSet<Around> = expected.map(|(_, one)| one.clone()).collect();
            assert_eq!(taken_apart(&otlp.unwrap().bytes), expected);
        }
        store.merge_all().unwrap();
    }
}

/// Who searches holds them for longer than the spans; a slice of a value would hold the block.
#[test]
fn what_spans_of_the_first_format_share_is_copied_once_out_of_their_value() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path(), &Config::default());
    let mut one = of_resource(vec![otlp::kv("a", "b")], Vec::new());
    let scope = |n: u64| ScopeSpans {
        spans: vec![span(1, 2 * n + 1), span(1, 2 * n + 2)],
        schema_url: format!("https://schema/{n}"),
        ..ScopeSpans::default()
    };
    one.scope_spans = (0..10).map(scope).collect();
    let resource_spans = vec![one];
    apply(&store, 0, TracesData { resource_spans }.encode_to_vec());
    store.seal(UnixNanos(0)).unwrap();
    drop(store);
    make_old(dir.path());
    let (segments, manifest) = SegmentDir::open(dir.path()).unwrap();
    let meta = &manifest.segments[0];
    let cache = Arc::new(ShellCache::new(1 << 20));
    let path = segments.path(&meta.tenant, meta.id);
    let segment = Segment::open(&path, meta.clone(), &cache).unwrap();
    let mut spans = Vec::new();
    let read = segment.spans_of(&trace_id(1), usize::MAX, &mut spans);
    assert!(read.is_ok() && spans.len() == 20);
    let contexts: BTreeSet<_> = spans.iter().map(|s| Arc::as_ptr(&s.context)).collect();
    let resources = spans.iter().map(|s| Arc::as_ptr(&s.context.resource));
    let resources: BTreeSet<_> = resources.collect();
    assert_eq!((contexts.len(), resources.len()), (10, 1));
    for span in &spans {
        let Context { resource, scope } = &*span.context;
        assert!(!resource.bytes.is_empty() && !scope.bytes.is_empty());
        for shell in [resource, scope] {
            assert_eq!(shell.bytes_apart(), shell.bytes.len());
        }
    }
}

#[test]
fn a_segment_of_a_later_format_stops_the_start_and_stays_where_it_is() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path(), &Config::default());
    let resource_spans = vec![of_resource(Vec::new(), vec![span(1, 1)])];
    apply(&store, 0, TracesData { resource_spans }.encode_to_vec());
    store.seal(UnixNanos(0)).unwrap();
    drop(store);
    let (segments, mut manifest) = SegmentDir::open(dir.path()).unwrap();
    manifest.segments[0].extra["format"] = 4.into();
    segments.swap(&manifest).unwrap();
    drop(segments);
    let opened = TraceStore::open(
        dir.path(),
        &Config::default(),
        &mut Registry::default(),
        UnixNanos(0),
    );
    let error = opened.unwrap_err();
    assert!(matches!(error, OpenError::Segment { .. }));
    assert!(error.to_string().contains("format 4"), "{error}");
}

#[test]
fn a_shell_is_what_lies_around_however_it_is_spread() {
    let check = |message: &[u8], expected: &[u8]| {
        let payload = field(1, message).into();
        let mut found = None;
        split(&payload, |_, span| found = Some(span), |_| {}).unwrap();
        let found: Arc<Shell> = Arc::clone(&found.unwrap().context.resource);
        assert_eq!(found.bytes, expected);
        let is_within =
            expected.is_empty() || payload.as_ptr_range().contains(&found.bytes.as_ptr());
        assert_eq!(
            found.bytes_apart(),
            if is_within { 0 } else { expected.len() }
        );
    };
    let scopes = field(2, &field(2, &span(1, 1).encode_to_vec()));
    let (resource, schema) = (field(1, b""), field(3, b"https://schema"));
    check(&scopes, b"");
    check(&[&resource[..], &scopes].concat(), &resource);
    check(&[&scopes[..], &schema].concat(), &schema);
    let both = [&resource[..], &schema].concat();
    check(&[&both[..], &scopes, &scopes].concat(), &both);
    check(&[&resource[..], &scopes, &schema].concat(), &both);
    let spread = [&resource[..], &scopes, &schema, &scopes, &resource].concat();
    check(&spread, &[&both[..], &resource].concat());
}

#[test]
fn a_large_trace_is_written_in_pieces_which_repeat_its_resource_seldom() {
    let pieces = |resource: usize| {
        let attributes = vec![otlp::kv("noise", noise(resource))];
        let spans = (0..400).map(|n| Span {
            name: "x".repeat(20_000),
            ..span(1, n + 1)
        });
        let resource_spans = vec![of_resource(attributes, spans.collect())];
        let sent = TracesData { resource_spans }.encode_to_vec();
        let mut raw = Vec::new();
        let sent: bytes::Bytes = sent.into();
        split(&sent, |_, span| raw.push(span), |_| {}).unwrap();
        let written = crate::raw::encode(&mut raw);
        assert_eq!(taken_apart(&written), taken_apart(&sent));
        assert!(written.len() < 2 * sent.len());
        let decoded = TracesData::decode(&written[..]).unwrap();
        let spans = |piece: &ResourceSpans| piece.scope_spans[0].spans.len();
        decoded.resource_spans.iter().map(spans).max().unwrap()
    };
    assert_eq!(pieces(10), (1 << 20) / 20_050);
    assert!(pieces(4 << 20) > 150);
}
