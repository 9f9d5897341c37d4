//! URLs in attributes.

use super::UNSAFE;

/// How far a URL is written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Part {
    /// Nothing yet: the scheme may come.
    #[default]
    Start,
    /// Before `?` and `#`.
    Path,
    /// After `?` or `#`.
    Query,
}

impl Part {
    /// The part after a text of the template.
    pub(super) fn after(self, text: &str) -> Self {
        match self {
            _ if text.contains(['#', '?']) => Self::Query,
            Self::Start if !text.trim().is_empty() => Self::Path,
            part => part,
        }
    }

    /// A value in this part: the start of a URL is filtered by its scheme, a value in a query
    /// is encoded.
    pub(super) fn value(self, trusted: bool, text: &str) -> String {
        match self {
            Self::Start if !trusted && !has_safe_scheme(text) => refused(),
            Self::Start | Self::Path => encode(text, true),
            Self::Query => encode(text, trusted),
        }
    }
}

pub(super) fn refused() -> String {
    format!("#{UNSAFE}")
}

/// Whether a URL is relative, or of a scheme that does nothing by itself.
pub(super) fn has_safe_scheme(url: &str) -> bool {
    match url.split_once(':') {
        Some((scheme, _)) if !scheme.contains('/') => ["http", "https", "mailto"]
            .iter()
            .any(|safe| scheme.eq_ignore_ascii_case(safe)),
        Some(_) | None => true,
    }
}

/// The value of `srcset`: URLs with their sizes, between commas.
pub(super) fn sources(trusted: bool, text: &str) -> String {
    if trusted {
        return encode(text, true).replace(',', "%2c");
    }
    let sources = text.split(',').map(source);
    sources.collect::<Vec<_>>().join(",")
}

fn source(text: &str) -> String {
    let is_space = |c: char| matches!(c, ' ' | '\t' | '\n' | '\u{0c}' | '\r');
    let url = text.trim_start_matches(is_space);
    let (before, url) = text.split_at(text.len() - url.len());
    let (url, size) = url.split_at(url.find(is_space).unwrap_or(url.len()));
    let plain_size = size
        .chars()
        .all(|c| is_space(c) || c.is_ascii_alphanumeric());
    if has_safe_scheme(url) && plain_size {
        format!("{before}{}{size}", encode(url, true))
    } else {
        refused()
    }
}

/// Encodes what cannot stand in a URL; unless `whole`, also what means something there.
fn encode(text: &str, whole: bool) -> String {
    let bytes = text.as_bytes();
    let hex = |at: usize| bytes.get(at).is_some_and(u8::is_ascii_hexdigit);
    let mut out = String::with_capacity(text.len());
    for (at, byte) in bytes.iter().enumerate() {
        let keep = match byte {
            b'-' | b'.' | b'_' | b'~' => true,
            b'%' => whole && hex(at + 1) && hex(at + 2),
            b'!' | b'#' | b'$' | b'&' | b'*' | b'+' | b',' | b'/' | b':' | b';' | b'=' => whole,
            b'?' | b'@' | b'[' | b']' => whole,
            byte => byte.is_ascii_alphanumeric(),
        };
        if keep {
            out.push(char::from(*byte));
        } else {
            out.push_str(&format!("%{byte:02x}"));
        }
    }
    out
}
