//! Tokens: hashes of what a search can ask a span for with `=`.
//!
//! A token list narrows a search to the traces that can match; the spans decide. Long
//! values have no token, and a search for one goes without.

use crate::raw::Shell;
use serde_json::Value;
use sonde_proto::walk::{self, Unread};
use sonde_proto::{SpanId, semconv};
use sonde_segment::blocks::hash64;
use std::borrow::Cow;

/// Values longer than this have no token.
const VALUE_BYTES_MAX: usize = 256;
/// Most names and values are shorter than this together.
const SHORT_BYTES_MAX: usize = 62;
/// How many tokens a resource has: every trace that has a span of it has them all. A trace of
/// a resource with more attributes has the token [`overflow`] and is a candidate for every
/// search.
const CONTEXT_TOKENS_MAX: usize = 128;
/// How many elements of a list have a token; a longer one has [`overflow`].
const ELEMENTS_MAX: usize = 64;
/// A longer list is not looked into but has [`overflow`]: what it says takes many times its bytes of
/// memory, and a text that looks like a list can be as long as a request.
const LIST_BYTES_MAX: usize = 64 << 10;
/// How many identifiers one attribute gives a trace.
const REQUEST_IDS_MAX: usize = 8;
/// Marks the tokens of request IDs. Of others, lists have the upper six bytes only.
const REQUEST_ID: u64 = 1;
/// The service of spans whose resource names none.
pub(crate) const SERVICE_UNKNOWN: &str = "unknown_service";

/// What a token is of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum Kind {
    Service = 1,
    Operation = 2,
    Status = 3,
    Role = 4,
    Attribute = 5,
    SpanId = 6,
    RequestId = 7,
    Overflow = 8,
}

/// The token of traces that have more tokens than are listed.
pub(crate) fn overflow() -> u64 {
    hash64(&[Kind::Overflow as u8]) & !REQUEST_ID
}

/// The token of a value; `None` for a value too long to have one.
pub(crate) fn token(kind: Kind, key: &str, value: &[u8]) -> Option<u64> {
    of_bytes(kind, key.as_bytes(), value)
}

/// The same of a key that nobody need know to be text.
pub(crate) fn of_bytes(kind: Kind, key: &[u8], value: &[u8]) -> Option<u64> {
    if value.len() > VALUE_BYTES_MAX || key.len() > VALUE_BYTES_MAX {
        return None;
    }
    // To clear the room of the longest took longer than to hash what most of them are.
    let hash = if key.len() + value.len() <= SHORT_BYTES_MAX {
        hashed(&mut [0; SHORT_BYTES_MAX + 2], kind, key, value)
    } else {
        hashed(&mut [0; 2 * VALUE_BYTES_MAX + 2], kind, key, value)
    };
    let mark = if kind == Kind::RequestId {
        REQUEST_ID
    } else {
        0
    };
    Some(hash & !REQUEST_ID | mark)
}

/// The hash of kind, key, a zero and value, written into a room that is large enough.
fn hashed(room: &mut [u8], kind: Kind, key: &[u8], value: &[u8]) -> u64 {
    let (key_end, end) = (1 + key.len(), 2 + key.len() + value.len());
    room[0] = kind as u8;
    room[1..key_end].copy_from_slice(key);
    room[key_end + 1..end].copy_from_slice(value);
    hash64(&room[..end])
}

/// Whether a token is of a request ID: these have a list of their own.
pub(crate) fn is_request_id(token: u64) -> bool {
    token & REQUEST_ID != 0
}

/// The token of a span's ID.
pub(crate) fn span_id(id: &SpanId) -> u64 {
    let mut named = [Kind::SpanId as u8; 9];
    named[1..].copy_from_slice(id.as_bytes());
    hash64(&named) & !REQUEST_ID
}

/// `unset`, `ok` or `error`.
pub(crate) fn status_name(code: u64) -> &'static str {
    match code {
        1 => "ok",
        2 => "error",
        _ => "unset",
    }
}

/// `server`, `client`, `internal`, `producer`, `consumer` or `unspecified`.
pub(crate) fn kind_name(kind: u64) -> &'static str {
    match kind {
        1 => "internal",
        2 => "server",
        3 => "client",
        4 => "producer",
        5 => "consumer",
        _ => "unspecified",
    }
}

/// The service of a resource, and the resource's tokens.
pub(crate) fn of_resource<'a>(
    shell: &'a Shell,
    request_id_keys: &[String],
    out: &mut Vec<u64>,
) -> Cow<'a, str> {
    let mut service = Cow::Borrowed(SERVICE_UNKNOWN);
    let (from, mut is_over) = (out.len(), false);
    for (key, value) in walk::resource_attributes(&shell.bytes) {
        // The door lets nothing else in.
        let Ok(key) = std::str::from_utf8(key) else {
            continue;
        };
        let value = value.read().text();
        if out.len() - from < CONTEXT_TOKENS_MAX {
            put_attribute(key, &value, request_id_keys, out);
        } else {
            is_over = true;
        }
        if key == semconv::SERVICE_NAME && !value.is_empty() {
            service = value;
        }
    }
    out.extend(token(Kind::Service, "", service.as_bytes()));
    if matches!(service, Cow::Borrowed(SERVICE_UNKNOWN)) {
        // A query sees it as an attribute.
        let service = service.as_bytes();
        out.extend(token(Kind::Attribute, semconv::SERVICE_NAME, service));
    }
    out.extend(is_over.then(overflow));
    service
}

