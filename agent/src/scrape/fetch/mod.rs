//! One body over HTTP: asked for, redirected, bounded, decompressed.
//!
//! A connection is kept from one scrape to the next. Nothing that is secret stands in an
//! error: neither credentials nor where a redirect leads.

mod connect;
mod credentials;
mod tls;

pub(crate) use credentials::Credentials;

use super::config::ScrapeTlsConfig;
use bytes::Bytes;
use connect::Connection;
use flate2::read::MultiGzDecoder;
use http::header::{
    ACCEPT, ACCEPT_ENCODING, AUTHORIZATION, CONTENT_ENCODING, CONTENT_TYPE, HOST, LOCATION,
    USER_AGENT,
};
use http::{HeaderMap, Method, Request, Response, StatusCode, Uri};
use http_body_util::{BodyExt as _, Empty};
use hyper::body::Incoming;
use std::io::Read as _;
use std::time::Duration;

/// How often a target may send us on.
const REDIRECTS_MAX: usize = 10;
/// How long a scrape may take, as Prometheus tells targets.
const TIMEOUT_HEADER: &str = "x-prometheus-scrape-timeout-seconds";

/// How the targets of a job are asked.
#[derive(Debug)]
pub(crate) struct Access {
    pub(crate) accept: String,
    pub(crate) compress: bool,
    pub(crate) follow_redirects: bool,
    /// The largest body, before and after decompression.
    pub(crate) body_bytes: usize,
    pub(crate) credentials: Credentials,
    pub(crate) tls: ScrapeTlsConfig,
}

/// What a target answered, as it came.
#[derive(Debug)]
pub(crate) struct Fetched {
    pub(crate) content_type: Option<String>,
    is_gzip: bool,
    bytes: Vec<u8>,
}

/// Fetches from one target.
#[derive(Default)]
pub(crate) struct Fetcher {
    connection: Option<Connection>,
}

impl Fetcher {
    /// Asks for the body, within the time.
    ///
    /// # Errors
    /// Why there is none.
    pub(crate) async fn fetch(
        &mut self,
        uri: &Uri,
        access: &Access,
        timeout: Duration,
    ) -> Result<Fetched, String> {
        let fetched = self.follow(uri, access, timeout);
        let result = tokio::time::timeout(timeout, fetched).await;
        let result = result.unwrap_or_else(|_| {
            Err(format!(
                "there was no whole answer within {timeout:?} (scrape_timeout)"
            ))
        });
        if result.is_err() {
            self.connection = None;
        }
        result
    }

    async fn follow(
        &mut self,
        uri: &Uri,
        access: &Access,
        timeout: Duration,
    ) -> Result<Fetched, String> {
        let mut at = uri.clone();
        for _ in 0..=REDIRECTS_MAX {
            // Credentials are for the target, not for where it sends us.
            let is_home = at.authority() == uri.authority() && at.scheme() == uri.scheme();
            let credentials = if is_home {
                access.credentials.header().await?
            } else {
                None
            };
            let mut headers = HeaderMap::new();
            let mut put = |name, value: &str| {
                let value = value.parse();
                value.map(|value| headers.insert(name, value)).is_ok()
            };
            put(ACCEPT, &access.accept);
            put(USER_AGENT, concat!("Sonde/", env!("CARGO_PKG_VERSION")));
            let encoding = if access.compress { "gzip" } else { "identity" };
            put(ACCEPT_ENCODING, encoding);
            let seconds = timeout.as_secs_f64().to_string();
            put(http::HeaderName::from_static(TIMEOUT_HEADER), &seconds);
            if let Some(authority) = at.authority() {
                put(HOST, authority.as_str());
            }
            if let Some(credentials) = credentials {
                headers.insert(AUTHORIZATION, credentials);
            }
            let response = self.ask(&at, access, &headers).await?;
            if !(response.status().is_redirection() && access.follow_redirects) {
                return whole(response, access.body_bytes).await;
            }
            at = redirected(&at, &response)?;
        }
        Err(format!("it redirects more than {REDIRECTS_MAX} times"))
    }

