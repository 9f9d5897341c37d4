//! Times read by a layout in Go's way: a text that shows how `Mon Jan 2 15:04:05 2006 -0700`
//! would look.

use jiff::civil::{Date, Time as Clock};
use jiff::tz::{Offset, TimeZone};
use sonde_template::Time;

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

/// What was read so far.
struct Parts {
    year: i16,
    month: i8,
    day: i8,
    year_day: Option<i16>,
    hour: i8,
    minute: i8,
    second: i8,
    nanos: i32,
    is_afternoon: Option<bool>,
    offset: Option<Offset>,
}

/// What a field of a layout reads: the rest of the text behind it.
type Read = for<'t> fn(&mut Parts, &'t str) -> Option<&'t str>;

/// The fields, the longer before its beginning.
const FIELDS: [(&str, Read); 34] = [
    ("January", |p, t| named(&MONTHS, 9, t, |at| p.month = at)),
    ("Monday", |_, t| named(&WEEKDAYS, 9, t, |_| {})),
    ("MST", |p, t| {
        let end = t.find(|c: char| !c.is_ascii_uppercase()).unwrap_or(t.len());
        if matches!(&t[..end], "UTC" | "GMT") {
            p.offset = Some(Offset::UTC);
        }
        (3..=5).contains(&end).then(|| &t[end..])
    }),
    ("002", |p, t| {
        let (day, rest) = number(t, 3, 3)?;
        p.year_day = Some(i16::try_from(day).ok()?);
        Some(rest)
    }),
    ("Jan", |p, t| named(&MONTHS, 3, t, |at| p.month = at)),
    ("Mon", |_, t| named(&WEEKDAYS, 3, t, |_| {})),
    ("2006", |p, t| {
        let (year, rest) = number(t, 4, 4)?;
        p.year = i16::try_from(year).ok()?;
        Some(rest)
    }),
    ("Z07:00:00", |p, t| zulu(p, t, |t| offset(t, true, true))),
    ("Z070000", |p, t| zulu(p, t, |t| offset(t, false, true))),
    ("Z07:00", |p, t| zulu(p, t, |t| offset(t, true, false))),
    ("Z0700", |p, t| zulu(p, t, |t| offset(t, false, false))),
    ("Z07", |p, t| zulu(p, t, offset_hours)),
    ("-07:00:00", |p, t| with_offset(p, offset(t, true, true))),
    ("-070000", |p, t| with_offset(p, offset(t, false, true))),
    ("-07:00", |p, t| with_offset(p, offset(t, true, false))),
    ("-0700", |p, t| with_offset(p, offset(t, false, false))),
    ("-07", |p, t| with_offset(p, offset_hours(t))),
    ("01", |p, t| small(t, 2, |n| p.month = n)),
    ("02", |p, t| small(t, 2, |n| p.day = n)),
    ("03", |p, t| small(t, 2, |n| p.hour = n)),
    ("04", |p, t| small(t, 2, |n| p.minute = n)),
    ("05", |p, t| small(t, 2, |n| p.second = n)),
    ("06", |p, t| {
        let (year, rest) = number(t, 2, 2)?;
        // As in Go: from 1969 on.
        p.year = i16::try_from(if year >= 69 { 1900 + year } else { 2000 + year }).ok()?;
        Some(rest)
    }),
    ("15", |p, t| small(t, 2, |n| p.hour = n)),
    ("_2", |p, t| {
        small(t.strip_prefix(' ').unwrap_or(t), 1, |n| p.day = n)
    }),
    ("__2", |p, t| {
        let (day, rest) = number(t.trim_start_matches(' '), 1, 3)?;
        p.year_day = Some(i16::try_from(day).ok()?);
        Some(rest)
    }),
    ("PM", |p, t| half(p, t, "AM", "PM")),
    ("pm", |p, t| half(p, t, "am", "pm")),
    ("1", |p, t| small(t, 1, |n| p.month = n)),
    ("2", |p, t| small(t, 1, |n| p.day = n)),
    ("3", |p, t| small(t, 1, |n| p.hour = n)),
    ("4", |p, t| small(t, 1, |n| p.minute = n)),
    ("5", |p, t| small(t, 1, |n| p.second = n)),
    (".0", fraction),
];

/// The time that `text` shows, in `zone` where it names none.
pub(super) fn parse(layout: &str, text: &str, zone: &TimeZone) -> Option<Time> {
    let mut parts = Parts {
        year: 0,
        month: 1,
        day: 1,
        year_day: None,
        hour: 0,
        minute: 0,
        second: 0,
        nanos: 0,
        is_afternoon: None,
        offset: None,
    };
    let (mut layout, mut text) = (layout, text);
    while let Some(first) = layout.chars().next() {
        if let Some(length) = fraction_length(layout) {
            text = fraction(&mut parts, text)?;
            layout = &layout[length..];
        } else if let Some((name, read)) = field(layout) {
            text = read(&mut parts, text)?;
            layout = &layout[name.len()..];
            // A fraction behind seconds is read even where the layout has none.
            if matches!(*name, "05" | "5") && fraction_length(layout).is_none() {
                text = fraction(&mut parts, text).unwrap_or(text);
            }
        } else {
            text = text.strip_prefix(first)?;
            layout = &layout[first.len_utf8()..];
        }
    }
    if text.is_empty() {
        parts.time(zone)
    } else {
        None
    }
}

