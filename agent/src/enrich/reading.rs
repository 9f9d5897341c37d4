//! What a record's text says about itself, found cheaply: a JSON object's members, `key=value`
//! pairs, or a severity's name near the start.

use super::{Severity, json};
use memchr::memmem::Finder;
use sonde_proto::{SpanId, TraceId};
use std::sync::LazyLock;

/// What was found in one record's text.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Reading {
    pub(crate) severity: Option<Severity>,
    pub(crate) trace_id: Option<TraceId>,
    pub(crate) span_id: Option<SpanId>,
}

/// How far from its start a text is searched for the name of a severity, in bytes.
const LEAD_BYTES: usize = 64;
/// How far from its start a text is searched for `level=`, in bytes.
const PAIRS_BYTES: usize = 256;

static LEVEL: LazyLock<Finder<'static>> = LazyLock::new(|| Finder::new("level="));
static TRACE: LazyLock<Finder<'static>> = LazyLock::new(|| Finder::new("trace_id="));
static SPAN: LazyLock<Finder<'static>> = LazyLock::new(|| Finder::new("span_id="));

impl Reading {
    /// Reads a record's text.
    pub(crate) fn of(text: &[u8]) -> Self {
        if text.first() == Some(&b'{') {
            Self::of_json(text)
        } else {
            Self::of_text(text)
        }
    }

    fn of_json(text: &[u8]) -> Self {
        let mut reading = Self::default();
        json::members(text, |key, value| {
            match key {
                b"level" | b"severity" | b"lvl" | b"log.level" | b"levelname"
                | b"severity_text" => {
                    let found = Severity::from_word(value).or_else(|| Severity::from_level(value));
                    reading.severity = reading.severity.or(found);
                }
                b"trace_id" | b"traceId" | b"traceid" | b"trace.id" => {
                    reading.trace_id = trace_id(value);
                }
                b"span_id" | b"spanId" | b"spanid" | b"span.id" => reading.span_id = span_id(value),
                _ => {}
            }
            reading.severity.is_none() || reading.trace_id.is_none() || reading.span_id.is_none()
        });
        reading
    }

    fn of_text(text: &[u8]) -> Self {
        let severity = leading(text).or_else(|| {
            let near = &text[..text.len().min(PAIRS_BYTES)];
            pair(near, &LEVEL, 6).and_then(Severity::from_word)
        });
        let trace_id = pair(text, &TRACE, 9).and_then(trace_id);
        let span_id = trace_id
            .and_then(|_| pair(text, &SPAN, 8))
            .and_then(span_id);
        Self {
            severity,
            trace_id,
            span_id,
        }
    }
}

fn trace_id(text: &[u8]) -> Option<TraceId> {
    std::str::from_utf8(text)
        .ok()
        .and_then(|hex| TraceId::from_hex(hex).ok())
}

fn span_id(text: &[u8]) -> Option<SpanId> {
    std::str::from_utf8(text)
        .ok()
        .and_then(|hex| SpanId::from_hex(hex).ok())
}

/// The value of `key=value` or `key="value"`, where `key` is a word of its own.
fn pair<'a>(text: &'a [u8], key: &Finder<'_>, key_len: usize) -> Option<&'a [u8]> {
    let starts_word =
        |at: usize| at == 0 || !(text[at - 1].is_ascii_alphanumeric() || text[at - 1] == b'_');
    let at = key.find_iter(text).find(|at| starts_word(*at))?;
    let value = &text[at + key_len..];
    let value = value.strip_prefix(b"\"").unwrap_or(value);
    let len = value
        .iter()
        .position(|b| !b.is_ascii_alphanumeric())
        .unwrap_or(value.len());
    Some(&value[..len])
}

/// The severity named near the start: in capitals (`… ERROR …`), in brackets (`[error]`), as
/// the first word (`error: …`), or by klog's letter (`E0102 03:04:05 …`).
fn leading(text: &[u8]) -> Option<Severity> {
    if let [letter, digits @ ..] = text
        && digits.len() >= 5
        && digits[..4].iter().all(u8::is_ascii_digit)
        && digits[4] == b' '
    {
        match letter {
            b'I' => return Some(Severity::Info),
            b'W' => return Some(Severity::Warn),
            b'E' => return Some(Severity::Error),
            b'F' => return Some(Severity::Fatal),
            _ => {}
        }
    }
    let near = &text[..text.len().min(LEAD_BYTES)];
    let mut at = 0;
    while at < near.len() {
        let skip = near[at..].iter().position(u8::is_ascii_alphabetic)?;
        let from = at + skip;
        let len = near[from..]
            .iter()
            .position(|b| !b.is_ascii_alphabetic())
            .unwrap_or(near.len() - from);
        let word = &near[from..from + len];
        let after = near.get(from + len);
        let marked = word.first().is_some_and(u8::is_ascii_uppercase)
            && word.iter().all(u8::is_ascii_uppercase)
            || (from > 0 && near[from - 1] == b'[' && after == Some(&b']'))
            || (from == 0 && after == Some(&b':'));
        if marked && let Some(severity) = Severity::from_word(word) {
            return Some(severity);
        }
        at = from + len;
    }
    None
}
