//! A segment written and read back, searched, and damaged.

mod joined;

use super::*;
use crate::config::BodyEncoding;
use crate::record::{Key, NewRecord, pack};
use crate::stream::Stream;
use proptest::prelude::*;
use rand::{Rng as _, SeedableRng as _};
use rand_chacha::ChaCha8Rng;
use sonde_proto::{Position, SpanId, Tenant, TraceId, UnixNanos};
use sonde_segment::SegmentMeta;
use std::path::Path;
use std::sync::Arc;

type Sealed = (u32, Key, Vec<u8>);

fn streams(count: usize) -> Vec<Arc<Stream>> {
    let stream = |n: usize| Stream {
        labels: [("service_name", format!("service {n:05}"))]
            .into_iter()
            .collect(),
        resource: [("os.type".to_owned(), "linux".repeat(n % 3))].into(),
        level: crate::stream::Level::Unknown,
    };
    (0..count).map(|n| Arc::new(stream(n))).collect()
}

/// Writes records (by stream and key) as a segment.
fn write(dir: &Path, streams: Vec<Arc<Stream>>, records: &[Sealed]) -> SegmentMeta {
    write_as(dir, streams, records, BodyEncoding::Templated)
}

fn write_as(
    dir: &Path,
    streams: Vec<Arc<Stream>>,
    records: &[Sealed],
    bodies: BodyEncoding,
) -> SegmentMeta {
    let common = Arc::new(Common::new(u64::MAX, bodies));
    let mut writer = SegmentWriter::create(dir, streams, &common).unwrap();
    for (stream, key, packed) in records {
        writer.add(*key, *stream, packed).unwrap();
    }
    let written = writer.finish().unwrap();
    SegmentMeta {
        id: 0,
        tenant: Tenant::default(),
        start: written.start,
        end: written.end,
        positions: (Position(0), Position(1)),
        bytes: written.bytes,
        records: written.records,
        checksum: 0,
        extra: serde_json::Value::Null,
    }
}

fn open(meta: &SegmentMeta, dir: &Path, verify: bool) -> Result<Arc<Segment>, Damage> {
    let common = Arc::new(Common::new(u64::MAX, BodyEncoding::default()));
    Segment::open(meta.clone(), dir, &common, verify).map(Arc::new)
}

fn read_all(segment: &Arc<Segment>) -> Result<Vec<Sealed>, Damage> {
    let mut all = Vec::new();
    for part in 0..segment.parts()? {
        let mut cursor = segment.cursor(part)?;
        while let Some(record) = cursor.record() {
            all.push((record.stream, record.key, record.packed.to_vec()));
            cursor.advance()?;
        }
    }
    Ok(all)
}

fn check_reads_back(count: usize, records: &[Sealed]) {
    let streams = streams(count);
    for bodies in [BodyEncoding::Plain, BodyEncoding::Templated] {
        let dir = tempfile::tempdir().unwrap();
        let meta = write_as(dir.path(), streams.clone(), records, bodies);
        let segment = open(&meta, dir.path(), true).unwrap();
        assert_eq!(&segment.streams().unwrap()[..], &streams[..]);
        assert!(read_all(&segment).unwrap() == records);
        let has_templates = dir.path().join(templates::FILE).exists();
        assert_eq!(has_templates, bodies == BodyEncoding::Templated);
    }
}

/// What is unusual of a record, made from a seed.
fn record(rng: &mut ChaCha8Rng, body: &[u8]) -> Vec<u8> {
    let names = ["a", "request.id", "log.record.uid", "größe", ""];
    let attributes: Vec<(String, String)> = (0..rng.random_range(0..6))
        .map(|_| {
            let name = names[rng.random_range(0..names.len())];
            (
                name.to_owned(),
                format!("value {}", rng.random_range(0..50)),
            )
        })
        .collect();
    let new = NewRecord {
        observed: UnixNanos(if rng.random_bool(0.5) {
            0
        } else {
            rng.random()
        }),
        severity: rng.random_range(0..25),
        trace_id: TraceId::from_slice(&[rng.random_range(0..9); 16]).ok(),
        span_id: SpanId::from_slice(&rng.random::<[u8; 8]>())
            .ok()
            .filter(|_| rng.random_bool(0.5)),
        body,
    };
    let mut packed = Vec::new();
    let pairs = attributes.iter().map(|(k, v)| (k.as_bytes(), v.as_bytes()));
    pack(&new, pairs, &mut packed);
    packed
}

fn random(
    seed: u64,
    streams: u32,
    count: usize,
    body: impl Fn(&mut ChaCha8Rng) -> Vec<u8>,
) -> Vec<Sealed> {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let time = |rng: &mut ChaCha8Rng| match rng.random_range(0..20) {
        0 => u64::MAX - 1,
        1 => rng.random(),
        2 => 0,
        _ => 1_700_000_000_000_000_000 + rng.random_range(0..1_000_000_000_u64),
    };
    let mut records: Vec<Sealed> = (0..count)
        .map(|n| {
            let key = Key {
                time: UnixNanos(time(&mut rng)),
                position: Position(rng.random_range(0..20)),
                index: n as u32,
            };
            let text = body(&mut rng);
            (rng.random_range(0..streams), key, record(&mut rng, &text))
        })
        .collect();
    records.sort_by_key(|(stream, key, _)| (*stream, *key));
    records
}

