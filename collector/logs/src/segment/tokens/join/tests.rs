//! Joined lists against the lists that they are made of.

use super::super::TokensBuilder;
use super::*;
use proptest::prelude::*;
use std::collections::BTreeSet;
use tantivy::directory::OwnedBytes;

/// A list of blocks with these hashes each.
fn list(blocks: &[BTreeSet<u32>]) -> Vec<u8> {
    let (mut builder, mut bytes) = (TokensBuilder::default(), Vec::new());
    for (n, hashes) in (0..).zip(blocks) {
        builder.add(n, hashes.iter().map(|hash| (0, *hash)));
    }
    builder.finish(&mut bytes).unwrap();
    bytes
}

/// The same with so many bits, as a list of more or fewer hashes has.
fn list_of(blocks: &[BTreeSet<u32>], bits: u32) -> Vec<u8> {
    let pair = |hash: u32, block: u64| u64::from(hash) << 32 | block;
    let pairs = (0..)
        .zip(blocks)
        .flat_map(|(n, hashes)| hashes.iter().map(move |h| pair(*h, n)));
    let mut pairs: Vec<u64> = pairs.collect();
    pairs.sort_unstable();
    let mut out = Vec::new();
    let mut writer = Writer::new(bits, 0, &mut out);
    pairs.iter().for_each(|pair| writer.add(*pair).unwrap());
    writer.finish().unwrap();
    out
}

fn joined(lists: &[(Vec<u8>, u32)]) -> Result<Vec<u8>, ListError> {
    let opened: Vec<(Tokens, u32)> = lists
        .iter()
        .map(|(bytes, blocks)| {
            let tokens = Tokens::open(OwnedBytes::new(bytes.clone()));
            (tokens.unwrap(), *blocks)
        })
        .collect();
    let (mut sources, mut first_block, mut out) = (Vec::new(), 0, Vec::new());
    for (tokens, blocks) in &opened {
        sources.push(Source {
            tokens,
            first_block,
        });
        first_block += blocks;
    }
    join(&sources, &mut out, || true)?;
    Ok(out)
}

fn found(tokens: &Tokens, hash: u32) -> Vec<u32> {
    let mut blocks = Vec::new();
    tokens
        .look_up(hash, |place| blocks.push(place.block))
        .unwrap();
    blocks.sort_unstable();
    blocks.dedup();
    blocks
}

/// A list, its blocks, and how many bits it has.
fn lists() -> impl Strategy<Value = Vec<(Vec<BTreeSet<u32>>, u32)>> {
    let hash = prop_oneof![
        any::<u32>(),
        (0_u32..200).prop_map(|n| n.wrapping_mul(0x9e37_79b9))
    ];
    let block = prop::collection::btree_set(hash, 0..300);
    let blocks = prop::collection::vec(block, 0..6);
    let bits = prop_oneof![Just(32_u32), 16_u32..=32];
    prop::collection::vec((blocks, bits), 1..6)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_joined_list_finds_what_its_lists_find_with_as_many_bits(lists in lists()) {
        let written: Vec<(Vec<u8>, u32)> = lists
            .iter()
            .map(|(blocks, bits)| (list_of(blocks, *bits), blocks.len() as u32))
            .collect();
        let tokens = Tokens::open(OwnedBytes::new(joined(&written).unwrap())).unwrap();
        tokens.check().unwrap();
        let has_some = |(blocks, _): &&(Vec<BTreeSet<u32>>, u32)| blocks.iter().any(|b| !b.is_empty());
        let bits = lists.iter().filter(has_some).map(|(_, bits)| *bits).min();
        prop_assert!(bits.is_none_or(|bits| bits == tokens.bits));
        let blocks: Vec<&BTreeSet<u32>> = lists.iter().flat_map(|(blocks, _)| blocks).collect();
        let all: BTreeSet<u32> = blocks.iter().flat_map(|hashes| hashes.iter().copied()).collect();
        let shift = BITS_MAX - tokens.bits;
        for hash in all.iter().copied().chain([0, 1, u32::MAX, 0x8000_0000]) {
            let has = |hashes: &BTreeSet<u32>| hashes.iter().any(|own| own >> shift == hash >> shift);
            let expected: Vec<u32> = (0..).zip(&blocks).filter(|(_, b)| has(b)).map(|(n, _)| n).collect();
            prop_assert_eq!(found(&tokens, hash), expected);
        }
    }
}

