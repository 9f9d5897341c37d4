//! Asks a collector over HTTP.

use crate::Failure;
use crate::command::ServerArguments;
use reqwest::StatusCode;
use serde_json::Value;
use std::time::Duration;
use tokio::sync::OnceCell;

const ANSWER_WITHIN: Duration = Duration::from_secs(60);
/// An answer that goes on is begun within this time.
const BEGIN_WITHIN: Duration = Duration::from_secs(10);
/// How much of a refusal that is no JSON is shown.
const REFUSAL_CHARS_MAX: usize = 4096;

/// A collector to ask.
pub(crate) struct Client {
    http: reqwest::Client,
    url: String,
    /// The same as it may be shown: without a password.
    shown: String,
    tenant: Option<String>,
    /// How many lines the collector gives at once, once it was asked.
    lines_max: OnceCell<usize>,
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
            shown: without_user(server.url.trim_end_matches('/')),
            tenant: server.tenant.clone(),
            lines_max: OnceCell::new(),
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
                self.shown
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
                self.shown
            ))
        })?;
        let warnings = json["warnings"].take();
        Ok(LokiAnswer {
            data: json["data"].take(),
            warnings: serde_json::from_value(warnings).unwrap_or_default(),
        })
    }

    /// How many lines the collector gives at once.
    pub(crate) async fn lines_max(&self) -> usize {
        let asked = async {
            // One that does not say it allows what most do; one that does not answer is told
            // of by the question itself.
            let answer = self.get("/loki/api/v1/drilldown-limits", &[]).await.ok();
            let told = answer
                .and_then(|answer| answer.json["limits"]["max_entries_limit_per_query"].as_u64());
            told.and_then(|max| usize::try_from(max).ok())
                .unwrap_or(usize::MAX)
        };
        *self.lines_max.get_or_init(|| asked).await
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
                    self.shown,
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
        let message = refusal(&body).unwrap_or_else(|| format!("{} answered {status}", self.shown));
        Err(AskError::Refused { status, message })
    }

    fn unreachable(&self, error: &reqwest::Error) -> AskError {
        AskError::Unreachable(format!(
            "cannot reach the collector at {}: {}; is `sonde up` running there? (--url or SONDE_URL names another)",
            self.shown,
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

/// A URL without the name and the password that may stand in it.
fn without_user(url: &str) -> String {
    let (scheme, rest) = url
        .split_once("://")
        .map_or(("", url), |(s, rest)| (s, rest));
    let end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
    let (authority, behind) = rest.split_at(end);
    let host = authority
        .rsplit_once('@')
        .map_or(authority, |(_, host)| host);
    let sign = if scheme.is_empty() { "" } else { "://" };
    format!("{scheme}{sign}{host}{behind}")
}

fn root_cause(error: &dyn std::error::Error) -> String {
    let mut at = error;
    while let Some(source) = at.source() {
        at = source;
    }
    at.to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_is_shown_without_its_password() {
        let check = |url: &str, expected: &str| assert_eq!(without_user(url), expected);
        check("http://127.0.0.1:7070", "http://127.0.0.1:7070");
        check("https://user:pa@ss@host:1/path", "https://host:1/path");
        check("http://user@host", "http://host");
        check("user:pass@host", "host");
        check("http://host/a@b?c=d@e", "http://host/a@b?c=d@e");
    }

    #[tokio::test]
    async fn nobody_who_cannot_be_reached_is_told_of_with_a_password() {
        let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        drop(listener);
        let client = Client::new(&ServerArguments {
            url: format!("http://user:secret@{address}"),
            tenant: None,
            json: false,
        })
        .unwrap();
        let said = [
            client.get("/x", &[]).await.err().unwrap().to_string(),
            client.loki("x", &[]).await.err().unwrap().to_string(),
        ];
        for said in said {
            assert!(said.contains(&address.to_string()), "{said}");
            assert!(!said.contains("secret"), "{said}");
        }
        assert_eq!(client.lines_max().await, usize::MAX);
    }
}
