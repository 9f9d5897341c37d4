//! Printing as Go's `fmt` prints: `print`, `println`, `printf` and what actions yield.

mod float;
mod integer;
mod out;
mod quote;
mod spec;
mod verb;

use crate::value::Value;
use out::Out;
use spec::Spec;

pub(crate) use quote::{printable, quote};

/// What an action leaves in the output, unless it is longer than `bytes_max`.
pub(crate) fn print_bounded(value: &Value, bytes_max: usize) -> Result<String, String> {
    let mut out = Out::new(bytes_max);
    action(&mut out, value);
    out.finish()
}

/// What an action leaves in the output, cut where it is longer than `bytes_max`.
pub(crate) fn print_cut(value: &Value, bytes_max: usize) -> String {
    let mut out = Out::new(bytes_max);
    action(&mut out, value);
    out.cut()
}

fn action(out: &mut Out, value: &Value) {
    match value {
        Value::Nil => out.push_str("<no value>"),
        Value::Str(text) | Value::Html(text) | Value::Url(text) => out.push_str(text),
        other => plain(out, other),
    }
}

/// A value as `%v`.
fn plain(out: &mut Out, value: &Value) {
    verb::value(out, value, 'v', &Spec::default());
}

/// Values with a space between two that are both no strings.
pub(crate) fn print(values: &[Value], bytes_max: usize) -> Result<String, String> {
    let mut out = Out::new(bytes_max);
    let mut after_string = true;
    for (at, value) in values.iter().enumerate() {
        let string = matches!(value, Value::Str(_) | Value::Html(_) | Value::Url(_));
        if at > 0 && !string && !after_string {
            out.push(' ');
        }
        plain(&mut out, value);
        after_string = string;
    }
    out.finish()
}

/// Values with a space between any two, and a newline.
pub(crate) fn println(values: &[Value], bytes_max: usize) -> Result<String, String> {
    let mut out = Out::new(bytes_max);
    for (at, value) in values.iter().enumerate() {
        if at > 0 {
            out.push(' ');
        }
        plain(&mut out, value);
    }
    out.push('\n');
    out.finish()
}

/// Values by a format.
pub(crate) fn printf(format: &str, values: &[Value], bytes_max: usize) -> Result<String, String> {
    let mut out = Out::new(bytes_max);
    let mut args = spec::Args::new(values);
    let mut rest = format;
    while let Some(at) = rest.find('%') {
        out.push_str(&rest[..at]);
        let (spec, verb, after) = spec::read(&rest[at + 1..], &mut args, &mut out);
        directive(&mut out, verb, &spec, &mut args);
        rest = after;
        if out.is_full() {
            break;
        }
    }
    out.push_str(rest);
    args.report_extra(&mut out);
    out.finish()
}

fn directive(out: &mut Out, verb: Option<char>, spec: &Spec, args: &mut spec::Args<'_>) {
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
