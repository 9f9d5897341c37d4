//! Segments: what is read is what was written; damage is found and costs no more than itself.

use super::{CHUNK_SAMPLES_MAX, FOOTER, IndexCache, Segment, SegmentIndex, SegmentWriter};
use crate::Samples;
use crate::postings::Index as _;
use proptest::prelude::*;
use rand::{Rng as _, SeedableRng as _};
use rand_chacha::ChaCha8Rng;
use sonde_proto::{Labels, Position, Tenant, UnixNanos};
use sonde_segment::SegmentMeta;
use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

type Model = BTreeMap<Labels, Samples>;

/// Series with shared and own times, of lengths around the size of a chunk.
fn model(seed: u64) -> Model {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let mut all = Model::new();
    let lengths = [1, 2, CHUNK_SAMPLES_MAX - 1, CHUNK_SAMPLES_MAX, 2500];
    for n in 0..40 {
        let labels = [
            ("__name__", format!("metric_{}", n % 7)),
            ("n", n.to_string()),
            ("odd", if n % 2 == 0 { "" } else { "yes" }.to_owned()),
        ];
        let mut samples = Samples::default();
        let jitter = if n % 3 == 0 { 50 } else { 1 };
        for step in 0..lengths[n % lengths.len()] {
            let value = match rng.random_range(0..50) {
                0 => f64::NAN,
                1 => crate::stale_nan(),
                2 => f64::INFINITY,
                _ => f64::from(rng.random_range(0..1000u16)) / 8.0,
            };
            samples.push(step as i64 * 15_000 + rng.random_range(0..jitter), value);
        }
        all.insert(labels.into_iter().collect(), samples);
    }
    all
}

fn write(path: &Path, model: &Model) -> SegmentMeta {
    let mut writer = SegmentWriter::create(path).unwrap();
    for (labels, samples) in model {
        writer.add(labels.iter(), samples).unwrap();
    }
    let summary = writer.finish().unwrap();
    assert_eq!(summary.series, model.len() as u64);
    assert_eq!(
        summary.samples,
        model.values().map(|s| s.len() as u64).sum::<u64>()
    );
    assert_eq!(summary.bytes, std::fs::metadata(path).unwrap().len());
    SegmentMeta {
        id: 1,
        tenant: Tenant::default(),
        start: UnixNanos::from_millis(summary.first),
        end: UnixNanos::from_millis(summary.last),
        positions: (Position(0), Position(1)),
        bytes: summary.bytes,
        records: summary.samples,
        checksum: summary.checksum,
        extra: serde_json::Value::Null,
    }
}

fn read(segment: &Segment) -> Result<Model, super::SegmentError> {
    let index = segment.load_index()?;
    let mut all = Model::new();
    for id in 0..index.count() {
        let mut samples = Samples::default();
        for chunk in index.chunks(id) {
            segment.read(chunk, &mut samples)?;
            assert_eq!(samples.times.last(), Some(&chunk.last));
        }
        all.insert(index.labels(id), samples);
    }
    Ok(all)
}

#[test]
fn a_segment_reads_as_it_was_written() {
    let dir = tempfile::tempdir().unwrap();
    for seed in 0..5 {
        let (path, model) = (dir.path().join(seed.to_string()), model(seed));
        let meta = write(&path, &model);
        let segment = Segment::open(&path, meta).unwrap();
        segment.check_index().unwrap();
        assert!(read(&segment).unwrap() == model);
    }
}

#[test]
fn times_that_series_share_are_stored_once() {
    let dir = tempfile::tempdir().unwrap();
    let size = |shift: i64| {
        let series = |n: i64| {
            let mut samples = Samples::default();
            (0..960).for_each(|t| {
                samples.push(t * 15_000 + (t * 7919) % 100 + n * shift, t as f64);
            });
            ([("n", n.to_string())].into_iter().collect(), samples)
        };
        write(
            &dir.path().join(shift.to_string()),
            &(0..50).map(series).collect(),
        )
        .bytes
    };
    let (shared, own) = (size(0), size(1));
    assert!(shared * 2 < own, "{shared} against {own}");
}

#[test]
fn an_index_comes_back() {
    let mut index = SegmentIndex::default();
    for n in 0..100u32 {
        let chunk = super::ChunkRef {
            first: i64::from(n) - 50,
            last: i64::MAX - i64::from(n),
            count: n,
            times: (u64::from(n) << 40, n),
            values: (u64::MAX >> 20, u32::MAX),
        };
        let (n, chunks) = (n.to_string(), vec![chunk; n as usize % 3]);
        index.add([("a", n.as_str()), ("b", "same")].into_iter(), &chunks);
    }
    let read = SegmentIndex::decode(&index.encode()).unwrap();
    assert_eq!(read.count(), 100);
    for id in 0..100 {
        assert_eq!(read.labels(id), index.labels(id));
        assert_eq!(read.chunks(id), index.chunks(id));
    }
    let same = sonde_proto::Matcher::new("b", sonde_proto::MatchOp::Equal, "same").unwrap();
    assert_eq!(read.matching(&[same]).len(), 100);
}

