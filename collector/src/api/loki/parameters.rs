//! Parameters, with the defaults of Loki's API.

use super::Api;
use super::answer::LokiError;
use sonde_logql::ast::Expr;
use sonde_logs::Direction;
use sonde_proto::{Matcher, Tenant, UnixNanos};
use std::time::Duration;

/// How far back questions about lines go.
pub(super) const QUERY_PERIOD: Duration = Duration::from_secs(3600);
/// How far back questions about labels go.
pub(super) const LABELS_PERIOD: Duration = Duration::from_secs(6 * 3600);
const LINES_DEFAULT: usize = 100;
/// From so many digits on, a whole number is nanoseconds.
const NANOS_DIGITS: usize = 11;
/// How many steps there are where none was asked for.
const STEPS_DEFAULT: u64 = 250;
const SHOWN_CHARS: usize = 100;

/// The parameters of a request.
pub(super) struct Parameters(Vec<(String, String)>);

impl<S: Send + Sync> axum::extract::FromRequest<S> for Parameters {
    type Rejection = LokiError;

    async fn from_request(request: axum::extract::Request, state: &S) -> Result<Self, LokiError> {
        let all = crate::api::parameters::read(request, state).await;
        let all = all.map_err(|error| {
            LokiError::bad_request(format!("cannot read the parameters: {error}"))
        })?;
        Ok(Self(all))
    }
}

impl Parameters {
    /// A parameter that is there and not empty.
    pub(super) fn get(&self, name: &str) -> Option<&str> {
        let found = self.0.iter().find(|(n, v)| n == name && !v.is_empty());
        found.map(|(_, value)| value.as_str())
    }

    pub(super) fn all<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a str> {
        let found = self.0.iter().filter(move |(n, _)| n == name);
        found.map(|(_, value)| value.as_str())
    }

    pub(super) fn required(&self, name: &str) -> Result<&str, LokiError> {
        self.get(name)
            .ok_or_else(|| LokiError::bad_request(format!("parameter {name:?} is missing")))
    }

    pub(super) fn time(
        &self,
        name: &str,
        default: UnixNanos,
        now: UnixNanos,
    ) -> Result<UnixNanos, LokiError> {
        self.get(name)
            .map_or(Ok(default), |text| instant(name, text, now))
    }

    /// `start` and `end`; without them the time before now, as long as `since` says.
    pub(super) fn period(
        &self,
        now: UnixNanos,
        default: Duration,
    ) -> Result<(UnixNanos, UnixNanos), LokiError> {
        let end = self.time("end", now, now)?;
        let since = self.duration("since")?.unwrap_or(default);
        // Loki counts `since` from now where the end lies ahead.
        let start = self.time("start", end.min(now).minus(since), now)?;
        if start > end {
            return Err(LokiError::bad_request(
                "end timestamp must not be before start time",
            ));
        }
        Ok((start, end))
    }

    pub(super) fn duration(&self, name: &str) -> Result<Option<Duration>, LokiError> {
        let text = self.get(name);
        text.map(|text| crate::api::time::duration(name, text))
            .transpose()
            .map_err(LokiError::from)
    }

    /// The least time between two lines; none where it is not given, or zero.
    pub(super) fn interval(&self) -> Result<Duration, LokiError> {
        let text = self.get("interval");
        let read = text.map(|text| crate::api::time::duration_or_zero("interval", text));
        Ok(read.transpose()?.unwrap_or_default())
    }

    /// The `step` of a period, a second at least where it is not given.
    pub(super) fn step(&self, (start, end): (UnixNanos, UnixNanos)) -> Result<Duration, LokiError> {
        let seconds = end.since(start).as_secs().div_ceil(STEPS_DEFAULT).max(1);
        let step = self.duration("step")?;
        Ok(step.unwrap_or(Duration::from_secs(seconds)))
    }

    /// How many lines at most.
    pub(super) fn lines(&self, max: usize) -> Result<usize, LokiError> {
        let lines = self.number("limit", LINES_DEFAULT.min(max))?;
        if lines > max {
            return Err(LokiError::bad_request(format!(
                "max entries limit per query exceeded, limit > max_entries_limit ({lines} > {max}); ask for fewer lines, or raise logs.records_max"
            )));
        }
        Ok(lines)
    }

    /// A whole number above zero.
    pub(super) fn number(&self, name: &str, default: usize) -> Result<usize, LokiError> {
        match self.get(name).map(str::parse::<usize>) {
            None => Ok(default),
            Some(Ok(number)) if number > 0 => Ok(number),
            Some(_) => Err(LokiError::bad_request(format!(
                "{name} must be a whole number above zero"
            ))),
        }
    }

    pub(super) fn direction(&self) -> Result<Direction, LokiError> {
        match self.get("direction") {
            None => Ok(Direction::Backward),
            Some(text) if text.eq_ignore_ascii_case("backward") => Ok(Direction::Backward),
            Some(text) if text.eq_ignore_ascii_case("forward") => Ok(Direction::Forward),
            Some(text) => Err(LokiError::bad_request(format!(
                "direction: {:?} is neither \"forward\" nor \"backward\"",
                shown(text)
            ))),
        }
    }

