//! Templates against the `regex` crate's own, and values at their limit.

use super::*;
use proptest::prelude::*;

fn replace(replacement: &str, pattern: &str) -> Replace {
    let args = ["x", replacement, "s", pattern].map(String::from);
    Replace::new(args).unwrap()
}

fn labels(source: &str) -> Labels {
    [("s", source), ("t", "é")].into_iter().collect()
}

#[test]
fn a_value_at_the_limit_is_made_and_one_byte_more_is_refused() {
    let long = "a".repeat(VALUE_BYTES_MAX / 2);
    let all = replace("$1$1", "(.*)").value(&labels(&long));
    assert_eq!(all.unwrap().unwrap().len(), VALUE_BYTES_MAX);
    let Err(Stop::LabelValueMax { function, .. }) = replace("$1$1.", "(.*)").value(&labels(&long))
    else {
        panic!("too long a value was made");
    };
    assert_eq!(function, "label_replace");

    let sources = ["s", "s", "none"].map(String::from);
    let joined = |separator| join(&labels(&long), "x", separator, &sources);
    assert_eq!(joined("").unwrap().len(), VALUE_BYTES_MAX);
    assert!(matches!(joined("."), Err(Stop::LabelValueMax { .. })));
    let many = vec![String::from("s"); 20_000];
    assert!(join(&labels(&long), "x", "", &many).is_err());
    let groups = replace(&"$1".repeat(20_000), "(.*)");
    assert!(groups.value(&labels(&long)).is_err());
}

#[test]
fn a_pattern_matches_the_whole_value_or_nothing() {
    for (pattern, source, matches) in [
        ("a", "a", true),
        ("a", "ab", false),
        ("a", "ba", false),
        ("a|b", "ab", false),
        ("a.b", "a\nb", true),
        ("a", "a\n", false),
        // The patterns are those of Go.
        (r"\d+", "٣", false),
        (r"\w+", "größe", false),
        (r"\Qa.b\E", "a.b", true),
        ("{,3}", "{,3}", true),
        (r".*\Bb", "éb", false),
    ] {
        let value = replace("y", pattern).value(&labels(source)).unwrap();
        assert_eq!(value.is_some(), matches, "{pattern} {source:?}");
    }
}

#[test]
fn a_pattern_whose_automaton_is_large_is_refused() {
    let new = |pattern: &str| Replace::new(["x", "", "s", pattern].map(String::from));
    let error = new(r"(\pL{100}){100}").err().unwrap();
    let Stop::Expression(message) = error else {
        panic!("{error:?}");
    };
    assert!(message.contains("label_replace()"), "{message}");
    for bad in ["(?x)a # b", "a)|(b", "(?<=a)b"] {
        assert!(new(bad).is_err(), "{bad}");
    }
    assert!(new(r"(\w+)-(\d{1,3})\.(.*)").is_ok());
    assert!(new(&"(a?)".repeat(GROUPS_MAX)).is_ok());
    let error = new(&"(a?)".repeat(GROUPS_MAX + 1)).err().unwrap();
    assert!(format!("{error:?}").contains("groups"), "{error:?}");
}

/// Nothing can end a match that has begun, so what would take seconds is not begun.
#[test]
fn a_pattern_that_is_slow_on_a_long_value_is_refused_for_it() {
    let slow = replace("$1", &"((?:a?){100})".repeat(GROUPS_MAX));
    slow.value(&labels("aaa")).unwrap();
    let error = slow.value(&labels(&"a".repeat(VALUE_BYTES_MAX)));
    assert!(
        matches!(&error, Err(Stop::Expression(message)) if message.contains("too large")),
        "{error:?}"
    );
    let usual = replace("$1", r"(\w+)-(\d{1,3})\.(.*)");
    // The longest value that is stored, by default.
    usual.value(&labels(&"a".repeat(4096))).unwrap();
    let short = replace("$1", "(.*):(.*)");
    short.value(&labels(&"a".repeat(VALUE_BYTES_MAX))).unwrap();
}

proptest! {
    #[test]
    fn a_template_gives_what_the_regex_crate_gives(
        replacement in "([$]|[$][{]|[}]|[012]|one|other|_|é|-){0,12}",
        source in "[ab]{0,4}",
    ) {
        let replace = replace(&replacement, "(?P<one>a*)(b*)?.*");
        let mut wanted = Vec::new();
        let captures = replace.pattern.captures(source.as_bytes()).unwrap();
        captures.expand(replacement.as_bytes(), &mut wanted);
        let value = replace.value(&labels(&source)).unwrap().unwrap();
        prop_assert_eq!(value.into_bytes(), wanted);
    }
}
