//! Asks a collector over HTTP.

use crate::Failure;
use crate::command::ServerArguments;
use serde_json::Value;
use std::time::Duration;

const ANSWER_WITHIN: Duration = Duration::from_secs(60);

/// A collector to ask.
pub(crate) struct Client {
    http: reqwest::Client,
    url: String,
    tenant: Option<String>,
}

impl Client {
    /// A client of the collector that the command line names.
    pub(crate) fn new(server: &ServerArguments) -> Result<Self, Failure> {
        let http = reqwest::Client::builder()
            .no_proxy()
            .timeout(ANSWER_WITHIN)
            .build()?;
        Ok(Self {
            http,
            url: server.url.trim_end_matches('/').into(),
            tenant: server.tenant.clone(),
        })
    }

    /// Gets JSON. A 404 with JSON is an answer, too: its `None` is the caller's to read.
    pub(crate) async fn get(
        &self,
        path: &str,
        parameters: &[(&str, &str)],
    ) -> Result<Answer, Failure> {
        let mut request = self
            .http
            .get(format!("{}{path}", self.url))
            .query(parameters);
        if let Some(tenant) = &self.tenant {
            request = request.header("X-Scope-OrgID", tenant);
        }
        let response = request.send().await.map_err(|error| {
            format!(
                "cannot reach the collector at {}: {}; is `sonde up` running there? (--url or SONDE_URL names another)",
                self.url,
                root_cause(&error)
            )
        })?;
        let status = response.status();
        let body = response.bytes().await?;
        let json: Value = serde_json::from_slice(&body).map_err(|_| {
            format!(
                "{} answered {status} and no JSON: is it a Sonde collector?",
                self.url
            )
        })?;
        if let Some(error) = json.get("error").and_then(Value::as_str) {
            return Err(error.to_owned().into());
        }
        Ok(Answer {
            found: status.is_success(),
            json,
        })
    }
}

/// What a collector answered.
pub(crate) struct Answer {
    /// False for a 404.
    pub(crate) found: bool,
    /// The body.
    pub(crate) json: Value,
}

fn root_cause(error: &dyn std::error::Error) -> String {
    let mut at = error;
    while let Some(source) = at.source() {
        at = source;
    }
    at.to_string()
}
