//! `--set a.list[0].b=value`: values that replace those of the text.
//!
//! A path is keys separated by `.` and list positions in `[…]`; a key that holds a dot is
//! written in double quotes: `labels."host.name"`. What is missing on the way is made.

use crate::DEPTH_MAX;
use crate::parse;
use crate::problem::Report;
use crate::tree::{Content, Entry, Node, Place};

/// One step of a path.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Step {
    Key(String),
    Index(usize),
}

/// Applies the overrides in order; the last one of a path wins.
pub(crate) fn apply(root: &mut Node, overrides: &[(String, String)], report: &mut Report) {
    for (number, (path, value)) in (1..).zip(overrides) {
        let place = Place {
            source: number,
            line: 1,
            column: 1,
        };
        let Some(mut value) = parse::fragment(value, number, report) else {
            continue;
        };
        value.place = place;
        let result = steps(path).and_then(|steps| put(root, &steps, place, value));
        if let Err(message) = result {
            report.add(place, message, None);
        }
    }
}

/// Reads a path.
pub(crate) fn steps(path: &str) -> Result<Vec<Step>, String> {
    let mut steps = Vec::new();
    let mut rest = path;
    while !rest.is_empty() {
        if steps.len() >= DEPTH_MAX {
            return Err(format!("the path has more than {DEPTH_MAX} steps"));
        }
        if let Some(after) = rest.strip_prefix('[') {
            let (number, after) = after.split_once(']').ok_or("`[` without `]` in the path")?;
            let index = number
                .parse()
                .map_err(|_| format!("`[{number}]` is no list position"))?;
            steps.push(Step::Index(index));
            rest = after;
        } else {
            let after = if steps.is_empty() {
                Some(rest)
            } else {
                rest.strip_prefix('.')
            };
            let after = after.ok_or("after `]` comes `.` or `[` in the path")?;
            let (key, after) = key(after)?;
            steps.push(Step::Key(key));
            rest = after;
        }
    }
    if steps.is_empty() {
        Err("the path is empty".into())
    } else {
        Ok(steps)
    }
}

fn key(text: &str) -> Result<(String, &str), String> {
    let (key, rest) = if let Some(after) = text.strip_prefix('"') {
        after
            .split_once('"')
            .ok_or("`\"` without its end in the path")?
    } else {
        text.split_at(text.find(['.', '[']).unwrap_or(text.len()))
    };
    if key.is_empty() {
        Err("the path has an empty key".into())
    } else {
        Ok((key.to_owned(), rest))
    }
}

fn put(node: &mut Node, steps: &[Step], place: Place, value: Node) -> Result<(), String> {
    let Some((step, rest)) = steps.split_first() else {
        *node = value;
        return Ok(());
    };
    match step {
        Step::Key(key) => put(child(node, key, place)?, rest, place, value),
        Step::Index(index) => put(item(node, *index, place)?, rest, place, value),
    }
}

fn child<'n>(node: &'n mut Node, key: &str, place: Place) -> Result<&'n mut Node, String> {
    if node.is_null() {
        *node = Node {
            place,
            content: Content::Map(Vec::new()),
        };
    }
    let Content::Map(entries) = &mut node.content else {
        return Err(format!(
            "`{key}` cannot be set: what holds it is not a mapping"
        ));
    };
    let at = entries
        .iter()
        .position(|entry| entry.key == key)
        .unwrap_or_else(|| {
            entries.push(Entry {
                key: key.to_owned(),
                place,
                value: Node::null(place),
            });
            entries.len() - 1
        });
    Ok(&mut entries[at].value)
}

fn item(node: &mut Node, index: usize, place: Place) -> Result<&mut Node, String> {
    if node.is_null() {
        *node = Node {
            place,
            content: Content::List(Vec::new()),
        };
    }
    let Content::List(items) = &mut node.content else {
        return Err(format!(
            "`[{index}]` cannot be set: what holds it is not a list"
        ));
    };
    let len = items.len();
    if index == len {
        items.push(Node::null(place));
    }
    items
        .get_mut(index)
        .ok_or_else(|| format!("`[{index}]` cannot be set: the list has {len} values"))
}
