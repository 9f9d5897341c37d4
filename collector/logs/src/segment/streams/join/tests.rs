//! Lists joined as they lie, against the streams themselves put in order.

use super::super::{SECTION_BYTES, write};
use super::*;
use crate::stream::{Ordinals, Stream, StreamPool};
use rand::{Rng as _, SeedableRng as _};
use rand_chacha::ChaCha8Rng;
use std::sync::Arc;
use tantivy::directory::OwnedBytes;

fn open(file: Vec<u8>) -> Result<Streams, Damage> {
    let pool = Arc::new(StreamPool::new(u64::MAX));
    Streams::open(OwnedBytes::new(file), &pool, &Arc::default())
}

fn opened(file: Vec<u8>) -> Streams {
    open(file).unwrap()
}

fn written(streams: &[Arc<Stream>]) -> Vec<u8> {
    write(streams).unwrap().unwrap()
}

fn is_of(list: usize, found: &Result<JoinedStreams, ListsError>) -> bool {
    matches!(found, Err(ListsError::Damaged(at, _)) if *at == list)
}

/// What is done to the index of a list.
type Change<'a> = &'a dyn Fn(&mut [u8]);

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
                // Up to three sections.
                let count = rng.random_range(0..=round * 10);
                let all: Vec<_> = (0..count).map(|_| random(&mut rng)).collect();
                Ordinals::of_all(all.iter()).0
            })
            .collect();
        let files = lists.iter().map(|list| opened(written(list)));
        let files: Vec<Streams> = files.collect();
        let joined = join(&files.iter().collect::<Vec<_>>()).unwrap();
        let (expected, ordinals) = Ordinals::of_all(lists.iter().flatten());
        assert_eq!(joined.file, written(&expected));
        let file = opened(joined.file);
        file.check().unwrap();
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
fn a_list_in_another_order_is_damage_of_its_own() {
    let mut rng = ChaCha8Rng::seed_from_u64(2);
    let all: Vec<_> = (0..40).map(|_| random(&mut rng)).collect();
    let (right, _) = Ordinals::of_all(all.iter());
    let good = opened(written(&right));
    let mut swapped = right.clone();
    swapped.swap(3, 4);
    let mut twice = right.clone();
    twice.insert(5, Arc::clone(&right[5]));
    for bad in [swapped, twice] {
        let bad = opened(written(&bad));
        let found = join(&[&good, &bad, &good]);
        assert!(is_of(1, &found));
    }
}

#[test]
fn any_byte_of_a_list_that_is_another_is_damage_of_its_own() {
    let mut rng = ChaCha8Rng::seed_from_u64(3);
    let all: Vec<_> = (0..900).map(|_| random(&mut rng)).collect();
    let (right, _) = Ordinals::of_all(all.iter());
    let file = written(&right);
    let good = opened(file.clone());
    assert!(good.sections() > 1);
    for at in 0..file.len() {
        let mut bad = file.clone();
        bad[at] ^= 1 << (at % 8);
        let Ok(bad) = open(bad) else { continue };
        bad.check().unwrap_err();
        bad.all().unwrap_err();
        assert!(is_of(1, &join(&[&good, &bad])), "{at}");
    }
    for cut in [0, 3, 15, 16, 17, file.len() / 2, file.len() - 1] {
        let bad = open(file[..cut].to_vec());
        assert!(
            bad.is_err() || bad.is_ok_and(|bad| bad.check().is_err()),
            "{cut}"
        );
    }
}

#[test]
fn a_list_that_says_of_itself_what_is_not_so_is_damage() {
    let mut rng = ChaCha8Rng::seed_from_u64(4);
    let all: Vec<_> = (0..900).map(|_| random(&mut rng)).collect();
    let (right, _) = Ordinals::of_all(all.iter());
    let file = written(&right);
    let good = opened(file.clone());
    let index = file.len() - 4;
    let sealed = |change: Change<'_>| {
        let mut file = file.clone();
        change(&mut file[good.entries..index]);
        let checksum = crc32c::crc32c(&file[good.entries..index]);
        file[index..].copy_from_slice(&checksum.to_le_bytes());
        opened(file)
    };
    // How many streams there are, where a section begins, how long it is, which stream is first.
    let of_end = index - good.entries - 8;
    let changes: [Change<'_>; 5] = [
        &|index| index[of_end] ^= 1,
        &|index| index[4] ^= 1,
        &|index| index[12] ^= 1,
        &|index| index[16] ^= 1,
        &|index| index[28] ^= 1,
    ];
    for change in changes {
        let bad = sealed(change);
        bad.all().unwrap_err();
    }
    sealed(&|_| {}).all().unwrap();
}

#[test]
fn streams_longer_than_a_section_are_joined() {
    let stream = |n: usize| {
        Arc::new(Stream {
            labels: [("a", format!("{n}{}", "x".repeat(n * SECTION_BYTES / 2)))]
                .into_iter()
                .collect(),
            resource: Arc::default(),
            level: Level::Info,
        })
    };
    let all: Vec<_> = (0..9).map(stream).collect();
    let lists = [&all[..7], &all[3..]].map(|some| Ordinals::of_all(some.iter()).0);
    let files = lists.map(|list| opened(written(&list)));
    let joined = join(&[&files[0], &files[1]]).unwrap();
    let (expected, _) = Ordinals::of_all(all.iter());
    assert_eq!(*opened(joined.file).all().unwrap(), *expected);
}
