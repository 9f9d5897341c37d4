//! Parameters, with the defaults of Jaeger's API.

use super::answer::JaegerError;
use sonde_proto::UnixNanos;
use std::time::Duration;

/// The parameters of a request.
#[derive(Debug, Default)]
pub(super) struct Parameters(pub(super) Vec<(String, String)>);

impl<S: Send + Sync> axum::extract::FromRequest<S> for Parameters {
    type Rejection = JaegerError;

    async fn from_request(request: axum::extract::Request, state: &S) -> Result<Self, JaegerError> {
        let all = crate::api::parameters::read(request, state).await;
        let all = all.map_err(|error| {
            JaegerError::bad_request(format!("cannot read the parameters: {error}"))
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

    pub(super) fn required(&self, name: &str) -> Result<&str, JaegerError> {
        self.get(name)
            .ok_or_else(|| JaegerError::bad_request(format!("parameter {name:?} is missing")))
    }

    /// A time in microseconds since 1970, as Jaeger has it, or in another unit as its size tells.
    pub(super) fn time(&self, name: &str) -> Result<Option<UnixNanos>, JaegerError> {
        self.get(name).map(|text| instant(name, text)).transpose()
    }

    /// A duration in milliseconds.
    pub(super) fn millis(&self, name: &str) -> Result<Option<Duration>, JaegerError> {
        let read = self
            .get(name)
            .map(|text| text.parse().map(Duration::from_millis));
        read.transpose().map_err(|_| {
            JaegerError::bad_request(format!("{name} must be a number of milliseconds"))
        })
    }
}

/// Grafana sends milliseconds where Jaeger means microseconds. The units are a thousand times
/// one another, so that from 1973 to 5138 a number tells its own.
fn instant(name: &str, text: &str) -> Result<UnixNanos, JaegerError> {
    let refused = || {
        JaegerError::bad_request(format!(
            "{name}: {text:?} is no time; use microseconds since 1970"
        ))
    };
    let number: u64 = text.parse().map_err(|_| refused())?;
    let nanos_each = match number {
        0..100_000_000_000 => 1_000_000_000,
        100_000_000_000..100_000_000_000_000 => 1_000_000,
        100_000_000_000_000..100_000_000_000_000_000 => 1_000,
        _ => 1,
    };
    number
        .checked_mul(nanos_each)
        .map(UnixNanos)
        .ok_or_else(refused)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_tells_its_unit_by_its_size() {
        let nanos = 1_700_000_000_123_456_789_u64;
        for unit in [1, 1_000, 1_000_000, 1_000_000_000] {
            let text = (nanos / unit).to_string();
            assert_eq!(
                instant("start", &text).unwrap(),
                UnixNanos(nanos / unit * unit)
            );
        }
        assert_eq!(instant("start", "0").unwrap(), UnixNanos(0));
        for bad in ["", "-1", "now", "1.5", "99999999999999999999"] {
            assert!(instant("start", bad).is_err(), "{bad}");
        }
    }
}
