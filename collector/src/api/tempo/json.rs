//! OTLP's messages in the JSON that protobuf prescribes, which is Tempo's: bytes are base64 and
//! enumerations names, where OTLP's own JSON has hex digits and numbers.

use serde_json::{Map, Value};
use sonde_proto::otlp::trace::{ResourceSpans, span::SpanKind, status::StatusCode};

/// One of a trace's `ResourceSpans`.
pub(super) fn resource_spans(resource_spans: &ResourceSpans) -> serde_json::Result<Value> {
    let mut one = serde_json::to_value(resource_spans)?;
    for scope in items(&mut one, "scopeSpans") {
        for span in items(scope, "spans") {
            if let Some(span) = span.as_object_mut() {
                rewrite(span);
            }
        }
    }
    Ok(one)
}

fn items<'a>(value: &'a mut Value, name: &str) -> impl Iterator<Item = &'a mut Value> {
    let list = value.get_mut(name).and_then(Value::as_array_mut);
    list.into_iter().flatten()
}

fn rewrite(span: &mut Map<String, Value>) {
    write_ids(span);
    for link in span
        .get_mut("links")
        .and_then(Value::as_array_mut)
        .into_iter()
        .flatten()
    {
        if let Some(link) = link.as_object_mut() {
            write_ids(link);
        }
    }
    if let Some(kind) = span.get_mut("kind") {
        let named = enumerated(kind).and_then(|kind| SpanKind::try_from(kind).ok());
        *kind = named.unwrap_or_default().as_str_name().into();
    }
    if let Some(code) = span
        .get_mut("status")
        .and_then(|status| status.get_mut("code"))
    {
        let named = enumerated(code).and_then(|code| StatusCode::try_from(code).ok());
        *code = named.unwrap_or_default().as_str_name().into();
    }
}

fn enumerated(value: &Value) -> Option<i32> {
    i32::try_from(value.as_i64()?).ok()
}

fn write_ids(fields: &mut Map<String, Value>) {
    for name in ["traceId", "spanId", "parentSpanId"] {
        match fields.get_mut(name) {
            Some(Value::String(hex)) if hex.is_empty() => {
                fields.remove(name);
            }
            Some(Value::String(hex)) => *hex = base64(&bytes(hex)),
            _ => {}
        }
    }
}

fn bytes(hex: &str) -> Vec<u8> {
    let digit = |byte: &u8| char::from(*byte).to_digit(16).unwrap_or_default() as u8;
    let pairs = hex.as_bytes().chunks_exact(2);
    pairs
        .map(|pair| digit(&pair[0]) << 4 | digit(&pair[1]))
        .collect()
}

/// Base64 with the usual alphabet and padding.
fn base64(bytes: &[u8]) -> String {
    const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut out = String::with_capacity(bytes.len().div_ceil(3) * 4);
    for three in bytes.chunks(3) {
        let byte = |at: usize| u32::from(three.get(at).copied().unwrap_or_default());
        let bits = byte(0) << 16 | byte(1) << 8 | byte(2);
        for at in 0..4 {
            let six = (bits >> (18 - 6 * at)) as usize & 63;
            out.push(if at <= three.len() {
                char::from(ALPHABET[six])
            } else {
                '='
            });
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_are_written_with_their_padding() {
        let check = |bytes: &[u8], expected: &str| assert_eq!(base64(bytes), expected);
        check(b"", "");
        check(b"f", "Zg==");
        check(b"fo", "Zm8=");
        check(b"foo", "Zm9v");
        check(b"foobar", "Zm9vYmFy");
        check(&[0xff, 0xef], "/+8=");
        assert_eq!(bytes("00ff7A"), [0, 255, 0x7a]);
    }
}
