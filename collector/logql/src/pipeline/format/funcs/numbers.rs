//! Functions on numbers. As in sprig, a text that is no number counts as 0, and fractions are
//! reckoned in decimals: 0.1 and 0.2 are 0.3.

use super::{decimal, exactly, strings};
use crate::pipeline::convert;
use sonde_template::{Funcs, Value};

pub(super) fn add(funcs: &mut Funcs) {
    add_integers(funcs);
    add_fractions(funcs);
    funcs.add("int", |args| {
        let [value] = exactly("int", args)?;
        Ok(integer(value).into())
    });
    funcs.add("float64", |args| {
        let [value] = exactly("float64", args)?;
        Ok(fraction(value).into())
    });
    funcs.add("bytes", |args| {
        let [text] = strings("bytes", args)?;
        convert::bytes(text).map(Value::from)
    });
    for name in ["duration", "duration_seconds"] {
        funcs.add(name, move |args| {
            let [text] = strings(name, args)?;
            convert::seconds(text).map(Value::from)
        });
    }
}

fn add_integers(funcs: &mut Funcs) {
    type Fold = fn(i64, i64) -> i64;
    let several: [(&str, Fold); 4] = [
        ("add", i64::wrapping_add),
        ("mul", i64::wrapping_mul),
        ("max", i64::max),
        ("min", i64::min),
    ];
    for (name, fold) in several {
        funcs.add(name, move |args| {
            let all = args.iter().map(integer).reduce(fold);
            all.map(Value::from).ok_or_else(|| none(name))
        });
    }
    funcs.add("sub", |args| {
        let [a, b] = exactly("sub", args)?;
        Ok(integer(a).wrapping_sub(integer(b)).into())
    });
    let divisions: [(&str, Fold); 2] = [("div", i64::wrapping_div), ("mod", i64::wrapping_rem)];
    for (name, divide) in divisions {
        funcs.add(name, move |args| {
            let [a, b] = exactly(name, args)?;
            match integer(b) {
                0 => Err(format!("{name}: division by zero")),
                b => Ok(divide(integer(a), b).into()),
            }
        });
    }
}

fn add_fractions(funcs: &mut Funcs) {
    type Fold = fn(f64, f64) -> f64;
    let several: [(&str, Fold); 6] = [
        ("addf", decimal::add),
        ("subf", |a, b| decimal::add(a, -b)),
        ("mulf", decimal::multiply),
        ("divf", decimal::divide),
        ("maxf", f64::max),
        ("minf", f64::min),
    ];
    for (name, fold) in several {
        funcs.add(name, move |args| {
            if name == "divf" && args.iter().skip(1).any(|value| fraction(value) == 0.0) {
                return Err("divf: division by zero".into());
            }
            let all = args.iter().map(fraction).reduce(fold);
            all.map(Value::from).ok_or_else(|| none(name))
        });
    }
    type Round = fn(f64) -> f64;
    let roundings: [(&str, Round); 2] = [("ceil", f64::ceil), ("floor", f64::floor)];
    for (name, round) in roundings {
        funcs.add(name, move |args| {
            let [value] = exactly(name, args)?;
            Ok(round(fraction(value)).into())
        });
    }
    funcs.add("round", |args| match args {
        [value, places] => Ok(round(fraction(value), integer(places), 0.5).into()),
        [value, places, on] => Ok(round(fraction(value), integer(places), fraction(on)).into()),
        _ => Err(format!(
            "wrong number of args for round: want 2 or 3 got {}",
            args.len()
        )),
    });
}

fn none(name: &str) -> String {
    format!("wrong number of args for {name}: want at least 1 got 0")
}

/// To so many decimals, up where what is left is at least `on`.
fn round(value: f64, places: i64, on: f64) -> f64 {
    let places = i32::try_from(places.clamp(-300, 300)).unwrap_or(0);
    let scale = 10f64.powi(places);
    let scaled = scale * value;
    if !scaled.is_finite() {
        return value;
    }
    let rounded = if scaled.fract() >= on {
        scaled.ceil()
    } else {
        scaled.floor()
    };
    rounded / scale
}

/// A value as an integer: fractions are cut, texts read with the bases of Go.
#[expect(
    clippy::cast_possible_truncation,
    reason = "a fraction is cut, and what is out of range is the nearest integer"
)]
pub(super) fn integer(value: &Value) -> i64 {
    match value {
        Value::Int(number) | Value::Duration(number) => *number,
        Value::Float(number) => *number as i64,
        Value::Bool(yes) => i64::from(*yes),
        other => other.as_str().and_then(integer_of_text).unwrap_or(0),
    }
}

fn integer_of_text(text: &str) -> Option<i64> {
    let text = match text.split_once('.') {
        Some((whole, zeros)) if zeros.bytes().all(|b| b == b'0') => whole,
        _ => text,
    };
    let (is_negative, digits) = match text.strip_prefix('-') {
        Some(digits) => (true, digits),
        None => (false, text.strip_prefix('+').unwrap_or(text)),
    };
    let (digits, base) = match digits.get(..2).map(str::to_ascii_lowercase).as_deref() {
        Some("0x") => (&digits[2..], 16),
        Some("0b") => (&digits[2..], 2),
        Some("0o") => (&digits[2..], 8),
        Some(_) if digits.starts_with('0') => (&digits[1..], 8),
        _ => (digits, 10),
    };
    if !digits.bytes().all(|b| b.is_ascii_alphanumeric()) {
        return None;
    }
    let number = i128::from_str_radix(digits, base).ok()?;
    i64::try_from(if is_negative { -number } else { number }).ok()
}

/// A value as a number with a fraction.
fn fraction(value: &Value) -> f64 {
    match value {
        Value::Bool(yes) => f64::from(u8::from(*yes)),
        other => other
            .as_float()
            .or_else(|| convert::number(other.as_str()?).ok())
            .unwrap_or(0.0),
    }
}

/// A whole number in decimal digits, with a sign where it has one.
pub(super) fn digits(text: &str) -> Option<i64> {
    text.parse().ok()
}
