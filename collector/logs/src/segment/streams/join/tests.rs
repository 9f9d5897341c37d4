//! Lists joined as they lie, against the streams themselves put in order.

use super::super::{write, write_raw};
use super::*;
use crate::segment::packing::Packer;
use crate::stream::{Ordinals, Stream, StreamPool};
use rand::{Rng as _, SeedableRng as _};
use rand_chacha::ChaCha8Rng;
use std::sync::{Arc, OnceLock};
use tantivy::directory::OwnedBytes;

fn opened(file: Vec<u8>) -> Streams {
    let pool = Arc::new(StreamPool::new(u64::MAX));
    Streams::new(OwnedBytes::new(file), &pool, &Arc::new(OnceLock::new()))
}

fn packer() -> Packer {
    Packer::new().unwrap()
}

fn is_of(list: usize, found: &Result<JoinedStreams, ListsError>) -> bool {
    matches!(found, Err(ListsError::Damaged(at, _)) if *at == list)
}

/// Streams that are much alike, some with zeros in their texts, so that their order is told
/// by the last of what they have.
fn random(rng: &mut ChaCha8Rng) -> Arc<Stream> {
    let mut text = || ["a", "b", "a\0b", "ä", "abc\0"][rng.random_range(0..5)].to_owned();
    let names = ["a", "b", "b\0a"];
    let labels: Vec<(&str, String)> = names.into_iter().map(|name| (name, text())).collect();
    let resource = [("os".to_owned(), text()), (text(), text())];
    let some = rng.random_range(0..=3);
    Arc::new(Stream {
        labels: labels.into_iter().take(some).collect(),
        resource: resource.into_iter().take(some % 3).collect(),
        level: Level::of_number(rng.random_range(0..3)).unwrap(),
    })
}

#[test]
fn joined_lists_are_the_streams_of_all_in_their_order() {
    let mut rng = ChaCha8Rng::seed_from_u64(1);
    for round in 0..60 {
        let lists = rng.random_range(1..6);
        let lists: Vec<Vec<Arc<Stream>>> = (0..lists)
            .map(|_| {
                let count = rng.random_range(0..=round * 4);
                let all: Vec<_> = (0..count).map(|_| random(&mut rng)).collect();
                Ordinals::of_all(all.iter()).0
            })
            .collect();
        let written = lists.iter().map(|list| opened(write(list, &mut packer())));
        let written: Vec<Streams> = written.collect();
        let joined = join(&written.iter().collect::<Vec<_>>()).unwrap();
        let (expected, ordinals) = Ordinals::of_all(lists.iter().flatten());
        let file = opened(joined.file);
        assert_eq!(
            file.raw().unwrap(),
            opened(write(&expected, &mut packer())).raw().unwrap()
        );
        assert_eq!(*file.all().unwrap(), *expected);
        // What was joined can be joined again.
        assert_eq!(
            join(&[&file, &file]).unwrap().ordinals[1].len(),
            expected.len()
        );
        for (list, found) in lists.iter().zip(joined.ordinals) {
            let expected: Vec<u32> = list.iter().map(|stream| ordinals.of(stream)).collect();
            assert_eq!(found, expected);
        }
    }
}

#[test]
fn a_list_in_another_order_or_that_ends_early_is_damage_of_its_own() {
    let mut rng = ChaCha8Rng::seed_from_u64(2);
    let all: Vec<_> = (0..40).map(|_| random(&mut rng)).collect();
    let (right, _) = Ordinals::of_all(all.iter());
    let good = opened(write(&right, &mut packer()));
    let mut swapped = right.clone();
    swapped.swap(3, 4);
    let mut twice = right.clone();
    twice.insert(5, Arc::clone(&right[5]));
    for bad in [swapped, twice] {
        let bad = opened(write(&bad, &mut packer()));
        let found = join(&[&good, &bad, &good]);
        assert!(is_of(1, &found));
    }
    let raw = good.raw().unwrap();
    for cut in 0..raw.len() {
        let bad = opened(write_raw(&raw[..cut], &mut packer()));
        let found = join(&[&good, &bad]);
        assert!(is_of(1, &found), "{cut}");
    }
}

#[test]
fn streams_longer_than_what_is_unpacked_at_once_are_joined() {
    let stream = |n: usize| {
        Arc::new(Stream {
            labels: [("a", format!("{n}{}", "x".repeat(n * UNPACKED / 2)))]
                .into_iter()
                .collect(),
            resource: Arc::default(),
            level: Level::Info,
        })
    };
    let all: Vec<_> = (0..9).map(stream).collect();
    let lists = [&all[..7], &all[3..]].map(|some| Ordinals::of_all(some.iter()).0);
    let written = lists.map(|list| opened(write(&list, &mut packer())));
    let joined = join(&[&written[0], &written[1]]).unwrap();
    let (expected, _) = Ordinals::of_all(all.iter());
    assert_eq!(*opened(joined.file).all().unwrap(), *expected);
}