#[test]
fn a_byte_changed_anywhere_is_found_and_never_served() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("whole");
    let mut small = model(1);
    small.retain(|_, samples| samples.len() < 10);
    let meta = write(&path, &small);
    let whole = std::fs::read(&path).unwrap();
    for at in 0..whole.len() {
        let mut bytes = whole.clone();
        bytes[at] ^= 0x10;
        std::fs::write(&path, &bytes).unwrap();
        let read = Segment::open(&path, meta.clone()).and_then(|segment| {
            segment.check_index()?;
            read(&segment)
        });
        match read {
            Err(error) => assert!(error.is_damage(), "{at}: {error}"),
            // Only the size that is reserved to unpack the index may be larger than needed.
            Ok(read) => assert!(read == small && at >= whole.len() - FOOTER, "{at}"),
        }
    }
}

#[test]
fn a_file_cut_anywhere_is_damaged() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("whole");
    let mut small = model(2);
    small.retain(|_, samples| samples.len() < 10);
    let meta = write(&path, &small);
    let whole = std::fs::read(&path).unwrap();
    for length in 0..whole.len() {
        std::fs::write(&path, &whole[..length]).unwrap();
        let opened = Segment::open(&path, meta.clone()).and_then(|s| s.check_index());
        assert!(opened.is_err_and(|error| error.is_damage()), "{length}");
    }
}

#[test]
fn a_chunk_that_cannot_be_read_leaves_nothing_behind() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("segment");
    let meta = write(&path, &model(3));
    let segment = Segment::open(&path, meta).unwrap();
    let index = segment.load_index().unwrap();
    let chunk = index.chunks(0)[0];
    let mut samples = Samples::default();
    samples.push(1, 1.0);
    for bad in [
        super::ChunkRef { count: 3, ..chunk },
        super::ChunkRef {
            times: (u64::MAX, 10),
            ..chunk
        },
        super::ChunkRef {
            values: (0, u32::MAX),
            ..chunk
        },
        super::ChunkRef {
            values: chunk.times,
            ..chunk
        },
    ] {
        assert!(segment.read(&bad, &mut samples).is_err());
        assert_eq!(samples.iter().collect::<Vec<_>>(), [(1, 1.0)]);
    }
}

#[test]
fn the_cache_of_indexes_keeps_to_its_bytes_and_the_last_used() {
    let dir = tempfile::tempdir().unwrap();
    let segments: Vec<Segment> = (0..4)
        .map(|n| {
            let path = dir.path().join(n.to_string());
            let meta = SegmentMeta {
                id: n,
                ..write(&path, &model(n))
            };
            Segment::open(&path, meta).unwrap()
        })
        .collect();
    let bytes = segments[0].load_index().unwrap().bytes();
    let cache = IndexCache::new(bytes * 5 / 2);
    let get = |n: usize| cache.get(&segments[n]).unwrap();
    let first = get(0);
    assert!(Arc::ptr_eq(&first, &get(0)));
    get(1);
    assert!(Arc::ptr_eq(&first, &get(0)), "still there");
    get(2);
    assert!(
        Arc::ptr_eq(&first, &get(0)),
        "1 was used longer ago and went"
    );
    get(1);
    get(3);
    assert!(!Arc::ptr_eq(&first, &get(0)), "too many others came");
    let second = get(0);
    cache.forget(&[0]);
    assert!(!Arc::ptr_eq(&second, &get(0)));
}

proptest! {
    #[test]
    fn any_bytes_are_no_index_or_one_that_can_be_asked(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
        if let Ok(index) = SegmentIndex::decode(&bytes) {
            for id in 0..index.count() {
                let _ = (index.labels(id), index.chunks(id).len());
            }
        }
    }

    #[test]
    fn an_index_with_bytes_changed_is_refused_or_can_be_asked(
        changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..4),
    ) {
        let mut index = SegmentIndex::default();
        let chunk = super::ChunkRef { first: 1, last: 2, count: 3, times: (4, 5), values: (6, 7) };
        index.add([("a", "1"), ("b", "2")].into_iter(), &[chunk, chunk]);
        index.add([("a", "2")].into_iter(), &[chunk]);
        let mut bytes = index.encode();
        for (at, byte) in changes {
            let at = at.index(bytes.len());
            bytes[at] = byte;
        }
        if let Ok(index) = SegmentIndex::decode(&bytes) {
            for id in 0..index.count() {
                let _ = (index.labels(id), index.chunks(id).len());
            }
        }
    }
}
