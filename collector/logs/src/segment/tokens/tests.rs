//! The list of identifiers against a map, and against damage.

use super::*;
use rand::{Rng as _, SeedableRng as _};
use rand_chacha::ChaCha8Rng;
use std::collections::{BTreeMap, BTreeSet};

fn list(blocks: &[BTreeSet<u32>]) -> Vec<u8> {
    let (mut builder, mut bytes) = (TokensBuilder::default(), Vec::new());
    for (n, hashes) in (0..).zip(blocks) {
        builder.add(n, hashes.iter().map(|hash| (0, *hash)));
    }
    builder.finish(&mut bytes).unwrap();
    bytes
}

fn opened(bytes: &[u8]) -> Tokens {
    Tokens::open(OwnedBytes::new(bytes.to_vec())).unwrap()
}

fn found(tokens: &Tokens, hash: u32) -> Result<Vec<u32>, Damage> {
    let mut blocks = Vec::new();
    tokens.look_up(hash, |place| blocks.push(place.block))?;
    Ok(blocks)
}

fn random(seed: u64, blocks: usize, hashes: usize, different: u32) -> Vec<BTreeSet<u32>> {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let hash = |n: u32| n.wrapping_mul(0x9e37_79b9);
    (0..blocks)
        .map(|_| {
            (0..hashes)
                .map(|_| hash(rng.random_range(0..different)))
                .collect()
        })
        .collect()
}

#[test]
fn every_identifier_is_found_in_its_blocks_and_few_others() {
    for (blocks, hashes, different) in [
        (1, 1, 10),
        (3, 50, 60),
        (40, 300, 5000),
        (700, 1600, 1 << 20),
    ] {
        let blocks = random(1, blocks, hashes, different);
        let tokens = opened(&list(&blocks));
        tokens.check().unwrap();
        let mut expected: BTreeMap<u32, Vec<u32>> = BTreeMap::new();
        for (n, hashes) in (0..).zip(&blocks) {
            hashes
                .iter()
                .for_each(|hash| expected.entry(*hash).or_default().push(n));
        }
        let mut more = 0;
        for (hash, blocks) in expected.iter().step_by(1 + expected.len() / 20_000) {
            let found = found(&tokens, *hash).unwrap();
            assert!(blocks.iter().all(|block| found.contains(block)));
            more += usize::from(found.len() > blocks.len());
        }
        assert!(
            more <= expected.len() / 32 + 1,
            "{more} of {}",
            expected.len()
        );
        let absent = (0..1000_u32).filter(|n| {
            !found(&tokens, (n * 7_919 + (1 << 24)).wrapping_mul(0x9e37_79b9))
                .unwrap()
                .is_empty()
        });
        assert!(absent.count() < 60);
    }
}

#[test]
fn pages_are_told_apart_where_any_block_has_them() {
    let mut builder = TokensBuilder::default();
    let place = |block, page| Place { block, page };
    builder.add(
        7,
        [(0, 1 << 20), (2, 1 << 20), (3, 5 << 20), (3, 5 << 20)].into_iter(),
    );
    builder.add(BLOCKS_MAX - 1, [(1, 5 << 20)].into_iter());
    let mut bytes = Vec::new();
    builder.finish(&mut bytes).unwrap();
    let tokens = opened(&bytes);
    let found = |hash| {
        let mut places = Vec::new();
        tokens.look_up(hash, |place| places.push(place)).unwrap();
        places
    };
    assert_eq!(found(1 << 20), [place(7, 0), place(7, 2)]);
    assert_eq!(found(5 << 20), [place(7, 3), place(BLOCKS_MAX - 1, 1)]);
    assert_eq!(opened(&list(&random(3, 4, 9, 50))).page_bits, 0);
}

#[test]
fn a_list_of_nothing_has_nothing() {
    let tokens = opened(&list(&[]));
    tokens.check().unwrap();
    assert_eq!(found(&tokens, 7), Ok(Vec::new()));
}

#[test]
fn a_changed_byte_is_damage_or_is_not_read() {
    let blocks = random(2, 20, 40, 400);
    let good = list(&blocks);
    let expected: Vec<_> = blocks[3]
        .iter()
        .map(|hash| found(&opened(&good), *hash).unwrap())
        .collect();
    for at in 0..good.len() {
        let mut bytes = good.clone();
        bytes[at] ^= 0x24;
        let Ok(tokens) = Tokens::open(OwnedBytes::new(bytes)) else {
            continue;
        };
        tokens.check().unwrap_err();
        for (hash, expected) in blocks[3].iter().zip(&expected) {
            assert!(
                found(&tokens, *hash).is_ok_and(|found| found == *expected)
                    || found(&tokens, *hash).is_err()
            );
        }
    }
    for cut in 0..good.len() {
        assert!(
            Tokens::open(OwnedBytes::new(good[..cut].to_vec()))
                .map_or(true, |t| t.check().is_err())
        );
    }
}
