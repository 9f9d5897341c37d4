//! What is moved by a merge, and what is written anew.

use crate::segment::merge::MOVED_MAX;
use crate::tests::model::{entry, open, payload, tenant, trace_id};
use crate::{Config, TraceStore};
use opentelemetry_proto::tonic::trace::v1::Span;
use rand::distr::Alphanumeric;
use rand::{Rng as _, SeedableRng as _};
use rand_chacha::ChaCha8Rng;
use sonde_proto::UnixNanos;
use sonde_segment::blocks::Reader;
use std::fs;
use std::path::{Path, PathBuf};

fn config(merge_part_bytes_min: u64) -> Config {
    Config {
        merge_fan_in: 2,
        merge_part_bytes_min,
        ..Config::default()
    }
}

/// Seals spans of a few traces as one segment; the name tells how large it gets.
fn seal(store: &TraceStore, position: u64, name: &str) {
    let spans = (0..4).map(|n| Span {
        trace_id: trace_id(position * 2 + n).as_bytes().to_vec(),
        span_id: (position * 4 + n + 1).to_be_bytes().to_vec(),
        name: name.to_owned(),
        start_time_unix_nano: position * 100 + n,
        ..Span::default()
    });
    let service = format!("service {}", position % 3);
    store.apply(&[entry(position, &payload(&service, spans.collect()))]);
    store.seal(UnixNanos(0)).unwrap();
}

/// The files of spans that there are.
fn files(dir: &Path) -> Vec<PathBuf> {
    let segments = dir.join("segments").join(tenant().as_str());
    // Before the first seal there is no directory.
    let paths = fs::read_dir(segments).into_iter().flatten();
    let paths = paths.map(|segment| segment.unwrap().path().join("spans.blk"));
    let mut paths: Vec<PathBuf> = paths.collect();
    paths.sort();
    paths
}

fn check_traces(store: &TraceStore, segments: u64) {
    // Neighbours share two traces.
    for trace in 0..segments * 2 + 2 {
        let of = |position: u64| (position * 2..position * 2 + 4).contains(&trace);
        let expected = (0..segments).filter(|position| of(*position)).count();
        let found = store.trace(&tenant(), &trace_id(trace)).unwrap().unwrap();
        assert_eq!(found.spans.len(), expected, "of trace {trace}");
        for span in &found.spans {
            let position = (0..segments).find(|p| of(*p) && span.start.0 / 100 == *p);
            let service = format!("service {}", position.unwrap() % 3);
            assert_eq!(span.service, service);
        }
    }
    let gone = store.trace(&tenant(), &trace_id(segments * 2 + 2)).unwrap();
    assert!(gone.is_none());
}

#[test]
fn large_parts_are_moved_as_they_lie_through_every_merge_and_small_ones_become_one() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path(), &config(1000));
    // Packs to no less than the bound.
    let noise = |position: u64| -> String {
        let letters = ChaCha8Rng::seed_from_u64(position).sample_iter(Alphanumeric);
        letters.take(2000).map(char::from).collect()
    };
    let mut large: Vec<Vec<u8>> = Vec::new();
    for position in 0..6 {
        let is_large = position % 2 == 0;
        let name = if is_large {
            noise(position)
        } else {
            "small".to_owned()
        };
        let before = files(dir.path());
        seal(&store, position, &name);
        let new = files(dir.path()).into_iter().find(|f| !before.contains(f));
        let bytes = fs::read(new.unwrap()).unwrap();
        assert_eq!(bytes.len() > 1000, is_large);
        if is_large {
            large.push(bytes);
        }
        check_traces(&store, position + 1);
        store.merge_all().unwrap();
        check_traces(&store, position + 1);
        let merged = files(dir.path());
        assert_eq!(merged.len(), 1);
        let (bytes, parts) = (fs::read(&merged[0]), Reader::open_all(&merged[0]).unwrap());
        let bytes = bytes.unwrap();
        for one in &large {
            assert!(bytes.windows(one.len()).any(|window| window == one));
        }
        // The small ones are one, as soon as there are any.
        let small = usize::from(position > 0);
        assert_eq!(parts.len(), large.len() + small);
    }
    drop(store);
    let store = open(dir.path(), &config(1000));
    check_traces(&store, 6);
    // The filter of the index tells what is in none of the parts.
    let segment = &store.view(&tenant()).unwrap().segments[0];
    let strangers = 1000..6000;
    let taken = strangers.filter(|trace| segment.may_have(&trace_id(*trace)));
    assert!(taken.count() < 100);
}

#[test]
fn copies_in_moved_parts_are_read_once() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path(), &config(0));
    for position in [0, 0, 1] {
        seal(&store, store.applied_to().0 * 100, "first");
        let again = store.applied_to();
        let spans = vec![Span {
            trace_id: trace_id(7_000).as_bytes().to_vec(),
            span_id: vec![9; 8],
            ..Span::default()
        }];
        store.apply(&[entry(again.0 + position, &payload("a", spans))]);
        store.seal(UnixNanos(0)).unwrap();
    }
    store.merge_all().unwrap();
    assert_eq!(store.stats().segments, 1);
    let trace = store.trace(&tenant(), &trace_id(7_000)).unwrap().unwrap();
    assert_eq!(trace.spans.len(), 1);
}

#[test]
fn damage_does_not_spread_with_a_part_that_is_moved() {
    let of_file = |damage: fn(&mut [u8])| {
        let dir = tempfile::tempdir().unwrap();
        let store = open(dir.path(), &config(0));
        for position in 0..2 {
            seal(&store, position, "span");
        }
        let file = &files(dir.path())[1];
        let mut bytes = fs::read(file).unwrap();
        damage(&mut bytes);
        fs::write(file, bytes).unwrap();
        store.merge_all().unwrap();
        let stats = store.stats();
        assert_eq!((stats.segments, stats.quarantined), (1, 1));
    };
    // In a block, and in what was read when the file was opened.
    of_file(|bytes| bytes[12] ^= 1);
    of_file(|bytes| bytes[bytes.len() - 20] ^= 1);
}

#[test]
fn there_are_never_more_parts_than_a_lookup_bears() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path(), &config(0));
    let segments = MOVED_MAX + 12;
    let mut most = 0;
    for position in 0..segments {
        seal(&store, position, "span");
        if position % 10 == 9 {
            store.merge_all().unwrap();
            let merged = files(dir.path());
            assert_eq!(merged.len(), 1);
            let parts = Reader::open_all(&merged[0]).unwrap().len() as u64;
            // Parts that are as large as the others are moved as long as they are not too many.
            assert!(parts == position + 1 || position >= MOVED_MAX);
            most = parts.max(most);
        }
    }
    store.merge_all().unwrap();
    check_traces(&store, segments);
    let parts = Reader::open_all(&files(dir.path())[0]).unwrap().len() as u64;
    assert!(parts < most && most <= MOVED_MAX + 1, "{parts} of {most}");
}
