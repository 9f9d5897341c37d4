//! Words beside a slow splitter, and the promise to needles.

use super::*;
use proptest::prelude::*;

fn all(text: &[u8]) -> Vec<Vec<u8>> {
    let mut found = Vec::new();
    tokens(text, |word| found.push(word.to_vec()));
    found
}

fn demanded(needle: &[u8]) -> Vec<Vec<u8>> {
    let mut found = Vec::new();
    needle_tokens(needle, |word| found.push(word.to_vec()));
    found
}

fn check(text: &str, expected: &[&str]) {
    let found = all(text.as_bytes());
    let found: Vec<_> = found.iter().map(|w| String::from_utf8_lossy(w)).collect();
    assert_eq!(found, expected, "words of {text:?}");
}

#[test]
fn words_end_where_no_word_byte_is() {
    check("", &[]);
    check(" user_id=42, größe 7", &["user_id", "42", "größe", "7"]);
    check("a.b", &["a", "b"]);
}

#[test]
fn an_ipv4_address_is_one_word() {
    check("from 10.0.3.4:8080", &["from", "10.0.3.4", "8080"]);
    check("10.0.3.4.", &["10.0.3.4"]);
    check("1.2.3.4.5", &["1", "2", "3", "4", "5"]);
    check("v1.2.3.4", &["v1", "2", "3", "4"]);
    check("1.2.3.4x", &["1", "2", "3", "4x"]);
    check("1.2.3", &["1", "2", "3"]);
    check("1234.2.3.4", &["1234", "2", "3", "4"]);
    check("x.1.2.3.4 1.2.3.4", &["x", "1", "2", "3", "4", "1.2.3.4"]);
}

#[test]
fn a_needle_demands_only_what_it_holds_whole() {
    assert_eq!(
        demanded(b"user=12345 HTTP/"),
        [b"12345".to_vec(), b"HTTP".to_vec()]
    );
    assert!(demanded(b"timeout").is_empty());
    assert_eq!(demanded(b" 10.0.3.4 "), [b"10.0.3.4".to_vec()]);
    assert!(demanded(b" 10.0.3.4.").is_empty());
    assert!(demanded(b".10.0.3.4 ").is_empty());
    assert!(demanded(b" 10.0.3").is_empty());
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, cases: 2000, ..ProptestConfig::default() })]

    #[test]
    fn without_addresses_words_are_those_of_a_plain_split(text in "[a1_ü: -]{0,150}") {
        let plain: Vec<Vec<u8>> = text.as_bytes().split(|b| !is_word_byte(*b))
            .filter(|w| !w.is_empty()).map(<[u8]>::to_vec).collect();
        prop_assert_eq!(all(text.as_bytes()), plain);
    }

    #[test]
    fn a_text_has_the_words_of_every_needle_in_it(text in "[123a. ]{0,40}", from in 0_usize..40, to in 0_usize..40) {
        let text = text.as_bytes();
        let (from, to) = (from.min(text.len()), to.min(text.len()));
        let needle = &text[from.min(to)..from.max(to)];
        let words = all(text);
        for word in demanded(needle) {
            prop_assert!(words.contains(&word), "{:?} demanded by {:?} is not in {:?}", word, needle, text);
        }
    }
}
