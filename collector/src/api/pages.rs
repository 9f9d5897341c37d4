//! The pages: the files of `sonde-ui`, and its index for every path that is a page's.

use axum::http::{HeaderMap, HeaderValue, Method, StatusCode, Uri, header};
use axum::response::{IntoResponse, Response};

/// Serves a file of the pages, or the page itself where the path names none.
pub(super) async fn page(method: Method, uri: Uri, headers: HeaderMap) -> Response {
    if method != Method::GET && method != Method::HEAD {
        return (StatusCode::METHOD_NOT_ALLOWED, "pages are read with GET\n").into_response();
    }
    let path = uri.path();
    let is_api = ["/sonde/", "/api/", "/prometheus/", "/loki/"]
        .iter()
        .any(|api| path.starts_with(api));
    if is_api || path.starts_with("/assets/") && sonde_ui::asset(path).is_none() {
        return (
            StatusCode::NOT_FOUND,
            format!("there is nothing at {path}\n"),
        )
            .into_response();
    }
    let Some(asset) = sonde_ui::asset(path).or_else(|| sonde_ui::asset("")) else {
        return (StatusCode::NOT_FOUND, "this build has no pages\n").into_response();
    };
    let unchanged = headers
        .get(header::IF_NONE_MATCH)
        .is_some_and(|tag| tag.as_bytes() == asset.etag.as_bytes());
    let mut response = if unchanged {
        StatusCode::NOT_MODIFIED.into_response()
    } else {
        (
            [(header::CONTENT_TYPE, asset.content_type)],
            asset.bytes.into_owned(),
        )
            .into_response()
    };
    let caching = if asset.immutable {
        "public, max-age=31536000, immutable"
    } else {
        "no-cache"
    };
    let out = response.headers_mut();
    if let Ok(tag) = HeaderValue::from_str(&asset.etag) {
        out.insert(header::ETAG, tag);
    }
    out.insert(header::CACHE_CONTROL, HeaderValue::from_static(caching));
    out.insert(
        header::CONTENT_SECURITY_POLICY,
        HeaderValue::from_static(sonde_ui::CONTENT_SECURITY_POLICY),
    );
    out.insert(
        header::X_CONTENT_TYPE_OPTIONS,
        HeaderValue::from_static("nosniff"),
    );
    out.insert(
        header::REFERRER_POLICY,
        HeaderValue::from_static("no-referrer"),
    );
    response
}
