//! The pages, embedded in the binary.
//!
//! `build.rs` bundles `app/` into a directory; this crate holds its files and says how
//! each may be served. It serves nothing itself: the collector's door does, and answers
//! any page address with `index.html`, because the pages route themselves.
//!
//! Invariant: a file under `assets/` carries a hash of its content in its name, so it may
//! be cached for ever; every other file must be asked for again by its [`Asset::etag`].

use std::borrow::Cow;
use std::fmt::Write as _;

use rust_embed::RustEmbed;

/// What a browser may load and run for these pages: only what this origin serves, no
/// inline script, no inline style, no frames.
pub const CONTENT_SECURITY_POLICY: &str = "default-src 'self'; script-src 'self'; style-src 'self'; \
     img-src 'self' data:; connect-src 'self'; font-src 'self'; object-src 'none'; \
     base-uri 'none'; form-action 'self'; frame-ancestors 'none'";

/// One file of the pages and how to serve it.
#[derive(Clone, Debug)]
pub struct Asset {
    /// The file as it is, uncompressed.
    pub bytes: Cow<'static, [u8]>,
    /// Value of the `Content-Type` header.
    pub content_type: &'static str,
    /// Value of the `ETag` header, with its quotes: a strong tag over the content.
    pub etag: String,
    /// Whether the name changes with the content, so that
    /// `Cache-Control: public, max-age=31536000, immutable` is right.
    pub immutable: bool,
}

#[derive(RustEmbed)]
#[folder = "$OUT_DIR/dist"]
struct Dist;

/// The file at `path`, with or without a leading slash; the empty path is `index.html`.
///
/// `None` when the bundle has no such file. The path is only ever compared with the names
/// of embedded files, so `..` reaches nothing.
#[must_use]
pub fn asset(path: &str) -> Option<Asset> {
    let name = match path.trim_start_matches('/') {
        "" => "index.html",
        name => name,
    };
    let file = Dist::get(name)?;
    Some(Asset {
        content_type: content_type(name),
        etag: etag(&file.metadata.sha256_hash()),
        immutable: name.starts_with("assets/"),
        bytes: file.data,
    })
}

/// Types of the files `bundle.mjs` writes; anything else is not for a browser to interpret.
fn content_type(name: &str) -> &'static str {
    match name.rsplit_once('.').map(|(_, extension)| extension) {
        Some("html") => "text/html; charset=utf-8",
        Some("js") => "text/javascript; charset=utf-8",
        Some("css") => "text/css; charset=utf-8",
        Some("svg") => "image/svg+xml",
        Some("json") => "application/json",
        _ => "application/octet-stream",
    }
}

/// Half of a SHA-256 is plenty to tell two builds apart.
fn etag(hash: &[u8; 32]) -> String {
    let mut tag = String::with_capacity(34);
    tag.push('"');
    for byte in &hash[..16] {
        let _ = write!(tag, "{byte:02x}");
    }
    tag.push('"');
    tag
}

#[cfg(test)]
mod tests;
