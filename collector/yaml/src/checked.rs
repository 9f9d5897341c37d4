//! A value that was read, and where each part of it stood.

use crate::locate;
use crate::overrides::{self, Step};
use crate::problem::{Problem, Report};
use crate::tree::{Content, Node};

/// A value with the places of its parts, for problems found after reading.
#[derive(Clone)]
pub struct Checked<T> {
    /// The value.
    pub value: T,
    tree: Node,
    report: Report,
    text: String,
}

impl<T: std::fmt::Debug> std::fmt::Debug for Checked<T> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Checked")
            .field("value", &self.value)
            .finish_non_exhaustive()
    }
}

impl<T> Checked<T> {
    pub(crate) fn new(value: T, tree: Node, report: Report, text: &str) -> Self {
        Self {
            value,
            tree,
            report,
            text: text.to_owned(),
        }
    }

    /// A problem with the value at `path`, for example `groups[0].rules[1].expr`. Where
    /// nothing stands at the path, the problem is at the nearest part that holds it.
    pub fn at(&self, path: &str, message: impl Into<String>) -> Problem {
        self.report
            .problem(self.node(path).place, message.into(), None)
    }

    /// A problem inside of the text value at `path`, at its own `line` and `column` (both
    /// from 1): a syntax error of a language that stands in a YAML string.
    pub fn inside(
        &self,
        path: &str,
        line: usize,
        column: usize,
        message: impl Into<String>,
    ) -> Problem {
        let node = self.node(path);
        let place = match &node.content {
            Content::Scalar(scalar) => locate::inside(&self.text, node.place, scalar, line, column),
            Content::List(_) | Content::Map(_) => None,
        };
        self.report
            .problem(place.unwrap_or(node.place), message.into(), None)
    }

    /// The deepest written part on the way to `path`.
    fn node(&self, path: &str) -> &Node {
        let mut node = &self.tree;
        for step in overrides::steps(path).unwrap_or_default() {
            let next = match (&step, &node.content) {
                (Step::Key(key), Content::Map(entries)) => entries
                    .iter()
                    .find(|entry| entry.key == *key)
                    .map(|entry| &entry.value),
                (Step::Index(index), Content::List(items)) => items.get(*index),
                (Step::Key(_) | Step::Index(_), _) => None,
            };
            let Some(next) = next else { break };
            node = next;
        }
        node
    }
}
