//! Parameters, with the defaults of Tempo's API.

use super::answer::TempoError;
use sonde_proto::UnixNanos;
use std::time::Duration;

/// How far back questions go that name no time.
const PERIOD_DEFAULT: Duration = Duration::from_secs(3600);

/// The parameters of a request.
#[derive(Debug, Default)]
pub(super) struct Parameters(Vec<(String, String)>);

impl<S: Send + Sync> axum::extract::FromRequest<S> for Parameters {
    type Rejection = TempoError;

    async fn from_request(request: axum::extract::Request, state: &S) -> Result<Self, TempoError> {
        let all = crate::api::parameters::read(request, state).await;
        let all = all.map_err(|error| {
            TempoError::bad_request(format!("cannot read the parameters: {error}"))
        })?;
        Ok(Self(all))
    }
}

impl Parameters {
    /// Those of a question that came otherwise, without what says nothing.
    pub(super) fn of<const N: usize>(all: [(&str, Option<String>); N]) -> Self {
        let told = all.into_iter().filter_map(|(name, value)| {
            let value = value.filter(|value| !value.is_empty())?;
            Some((name.to_owned(), value))
        });
        Self(told.collect())
    }

    /// A parameter that is there and not empty.
    pub(super) fn get(&self, name: &str) -> Option<&str> {
        let found = self.0.iter().find(|(n, v)| n == name && !v.is_empty());
        found.map(|(_, value)| value.as_str())
    }

    pub(super) fn time(&self, name: &str, now: UnixNanos) -> Result<Option<UnixNanos>, TempoError> {
        let text = self.get(name).filter(|text| *text != "0");
        let read = text.map(|text| crate::api::time::instant(name, text, now));
        Ok(read.transpose()?)
    }

    /// The period asked for: the last hour unless it is named.
    pub(super) fn period(&self, now: UnixNanos) -> Result<(UnixNanos, UnixNanos), TempoError> {
        let (start, end) = self.hints(now)?;
        let end = end.unwrap_or(now);
        Ok((start.unwrap_or(end.minus(PERIOD_DEFAULT)), end))
    }

    /// A number from 1 on; one that is larger than `max` is `max`, and 0 the default.
    pub(super) fn count(
        &self,
        name: &str,
        default: usize,
        max: usize,
    ) -> Result<usize, TempoError> {
        match self.get(name).map(str::parse::<usize>) {
            None | Some(Ok(0)) => Ok(default),
            Some(Ok(number)) => Ok(number.min(max)),
            Some(Err(_)) => Err(TempoError::bad_request(format!(
                "{name} must be a whole number"
            ))),
        }
    }

    /// `start` and `end`, each where it is given.
    pub(super) fn hints(
        &self,
        now: UnixNanos,
    ) -> Result<(Option<UnixNanos>, Option<UnixNanos>), TempoError> {
        let hints = (self.time("start", now)?, self.time("end", now)?);
        if let (Some(start), Some(end)) = hints
            && start > end
        {
            return Err(TempoError::bad_request("start is after end"));
        }
        Ok(hints)
    }
}
