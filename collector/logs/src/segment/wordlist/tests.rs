//! The list of words against a plain look at each word, and against damage.

use super::*;
use proptest::prelude::*;
use std::collections::BTreeSet;

/// A list of these words in a directory.
fn list_of(dir: &Path, words: &BTreeSet<String>) -> WordList {
    let mut out = Checked::create(&dir.join(FILE)).unwrap();
    out.put(b"\n").unwrap();
    for word in words {
        out.put(word.as_bytes()).unwrap();
        out.put(b"\n").unwrap();
    }
    out.finish().unwrap();
    WordList::open(dir, true).unwrap()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 128, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_part_is_found_in_exactly_the_words_that_have_it(
        words in prop::collection::btree_set("[abAB_ä0]{1,6}", 0..40),
        part in "[abAB_ä0]{1,3}",
        starts: bool,
        ends: bool,
    ) {
        let dir = tempfile::tempdir().unwrap();
        let list = list_of(dir.path(), &words);
        let run = Run { text: &part, starts, ends };
        let found: Vec<&str> = list.with_part(&run).collect();
        let has = |word: &&String| {
            (!starts || word.starts_with(&part)) && (!ends || word.ends_with(&part)) && word.contains(&part)
        };
        // Bounded on both sides it is the word itself.
        let has = |word: &&String| if starts && ends { **word == part } else { has(word) };
        let expected: Vec<&str> = words.iter().filter(has).map(String::as_str).collect();
        prop_assert_eq!(found, expected);
    }
}

#[test]
fn every_changed_byte_and_every_cut_is_damage() {
    let dir = tempfile::tempdir().unwrap();
    let words = ["alpha", "beta", "größe"].map(str::to_owned).into();
    drop(list_of(dir.path(), &words));
    let path = dir.path().join(FILE);
    let good = std::fs::read(&path).unwrap();
    for at in 0..good.len() {
        let mut bytes = good.clone();
        bytes[at] ^= 0x20;
        std::fs::write(&path, &bytes).unwrap();
        assert!(WordList::open(dir.path(), true).is_err(), "byte {at}");
        std::fs::write(&path, &good[..at]).unwrap();
        assert!(WordList::open(dir.path(), true).is_err(), "cut at {at}");
    }
    std::fs::remove_file(&path).unwrap();
    assert!(WordList::open(dir.path(), true).is_err());
}

#[test]
fn damage_that_nobody_looked_for_hides_no_other_word() {
    let dir = tempfile::tempdir().unwrap();
    let words = ["one_a", "one_b", "one_c"].map(str::to_owned).into();
    drop(list_of(dir.path(), &words));
    let path = dir.path().join(FILE);
    let mut bytes = std::fs::read(&path).unwrap();
    let at = bytes.windows(5).position(|w| w == b"one_b").unwrap();
    bytes[at + 4] = 0xff;
    std::fs::write(&path, &bytes).unwrap();
    let list = WordList::open(dir.path(), false).unwrap();
    let run = Run {
        text: "one",
        starts: true,
        ends: false,
    };
    assert_eq!(list.with_part(&run).collect::<Vec<_>>(), ["one_a", "one_c"]);
}
