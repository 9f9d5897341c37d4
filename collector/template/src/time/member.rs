//! The methods of times and spans that templates call.

use super::{Time, duration, layout};
use crate::value::Value;

/// A method of a time.
pub(crate) fn of_time(time: &Time, name: &str, args: &[Value]) -> Option<Result<Value, String>> {
    let civil = time.offset.to_datetime(time.at);
    let value = match (name, args) {
        ("Format", [layout]) => match layout.as_str() {
            Some(layout) => Value::from(time.format(layout)),
            None => return Some(Err(unfit(name, layout))),
        },
        ("Add", [Value::Duration(span) | Value::Int(span)]) => match time.later(*span) {
            Some(later) => Value::Time(later),
            None => return Some(Err("Add: the time is out of range".into())),
        },
        ("Sub", [Value::Time(other)]) => Value::Duration(time.since(other)),
        ("Before", [Value::Time(other)]) => Value::Bool(time.at < other.at),
        ("After", [Value::Time(other)]) => Value::Bool(time.at > other.at),
        ("Equal", [Value::Time(other)]) => Value::Bool(time.at == other.at),
        ("Add" | "Sub" | "Before" | "After" | "Equal", [other]) => {
            return Some(Err(unfit(name, other)));
        }
        ("IsZero", []) => Value::Bool(time.is_zero()),
        ("String", []) => Value::from(time.to_string()),
        ("UTC" | "Local", []) => Value::Time(Time::new(time.at)),
        ("Unix", []) => Value::Int(time.at.as_second()),
        ("UnixMilli", []) => Value::Int(time.at.as_millisecond()),
        ("UnixMicro", []) => Value::Int(time.at.as_microsecond()),
        ("UnixNano", []) => Value::Int(i64::try_from(time.at.as_nanosecond()).unwrap_or(0)),
        ("Year", []) => Value::Int(civil.year().into()),
        ("Month", []) => Value::from(layout::month(civil.month())),
        ("Weekday", []) => Value::from(layout::weekday(civil)),
        ("Day", []) => Value::Int(civil.day().into()),
        ("YearDay", []) => Value::Int(civil.day_of_year().into()),
        ("Hour", []) => Value::Int(civil.hour().into()),
        ("Minute", []) => Value::Int(civil.minute().into()),
        ("Second", []) => Value::Int(civil.second().into()),
        ("Nanosecond", []) => Value::Int(civil.subsec_nanosecond().into()),
        _ => return None,
    };
    Some(Ok(value))
}

/// A method of a span of time.
pub(crate) fn of_duration(nanos: i64, name: &str, args: &[Value]) -> Option<Result<Value, String>> {
    let value = match (name, args) {
        ("String", []) => Value::from(duration(nanos)),
        ("Nanoseconds", []) => Value::Int(nanos),
        ("Microseconds", []) => Value::Int(nanos / 1_000),
        ("Milliseconds", []) => Value::Int(nanos / 1_000_000),
        ("Seconds", []) => Value::Float(count(nanos, 1_000_000_000)),
        ("Minutes", []) => Value::Float(count(nanos, 60_000_000_000)),
        ("Hours", []) => Value::Float(count(nanos, 3_600_000_000_000)),
        ("Abs", []) => Value::Duration(nanos.saturating_abs()),
        ("Truncate", [Value::Duration(unit) | Value::Int(unit)]) => {
            Value::Duration(truncate(nanos, *unit))
        }
        ("Round", [Value::Duration(unit) | Value::Int(unit)]) => {
            Value::Duration(round(nanos, *unit))
        }
        ("Truncate" | "Round", [other]) => return Some(Err(unfit(name, other))),
        _ => return None,
    };
    Some(Ok(value))
}

/// How many `unit` there are, the whole ones counted exactly, as Go does.
#[expect(clippy::cast_precision_loss, reason = "Go loses the same digits")]
fn count(nanos: i64, unit: i64) -> f64 {
    (nanos / unit) as f64 + (nanos % unit) as f64 / unit as f64
}

fn truncate(nanos: i64, unit: i64) -> i64 {
    if unit <= 0 {
        nanos
    } else {
        nanos - nanos % unit
    }
}

/// To the nearest unit, halves away from zero.
fn round(nanos: i64, unit: i64) -> i64 {
    if unit <= 0 {
        return nanos;
    }
    let (whole, part) = (truncate(nanos, unit), nanos % unit);
    if part.unsigned_abs().saturating_mul(2) < unit.unsigned_abs() {
        whole
    } else {
        whole.saturating_add(unit * part.signum())
    }
}

fn unfit(name: &str, value: &Value) -> String {
    format!("{name} does not take a {}", value.type_name())
}
