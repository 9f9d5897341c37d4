//! The functions that every template has.

mod compare;
mod escape;
mod parts;

use crate::format;
use crate::limits::Limits;
use crate::value::Value;

pub(crate) use escape::{html, js, url_query};

/// `and` and `or` are called by the executor, which evaluates only what they need.
pub(crate) const NAMES: [&str; 19] = [
    "and", "call", "eq", "ge", "gt", "html", "index", "js", "le", "len", "lt", "ne", "not", "or",
    "print", "printf", "println", "slice", "urlquery",
];

/// Calls a built-in function.
pub(crate) fn call(name: &str, args: &[Value], limits: &Limits) -> Result<Value, String> {
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
        "print" => Ok(Value::from(format::print(args))),
        "println" => Ok(Value::from(format::println(args))),
        "printf" => printf(args, limits),
        "html" => Ok(Value::from(html(&text(args)))),
        "js" => Ok(Value::from(js(&text(args)))),
        "urlquery" => Ok(Value::from(url_query(&text(args)))),
        "call" => Err("call: there are no functions that are values here".into()),
        _ => Err(format!("function {name:?} not defined")),
    }
}

fn printf(args: &[Value], limits: &Limits) -> Result<Value, String> {
    let Some((first, rest)) = args.split_first() else {
        return Err("wrong number of args for printf: want at least 1 got 0".into());
    };
    let Some(format) = first.as_str() else {
        return Err(format!(
            "printf: expected string; found {}",
            first.type_name()
        ));
    };
    format::printf(format, rest, limits.output_bytes).map(Value::from)
}

/// A single string as it is, anything else as printed.
fn text(args: &[Value]) -> String {
    match args {
        [only] => only
            .as_str()
            .map_or_else(|| format::print_action(only), str::to_owned),
        more => format::print(more),
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
