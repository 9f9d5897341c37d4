//! Every body back, and no harm from bytes that no encoder wrote.

use super::*;
use crate::testing::{Segment, groups, line, names, odd, prose, rng};
use crate::{Needle, RowSet};
use proptest::prelude::*;
use rand::Rng as _;

fn check(groups: &[Vec<Vec<u8>>]) {
    let segment = Segment::of(groups);
    for (at, bodies) in groups.iter().enumerate() {
        let block = segment.block(at);
        let total: usize = bodies.iter().map(Vec::len).sum();
        assert_eq!((block.rows(), block.bytes()), (bodies.len(), total));
        let (mut out, mut ends, mut lengths) = (b"x".to_vec(), Vec::new(), Vec::new());
        block.bodies(&mut out, &mut ends).unwrap();
        block.lengths(&mut lengths).unwrap();
        let mut from = 1;
        for (row, body) in bodies.iter().enumerate() {
            assert_eq!(&out[from..ends[row]], body, "row {row} of block {at}");
            assert_eq!(lengths[row] as usize, body.len());
            from = ends[row];
        }
        assert_eq!(from, out.len());
        check_some(&block, bodies);
    }
}

/// A few rows each alone and together.
fn check_some(block: &Block<'_>, bodies: &[Vec<u8>]) {
    let mut rng = rng(bodies.len() as u64);
    let mut rows = RowSet::none(bodies.len());
    for _ in 0..bodies.len().min(20) {
        let row = rng.random_range(0..bodies.len());
        rows.insert(row);
        let mut out = b"x".to_vec();
        block.body(row, &mut out).unwrap();
        assert_eq!(&out[1..], bodies[row], "row {row} alone");
    }
    check_set(block, bodies, &rows);
    // So few that they are put together one by one, and just too many for that.
    for count in 1..7 {
        let mut few = RowSet::none(bodies.len());
        rows.iter().take(count).for_each(|row| few.insert(row));
        check_set(block, bodies, &few);
    }
    let mut nothing = Vec::new();
    block.body(bodies.len(), &mut nothing).unwrap();
    assert!(nothing.is_empty());
}

fn check_set(block: &Block<'_>, bodies: &[Vec<u8>], rows: &RowSet) {
    let (mut out, mut ends) = (b"x".to_vec(), Vec::new());
    block.bodies_of(rows, &mut out, &mut ends).unwrap();
    let mut from = 1;
    for (row, end) in rows.iter().zip(&ends) {
        assert_eq!(&out[from..*end], bodies[row], "row {row} of {rows:?}");
        from = *end;
    }
    assert_eq!((ends.len(), from), (rows.count(), out.len()));
}

#[test]
fn every_body_of_ordinary_lines_comes_back() {
    for seed in 0..6 {
        check(&groups(seed, 4, 700));
    }
}

#[test]
fn bodies_of_many_sources_come_back_whatever_the_sources_are() {
    let mut rng = rng(12);
    let mut encoder = crate::Encoder::new(crate::Limits {
        sources_max: 5,
        ..crate::Limits::default()
    });
    for _ in 0..2 {
        let mut groups = Vec::new();
        let mut blocks = Vec::new();
        for _ in 0..8 {
            let mut rows: Vec<(Vec<u8>, u64)> = (0..500)
                .map(|_| match rng.random_range(0..4) {
                    0 => (names(&mut rng), 1),
                    1 => (prose(&mut rng), 2),
                    2 => (odd(&mut rng), rng.random_range(0..9)),
                    _ => (line(&mut rng), 3),
                })
                .collect();
            rows.sort_by_key(|(_, source)| *source);
            let mut block = Vec::new();
            let bodies = rows.iter().map(|(body, source)| (body.as_slice(), *source));
            encoder.encode(bodies, &mut block, |_| {}).unwrap();
            blocks.push(block);
            groups.push(rows);
        }
        let mut dictionary = Vec::new();
        encoder.finish(&mut dictionary);
        let dictionary = Dictionary::read(&dictionary).unwrap();
        for (block, rows) in blocks.iter().zip(&groups) {
            let block = Block::read(&dictionary, block).unwrap();
            let (mut out, mut ends) = (Vec::new(), Vec::new());
            block.bodies(&mut out, &mut ends).unwrap();
            let expected: Vec<u8> = rows.iter().flat_map(|(body, _)| body.clone()).collect();
            assert_eq!(out, expected);
        }
    }
}

#[test]
fn blocks_of_no_row_and_of_empty_rows_come_back() {
    check(&[
        Vec::new(),
        vec![Vec::new()],
        vec![Vec::new(); 1000],
        Vec::new(),
    ]);
}