    /// Asks on the connection that is there, or on a new one.
    async fn ask(
        &mut self,
        uri: &Uri,
        access: &Access,
        headers: &HeaderMap,
    ) -> Result<Response<Incoming>, String> {
        let place = connect::Place::of(uri)?;
        let kept = self.connection.take().filter(|kept| kept.is_to(&place));
        if let Some(mut kept) = kept
            && let Ok(response) = kept.send(request(uri, headers)?).await
        {
            self.connection = Some(kept);
            return Ok(response);
        }
        // The one that was kept may have been closed meanwhile: once more on a new one.
        let mut new = Connection::open(place, &access.tls).await?;
        let response = new.send(request(uri, headers)?).await?;
        self.connection = Some(new);
        Ok(response)
    }
}

fn request(uri: &Uri, headers: &HeaderMap) -> Result<Request<Empty<Bytes>>, String> {
    let path = uri.path_and_query().map_or("/", |path| path.as_str());
    let mut request = Request::new(Empty::new());
    *request.method_mut() = Method::GET;
    *request.uri_mut() = path
        .parse()
        .map_err(|error| format!("its URL cannot be asked for: {error}"))?;
    *request.headers_mut() = headers.clone();
    Ok(request)
}

async fn whole(response: Response<Incoming>, bytes_max: usize) -> Result<Fetched, String> {
    let (head, mut body) = response.into_parts();
    if head.status != StatusCode::OK {
        return Err(format!("the target answered HTTP status {}", head.status));
    }
    let text = |name| {
        let value = head.headers.get(name)?;
        value.to_str().ok().map(str::to_owned)
    };
    let encoding = text(CONTENT_ENCODING).unwrap_or_default();
    let is_gzip = encoding.eq_ignore_ascii_case("gzip");
    if !is_gzip && !encoding.is_empty() && !encoding.eq_ignore_ascii_case("identity") {
        return Err(format!(
            "the body has Content-Encoding {encoding:?}; only gzip was asked for"
        ));
    }
    let mut bytes = Vec::new();
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(|error| format!("the answer broke off: {error}"))?;
        if let Some(data) = frame.data_ref() {
            if bytes.len() + data.len() > bytes_max {
                return Err(too_large(bytes_max));
            }
            bytes.extend_from_slice(data);
        }
    }
    Ok(Fetched {
        content_type: text(CONTENT_TYPE),
        is_gzip,
        bytes,
    })
}

impl Fetched {
    /// The body, decompressed.
    ///
    /// # Errors
    /// It is no gzip, or too large.
    pub(crate) fn body(self, bytes_max: usize) -> Result<Vec<u8>, String> {
        if !self.is_gzip {
            return Ok(self.bytes);
        }
        let mut body = Vec::new();
        let limit = (bytes_max as u64).saturating_add(1);
        MultiGzDecoder::new(self.bytes.as_slice())
            .take(limit)
            .read_to_end(&mut body)
            .map_err(|error| format!("the body is no gzip although it says so: {error}"))?;
        if body.len() > bytes_max {
            return Err(too_large(bytes_max));
        }
        Ok(body)
    }

    #[cfg(test)]
    pub(crate) fn of(content_type: &str, body: impl AsRef<[u8]>) -> Self {
        Self {
            content_type: Some(content_type.to_owned()),
            is_gzip: false,
            bytes: body.as_ref().to_vec(),
        }
    }
}

fn too_large(bytes_max: usize) -> String {
    format!("the body has more than {bytes_max} bytes (body_size_limit)")
}

/// Where a redirect leads.
fn redirected(from: &Uri, response: &Response<Incoming>) -> Result<Uri, String> {
    let bad = || String::from("it redirects to what is no http or https URL");
    let to = response.headers().get(LOCATION).ok_or_else(bad)?;
    let to: Uri = to
        .to_str()
        .ok()
        .and_then(|to| to.parse().ok())
        .ok_or_else(bad)?;
    let mut parts = from.clone().into_parts();
    let to = to.into_parts();
    if let Some(authority) = to.authority {
        parts.authority = Some(authority);
        parts.scheme = to.scheme.or(parts.scheme);
    }
    let path = to.path_and_query.ok_or_else(bad)?;
    if !path.as_str().starts_with('/') {
        return Err(bad());
    }
    parts.path_and_query = Some(path);
    Uri::from_parts(parts).map_err(|_| bad())
}

#[cfg(test)]
mod tests;
