//! Words of texts and of needles.

use super::*;
use proptest::prelude::*;

fn found(text: &[u8]) -> Vec<(Vec<u8>, bool)> {
    let mut words = Vec::new();
    for_each_word(text, |word, is_identifier| {
        words.push((word.to_vec(), is_identifier));
    });
    words
}

#[test]
fn words_keep_their_case_and_split_at_everything_else() {
    let words: Vec<_> = found("GET /api/v2?id=a-B_c größe".as_bytes());
    let expected = [
        ("GET", false),
        ("api", false),
        ("v2", true),
        ("id", false),
        ("a", false),
        ("B_c", false),
        ("größe", true),
    ];
    assert_eq!(words, expected.map(|(w, i)| (w.as_bytes().to_vec(), i)));
    assert!(found(b" .-{}\n").is_empty());
    assert!(found(b"").is_empty());
}

#[test]
fn a_long_word_is_an_identifier_and_never_dropped() {
    for (length, is_identifier) in [
        (WORD_BYTES_MAX, false),
        (WORD_BYTES_MAX + 1, true),
        (5000, true),
    ] {
        let word = vec![b'x'; length];
        assert_eq!(found(&word), [(word.clone(), is_identifier)]);
        assert_eq!(super::is_identifier(&word), is_identifier);
    }
}

#[test]
fn the_hash_is_the_one_that_segments_have() {
    let hashes = [
        "",
        "a",
        "req42",
        "4bf92f35",
        "pool_17_thread",
        "4bf92f3577b34da6a3ce929d0e0e4736",
    ]
    .map(|w| hash(w.as_bytes()));
    assert_eq!(
        hashes,
        [
            1_951_413_347,
            194_640_177,
            3_604_849_021,
            1_754_387_432,
            1_233_638_882,
            1_699_180_127
        ]
    );
}

#[test]
fn a_needle_knows_which_of_its_words_are_whole() {
    let needle = Needle::inside(b"out connecting to 4bf92f35 in 7ms");
    assert_eq!(
        needle.whole,
        [
            Whole::Word("connecting"),
            Whole::Word("to"),
            Whole::Identifier(hash(b"4bf92f35")),
            Whole::Word("in")
        ]
    );
    let parts: Vec<_> = needle
        .parts
        .iter()
        .map(|p| (p.bytes, p.starts, p.ends))
        .collect();
    assert_eq!(
        parts,
        [(&b"out"[..], false, true), (&b"7ms"[..], true, false)]
    );
    let lone = Needle::inside(b"timeout");
    assert_eq!((lone.whole.len(), lone.parts.len()), (0, 1));
    assert!(Needle::inside(b" - ").is_empty());
    let token = Needle::token(b"req-42");
    assert_eq!(
        token.whole,
        [Whole::Word("req")],
        "42 is too short for the list"
    );
}

#[test]
fn a_token_stands_by_itself() {
    for (text, expected) in [
        ("req-42-abc", true),
        ("xreq-42-abc", false),
        ("a req-42-abc.", true),
        ("req-42-abcd req-42-abc", true),
        ("req-42-ab", false),
    ] {
        assert_eq!(
            contains_token(text.as_bytes(), b"req-42-abc"),
            expected,
            "{text}"
        );
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn words_are_those_that_a_look_at_each_byte_finds(text in prop::collection::vec(prop_oneof![Just(b' '), Just(b'a'), Just(b'7'), any::<u8>()], 0..300)) {
        let expected: Vec<_> = text
            .split(|b| !is_word_byte(*b))
            .filter(|word| !word.is_empty())
            .map(|word| (word.to_vec(), super::is_identifier(word)))
            .collect();
        prop_assert_eq!(found(&text), expected);
    }

    #[test]
    fn what_a_needle_says_holds_for_every_text_with_it(
        before in "[ab7 -]{0,9}", needle in "[ab7 -]{0,9}", after in "[ab7 -]{0,9}",
    ) {
        let text = format!("{before}{needle}{after}");
        let words = found(text.as_bytes());
        let mut reach = Reach::default();
        words.iter().filter(|(_, is_identifier)| *is_identifier).for_each(|(word, _)| reach.add(word));
        let said = Needle::inside(needle.as_bytes());
        for whole in &said.whole {
            prop_assert!(words.iter().any(|(word, _)| Whole::of(word) == Some(*whole)));
        }
        for part in &said.parts {
            let holds = |word: &[u8], is_identifier: bool| {
                part.is_of(word) && (!is_identifier || word == part.bytes || reach.goes_beyond(part.bytes))
            };
            prop_assert!(words.iter().any(|(word, is_identifier)| holds(word, *is_identifier)));
        }
    }

    #[test]
    fn reach_reads_back(words in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..80), 0..5)) {
        let mut reach = Reach::default();
        words.iter().for_each(|word| reach.add(word));
        let mut bytes = Vec::new();
        reach.write(&mut bytes);
        prop_assert_eq!(Reach::read(&bytes.try_into().unwrap()), reach);
        for word in words.iter().filter(|word| !word.is_empty()) {
            prop_assert!(reach.goes_beyond(&word[1..]) );
        }
    }
}
