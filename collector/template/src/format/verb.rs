//! One value by one verb.

use super::spec::Spec;
use super::{float, integer, quote};
use crate::value::{Map, Value};

/// Adds `value` as `%verb`. A verb that does not fit yields Go's `%!verb(type=value)`.
pub(super) fn value(out: &mut String, value: &Value, verb: char, spec: &Spec) {
    if verb == 'T' {
        let name = if matches!(value, Value::Nil) {
            "<nil>"
        } else {
            value.type_name()
        };
        return spec.pad(out, name);
    }
    match value {
        Value::Nil if verb == 'v' => spec.pad(out, "<nil>"),
        Value::Nil => bad(out, value, verb),
        Value::Bool(yes) if matches!(verb, 't' | 'v') => {
            spec.pad(out, if *yes { "true" } else { "false" })
        }
        Value::Int(number) => integer_or_bad(out, value, *number, verb, spec),
        Value::Float(number) => {
            if !float::number(out, *number, verb, spec) {
                bad(out, value, verb);
            }
        }
        Value::Str(text) | Value::Html(text) => string(out, value, text, verb, spec),
        Value::Time(time) => string(out, value, &time.to_string(), verb, spec),
        Value::Duration(nanos) if matches!(verb, 'v' | 's' | 'q') => {
            string(out, value, &crate::time::duration(*nanos), verb, spec);
        }
        Value::Duration(nanos) => integer_or_bad(out, value, *nanos, verb, spec),
        Value::List(items) => list(out, items, verb, spec),
        Value::Map(entries) => map(out, entries, verb, spec),
        Value::Object(object) => match (object.print(), object.underlying()) {
            (Some(text), _) => string(out, value, &text, verb, spec),
            (None, Value::Nil) => spec.pad(out, "{}"),
            (None, beneath) => self::value(out, &beneath, verb, spec),
        },
        Value::Bool(_) => bad(out, value, verb),
    }
}

fn integer_or_bad(out: &mut String, value: &Value, number: i64, verb: char, spec: &Spec) {
    if !integer::number(out, number, verb, spec) {
        bad(out, value, verb);
    }
}

fn list(out: &mut String, items: &[Value], verb: char, spec: &Spec) {
    out.push('[');
    for (at, item) in items.iter().enumerate() {
        if at > 0 {
            out.push(' ');
        }
        value(out, item, verb, spec);
    }
    out.push(']');
}

fn map(out: &mut String, map: &Map, verb: char, spec: &Spec) {
    out.push_str("map[");
    for (at, (key, item)) in map.entries.iter().enumerate() {
        if at > 0 {
            out.push(' ');
        }
        value(out, &Value::Str(key.clone()), verb, spec);
        out.push(':');
        value(out, item, verb, spec);
    }
    out.push(']');
}

fn string(out: &mut String, whole: &Value, text: &str, verb: char, spec: &Spec) {
    let cut = |text: &str| -> String {
        spec.precision.map_or_else(
            || text.to_owned(),
            |precision| text.chars().take(precision).collect(),
        )
    };
    match verb {
        'v' if spec.sharp => spec.pad(out, &quote(text, false)),
        'v' | 's' => spec.pad(out, &cut(text)),
        'q' if spec.sharp && quote::can_be_raw(text) => spec.pad(out, &format!("`{}`", cut(text))),
        'q' => spec.pad(out, &quote(&cut(text), spec.plus)),
        'x' | 'X' => spec.pad(out, &hex(text, verb, spec)),
        _ => bad(out, whole, verb),
    }
}

/// The bytes of a string in hexadecimal.
fn hex(text: &str, verb: char, spec: &Spec) -> String {
    let bytes = text.bytes().take(spec.precision.unwrap_or(usize::MAX));
    let prefix = match (spec.sharp, verb) {
        (false, _) => "",
        (true, 'x') => "0x",
        (true, _) => "0X",
    };
    let byte = |byte| {
        if verb == 'x' {
            format!("{byte:02x}")
        } else {
            format!("{byte:02X}")
        }
    };
    let bytes: Vec<String> = bytes.map(byte).collect();
    match (bytes.is_empty(), spec.space) {
        (true, _) => String::new(),
        (false, true) => bytes
            .iter()
            .map(|byte| format!("{prefix}{byte}"))
            .collect::<Vec<_>>()
            .join(" "),
        (false, false) => format!("{prefix}{}", bytes.concat()),
    }
}

fn bad(out: &mut String, value: &Value, verb: char) {
    out.push_str("%!");
    out.push(verb);
    out.push('(');
    if matches!(value, Value::Nil) {
        out.push_str("<nil>");
    } else {
        out.push_str(value.type_name());
        out.push('=');
        out.push_str(&super::plain(value));
    }
    out.push(')');
}
