//! Text → tree, by the events of `saphyr-parser`.
//!
//! The tree is built here and not by a ready-made loader because we must see duplicate
//! keys and bound what aliases expand to. The builder keeps its own stack, so depth costs
//! no machine stack.

use std::borrow::Cow;
use std::collections::{HashMap, HashSet};

use saphyr_parser::{Event, Parser, ScalarStyle, ScanError, Span, StrInput, Tag};

use crate::problem::Report;
use crate::tree::{Content, Entry, Kind, Node, Place, Scalar};
use crate::{BYTES_MAX, DEPTH_MAX, NODES_MAX};

/// Reads one document. `None` after a problem that leaves no tree to look at.
pub(crate) fn document(text: &str, report: &mut Report) -> Option<Node> {
    parse(text, 0, report)
}

/// Reads the value of the override with number `source`.
pub(crate) fn fragment(text: &str, source: u32, report: &mut Report) -> Option<Node> {
    parse(text, source, report)
}

fn parse(text: &str, source: u32, report: &mut Report) -> Option<Node> {
    let top = Place {
        source,
        line: 1,
        column: 1,
    };
    if text.len() > BYTES_MAX {
        let message = format!(
            "the text is {} bytes long; at most {BYTES_MAX} are read",
            text.len()
        );
        report.add(top, message, None);
        return None;
    }
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let mut builder = Builder::new(source, report);
    match builder.run(Parser::new_from_str(text)) {
        Ok(()) => Some(builder.root.unwrap_or_else(|| Node::null(top))),
        Err(Stop { place, message }) => {
            report.add(place, message, None);
            None
        }
    }
}

/// A problem after which reading cannot go on.
struct Stop {
    place: Place,
    message: String,
}

/// A list or mapping that is not closed yet.
struct Open {
    place: Place,
    anchor: usize,
    content: OpenContent,
}

enum OpenContent {
    List(Vec<Node>),
    Map {
        entries: Vec<Entry>,
        seen: HashMap<String, Place>,
        key: Option<Key>,
        merges: Vec<Node>,
    },
}

struct Key {
    text: String,
    place: Place,
    merge: bool,
}

struct Builder<'r> {
    source: u32,
    report: &'r mut Report,
    open: Vec<Open>,
    anchors: HashMap<usize, Node>,
    nodes: usize,
    root: Option<Node>,
}

impl<'r> Builder<'r> {
    fn new(source: u32, report: &'r mut Report) -> Self {
        Self {
            source,
            report,
            open: Vec::new(),
            anchors: HashMap::new(),
            nodes: 0,
            root: None,
        }
    }

    fn run(&mut self, mut parser: Parser<'_, StrInput<'_>>) -> Result<(), Stop> {
        while let Some(event) = parser.next_event() {
            let (event, span) = event.map_err(|error| self.syntax(&error))?;
            let place = self.place(span);
            self.event(event, place, span.start.index())?;
        }
        Ok(())
    }

    fn syntax(&self, error: &ScanError) -> Stop {
        let mark = error.marker();
        let place = Place {
            source: self.source,
            line: u32::try_from(mark.line()).unwrap_or(u32::MAX),
            column: u32::try_from(mark.col() + 1).unwrap_or(u32::MAX),
        };
        Stop {
            place,
            message: format!("not valid YAML: {}", error.info()),
        }
    }

    fn place(&self, span: Span) -> Place {
        Place {
            source: self.source,
            line: u32::try_from(span.start.line()).unwrap_or(u32::MAX),
            column: u32::try_from(span.start.col() + 1).unwrap_or(u32::MAX),
        }
    }

    fn event(&mut self, event: Event<'_>, place: Place, start: usize) -> Result<(), Stop> {
        match event {
            Event::Nothing | Event::StreamStart | Event::StreamEnd | Event::DocumentEnd => Ok(()),
            Event::DocumentStart(_) if self.root.is_some() => {
                let message = "a second document starts here; only one is read".into();
                Err(Stop { place, message })
            }
            Event::DocumentStart(_) => Ok(()),
            Event::Alias(anchor) => self.alias(anchor, place),
            Event::Scalar(text, style, anchor, tag) => {
                let scalar = scalar(text, style, tag.as_deref(), start);
                if let Some(open) = self.awaits_key() {
                    let merge = scalar.plain && scalar.text == "<<";
                    open.replace(Key {
                        text: scalar.text,
                        place,
                        merge,
                    });
                    return Ok(());
                }
                self.close(
                    Node {
                        place,
                        content: Content::Scalar(scalar),
                    },
                    anchor,
                )
            }
            Event::SequenceStart(anchor, _) => {
                self.start(place, anchor, OpenContent::List(Vec::new()))
            }
            Event::MappingStart(anchor, _) => {
                let content = OpenContent::Map {
                    entries: Vec::new(),
                    seen: HashMap::new(),
                    key: None,
                    merges: Vec::new(),
                };
                self.start(place, anchor, content)
            }
            Event::SequenceEnd | Event::MappingEnd => self.end(),
        }
    }

