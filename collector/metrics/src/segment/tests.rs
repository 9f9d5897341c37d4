//! Segments: what is read is what was written; damage is found and costs no more than itself.

mod native;
mod starts;

use super::directory::Directory;
use super::sections::Place;
use super::values::Values;
use super::{BLOCK_SERIES, CHUNK_SAMPLES_MAX, FOOTER, IndexCache, Segment, SegmentWriter};
use super::{SeriesBlock, VERSION};
use crate::Samples;
use crate::postings::Index as _;
use crate::symbols::{Symbol, Symbols};
use proptest::prelude::*;
use rand::{Rng as _, SeedableRng as _};
use rand_chacha::ChaCha8Rng;
use sonde_proto::{Labels, MatchOp, Matcher, Position, Tenant, UnixNanos};
use sonde_segment::SegmentMeta;
use std::collections::{BTreeMap, BTreeSet};
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
    let texts = model
        .keys()
        .flat_map(Labels::iter)
        .flat_map(|(n, v)| [n, v]);
    let texts: BTreeSet<&str> = texts.collect();
    let symbols = Symbols::sorted(texts.into_iter());
    let mut writer = SegmentWriter::create(path, &symbols).unwrap();
    for (labels, samples) in model {
        let symbol = |text| symbols.find(text).unwrap();
        let pairs: Vec<(Symbol, Symbol)> =
            labels.iter().map(|(n, v)| (symbol(n), symbol(v))).collect();
        writer.add(&pairs, samples).unwrap();
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
    let index = segment.index()?;
    let symbols = index.read_symbols()?;
    let mut all = Model::new();
    for block in 0..index.blocks() {
        let block = index.read_block(block)?;
        for at in 0..block.len() {
            let mut samples = Samples::default();
            for chunk in block.chunks(at) {
                segment.read(chunk, &mut samples)?;
                assert_eq!(samples.times.last(), Some(&chunk.last));
            }
            let text = |symbol: &Symbol| symbols.text(*symbol);
            let labels = block.pairs(at).iter().map(|(n, v)| (text(n), text(v)));
            all.insert(labels.collect(), samples);
        }
    }
    // The lists of series per label are read only by who asks for one.
    for (labels, id) in all.keys().zip(0..) {
        let equal = |(n, v): (&str, &str)| Matcher::new(n, MatchOp::Equal, v).unwrap();
        let found = index.matching(&labels.iter().map(equal).collect::<Vec<_>>());
        if !segment.is_damaged() {
            assert!(found.contains(&id), "{labels}");
        }
    }
    if segment.is_damaged() {
        Err(super::SegmentError::Checksum)
    } else {
        Ok(all)
    }
}

