//! Bodies in and out again in both encodings, their words, and filters over all of them
//! against a look at each.

mod pages;

use super::*;
use crate::config::BodyEncoding;
use crate::segment::common::Common;
use crate::segment::packing::Packer;
use crate::segment::terms::BlockTerms;
use proptest::prelude::*;
use rand::seq::IndexedRandom as _;
use rand::{Rng as _, SeedableRng as _};
use rand_chacha::ChaCha8Rng;

const ENCODINGS: [BodyEncoding; 2] = [BodyEncoding::Plain, BodyEncoding::Templated];

fn laid(bodies: &[Vec<u8>]) -> (Vec<u8>, Vec<usize>) {
    let (mut bytes, mut ends) = (Vec::new(), Vec::new());
    for body in bodies {
        bytes.extend_from_slice(body);
        ends.push(bytes.len());
    }
    (bytes, ends)
}

/// Blocks of bodies as a segment has them.
struct Written {
    sections: Vec<Vec<u8>>,
    /// The words, identifiers and the reach of each.
    words: Vec<(Vec<String>, Vec<u32>, crate::words::Reach)>,
    dictionary: Option<Arc<Dictionary>>,
}

fn write(blocks: &[Vec<Vec<u8>>], encoding: BodyEncoding) -> Written {
    write_with(&Arc::new(Common::new(0, encoding)), blocks)
}

fn write_with(common: &Arc<Common>, blocks: &[Vec<Vec<u8>>]) -> Written {
    let mut writer = BodyWriter::new(common, common.bodies, &[]);
    let (mut packer, mut terms) = (Packer::new().unwrap(), BlockTerms::default());
    let (mut sections, mut words) = (Vec::new(), Vec::new());
    for bodies in blocks {
        let (bytes, ends) = laid(bodies);
        terms.begin(bytes.len());
        writer.take(&bytes, &ends, std::iter::repeat(0), &mut terms);
        let mut section = Vec::new();
        writer.put(&bytes, &ends, &mut packer, &mut section);
        sections.push(section);
        let summary = terms.end(&[]);
        let mut identifiers: Vec<u32> = terms.identifiers().map(|(_, hash)| hash).collect();
        identifiers.sort_unstable();
        identifiers.dedup();
        let mut of_block: Vec<String> = terms
            .words()
            .body
            .split_whitespace()
            .map(str::to_owned)
            .collect();
        of_block.sort_unstable();
        words.push((of_block, identifiers, summary.reach));
    }
    let dictionary = Some(writer.end_part()).filter(|dictionary| !dictionary.is_empty());
    let dictionary = dictionary.map(|bytes| Arc::new(Dictionary::read(&bytes).unwrap()));
    writer.finish();
    Written {
        sections,
        words,
        dictionary,
    }
}

impl Written {
    fn read<'a>(&'a self, at: usize, ends: &'a [usize]) -> Bodies<'a> {
        let section = &self.sections[at];
        match is_templated(section) {
            true => Bodies::read_templated(section, ends, self.dictionary.as_ref().unwrap()),
            false => Bodies::read(section, ends),
        }
        .unwrap()
    }
}

fn check_reads_back(blocks: &[Vec<Vec<u8>>]) {
    let written = ENCODINGS.map(|encoding| write(blocks, encoding));
    assert!(written[0].sections.iter().all(|s| !is_templated(s)));
    for (at, bodies) in blocks.iter().enumerate() {
        assert_eq!(written[0].words[at], written[1].words[at]);
        let (bytes, ends) = laid(bodies);
        let mut unpacker = Unpacker::new().unwrap();
        for written in &written {
            let read = written.read(at, &ends);
            let mut all = vec![7; 5];
            read.all(&mut unpacker, &mut all).unwrap();
            assert!(all == bytes);
            for rows in [1, 3, bodies.len()] {
                let rows: Vec<usize> = (0..bodies.len()).step_by(rows).collect();
                let (mut text, mut back) = (Vec::new(), Vec::new());
                let each = |row: usize, body: &[u8]| back.push((row, body.to_vec()));
                let unpacked = read.some(&rows, &mut unpacker, &mut text, each).unwrap();
                let expected: Vec<_> = rows
                    .iter()
                    .map(|row| (*row, bodies[*row].clone()))
                    .collect();
                assert!(back == expected);
                assert!(unpacked <= bytes.len());
            }
        }
    }
}

