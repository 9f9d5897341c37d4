//! The functions that every template has.

mod compare;
mod escape;
mod parts;

use crate::format;
use crate::value::Value;

use escape::{html, js, url_query};

/// `and` and `or` are called by the executor, which evaluates only what they need.
pub(crate) const NAMES: [&str; 19] = [
    "and", "call", "eq", "ge", "gt", "html", "index", "js", "le", "len", "lt", "ne", "not", "or",
    "print", "printf", "println", "slice", "urlquery",
];

/// Calls a built-in function.
pub(crate) fn call(name: &str, args: &[Value], bytes_max: usize) -> Result<Value, String> {
    match name {
        "eq" => compare::eq(args).map(Value::Bool),
        "ne" => two(name, args)
            .and_then(|(a, b)| compare::eq(&[a, b]))
            .map(|same| Value::Bool(!same)),
        "lt" => ordered(name, args, compare::lt),
        "le" => ordered(name, args, compare::le),
        "gt" => ordered(name, args, |a, b| compare::le(a, b).map(|yes| !yes)),
        "ge" => ordered(name, args, |a, b| compare::lt(a, b).map(|yes| !yes)),
        "not" => one(name, args).map(|value| Value::Bool(!value.truth())),
        "len" => one(name, args).and_then(|value| parts::len(&value)),
        "index" => parts::index(args),
        "slice" => parts::slice(args),
        "print" => format::print(args, bytes_max).map(Value::from),
        "println" => format::println(args, bytes_max).map(Value::from),
        "printf" => printf(args, bytes_max),
        "html" => text(args, bytes_max).map(|text| Value::from(html(&text))),
        "js" => text(args, bytes_max).map(|text| Value::from(js(&text))),
        "urlquery" => text(args, bytes_max).map(|text| Value::from(url_query(&text))),
        "call" => Err("call: there are no functions that are values here".into()),
        _ => Err(format!("function {name:?} not defined")),
    }
}

fn printf(args: &[Value], bytes_max: usize) -> Result<Value, String> {
    let Some((first, rest)) = args.split_first() else {
        return Err("wrong number of args for printf: want at least 1 got 0".into());
    };
    let Some(format) = first.as_str() else {
        return Err(format!(
            "printf: expected string; found {}",
            first.type_name()
        ));
    };
    format::printf(format, rest, bytes_max).map(Value::from)
}

/// A single string as it is, anything else as printed.
pub(crate) fn text(args: &[Value], bytes_max: usize) -> Result<String, String> {
    match args {
        [only] => format::print_bounded(only, bytes_max),
        more => {
            let shown = |value: &Value| match value {
                Value::Nil => Value::from("<no value>"),
                other => other.clone(),
            };
            let shown: Vec<_> = more.iter().map(shown).collect();
            format::print(&shown, bytes_max)
        }
    }
}

fn one(name: &str, args: &[Value]) -> Result<Value, String> {
    match args {
        [only] => Ok(only.clone()),
        _ => Err(format!(
            "wrong number of args for {name}: want 1 got {}",
            args.len()
        )),
    }
}

fn two(name: &str, args: &[Value]) -> Result<(Value, Value), String> {
    match args {
        [a, b] => Ok((a.clone(), b.clone())),
        _ => Err(format!(
            "wrong number of args for {name}: want 2 got {}",
            args.len()
        )),
    }
}

fn ordered(
    name: &str,
    args: &[Value],
    compare: impl Fn(&Value, &Value) -> Result<bool, String>,
) -> Result<Value, String> {
    let (a, b) = two(name, args)?;
    compare(&a, &b).map(Value::Bool)
}
