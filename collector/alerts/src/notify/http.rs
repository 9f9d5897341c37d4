//! One HTTP request with a JSON body, and what its answer means.
//!
//! Redirects are not followed: they would carry alerts, and secrets in URLs and headers, to
//! places that nobody wrote down. Proxies come from the configuration only, never from the
//! environment. No message contains the URL, which may be a secret.

use super::Message;
use crate::core::Verdict;
use crate::secret::{Secret, SecretSource};
use reqwest::header::{HeaderValue, RETRY_AFTER};
use reqwest::{Certificate, Client, Identity, Proxy, StatusCode, redirect::Policy};
use std::path::PathBuf;
use std::time::Duration;
use tokio::sync::OnceCell;

/// How HTTP requests are made.
#[derive(Clone, Debug, Default)]
pub(crate) struct Http {
    pub(crate) authorization: Option<Authorization>,
    pub(crate) proxy: Option<Secret>,
    pub(crate) tls: Tls,
    pub(crate) is_http2: bool,
}

/// An `Authorization` header.
#[derive(Clone, Debug)]
pub(crate) enum Authorization {
    /// A user name and a password.
    Basic {
        /// The user's name.
        username: String,
        /// The password.
        password: Option<SecretSource>,
    },
    /// Anything else.
    Other {
        /// Its first word.
        kind: String,
        /// What follows.
        credentials: SecretSource,
    },
}

/// How certificates are checked.
#[derive(Clone, Debug, Default)]
pub(crate) struct Tls {
    pub(crate) authorities_file: Option<PathBuf>,
    pub(crate) authorities: Option<String>,
    pub(crate) identity_files: Option<(PathBuf, PathBuf)>,
    pub(crate) trusts_anybody: bool,
}

impl Tls {
    /// Whether only the usual authorities are trusted, and nothing is shown of ourselves.
    pub(crate) fn is_plain(&self) -> bool {
        self.authorities_file.is_none()
            && self.authorities.is_none()
            && self.identity_files.is_none()
            && !self.trusts_anybody
    }

    /// The authorities that are trusted too, as PEM.
    pub(crate) async fn authorities(&self) -> Result<Vec<u8>, String> {
        let mut pem = self.authorities.clone().unwrap_or_default().into_bytes();
        if let Some(path) = &self.authorities_file {
            pem.push(b'\n');
            pem.extend(read(path).await?);
        }
        Ok(pem)
    }

    /// Our certificate and our key, as PEM.
    pub(crate) async fn identity(&self) -> Result<Option<(Vec<u8>, Vec<u8>)>, String> {
        match &self.identity_files {
            None => Ok(None),
            Some((certificate, key)) => Ok(Some((read(certificate).await?, read(key).await?))),
        }
    }
}

async fn read(path: &std::path::Path) -> Result<Vec<u8>, String> {
    tokio::fs::read(path)
        .await
        .map_err(|error| format!("read {}: {error}", path.display()))
}

/// How much of an answer is read.
const ANSWER_BYTES_MAX: usize = 16 << 10;
/// How much of an answer is shown.
const ANSWER_CHARS_SHOWN: usize = 300;

/// Sends requests the way a receiver wants; connections are kept.
#[derive(Debug)]
pub(crate) struct Poster {
    http: Http,
    client: OnceCell<Client>,
}

/// What a receiver answered.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) retry_after: Option<Duration>,
    pub(crate) body: String,
}

impl Poster {
    pub(crate) fn new(http: Http) -> Self {
        Self {
            http,
            client: OnceCell::new(),
        }
    }

    /// Posts a JSON body.
    ///
    /// # Errors
    /// [`Verdict::Retry`] when there was no answer.
    pub(crate) async fn post(
        &self,
        url: &str,
        body: Vec<u8>,
        message: &Message,
    ) -> Result<Answer, Verdict> {
        let retry = |error: String| Verdict::Retry { error, after: None };
        let client = self
            .client
            .get_or_try_init(|| self.build())
            .await
            .map_err(retry)?;
        let mut request = client
            .post(url)
            .header("Content-Type", "application/json")
            .header("User-Agent", concat!("Sonde/", env!("CARGO_PKG_VERSION")))
            .header("Idempotency-Key", message.delivery.id.as_str())
            .body(body);
        if let Some(authorization) = self.authorization().await.map_err(retry)? {
            request = request.header(reqwest::header::AUTHORIZATION, authorization);
        }
        let answer = request
            .send()
            .await
            .map_err(|error| retry(describe(error)))?;
        let retry_after = answer
            .headers()
            .get(RETRY_AFTER)
            .and_then(|value| asked_pause(value, message));
        Ok(Answer {
            status: answer.status(),
            retry_after,
            body: read_some(answer).await,
        })
    }

