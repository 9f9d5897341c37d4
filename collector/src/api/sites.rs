//! Which pages may ask: a browser sends requests for any page that a person opens.
//!
//! Where only this machine is listened to, people rely on that. So there a request must name
//! this machine, or the URL that was configured: the page of a site whose name was made to lead
//! here names that site. And what a browser lets any page do, which is to open a WebSocket, to
//! send a form and to post bytes of no type, is for pages from here.

use super::ApiError;
use crate::config::HttpConfig;
use axum::extract::{Request, State};
use axum::http::{HeaderMap, StatusCode, Uri, header};
use axum::middleware::Next;
use axum::response::{IntoResponse as _, Response};
use std::net::IpAddr;
use std::sync::Arc;

/// The names under which this port may be asked for.
#[derive(Clone, Debug)]
pub(super) struct Hosts {
    /// That of the configured URL.
    external: Option<Arc<str>>,
    /// Whether others than that and those of this machine are refused.
    is_local: bool,
}

impl Hosts {
    pub(super) fn new(config: &HttpConfig) -> Self {
        let external = config.external_url.parse::<Uri>().ok();
        Self {
            external: external.and_then(|url| url.host().map(Arc::from)),
            is_local: config.listen.ip().is_loopback(),
        }
    }

    /// Whether others than this machine are listened to.
    pub(super) fn is_open(&self) -> bool {
        !self.is_local
    }

    /// Whether pages from `origin` may read what is answered here. One that has no host, as
    /// `null`, may not.
    pub(super) fn allow_origin(&self, origin: &str) -> bool {
        let host = origin.split_once("://").map(|(_, host)| host);
        host.is_some_and(|host| self.allow(Some(host)))
    }

    /// Whether a request to `host` is for this port. A browser always names the host.
    fn allow(&self, host: Option<&str>) -> bool {
        let Some(host) = host.filter(|_| self.is_local) else {
            return true;
        };
        let host = without_port(host).trim_end_matches('.');
        let address = host.trim_start_matches('[').trim_end_matches(']');
        let is_loopback = address.parse::<IpAddr>().is_ok_and(|ip| ip.is_loopback());
        let lower = host.to_ascii_lowercase();
        let external = self.external.as_deref();
        is_loopback
            || lower == "localhost"
            || lower.ends_with(".localhost")
            || external.is_some_and(|external| external.eq_ignore_ascii_case(host))
    }
}

fn without_port(host: &str) -> &str {
    match host.rsplit_once(':') {
        Some((name, port)) if port.bytes().all(|b| b.is_ascii_digit()) => name,
        _ => host,
    }
}

/// Refuses what was sent to another name.
pub(super) async fn check_host(
    State(hosts): State<Hosts>,
    request: Request,
    next: Next,
) -> Response {
    let named = request
        .uri()
        .authority()
        .map(axum::http::uri::Authority::as_str);
    let host = named.or_else(|| text(request.headers(), header::HOST.as_str()));
    if !hosts.allow(host) {
        let why = "this name is not known here; ask for localhost, or set http.external_url to the URL under which this port is reached\n";
        return (StatusCode::MISDIRECTED_REQUEST, why).into_response();
    }
    next.run(request).await
}

/// Refuses whatever a page of another site asks for. To push, a page needs nobody's leave
/// where it names no type, which counts as protobuf, as it does with Loki.
pub(super) async fn check_site(request: Request, next: Next) -> Response {
    match refuse_other_sites(request.headers()) {
        Ok(()) => next.run(request).await,
        Err(error) => error.into_response(),
    }
}

/// Refuses what a page of another site asks for with the person's rights.
pub(super) fn refuse_other_sites(headers: &HeaderMap) -> Result<(), ApiError> {
    let site = text(headers, "sec-fetch-site");
    let origin = text(headers, header::ORIGIN.as_str());
    let is_other = match (site, origin, text(headers, header::HOST.as_str())) {
        (Some(site), ..) => site != "same-origin" && site != "none",
        (None, Some(origin), host) => {
            let authority = origin.split_once("://").map(|(_, authority)| authority);
            authority.is_none() || authority != host
        }
        (None, None, _) => false,
    };
    if is_other {
        return Err(ApiError {
            status: StatusCode::FORBIDDEN,
            message: "a page of another site may not do this here".into(),
        });
    }
    Ok(())
}

fn text<'h>(headers: &'h HeaderMap, name: &str) -> Option<&'h str> {
    headers.get(name).and_then(|value| value.to_str().ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hosts(listen: &str, external_url: &str) -> Hosts {
        Hosts::new(&HttpConfig {
            listen: listen.parse().unwrap(),
            external_url: external_url.into(),
            ..HttpConfig::default()
        })
    }

    #[test]
    fn who_listens_to_this_machine_alone_answers_to_its_own_names() {
        let local = hosts("127.0.0.1:7070", "https://Sonde.example/logs");
        for host in [
            "localhost",
            "localhost:7070",
            "LOCALHOST:1",
            "sonde.localhost",
            "127.0.0.1:7070",
            "127.9.9.9",
            "[::1]:7070",
            "[::1]",
            "sonde.example:443",
            "sonde.example.",
        ] {
            assert!(local.allow(Some(host)), "{host}");
        }
        for host in [
            "evil.example",
            "localhost.evil.example",
            "127.0.0.1.evil.example",
            "10.0.0.1:7070",
            "evil.example:7070",
            "",
            "[::2]",
        ] {
            assert!(!local.allow(Some(host)), "{host}");
        }
        assert!(local.allow(None));
        let public = hosts("0.0.0.0:7070", "");
        assert!(public.allow(Some("anything.example")));
    }

    #[test]
    fn only_pages_of_this_machine_read_what_only_this_machine_may() {
        let local = hosts("127.0.0.1:7070", "https://sonde.example");
        for origin in [
            "http://localhost:3000",
            "http://[::1]:1",
            "https://sonde.example",
        ] {
            assert!(local.allow_origin(origin), "{origin}");
        }
        for origin in [
            "null",
            "",
            "https://evil.example",
            "http://localhost.evil.example",
        ] {
            assert!(!local.allow_origin(origin), "{origin}");
        }
        assert!(!local.is_open() && hosts("0.0.0.0:7070", "").is_open());
    }

    #[test]
    fn pages_of_other_sites_are_told_by_what_browsers_say() {
        let check = |headers: &[(&'static str, &str)], expected: bool| {
            let headers = headers
                .iter()
                .map(|(name, value)| ((*name).parse().unwrap(), value.parse().unwrap()));
            let headers: HeaderMap = headers.collect();
            assert_eq!(
                refuse_other_sites(&headers).is_ok(),
                expected,
                "{headers:?}"
            );
        };
        let host = ("host", "localhost:7070");
        check(&[host], true);
        check(&[host, ("origin", "http://localhost:7070")], true);
        check(&[host, ("origin", "http://localhost:8080")], false);
        check(&[host, ("origin", "https://evil.example")], false);
        check(&[host, ("origin", "null")], false);
        check(&[host, ("sec-fetch-site", "same-origin")], true);
        check(&[host, ("sec-fetch-site", "none")], true);
        check(&[host, ("sec-fetch-site", "same-site")], false);
        check(&[host, ("sec-fetch-site", "cross-site")], false);
    }
}
