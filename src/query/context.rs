//! What stands around lines in their streams, as `grep -C` shows it.

use super::line::Line;
use super::pages::{self, Wanted};
use super::period::Period;
use crate::client::{AskError, Client};
use serde_json::{Map, Value};

/// Found in each line, and so no part of where lines stand.
const LEVEL: &str = "level";
/// How far from a line its neighbours are looked for.
const REACH_NANOS: u64 = 24 * 3_600_000_000_000;

/// Lines, oldest first, each with up to `count` of its stream before and after it. Blocks
/// that meet are one. And why lines may be missing, if they may.
///
/// # Errors
/// The first refusal.
pub(super) async fn with_context(
    client: &Client,
    hits: Vec<Line>,
    count: usize,
) -> Result<(Vec<Vec<Line>>, Option<String>), AskError> {
    let (mut blocks, mut cut) = (Vec::new(), None);
    for hit in hits {
        let query = selector(&place(&hit));
        let ask = |period, limit, forward| Wanted {
            query: &query,
            period,
            limit,
            forward,
        };
        let earlier = Period {
            start: hit.time.saturating_sub(REACH_NANOS),
            end: hit.time,
        };
        let later = Period {
            start: hit.time,
            end: hit.time.saturating_add(REACH_NANOS),
        };
        let before = pages::fetch(client, ask(earlier, count, false)).await?;
        let after = pages::fetch(client, ask(later, count + 1, true)).await?;
        join(&mut blocks, around(before.lines, hit, after.lines));
        cut = cut.or(before.cut).or(after.cut);
    }
    Ok((blocks, cut))
}

/// What lines that stand beside one another have in common.
fn place(line: &Line) -> Map<String, Value> {
    let mut labels = line.labels.clone();
    labels.remove(LEVEL);
    labels
}

/// The streams with at least these labels.
fn selector(labels: &Map<String, Value>) -> String {
    let matchers: Vec<_> = labels
        .iter()
        // JSON's escapes are among those that the language has.
        .map(|(name, value)| format!("{name}={value}"))
        .collect();
    format!("{{{}}}", matchers.join(", "))
}

/// One block. What comes after begins at the time of the line itself, so the line is there,
/// perhaps in another form, and others of the same time may be.
fn around(before: Vec<Line>, hit: Line, mut after: Vec<Line>) -> Vec<Line> {
    let own = after
        .iter()
        .position(|line| line.identity() == hit.identity())
        .or_else(|| after.iter().position(|line| line.time == hit.time));
    if let Some(own) = own {
        after.remove(own);
    }
    let own_place = place(&hit);
    let is_of_stream = |line: &Line| place(line) == own_place;
    let context = |line: Line| Line {
        is_context: true,
        ..line
    };
    let mut block: Vec<_> = before
        .into_iter()
        .filter(is_of_stream)
        .map(context)
        .collect();
    let after: Vec<_> = after
        .into_iter()
        .filter(is_of_stream)
        .map(context)
        .collect();
    block.push(hit);
    block.extend(after);
    block
}

/// Adds a block, to one of the same stream that it meets if there is one.
fn join(blocks: &mut Vec<Vec<Line>>, block: Vec<Line>) {
    let meets = |other: &&mut Vec<Line>| {
        other
            .iter()
            .rev()
            .any(|line| block.iter().any(|own| own.identity() == line.identity()))
    };
    let Some(met) = blocks.iter_mut().rev().find(meets) else {
        blocks.push(block);
        return;
    };
    for line in block {
        let same = |other: &&mut Line| {
            other.identity() == line.identity() && (line.is_context || other.is_context)
        };
        match met.iter_mut().find(same) {
            Some(known) => known.is_context &= line.is_context,
            None => met.push(line),
        }
    }
    met.sort_by_key(|line| line.time);
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn line(time: u64, text: &str) -> Line {
        serde_json::from_value(json!({"time": time, "line": text, "labels": {"a": "b"}})).unwrap()
    }

    fn shown(blocks: &[Vec<Line>]) -> Vec<String> {
        let mark = |line: &Line| if line.is_context { ' ' } else { '>' };
        let block = |lines: &Vec<Line>| {
            let lines: Vec<_> = lines
                .iter()
                .map(|l| format!("{}{}", mark(l), l.line))
                .collect();
            lines.join(",")
        };
        blocks.iter().map(block).collect()
    }

    #[test]
    fn blocks_that_meet_are_shown_as_one() {
        let at = |t: u64| line(t, &t.to_string());
        let block = |t: u64| around(vec![at(t - 1)], at(t), vec![at(t), at(t + 1)]);
        let mut blocks = Vec::new();
        for t in [10, 12, 13, 20] {
            join(&mut blocks, block(t));
        }
        assert_eq!(shown(&blocks), [" 9,>10, 11,>12,>13, 14", " 19,>20, 21"]);
    }

    #[test]
    fn of_two_equal_lines_each_is_shown_once() {
        let twins = || vec![line(5, "twin"), line(5, "twin")];
        let mut blocks = Vec::new();
        for _ in 0..2 {
            join(&mut blocks, around(vec![], line(5, "twin"), twins()));
        }
        assert_eq!(shown(&blocks), [">twin,>twin"]);
    }

    #[test]
    fn lines_of_other_streams_with_more_labels_are_not_neighbours() {
        let mut other = line(4, "other");
        other.labels.insert("c".into(), "d".into());
        let block = around(vec![other], line(5, "x"), vec![line(5, "not formatted")]);
        assert_eq!(shown(&[block]), [">x"]);
    }

    #[test]
    fn lines_of_another_level_are_neighbours() {
        let mut other = line(4, "other");
        other.labels.insert("level".into(), "error".into());
        let block = around(vec![other], line(5, "x"), vec![]);
        assert_eq!(shown(&[block]), [" other,>x"]);
    }

    #[test]
    fn a_stream_is_named_with_its_values_escaped() {
        let labels = json!({"a": "x\"\\\n", "b": "ü"});
        let selector = selector(labels.as_object().unwrap());
        assert_eq!(selector, r#"{a="x\"\\\n", b="ü"}"#);
    }
}
