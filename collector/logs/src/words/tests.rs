//! Words of bodies and of needles.

use super::*;
use tantivy::tokenizer::{TokenStream, Tokenizer};

fn terms(text: &str) -> Vec<String> {
    let mut tokenizer = WordTokenizer::default();
    let mut stream = tokenizer.token_stream(text);
    let mut terms = Vec::new();
    while let Some(token) = stream.next() {
        terms.push(token.text.clone());
    }
    terms
}

#[test]
fn words_keep_their_case_and_split_at_everything_else() {
    assert_eq!(
        terms("GET /api/v2?id=a-B_c größe"),
        ["GET", "api", "v2", "id", "a", "B_c", "größe"]
    );
    assert!(terms(" .-{}\n").is_empty());
}

#[test]
fn a_long_word_is_hashed_and_marked_but_never_dropped() {
    let long = "x".repeat(WORD_BYTES_MAX + 1);
    let found = terms(&format!("a {long} b"));
    assert_eq!(found.len(), 4);
    assert_eq!(found[2], LONG_MARKER);
    assert_eq!(found[1].len(), LONG_MARKER.len() + 16);
    assert_eq!(
        terms(&"y".repeat(WORD_BYTES_MAX)),
        ["y".repeat(WORD_BYTES_MAX)]
    );
}

#[test]
fn a_needle_knows_which_of_its_words_are_whole() {
    let shape: Vec<_> = runs("out connecting to ")
        .map(|r| (r.text, r.starts, r.ends))
        .collect();
    assert_eq!(
        shape,
        [
            ("out", false, true),
            ("connecting", true, true),
            ("to", true, true)
        ]
    );
}

#[test]
fn a_token_is_found_only_where_no_word_goes_on() {
    let check = |text: &str, token: &str, expected| {
        assert_eq!(
            contains_token(text.as_bytes(), token.as_bytes()),
            expected,
            "{token:?} in {text:?}"
        );
    };
    check("id=abc-1 x", "abc-1", true);
    check("id=xabc-1", "abc-1", false);
    check("abc-12 abc-1", "abc-1", true);
    check("abc", "", false);
    check("a/b", "/b", true);
}

#[test]
fn every_word_of_a_text_is_a_term_of_it() {
    let text = "one two_2 größe-x";
    let terms = terms(text);
    let mut term = String::new();
    for run in runs(text) {
        term_of(run.text, &mut term);
        terms.iter().find(|t| **t == term).unwrap();
    }
}
