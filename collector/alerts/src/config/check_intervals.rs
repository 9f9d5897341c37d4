//! Named times are read and checked.

use super::check::Check;
use super::check_routes::unknown;
use super::raw::{RawConfig, RawInterval, RawTimes};
use crate::interval::{
    MONTHS, Names, Range, TimeInterval, TimeIntervals, WEEKDAYS, parse_range, parse_time,
};
use jiff::tz::TimeZone;
use std::collections::BTreeMap;
use std::sync::Arc;

/// Named times, by name.
pub(super) type Intervals = BTreeMap<String, Arc<TimeIntervals>>;

struct Kind {
    key: &'static str,
    what: &'static str,
    names: Names,
    allowed: Range,
}

const WEEKDAY: Kind = Kind {
    key: "weekdays",
    what: "day of the week",
    names: WEEKDAYS,
    allowed: Range { start: 0, end: 6 },
};
const DAY: Kind = Kind {
    key: "days_of_month",
    what: "day of a month",
    names: &[],
    allowed: Range {
        start: -31,
        end: 31,
    },
};
const MONTH: Kind = Kind {
    key: "months",
    what: "month",
    names: MONTHS,
    allowed: Range { start: 1, end: 12 },
};
const YEAR: Kind = Kind {
    key: "years",
    what: "year",
    names: &[],
    allowed: Range {
        start: 1970,
        end: 9999,
    },
};

impl Check<'_> {
    pub(super) fn intervals(&mut self, raw: &RawConfig) -> Intervals {
        let mut found = Intervals::new();
        for (key, all) in [
            ("time_intervals", &raw.time_intervals),
            ("mute_time_intervals", &raw.mute_time_intervals),
        ] {
            for (at, named) in all.iter().enumerate() {
                let path = format!("{key}[{at}]");
                let interval = |(at, raw): (usize, &RawInterval)| {
                    self.interval(&format!("{path}.time_intervals[{at}]"), raw)
                };
                let intervals = TimeIntervals(
                    named
                        .time_intervals
                        .iter()
                        .enumerate()
                        .map(interval)
                        .collect(),
                );
                if named.name.is_empty() {
                    self.problem(&path, "the key `name` is missing");
                } else if found
                    .insert(named.name.clone(), Arc::new(intervals))
                    .is_some()
                {
                    self.problem(
                        &format!("{path}.name"),
                        format!("`{}` is defined twice", named.name),
                    );
                }
            }
        }
        found
    }

    pub(super) fn named_intervals(
        &mut self,
        path: &str,
        names: &[String],
        known: &Intervals,
    ) -> Vec<Arc<TimeIntervals>> {
        let mut found = Vec::new();
        for (at, name) in names.iter().enumerate() {
            match known.get(name) {
                Some(intervals) => found.push(Arc::clone(intervals)),
                None => self.problem(&format!("{path}[{at}]"), unknown(name, known.keys())),
            }
        }
        found
    }

    fn interval(&mut self, path: &str, raw: &RawInterval) -> TimeInterval {
        TimeInterval {
            times: raw
                .times
                .iter()
                .enumerate()
                .filter_map(|(at, raw)| self.times(&format!("{path}.times[{at}]"), raw))
                .collect(),
            weekdays: self.ranges(path, &raw.weekdays, &WEEKDAY),
            days_of_month: self.ranges(path, &raw.days_of_month, &DAY),
            months: self.ranges(path, &raw.months, &MONTH),
            years: self.ranges(path, &raw.years, &YEAR),
            location: self.location(&format!("{path}.location"), raw.location.as_deref()),
        }
    }

    fn ranges(&mut self, path: &str, texts: &[String], kind: &Kind) -> Vec<Range> {
        let mut found = Vec::new();
        for (at, text) in texts.iter().enumerate() {
            let path = format!("{path}.{}[{at}]", kind.key);
            match parse_range(text, kind.names, kind.allowed, kind.what) {
                Ok(range) if range.start == 0 && kind.key == "days_of_month" => {
                    self.problem(&path, "days of a month count from 1, or from -1 at its end");
                }
                Ok(range) => found.push(range),
                Err(message) => self.problem(&path, message),
            }
        }
        found
    }

    fn times(&mut self, path: &str, raw: &RawTimes) -> Option<Range> {
        let mut time = |key: &str, text: &str| {
            parse_time(text)
                .map_err(|message| self.problem(&format!("{path}.{key}"), message))
                .ok()
        };
        let (start, end) = (
            time("start_time", &raw.start_time),
            time("end_time", &raw.end_time),
        );
        let range = Range {
            start: start?,
            end: end?,
        };
        if range.start >= range.end {
            self.problem(
                path,
                "ends before it starts; write two ranges to cross midnight",
            );
            return None;
        }
        Some(range)
    }

    fn location(&mut self, path: &str, name: Option<&str>) -> TimeZone {
        match name {
            None | Some("" | "UTC") => TimeZone::UTC,
            Some("Local") => {
                self.problem(path, "`Local` depends on the machine; write the name of a time zone");
                TimeZone::UTC
            }
            Some(name) => TimeZone::get(name).unwrap_or_else(|_| {
                self.problem(path, format!("{name:?} is not in this machine's time zone database; write a name like Europe/Berlin and install tzdata"));
                TimeZone::UTC
            }),
        }
    }
}