fn put_attribute(key: &str, value: &str, request_id_keys: &[String], out: &mut Vec<u64>) {
    out.extend(token(Kind::Attribute, key, value.as_bytes()));
    put_elements(key, value, out);
    if request_id_keys.iter().any(|k| k == key) {
        put_request_ids(value, out);
    }
}

/// The tokens of the identifiers that a value holds.
pub(crate) fn put_request_ids(value: &str, out: &mut Vec<u64>) {
    each_request_id(value, |id| {
        out.extend(token(Kind::RequestId, "", id.as_bytes()));
    });
}

/// The tokens of a list's elements: a search for one of them finds the list.
pub(crate) fn put_elements(key: &str, value: &str, out: &mut Vec<u64>) {
    if !value.starts_with('[') {
        return;
    }
    if value.len() > LIST_BYTES_MAX {
        out.push(overflow());
        return;
    }
    let Ok(elements) = serde_json::from_str::<Vec<Value>>(value) else {
        return;
    };
    for element in elements.iter().take(ELEMENTS_MAX) {
        // As [`sonde_proto::otlp::text`] writes them outside of a list.
        let text = match element {
            Value::String(text) => Cow::Borrowed(text.as_str()),
            Value::Number(number) => {
                Cow::Owned(match number.as_f64().filter(|_| number.is_f64()) {
                    Some(float) => float.to_string(),
                    None => number.to_string(),
                })
            }
            other => Cow::Owned(other.to_string()),
        };
        out.extend(token(Kind::Attribute, key, text.as_bytes()));
    }
    if elements.len() > ELEMENTS_MAX {
        out.push(overflow());
    }
}

/// The identifiers that a value holds: itself or, where it is a list of strings as headers
/// are (`http.request.header.<name>` in the semantic conventions), the first few of them.
pub(crate) fn each_request_id(value: &str, mut take: impl FnMut(&str)) {
    if value.starts_with('[')
        && let Ok(listed) = serde_json::from_str::<Vec<String>>(value)
    {
        listed.iter().take(REQUEST_IDS_MAX).for_each(|id| take(id));
    } else {
        take(value);
    }
}

/// Whether a span has an identifier under one of the keys, itself and not by its resource.
pub(crate) fn span_holds(span: &[u8], request_id_keys: &[String], id: &str) -> bool {
    walk::span(span).is_ok_and(|span| hold(span.attributes(), request_id_keys, id))
}

/// Whether a resource has an identifier under one of the keys.
pub(crate) fn resource_holds(shell: &Shell, request_id_keys: &[String], id: &str) -> bool {
    hold(walk::resource_attributes(&shell.bytes), request_id_keys, id)
}

fn hold<'a>(
    mut attributes: impl Iterator<Item = (&'a [u8], Unread<'a>)>,
    request_id_keys: &[String],
    id: &str,
) -> bool {
    attributes.any(|(key, value)| {
        let mut is_held = false;
        if request_id_keys.iter().any(|known| known.as_bytes() == key) {
            each_request_id(&value.read().text(), |held| is_held |= held == id);
        }
        is_held
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_a_hash_of_the_same_bytes_however_long_they_are() {
        for len in 0..=VALUE_BYTES_MAX {
            let value = vec![b'v'; len];
            let bytes = [&[Kind::Attribute as u8][..], b"key", &[0], &value].concat();
            let expected = hash64(&bytes) & !REQUEST_ID;
            assert_eq!(token(Kind::Attribute, "key", &value), Some(expected));
        }
        let id = SpanId::from_slice(&[1, 2, 3, 4, 5, 6, 7, 8]).unwrap();
        let bytes = [&[Kind::SpanId as u8][..], id.as_bytes()].concat();
        assert_eq!(span_id(&id), hash64(&bytes) & !REQUEST_ID);
    }

    #[test]
    fn a_list_is_looked_into_up_to_a_length() {
        let tokens = |value: &str| {
            let mut tokens = Vec::new();
            put_elements("k", value, &mut tokens);
            tokens
        };
        let list = |len: usize| format!("[1,{}2]", " ".repeat(len - 5));
        let elements = ["1", "2"].map(|text| token(Kind::Attribute, "k", text.as_bytes()).unwrap());
        assert_eq!(tokens(&list(LIST_BYTES_MAX)), elements);
        assert_eq!(tokens(&list(LIST_BYTES_MAX + 1)), [overflow()]);
        assert!(tokens("[no list").is_empty());
        // Also of what may be none: to find that out is what costs.
        assert_eq!(tokens(&"[no list".repeat(LIST_BYTES_MAX)), [overflow()]);
        assert!(tokens(&"no list".repeat(LIST_BYTES_MAX)).is_empty());
    }
}
