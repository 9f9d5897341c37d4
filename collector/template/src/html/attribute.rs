//! What the value of an attribute means.

use super::UNSAFE;

/// What the value of an attribute means.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Kind {
    #[default]
    Plain,
    /// It changes what the page means: no action may name it.
    Special,
    Url,
    /// URLs with sizes.
    Sources,
    /// Of `<meta content`: after a `url=`, a URL.
    Refresh,
    Css,
    Script,
}

const URLS: [&str; 18] = [
    "action",
    "archive",
    "background",
    "cite",
    "classid",
    "codebase",
    "data",
    "formaction",
    "href",
    "icon",
    "longdesc",
    "manifest",
    "poster",
    "profile",
    "src",
    "usemap",
    "xmlns",
    "ping",
];

const SPECIAL: [&str; 23] = [
    "accept-charset",
    "async",
    "challenge",
    "charset",
    "content",
    "crossorigin",
    "defer",
    "enctype",
    "form",
    "formenctype",
    "formmethod",
    "formnovalidate",
    "http-equiv",
    "keytype",
    "language",
    "method",
    "novalidate",
    "pattern",
    "rel",
    "sandbox",
    "srcdoc",
    "type",
    "value",
];

/// What an attribute of this name, in lower case, holds. As in Go, `data-` or a namespace
/// before a name does not count.
pub(super) fn kind(name: &str) -> Kind {
    let name = match (name.strip_prefix("data-"), name.split_once(':')) {
        (Some(rest), _) => rest,
        (None, Some(("xmlns", _))) => return Kind::Url,
        (None, Some((_, rest))) => rest,
        (None, None) => name,
    };
    let like_url = || ["src", "uri", "url"].iter().any(|part| name.contains(part));
    match name {
        "style" => Kind::Css,
        "srcset" => Kind::Sources,
        "srclang" => Kind::Plain,
        name if URLS.contains(&name) => Kind::Url,
        name if SPECIAL.contains(&name) => Kind::Special,
        name if name.starts_with("on") => Kind::Script,
        _ if like_url() => Kind::Url,
        _ => Kind::Plain,
    }
}

/// A value as the name of an attribute, if that is harmless.
pub(super) fn name(text: &str) -> String {
    let name = text.to_lowercase();
    let plain = !name.is_empty() && name.bytes().all(|b| b.is_ascii_alphanumeric());
    if plain && kind(&name) == Kind::Plain {
        name
    } else {
        UNSAFE.into()
    }
}
