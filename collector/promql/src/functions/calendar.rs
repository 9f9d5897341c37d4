//! Parts of a date, in UTC.

use super::{Function, Kind, math};

pub(crate) const TABLE: &[Function] = &[
    part("minute", |m| m.minute as f64),
    part("hour", |m| m.hour as f64),
    part("day_of_week", |m| m.weekday as f64),
    part("day_of_month", |m| m.day as f64),
    part("day_of_year", |m| m.day_of_year() as f64),
    part("days_in_month", |m| m.days_in_month() as f64),
    part("month", |m| m.month as f64),
    part("year", |m| m.year as f64),
];

/// Without an argument, the time of evaluation is taken apart.
const fn part(name: &'static str, apply: fn(&Moment) -> f64) -> Function {
    Function {
        optional: 1,
        kind: Kind::Calendar(apply),
        ..math(name, |v, _| v)
    }
}

/// A time, taken apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Moment {
    year: i64,
    /// 1 to 12.
    month: i64,
    /// 1 to 31.
    day: i64,
    /// 0 is Sunday.
    weekday: i64,
    hour: i64,
    minute: i64,
    second: i64,
}

impl Moment {
    /// Takes seconds since 1970 apart (the proleptic Gregorian calendar, in years that begin
    /// in March so that the leap day is the last one).
    pub(crate) fn at(seconds: f64) -> Self {
        let seconds = (seconds as i64).clamp(-60_000_000_000_000, 60_000_000_000_000);
        let (days, second) = (seconds.div_euclid(86_400), seconds.rem_euclid(86_400));
        let shifted = days + 719_468;
        let (era, of_era) = (shifted.div_euclid(146_097), shifted.rem_euclid(146_097));
        let year = (of_era - of_era / 1460 + of_era / 36_524 - of_era / 146_096) / 365;
        let day = of_era - (365 * year + year / 4 - year / 100);
        let from_march = (5 * day + 2) / 153;
        let month = if from_march < 10 {
            from_march + 3
        } else {
            from_march - 9
        };
        Self {
            year: year + era * 400 + i64::from(month <= 2),
            month,
            day: day - (153 * from_march + 2) / 5 + 1,
            weekday: (days + 4).rem_euclid(7),
            hour: second / 3600,
            minute: second / 60 % 60,
            second: second % 60,
        }
    }

    /// As in RFC 3339.
    pub(crate) fn text(&self) -> String {
        let Self {
            year,
            month,
            day,
            hour,
            minute,
            second,
            ..
        } = self;
        format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}Z")
    }

    fn is_leap(&self) -> bool {
        self.year % 4 == 0 && (self.year % 100 != 0 || self.year % 400 == 0)
    }

    fn days_in_month(&self) -> i64 {
        match self.month {
            2 => 28 + i64::from(self.is_leap()),
            4 | 6 | 9 | 11 => 30,
            _ => 31,
        }
    }

    fn day_of_year(&self) -> i64 {
        (1..self.month)
            .map(|month| Self { month, ..*self }.days_in_month())
            .sum::<i64>()
            + self.day
    }
}
