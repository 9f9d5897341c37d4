//! One value by one verb.

use super::out::Out;
use super::spec::Spec;
use super::{float, integer, quote};
use crate::value::{Map, Value};
use std::borrow::Cow;

/// Adds `value` as `%verb`. A verb that does not fit yields Go's `%!verb(type=value)`.
pub(super) fn value(out: &mut Out, value: &Value, verb: char, spec: &Spec) {
    if verb == 'T' {
        return match value {
            Value::Nil => spec.pad(out, "<nil>"),
            value => spec.pad(out, &cut(value.type_name(), spec)),
        };
    }
    match value {
        Value::Nil if verb == 'v' => spec.pad(out, "<nil>"),
        Value::Nil => bad(out, value, verb, spec),
        Value::Bool(yes) if matches!(verb, 't' | 'v') => {
            spec.pad(out, if *yes { "true" } else { "false" });
        }
        Value::Int(number) => integer_or_bad(out, value, *number, verb, spec),
        Value::Float(number) => {
            if !float::number(out, *number, verb, spec) {
                bad(out, value, verb, spec);
            }
        }
        Value::Str(text) | Value::Html(text) | Value::Url(text) => {
            string(out, value, text, verb, spec);
        }
        Value::Time(time) => string(out, value, &time.to_string(), verb, spec),
        Value::Duration(nanos) if matches!(verb, 'v' | 's' | 'q' | 'x' | 'X') && !spec.program => {
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
        Value::Bool(_) => bad(out, value, verb, spec),
    }
}

fn integer_or_bad(out: &mut Out, value: &Value, number: i64, verb: char, spec: &Spec) {
    if !integer::number(out, number, verb, spec) {
        bad(out, value, verb, spec);
    }
}

fn list(out: &mut Out, items: &[Value], verb: char, spec: &Spec) {
    let marks = Marks::of(spec, "[]interface {}{", "[");
    out.push_str(marks.open);
    for (at, item) in items.iter().enumerate() {
        if at > 0 {
            out.push_str(marks.between);
        }
        part(out, item, verb, spec);
        if out.is_full() {
            return;
        }
    }
    out.push_str(marks.close);
}

/// What stands around and between the parts of a list or map.
struct Marks<'a> {
    open: &'a str,
    between: &'a str,
    close: &'a str,
}

impl<'a> Marks<'a> {
    fn of(spec: &Spec, program: &'a str, plain: &'a str) -> Self {
        let (open, between, close) = if spec.program {
            (program, ", ", "}")
        } else {
            (plain, " ", "]")
        };
        Self {
            open,
            between,
            close,
        }
    }
}

/// A part of a list or map: as in Go, nothing is `<nil>` by any verb.
fn part(out: &mut Out, item: &Value, verb: char, spec: &Spec) {
    match item {
        Value::Nil if spec.program => out.push_str("interface {}(nil)"),
        Value::Nil => out.push_str("<nil>"),
        item => value(out, item, verb, spec),
    }
}

fn map(out: &mut Out, map: &Map, verb: char, spec: &Spec) {
    let strings = matches!(map.missing, Value::Str(_));
    let program = if strings {
        "map[string]string{"
    } else {
        "map[string]interface {}{"
    };
    let marks = Marks::of(spec, program, "map[");
    out.push_str(marks.open);
    for (at, (key, item)) in map.entries.iter().enumerate() {
        if at > 0 {
            out.push_str(marks.between);
        }
        value(out, &Value::Str(key.clone()), verb, spec);
        out.push(':');
        part(out, item, verb, spec);
        if out.is_full() {
            return;
        }
    }
    out.push_str(marks.close);
}

fn string(out: &mut Out, whole: &Value, text: &str, verb: char, spec: &Spec) {
    match verb {
        'v' if spec.program => spec.pad(out, &quote(&cut(text, spec), false)),
        'v' | 's' => spec.pad(out, &cut(text, spec)),
        'q' if spec.sharp && quote::can_be_raw(&cut(text, spec)) => {
            spec.pad(out, &format!("`{}`", cut(text, spec)));
        }
        'q' => spec.pad(out, &quote(&cut(text, spec), spec.plus)),
        'x' | 'X' => spec.pad(out, &hex(text, verb, spec)),
        _ => bad(out, whole, verb, spec),
    }
}

/// As much of a text as the precision allows.
fn cut<'t>(text: &'t str, spec: &Spec) -> Cow<'t, str> {
    match spec.precision {
        None => text.into(),
        Some(precision) => text.chars().take(precision).collect::<String>().into(),
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

fn bad(out: &mut Out, value: &Value, verb: char, spec: &Spec) {
    out.push_str("%!");
    out.push(verb);
    out.push('(');
    if matches!(value, Value::Nil) {
        out.push_str("<nil>");
    } else {
        out.push_str(value.type_name());
        out.push('=');
        match value {
            // As in Go, a span's own way to print is not used for a mistake.
            Value::Duration(nanos) => self::value(out, &Value::Int(*nanos), 'v', spec),
            value => self::value(out, value, 'v', spec),
        }
    }
    out.push(')');
}
