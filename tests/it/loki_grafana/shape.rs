//! Shapes of JSON, written in JSON.
//!
//! ```text
//! "string" "number" "integer" "boolean" "null" "any"
//! "numeric"      a string that is a number
//! "nanoseconds"  a string, nanoseconds since 1970
//! "seconds"      a number, seconds since 1970
//! "words"        a list of strings
//! "=text"        this string
//! "a|b"          one of these
//! [a, b]         a list of exactly these
//! {"[]": a, "min": 1, "max": 9, "contains": […], "contains_labels": […]}   a list of a
//! {"name": a, "other?": b, "absent!": "", "*": c, "closed": true}
//! {}             an object without fields
//! ```
//!
//! Objects may have more fields than are named, unless they are closed; `*` is the shape of
//! those.

use serde_json::{Map, Value};

/// Adds what is wrong with a value, and where.
pub(crate) fn compare(shape: &Value, value: &Value, at: &str, problems: &mut Vec<String>) {
    match shape {
        Value::String(kinds) => {
            if !kinds.split('|').any(|kind| is(kind, value)) {
                problems.push(format!("{at} is {}, not {kinds}", brief(value)));
            }
        }
        Value::Array(shapes) => tuple(shapes, value, at, problems),
        Value::Object(fields) if fields.contains_key("[]") => items(fields, value, at, problems),
        Value::Object(fields) => object(fields, value, at, problems),
        other => panic!("{other} is no shape"),
    }
}

fn is(kind: &str, value: &Value) -> bool {
    let numeric = || {
        value
            .as_str()
            .is_some_and(|text| text.parse::<f64>().is_ok())
    };
    match kind {
        "string" => value.is_string(),
        "number" => value.is_number(),
        "integer" => value.is_u64() || value.is_i64(),
        "boolean" => value.is_boolean(),
        "null" => value.is_null(),
        "any" => true,
        "numeric" => numeric(),
        "nanoseconds" => value
            .as_str()
            .and_then(|text| text.parse::<u64>().ok())
            .is_some_and(|nanos| (1 << 60..1 << 62).contains(&nanos)),
        "seconds" => value.as_f64().is_some_and(|s| (1e9..1e11).contains(&s)),
        "words" => value
            .as_array()
            .is_some_and(|items| items.iter().all(Value::is_string)),
        _ => match kind.strip_prefix('=') {
            Some(text) => value == text,
            None => panic!("{kind:?} is no kind of value"),
        },
    }
}

fn tuple(shapes: &[Value], value: &Value, at: &str, problems: &mut Vec<String>) {
    let items = value.as_array().map_or(&[][..], Vec::as_slice);
    if !value.is_array() || items.len() != shapes.len() {
        problems.push(format!(
            "{at} is {}, no list of {}",
            brief(value),
            shapes.len()
        ));
    }
    for (number, (shape, item)) in shapes.iter().zip(items).enumerate() {
        compare(shape, item, &format!("{at}[{number}]"), problems);
    }
}

fn items(fields: &Map<String, Value>, value: &Value, at: &str, problems: &mut Vec<String>) {
    let Some(items) = value.as_array() else {
        problems.push(format!("{at} is {}, no list", brief(value)));
        return;
    };
    let bound = |name: &str| fields.get(name).and_then(Value::as_u64);
    let count = items.len() as u64;
    if bound("min").is_some_and(|min| count < min) || bound("max").is_some_and(|max| count > max) {
        problems.push(format!("{at} has {count} items: {}", brief(value)));
    }
    for expected in fields
        .get("contains")
        .and_then(Value::as_array)
        .into_iter()
        .flatten()
    {
        if !items.contains(expected) {
            problems.push(format!(
                "{at} does not contain {expected}: {}",
                brief(value)
            ));
        }
    }
    let labels = fields.get("contains_labels").and_then(Value::as_array);
    for expected in labels.into_iter().flatten() {
        if !items.iter().any(|item| item["label"] == *expected) {
            problems.push(format!("{at} has no label {expected}: {}", brief(value)));
        }
    }
    for (number, item) in items.iter().enumerate() {
        let before = problems.len();
        compare(&fields["[]"], item, &format!("{at}[{number}]"), problems);
        if problems.len() > before {
            // The others are most likely wrong in the same way.
            return;
        }
    }
}

fn object(fields: &Map<String, Value>, value: &Value, at: &str, problems: &mut Vec<String>) {
    let Some(own) = value.as_object() else {
        problems.push(format!("{at} is {}, no object", brief(value)));
        return;
    };
    let name_of = |field: &str| field.trim_end_matches(['?', '!']).to_owned();
    for (field, shape) in fields.iter().filter(|(f, _)| *f != "*" && *f != "closed") {
        let name = name_of(field);
        match own.get(&name) {
            Some(found) if field.ends_with('!') => {
                problems.push(format!("{at}.{name} is there: {}", brief(found)));
            }
            Some(found) => compare(shape, found, &format!("{at}.{name}"), problems),
            None if field.ends_with(['?', '!']) => {}
            None => problems.push(format!("{at} has no {name}: {}", brief(value))),
        }
    }
    let others = own
        .iter()
        .filter(|(name, _)| !fields.keys().any(|field| name_of(field) == **name));
    for (name, found) in others {
        if let Some(shape) = fields.get("*") {
            compare(shape, found, &format!("{at}.{name}"), problems);
        } else if fields.is_empty() || fields.contains_key("closed") {
            problems.push(format!("{at}.{name} is too much: {}", brief(found)));
        }
    }
}

fn brief(value: &Value) -> String {
    value.to_string().chars().take(200).collect()
}

#[test]
fn a_shape_tells_what_does_not_fit_it() {
    use serde_json::json;
    let fits = |shape: Value, value: Value| {
        let mut problems = Vec::new();
        compare(&shape, &value, "it", &mut problems);
        problems.is_empty()
    };
    for (shape, good, bad) in [
        (json!("=x|null"), json!("x"), json!("y")),
        (json!("numeric"), json!("1.5"), json!(1.5)),
        (json!("seconds"), json!(1.7e9), json!("1700000000")),
        (
            json!("nanoseconds"),
            json!("1700000000000000000"),
            json!("1700000000"),
        ),
        (
            json!(["string", "integer"]),
            json!(["a", 1]),
            json!(["a", 1, 2]),
        ),
        (json!({"[]": "string", "min": 1}), json!(["a"]), json!([])),
        (
            json!({"[]": "string", "contains": ["a"]}),
            json!(["b", "a"]),
            json!(["b"]),
        ),
        (
            json!({"a": "string", "b?": "null"}),
            json!({"a": "", "c": 1}),
            json!({"a": "", "b": 1}),
        ),
        (json!({"a!": ""}), json!({"b": 1}), json!({"a": 1})),
        (json!({"*": "string"}), json!({"a": ""}), json!({"a": 1})),
        (json!({}), json!({}), json!({"a": 1})),
        (
            json!({"a": "any", "closed": true}),
            json!({"a": 1}),
            json!({"a": 1, "b": 1}),
        ),
    ] {
        assert!(fits(shape.clone(), good.clone()), "{shape} {good}");
        assert!(!fits(shape.clone(), bad.clone()), "{shape} {bad}");
    }
}
