//! Times of day, week, month and year in which a route is muted or active.
//!
//! An interval holds when every kind of range that it names holds; a kind holds when any of
//! its ranges does. Ranges of times end before their end, all others include it.

use jiff::tz::TimeZone;
use sonde_proto::UnixNanos;

/// A named list of intervals; it holds when any of them does.
#[derive(Clone, Debug, Default)]
pub(crate) struct TimeIntervals(pub Vec<TimeInterval>);

/// One interval. An empty list of ranges means "any".
#[derive(Clone, Debug)]
pub(crate) struct TimeInterval {
    /// Minutes of the day, `[start, end)`.
    pub times: Vec<Range>,
    /// Days of the week, Sunday = 0.
    pub weekdays: Vec<Range>,
    /// Days of the month from 1, or from the end: -1 is the last.
    pub days_of_month: Vec<Range>,
    /// Months from 1.
    pub months: Vec<Range>,
    /// Years.
    pub years: Vec<Range>,
    /// Where the clock hangs.
    pub location: TimeZone,
}

/// From `start` to `end`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Range {
    /// The first.
    pub start: i32,
    /// The last (or, for times, the first after).
    pub end: i32,
}

impl TimeIntervals {
    /// Whether a time lies in one of the intervals.
    #[must_use]
    pub(crate) fn contain(&self, now: UnixNanos) -> bool {
        let Ok(time) = jiff::Timestamp::from_millisecond(now.as_millis()) else {
            return false;
        };
        self.0.iter().any(|interval| interval.contains(time))
    }
}

impl TimeInterval {
    fn contains(&self, time: jiff::Timestamp) -> bool {
        let time = time.to_zoned_datetime(self.location.clone());
        let any = |ranges: &[Range], value: i32| {
            ranges.is_empty()
                || ranges
                    .iter()
                    .any(|range| (range.start..=range.end).contains(&value))
        };
        let minute = i32::from(time.hour()) * 60 + i32::from(time.minute());
        let in_times = self.times.is_empty()
            || self
                .times
                .iter()
                .any(|r| (r.start..r.end).contains(&minute));
        let days_in_month = i32::from(time.days_in_month());
        let from_start = |day: i32| {
            if day < 0 {
                days_in_month + day + 1
            } else {
                day
            }
        };
        let days: Vec<Range> = self
            .days_of_month
            .iter()
            .map(|r| Range {
                start: from_start(r.start),
                end: from_start(r.end),
            })
            .collect();
        in_times
            && any(&days, i32::from(time.day()))
            && any(
                &self.weekdays,
                i32::from(time.weekday().to_sunday_zero_offset()),
            )
            && any(&self.months, i32::from(time.month()))
            && any(&self.years, i32::from(time.year()))
    }
}

/// `09:30` as minutes of the day; `24:00` is the end of the day.
///
/// # Errors
/// A sentence that says what a time looks like.
pub(crate) fn parse_time(text: &str) -> Result<i32, String> {
    let bad =
        || format!("{text:?} is no time of day; write hours and minutes, \"00:00\" to \"24:00\"");
    let (hours, minutes) = text.split_once(':').ok_or_else(bad)?;
    let number = |part: &str, digits: std::ops::RangeInclusive<usize>| {
        let is_number = digits.contains(&part.len()) && part.bytes().all(|b| b.is_ascii_digit());
        part.parse::<i32>().ok().filter(|_| is_number)
    };
    match (number(hours, 1..=2), number(minutes, 2..=2)) {
        (Some(24), Some(0)) => Ok(24 * 60),
        (Some(hours @ 0..24), Some(minutes @ 0..60)) => Ok(hours * 60 + minutes),
        _ => Err(bad()),
    }
}

/// Names and what they stand for.
pub(crate) type Names = &'static [(&'static str, i32)];

/// Days of the week.
pub(crate) const WEEKDAYS: Names = &[
    ("sunday", 0),
    ("monday", 1),
    ("tuesday", 2),
    ("wednesday", 3),
    ("thursday", 4),
    ("friday", 5),
    ("saturday", 6),
];

/// Months.
pub(crate) const MONTHS: Names = &[
    ("january", 1),
    ("february", 2),
    ("march", 3),
    ("april", 4),
    ("may", 5),
    ("june", 6),
    ("july", 7),
    ("august", 8),
    ("september", 9),
    ("october", 10),
    ("november", 11),
    ("december", 12),
];

/// `monday:friday`, `1:5`, `-3:-1` or a single one.
///
/// # Errors
/// A sentence that says what is allowed.
pub(crate) fn parse_range(
    text: &str,
    names: Names,
    allowed: Range,
    what: &str,
) -> Result<Range, String> {
    let value = |part: &str| {
        let part = part.trim().to_lowercase();
        let named = names
            .iter()
            .find(|(name, _)| *name == part)
            .map(|(_, value)| *value);
        named
            .or_else(|| part.parse().ok())
            .filter(|value| (allowed.start..=allowed.end).contains(value))
            .ok_or_else(|| format!("{part:?} is no {what}"))
    };
    let (start, end) = text.split_once(':').unwrap_or((text, text));
    let range = Range {
        start: value(start)?,
        end: value(end)?,
    };
    let same_side = (range.start < 0) == (range.end < 0) || range.start > 0;
    if !same_side || ((range.start < 0) == (range.end < 0) && range.start > range.end) {
        return Err(format!("{text:?} ends before it starts"));
    }
    Ok(range)
}

#[cfg(test)]
mod tests;
