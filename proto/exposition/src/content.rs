//! Which format a body has, which ones to ask for, and which one was asked for.
//!
//! ```text
//! Content-Type: application/openmetrics-text; version=1.0.0; charset=utf-8; escaping=allow-utf-8
//! Accept: application/vnd.google.protobuf;proto=io.prometheus.client.MetricFamily;encoding=delimited;q=0.6,
//!         application/openmetrics-text;version=1.0.0;escaping=allow-utf-8;q=0.5,*/*;q=0.4
//! ```

use crate::names::Escaping;
use std::fmt::Write as _;

const TEXT: &str = "text/plain";
const OPEN_METRICS: &str = "application/openmetrics-text";
const PROTOBUF: &str = "application/vnd.google.protobuf";
const MESSAGE: &str = "io.prometheus.client.MetricFamily";

/// The most entries of an `Accept` header that are looked at.
const ENTRIES_MAX: usize = 64;

/// How a body is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Format {
    /// Prometheus' text format, of any version.
    Text,
    /// OpenMetrics, of any version.
    OpenMetrics,
    /// `io.prometheus.client.MetricFamily`, each after its length.
    Protobuf,
}

/// How a body is asked for and written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Protocol {
    /// Text 0.0.4.
    Text0,
    /// Text 1.0.0: names may be any UTF-8.
    Text1,
    /// OpenMetrics 0.0.1.
    OpenMetrics0,
    /// OpenMetrics 1.0.0.
    OpenMetrics1,
    /// Protobuf.
    Protobuf,
}

impl Protocol {
    /// How its bodies are read.
    #[must_use]
    pub const fn format(self) -> Format {
        match self {
            Self::Text0 | Self::Text1 => Format::Text,
            Self::OpenMetrics0 | Self::OpenMetrics1 => Format::OpenMetrics,
            Self::Protobuf => Format::Protobuf,
        }
    }

    const fn media_type(self) -> &'static str {
        match self {
            Self::Text0 => "text/plain;version=0.0.4",
            Self::Text1 => "text/plain;version=1.0.0",
            Self::OpenMetrics0 => "application/openmetrics-text;version=0.0.1",
            Self::OpenMetrics1 => "application/openmetrics-text;version=1.0.0",
            Self::Protobuf => {
                "application/vnd.google.protobuf;proto=io.prometheus.client.MetricFamily;encoding=delimited"
            }
        }
    }

    const fn tells_escaping(self) -> bool {
        matches!(self, Self::Text1 | Self::OpenMetrics1)
    }
}

/// What an answer is written as.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Answer {
    /// The format and its version.
    pub protocol: Protocol,
    /// How names are written.
    pub escaping: Escaping,
}

impl Answer {
    /// The `Content-Type` of the answer.
    #[must_use]
    pub fn content_type(self) -> String {
        let mut value = self.protocol.media_type().replace(';', "; ");
        if self.protocol != Protocol::Protobuf {
            value.push_str("; charset=utf-8");
        }
        if self.protocol != Protocol::Text0 {
            let _ = write!(value, "; escaping={}", self.escaping.word());
        }
        value
    }
}

/// A body whose format is not known.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FormatError {
    /// It does not say.
    #[error(
        "the body has no Content-Type; send text/plain, application/openmetrics-text or \
         application/vnd.google.protobuf, or name the format to fall back to"
    )]
    Missing,
    /// It says something else.
    #[error(
        "Content-Type {0:?} is none of text/plain, application/openmetrics-text and \
         application/vnd.google.protobuf (proto={MESSAGE}, encoding=delimited)"
    )]
    Unknown(String),
}

/// The format that a `Content-Type` names, or else `fallback`.
///
/// # Errors
/// There is no fallback, and the header is missing or names no format that is read here.
pub fn format_of(
    content_type: Option<&str>,
    fallback: Option<Format>,
) -> Result<Format, FormatError> {
    let given = content_type
        .map(str::trim)
        .filter(|given| !given.is_empty());
    let Some(given) = given else {
        return fallback.ok_or(FormatError::Missing);
    };
    let entry = Entry::read(given);
    let format = if entry.is(TEXT) {
        Some(Format::Text)
    } else if entry.is(OPEN_METRICS) {
        Some(Format::OpenMetrics)
    } else {
        entry.is_delimited_protobuf().then_some(Format::Protobuf)
    };
    let shown = || given.chars().take(100).collect();
    format
        .or(fallback)
        .ok_or_else(|| FormatError::Unknown(shown()))
}