#[test]
fn a_segment_reads_as_it_was_written() {
    let dir = tempfile::tempdir().unwrap();
    for seed in 0..5 {
        let (path, model) = (dir.path().join(seed.to_string()), model(seed));
        let meta = write(&path, &model);
        let segment = Segment::open(&path, meta).unwrap();
        segment.check_directory().unwrap();
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

/// More series than a section has, with labels of few values and of many.
fn many() -> Model {
    let series = |n: u32| {
        let labels = [
            ("__name__", format!("m{}", n % 3)),
            ("job", "same".to_owned()),
            ("n", format!("{n:05}")),
            (
                "odd",
                if n.is_multiple_of(2) { "" } else { "yes" }.to_owned(),
            ),
        ];
        let mut samples = Samples::default();
        samples.push(i64::from(n), f64::from(n));
        (labels.into_iter().collect(), samples)
    };
    (0..3 * BLOCK_SERIES + 7).map(series).collect()
}

#[test]
fn an_index_answers_as_all_the_labels_would() {
    let dir = tempfile::tempdir().unwrap();
    let (path, model) = (dir.path().join("segment"), many());
    let segment = Segment::open(&path, write(&path, &model)).unwrap();
    assert!(read(&segment).unwrap() == model);
    let index = segment.index().unwrap();
    let matcher = |name, op, value| Matcher::new(name, op, value).unwrap();
    for matchers in [
        vec![],
        vec![matcher("job", MatchOp::Equal, "same")],
        vec![matcher("job", MatchOp::Equal, "other")],
        vec![matcher("none", MatchOp::Equal, "")],
        vec![matcher("none", MatchOp::Equal, "x")],
        vec![matcher("odd", MatchOp::Equal, "")],
        vec![matcher("n", MatchOp::Equal, "00700")],
        vec![
            matcher("__name__", MatchOp::Equal, "m1"),
            matcher("odd", MatchOp::Equal, "yes"),
            matcher("n", MatchOp::Regex, "0.*5"),
        ],
        vec![
            matcher("__name__", MatchOp::NotEqual, "m1"),
            matcher("odd", MatchOp::NotRegex, "y.*"),
        ],
    ] {
        let found = index.matching(&matchers).into_iter();
        let found: Vec<Labels> = found.map(|id| index.labels(id)).collect();
        let is_wanted = |l: &&Labels| matchers.iter().all(|m| m.matches_labels(l));
        let wanted: Vec<Labels> = model.keys().filter(is_wanted).cloned().collect();
        assert_eq!(found, wanted, "{matchers:?}");
    }
    for (labels, id) in model.keys().zip(0..) {
        assert_eq!(index.series(labels), Some(id));
    }
    for pairs in [
        &[("job", "same")][..],
        &[],
        &[("a", "b")],
        &[("job", "yes")],
    ] {
        assert_eq!(index.series(&pairs.iter().copied().collect()), None);
    }
}

#[test]
fn a_question_reads_only_what_it_needs() {
    let dir = tempfile::tempdir().unwrap();
    let (path, model) = (dir.path().join("segment"), many());
    let segment = Segment::open(&path, write(&path, &model)).unwrap();
    let all = segment.index().unwrap();
    (0..all.count()).for_each(|id| assert_eq!(all.chunks(id).len(), 1));
    let index = segment.index().unwrap();
    let unread = index.bytes();
    let one = Matcher::new("n", MatchOp::Equal, "00700").unwrap();
    let found = index.matching(&[one]);
    assert_eq!((found.len(), index.chunks(found[0]).len()), (1, 1));
    assert!(index.bytes() > unread);
    let (some, all) = (index.bytes() - unread, all.bytes() - unread);
    assert!(some * 3 < all * 2, "{some} of {all}");
}

#[test]
fn a_section_that_is_damaged_is_left_out_and_noted() {
    let dir = tempfile::tempdir().unwrap();
    let (path, model) = (dir.path().join("segment"), many());
    let meta = write(&path, &model);
    let columns: u64 = {
        let segment = Segment::open(&path, meta.clone()).unwrap();
        let index = segment.index().unwrap();
        let chunk = index.chunks(BLOCK_SERIES - 1)[0];
        chunk.values.0 + u64::from(chunk.values.1) + 4
    };
    let mut bytes = std::fs::read(&path).unwrap();
    bytes[columns as usize + 10] ^= 1;
    std::fs::write(&path, &bytes).unwrap();
    let segment = Segment::open(&path, meta).unwrap();
    segment.check_directory().unwrap();
    let index = segment.index().unwrap();
    assert!(!segment.is_damaged());
    let read = (0..index.count()).filter(|id| !index.chunks(*id).is_empty());
    assert_eq!(read.count(), model.len() - BLOCK_SERIES as usize);
    assert!(segment.is_damaged());
    assert_eq!(index.pairs(0), &[]);
}

#[test]
fn another_version_is_told_from_damage() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("segment");
    let meta = write(&path, &model(1));
    let mut bytes = std::fs::read(&path).unwrap();
    let at = bytes.len() - 8;
    assert_eq!(bytes[at], VERSION as u8);
    bytes[at] = 1;
    std::fs::write(&path, &bytes).unwrap();
    let error = Segment::open(&path, meta).unwrap_err();
    assert!(!error.is_damage());
    assert!(error.to_string().contains("version 1"), "{error}");
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
            segment.check_directory()?;
            read(&segment)
        });
        match read {
            Err(super::SegmentError::Version(_)) => assert!(at >= whole.len() - 8, "{at}"),
            Err(error) => assert!(error.is_damage(), "{at}: {error}"),
            // Only the size that is reserved to unpack the directory may be larger than needed.
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
        let opened = Segment::open(&path, meta.clone()).and_then(|s| s.check_directory());
        assert!(opened.is_err_and(|error| error.is_damage()), "{length}");
    }
}

