//! Shows where in a query a mistake is.

/// How many characters of the line are shown on each side of the place.
const SHOWN_MAX: usize = 60;

/// A refusal that names line and column, with the query's line and a caret under the place;
/// as it is where it names none, or shows it already.
pub(super) fn with_caret(query: &str, message: &str) -> String {
    let drawn = message.lines().any(|line| line.trim() == "^");
    match place(message).filter(|_| !drawn) {
        Some(place) => draw(query, place)
            .map_or_else(|| message.to_owned(), |drawn| format!("{message}\n{drawn}")),
        None => message.to_owned(),
    }
}

/// Line and column, counted from 1, as in "at line 1, col 7: …".
fn place(message: &str) -> Option<(usize, usize)> {
    let mut words = message
        .split(|c: char| !c.is_alphanumeric())
        .filter(|word| !word.is_empty());
    while let Some(word) = words.next() {
        let mut ahead = words.clone();
        if word != "line" {
            continue;
        }
        let line = ahead.next().and_then(|n| n.parse().ok());
        let column = ahead
            .next()
            .filter(|word| ["col", "column"].contains(word))
            .and_then(|_| ahead.next()?.parse().ok());
        if let (Some(line), Some(column)) = (line, column) {
            return Some((line, column));
        }
    }
    None
}

fn draw(query: &str, (line, column): (usize, usize)) -> Option<String> {
    let text = query.split('\n').nth(line.checked_sub(1)?)?;
    let at = column.checked_sub(1)?;
    let from = at.saturating_sub(SHOWN_MAX);
    let shown: String = text
        .chars()
        .skip(from)
        .take(2 * SHOWN_MAX)
        .map(crate::render::tame)
        .collect();
    (at <= text.chars().count()).then(|| format!("  {shown}\n  {}^", " ".repeat(at - from)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_place_that_a_message_names_is_pointed_at() {
        let query = "{a=\"b\"}\n| josn";
        let message = "parse error at line 2, col 3: no stage is called josn";
        assert_eq!(
            with_caret(query, message),
            format!("{message}\n  | josn\n    ^")
        );
        let at_the_end = "expected a value at line 1, column 4";
        assert_eq!(
            with_caret("{a=", at_the_end),
            format!("{at_the_end}\n  {{a=\n     ^")
        );
    }

    #[test]
    fn a_long_line_is_cut_around_the_place() {
        let query = format!("{}?{}", "x".repeat(500), "y".repeat(500));
        let text = with_caret(&query, "at line 1, col 501: no");
        let lines: Vec<_> = text.lines().collect();
        assert_eq!(lines[2].find('^'), lines[1].find('?'), "{text}");
        assert!(lines[1].len() < 130, "{text}");
    }

    #[test]
    fn a_message_without_a_place_or_with_its_own_caret_stays() {
        for message in [
            "too many queries",
            "bad at line 1, column 2:\n  {a\n   ^",
            "line 9, col 9: beyond",
            "line 0, col 0",
            "line 1, col 99999999999999999999",
            "line x, col y",
            "line",
        ] {
            assert_eq!(with_caret("{a", message), message);
        }
    }
}
