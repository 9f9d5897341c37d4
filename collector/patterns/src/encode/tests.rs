//! What encoders tell their store, and how they hold to their limits.

use super::*;
use crate::testing::{Segment, groups, line, rng};
use crate::{Block as ReadBlock, Dictionary};
use std::collections::BTreeSet;

fn words_of(bodies: &[Vec<u8>]) -> BTreeSet<Vec<u8>> {
    let mut words = BTreeSet::new();
    for body in bodies {
        tokens(body, |word| {
            words.insert(word.to_vec());
        });
    }
    words
}

#[test]
fn tokens_and_static_words_are_the_words_of_the_bodies() {
    let limits = Limits {
        token_bytes_min: 1,
        ..Limits::default()
    };
    let mut encoder = Encoder::new(limits);
    for bodies in groups(1, 8, 400) {
        let (mut found, mut block) = (BTreeSet::new(), Vec::new());
        let rows = bodies.iter().map(|body| (body.as_slice(), 1));
        encoder
            .encode(rows, &mut block, |word| {
                found.insert(word.to_vec());
            })
            .unwrap();
        for (template, _) in encoder.used() {
            encoder.static_words(*template, |word| {
                found.insert(word.to_vec());
            });
        }
        let expected = words_of(&bodies);
        assert_eq!(expected.difference(&found).next(), None, "missing");
        assert_eq!(found.difference(&expected).next(), None, "invented");
    }
}

#[test]
fn short_tokens_are_left_out() {
    let mut encoder = Encoder::new(Limits::default());
    let bodies = [
        "a 1 22 333 4444 x",
        "a 1 22 333 55555 x",
        "a 1 22 333 55556 x",
    ];
    let mut found = BTreeSet::new();
    for body in bodies {
        let token = |word: &[u8]| {
            found.insert(word.to_vec());
        };
        encoder
            .encode([(body.as_bytes(), 0)], &mut Vec::new(), token)
            .unwrap();
    }
    assert_eq!(found.len(), 3);
}

#[test]
fn a_template_is_raw_at_first_sight_only() {
    let mut encoder = Encoder::new(Limits::default());
    let bodies: Vec<_> = (0..10).map(|n| format!("user={n}").into_bytes()).collect();
    let first = Segment::encoded(&mut encoder, std::slice::from_ref(&bodies));
    let rows = |segment: &Segment| -> Vec<_> {
        let block = segment.block(0);
        block
            .templates()
            .iter()
            .map(|t| (t.template, t.rows))
            .collect()
    };
    assert_eq!(rows(&first), [(0, 1), (1, 9)]);
    let second = Segment::encoded(&mut encoder, &[bodies]);
    assert_eq!(rows(&second), [(1, 10)], "the next segment knows it");
}

#[test]
fn bodies_beyond_the_limits_are_raw() {
    let limits = Limits {
        templates_max: 3,
        template_bytes_max: 100,
        columns_max: 3,
        sources_max: 1,
        token_bytes_min: 4,
    };
    let mut encoder = Encoder::new(limits);
    let groups = groups(2, 4, 500);
    let segment = Segment::encoded(&mut encoder, &groups);
    assert!(segment.dictionary.templates() <= 3);
    for (at, bodies) in groups.iter().enumerate() {
        let (mut out, mut ends) = (Vec::new(), Vec::new());
        segment.block(at).bodies(&mut out, &mut ends).unwrap();
        assert_eq!(out, bodies.concat());
    }
}

#[test]
fn too_much_for_a_block_is_refused_and_nothing_is_written() {
    let mut encoder = Encoder::new(Limits::default());
    let mut out = b"before".to_vec();
    let large = vec![b'x'; BLOCK_BYTES_MAX / 2 + 1];
    let rows = [(large.as_slice(), 1), (large.as_slice(), 1)];
    assert_eq!(encoder.encode(rows, &mut out, |_| {}), Err(TooLarge));
    let rows = std::iter::repeat_n((b"".as_slice(), 1), ROWS_MAX + 1);
    assert_eq!(encoder.encode(rows, &mut out, |_| {}), Err(TooLarge));
    assert_eq!(out, b"before");
    let rows = std::iter::repeat_n((b"".as_slice(), 1), ROWS_MAX);
    encoder.encode(rows, &mut out, |_| {}).unwrap();
    let mut dictionary = Vec::new();
    encoder.finish(&mut dictionary);
    let dictionary = Dictionary::read(&dictionary).unwrap();
    assert_eq!(
        ReadBlock::read(&dictionary, &out[6..]).unwrap().rows(),
        ROWS_MAX
    );
}

#[test]
fn text_without_structure_costs_no_more_than_a_raw_block() {
    let mut rng = rng(3);
    let mut text = || -> Vec<u8> {
        use rand::Rng as _;
        (0..100).map(|_| rng.random_range(b' '..b'~')).collect()
    };
    let groups: Vec<Vec<Vec<u8>>> = (0..20)
        .map(|_| (0..1000).map(|_| text()).collect())
        .collect();
    let segment = Segment::of(&groups);
    let plain: usize = groups
        .iter()
        .map(|bodies| zstd::bulk::compress(&bodies.concat(), 1).unwrap().len())
        .sum();
    let templated: usize = segment.blocks.iter().map(Vec::len).sum();
    assert!(
        templated * 100 <= plain * 102,
        "{templated} bytes against {plain}"
    );
}

#[test]
fn lines_of_programs_become_much_smaller() {
    let mut rng = rng(4);
    let bodies: Vec<Vec<u8>> = (0..2000).map(|_| line(&mut rng)).collect();
    let plain = zstd::bulk::compress(&bodies.concat(), 1).unwrap().len();
    let segment = Segment::of(&[bodies.clone(), bodies]);
    let templated = segment.blocks[1].len();
    assert!(
        templated * 3 <= plain * 2,
        "{templated} bytes against {plain}"
    );
}