    async fn authorization(&self) -> Result<Option<HeaderValue>, String> {
        let text = match &self.http.authorization {
            None => return Ok(None),
            Some(Authorization::Basic { username, password }) => {
                let password = match password {
                    Some(password) => password.read().await?,
                    None => Secret::default(),
                };
                format!(
                    "Basic {}",
                    base64(format!("{username}:{}", password.expose()).as_bytes())
                )
            }
            Some(Authorization::Other { kind, credentials }) => {
                format!("{kind} {}", credentials.read().await?.expose())
            }
        };
        let mut value = HeaderValue::from_str(&text).map_err(|_| {
            "the credentials contain characters that no HTTP header can carry".to_owned()
        })?;
        value.set_sensitive(true);
        Ok(Some(value))
    }

    async fn build(&self) -> Result<Client, String> {
        let failed = |error: reqwest::Error| format!("prepare HTTP client: {}", describe(error));
        let mut builder = Client::builder().redirect(Policy::none()).no_proxy();
        if let Some(proxy) = &self.http.proxy {
            builder = builder.proxy(
                Proxy::all(proxy.expose())
                    .map_err(|_| "proxy_url is no URL of a proxy".to_owned())?,
            );
        }
        if !self.http.is_http2 {
            builder = builder.http1_only();
        }
        let pem = self.http.tls.authorities().await?;
        for certificate in Certificate::from_pem_bundle(&pem).map_err(failed)? {
            builder = builder.add_root_certificate(certificate);
        }
        if let Some((mut certificate, key)) = self.http.tls.identity().await? {
            certificate.push(b'\n');
            certificate.extend(key);
            builder = builder.identity(Identity::from_pem(&certificate).map_err(failed)?);
        }
        builder
            .danger_accept_invalid_certs(self.http.tls.trusts_anybody)
            .build()
            .map_err(failed)
    }
}

/// An error with its causes, without the URL.
fn describe(error: reqwest::Error) -> String {
    let error = error.without_url();
    let mut text = error.to_string();
    let mut cause = std::error::Error::source(&error);
    while let Some(next) = cause {
        text = format!("{text}: {next}");
        cause = next.source();
    }
    text
}

async fn read_some(mut answer: reqwest::Response) -> String {
    let mut body = Vec::new();
    while let Ok(Some(chunk)) = answer.chunk().await {
        body.extend_from_slice(&chunk[..chunk.len().min(ANSWER_BYTES_MAX - body.len())]);
        if body.len() >= ANSWER_BYTES_MAX {
            break;
        }
    }
    String::from_utf8_lossy(&body).into_owned()
}

/// `Retry-After`: seconds, or a date.
fn asked_pause(value: &HeaderValue, message: &Message) -> Option<Duration> {
    let text = value.to_str().ok()?.trim();
    if let Ok(seconds) = text.parse::<u64>() {
        return Some(Duration::from_secs(seconds));
    }
    let date = jiff::fmt::rfc2822::DateTimeParser::new()
        .parse_timestamp(text)
        .ok()?;
    Some(sonde_proto::UnixNanos::from_millis(date.as_millisecond()).since(message.delivery.at))
}

impl Answer {
    /// What an HTTP status means: 2xx is success, 429 and 5xx (and 408, 425) may work later,
    /// anything else will not work until somebody changes something.
    pub(crate) fn verdict(&self) -> Verdict {
        let is_retryable =
            self.status.is_server_error() || matches!(self.status.as_u16(), 408 | 425 | 429);
        if self.status.is_success() {
            Verdict::Sent
        } else if is_retryable {
            Verdict::Retry {
                error: self.describe(),
                after: self.retry_after,
            }
        } else {
            Verdict::Rejected {
                error: self.describe(),
            }
        }
    }

    /// The answer in a line.
    pub(crate) fn describe(&self) -> String {
        let shown: String = self
            .body
            .chars()
            .take(ANSWER_CHARS_SHOWN)
            .map(|c| if c.is_control() { ' ' } else { c })
            .collect();
        let hint = if self.status.is_redirection() {
            "; redirects are not followed, write the final URL"
        } else {
            ""
        };
        format!("answered {}: {}{hint}", self.status, shown.trim())
    }
}

/// RFC 4648, with padding.
pub(crate) fn base64(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut text = String::new();
    for chunk in bytes.chunks(3) {
        let group = chunk
            .iter()
            .chain([&0, &0])
            .take(3)
            .fold(0usize, |group, byte| group << 8 | usize::from(*byte));
        for digit in 0..4 {
            let is_padding = digit > chunk.len();
            text.push(if is_padding {
                '='
            } else {
                char::from(DIGITS[group >> (18 - 6 * digit) & 63])
            });
        }
    }
    text
}
