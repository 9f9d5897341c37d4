//! What a regular expression's matches must contain: the texts by which it can be looked up.

use regex_syntax::ParserBuilder;
use regex_syntax::hir::{Hir, HirKind};

/// How many lists of texts are kept, and how many texts a list may have.
const LISTS_MAX: usize = 8;
const TEXTS_MAX: usize = 16;

/// A character that stands for bytes that are none: a line is matched as it is shown, so a
/// text with it may be other bytes in the line.
const REPLACEMENT: &[u8] = "\u{fffd}".as_bytes();

/// Lists of texts: every match contains one of each list. A pattern that says nothing, or is
/// none, has no list.
pub(super) fn required(pattern: &str, depth_max: u32) -> Vec<Vec<Vec<u8>>> {
    let mut parser = ParserBuilder::new()
        .utf8(false)
        .nest_limit(depth_max)
        .build();
    let Ok(hir) = parser.parse(pattern) else {
        return Vec::new();
    };
    let mut lists = lists(&hir);
    // The longest are the rarest.
    lists.sort_by_key(|list| std::cmp::Reverse(shortest(list)));
    lists.truncate(LISTS_MAX);
    lists
}

fn lists(hir: &Hir) -> Vec<Vec<Vec<u8>>> {
    match hir.kind() {
        HirKind::Literal(literal) if memchr::memmem::find(&literal.0, REPLACEMENT).is_none() => {
            vec![vec![literal.0.to_vec()]]
        }
        HirKind::Capture(capture) => lists(&capture.sub),
        HirKind::Repetition(repetition) if repetition.min > 0 => lists(&repetition.sub),
        HirKind::Concat(parts) => parts.iter().flat_map(lists).collect(),
        HirKind::Alternation(branches) => {
            let best = |branch| lists(branch).into_iter().max_by_key(|list| shortest(list));
            let texts: Option<Vec<_>> = branches.iter().map(best).collect();
            let texts = texts.unwrap_or_default().concat();
            match texts.len() {
                1..=TEXTS_MAX => vec![texts],
                _ => Vec::new(),
            }
        }
        HirKind::Literal(_)
        | HirKind::Repetition(_)
        | HirKind::Empty
        | HirKind::Class(_)
        | HirKind::Look(_) => Vec::new(),
    }
}

fn shortest(list: &[Vec<u8>]) -> usize {
    list.iter().map(Vec::len).min().unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(pattern: &str, expected: &[&[&str]]) {
        let found = required(pattern, 100);
        let found: Vec<Vec<String>> = found
            .into_iter()
            .map(|list| {
                list.into_iter()
                    .map(|t| String::from_utf8(t).unwrap())
                    .collect()
            })
            .collect();
        assert_eq!(found, expected, "{pattern}");
    }

    #[test]
    fn what_every_match_contains_is_found_and_nothing_else() {
        check("took [0-9]+ms for", &[&["ms for"], &["took "]]);
        check("(GET|POST) /api", &[&[" /api"], &["GET", "POST"]]);
        check("(error|fail(ed|ure)) now", &[&["error", "fail"], &[" now"]]);
        check("(abc)+d?", &[&["abc"]]);
        check("(abc)*", &[]);
        check("a|[0-9]", &[]);
        check("(?i)timeout", &[]);
        check("x\u{fffd}y", &[]);
        check("(", &[]);
    }
}
