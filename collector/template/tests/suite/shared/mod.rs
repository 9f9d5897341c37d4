//! The data and the templates that the language's test and the oracle share.

mod cases;
mod html_cases;

pub(crate) use cases::CASES;
pub(crate) use html_cases::{HTML_CASES, SCRIPTS};

use serde_json::{Value as Json, json};
use sonde_template::{Funcs, Object, Set, Time, Value};
use std::collections::BTreeMap;

/// The data as JSON, of which both programs make the same values: under a key that ends in
/// `Labels` stands a map of strings, in `At` a time, in `For` a duration.
pub(crate) fn json() -> Json {
    json!({
        "Str": "hello", "Empty": "", "Quoted": "a \"b\" <c> & 'd'", "Wide": "héllo ☃",
        "Int": 42, "Zero": 0, "Negative": -7, "Big": 9_007_199_254_740_993_i64,
        "Float": 1.5, "Small": 0.000_001_5, "Huge": 1.5e22, "True": true, "False": false,
        "Nil": null,
        "List": ["a", "b", "c"], "Ints": [3, 1, 2], "Mixed": [1, "x", 2.5, true, null],
        "None": [], "Nested": [["a", "b"], ["c"]],
        "Map": {"b": 2, "a": 1, "c": {"d": "deep"}}, "EmptyMap": {},
        "Labels": {"alertname": "Down", "severity": "page", "job": "<api>"},
        "StartsAt": "2024-03-05T07:08:09.123456789Z", "EndsAt": "2023-12-31T23:59:59+02:00",
        "WaitFor": 5_430_000_000_000_i64, "TinyFor": 1_500,
        "Script": "javascript:alert(1)", "Link": "https://x.org/a b?c=d&e=f#g",
        "People": [{"Name": "Ann", "Age": 30}, {"Name": "Bob", "Age": 5}],
    })
}

/// The data as a value, with two that have methods.
pub(crate) fn data() -> Value {
    let mut data = match value("", json()) {
        Value::Map(map) => (*map).clone().entries,
        other => panic!("{other:?}"),
    };
    data.insert("Person".into(), Value::object(Person));
    data.insert("KV".into(), Value::object(Pairs));
    data.insert("HTML".into(), Value::Html("<b>&amp;bold</b>".into()));
    data.insert("URL".into(), Value::Url("tel:1 2".into()));
    let data: BTreeMap<String, Value> = data.into_iter().map(|(k, v)| (k.to_string(), v)).collect();
    data.into()
}

fn value(key: &str, json: Json) -> Value {
    match json {
        Json::Object(entries) if key.ends_with("Labels") => Value::strings(
            entries
                .into_iter()
                .map(|(k, v)| (k, v.as_str().unwrap().to_owned())),
        ),
        Json::Object(entries) => {
            let entries = entries.into_iter().map(|(k, v)| (k.clone(), value(&k, v)));
            entries.collect::<BTreeMap<String, Value>>().into()
        }
        Json::Array(items) => Value::List(items.into_iter().map(|v| value("", v)).collect()),
        Json::String(text) if key.ends_with("At") => time(&text),
        Json::Number(number) if key.ends_with("For") => Value::Duration(number.as_i64().unwrap()),
        other => other.into(),
    }
}

fn time(text: &str) -> Value {
    let at: jiff::Timestamp = text.parse().unwrap();
    let zone = match text.get(19..) {
        Some("+02:00") => jiff::tz::TimeZone::fixed(jiff::tz::offset(2)),
        _ => return Time::new(at).into(),
    };
    Time::new(at).in_zone(&zone).into()
}

/// A struct with a field and methods.
struct Person;

impl Object for Person {
    fn type_name(&self) -> &str {
        "main.Person"
    }

    fn print(&self) -> Option<String> {
        Some("{Ann}".into())
    }

    fn member(&self, name: &str, args: &[Value]) -> Option<Result<Value, String>> {
        match (name, args) {
            ("Name", []) => Some(Ok("Ann".into())),
            ("Hello", [greeting, times]) => {
                let (Some(greeting), Value::Int(times)) = (greeting.as_str(), times) else {
                    return Some(Err("Hello takes a string and an integer".into()));
                };
                let times = usize::try_from(*times).unwrap_or(0);
                Some(Ok(
                    format!("{}Ann", format!("{greeting} ").repeat(times)).into()
                ))
            }
            ("Hello", _) => Some(Err("wrong number of args for Hello".into())),
            ("Fail", []) => Some(Err("failed".into())),
            _ => None,
        }
    }
}

/// A map with methods.
struct Pairs;

impl Object for Pairs {
    fn type_name(&self) -> &str {
        "main.KV"
    }

    fn member(&self, name: &str, args: &[Value]) -> Option<Result<Value, String>> {
        match (name, args) {
            ("Names", []) => Some(Ok(vec!["x", "y"].into())),
            ("Join", [by]) => Some(Ok(format!("x{by}y").into())),
            _ => None,
        }
    }

    fn underlying(&self) -> Value {
        Value::strings([("x", "1"), ("y", "2")])
    }
}

/// Functions beside the built-in ones.
pub(crate) fn funcs() -> Funcs {
    let mut funcs = Funcs::new();
    funcs.add("upper", |args| match args {
        [text] => match text.as_str() {
            Some(text) => Ok(text.to_uppercase().into()),
            None => Err("wants a string".into()),
        },
        _ => Err("wants one argument".into()),
    });
    funcs.add("list", |args| Ok(Value::List(args.into())));
    funcs.add("fail", |_| Err("failed".into()));
    funcs
}

/// A template's outcome on the data.
pub(crate) fn execute(text: &str, html: bool) -> Result<String, String> {
    let mut set = Set::new(funcs());
    set.add("t", text).map_err(|error| error.to_string())?;
    let done = if html {
        set.render_html("t", &data())
    } else {
        set.render("t", &data())
    };
    done.map_err(|error| error.to_string())
}