#[test]
fn odd_and_huge_bodies_come_back() {
    let mut rng = rng(9);
    let odd: Vec<Vec<u8>> = (0..600).map(|_| odd(&mut rng)).collect();
    let mut huge = odd.clone();
    huge.push(vec![b'7'; 3 << 20]);
    huge.push((0..2_000_000).map(|n| (n % 251) as u8).collect());
    check(&[odd, huge]);
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, cases: 300, ..ProptestConfig::default() })]

    #[test]
    fn any_bodies_come_back(bodies in prop::collection::vec(prop_oneof![
        prop::collection::vec(any::<u8>(), 0..50),
        "[a1 .=:]{0,12}".prop_map(String::into_bytes),
        "\\{\"[ab]\":[0-9\"a]{0,6}\\}".prop_map(String::into_bytes),
        "\\PC{0,20}".prop_map(String::into_bytes),
    ], 0..120)) {
        check(&[bodies.clone(), bodies]);
    }
}

/// Does everything that can be done with a block, and only must not panic.
fn use_all(dictionary: &Dictionary, bytes: &[u8]) {
    let Ok(block) = Block::read(dictionary, bytes) else {
        return;
    };
    let (mut out, mut ends) = (Vec::new(), Vec::new());
    if block.bodies(&mut out, &mut ends).is_ok() {
        assert!(out.len() <= block.bytes());
    }
    let _ = block.lengths(&mut Vec::new());
    for row in [0, 1, block.rows() / 2, block.rows()] {
        let _ = block.body(row, &mut Vec::new());
    }
    let mut rows = RowSet::default();
    for needle in [
        "a",
        "404",
        "dead",
        "\"level\":\"ERROR\"",
        "user=7",
        "rid=0",
        "",
    ] {
        let needle = Needle::new(dictionary, needle.as_bytes());
        let _ = block.rows_containing(&needle, &mut rows);
        let _ = block.count_containing(&needle);
    }
    let regex = regex::bytes::Regex::new("7+").unwrap();
    let mut rows = RowSet::all(block.rows());
    let _ = block.retain_matching(&regex, &mut rows);
}

#[test]
fn damaged_blocks_do_no_harm() {
    let segment = Segment::of(&groups(5, 2, 200));
    let good = &segment.blocks[1];
    let mut rng = rng(6);
    for _ in 0..3000 {
        let mut bad = good.clone();
        for _ in 0..rng.random_range(1..4) {
            // Half of the damage is where the header is.
            let reach = if rng.random_bool(0.5) { 400 } else { bad.len() };
            let at = rng.random_range(0..reach.min(bad.len()));
            bad[at] = rng.random();
        }
        if rng.random_bool(0.1) {
            bad.truncate(rng.random_range(0..bad.len()));
        }
        use_all(&segment.dictionary, &bad);
    }
}

#[test]
fn a_block_read_with_another_dictionary_does_no_harm() {
    let (one, other) = (
        Segment::of(&groups(7, 3, 300)),
        Segment::of(&groups(8, 3, 300)),
    );
    let none = Segment::of(&[]);
    for block in one.blocks.iter().chain(&other.blocks) {
        use_all(&one.dictionary, block);
        use_all(&other.dictionary, block);
        use_all(&none.dictionary, block);
    }
}

#[test]
fn damaged_dictionaries_do_no_harm() {
    let mut encoder = crate::Encoder::new(crate::Limits::default());
    let groups = groups(10, 2, 300);
    let mut blocks = Vec::new();
    for bodies in &groups {
        let rows = bodies.iter().map(|body| (body.as_slice(), 1));
        let mut block = Vec::new();
        encoder.encode(rows, &mut block, |_| {}).unwrap();
        blocks.push(block);
    }
    let mut good = Vec::new();
    encoder.finish(&mut good);
    let mut wire = crate::wire::Wire(&good[1..]);
    let length = wire.up_to(1 << 20).unwrap();
    let raw = crate::unzip::unzip(wire.0, length).unwrap();
    let mut rng = rng(11);
    for round in 0..1500 {
        // What zstd has let pass is damaged as well as what it would notice.
        let mut bad = if round % 2 == 0 {
            raw.clone()
        } else {
            good.clone()
        };
        for _ in 0..rng.random_range(1..4) {
            let at = rng.random_range(0..bad.len());
            bad[at] = rng.random();
        }
        if round % 2 == 0 {
            let zipped = zstd::bulk::compress(&bad, 1).unwrap();
            let mut whole = vec![1];
            crate::wire::put_varint(&mut whole, bad.len() as u64);
            whole.extend(zipped);
            bad = whole;
        }
        if let Ok(dictionary) = Dictionary::read(&bad) {
            use_all(&dictionary, &blocks[round % 2]);
        }
    }
}
