//! Patterns of texts and captures: `<ip> - <_> "<method> <path>"`.
//!
//! As a line filter (`|>`), a pattern covers the whole line, and its captures hold at least
//! one character. As a parser (`| pattern`), it takes out what its captures hold, as far as
//! it matches.

use memchr::memmem::Finder;

/// A pattern, in parts.
#[derive(Clone, Debug)]
pub(crate) struct Template {
    parts: Vec<Part>,
}

#[derive(Clone, Debug)]
enum Part {
    Text(Box<Finder<'static>>),
    /// `None` for `<_>`.
    Capture(Option<String>),
}

/// How many parts a pattern may have.
const PARTS_MAX: usize = 256;

impl Template {
    /// A pattern of a line filter: no names.
    pub(crate) fn of_filter(text: &str) -> Result<Self, String> {
        let template = Self::read(text)?;
        if let Some(name) = template.names().next() {
            return Err(format!(
                "a line filter takes nothing out: write <_> instead of <{name}>"
            ));
        }
        Ok(template)
    }

    /// A pattern of a parser: at least one name, and no name twice.
    pub(crate) fn of_parser(text: &str) -> Result<Self, String> {
        let template = Self::read(text)?;
        let mut names: Vec<&str> = template.names().collect();
        if names.is_empty() {
            return Err("this pattern takes nothing out: name a part, as in <status>".into());
        }
        names.sort_unstable();
        if let Some(twice) = names.windows(2).find(|pair| pair[0] == pair[1]) {
            return Err(format!(
                "<{}> stands there twice: give each part its own name, or write <_>",
                twice[0]
            ));
        }
        Ok(template)
    }

    fn read(text: &str) -> Result<Self, String> {
        let mut parts = Vec::new();
        let (mut rest, mut literal) = (text, String::new());
        while let Some(first) = rest.chars().next() {
            let Some(name) = capture(rest) else {
                literal.push(first);
                rest = &rest[first.len_utf8()..];
                continue;
            };
            if !literal.is_empty() {
                parts.push(Part::text(&std::mem::take(&mut literal)));
            } else if let Some(Part::Capture(before)) = parts.last() {
                let before = before.as_deref().unwrap_or("_");
                return Err(format!(
                    "nothing stands between <{before}> and <{name}>: put a text between them"
                ));
            }
            parts.push(Part::Capture((name != "_").then(|| name.to_owned())));
            rest = &rest[name.len() + 2..];
        }
        if !literal.is_empty() {
            parts.push(Part::text(&literal));
        }
        if parts.len() > PARTS_MAX {
            return Err(format!(
                "this pattern has more than {PARTS_MAX} parts; shorten it"
            ));
        }
        Ok(Self { parts })
    }

    /// The names of its captures, in order.
    pub(crate) fn names(&self) -> impl Iterator<Item = &str> {
        self.parts.iter().filter_map(|part| match part {
            Part::Capture(name) => name.as_deref(),
            Part::Text(_) => None,
        })
    }

    /// The longest text of it.
    pub(crate) fn longest_text(&self) -> Option<&[u8]> {
        let texts = self.parts.iter().filter_map(|part| match part {
            Part::Text(text) => Some(text.needle()),
            Part::Capture(_) => None,
        });
        texts.max_by_key(|text| text.len())
    }

    /// Whether the line is the pattern with at least one character for each capture. Each
    /// text is looked for at its first place.
    pub(crate) fn covers(&self, line: &[u8]) -> bool {
        let Some(last) = self.parts.last() else {
            return line.is_empty();
        };
        let mut rest = line;
        for (at, part) in self.parts.iter().enumerate() {
            let Part::Text(text) = part else { continue };
            match text.find(rest) {
                // The first text stands at the start, any other behind a capture.
                Some(place) if (at == 0) == (place == 0) => {
                    rest = &rest[place + text.needle().len()..];
                }
                Some(_) | None => return false,
            }
        }
        matches!(last, Part::Capture(_)) != rest.is_empty()
    }

    /// Calls `take` with the name and the text of each capture, as far as the line matches:
    /// where a text is missing, the capture before it holds the rest.
    pub(crate) fn extract<'l>(&self, line: &'l str, mut take: impl FnMut(&str, &'l str)) {
        let (mut rest, mut open) = (line, None);
        if line.is_empty() {
            return;
        }
        for (at, part) in self.parts.iter().enumerate() {
            let text = match part {
                Part::Capture(name) => {
                    open = Some(name.as_deref());
                    continue;
                }
                Part::Text(text) => text,
            };
            let Some(place) = text.find(rest.as_bytes()) else {
                break;
            };
            if at == 0 && place != 0 {
                return;
            }
            if let Some(Some(name)) = open.take() {
                take(name, &rest[..place]);
            }
            rest = &rest[place + text.needle().len()..];
        }
        if let Some(Some(name)) = open {
            take(name, rest);
        }
    }
}

impl Part {
    fn text(text: &str) -> Self {
        Self::Text(Box::new(Finder::new(text).into_owned()))
    }
}

/// The name at the start of `<name>…`.
fn capture(text: &str) -> Option<&str> {
    let (name, _) = text.strip_prefix('<')?.split_once('>')?;
    let is_name = name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
        && name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_');
    is_name.then_some(name)
}