    /// The query.
    pub(super) async fn query(&self, api: &Api, tenant: &Tenant) -> Result<Expr, LokiError> {
        read(api, tenant, self.required("query")?).await
    }

    /// The selector in `query`; every stream where there is none.
    pub(super) async fn selector(
        &self,
        api: &Api,
        tenant: &Tenant,
    ) -> Result<Vec<Matcher>, LokiError> {
        match self.get("query") {
            None => Ok(Vec::new()),
            Some(text) => selector(read(api, tenant, text).await?),
        }
    }

    /// The selectors in `match[]`, or `match`: both spellings are in use.
    pub(super) async fn matches(
        &self,
        api: &Api,
        tenant: &Tenant,
    ) -> Result<Vec<Vec<Matcher>>, LokiError> {
        let texts = self.all("match[]").chain(self.all("match"));
        let texts: Vec<String> = texts.map(str::to_owned).collect();
        if texts.is_empty() {
            return Ok(Vec::new());
        }
        let read = move || sonde_logql::parse_selectors(texts.iter().map(String::as_str));
        Ok(api.of(tenant).read(read).await??)
    }
}

async fn read(api: &Api, tenant: &Tenant, text: &str) -> Result<Expr, LokiError> {
    let text = text.to_owned();
    let read = move || sonde_logql::parse(&text);
    Ok(api.of(tenant).read(read).await??)
}

fn selector(query: Expr) -> Result<Vec<Matcher>, LokiError> {
    match query {
        Expr::Log(log) => Ok(log.matchers),
        Expr::Metric(_) => Err(LokiError::bad_request(
            "query: only a selector such as {app=\"shop\"} belongs here",
        )),
    }
}

/// Reads RFC 3339, seconds since 1970 (with decimals), or nanoseconds since 1970.
fn instant(name: &str, text: &str, now: UnixNanos) -> Result<UnixNanos, LokiError> {
    let text = text.trim();
    let is_whole = !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
    if is_whole
        && text.len() >= NANOS_DIGITS
        && let Ok(nanos) = text.parse()
    {
        return Ok(UnixNanos(nanos));
    }
    crate::api::time::instant(name, text, now).map_err(LokiError::from)
}

fn shown(text: &str) -> String {
    text.chars().take(SHOWN_CHARS).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parameters(pairs: &[(&str, &str)]) -> Parameters {
        let owned = |(n, v): &(&str, &str)| ((*n).to_owned(), (*v).to_owned());
        Parameters(pairs.iter().map(owned).collect())
    }

    const NOW: UnixNanos = UnixNanos::from_secs(1_700_000_000);

    #[test]
    fn times_are_nanoseconds_seconds_or_rfc_3339() {
        let check = |text: &str, expected: u64| {
            let read = parameters(&[("time", text)])
                .time("time", NOW, NOW)
                .unwrap();
            assert_eq!(read, UnixNanos(expected), "{text}");
        };
        check("1700000000000000001", 1_700_000_000_000_000_001);
        check("1700000000", 1_700_000_000_000_000_000);
        check("1700000000.5", 1_700_000_000_500_000_000);
        check("2023-11-14T22:13:20Z", 1_700_000_000_000_000_000);
        check("1700000000000", 1_700_000_000_000);
        assert!(
            parameters(&[("time", "never")])
                .time("time", NOW, NOW)
                .is_err()
        );
    }

    #[test]
    fn defaults_are_lokis() {
        let none = parameters(&[]);
        assert_eq!(
            none.period(NOW, QUERY_PERIOD).unwrap(),
            (NOW.minus(QUERY_PERIOD), NOW)
        );
        assert_eq!(none.lines(5000).unwrap(), 100);
        assert_eq!(none.direction().unwrap(), Direction::Backward);
        let hour = (NOW.minus(QUERY_PERIOD), NOW);
        assert_eq!(none.step(hour).unwrap(), Duration::from_secs(15));
        assert_eq!(none.step((NOW, NOW)).unwrap(), Duration::from_secs(1));
        let since = parameters(&[("since", "5m"), ("step", "14000ms")]);
        assert_eq!(
            since.period(NOW, QUERY_PERIOD).unwrap().0,
            NOW.minus(Duration::from_secs(300))
        );
        assert_eq!(since.step(hour).unwrap(), Duration::from_secs(14));
    }

    #[test]
    fn what_cannot_be_is_refused_by_name() {
        let lines = |text| parameters(&[("limit", text)]).lines(5000);
        let interval = |text| parameters(&[("interval", text)]).interval();
        assert_eq!(interval("0").unwrap(), Duration::ZERO);
        assert_eq!(interval("2s").unwrap(), Duration::from_secs(2));
        assert!(interval("-1s").is_err());
        assert!(parameters(&[("step", "0")]).step((NOW, NOW)).is_err());
        assert!(lines("5001").is_err() && lines("0").is_err() && lines("x").is_err());
        assert!(parameters(&[("direction", "up")]).direction().is_err());
        let turned = parameters(&[("start", "2000000000"), ("end", "1900000000")]);
        assert!(turned.period(NOW, QUERY_PERIOD).is_err());
        assert!(selector(sonde_logql::parse("vector(1)").unwrap()).is_err());
    }
}