#[test]
fn a_chunk_that_cannot_be_read_leaves_nothing_behind() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("segment");
    let meta = write(&path, &model(3));
    let segment = Segment::open(&path, meta).unwrap();
    let index = segment.index().unwrap();
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
    let get = |cache: &IndexCache, n: usize| {
        let index = cache.get(&segments[n]).unwrap();
        (0..index.count()).for_each(|id| assert!(!index.chunks(id).is_empty()));
        index
    };
    let bytes = get(&IndexCache::new(0), 0).bytes();
    let cache = IndexCache::new(bytes * 5 / 2);
    let get = |n: usize| get(&cache, n);
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
    get(1);
    assert!(!Arc::ptr_eq(&first, &get(0)), "too many others came");
    let second = get(0);
    cache.forget(&[0]);
    assert!(!Arc::ptr_eq(&second, &get(0)));
    let none = IndexCache::new(0);
    let kept = none.get(&segments[0]).unwrap();
    none.trim();
    assert!(!Arc::ptr_eq(&kept, &none.get(&segments[0]).unwrap()));
}

#[test]
fn two_that_ask_at_once_share_what_is_read() {
    let dir = tempfile::tempdir().unwrap();
    let (path, model) = (dir.path().join("segment"), many());
    let segment = Segment::open(&path, write(&path, &model)).unwrap();
    let cache = IndexCache::new(1 << 30);
    let read = || {
        let index = cache.get(&segment).unwrap();
        (0..index.count()).for_each(|id| assert!(!index.pairs(id).is_empty()));
        index.bytes()
    };
    let alone = {
        let index = segment.index().unwrap();
        (0..index.count()).for_each(|id| assert!(!index.pairs(id).is_empty()));
        index.bytes()
    };
    std::thread::scope(|scope| {
        let all: Vec<_> = (0..4).map(|_| scope.spawn(read)).collect();
        for asked in all {
            assert_eq!(asked.join().unwrap(), alone, "each section was read once");
        }
    });
}

fn asked(bytes: &[u8]) {
    if let Ok(block) = SeriesBlock::decode(bytes, 100) {
        for at in 0..block.len() {
            let _ = (block.pairs(at).len(), block.chunks(at).len());
        }
    }
    if let Ok(values) = Values::decode(bytes, 100) {
        for at in 0..values.len() {
            let _ = values.list(at, 100);
        }
    }
    let _ = (
        Directory::decode(bytes, 1000),
        super::index::decode_symbols(bytes, 2),
    );
}

fn some_sections() -> [Vec<u8>; 3] {
    let chunk = super::ChunkRef {
        first: 1,
        last: -2,
        count: 3,
        times: (4, 5),
        values: (6, 7),
    };
    let mut block = SeriesBlock::default();
    block.add(&[(0, 1), (2, 3)], &[chunk, chunk]);
    block.add(&[(0, 2)], &[chunk]);
    assert_eq!(SeriesBlock::decode(&block.encode(), 4).unwrap(), block);
    assert!(SeriesBlock::decode(&block.encode(), 3).is_err());
    let values = Values::encode(&[(1, 0), (1, 7), (1, 8), (5, 2)]);
    let read = Values::decode(&values, 6).unwrap();
    let list = |value| read.list(read.find(value).unwrap(), 9).unwrap();
    assert_eq!(
        (list(1), list(5), read.find(2)),
        (vec![0, 7, 8], vec![2], None)
    );
    assert_eq!((read.count(0), read.count(1)), (3, 1));
    assert!(read.list(0, 8).is_err());
    let place = Place {
        offset: 3,
        length: 4,
        unpacked: 5,
        checksum: 6,
    };
    let directory = Directory {
        series: BLOCK_SERIES + 1,
        texts: 9,
        symbols: place,
        labels: vec![(1, place), (3, place)],
        blocks: vec![place, place],
    };
    let encoded = directory.encode();
    assert_eq!(Directory::decode(&encoded, 7).unwrap(), directory);
    assert!(Directory::decode(&encoded, 6).is_err());
    [block.encode(), values, encoded]
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_bytes_are_no_section_or_one_that_can_be_asked(
        bytes in prop::collection::vec(any::<u8>(), 0..300),
    ) {
        asked(&bytes);
    }

    #[test]
    fn a_section_with_bytes_changed_is_refused_or_can_be_asked(
        changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..4),
    ) {
        for mut bytes in some_sections() {
            for (at, byte) in &changes {
                let at = at.index(bytes.len());
                bytes[at] = *byte;
            }
            asked(&bytes);
        }
    }
}
