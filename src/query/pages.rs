//! Lines of a period, in as many answers as it takes.

use super::line::Line;
use super::period::Period;
use crate::client::{AskError, Client};
use std::cmp::Reverse;
use std::collections::HashMap;

/// How many lines one answer has at most, where the collector allows as many.
const PAGE_LINES_MAX: usize = 5000;

/// Which lines.
#[derive(Clone, Copy, Debug)]
pub(super) struct Wanted<'a> {
    pub(super) query: &'a str,
    pub(super) period: Period,
    pub(super) limit: usize,
    /// The oldest, not the newest.
    pub(super) forward: bool,
}

/// Lines, oldest first.
#[derive(Debug, Default)]
pub(super) struct Lines {
    pub(super) lines: Vec<Line>,
    /// Why there may be more, if there may.
    pub(super) cut: Option<String>,
}

/// Asks until there are as many lines as wanted, or no more.
///
/// # Errors
/// The first refusal.
pub(super) async fn fetch(client: &Client, wanted: Wanted<'_>) -> Result<Lines, AskError> {
    let page = client.lines_max().await.min(PAGE_LINES_MAX);
    let mut pages = Pages::new(wanted, page);
    while let Some((period, limit)) = pages.next() {
        let (start, end, limit) = (
            period.start.to_string(),
            period.end.to_string(),
            limit.to_string(),
        );
        let direction = if wanted.forward {
            "forward"
        } else {
            "backward"
        };
        let parameters = [
            ("query", wanted.query),
            ("start", &start),
            ("end", &end),
            ("limit", &limit),
            ("direction", direction),
        ];
        let answer = client.loki("query_range", &parameters).await?;
        pages.add(Line::all(&answer.data));
        pages.cut = pages.cut.or(answer.warnings.into_iter().next());
    }
    Ok(pages.finish())
}

/// What was asked and answered so far. An answer begins with the time at which the one
/// before it ended, as more lines may have it; those that are known are left out.
struct Pages<'a> {
    wanted: Wanted<'a>,
    /// How many lines one answer may have.
    page: usize,
    period: Period,
    /// In the order of the direction.
    lines: Vec<Line>,
    /// How often each line of the last time was there.
    edge: HashMap<u64, usize>,
    edge_len: usize,
    asked: usize,
    is_done: bool,
    cut: Option<String>,
}

impl<'a> Pages<'a> {
    fn new(wanted: Wanted<'a>, page: usize) -> Self {
        Self {
            wanted,
            page: page.max(1),
            period: wanted.period,
            lines: Vec::new(),
            edge: HashMap::new(),
            edge_len: 0,
            asked: 0,
            is_done: wanted.limit == 0,
            cut: None,
        }
    }

    /// What to ask next.
    fn next(&mut self) -> Option<(Period, usize)> {
        if self.is_done {
            return None;
        }
        let missing = self.wanted.limit - self.lines.len();
        self.asked = missing.saturating_add(self.edge_len).min(self.page);
        Some((self.period, self.asked))
    }

    fn add(&mut self, mut page: Vec<Line>) {
        let was_full = page.len() >= self.asked;
        // Streams are answered one after the other; equal times keep the answer's order.
        if self.wanted.forward {
            page.sort_by_key(|line| line.time);
        } else {
            page.sort_by_key(|line| Reverse(line.time));
        }
        let mut fresh = 0;
        for line in page {
            if let Some(known) = self.edge.get_mut(&line.identity()).filter(|n| **n > 0) {
                *known -= 1;
            } else if self.lines.len() < self.wanted.limit {
                self.lines.push(line);
                fresh += 1;
            }
        }
        let is_enough = self.lines.len() >= self.wanted.limit;
        // Each answer would begin to tell its lines apart anew.
        let is_only = is_distinct(self.wanted.query);
        let page = self.page;
        if was_full && !is_enough && is_only {
            self.cut = Some(format!(
                "a query with distinct has {page} lines at most, and these are the first; ask for a shorter time to see the rest"
            ));
        } else if was_full && fresh == 0 && !is_enough {
            self.cut = Some(format!(
                "more than {page} lines have the same time; narrow the query to see the rest"
            ));
        }
        self.is_done = is_enough || !was_full || fresh == 0 || is_only;
        self.turn();
    }

    /// The next answer begins where this one ends.
    fn turn(&mut self) {
        let Some(last) = self.lines.last().map(|line| line.time) else {
            return;
        };
        if self.wanted.forward {
            self.period.start = last;
        } else {
            self.period.end = last.saturating_add(1);
        }
        self.edge.clear();
        self.edge_len = 0;
        for line in self.lines.iter().rev().take_while(|line| line.time == last) {
            *self.edge.entry(line.identity()).or_default() += 1;
            self.edge_len += 1;
        }
    }

    fn finish(mut self) -> Lines {
        if !self.wanted.forward {
            self.lines.reverse();
        }
        Lines {
            lines: self.lines,
            cut: self.cut,
        }
    }
}

/// Whether a query has a stage `| distinct`, which looks at all lines together.
fn is_distinct(query: &str) -> bool {
    let bare = without_texts(query);
    let mut stages = bare.split('|').skip(1).map(str::trim_start);
    stages.any(|stage| {
        let end = stage.find(|c: char| !c.is_alphanumeric() && c != '_');
        let (word, rest) = stage.split_at(end.unwrap_or(stage.len()));
        let is_filter = rest.trim_start().starts_with(['=', '!', '<', '>']);
        word.eq_ignore_ascii_case("distinct") && !is_filter
    })
}