/// The `Accept` of a scrape: these, the first the dearest, then anything.
#[must_use]
pub fn accept(protocols: &[Protocol], escaping: Escaping) -> String {
    let mut value = String::new();
    // Prometheus counts down from one more than all the protocols it knows.
    let mut weight = 6_u32;
    for protocol in protocols.iter().take(5) {
        value.push_str(protocol.media_type());
        if protocol.tells_escaping() {
            let _ = write!(value, ";escaping={}", escaping.word());
        }
        let _ = write!(value, ";q=0.{weight},");
        weight -= 1;
    }
    let _ = write!(value, "*/*;q=0.{weight}");
    value
}

/// What to answer to an `Accept`: the dearest that can be written; text where nothing fits,
/// as Prometheus' own library does.
#[must_use]
pub fn negotiate(accept: Option<&str>) -> Answer {
    let entries = accept.unwrap_or_default().split(',').take(ENTRIES_MAX);
    let mut best: Option<(u32, Answer)> = None;
    for entry in entries.map(Entry::read) {
        let Some(protocol) = entry.protocol() else {
            continue;
        };
        let escaping = entry.parameter("escaping").and_then(Escaping::of);
        let answer = Answer {
            protocol,
            escaping: escaping.unwrap_or_default(),
        };
        let weight = entry.weight();
        if weight > 0 && best.is_none_or(|(most, _)| weight > most) {
            best = Some((weight, answer));
        }
    }
    let plain = Answer {
        protocol: Protocol::Text0,
        escaping: Escaping::default(),
    };
    best.map_or(plain, |(_, answer)| answer)
}

/// One media type with its parameters.
struct Entry<'h> {
    media_type: &'h str,
    parameters: &'h str,
}

impl<'h> Entry<'h> {
    fn read(text: &'h str) -> Self {
        let (media_type, parameters) = text.split_once(';').unwrap_or((text, ""));
        Self {
            media_type: media_type.trim(),
            parameters,
        }
    }

    fn is(&self, media_type: &str) -> bool {
        self.media_type.eq_ignore_ascii_case(media_type)
    }

    fn parameter(&self, name: &str) -> Option<&'h str> {
        let pairs = self
            .parameters
            .split(';')
            .filter_map(|pair| pair.split_once('='));
        let mut named = pairs.filter(|(key, _)| key.trim().eq_ignore_ascii_case(name));
        named
            .next()
            .map(|(_, value)| value.trim().trim_matches('"'))
    }

    fn is_delimited_protobuf(&self) -> bool {
        let allows = |name, wanted| self.parameter(name).is_none_or(|given| given == wanted);
        self.is(PROTOBUF) && allows("proto", MESSAGE) && allows("encoding", "delimited")
    }

    fn protocol(&self) -> Option<Protocol> {
        let version = self.parameter("version").unwrap_or_default();
        if self.is(TEXT) {
            match version {
                "" | "0.0.4" => Some(Protocol::Text0),
                "1.0.0" => Some(Protocol::Text1),
                _ => None,
            }
        } else if self.is(OPEN_METRICS) {
            match version {
                "" | "0.0.1" => Some(Protocol::OpenMetrics0),
                "1.0.0" => Some(Protocol::OpenMetrics1),
                _ => None,
            }
        } else {
            // The message must be named: the media type alone says nothing about what is in it.
            (self.is_delimited_protobuf() && self.parameter("proto").is_some())
                .then_some(Protocol::Protobuf)
        }
    }

    /// Thousandths; what cannot be read is taken as 1.
    fn weight(&self) -> u32 {
        let given = self.parameter("q").and_then(|q| q.parse::<f64>().ok());
        (given.unwrap_or(1.0).clamp(0.0, 1.0) * 1e3) as u32
    }
}

#[cfg(test)]
mod tests;
