//! Go's layouts: a text that shows how the time `Mon Jan 2 15:04:05 2006 -0700` would look.

use super::Time;
use jiff::civil::DateTime;

/// A time by a layout.
pub(super) fn format(time: &Time, layout: &str) -> String {
    let civil = time.offset.to_datetime(time.at);
    let mut out = String::with_capacity(layout.len() + 8);
    let mut rest = layout;
    while let Some(first) = rest.chars().next() {
        match field(rest) {
            Some((name, length)) => {
                push(&mut out, name, &rest[..length], time, civil);
                rest = &rest[length..];
            }
            None => {
                out.push(first);
                rest = &rest[first.len_utf8()..];
            }
        }
    }
    out
}

/// The parts of a layout, the longer before its beginning.
#[derive(Clone, Copy)]
enum Field {
    MonthName,
    MonthShort,
    Month,
    MonthZero,
    WeekdayName,
    WeekdayShort,
    Day,
    DaySpace,
    DayZero,
    YearDaySpace,
    YearDayZero,
    Hour24,
    Hour12,
    Hour12Zero,
    Minute,
    MinuteZero,
    Second,
    SecondZero,
    Year,
    YearShort,
    UpperHalf,
    LowerHalf,
    Zone,
    Offset,
    Fraction,
}

const FIELDS: [(&str, Field); 37] = [
    ("January", Field::MonthName),
    ("Monday", Field::WeekdayName),
    ("MST", Field::Zone),
    ("002", Field::YearDayZero),
    ("01", Field::MonthZero),
    ("02", Field::DayZero),
    ("03", Field::Hour12Zero),
    ("04", Field::MinuteZero),
    ("05", Field::SecondZero),
    ("06", Field::YearShort),
    ("15", Field::Hour24),
    ("1", Field::Month),
    ("2006", Field::Year),
    ("2", Field::Day),
    ("__2", Field::YearDaySpace),
    ("_2", Field::DaySpace),
    ("3", Field::Hour12),
    ("4", Field::Minute),
    ("5", Field::Second),
    ("PM", Field::UpperHalf),
    ("pm", Field::LowerHalf),
    ("-07:00:00", Field::Offset),
    ("-070000", Field::Offset),
    ("-07:00", Field::Offset),
    ("-0700", Field::Offset),
    ("-07", Field::Offset),
    ("Z07:00:00", Field::Offset),
    ("Z070000", Field::Offset),
    ("Z07:00", Field::Offset),
    ("Z0700", Field::Offset),
    ("Z07", Field::Offset),
    ("Jan", Field::MonthShort),
    ("Mon", Field::WeekdayShort),
    (".0", Field::Fraction),
    (".9", Field::Fraction),
    (",0", Field::Fraction),
    (",9", Field::Fraction),
];

/// The field that a layout begins with, and its length.
fn field(rest: &str) -> Option<(Field, usize)> {
    // `_2006` is an underscore before a year.
    if rest.starts_with("_2006") {
        return None;
    }
    let found = FIELDS.iter().find(|(text, _)| rest.starts_with(text))?;
    let (text, name) = *found;
    let after = &rest[text.len()..];
    match name {
        Field::MonthShort | Field::WeekdayShort => {
            let word_goes_on = after.starts_with(|c: char| c.is_ascii_lowercase());
            (!word_goes_on).then_some((name, text.len()))
        }
        Field::Fraction => {
            let digit = text.chars().nth(1)?;
            let more = after.len() - after.trim_start_matches(digit).len();
            let number_goes_on = after[more..].starts_with(|c: char| c.is_ascii_digit());
            (!number_goes_on).then_some((name, text.len() + more))
        }
        _ => Some((name, text.len())),
    }
}

const MONTHS: [&str; 12] = [
    "January",
    "February",
    "March",
    "April",
    "May",
    "June",
    "July",
    "August",
    "September",
    "October",
    "November",
    "December",
];

