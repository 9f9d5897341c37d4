//! JSON with its members in order, and what a torn object still says.

use serde::de::{Deserialize, Deserializer, MapAccess, SeqAccess, Visitor};

/// A JSON value.
#[derive(Clone, Debug, PartialEq)]
pub enum Json {
    /// `null`
    Null,
    /// `true` or `false`
    Bool(bool),
    /// A number, as it is written.
    Number(String),
    /// A text.
    Text(String),
    /// A list.
    List(Vec<Json>),
    /// Members in order; a name may come twice.
    Object(Vec<(String, Json)>),
}

impl Json {
    /// The shortest way to write it.
    #[must_use]
    pub fn compact(&self) -> String {
        match self {
            Self::Null => "null".into(),
            Self::Bool(b) => b.to_string(),
            Self::Number(n) => n.clone(),
            Self::Text(t) => quoted(t),
            Self::List(items) => {
                let items: Vec<String> = items.iter().map(Self::compact).collect();
                format!("[{}]", items.join(","))
            }
            Self::Object(members) => {
                let members: Vec<String> = members
                    .iter()
                    .map(|(name, value)| format!("{}:{}", quoted(name), value.compact()))
                    .collect();
                format!("{{{}}}", members.join(","))
            }
        }
    }

    /// What lies at a path; names and indexes.
    #[must_use]
    pub fn at(&self, path: &[Step]) -> Option<&Self> {
        let Some((first, rest)) = path.split_first() else {
            return Some(self);
        };
        let inner = match (first, self) {
            (Step::Name(name), Self::Object(members)) => {
                &members.iter().find(|(n, _)| n == name)?.1
            }
            (Step::Index(at), Self::List(items)) => items.get(*at)?,
            _ => return None,
        };
        inner.at(rest)
    }
}

/// A part of a path.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Step {
    /// A member.
    Name(String),
    /// A place in a list.
    Index(usize),
}

/// `a.b[0]["c d"]`
#[must_use]
pub fn path(text: &str) -> Vec<Step> {
    let mut steps = Vec::new();
    let mut rest = text;
    while !rest.is_empty() {
        if let Some(quoted) = rest.strip_prefix("[\"") {
            let (name, after) = quoted.split_once("\"]").unwrap_or((quoted, ""));
            steps.push(Step::Name(name.replace("\\\"", "\"")));
            rest = after;
        } else if let Some(bracket) = rest.strip_prefix('[') {
            let (index, after) = bracket.split_once(']').unwrap_or((bracket, ""));
            steps.push(Step::Index(index.parse().unwrap_or(usize::MAX)));
            rest = after;
        } else {
            let named = rest.strip_prefix('.').unwrap_or(rest);
            let end = named.find(['.', '[']).unwrap_or(named.len());
            steps.push(Step::Name(named[..end].to_owned()));
            rest = &named[end..];
        }
    }
    steps
}

/// The value that a text begins with; what follows is not looked at.
pub(crate) fn first(text: &str) -> serde_json::Result<Json> {
    let mut values = serde_json::Deserializer::from_str(text).into_iter();
    values.next().unwrap_or(Ok(Json::Null))
}

/// The members of an object, and whether the line is one. A torn object still has the
/// members that were whole before it broke off.
#[must_use]
pub fn members(line: &[u8]) -> (Vec<(String, Json)>, bool) {
    let Ok(text) = std::str::from_utf8(line) else {
        return (Vec::new(), false);
    };
    let text = &*forgiving(text);
    match first(text) {
        Ok(Json::Object(members)) => return (members, true),
        Ok(_) => return (Vec::new(), false),
        Err(_) => {}
    }
    // The longest beginning that is an object when it is closed.
    if !text.trim_start().starts_with('{') {
        return (Vec::new(), false);
    }
    let ends = text.char_indices().map(|(at, _)| at).rev();
    for end in std::iter::once(text.len()).chain(ends) {
        let closed = format!("{}}}", &text[..end]);
        if let Ok(Json::Object(members)) = serde_json::from_str(&closed) {
            return (members, false);
        }
    }
    (Vec::new(), false)
}

/// A text in which each string is one of JSON: control characters are let through, and a
/// string with an escape that is none is empty.
pub(crate) fn forgiving(text: &str) -> String {
    let mut out = String::new();
    let mut rest = text;
    while let Some((before, string)) = rest.split_once('"') {
        out.push_str(before);
        let mut is_escaped = false;
        let end = string.find(|c| {
            let is_end = c == '"' && !is_escaped;
            is_escaped = c == '\\' && !is_escaped;
            is_end
        });
        let Some(end) = end else {
            out.push('"');
            out.push_str(string);
            return out;
        };
        let string_of_json = format!("\"{}\"", without_controls(&string[..end]));
        let is_good = serde_json::from_str::<String>(&string_of_json).is_ok();
        out.push_str(if is_good { &string_of_json } else { "\"\"" });
        rest = &string[end + 1..];
    }
    out + rest
}

/// The inside of a string, with escapes for control characters.
pub(crate) fn without_controls(text: &str) -> String {
    let mut out = String::new();
    for c in text.chars() {
        if c < ' ' {
            out.push_str(&format!("\\u{:04x}", u32::from(c)));
        } else {
            out.push(c);
        }
    }
    out
}

fn quoted(text: &str) -> String {
    serde_json::Value::String(text.to_owned()).to_string()
}

impl<'de> Deserialize<'de> for Json {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        from.deserialize_any(Reader)
    }
}

struct Reader;

impl<'de> Visitor<'de> for Reader {
    type Value = Json;

    fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("JSON")
    }

    fn visit_unit<E>(self) -> Result<Json, E> {
        Ok(Json::Null)
    }

    fn visit_bool<E>(self, v: bool) -> Result<Json, E> {
        Ok(Json::Bool(v))
    }

    fn visit_u64<E>(self, v: u64) -> Result<Json, E> {
        Ok(Json::Number(v.to_string()))
    }

    fn visit_i64<E>(self, v: i64) -> Result<Json, E> {
        Ok(Json::Number(v.to_string()))
    }

    fn visit_f64<E>(self, v: f64) -> Result<Json, E> {
        Ok(Json::Number(serde_json::Value::from(v).to_string()))
    }

    fn visit_str<E>(self, v: &str) -> Result<Json, E> {
        Ok(Json::Text(v.to_owned()))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut from: A) -> Result<Json, A::Error> {
        let mut items = Vec::new();
        while let Some(item) = from.next_element()? {
            items.push(item);
        }
        Ok(Json::List(items))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut from: A) -> Result<Json, A::Error> {
        let mut members = Vec::new();
        while let Some(member) = from.next_entry()? {
            members.push(member);
        }
        Ok(Json::Object(members))
    }
}
