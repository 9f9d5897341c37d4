//! No text breaks the reader: any text, queries with pieces changed, and soup of words.

use super::*;
use proptest::prelude::*;

const WORDS: &[&str] = &[
    "{",
    "}",
    "(",
    ")",
    "[",
    "]",
    ",",
    "|",
    "|=",
    "!=",
    "|~",
    "!~",
    "|>",
    "!>",
    "=",
    "==",
    "=~",
    ">",
    ">=",
    "<",
    "<=",
    "+",
    "-",
    "*",
    "/",
    "%",
    "^",
    ".",
    ":",
    "@",
    "#",
    "\n",
    "'",
    "\"",
    "`",
    "\"a\"",
    "`b`",
    "\"(\"",
    "a",
    "b",
    "{a=\"b\"}",
    "[5m]",
    "5",
    "5m",
    "5KB",
    "-1",
    "0.5",
    "Inf",
    "json",
    "logfmt",
    "--strict",
    "regexp",
    "pattern",
    "unpack",
    "decolorize",
    "line_format",
    "label_format",
    "drop",
    "keep",
    "distinct",
    "unwrap",
    "ip",
    "ip(",
    "and",
    "or",
    "unless",
    "by",
    "without",
    "offset",
    "bool",
    "on",
    "ignoring",
    "group_left",
    "group_right",
    "sum",
    "topk",
    "sort",
    "rate",
    "rate(",
    "count_over_time(",
    "quantile_over_time(",
    "avg_over_time(",
    "label_replace(",
    "vector(",
    "duration(",
    "bytes(",
    "é",
    "µ",
    "\u{0}",
    "\\",
];

/// What is read is written in a way that reads back; what is refused is refused well.
fn check(query: &str) {
    match parse(query) {
        Ok(read) => {
            let written = read.to_string();
            let again = parse(&written).unwrap_or_else(|error| panic!("{query}\n{error}"));
            assert_eq!(again.to_string(), written, "{query}");
            let pretty = crate::format::pretty(&read);
            let again = parse(&pretty).unwrap_or_else(|error| panic!("{pretty}\n{error}"));
            assert_eq!(again.to_string(), written, "{pretty}");
        }
        Err(error) => check_words(query, &error),
    }
    let _ = parse_narrow(query);
    let _ = parse_selector(query);
}

/// A query with some pieces taken away, doubled, or put in from elsewhere.
fn mutated() -> impl Strategy<Value = String> {
    let queries = prop::sample::select(accepted());
    let edits = prop::collection::vec(
        (
            any::<prop::sample::Index>(),
            0usize..6,
            0usize..5,
            prop::sample::select(WORDS),
        ),
        1..4,
    );
    (queries, edits).prop_map(|(query, edits)| {
        let mut chars: Vec<char> = query.chars().collect();
        for (at, length, kind, word) in edits {
            let from = at.index(chars.len() + 1);
            let to = (from + length).min(chars.len());
            let piece: Vec<char> = match kind {
                0 => Vec::new(),
                1 => chars[from..to].repeat(2),
                2 => word.chars().collect(),
                3 => word
                    .chars()
                    .chain(chars[from..to].iter().copied())
                    .collect(),
                _ => chars[from..to].iter().rev().copied().collect(),
            };
            chars.splice(from..to, piece);
        }
        chars.into_iter().collect()
    })
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: 4000,
        failure_persistence: None,
        ..ProptestConfig::default()
    })]

    #[test]
    fn any_text(text in any::<String>()) {
        check(&text);
    }

    #[test]
    fn any_bytes_made_text(bytes in prop::collection::vec(any::<u8>(), 0..60)) {
        check(&String::from_utf8_lossy(&bytes));
    }

    #[test]
    fn changed_queries(query in mutated()) {
        check(&query);
    }

    #[test]
    fn soup(words in prop::collection::vec(prop::sample::select(WORDS), 0..30), blank in any::<bool>()) {
        check(&words.join(if blank { " " } else { "" }));
    }
}

#[test]
fn every_beginning_and_every_end_of_a_query() {
    for query in accepted() {
        for (at, _) in query.char_indices() {
            check(&query[..at]);
            check(&query[at..]);
        }
    }
}
