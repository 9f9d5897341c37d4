//! Where in an HTML page the output stands, and what that makes of a value.
//!
//! Go's `html/template` finds the contexts by analysing the templates; here the page is
//! followed while it is written, which needs no branches to agree. As there, comments are
//! left out, and what cannot be made safe becomes `ZgotmplZ`. Unlike there, a value inside of
//! a script is refused.

mod attribute;
mod escape;
mod tag;
mod url;

use crate::value::Value;
use attribute::Kind;
use url::Part;

/// The place at the end of what has been written.
#[derive(Clone, Debug, Default)]
pub(crate) struct Page {
    state: State,
    /// The element whose tag is open or whose raw text this is, in lower case; empty in an
    /// end tag.
    element: String,
    /// What the value of the attribute that is open means.
    attribute: Kind,
    /// How far the value is written, if it is a URL.
    part: Part,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum State {
    /// Between tags.
    #[default]
    Text,
    /// Inside of `<!-- -->`, which is not written.
    Comment,
    /// In a tag, between attributes.
    Tag,
    AttributeName,
    /// After an attribute's name, before a `=`.
    AfterName,
    /// After `=`.
    BeforeValue,
    Value(Delimiter),
    /// In an element whose text has no tags: only its end tag ends it.
    Raw,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Delimiter {
    Double,
    Single,
    /// A space or `>` ends the value.
    Space,
}

/// What stands for a value that cannot be made safe.
const UNSAFE: &str = "ZgotmplZ";

impl Page {
    /// Writes a text of the template, and follows it.
    pub(crate) fn text(&mut self, text: &str, out: &mut String) {
        let mut rest = text;
        while !rest.is_empty() {
            let before = self.state;
            let read = self.advance(rest);
            let (passed, after) = rest.split_at(read);
            match before {
                State::Comment => {}
                State::Text => self.between_tags(passed, out),
                _ => out.push_str(passed),
            }
            rest = after;
        }
    }

    /// Writes what stood between tags, and the beginning of the tag that ended it. A `<` that
    /// begins no tag is escaped.
    fn between_tags(&self, passed: &str, out: &mut String) {
        let begun = if self.state == State::Text {
            passed.len()
        } else {
            passed.rfind('<').unwrap_or(passed.len())
        };
        let (text, tag) = passed.split_at(begun);
        for (at, piece) in text.split('<').enumerate() {
            if at > 0 {
                let doctype = piece
                    .get(..8)
                    .is_some_and(|word| word.eq_ignore_ascii_case("!doctype"));
                out.push_str(if doctype { "<" } else { "&lt;" });
            }
            out.push_str(piece);
        }
        if self.state != State::Comment {
            out.push_str(tag);
        }
    }

    /// Writes what an action yielded, printed as `text`, in the way that is safe here.
    pub(crate) fn value(
        &mut self,
        value: &Value,
        text: &str,
        out: &mut String,
    ) -> Result<(), String> {
        match self.state {
            State::Text => match value {
                Value::Html(html) => out.push_str(html),
                _ => out.push_str(&escape::text(text)),
            },
            State::Comment => {}
            State::Raw => match (self.element.as_str(), value) {
                ("title" | "textarea", Value::Html(html)) => out.push_str(&escape::again(html)),
                ("title" | "textarea", _) => out.push_str(&escape::text(text)),
                ("style", _) => out.push_str(escape::css_value(text)),
                (element, _) => return Err(in_script(&format!("<{element}>"))),
            },
            State::Tag | State::AttributeName | State::AfterName => {
                self.state = State::AttributeName;
                self.attribute = Kind::Plain;
                out.push_str(&attribute::name(text));
            }
            State::BeforeValue => {
                self.enter_value(Delimiter::Space);
                return self.attribute_value(Delimiter::Space, value, text, out);
            }
            State::Value(delimiter) => return self.attribute_value(delimiter, value, text, out),
        }
        Ok(())
    }

    fn attribute_value(
        &self,
        delimiter: Delimiter,
        value: &Value,
        text: &str,
        out: &mut String,
    ) -> Result<(), String> {
        let url;
        let safe = match self.attribute {
            Kind::Plain | Kind::Special => match value {
                Value::Html(html) => {
                    let inner = tag::strip(html);
                    out.push_str(&match delimiter {
                        Delimiter::Space => escape::unquoted(&inner, true),
                        Delimiter::Double | Delimiter::Single => escape::again(&inner),
                    });
                    return Ok(());
                }
                _ => text,
            },
            Kind::Url => {
                url = self.part.value(matches!(value, Value::Url(_)), text);
                &url
            }
            Kind::Sources => {
                url = url::sources(matches!(value, Value::Url(_)), text);
                &url
            }
            Kind::Refresh if self.part == Part::Query && !url::has_safe_scheme(text) => {
                url = url::refused();
                &url
            }
            Kind::Refresh => text,
            Kind::Css => escape::css_value(text),
            Kind::Script => return Err(in_script("an attribute that holds a script")),
        };
        out.push_str(&match delimiter {
            Delimiter::Space => escape::unquoted(safe, false),
            Delimiter::Double | Delimiter::Single => escape::text(safe),
        });
        Ok(())
    }

    fn enter_value(&mut self, delimiter: Delimiter) {
        self.state = State::Value(delimiter);
        self.part = Part::default();
    }
}

fn in_script(place: &str) -> String {
    format!("a value inside of {place} cannot be made safe: take the action out of it")
}
