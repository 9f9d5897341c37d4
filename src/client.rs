//! Asks a collector over HTTP.

use crate::Failure;
use crate::command::ServerArguments;
use reqwest::StatusCode;
use serde_json::Value;
use std::time::Duration;

const ANSWER_WITHIN: Duration = Duration::from_secs(60);
/// An answer that goes on is begun within this time.
const BEGIN_WITHIN: Duration = Duration::from_secs(10);
/// How much of a refusal that is no JSON is shown.
const REFUSAL_CHARS_MAX: usize = 4096;

/// A collector to ask.
pub(crate) struct Client {
    http: reqwest::Client,
    url: String,
    tenant: Option<String>,
}

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub(crate) enum AskError {
    /// Nobody answered, or the answer broke off: asking again may help.
    #[error("{0}")]
    Unreachable(String),
    /// The collector cannot answer this.
    #[error("{message}")]
    Refused {
        /// Its status: from 500 on, asking again may help.
        status: StatusCode,
        /// What it says.
        message: String,
    },
}

impl Client {
    /// A client of the collector that the command line names.
    pub(crate) fn new(server: &ServerArguments) -> Result<Self, Failure> {
        let http = reqwest::Client::builder()
            .no_proxy()
            .connect_timeout(BEGIN_WITHIN)
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
        let request = self.request(path, parameters).timeout(ANSWER_WITHIN);
        let response = request.send().await.map_err(|e| self.unreachable(&e))?;
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

    /// Asks Loki's API, for what is no label told apart.
    ///
    /// # Errors
    /// [`AskError`], with the collector's words.
    pub(crate) async fn loki(
        &self,
        endpoint: &str,
        parameters: &[(&str, &str)],
    ) -> Result<LokiAnswer, AskError> {
        let request = self
            .request(&format!("/loki/api/v1/{endpoint}"), parameters)
            .header("X-Loki-Response-Encoding-Flags", "categorize-labels")
            .timeout(ANSWER_WITHIN);
        let response = self.accepted(request).await?;
        let body = response.bytes().await.map_err(|e| self.unreachable(&e))?;
        let mut json: Value = serde_json::from_slice(&body).map_err(|_| {
            AskError::Unreachable(format!(
                "{} answered no JSON: is it a Sonde collector?",
                self.url
            ))
        })?;
        let warnings = json["warnings"].take();
        Ok(LokiAnswer {
            data: json["data"].take(),
            warnings: serde_json::from_value(warnings).unwrap_or_default(),
        })
    }

    /// Begins an answer that goes on until either side ends it.
    ///
    /// # Errors
    /// [`AskError`], with the collector's words.
    pub(crate) async fn open(
        &self,
        path: &str,
        parameters: &[(&str, &str)],
    ) -> Result<reqwest::Response, AskError> {
        let begun = self.accepted(self.request(path, parameters));
        tokio::time::timeout(BEGIN_WITHIN, begun)
            .await
            .unwrap_or_else(|_| {
                Err(AskError::Unreachable(format!(
                    "{} did not answer within {} s",
                    self.url,
                    BEGIN_WITHIN.as_secs()
                )))
            })
    }

    fn request(&self, path: &str, parameters: &[(&str, &str)]) -> reqwest::RequestBuilder {
        let request = self
            .http
            .get(format!("{}{path}", self.url))
            .query(parameters);
        match &self.tenant {
            Some(tenant) => request.header("X-Scope-OrgID", tenant),
            None => request,
        }
    }

    /// Sends a request, and turns what is no success into the collector's words.
    async fn accepted(
        &self,
        request: reqwest::RequestBuilder,
    ) -> Result<reqwest::Response, AskError> {
        let response = request.send().await.map_err(|e| self.unreachable(&e))?;
        let status = response.status();
        if status.is_success() {
            return Ok(response);
        }
        let body = response.text().await.map_err(|e| self.unreachable(&e))?;
        let message = refusal(&body).unwrap_or_else(|| format!("{} answered {status}", self.url));
        Err(AskError::Refused { status, message })
    }

    fn unreachable(&self, error: &reqwest::Error) -> AskError {
        AskError::Unreachable(format!(
            "cannot reach the collector at {}: {}; is `sonde up` running there? (--url or SONDE_URL names another)",
            self.url,
            root_cause(error)
        ))
    }
}

/// What a collector answered.
pub(crate) struct Answer {
    /// False for a 404.
    pub(crate) found: bool,
    /// The body.
    pub(crate) json: Value,
}

/// What Loki's API answered.
pub(crate) struct LokiAnswer {
    /// The result.
    pub(crate) data: Value,
    /// Why it may not be all.
    pub(crate) warnings: Vec<String>,
}

/// The words of a refusal: of our own API, of Loki's as Grafana reads it, or plain text.
fn refusal(body: &str) -> Option<String> {
    let json: Option<Value> = serde_json::from_str(body).ok();
    let said = json.as_ref().and_then(|json| {
        let named = |name: &str| json.get(name).and_then(Value::as_str);
        named("error").or_else(|| named("message"))
    });
    let said = said.unwrap_or(body).trim_end();
    (!said.is_empty()).then(|| said.chars().take(REFUSAL_CHARS_MAX).collect())
}

fn root_cause(error: &dyn std::error::Error) -> String {
    let mut at = error;
    while let Some(source) = at.source() {
        at = source;
    }
    at.to_string()
}
