//! Segments whose samples say since when they count.

use super::native::{mixed, read};
use super::{Model, model, write};
use crate::Samples;
use crate::segment::{CHUNK_SAMPLES_MAX, STARTS_VERSION, Segment, SegmentError};
use rand::seq::IndexedRandom as _;
use rand::{Rng as _, SeedableRng as _};
use rand_chacha::ChaCha8Rng;

/// Lets most samples of most series say it: mostly the same, and sometimes their own.
fn said(mut all: Model, seed: u64) -> Model {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    for (n, samples) in all.values_mut().enumerate() {
        if n % 4 == 0 {
            continue;
        }
        let mut start = -1_000_000;
        let mut next = |time: i64| {
            if rng.random_range(0..200u8) == 0 {
                start = *[0, time - 7, start].choose(&mut rng).unwrap();
            }
            if n % 4 == 1 { time - 1 } else { start }
        };
        for at in 0..samples.times.len() {
            let start = next(samples.times[at]);
            samples.set_start(at, start);
        }
        for sample in &mut samples.histograms {
            sample.start = next(sample.time);
        }
    }
    all
}

#[test]
fn what_they_say_comes_back_and_the_version_tells_that_any_does() {
    let dir = tempfile::tempdir().unwrap();
    for (seed, all) in [(1, model(1)), (2, mixed(2))] {
        let path = dir.path().join(seed.to_string());
        let wanted = said(all, seed);
        let meta = write(&path, &wanted);
        let bytes = std::fs::read(&path).unwrap();
        assert_eq!(bytes[bytes.len() - 8], STARTS_VERSION as u8);
        let segment = Segment::open(&path, meta).unwrap();
        assert!(read(&segment).unwrap() == wanted, "{seed}");
    }
}

#[test]
fn a_series_whose_start_stays_takes_some_bytes_more_for_each_chunk_and_others_none() {
    let dir = tempfile::tempdir().unwrap();
    let size = |start: i64| {
        let mut samples = Samples::default();
        for t in 0..CHUNK_SAMPLES_MAX as i64 {
            samples.push_since(1_700_000_000_000 + t * 15_000, (t % 7) as f64, start);
        }
        let path = dir.path().join("one");
        let labels = [("n", "1")].into_iter().collect();
        write(&path, &Model::from([(labels, samples)])).bytes
    };
    let more = size(1_699_990_000_000) - size(0);
    assert!((8..=14).contains(&more), "{more}");
}

#[test]
fn a_byte_changed_anywhere_is_found_and_never_served() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("whole");
    let mut small = said(mixed(1), 1);
    small.retain(|_, samples| samples.len() < 60 && samples.has_starts());
    while small.len() > 4 {
        small.pop_last();
    }
    let meta = write(&path, &small);
    let whole = std::fs::read(&path).unwrap();
    for at in (0..whole.len()).step_by(7) {
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
            // Lists of labels are read only by who asks for one.
            Ok(read) => assert!(read == small, "{at}"),
        }
    }
}

#[test]
fn starts_that_contradict_their_samples_leave_nothing_behind() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("segment");
    let (mut few, mut many) = (Samples::default(), Samples::default());
    (0..3).for_each(|t| few.push_since(t, 1.0, -5));
    (0..4).for_each(|t| many.push_since(t, 1.0, -5));
    let labels = |n: &str| [("n", n)].into_iter().collect();
    let all = Model::from([(labels("1"), few), (labels("2"), many)]);
    let segment = Segment::open(&path, write(&path, &all)).unwrap();
    let index = segment.index().unwrap();
    let (few, many) = (index.chunks(0)[0], index.chunks(1)[0]);
    let mut samples = Samples::default();
    samples.push_since(1, 1.0, -9);
    let before = samples.clone();
    let bad = super::super::ChunkRef {
        values: many.values,
        ..few
    };
    assert!(segment.read(&bad, &mut samples).is_err());
    assert_eq!(samples, before);
    segment.read(&many, &mut samples).unwrap();
    assert_eq!([samples.start(0), samples.start(1)], [-9, -5]);
}
