//! Values as JSON, the way Go's `encoding/json` writes them.

use serde_json::Value as Json;
use sonde_template::Value;

/// The member under which an object says what it is in JSON: no template can write the name.
pub(super) const MEMBER: &str = "json()";

/// How times are written.
const RFC3339: &str = "2006-01-02T15:04:05.999999999Z07:00";

/// What [`MEMBER`] yields.
pub(super) fn member(json: &Json) -> Value {
    Value::from(json.to_string())
}

/// A value as JSON.
pub(super) fn of(value: &Value) -> Json {
    match value {
        Value::Nil => Json::Null,
        Value::Bool(yes) => (*yes).into(),
        Value::Int(number) | Value::Duration(number) => (*number).into(),
        Value::Float(number) => {
            serde_json::Number::from_f64(*number).map_or(Json::Null, Json::Number)
        }
        Value::Time(time) => time.format(RFC3339).into(),
        Value::List(items) => items.iter().map(of).collect(),
        Value::Map(map) => {
            let entries = map.entries.iter();
            Json::Object(
                entries
                    .map(|(key, value)| (key.to_string(), of(value)))
                    .collect(),
            )
        }
        Value::Object(object) => {
            super::data::said(object.as_ref()).unwrap_or_else(|| of(&object.underlying()))
        }
        Value::Str(text) | Value::Html(text) | Value::Url(text) => text.as_ref().into(),
    }
}

/// The text, in which nothing can end an HTML element.
pub(super) fn text(value: &Value) -> String {
    let mut out = String::new();
    for c in of(value).to_string().chars() {
        match c {
            '<' | '>' | '&' | '\u{2028}' | '\u{2029}' => {
                out.push_str(&format!("\\u{:04x}", u32::from(c)));
            }
            c => out.push(c),
        }
    }
    out
}
