//! Parameters, with the defaults of Tempo's API.

use super::answer::TempoError;
use sonde_proto::UnixNanos;

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