#[test]
fn a_list_with_pages_is_joined_with_one_without() {
    let list = |places: &[(u32, u8)]| {
        let (mut builder, mut bytes) = (TokensBuilder::default(), Vec::new());
        for (block, page) in places {
            builder.add(*block, [(*page, 9 << 20)].into_iter());
        }
        builder.finish(&mut bytes).unwrap();
        bytes
    };
    let lists = [list(&[(0, 1), (3, 2)]), list(&[(1, 0)]), list(&[(0, 3)])];
    let joined = joined(&lists.map(|list| (list, 10))).unwrap();
    let tokens = Tokens::open(OwnedBytes::new(joined)).unwrap();
    let mut places = Vec::new();
    tokens
        .look_up(9 << 20, |place| places.push((place.block, place.page)))
        .unwrap();
    assert_eq!(places, [(0, 1), (3, 2), (11, 0), (20, 3)]);
}

#[test]
fn a_block_beyond_what_a_list_with_pages_can_name_is_damage() {
    let list = |page| {
        let (mut builder, mut bytes) = (TokensBuilder::default(), Vec::new());
        builder.add(1, [(page, 9 << 20)].into_iter());
        builder.finish(&mut bytes).unwrap();
        bytes
    };
    let lists = [(list(1), super::super::BLOCKS_MAX), (list(0), 2)];
    let error = joined(&lists).unwrap_err();
    assert!(matches!(error, ListError::Damaged(1, _)), "{error:?}");
}

/// Blocks with hashes spread over all.
fn spread(blocks: u32, hashes: u32, seed: u32) -> Vec<BTreeSet<u32>> {
    let hash = |n: u32| (n ^ seed).wrapping_mul(0x9e37_79b9);
    let of_block = |b: u32| (0..hashes).map(move |n| hash(b * hashes + n)).collect();
    (0..blocks).map(of_block).collect()
}

#[test]
fn many_windows_are_one_list_like_the_one_that_is_written_at_once() {
    let parts: Vec<_> = (0..5).map(|n| spread(40, 1000, n << 20)).collect();
    let lists: Vec<_> = parts.iter().map(|part| (list(part), 40)).collect();
    let at_once = list(&parts.concat());
    assert!(joined(&lists).unwrap() == at_once);
}

#[test]
fn a_damaged_list_is_named() {
    let lists: Vec<_> = (0..3)
        .map(|n| (list(&spread(4, 500, n << 20)), 4))
        .collect();
    for at in 0..lists.len() {
        let mut lists = lists.clone();
        let length = lists[at].0.len();
        for byte in [3, length / 2, length - 20] {
            let mut damaged = lists[at].0.clone();
            damaged[byte] ^= 0x10;
            let good = std::mem::replace(&mut lists[at].0, damaged);
            let error = joined(&lists).unwrap_err();
            assert!(
                matches!(error, ListError::Damaged(n, _) if n == at),
                "{error:?}"
            );
            lists[at].0 = good;
        }
    }
}

#[test]
fn lists_that_would_name_too_many_blocks_are_not_joined() {
    let few = Tokens::open(OwnedBytes::new(list(&spread(4, 500, 0)))).unwrap();
    let coarse = list_of(&spread(4, 500, 1 << 20), 12);
    let coarse = Tokens::open(OwnedBytes::new(coarse)).unwrap();
    assert!(stays_selective([&few, &few].into_iter()));
    assert!(!stays_selective([&few, &coarse].into_iter()));
}
