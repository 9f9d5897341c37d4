//! Pages of plain bodies: what is listed with them, and what is looked through of them.

use super::super::plain;
use super::*;
use crate::segment::attributes::Terms as _;
use std::collections::BTreeSet;

/// A block of many pages, and one that has one.
fn blocks(rng: &mut ChaCha8Rng) -> Vec<Vec<Vec<u8>>> {
    let long = |rng: &mut ChaCha8Rng| [line(rng), vec![b' '; 200], line(rng)].concat();
    let mut blocks = lines(rng, 1, 100);
    blocks.extend([900, 400].map(|rows| (0..rows).map(|_| long(rng)).collect::<Vec<_>>()));
    blocks.push(vec![vec![b'x'; 70 << 10]; 7]);
    blocks
}

/// The page of each row.
fn pages_of(ends: &[usize]) -> Vec<u8> {
    let pages = (0..Pages::MAX as u8).chain(std::iter::repeat(Pages::MAX as u8 - 1));
    plain::rows_of_pages(ends)
        .zip(pages)
        .flat_map(|(rows, page)| rows.map(move |_| page))
        .collect()
}

#[test]
fn identifiers_are_listed_with_the_pages_that_they_are_on() {
    let mut rng = ChaCha8Rng::seed_from_u64(6);
    let common = Arc::new(Common::new(0, BodyEncoding::Plain));
    let mut writer = BodyWriter::new(&common, BodyEncoding::Plain, &[]);
    let mut most = 0;
    for bodies in blocks(&mut rng) {
        let (bytes, ends) = laid(&bodies);
        let mut terms = BlockTerms::default();
        terms.begin(bytes.len());
        writer.take(&bytes, &ends, std::iter::repeat(0), &mut terms);
        let pages = pages_of(&ends);
        let mut expected = BTreeSet::new();
        for (body, page) in bodies.iter().zip(&pages) {
            crate::words::for_each_word(body, |word, is_identifier| {
                if is_identifier && word.len() >= crate::words::IDENTIFIER_BYTES_MIN {
                    expected.insert((*page, crate::words::hash(word)));
                }
            });
        }
        // What bodies have too is on their pages alone.
        terms.end_bodies();
        bodies.iter().for_each(|body| terms.value(body));
        terms.value(b"alone7");
        expected.insert((*pages.last().unwrap(), crate::words::hash(b"alone7")));
        let summary = terms.end(&[[7; 16]]);
        assert_eq!(summary.by_page, pages.last() > Some(&0));
        let trace = crate::words::hash(&crate::words::hex(&[7; 16]));
        expected.insert((*pages.last().unwrap(), trace));
        let listed: Vec<_> = terms.identifiers().collect();
        assert_eq!(listed.len(), expected.len(), "each once");
        assert_eq!(BTreeSet::from_iter(listed), expected);
        most = most.max(*pages.last().unwrap());
    }
    assert_eq!(usize::from(most), Pages::MAX - 1);
}

#[test]
fn too_many_identifiers_by_page_are_listed_by_block_and_far_too_many_not_at_all() {
    let check = |different: usize, by_page: bool, any: bool| {
        let mut terms = BlockTerms::default();
        terms.begin(12 * 1000);
        for page in 0..4 {
            if page > 0 {
                terms.next_page();
            }
            (0..different).for_each(|n| terms.body(format!("id{n:06}").as_bytes()));
        }
        let summary = terms.end(&[[7; 16]]);
        assert_eq!((summary.by_page, summary.any_identifier), (by_page, any));
        let of_bodies = match (by_page, any) {
            (_, true) => 0,
            (true, _) => 4 * different,
            (false, _) => different,
        };
        assert_eq!(terms.identifiers().count(), of_bodies + 1, "and the trace");
        if !by_page {
            assert!(terms.identifiers().all(|(page, _)| page == 0));
        }
    };
    check(250, true, false);
    check(251, false, false);
    check(1000, false, false);
    check(1001, false, true);
}

#[test]
fn rows_on_other_pages_are_not_kept_and_pages_without_rows_not_unpacked() {
    let mut rng = ChaCha8Rng::seed_from_u64(7);
    let blocks = blocks(&mut rng);
    let written = write(&blocks, BodyEncoding::Plain);
    let query = sonde_logql::LogQuery::parse("{a=\"b\"} |~ `timeout|x` != `7`").unwrap();
    for (at, bodies) in blocks.iter().enumerate() {
        let (_, ends) = laid(bodies);
        let (pages, read) = (pages_of(&ends), written.read(at, &ends));
        for mask in 0..=Pages::ALL.0 {
            let start = rng.random_range(0..bodies.len());
            let asked: Vec<usize> = (start..bodies.len()).step_by(2).collect();
            let is_on = |row: &usize| mask >> pages[*row] & 1 == 1;
            let satisfies = |row: &usize| query.filters().iter().all(|f| f.matches(&bodies[*row]));
            let on_pages: Vec<usize> = asked.iter().copied().filter(is_on).collect();
            let expected: Vec<usize> = on_pages.iter().copied().filter(satisfies).collect();
            let (mut unpacker, mut text, mut rows) = (Unpacker::new().unwrap(), Vec::new(), asked);
            let room = Room {
                unpacker: &mut unpacker,
                text: &mut text,
                needles: &mut Needles::within(64 << 20),
                few: ROWS_FEW,
            };
            let kept = read
                .keep(query.filters(), Pages(mask), &mut rows, room)
                .unwrap();
            assert_eq!(rows, expected);
            assert!(rows.iter().all(|row| {
                let end = ends[*row];
                text[end - bodies[*row].len()..end] == bodies[*row]
            }));
            let unpacked = plain::rows_of_pages(&ends)
                .filter(|rows| on_pages.iter().any(|row| rows.contains(row)))
                .flatten();
            let bytes: usize = unpacked.map(|row| bodies[row].len()).sum();
            assert_eq!(kept.bytes, bytes);
        }
    }
}