const WEEKDAYS: [&str; 7] = [
    "Monday",
    "Tuesday",
    "Wednesday",
    "Thursday",
    "Friday",
    "Saturday",
    "Sunday",
];

/// The name of a month from 1.
pub(super) fn month(number: i8) -> &'static str {
    let at = usize::try_from(number - 1).unwrap_or(0);
    MONTHS.get(at).copied().unwrap_or_default()
}

/// The name of the day of the week.
pub(super) fn weekday(civil: DateTime) -> &'static str {
    let at = usize::try_from(civil.weekday().to_monday_zero_offset()).unwrap_or(0);
    WEEKDAYS.get(at).copied().unwrap_or_default()
}

fn push(out: &mut String, field: Field, text: &str, time: &Time, civil: DateTime) {
    let hour12 = match civil.hour() % 12 {
        0 => 12,
        hour => hour,
    };
    let afternoon = civil.hour() >= 12;
    out.push_str(&match field {
        Field::MonthName => month(civil.month()).to_owned(),
        Field::MonthShort => month(civil.month())[..3].to_owned(),
        Field::Month => civil.month().to_string(),
        Field::MonthZero => format!("{:02}", civil.month()),
        Field::WeekdayName => weekday(civil).to_owned(),
        Field::WeekdayShort => weekday(civil)[..3].to_owned(),
        Field::Day => civil.day().to_string(),
        Field::DaySpace => format!("{:2}", civil.day()),
        Field::DayZero => format!("{:02}", civil.day()),
        Field::YearDaySpace => format!("{:3}", civil.day_of_year()),
        Field::YearDayZero => format!("{:03}", civil.day_of_year()),
        Field::Hour24 => format!("{:02}", civil.hour()),
        Field::Hour12 => hour12.to_string(),
        Field::Hour12Zero => format!("{hour12:02}"),
        Field::Minute => civil.minute().to_string(),
        Field::MinuteZero => format!("{:02}", civil.minute()),
        Field::Second => civil.second().to_string(),
        Field::SecondZero => format!("{:02}", civil.second()),
        Field::Year if civil.year() < 0 => format!("-{:04}", civil.year().unsigned_abs()),
        Field::Year => format!("{:04}", civil.year()),
        Field::YearShort => format!("{:02}", civil.year().rem_euclid(100)),
        Field::UpperHalf => if afternoon { "PM" } else { "AM" }.to_owned(),
        Field::LowerHalf => if afternoon { "pm" } else { "am" }.to_owned(),
        Field::Zone if time.zone.is_empty() => offset(time.offset.seconds(), "-0700"),
        Field::Zone => time.zone.to_string(),
        Field::Offset => offset(time.offset.seconds(), text),
        Field::Fraction => fraction(civil.subsec_nanosecond(), text),
    });
}

/// An offset in the shape that `like` has: `-07:00`, `Z0700`, `-07`.
fn offset(seconds: i32, like: &str) -> String {
    if seconds == 0 && like.starts_with('Z') {
        return "Z".into();
    }
    let sign = if seconds < 0 { '-' } else { '+' };
    let seconds = seconds.unsigned_abs();
    let colon = if like.contains(':') { ":" } else { "" };
    let digits = like.bytes().filter(u8::is_ascii_digit).count();
    let mut out = format!("{sign}{:02}", seconds / 3600);
    if digits >= 4 {
        out.push_str(&format!("{colon}{:02}", seconds / 60 % 60));
    }
    if digits >= 6 {
        out.push_str(&format!("{colon}{:02}", seconds % 60));
    }
    out
}

/// Parts of a second: `.000` always, `.999` without the zeros at the end.
fn fraction(nanos: i32, like: &str) -> String {
    let digits = format!("{nanos:09}");
    let wanted = (like.len() - 1).min(digits.len());
    let kept = &digits[..wanted];
    let kept = if like.ends_with('9') {
        kept.trim_end_matches('0')
    } else {
        kept
    };
    if kept.is_empty() {
        return String::new();
    }
    format!("{}{kept}", &like[..1])
}
