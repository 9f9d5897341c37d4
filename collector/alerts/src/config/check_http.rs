//! How HTTP requests are made and certificates checked.

use super::check::{Check, RawSecret};
use super::raw_receivers::{RawHttp, RawTls};
use crate::notify::{Authorization, Http, Tls};
use crate::secret::Secret;

impl Check<'_> {
    /// A receiver's own way, or everybody's.
    pub(super) fn http(
        &mut self,
        path: &str,
        own: Option<&RawHttp>,
        global: Option<&RawHttp>,
    ) -> Http {
        let (path, raw) = match (own, global) {
            (Some(own), _) => (format!("{path}.http_config"), own),
            (None, Some(global)) => ("global.http_config".to_owned(), global),
            (None, None) => return Http::default(),
        };
        if own.is_some() || path == "global.http_config" {
            self.http_unsupported(&path, raw);
        }
        Http {
            authorization: self.authorization(&path, raw),
            proxy: raw.proxy_url.clone(),
            tls: self.tls(&format!("{path}.tls_config"), raw.tls_config.as_ref()),
            is_http2: raw.enable_http2.unwrap_or(true),
        }
    }

    fn http_unsupported(&mut self, path: &str, raw: &RawHttp) {
        let is_there = [
            ("oauth2", raw.oauth2.is_some()),
            (
                "proxy_from_environment",
                raw.proxy_from_environment == Some(true),
            ),
            ("no_proxy", raw.no_proxy.is_some()),
            ("proxy_connect_header", raw.proxy_connect_header.is_some()),
            ("http_headers", raw.http_headers.is_some()),
        ];
        for (key, is_there) in is_there {
            self.unsupported(&format!("{path}.{key}"), is_there);
        }
        if raw.follow_redirects == Some(true) {
            self.problem(
                &format!("{path}.follow_redirects"),
                "redirects are never followed, because they would carry alerts and secrets elsewhere; write the final URL",
            );
        }
    }

    fn authorization(&mut self, path: &str, raw: &RawHttp) -> Option<Authorization> {
        let mut found = Vec::new();
        if let Some(basic) = &raw.basic_auth {
            let path = format!("{path}.basic_auth");
            self.unsupported(
                &format!("{path}.username_file"),
                basic.username_file.is_some(),
            );
            let password = RawSecret {
                key: "password",
                inline: basic.password.as_ref(),
                file: basic.password_file.as_deref(),
            };
            let password = self.secret(&path, &password);
            found.push(Authorization::Basic {
                username: basic.username.clone(),
                password,
            });
        }
        if let Some(other) = &raw.authorization {
            let path = format!("{path}.authorization");
            let kind = other.kind.clone().unwrap_or("Bearer".into());
            let credentials = RawSecret {
                key: "credentials",
                inline: other.credentials.as_ref(),
                file: other.credentials_file.as_deref(),
            };
            match self.secret(&path, &credentials) {
                Some(credentials) => found.push(Authorization::Other { kind, credentials }),
                None => self.problem(&path, "`credentials` or `credentials_file` is missing"),
            }
        }
        let bearer = RawSecret {
            key: "bearer_token",
            inline: raw.bearer_token.as_ref(),
            file: raw.bearer_token_file.as_deref(),
        };
        if let Some(credentials) = self.secret(path, &bearer) {
            found.push(Authorization::Other {
                kind: "Bearer".into(),
                credentials,
            });
        }
        if found.len() > 1 {
            self.problem(path, "there is more than one authorization; keep one of `basic_auth`, `authorization` and `bearer_token`");
        }
        found.pop()
    }

    pub(super) fn tls(&mut self, path: &str, raw: Option<&RawTls>) -> Tls {
        let Some(raw) = raw else {
            return Tls::default();
        };
        let is_there = [
            ("cert", raw.cert.is_some()),
            ("key", raw.key.is_some()),
            ("server_name", raw.server_name.is_some()),
            ("max_version", raw.max_version.is_some()),
            (
                "min_version",
                !matches!(raw.min_version.as_deref(), None | Some("TLS12")),
            ),
        ];
        for (key, is_there) in is_there {
            self.unsupported(&format!("{path}.{key}"), is_there);
        }
        if raw.cert_file.is_some() != raw.key_file.is_some() {
            self.problem(path, "`cert_file` and `key_file` need one another");
        }
        let identity = raw.cert_file.as_deref().zip(raw.key_file.as_deref());
        Tls {
            authorities_file: raw.ca_file.as_deref().map(|file| self.path(file)),
            authorities: raw.ca.clone(),
            identity_files: identity.map(|(cert, key)| (self.path(cert), self.path(key))),
            trusts_anybody: raw.insecure_skip_verify,
        }
    }

    /// A URL that is written here must be one.
    pub(super) fn url(&mut self, path: &str, url: &Secret) {
        let is_http = reqwest::Url::parse(url.expose())
            .is_ok_and(|url| matches!(url.scheme(), "http" | "https") && url.has_host());
        if !is_http {
            self.problem(path, "expected a URL that begins with http:// or https://");
        }
    }
}
