//! Numbers for people: `humanize`, `humanize1024`, `humanizeDuration`, `humanizePercentage`,
//! `humanizeTimestamp`, `toTime`, `toDuration`, `parseDuration`.

use super::functions::{Number, number, string, wrong_args};
use sonde_proto::period;
use sonde_template::{Funcs, Time, Value};

const LARGE: [&str; 8] = ["k", "M", "G", "T", "P", "E", "Z", "Y"];
const SMALL: [&str; 8] = ["m", "u", "n", "p", "f", "a", "z", "y"];
const BINARY: [&str; 8] = ["ki", "Mi", "Gi", "Ti", "Pi", "Ei", "Zi", "Yi"];

pub(super) fn add(funcs: &mut Funcs) {
    type Show = fn(Number) -> String;
    let texts: [(&'static str, Show); 4] = [
        ("humanize", humanize),
        ("humanize1024", humanize1024),
        ("humanizeDuration", duration),
        ("humanizePercentage", |n| {
            format!("{}%", four_digits(n * 100.0))
        }),
    ];
    for (name, text) in texts {
        funcs.add(name, move |args| one(name, args).map(text).map(Value::from));
    }
    funcs.add("humanizeTimestamp", |args| {
        let seconds = one("humanizeTimestamp", args)?;
        if !seconds.is_finite() {
            return Ok(Value::from(four_digits(seconds)));
        }
        time(seconds).map(|time| Value::from(time.to_string()))
    });
    funcs.add("toTime", |args| time(one("toTime", args)?).map(Value::Time));
    funcs.add("toDuration", |args| {
        nanos(one("toDuration", args)?).map(Value::Duration)
    });
    funcs.add("parseDuration", |args| match args {
        [text] => period::parse(string("parseDuration", text)?)
            .map(|period| Value::Float(period.as_secs_f64())),
        _ => Err(wrong_args("parseDuration", "a duration", args)),
    });
}

fn one(function: &str, args: &[Value]) -> Result<Number, String> {
    match args {
        [value] => number(function, value),
        _ => Err(wrong_args(function, "a number", args)),
    }
}

fn humanize(value: Number) -> String {
    if value == 0.0 || !value.is_finite() {
        four_digits(value)
    } else if value.abs() >= 1.0 {
        scaled(value, 1000.0, &LARGE)
    } else {
        let (value, prefix) = enlarged(value);
        format!("{}{prefix}", four_digits(value))
    }
}

fn humanize1024(value: Number) -> String {
    if value.abs() <= 1.0 || !value.is_finite() {
        four_digits(value)
    } else {
        scaled(value, 1024.0, &BINARY)
    }
}

fn scaled(mut value: Number, base: Number, prefixes: &[&str]) -> String {
    let mut used = "";
    for prefix in prefixes {
        if value.abs() < base {
            break;
        }
        used = prefix;
        value /= base;
    }
    format!("{}{used}", four_digits(value))
}

fn enlarged(mut value: Number) -> (Number, &'static str) {
    let mut used = "";
    for prefix in SMALL {
        if value.abs() >= 1.0 {
            break;
        }
        used = prefix;
        value *= 1000.0;
    }
    (value, used)
}

#[expect(
    clippy::cast_possible_truncation,
    reason = "whole seconds are wanted, as Prometheus shows them"
)]
fn duration(value: Number) -> String {
    if !value.is_finite() {
        return four_digits(value);
    }
    if value == 0.0 {
        return format!("{}s", four_digits(value));
    }
    if value.abs() < 1.0 {
        let (value, prefix) = enlarged(value);
        return format!("{}{prefix}s", four_digits(value));
    }
    let sign = if value < 0.0 { "-" } else { "" };
    let value = value.abs();
    let whole = value as i64;
    let (days, hours, minutes, seconds) = (
        whole / 86_400,
        whole / 3_600 % 24,
        whole / 60 % 60,
        whole % 60,
    );
    match (days, hours, minutes) {
        (0, 0, 0) => format!("{sign}{}s", four_digits(value)),
        (0, 0, _) => format!("{sign}{minutes}m {seconds}s"),
        (0, _, _) => format!("{sign}{hours}h {minutes}m {seconds}s"),
        _ => format!("{sign}{days}d {hours}h {minutes}m {seconds}s"),
    }
}

/// A point in time, by whole milliseconds as Prometheus has them.
fn time(seconds: Number) -> Result<Time, String> {
    let millis = nanos(seconds)?.div_euclid(1_000_000);
    jiff::Timestamp::from_millisecond(millis)
        .map(Time::new)
        .map_err(|_| format!("{seconds} seconds are out of range"))
}

#[expect(
    clippy::cast_possible_truncation,
    reason = "the range is checked before"
)]
fn nanos(seconds: Number) -> Result<i64, String> {
    let nanos = seconds * 1e9;
    // i64::MAX is not a double; 2^63 is.
    let limit = 9_223_372_036_854_775_808.0;
    if seconds.is_finite() && (-limit..limit).contains(&nanos) {
        Ok(nanos as i64)
    } else {
        Err(format!(
            "{seconds} cannot be represented as a nanoseconds timestamp"
        ))
    }
}

/// `%.4g` as Go prints it.
pub(super) fn four_digits(value: Number) -> String {
    if value.is_nan() {
        return "NaN".into();
    }
    if value.is_infinite() {
        return if value > 0.0 { "+Inf" } else { "-Inf" }.into();
    }
    let scientific = format!("{value:.3e}");
    let (digits, exponent) = scientific.split_once('e').unwrap_or((&scientific, "0"));
    let exponent: i32 = exponent.parse().unwrap_or(0);
    if (-4..4).contains(&exponent) {
        let decimals = usize::try_from(3 - exponent).unwrap_or(0);
        without_zeros(&format!("{value:.decimals$}")).into()
    } else {
        let sign = if exponent < 0 { '-' } else { '+' };
        format!("{}e{sign}{:02}", without_zeros(digits), exponent.abs())
    }
}

fn without_zeros(digits: &str) -> &str {
    if digits.contains('.') {
        digits.trim_end_matches('0').trim_end_matches('.')
    } else {
        digits
    }
}