fn field(layout: &str) -> Option<&'static (&'static str, Read)> {
    FIELDS
        .iter()
        .filter(|(name, _)| *name != ".0" && layout.starts_with(name))
        .max_by_key(|(name, _)| name.len())
}

/// `.000`, `,999`: as many digits as the text has.
fn fraction_length(layout: &str) -> Option<usize> {
    let digits = layout.strip_prefix(['.', ','])?;
    let first = digits.chars().next().filter(|c| matches!(c, '0' | '9'))?;
    let end = digits.find(|c| c != first).unwrap_or(digits.len());
    let goes_on = digits[end..].starts_with(|c: char| c.is_ascii_digit());
    (!goes_on).then_some(1 + end)
}

fn fraction<'t>(parts: &mut Parts, text: &'t str) -> Option<&'t str> {
    let digits = text.strip_prefix(['.', ','])?;
    let end = digits
        .find(|c: char| !c.is_ascii_digit())
        .unwrap_or(digits.len());
    if end == 0 {
        return None;
    }
    let nanos: String = digits[..end]
        .chars()
        .chain("000000000".chars())
        .take(9)
        .collect();
    parts.nanos = nanos.parse().ok()?;
    Some(&digits[end..])
}

/// A number of `least` to `most` digits.
fn number(text: &str, least: usize, most: usize) -> Option<(i32, &str)> {
    let count = text
        .bytes()
        .take(most)
        .take_while(u8::is_ascii_digit)
        .count();
    let value = text[..count].parse().ok()?;
    (count >= least).then_some((value, &text[count..]))
}

fn small(text: &str, least: usize, set: impl FnOnce(i8)) -> Option<&str> {
    let (value, rest) = number(text, least, 2)?;
    set(i8::try_from(value).ok()?);
    Some(rest)
}

/// A name of a month or a day, as a whole or its first letters; its place from 1.
fn named<'t>(
    names: &[&str],
    letters: usize,
    text: &'t str,
    set: impl FnOnce(i8),
) -> Option<&'t str> {
    for (at, name) in names.iter().enumerate() {
        let name = &name[..letters.min(name.len())];
        let found = text.get(..name.len());
        if found.is_some_and(|found| found.eq_ignore_ascii_case(name)) {
            set(i8::try_from(at + 1).ok()?);
            return Some(&text[name.len()..]);
        }
    }
    None
}

fn half<'t>(parts: &mut Parts, text: &'t str, am: &str, pm: &str) -> Option<&'t str> {
    if let Some(rest) = text.strip_prefix(pm) {
        parts.is_afternoon = Some(true);
        return Some(rest);
    }
    parts.is_afternoon = Some(false);
    text.strip_prefix(am)
}

fn zulu<'t>(
    parts: &mut Parts,
    text: &'t str,
    read: impl FnOnce(&'t str) -> Option<(Offset, &'t str)>,
) -> Option<&'t str> {
    match text.strip_prefix('Z') {
        Some(rest) => {
            parts.offset = Some(Offset::UTC);
            Some(rest)
        }
        None => with_offset(parts, read(text)),
    }
}

fn with_offset<'t>(parts: &mut Parts, read: Option<(Offset, &'t str)>) -> Option<&'t str> {
    let (offset, rest) = read?;
    parts.offset = Some(offset);
    Some(rest)
}

fn sign(text: &str) -> Option<(i32, &str)> {
    match text.strip_prefix('-') {
        Some(rest) => Some((-1, rest)),
        None => Some((1, text.strip_prefix('+')?)),
    }
}

fn offset_hours(text: &str) -> Option<(Offset, &str)> {
    let (sign, rest) = sign(text)?;
    let (hours, rest) = number(rest, 2, 2)?;
    Some((Offset::from_seconds(sign * hours * 3600).ok()?, rest))
}

fn offset(text: &str, has_colons: bool, has_seconds: bool) -> Option<(Offset, &str)> {
    let (sign, rest) = sign(text)?;
    let colon = |rest| match has_colons {
        true => str::strip_prefix(rest, ':'),
        false => Some(rest),
    };
    let (hours, rest) = number(rest, 2, 2)?;
    let (minutes, mut rest) = number(colon(rest)?, 2, 2)?;
    let mut seconds = 0;
    if has_seconds {
        (seconds, rest) = number(colon(rest)?, 2, 2)?;
    }
    let all = sign * (hours * 3600 + minutes * 60 + seconds);
    Some((Offset::from_seconds(all).ok()?, rest))
}

impl Parts {
    fn time(&self, zone: &TimeZone) -> Option<Time> {
        let hour = match (self.is_afternoon, self.hour) {
            (Some(true), hour @ 1..=11) => hour + 12,
            (Some(false), 12) => 0,
            (_, hour) => hour,
        };
        let mut date = Date::new(self.year, self.month, self.day).ok()?;
        if let Some(day) = self.year_day {
            let first = Date::new(self.year, 1, 1).ok()?;
            date = first
                .checked_add(jiff::Span::new().try_days(i64::from(day) - 1).ok()?)
                .ok()?;
        }
        let clock = Clock::new(hour, self.minute, self.second, self.nanos).ok()?;
        let civil = date.to_datetime(clock);
        let zone = match self.offset {
            Some(Offset::UTC) => TimeZone::UTC,
            Some(offset) => TimeZone::fixed(offset),
            None => zone.clone(),
        };
        let at = zone.to_timestamp(civil).ok()?;
        Some(Time::new(at).in_zone(&zone))
    }
}