/// Lines as programs write them, and odd ones.
fn line(rng: &mut ChaCha8Rng) -> Vec<u8> {
    let (n, id) = (rng.random_range(0..300), rng.random::<u32>());
    let word = ["timeout", "retry", "größe", "v2", "7", ""][rng.random_range(0..6)];
    let line = match rng.random_range(0..9) {
        0 | 1 => format!(
            "10.0.{}.{} GET /api/v2/carts/{n} rid={id:08x} {word}",
            n % 256,
            n % 7
        ),
        2 | 3 => {
            format!(r#"{{"level":"INFO","msg":"order {word}","user_id":{n},"größe2":"{id:x}"}}"#)
        }
        4 | 5 => {
            format!("2026-11-12 10:00:{n} INFO [pool-{n}] c.e.Gateway - call took {n}ms: {word}")
        }
        6 => word.repeat(n % 30),
        7 => return (0..n % 50).map(|_| rng.random()).collect(),
        _ => format!("user=\u{e} {word}\u{f}1.2.3.{n} 1.2.3.4.5 \u{10}"),
    };
    line.into_bytes()
}

fn lines(rng: &mut ChaCha8Rng, blocks: usize, rows: usize) -> Vec<Vec<Vec<u8>>> {
    (0..blocks)
        .map(|_| (0..rows).map(|_| line(rng)).collect())
        .collect()
}

#[test]
fn bodies_of_many_pages_and_kinds_read_back() {
    let body = |n: usize| n.to_string().repeat(n % 3000).into_bytes();
    check_reads_back(&[(0..200).map(body).collect::<Vec<_>>()]);
    check_reads_back(&[vec![vec![b'x'; 20 << 20], Vec::new(), vec![b'y']]]);
    check_reads_back(&[vec![Vec::new(), Vec::new()]]);
    // More than a templated block takes.
    check_reads_back(&[vec![vec![b'z'; 65 << 20], b"a 1".to_vec()]]);
    check_reads_back(&lines(&mut ChaCha8Rng::seed_from_u64(1), 5, 300));
}

#[test]
fn an_encoder_goes_from_segment_to_segment_and_brings_no_templates_along() {
    let common = Arc::new(Common::new(0, BodyEncoding::Templated));
    let mut rng = ChaCha8Rng::seed_from_u64(5);
    for _ in 0..4 {
        let blocks = lines(&mut rng, 2, 200);
        let (written, fresh) = (
            write_with(&common, &blocks),
            write(&blocks, BodyEncoding::Plain),
        );
        assert_eq!(written.words, fresh.words);
        for (at, bodies) in blocks.iter().enumerate() {
            let (bytes, ends) = laid(bodies);
            let mut all = Vec::new();
            let read = written.read(at, &ends);
            read.all(&mut Unpacker::new().unwrap(), &mut all).unwrap();
            assert!(all == bytes);
        }
    }
}

#[test]
fn templates_make_bodies_smaller_and_words_of_both_are_the_same() {
    let mut rng = ChaCha8Rng::seed_from_u64(2);
    let line = |rng: &mut ChaCha8Rng| {
        format!(
            "10.0.0.{} took {}ms for the order",
            rng.random::<u8>(),
            rng.random::<u8>()
        )
    };
    let blocks: Vec<Vec<Vec<u8>>> = (0..3)
        .map(|_| (0..2000).map(|_| line(&mut rng).into_bytes()).collect())
        .collect();
    let [plain, templated] = ENCODINGS.map(|encoding| write(&blocks, encoding));
    let bytes = |written: &Written| written.sections.iter().map(Vec::len).sum::<usize>();
    assert!(bytes(&templated) * 5 < bytes(&plain) * 4);
    assert_eq!(plain.words, templated.words);
    assert!(
        plain
            .words
            .iter()
            .all(|(words, ..)| words.contains(&"order".to_owned()))
    );
}

/// A filter that is likely to find something.
fn filter_text(rng: &mut ChaCha8Rng, bodies: &[Vec<u8>]) -> String {
    let body = String::from_utf8_lossy(bodies.choose(rng).unwrap()).into_owned();
    let chars: Vec<char> = body.chars().filter(|c| *c != '`').collect();
    let from = rng.random_range(0..=chars.len());
    let to = rng.random_range(from..=chars.len().min(from + 12));
    let piece: String = chars[from..to].iter().collect();
    let escaped = regex::escape(&piece);
    match rng.random_range(0..8) {
        0 => format!("!= `{piece}`"),
        1 => format!("|~ `{escaped}.*[0-9]`"),
        2 => format!("|~ `({escaped}|timeout)`"),
        3 => format!("!~ `{escaped}|v[0-9]`"),
        4 => "|= ``".to_owned(),
        _ => format!("|= `{piece}`"),
    }
}

#[test]
fn filters_keep_exactly_the_rows_whose_bodies_satisfy_them() {
    let mut rng = ChaCha8Rng::seed_from_u64(3);
    for round in 0..40 {
        let rows = [3, 60, 400][round % 3];
        let blocks = lines(&mut rng, 3, rows);
        let written = ENCODINGS.map(|encoding| write(&blocks, encoding));
        let mut needles = Needles::within(64 << 20);
        for _ in 0..12 {
            let filters: Vec<String> = (0..rng.random_range(0..4))
                .map(|n| filter_text(&mut rng, &blocks[n % 3]))
                .collect();
            let query = format!("{{a=\"b\"}} {}", filters.join(" "));
            let query = sonde_logql::LogQuery::parse(&query).unwrap();
            let every = rng.random_range(1..4);
            for (written, (at, bodies)) in written
                .iter()
                .flat_map(|written| blocks.iter().enumerate().map(move |b| (written, b)))
            {
                let (_, ends) = laid(bodies);
                let mut rows: Vec<usize> = (0..bodies.len()).step_by(every).collect();
                let satisfies =
                    |row: &usize| query.filters().iter().all(|f| f.matches(&bodies[*row]));
                let expected: Vec<usize> = rows.iter().copied().filter(satisfies).collect();
                let (mut unpacker, mut text) = (Unpacker::new().unwrap(), Vec::new());
                let room = Room {
                    unpacker: &mut unpacker,
                    text: &mut text,
                    needles: &mut needles,
                    few: [0, 1, ROWS_FEW, usize::MAX][round % 4],
                };
                let read = written.read(at, &ends);
                let kept = read
                    .keep(query.filters(), Pages::ALL, &mut rows, room)
                    .unwrap();
                assert_eq!(rows, expected, "{filters:?}");
                let body = |row: usize| ends[row] - bodies[row].len()..ends[row];
                let has = |row: &usize| text[body(*row)] == bodies[*row];
                assert!(!kept.has_text || rows.iter().all(has));
            }
        }
    }
}

/// A filter that asks for a text or against it: often for a part of a line, in either case, or one
/// that no line has.
fn text_filter(rng: &mut ChaCha8Rng, bodies: &[Vec<u8>]) -> String {
    let body = String::from_utf8_lossy(bodies.choose(rng).unwrap()).into_owned();
    let chars: Vec<char> = body.chars().filter(|c| *c != '`').collect();
    let from = rng.random_range(0..=chars.len());
    let most = [1, 2, 3, 5, 20][rng.random_range(0..5)];
    let to = rng.random_range(from..=chars.len().min(from + most));
    let piece: String = chars[from..to].iter().collect();
    let piece = match rng.random_range(0..9) {
        0 => piece.to_uppercase(),
        1 => piece.chars().rev().collect(),
        _ => piece,
    };
    let kind = ["|=", "!=", "|=", "|~", "!~"][rng.random_range(0..5)];
    match kind.contains('~') {
        true => format!("{kind} `{}`", regex::escape(&piece)),
        false => format!("{kind} `{piece}`"),
    }
}

/// Whether a section says of all its rows alike whether they satisfy filters, where all of these
/// ask for texts; whether they do.
fn decides_alike(
    written: &Written,
    (at, bodies): (usize, &[Vec<u8>]),
    filters: &[sonde_logql::LineFilter],
    needles: &mut Needles,
) -> bool {
    let (section, dictionary) = (&written.sections[at], written.dictionary.as_ref());
    if !is_templated(section) || filters.iter().any(|f| f.as_contains().is_none()) {
        return false;
    }
    let mut rows = sonde_patterns::RowSet::all(7);
    let dictionary = dictionary.unwrap();
    decide(
        section,
        bodies.len(),
        dictionary,
        filters,
        needles,
        &mut rows,
    )
    .unwrap();
    let satisfies = |row: &usize| filters.iter().all(|filter| filter.matches(&bodies[*row]));
    let expected: Vec<usize> = (0..bodies.len()).filter(satisfies).collect();
    assert_eq!(rows.iter().collect::<Vec<_>>(), expected, "{filters:?}");
    assert_eq!((rows.rows(), rows.count()), (bodies.len(), expected.len()));
    true
}

#[test]
fn rows_that_have_texts_or_lack_them_are_said_of_all_at_once() {
    let mut rng = ChaCha8Rng::seed_from_u64(6);
    let call = |rng: &mut ChaCha8Rng| {
        let of = ["Payment", "Größen", "Inventory", "支付"][rng.random_range(0..4)];
        let what = ["Gateway", "Service", "Cache"][rng.random_range(0..3)];
        let line = rng.random_range(20..400);
        format!("{of}: timeout at com.example.shop.{of}{what}.charge({of}{what}.java:{line})")
    };
    let (mut decided, mut asked) = (0, 0);
    for round in 0..30 {
        let rows = [1, 63, 64, 65, 700][round % 5];
        let mut blocks = lines(&mut rng, 3, rows);
        blocks[2] = (0..rows).map(|_| call(&mut rng).into_bytes()).collect();
        let written = write(&blocks, BodyEncoding::Templated);
        // Now and then too little room for all needles.
        let mut needles = Needles::within([64 << 20, 2_000][round % 2]);
        for _ in 0..40 {
            for (at, bodies) in blocks.iter().enumerate() {
                let filters: Vec<String> = (0..rng.random_range(1..4))
                    .map(|_| text_filter(&mut rng, bodies))
                    .collect();
                let query = format!("{{a=\"b\"}} {}", filters.join(" "));
                let query = sonde_logql::LogQuery::parse(&query).unwrap();
                asked += 1;
                let is_decided =
                    decides_alike(&written, (at, bodies), query.filters(), &mut needles);
                decided += usize::from(is_decided);
            }
        }
    }
    assert!(decided * 2 > asked, "{decided} of {asked}");
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn bodies_of_a_few_letters_read_back(
        blocks in prop::collection::vec(prop::collection::vec("[ab1. é]{0,9}".prop_map(String::into_bytes), 1..30), 1..3),
    ) {
        check_reads_back(&blocks);
    }

    #[test]
    fn one_needle_is_found_in_exactly_the_bodies_that_have_it(
        bodies in prop::collection::vec("[ab ]{0,6}".prop_map(String::into_bytes), 1..40),
        needles in prop::collection::vec("[ab ]{0,4}", 1..3),
        every in 1_usize..4,
    ) {
        let (bytes, ends) = laid(&bodies);
        let filters: String = needles.iter().map(|n| format!("|= `{n}`")).collect();
        let query = sonde_logql::LogQuery::parse(&format!("{{a=\"b\"}} {filters}")).unwrap();
        let filters = query.filters();
        let mut rows: Vec<usize> = (0..bodies.len()).step_by(every).collect();
        let expected: Vec<usize> = rows.iter().copied().filter(|r| filters.iter().all(|f| f.matches(&bodies[*r]))).collect();
        filter(filters.iter(), &bytes, &ends, (0, 0), &mut rows);
        prop_assert_eq!(rows, expected);
    }

    #[test]
    fn no_bytes_make_the_reader_panic(
        section in prop::collection::vec(any::<u8>(), 0..60),
        ends in prop::collection::vec(0_usize..100, 0..9),
        flips in prop::collection::vec((0_usize..4000, 0_u8..8), 0..4),
    ) {
        let mut ends = ends;
        ends.sort_unstable();
        let whole = vec![lines(&mut ChaCha8Rng::seed_from_u64(4), 1, 40).swap_remove(0); 2];
        let written = write(&whole, BodyEncoding::Templated);
        let dictionary = written.dictionary.as_ref().unwrap();
        let mut flipped = written.sections[1].clone();
        for (at, bit) in flips {
            let at = 1 + at % (flipped.len() - 1);
            flipped[at] ^= 1 << bit;
        }
        let templated = [&[TEMPLATED][..], &section].concat();
        let (_, whole_ends) = laid(&whole[1]);
        let query = sonde_logql::LogQuery::parse("{a=\"b\"} |= `timeout` |~ `GET.*7`").unwrap();
        for (read, ends) in [
            (Bodies::read(&section, &ends), &ends),
            (Bodies::read_templated(&templated, &ends, dictionary), &ends),
            (Bodies::read_templated(&flipped, &whole_ends, dictionary), &whole_ends),
        ] {
            let Some(read) = read else { continue };
            let mut unpacker = Unpacker::new().unwrap();
            read.all(&mut unpacker, &mut Vec::new());
            let mut rows: Vec<usize> = (0..ends.len()).collect();
            read.some(&rows, &mut unpacker, &mut Vec::new(), |_, _| {});
            let room = Room { unpacker: &mut unpacker, text: &mut Vec::new(), needles: &mut Needles::within(64 << 20), few: ROWS_FEW };
            read.keep(query.filters(), Pages::ALL, &mut rows, room);
        }
        let texts = sonde_logql::LogQuery::parse("{a=\"b\"} |= `timeout` != `7`").unwrap();
        for (section, bodies) in [(&templated, ends.len()), (&flipped, 40), (&flipped, 41)] {
            let mut needles = Needles::within(64 << 20);
            let mut rows = sonde_patterns::RowSet::default();
            decide(section, bodies, dictionary, texts.filters(), &mut needles, &mut rows);
        }
    }
}
