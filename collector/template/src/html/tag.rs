//! How a text changes the place in the page.

use super::attribute::{self, Kind};
use super::url::Part;
use super::{Delimiter, Page, State};

const SPACES: [char; 5] = [' ', '\t', '\n', '\u{0c}', '\r'];

/// The elements whose text has no tags.
const RAW: [&str; 4] = ["script", "style", "textarea", "title"];

impl Page {
    /// Follows the beginning of a text. Returns how much of it.
    pub(super) fn advance(&mut self, text: &str) -> usize {
        match self.state {
            State::Text => self.between_tags_of(text),
            State::Comment => match text.find("-->") {
                Some(at) => {
                    self.state = State::Text;
                    at + 3
                }
                None => text.len(),
            },
            State::Tag => self.tag(text),
            State::AttributeName => {
                let length = attribute_name(text);
                if length < text.len() {
                    self.state = State::AfterName;
                }
                length
            }
            State::AfterName => self.after_name(text),
            State::BeforeValue => self.before_value(text),
            State::Value(delimiter) => self.inside_value(delimiter, text),
            State::Raw => match end_tag(text, &self.element) {
                Some(at) => {
                    self.state = State::Text;
                    at
                }
                None => text.len(),
            },
        }
    }

    fn between_tags_of(&mut self, text: &str) -> usize {
        let mut from = 0;
        while let Some(found) = text[from..].find('<') {
            let at = from + found;
            let rest = &text[at..];
            if rest.starts_with("<!--") {
                self.state = State::Comment;
                return at + 4;
            }
            let ends = rest.starts_with("</");
            let name_at = if ends { 2 } else { 1 };
            let length = element_name(&rest[name_at..]);
            if length > 0 {
                let name = &rest[name_at..name_at + length];
                self.state = State::Tag;
                self.element = if ends {
                    String::new()
                } else {
                    name.to_ascii_lowercase()
                };
                return at + name_at + length;
            }
            from = at + 1;
        }
        text.len()
    }

    fn tag(&mut self, text: &str) -> usize {
        let skipped = spaces(text);
        let rest = &text[skipped..];
        if rest.is_empty() {
            return text.len();
        }
        if rest.starts_with('>') {
            self.state = if RAW.contains(&self.element.as_str()) {
                State::Raw
            } else {
                State::Text
            };
            return skipped + 1;
        }
        let length = attribute_name(rest);
        // What cannot begin a name is passed over, as browsers do.
        let Some(name) = rest.get(..length).filter(|name| !name.is_empty()) else {
            return skipped + rest.chars().next().map_or(1, char::len_utf8);
        };
        let name = name.to_ascii_lowercase();
        self.attribute = match (self.element.as_str(), name.as_str()) {
            ("meta", "content") => Kind::Refresh,
            _ => attribute::kind(&name),
        };
        self.state = if length == rest.len() {
            State::AttributeName
        } else {
            State::AfterName
        };
        skipped + length
    }

    fn after_name(&mut self, text: &str) -> usize {
        let skipped = spaces(text);
        if skipped == text.len() {
            return skipped;
        }
        if text[skipped..].starts_with('=') {
            self.state = State::BeforeValue;
            return skipped + 1;
        }
        self.state = State::Tag;
        skipped
    }

    fn before_value(&mut self, text: &str) -> usize {
        let skipped = spaces(text);
        let (delimiter, length) = match text[skipped..].chars().next() {
            None => return skipped,
            Some('"') => (Delimiter::Double, 1),
            Some('\'') => (Delimiter::Single, 1),
            Some(_) => (Delimiter::Space, 0),
        };
        self.enter_value(delimiter);
        skipped + length
    }

    fn inside_value(&mut self, delimiter: Delimiter, text: &str) -> usize {
        let end = match delimiter {
            Delimiter::Double => text.find('"'),
            Delimiter::Single => text.find('\''),
            Delimiter::Space => text.find(|c| c == '>' || SPACES.contains(&c)),
        };
        let inside = &text[..end.unwrap_or(text.len())];
        self.part = match self.attribute {
            Kind::Refresh if inside.to_ascii_lowercase().contains("url") => Part::Query,
            Kind::Refresh => self.part,
            _ => self.part.after(inside),
        };
        match (end, delimiter) {
            (None, _) => text.len(),
            (Some(end), Delimiter::Space) => {
                self.state = State::Tag;
                end
            }
            (Some(end), Delimiter::Double | Delimiter::Single) => {
                self.state = State::Tag;
                end + 1
            }
        }
    }
}

/// The text of a piece of HTML without its tags.
pub(super) fn strip(html: &str) -> String {
    let mut page = Page::default();
    let mut out = String::new();
    let mut rest = html;
    while !rest.is_empty() {
        let before = page.state;
        let (passed, after) = rest.split_at(page.advance(rest));
        if matches!(before, State::Text | State::Raw) {
            let end = if page.state == before {
                None
            } else {
                passed.rfind('<')
            };
            out.push_str(&passed[..end.unwrap_or(passed.len())]);
        }
        rest = after;
    }
    out
}

fn spaces(text: &str) -> usize {
    text.len() - text.trim_start_matches(SPACES).len()
}

/// The length of an element's name: a letter, then letters, digits, and `-` or `:` inside.
fn element_name(text: &str) -> usize {
    if !text.starts_with(|c: char| c.is_ascii_alphabetic()) {
        return 0;
    }
    let bytes = text.as_bytes();
    let mut end = 1;
    while let Some(byte) = bytes.get(end) {
        let goes_on = match byte {
            b'-' | b':' => bytes.get(end + 1).is_some_and(u8::is_ascii_alphanumeric),
            byte => byte.is_ascii_alphanumeric(),
        };
        if !goes_on {
            break;
        }
        end += 1;
    }
    end
}

/// The length of an attribute's name.
fn attribute_name(text: &str) -> usize {
    text.find(|c| matches!(c, '=' | '>') || SPACES.contains(&c))
        .unwrap_or(text.len())
}

/// Where the end tag of an element is.
fn end_tag(text: &str, element: &str) -> Option<usize> {
    text.match_indices("</").map(|(at, _)| at).find(|at| {
        let name = &text.as_bytes()[at + 2..];
        let same = name
            .get(..element.len())
            .is_some_and(|name| name.eq_ignore_ascii_case(element.as_bytes()));
        same && name
            .get(element.len())
            .is_some_and(|after| b"> \t\n\x0c/".contains(after))
    })
}
