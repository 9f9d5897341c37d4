//! `len`, `index` and `slice`.

use crate::value::Value;

pub(super) fn len(value: &Value) -> Result<Value, String> {
    match value.underlying() {
        Value::Str(text) | Value::Html(text) | Value::Url(text) => Ok(Value::from(text.len())),
        Value::List(items) => Ok(Value::from(items.len())),
        Value::Map(map) => Ok(Value::from(map.entries.len())),
        Value::Nil => Err("len of nil pointer".into()),
        other => Err(format!("len of type {}", other.type_name())),
    }
}

/// `index x 1 "k"` is `x[1]["k"]`.
pub(super) fn index(args: &[Value]) -> Result<Value, String> {
    let Some((item, keys)) = args.split_first() else {
        return Err("wrong number of args for index: want at least 1 got 0".into());
    };
    if matches!(item, Value::Nil) {
        return Err("index of untyped nil".into());
    }
    keys.iter()
        .try_fold(item.clone(), |item, key| part(&item.underlying(), key))
}

fn part(item: &Value, key: &Value) -> Result<Value, String> {
    match item {
        Value::List(items) => {
            let at = position(key, items.len())?;
            items.get(at).cloned().ok_or_else(|| out_of_range(key))
        }
        Value::Str(text) | Value::Html(text) | Value::Url(text) => {
            let at = position(key, text.len())?;
            let byte = text.as_bytes().get(at).ok_or_else(|| out_of_range(key))?;
            Ok(Value::Int(i64::from(*byte)))
        }
        Value::Map(map) => match key.as_str() {
            Some(key) => Ok(map.get(key)),
            None => Err(format!(
                "value has type {}; should be string",
                key.type_name()
            )),
        },
        Value::Nil => Err("index of nil pointer".into()),
        other => Err(format!("can't index item of type {}", other.type_name())),
    }
}

/// A position up to and including `most`.
fn position(key: &Value, most: usize) -> Result<usize, String> {
    let Value::Int(number) = key else {
        return Err(match key {
            Value::Nil => "cannot index slice/array with nil".into(),
            other => format!("cannot index slice/array with type {}", other.type_name()),
        });
    };
    usize::try_from(*number)
        .ok()
        .filter(|at| *at <= most)
        .ok_or_else(|| out_of_range(key))
}

fn out_of_range(key: &Value) -> String {
    format!("index out of range: {key}")
}

/// `slice x 1 2` is `x[1:2]`.
pub(super) fn slice(args: &[Value]) -> Result<Value, String> {
    let Some((item, bounds)) = args.split_first() else {
        return Err("wrong number of args for slice: want at least 1 got 0".into());
    };
    if bounds.len() > 3 {
        return Err(format!("too many slice indexes: {}", bounds.len()));
    }
    match item.underlying() {
        Value::Nil => Err("slice of untyped nil".into()),
        Value::Str(_) | Value::Html(_) | Value::Url(_) if bounds.len() == 3 => {
            Err("cannot 3-index slice a string".into())
        }
        Value::Str(text) | Value::Html(text) | Value::Url(text) => {
            let (from, to) = between(bounds, text.len())?;
            Ok(Value::from(
                String::from_utf8_lossy(&text.as_bytes()[from..to]).into_owned(),
            ))
        }
        Value::List(items) => {
            let (from, to) = between(bounds, items.len())?;
            Ok(Value::List(items[from..to].into()))
        }
        other => Err(format!("can't slice item of type {}", other.type_name())),
    }
}

fn between(bounds: &[Value], len: usize) -> Result<(usize, usize), String> {
    let mut at = [0, len, len];
    for (bound, at) in bounds.iter().zip(&mut at) {
        *at = position(bound, len)?;
    }
    for (low, high) in [(at[0], at[1]), (at[1], at[2])] {
        if low > high {
            return Err(format!("invalid slice index: {low} > {high}"));
        }
    }
    Ok((at[0], at[1]))
}
