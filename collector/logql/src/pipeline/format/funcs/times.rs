//! Functions on times.

use super::{exactly, layout, numbers, strings, text};
use jiff::Timestamp;
use jiff::tz::TimeZone;
use sonde_proto::{Clock, SystemClock};
use sonde_template::{Funcs, Time, Value};

pub(super) fn add(funcs: &mut Funcs) {
    funcs.add("now", |args| {
        let [] = exactly("now", args)?;
        Ok(now().into())
    });
    funcs.add("date", |args| {
        let [layout, value] = exactly("date", args)?;
        let time = match value {
            Value::Time(time) => time.clone(),
            Value::Int(seconds) => at_second(*seconds),
            _ => now(),
        };
        Ok(time.format(text("date", layout)?).into())
    });
    funcs.add("toDate", |args| {
        let [layout, text] = strings("toDate", args)?;
        Ok(parsed(layout, text, &TimeZone::UTC))
    });
    funcs.add("toDateInZone", |args| {
        let [layout, name, text] = strings("toDateInZone", args)?;
        // As in Loki, an unknown zone is UTC.
        let zone = TimeZone::get(name).unwrap_or(TimeZone::UTC);
        Ok(parsed(layout, text, &zone))
    });
    funcs.add("unixToTime", |args| {
        let [text] = strings("unixToTime", args)?;
        unix_to_time(text).map(Value::from)
    });
    type Count = fn(Timestamp) -> i128;
    let counts: [(&str, Count); 3] = [
        ("unixEpoch", |at| at.as_second().into()),
        ("unixEpochMillis", |at| at.as_millisecond().into()),
        ("unixEpochNanos", |at| at.as_nanosecond()),
    ];
    for (name, count) in counts {
        funcs.add(name, move |args| {
            let [value] = exactly(name, args)?;
            match value {
                Value::Time(time) => Ok(count(time.timestamp()).to_string().into()),
                other => Err(format!("{name} takes a time, not a {}", other.type_name())),
            }
        });
    }
}

fn now() -> Time {
    Time::new(timestamp(i128::from(SystemClock.now().0)))
}

/// The nearest time there is.
pub(super) fn timestamp(nanos: i128) -> Timestamp {
    Timestamp::from_nanosecond(nanos).unwrap_or(if nanos < 0 {
        Timestamp::MIN
    } else {
        Timestamp::MAX
    })
}

fn at_second(seconds: i64) -> Time {
    Time::new(timestamp(i128::from(seconds) * 1_000_000_000))
}

/// The time that a text shows; the zero time where it shows none, as in sprig.
fn parsed(layout: &str, text: &str, zone: &TimeZone) -> Value {
    layout::parse(layout, text, zone)
        .unwrap_or_else(Time::zero)
        .into()
}

/// The time that a count of days, seconds, milli-, micro- or nanoseconds is: its length tells
/// which.
fn unix_to_time(text: &str) -> Result<Time, String> {
    let unit: i128 = match text.len() {
        5 => 86_400_000_000_000,
        10 => 1_000_000_000,
        13 => 1_000_000,
        16 => 1_000,
        19 => 1,
        _ => {
            return Err(format!(
                "unixToTime: {text:?} has not 5, 10, 13, 16 or 19 digits"
            ));
        }
    };
    let count =
        numbers::digits(text).ok_or_else(|| format!("unixToTime: {text:?} is no number"))?;
    Ok(Time::new(timestamp(i128::from(count) * unit)))
}
