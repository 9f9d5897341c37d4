//! What the signals need of a span, and no more.

use crate::histogram::Example;
use crate::weight::Count;
use serde::{Deserialize, Serialize};
use sonde_proto::walk::{self, Unread};
use sonde_proto::{SpanId, TraceId, UnixNanos};
use std::borrow::Cow;
use std::sync::Arc;

/// The role of a span in a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub(crate) enum Kind {
    Server,
    Client,
    Producer,
    Consumer,
}

/// The outcome of a span.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub(crate) enum Status {
    Unset,
    Ok,
    Error,
}

impl Kind {
    /// `None` for kinds that take no part in requests.
    pub(crate) fn of(number: i32) -> Option<Self> {
        match number {
            2 => Some(Self::Server),
            3 => Some(Self::Client),
            4 => Some(Self::Producer),
            5 => Some(Self::Consumer),
            _ => None,
        }
    }

    /// The name in labels.
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Server => "SPAN_KIND_SERVER",
            Self::Client => "SPAN_KIND_CLIENT",
            Self::Producer => "SPAN_KIND_PRODUCER",
            Self::Consumer => "SPAN_KIND_CONSUMER",
        }
    }

    /// Whether the span answers a request, as opposed to making one.
    pub(crate) fn answers(self) -> bool {
        matches!(self, Self::Server | Self::Consumer)
    }
}

impl Status {
    fn of(number: i32) -> Self {
        match number {
            1 => Self::Ok,
            2 => Self::Error,
            _ => Self::Unset,
        }
    }

    /// The name in labels.
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Unset => "STATUS_CODE_UNSET",
            Self::Ok => "STATUS_CODE_OK",
            Self::Error => "STATUS_CODE_ERROR",
        }
    }
}

/// One side of a request.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Span<'a> {
    pub(crate) wire: walk::Span<'a>,
    pub(crate) service: &'a Arc<str>,
    pub(crate) kind: Kind,
    pub(crate) status: Status,
    pub(crate) trace_id: TraceId,
    pub(crate) span_id: SpanId,
    pub(crate) nanos: u64,
    /// How many spans it stands for.
    pub(crate) weight: Count,
}

impl<'a> Span<'a> {
    /// Reads a span; `None` when it takes no part in a request or has no IDs.
    pub(crate) fn of(wire: walk::Span<'a>, service: &'a Arc<str>) -> Option<Self> {
        Some(Self {
            kind: Kind::of(wire.kind)?,
            status: Status::of(wire.status_code),
            trace_id: TraceId::from_slice(wire.trace_id).ok()?,
            span_id: SpanId::from_slice(wire.span_id).ok()?,
            nanos: wire
                .end_time_unix_nano
                .saturating_sub(wire.start_time_unix_nano),
            weight: Count::of_trace_state(wire.trace_state()),
            wire,
            service,
        })
    }

    /// The span as an example.
    pub(crate) fn example(&self) -> Example {
        Example {
            trace_id: self.trace_id,
            span_id: self.span_id,
            time: UnixNanos(
                self.wire
                    .end_time_unix_nano
                    .max(self.wire.start_time_unix_nano),
            ),
            nanos: self.nanos,
        }
    }

    /// The first value of each of these attributes that is there, by one look at all of them.
    pub(crate) fn values<const N: usize>(&self, keys: &[&str; N]) -> [Option<Unread<'a>>; N] {
        let mut found = [None; N];
        for (key, value) in self.wire.attributes() {
            let place = keys.iter().zip(&mut found);
            let place = place.filter(|(known, _)| known.as_bytes() == key);
            for (_, place) in place {
                place.get_or_insert(value);
            }
        }
        found
    }
}

/// The first of several values that is there and not empty.
pub(crate) fn first_text<'a>(values: &[Option<Unread<'a>>]) -> Option<Cow<'a, str>> {
    let mut texts = values.iter().flatten().map(|value| value.read().text());
    texts.find(|text| !text.is_empty())
}

/// A name, cut to at most `bytes_max` bytes between characters.
pub(crate) fn cut(name: &str, bytes_max: usize) -> &str {
    let mut end = name.len().min(bytes_max);
    while !name.is_char_boundary(end) {
        end -= 1;
    }
    &name[..end]
}
