//! Segments with histograms.

use super::{Model, model, write};
use crate::Samples;
use crate::segment::{CHUNK_SAMPLES_MAX, HISTOGRAMS_VERSION, Segment, SegmentError, VERSION};
use crate::testing::native::{any_histogram, latencies};
use proptest::strategy::{Strategy as _, ValueTree as _};
use proptest::test_runner::{Config, TestRng, TestRunner};
use rand::{Rng as _, SeedableRng as _};
use rand_chacha::ChaCha8Rng;
use std::sync::Arc;

/// Series of floats, of histograms, and of both.
pub(super) fn mixed(seed: u64) -> Model {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let of_proptest = TestRng::deterministic_rng(proptest::test_runner::RngAlgorithm::ChaCha);
    let mut runner = TestRunner::new_with_rng(Config::default(), of_proptest);
    let mut all = model(seed);
    let long = latencies(seed, CHUNK_SAMPLES_MAX + 1);
    for (n, samples) in all.values_mut().enumerate() {
        if n % 3 == 0 {
            continue;
        }
        if n % 3 == 1 {
            samples.clear();
        }
        let from = samples.times.last().map_or(0, |last| last + 1);
        let count = [1, 30, CHUNK_SAMPLES_MAX + 1][n % 3];
        if n % 2 == 0 {
            samples.histograms = long[..count].to_vec();
            continue;
        }
        for step in 0..count.min(40) {
            let mut value = any_histogram().new_tree(&mut runner).unwrap().current();
            value.sum = f64::from(rng.random_range(0..1000u16));
            samples.push_histogram(from + step as i64 * 15_000, Arc::new(value));
        }
    }
    all
}

pub(super) fn read(segment: &Segment) -> Result<Model, SegmentError> {
    let index = segment.index()?;
    let symbols = index.read_symbols()?;
    let mut all = Model::new();
    for block in 0..index.blocks() {
        let block = index.read_block(block)?;
        for at in 0..block.len() {
            let mut samples = Samples::default();
            for chunk in block.chunks(at) {
                let before = samples.len();
                segment.read(chunk, &mut samples)?;
                assert_eq!(samples.len() - before, chunk.count as usize);
            }
            let text = |symbol| symbols.text(symbol);
            let labels = block.pairs(at).iter().map(|(n, v)| (text(*n), text(*v)));
            all.insert(labels.collect(), samples);
        }
    }
    Ok(all)
}

#[test]
fn floats_and_histograms_come_back_and_the_version_says_whether_there_are_any() {
    let dir = tempfile::tempdir().unwrap();
    for (seed, is_mixed) in [(1, true), (2, true), (3, false)] {
        let path = dir.path().join(seed.to_string());
        let wanted = if is_mixed { mixed(seed) } else { model(seed) };
        let meta = write(&path, &wanted);
        let bytes = std::fs::read(&path).unwrap();
        let version = if is_mixed {
            HISTOGRAMS_VERSION
        } else {
            VERSION
        };
        assert_eq!(bytes[bytes.len() - 8], version as u8);
        let segment = Segment::open(&path, meta).unwrap();
        assert!(read(&segment).unwrap() == wanted, "{seed}");
    }
}

#[test]
fn a_byte_of_histograms_changed_anywhere_is_found_and_never_served() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("whole");
    let mut small = mixed(1);
    small.retain(|_, samples| samples.len() < 60 && !samples.histograms.is_empty());
    while small.len() > 5 {
        small.pop_last();
    }
    let meta = write(&path, &small);
    let whole = std::fs::read(&path).unwrap();
    let index = Segment::open(&path, meta.clone()).unwrap().index().unwrap();
    let block = index.read_block(0).unwrap();
    let ends = (0..block.len()).flat_map(|at| block.chunks(at));
    let columns = ends.map(|chunk| chunk.values.0 + u64::from(chunk.values.1) + 4);
    let columns = columns.max().unwrap() as usize;
    assert!(columns > 1000);
    for at in (0..whole.len()).step_by(11) {
        let mut bytes = whole.clone();
        bytes[at] ^= 0x04;
        std::fs::write(&path, &bytes).unwrap();
        let read = Segment::open(&path, meta.clone()).and_then(|segment| {
            segment.check_directory()?;
            read(&segment)
        });
        match read {
            Err(SegmentError::Version(_)) => assert!(at >= whole.len() - 8, "{at}"),
            Err(error) => assert!(error.is_damage(), "{at}: {error}"),
            Ok(read) => assert!(read == small && at >= columns, "{at}"),
        }
    }
}

#[test]
fn a_chunk_of_histograms_that_cannot_be_read_leaves_nothing_behind() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("segment");
    let mut all = mixed(2);
    all.retain(|_, samples| samples.times.is_empty() && samples.histograms.len() == 30);
    let meta = write(&path, &all);
    let segment = Segment::open(&path, meta).unwrap();
    let chunk = segment.index().unwrap().chunks(0)[0];
    let mut samples = Samples::default();
    samples.push(1, 1.0);
    samples.push_histogram(2, Arc::default());
    let before = samples.clone();
    for bad in [
        super::super::ChunkRef { count: 3, ..chunk },
        super::super::ChunkRef {
            times: (0, 1),
            ..chunk
        },
        super::super::ChunkRef {
            values: chunk.times,
            ..chunk
        },
    ] {
        assert!(segment.read(&bad, &mut samples).is_err());
        assert_eq!(samples, before);
    }
    segment.read(&chunk, &mut samples).unwrap();
    assert_eq!(samples.histograms.len(), 31);
}