/// A query with its texts empty, and without its comments.
fn without_texts(query: &str) -> String {
    let (mut bare, mut chars) = (String::new(), query.chars());
    while let Some(c) = chars.next() {
        match c {
            '"' => {
                while let Some(c) = chars.next().filter(|c| *c != '"') {
                    if c == '\\' {
                        chars.next();
                    }
                }
            }
            '`' => {
                let _ = chars.find(|c| *c == '`');
            }
            '#' => {
                let _ = chars.find(|c| *c == '\n');
            }
            _ => {}
        }
        bare.push(c);
    }
    bare
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::Map;

    fn line(time: u64, text: &str) -> Line {
        Line {
            time,
            line: text.into(),
            labels: Map::new(),
            metadata: Map::new(),
            parsed: Map::new(),
            is_context: false,
        }
    }

    /// Answers as a collector does, and says how often it was asked.
    fn answered(stored: &[Line], limit: usize, forward: bool) -> (Lines, usize) {
        answered_by(stored, "{}", (limit, PAGE_LINES_MAX), forward)
    }

    /// The same, of one that gives so many lines at once.
    fn answered_by(
        stored: &[Line],
        query: &str,
        (limit, page): (usize, usize),
        forward: bool,
    ) -> (Lines, usize) {
        let period = Period {
            start: 0,
            end: 1 << 40,
        };
        let wanted = Wanted {
            query,
            period,
            limit,
            forward,
        };
        let mut pages = Pages::new(wanted, page);
        let mut asked = 0;
        while let Some((period, limit)) = pages.next() {
            let mut found: Vec<_> = stored
                .iter()
                .filter(|l| (period.start..period.end).contains(&l.time))
                .cloned()
                .collect();
            if !forward {
                found.reverse();
            }
            assert!(limit <= page, "it is refused");
            found.truncate(limit);
            pages.add(found);
            asked += 1;
            assert!(asked < 100, "it does not end");
        }
        (pages.finish(), asked)
    }

    #[test]
    fn pages_that_meet_at_one_time_lose_and_repeat_nothing() {
        // Three lines a time, two of them equal: every page ends within a time.
        let stored: Vec<_> = (0..6000)
            .flat_map(|t| [line(t, "twin"), line(t, "twin"), line(t, "third")])
            .collect();
        for forward in [true, false] {
            for limit in [1, 2, 4999, 5000, 5001, 17_999, 18_000, 30_000] {
                let (found, _) = answered(&stored, limit, forward);
                let kept = limit.min(stored.len());
                let count = |lines: &[Line]| {
                    let mut times = HashMap::<u64, usize>::new();
                    lines
                        .iter()
                        .for_each(|l| *times.entry(l.time).or_default() += 1);
                    times
                };
                let expected = if forward {
                    &stored[..kept]
                } else {
                    &stored[stored.len() - kept..]
                };
                assert_eq!(count(&found.lines), count(expected), "{forward} {limit}");
                assert!(
                    found.lines.is_sorted_by_key(|l| l.time),
                    "{forward} {limit}"
                );
                assert_eq!(found.cut, None);
            }
        }
        assert_eq!(answered(&stored, 100, true).1, 1);
    }

    #[test]
    fn more_lines_of_one_time_than_an_answer_has_are_told() {
        let stored: Vec<_> = (0..7000).map(|n| line(7, &n.to_string())).collect();
        let (found, _) = answered(&stored, 7000, false);
        assert_eq!(found.lines.len(), PAGE_LINES_MAX);
        assert!(found.cut.is_some());
    }

    #[test]
    fn a_collector_that_gives_less_at_once_is_asked_more_often() {
        let stored: Vec<_> = (0..2000).map(|n| line(n, "x")).collect();
        let (found, asked) = answered_by(&stored, "{}", (2000, 300), false);
        assert_eq!((found.lines.len(), found.cut), (2000, None));
        assert_eq!(asked, 7);
        assert_eq!(answered_by(&stored, "{}", (10, 1), true).0.lines.len(), 1);
    }

    #[test]
    fn what_looks_at_all_lines_together_is_asked_once() {
        let stored: Vec<_> = (0..2000).map(|n| line(n, "x")).collect();
        let query = "{} | json | distinct user";
        let (found, asked) = answered_by(&stored, query, (2000, 300), false);
        assert_eq!((found.lines.len(), asked), (300, 1));
        assert!(found.cut.unwrap().contains("at most"));
        let (found, _) = answered_by(&stored, query, (100, 300), false);
        assert_eq!((found.lines.len(), found.cut), (100, None));
        for query in ["{}|distinct a", "{} |= `x` |\n DISTINCT a, b | json"] {
            assert!(is_distinct(query), "{query}");
        }
        for query in [
            "{}",
            r#"{} |= "| distinct a""#,
            r#"{} |= "\" | distinct a" |= "b""#,
            "{} |= `| distinct a`",
            "{} # | distinct a",
            "{} | distinct = `x`",
            "{} | distinctly > 5",
            "{distinct=`a`}",
        ] {
            assert!(!is_distinct(query), "{query}");
        }
    }
}