#[test]
fn records_of_few_and_of_many_streams_read_back() {
    let text = |rng: &mut ChaCha8Rng| {
        format!("took {}ms", rng.random::<u32>())
            .repeat(rng.random_range(0..9))
            .into_bytes()
    };
    check_reads_back(3, &random(1, 3, 9_000, text));
    check_reads_back(5_000, &random(2, 5_000, 9_000, text));
    check_reads_back(1, &random(3, 1, 40_000, |_| Vec::new()));
}

#[test]
fn bodies_of_20_mebibytes_and_random_bytes_read_back() {
    let bytes = |rng: &mut ChaCha8Rng| {
        let length = *[0, 1, 100, 300_000, 20 << 20]
            .get(rng.random_range(0..5))
            .unwrap();
        let mut bytes = vec![0; length];
        rng.fill(&mut bytes[..]);
        bytes
    };
    check_reads_back(2, &random(4, 2, 7, bytes));
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_block_gives_back_what_it_was_given(
        bodies in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..40), 1..50),
        seed: u64,
    ) {
        let records = random(seed, 4, bodies.len(), |rng| bodies[rng.random_range(0..bodies.len())].clone());
        check_reads_back(4, &records);
    }
}

#[test]
fn attributes_of_few_values_are_found_as_pairs() {
    let dir = tempfile::tempdir().unwrap();
    let record = |n: u32| {
        let new = NewRecord {
            observed: UnixNanos(0),
            severity: 0,
            trace_id: None,
            span_id: None,
            body: &[b'x'; 1000],
        };
        let (few, many) = (format!("v{}", n / 600), n.to_string());
        let mut packed = Vec::new();
        let pairs = [(&b"few"[..], few.as_bytes()), (b"many", many.as_bytes())];
        pack(&new, pairs.into_iter(), &mut packed);
        let key = Key {
            time: UnixNanos(1),
            position: Position(0),
            index: n,
        };
        (0, key, packed)
    };
    let records: Vec<Sealed> = (0..1200).map(record).collect();
    let meta = write(dir.path(), streams(1), &records);
    let segment = open(&meta, dir.path(), true).unwrap();
    let found = |pair: &str| {
        let mut blocks = Vec::new();
        segment
            .vocabulary
            .look_up_pair(pair, |block| blocks.push(block))
            .unwrap();
        blocks
    };
    assert_eq!(found("few=v0"), [0, 1, 2]);
    assert_eq!(found("few=v1"), [2, 3, 4]);
    assert!(found("few=v2").is_empty());
    assert!(found("many=7").is_empty(), "too many different values");
}

/// All files of a segment but those that tantivy hides.
fn files(dir: &Path) -> Vec<std::path::PathBuf> {
    let mut files = Vec::new();
    for entry in std::fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            files.extend(self::files(&path));
        } else if !path.file_name().unwrap().to_string_lossy().starts_with('.') {
            files.push(path);
        }
    }
    files.sort();
    files
}

#[test]
fn a_changed_byte_of_any_file_is_damage_or_changes_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let records = random(5, 3, 40, |rng| {
        format!("line {:08x}", rng.random::<u32>()).into_bytes()
    });
    let meta = write(dir.path(), streams(3), &records);
    check_every_byte(dir.path(), &meta, &records);
}

/// A changed byte of any file of a segment with these records is damage or changes nothing.
fn check_every_byte(dir: &Path, meta: &SegmentMeta, records: &[Sealed]) {
    for file in files(dir) {
        let good = std::fs::read(&file).unwrap();
        // Every opening of tantivy's index takes its time, so of the middle some bytes only.
        let edge = |at: &usize| *at < 48 || at + 48 > good.len() || at.is_multiple_of(13);
        for at in (0..good.len()).filter(edge) {
            let mut bytes = good.clone();
            bytes[at] ^= 1 << (at % 8);
            std::fs::write(&file, &bytes).unwrap();
            let name = file.display();
            assert!(open(meta, dir, true).is_err(), "{name} byte {at}");
            // Opened without a look at all checksums: right, or reported when it is read.
            if let Ok(read) = open(meta, dir, false).and_then(|s| read_all(&s)) {
                assert!(read == records, "{name} byte {at}");
            }
        }
        std::fs::write(&file, &good[..good.len() / 2]).unwrap();
        assert!(open(meta, dir, true).is_err(), "{} cut", file.display());
        std::fs::remove_file(&file).unwrap();
        assert!(open(meta, dir, true).is_err(), "{} gone", file.display());
        std::fs::write(&file, &good).unwrap();
    }
    assert!(open(meta, dir, true).is_ok());
}