    /// The place for a key, when a mapping waits for one.
    fn awaits_key(&mut self) -> Option<&mut Option<Key>> {
        match &mut self.open.last_mut()?.content {
            OpenContent::Map { key, .. } if key.is_none() => Some(key),
            OpenContent::Map { .. } | OpenContent::List(_) => None,
        }
    }

    fn start(&mut self, place: Place, anchor: usize, content: OpenContent) -> Result<(), Stop> {
        if self.awaits_key().is_some() {
            return Err(Stop {
                place,
                message: "a key must be a plain word, not a list or mapping".into(),
            });
        }
        self.check_depth(place, 1)?;
        self.open.push(Open {
            place,
            anchor,
            content,
        });
        Ok(())
    }

    fn check_depth(&self, place: Place, more: usize) -> Result<(), Stop> {
        if self.open.len() + more > DEPTH_MAX {
            return Err(Stop {
                place,
                message: format!("nested deeper than {DEPTH_MAX} levels"),
            });
        }
        Ok(())
    }

    fn check_count(&mut self, place: Place, more: usize) -> Result<(), Stop> {
        self.nodes = self.nodes.saturating_add(more);
        if self.nodes > NODES_MAX {
            let message = format!("more than {NODES_MAX} values, aliases expanded");
            return Err(Stop { place, message });
        }
        Ok(())
    }

    fn alias(&mut self, anchor: usize, place: Place) -> Result<(), Stop> {
        let Some(node) = self.anchors.get(&anchor) else {
            return Err(Stop {
                place,
                message: "an alias inside of what it names".into(),
            });
        };
        let (count, depth) = (node.count(), node.depth());
        let node = node.clone();
        if let Some(open) = self.awaits_key() {
            let Content::Scalar(scalar) = node.content else {
                return Err(Stop {
                    place,
                    message: "a key must be a plain word, not an alias of more".into(),
                });
            };
            open.replace(Key {
                text: scalar.text,
                place,
                merge: false,
            });
            return Ok(());
        }
        self.check_depth(place, depth)?;
        self.check_count(place, count)?;
        self.put(node);
        Ok(())
    }

    fn end(&mut self) -> Result<(), Stop> {
        // The parser closes only what it opened.
        let Some(Open {
            place,
            anchor,
            content,
        }) = self.open.pop()
        else {
            return Ok(());
        };
        let content = match content {
            OpenContent::List(items) => Content::List(items),
            OpenContent::Map {
                entries, merges, ..
            } => Content::Map(self.merge(entries, merges)),
        };
        self.close(Node { place, content }, anchor)
    }

    fn close(&mut self, node: Node, anchor: usize) -> Result<(), Stop> {
        self.check_count(node.place, 1)?;
        if anchor > 0 {
            // What an anchor keeps counts as much as what an alias makes of it.
            self.check_count(node.place, node.count())?;
            self.anchors.insert(anchor, node.clone());
        }
        self.put(node);
        Ok(())
    }

    /// Puts a finished value where it belongs.
    fn put(&mut self, node: Node) {
        let Some(open) = self.open.last_mut() else {
            self.root = Some(node);
            return;
        };
        match &mut open.content {
            OpenContent::List(items) => items.push(node),
            OpenContent::Map {
                entries,
                seen,
                key,
                merges,
            } => {
                let Some(key) = key.take() else { return };
                if key.merge && !matches!(node.content, Content::Scalar(_)) {
                    merges.push(node);
                    return;
                }
                if let Some(first) = seen.get(&key.text) {
                    let hint = format!("it stands first in line {}", first.line);
                    self.report.add(
                        key.place,
                        format!("duplicate key `{}`", key.text),
                        Some(hint),
                    );
                    return;
                }
                seen.insert(key.text.clone(), key.place);
                entries.push(Entry {
                    key: key.text,
                    place: key.place,
                    value: node,
                });
            }
        }
    }

    /// `<<: *defaults`: adds the keys that the mapping does not have itself.
    fn merge(&mut self, mut entries: Vec<Entry>, merges: Vec<Node>) -> Vec<Entry> {
        if merges.is_empty() {
            return entries;
        }
        let mut have: HashSet<String> = entries.iter().map(|e| e.key.clone()).collect();
        for node in merges {
            let maps = match node.content {
                Content::List(items) => items,
                Content::Map(_) | Content::Scalar(_) => vec![node],
            };
            for map in maps {
                let Content::Map(more) = map.content else {
                    self.report.add(
                        map.place,
                        "`<<` takes a mapping or a list of mappings",
                        None,
                    );
                    continue;
                };
                entries.extend(
                    more.into_iter()
                        .filter(|entry| have.insert(entry.key.clone())),
                );
            }
        }
        entries
    }
}

fn scalar(text: Cow<'_, str>, style: ScalarStyle, tag: Option<&Tag>, start: usize) -> Scalar {
    let plain = style == ScalarStyle::Plain;
    let forced = tag.is_some_and(|tag| tag.is_yaml_core_schema() && tag.suffix == "str");
    let kind = if plain && !forced {
        Kind::of(&text)
    } else {
        Kind::Text
    };
    Scalar {
        text: text.into_owned(),
        kind,
        plain,
        start,
        substituted: false,
    }
}
