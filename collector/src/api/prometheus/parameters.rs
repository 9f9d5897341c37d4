//! The parameters of a request, with times and durations as Prometheus reads them, and what
//! people write besides (`now`, `-1h`).

use super::envelope::no_expression;
use super::{Api, Failure, tenant};
use axum::http::HeaderMap;
use sonde_proto::{Matcher, UnixNanos};
use std::time::Duration;

/// How clients write the earliest and the latest time that Go's clock can tell.
const EARLIEST: &str = "-292273086-05-16T16:47:06Z";
const LATEST: &str = "292277025-08-18T07:12:54.999999999Z";
/// From here on a whole number is nanoseconds since 1970.
const NANOS_FROM: f64 = 1e15;

/// The parameters of a request: those of the URL and, for a POST, those of the form.
pub(super) struct Parameters(Vec<(String, String)>);

/// A time that was asked for, in milliseconds since 1970. Samples lie between 1970 and 2554;
/// times beyond are answered as well, with nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Moment(pub(super) i64);

impl Moment {
    pub(super) const MIN: Self = Self(i64::MIN);
    pub(super) const MAX: Self = Self(i64::MAX);
    /// The latest that a sample can have.
    pub(super) const LAST: Self = Self((u64::MAX / 1_000_000).cast_signed());

    /// The nearest time that a sample can have.
    pub(super) fn clamped(self) -> UnixNanos {
        UnixNanos::from_millis(self.0.clamp(0, Self::LAST.0))
    }

    /// Whether a sample can have this time.
    pub(super) fn is_kept(self) -> bool {
        (0..=Self::LAST.0).contains(&self.0)
    }
}

impl From<UnixNanos> for Moment {
    fn from(time: UnixNanos) -> Self {
        Self(time.as_millis())
    }
}

impl<S: Send + Sync> axum::extract::FromRequest<S> for Parameters {
    type Rejection = Failure;

    async fn from_request(request: axum::extract::Request, state: &S) -> Result<Self, Failure> {
        let all = crate::api::parameters::read(request, state).await;
        let all =
            all.map_err(|error| Failure::bad_data(format!("cannot read the parameters: {error}")))?;
        Ok(Self(all))
    }
}

impl Parameters {
    /// The value of a parameter; nothing where it is missing, which is the same thing.
    pub(super) fn text(&self, name: &str) -> &str {
        let mut named = self.0.iter().filter(|(n, _)| n == name);
        named.next().map_or("", |(_, value)| value)
    }

    pub(super) fn all<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a str> {
        self.0
            .iter()
            .filter(move |(n, _)| n == name)
            .map(|(_, value)| value.as_str())
    }

    /// A time that may be left out.
    pub(super) fn time(
        &self,
        name: &str,
        default: Moment,
        now: UnixNanos,
    ) -> Result<Moment, Failure> {
        let text = self.text(name);
        if text.is_empty() {
            return Ok(default);
        }
        time(text, now).ok_or_else(|| {
            let why = format!("Invalid time value for '{name}': {}", no_time(text));
            Failure::parameter(name, why)
        })
    }

    /// A time that must be there.
    pub(super) fn required_time(&self, name: &str, now: UnixNanos) -> Result<Moment, Failure> {
        let text = self.text(name);
        time(text, now).ok_or_else(|| Failure::parameter(name, no_time(text)))
    }

    /// A length of time; `None` where the parameter is missing.
    pub(super) fn duration(&self, name: &str) -> Result<Option<Duration>, Failure> {
        let text = self.text(name);
        if text.is_empty() {
            return Ok(None);
        }
        let read = crate::api::time::duration_or_zero(name, text);
        let read = read.map_err(|_| {
            Failure::parameter(name, format!("cannot parse {text:?} to a valid duration"))
        })?;
        Ok(Some(read))
    }

    /// How many at most; without a limit, and at 0, all.
    pub(super) fn limit(&self) -> Result<usize, Failure> {
        match self.text("limit") {
            "" => Ok(usize::MAX),
            text if text.starts_with('-') && text.parse::<i64>().is_ok() => {
                Err(Failure::parameter("limit", "limit must be non-negative"))
            }
            text => match text.parse::<usize>() {
                Ok(0) => Ok(usize::MAX),
                Ok(limit) => Ok(limit),
                Err(_) => Err(Failure::parameter("limit", "limit must be a number")),
            },
        }
    }

    /// The `match[]` selectors, read on a thread of their own.
    pub(super) async fn selectors(
        &self,
        api: &Api,
        headers: &HeaderMap,
    ) -> Result<Vec<Vec<Matcher>>, Failure> {
        let texts: Vec<String> = self.all("match[]").map(str::to_owned).collect();
        if texts.is_empty() {
            return Ok(Vec::new());
        }
        let asker = api.of(&tenant(headers)?);
        let read =
            asker.read(move || sonde_metrics::parse_selectors(texts.iter().map(String::as_str)));
        read.await?.map_err(|error| no_expression("match[]", error))
    }
}

fn no_time(text: &str) -> String {
    format!("cannot parse {text:?} to a valid timestamp")
}

fn time(text: &str, now: UnixNanos) -> Option<Moment> {
    match text {
        EARLIEST => return Some(Moment::MIN),
        LATEST => return Some(Moment::MAX),
        _ => {}
    }
    if let Ok(seconds) = text.parse::<f64>() {
        if !seconds.is_finite() {
            return None;
        }
        let nanos = text.parse::<u64>().ok();
        if let Some(nanos) = nanos.filter(|_| seconds >= NANOS_FROM) {
            return Some(UnixNanos(nanos).into());
        }
        return Some(Moment((seconds * 1e3).round() as i64));
    }
    if let Ok(stamp) = text.parse::<jiff::Timestamp>() {
        return Some(Moment(stamp.as_millisecond()));
    }
    let read = crate::api::time::instant("time", text, now);
    read.ok().map(Moment::from)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_read_as_prometheus_reads_them_and_as_people_write_them() {
        let now = UnixNanos::from_secs(1_700_000_000);
        let check = |text: &str, millis: Option<i64>| {
            assert_eq!(time(text, now), millis.map(Moment), "{text}");
        };
        check("1700000000.5", Some(1_700_000_000_500));
        check("-5", Some(-5_000));
        check("999999999999", Some(999_999_999_999_000));
        check("1e300", Some(i64::MAX));
        check("1700000000000000001", Some(1_700_000_000_000));
        check("2023-11-14T22:13:20Z", Some(1_700_000_000_000));
        check("1969-12-31T23:59:59.5Z", Some(-500));
        check(EARLIEST, Some(i64::MIN));
        check(LATEST, Some(i64::MAX));
        check("now", Some(1_700_000_000_000));
        check("-1h", Some(1_699_996_400_000));
        for text in ["", "x", "NaN", "inf", "2023-11-14"] {
            check(text, None);
        }
    }

    #[test]
    fn limits_are_whole_numbers() {
        let limit = |text: &str| {
            let parameters = Parameters(vec![("limit".into(), text.into())]);
            parameters.limit().ok()
        };
        assert_eq!(limit("3"), Some(3));
        for all in ["", "0"] {
            assert_eq!(limit(all), Some(usize::MAX));
        }
        for wrong in ["-1", "x", "1.5"] {
            assert_eq!(limit(wrong), None);
        }
    }
}
