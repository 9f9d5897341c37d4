//! One HTTP request with a JSON body, and what its answer means.
//!
//! Redirects are not followed: they would carry alerts, and secrets in URLs and headers, to
//! places that nobody wrote down. Proxies come from the configuration only, never from the
//! environment. No message contains the URL, which may be a secret.

use super::Message;
use crate::core::Verdict;
use crate::secret::{HIDDEN, Secret, SecretSource};
use reqwest::header::{HeaderValue, RETRY_AFTER};
use reqwest::{Certificate, Client, Identity, Proxy, StatusCode, redirect::Policy};
use std::path::PathBuf;
use std::time::Duration;
use tokio::sync::OnceCell;

/// How HTTP requests are made.
#[derive(Clone, Debug)]
pub(crate) struct Http {
    pub(crate) authorization: Option<Authorization>,
    pub(crate) proxy: Option<Secret>,
    pub(crate) tls: Tls,
    pub(crate) is_http2: bool,
}

impl Default for Http {
    fn default() -> Self {
        Self {
            authorization: None,
            proxy: None,
            tls: Tls::default(),
            is_http2: true,
        }
    }
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

    /// Posts a JSON body. Should the answer repeat one of the secrets, or a part of one that
    /// is a URL, it is hidden.
    ///
    /// # Errors
    /// [`Verdict::Retry`] when there was no answer.
    pub(crate) async fn post(
        &self,
        url: &str,
        secrets: &[&str],
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
            body: hide(&read_some(answer).await, secrets),
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
        // Only the first call in a process counts; later ones change nothing.
        let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
        let authorities = self.http.tls.authorities().await?;
        let identity = self.http.tls.identity().await?;
        let (authorities, identity) = (authorities.trim_ascii(), identity.as_ref());
        self.client(authorities, identity, true).or_else(|error| {
            // A machine without any certificates can still use http:// and its own authorities.
            let client = self.client(authorities, identity, false)?;
            tracing::warn!(
                "{error}; only http:// and the authorities of tls_config are trusted: install ca-certificates for others"
            );
            Ok(client)
        })
    }

    fn client(
        &self,
        authorities: &[u8],
        identity: Option<&(Vec<u8>, Vec<u8>)>,
        trusts_system: bool,
    ) -> Result<Client, String> {
        let failed = |error: reqwest::Error| format!("prepare HTTP client: {}", describe(error));
        let mut builder = Client::builder()
            .redirect(Policy::none())
            .no_proxy()
            .tls_danger_accept_invalid_certs(self.http.tls.trusts_anybody);
        if let Some(proxy) = &self.http.proxy {
            let proxy = Proxy::all(proxy.expose());
            builder = builder.proxy(proxy.map_err(|_| "proxy_url is no URL of a proxy")?);
        }
        if !self.http.is_http2 {
            builder = builder.http1_only();
        }
        let certificates = match authorities {
            [] => Vec::new(),
            pem => Certificate::from_pem_bundle(pem).map_err(failed)?,
        };
        builder = match (trusts_system, certificates.is_empty()) {
            (true, true) => builder,
            (true, false) => builder.tls_certs_merge(certificates),
            (false, _) => builder.tls_certs_only(certificates),
        };
        if let Some((certificate, key)) = identity {
            let pem = [certificate.as_slice(), b"\n", key].concat();
            builder = builder.identity(Identity::from_pem(&pem).map_err(failed)?);
        }
        builder.build().map_err(failed)
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

/// Parts of URLs that are shorter are words and not tokens.
const TOKEN_BYTES_MIN: usize = 8;

/// Takes secrets out of a text: what a receiver answers is shown to people and logged.
fn hide(text: &str, secrets: &[&str]) -> String {
    let mut hidden = text.to_owned();
    for secret in secrets.iter().filter(|secret| !secret.is_empty()) {
        hidden = hidden.replace(secret, HIDDEN);
        let parts = secret.split(['/', '?', '&', '=', '#', ':', '@']);
        for part in parts.filter(|part| part.len() >= TOKEN_BYTES_MIN) {
            hidden = hidden.replace(part, HIDDEN);
        }
    }
    hidden
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
