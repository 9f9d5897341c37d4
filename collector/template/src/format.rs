//! Printing as Go's `fmt` prints: `print`, `println`, `printf` and what actions yield.

mod float;
mod integer;
mod quote;
mod spec;
mod verb;

use crate::value::Value;
use spec::Spec;

pub(crate) use quote::{printable, quote};

/// What an action leaves in the output.
pub(crate) fn print_action(value: &Value) -> String {
    match value {
        Value::Nil => "<no value>".into(),
        Value::Str(text) | Value::Html(text) => text.to_string(),
        other => plain(other),
    }
}

/// A value as `%v`.
pub(crate) fn plain(value: &Value) -> String {
    let mut out = String::new();
    verb::value(&mut out, value, 'v', &Spec::default());
    out
}

/// Values with a space between two that are both no strings.
pub(crate) fn print(values: &[Value]) -> String {
    let mut out = String::new();
    let mut after_string = true;
    for (at, value) in values.iter().enumerate() {
        let string = value.as_str().is_some();
        if at > 0 && !string && !after_string {
            out.push(' ');
        }
        out.push_str(&plain(value));
        after_string = string;
    }
    out
}

/// Values with a space between any two, and a newline.
pub(crate) fn println(values: &[Value]) -> String {
    let mut out = values.iter().map(plain).collect::<Vec<_>>().join(" ");
    out.push('\n');
    out
}

/// Values by a format.
pub(crate) fn printf(format: &str, values: &[Value], bytes_max: usize) -> Result<String, String> {
    let mut out = String::new();
    let mut args = spec::Args::new(values);
    let mut rest = format;
    while let Some(at) = rest.find('%') {
        out.push_str(&rest[..at]);
        let (spec, verb, after) = spec::read(&rest[at + 1..], &mut args, &mut out);
        directive(&mut out, verb, &spec, &mut args);
        rest = after;
        if out.len() > bytes_max {
            return Err(format!("printf yields more than {bytes_max} bytes"));
        }
    }
    out.push_str(rest);
    args.report_extra(&mut out);
    Ok(out)
}

fn directive(out: &mut String, verb: Option<char>, spec: &Spec, args: &mut spec::Args<'_>) {
    match verb {
        None => out.push_str("%!(NOVERB)"),
        Some('%') => out.push('%'),
        Some(verb) if args.bad_index => {
            out.push_str("%!");
            out.push(verb);
            out.push_str("(BADINDEX)");
        }
        Some(verb) => match args.next() {
            None => {
                out.push_str("%!");
                out.push(verb);
                out.push_str("(MISSING)");
            }
            Some(value) => verb::value(out, value, verb, spec),
        },
    }
}
