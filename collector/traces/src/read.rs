//! Reads the spans of an entry: each as it came, with the tokens of what a search can ask it for.
//!
//! Everything here happens to every span that arrives. So nothing is looked at twice that one
//! look can tell, and what spans of one entry have in common is made once.

use crate::codes::{self, SpanCode};
use crate::metrics::Metrics;
use crate::raw::{self, Context, RawSpan, Shell};
use crate::tail::{NAME_BYTES_MAX, Parsed, ParsedContext, ParsedSpan};
use crate::token::{self, Kind};
use ahash::AHashSet;
use bytes::Bytes;
use sonde_proto::walk::{ResourceSpans, ScopeSpans, Span, Unread};
use sonde_proto::{Entry, TraceId};
use sonde_segment::blocks::hash64;
use std::sync::Arc;

/// What a resource or a scope takes in the tail beside its bytes.
const SHELL_OVERHEAD: usize = size_of::<Shell>() + size_of::<Context>() + 32;
/// About how many bytes of a request there are for each token.
const BYTES_PER_TOKEN: usize = 24;
/// How many operations are recognised at once as those of which spans came just before.
const RECENT: usize = 64;

/// Reads an entry, whose spans are these.
pub(crate) fn parsed(
    entry: &Entry,
    resources: &[ResourceSpans<'_>],
    request_id_keys: &[String],
    metrics: &Metrics,
) -> Parsed {
    let spans = resources.iter().map(|resource| resource.spans().count());
    let mut reading = Reading {
        payload: &entry.payload,
        parsed: Parsed {
            payload_bytes: entry.payload.len(),
            received: entry.received_at,
            spans: Vec::with_capacity(spans.sum()),
            tokens: Vec::with_capacity(entry.payload.len() / BYTES_PER_TOKEN),
            ..Parsed::default()
        },
        request_ids: RequestIds::new(request_id_keys),
        marks: Marks::new(),
        names: AHashSet::new(),
        recent: [None; RECENT],
        metrics,
    };
    resources
        .iter()
        .for_each(|resource| reading.resource(resource));
    reading.parsed
}

struct Reading<'a> {
    payload: &'a Bytes,
    parsed: Parsed,
    request_ids: RequestIds<'a>,
    marks: Marks,
    /// The operations of contexts that have been named.
    names: AHashSet<(usize, u64)>,
    /// Some of these, by their hash.
    recent: [Option<(usize, u64)>; RECENT],
    metrics: &'a Metrics,
}

impl Reading<'_> {
    fn resource(&mut self, resource: &ResourceSpans<'_>) {
        let mut shell = None;
        for scope in &resource.scopes {
            let mut context = None;
            for span in &scope.spans {
                if let Err(refusal) = raw::ids(span) {
                    self.metrics.drop_span(refusal);
                    continue;
                }
                // Nothing is kept of resources and scopes without a span that is.
                let shell = shell.get_or_insert_with(|| self.begin_resource(resource));
                let context = context.get_or_insert_with(|| self.begin_scope(shell, scope));
                let Ok((trace_id, raw)) = RawSpan::cut_out(self.payload, span, context) else {
                    continue;
                };
                self.span(span, trace_id, raw);
            }
        }
    }

    /// The resource's service, and tokens that every trace has which has a span of it.
    fn begin_resource(&mut self, resource: &ResourceSpans<'_>) -> Arc<Shell> {
        let parsed = &mut self.parsed;
        let shell = Arc::new(Shell::cut_out(self.payload, &resource.shell));
        let from = parsed.tokens.len();
        let service = token::of_resource(&shell, self.request_ids.keys, &mut parsed.tokens);
        parsed.contexts.push(ParsedContext {
            code: codes::service(&service).unwrap_or(0),
            service: (service.len() <= NAME_BYTES_MAX).then(|| service.into()),
            tokens: from..parsed.tokens.len(),
        });
        parsed.payload_bytes += shell.bytes_apart() + SHELL_OVERHEAD;
        shell
    }

    fn begin_scope(&mut self, resource: &Arc<Shell>, scope: &ScopeSpans<'_>) -> Arc<Context> {
        let scope = Arc::new(Shell::cut_out(self.payload, &scope.shell));
        self.parsed.payload_bytes += scope.bytes_apart() + SHELL_OVERHEAD;
        Arc::new(Context {
            resource: Arc::clone(resource),
            scope,
        })
    }

    fn span(&mut self, span: &Span<'_>, trace_id: TraceId, raw: RawSpan) {
        let context = self.parsed.contexts.len() - 1;
        let from = self.parsed.tokens.len();
        self.parsed.tokens.push(token::span_id(&raw.span_id));
        for (key, value) in span.attributes() {
            self.attribute(key, value);
        }
        let flags = codes::flags_of(span);
        let operation = token::of_bytes(Kind::Operation, b"", span.name_bytes());
        self.parsed.tokens.extend(operation);
        self.parsed.tokens.extend(self.marks.of(flags));
        let code = SpanCode {
            service: self.parsed.contexts[context].code,
            name: operation.map_or(0, codes::upper),
            nanos: codes::nanos(raw.nanos()),
            flags,
        };
        let key = operation.unwrap_or_else(|| hash64(span.name_bytes()));
        let is_new = self.is_new_name((context, key));
        self.parsed.spans.push(ParsedSpan {
            trace_id,
            code,
            tokens: from..self.parsed.tokens.len(),
            context,
            name: is_new.then(|| span.name().into()),
            span: raw,
        });
    }

    fn attribute(&mut self, key: &[u8], value: Unread<'_>) {
        let (tokens, request_ids) = (&mut self.parsed.tokens, &self.request_ids);
        value.with_text(|value| {
            tokens.extend(token::of_bytes(Kind::Attribute, key, value));
            let names_request = request_ids.has(key);
            if !names_request && value.first() != Some(&b'[') {
                return;
            }
            let (Ok(key), Ok(value)) = (std::str::from_utf8(key), std::str::from_utf8(value))
            else {
                return;
            };
            token::put_elements(key, value, tokens);
            if names_request {
                token::put_request_ids(value, tokens);
            }
        });
    }

    /// Whether this operation of a context is named for the first time.
    fn is_new_name(&mut self, name: (usize, u64)) -> bool {
        let place = (name.1 ^ name.0 as u64) as usize % RECENT;
        if self.recent[place] == Some(name) {
            return false;
        }
        self.recent[place] = Some(name);
        self.names.insert(name)
    }
}

/// The attributes that hold request IDs.
struct RequestIds<'a> {
    keys: &'a [String],
    /// A bit for each length that one of them has, the last for all from there on.
    lengths: u64,
}

impl<'a> RequestIds<'a> {
    fn new(keys: &'a [String]) -> Self {
        let lengths = keys.iter().map(|key| Self::length(key.as_bytes()));
        Self {
            keys,
            lengths: lengths.fold(0, |all, length| all | length),
        }
    }

    fn length(key: &[u8]) -> u64 {
        1 << key.len().min(63)
    }

    fn has(&self, key: &[u8]) -> bool {
        let may_be = self.lengths & Self::length(key) != 0;
        may_be && self.keys.iter().any(|known| known.as_bytes() == key)
    }
}

/// The tokens of all kinds and statuses.
struct Marks {
    kinds: [Option<u64>; 6],
    statuses: [Option<u64>; 3],
}

impl Marks {
    fn new() -> Self {
        let number = |at: usize| at as u64;
        let kind = |at| token::of_bytes(Kind::Role, b"", token::kind_name(number(at)).as_bytes());
        let status =
            |at| token::of_bytes(Kind::Status, b"", token::status_name(number(at)).as_bytes());
        Self {
            kinds: std::array::from_fn(kind),
            statuses: std::array::from_fn(status),
        }
    }

    /// Those of a span with these flags.
    fn of(&self, flags: u8) -> impl Iterator<Item = u64> + use<> {
        let (status, kind) = codes::parts(flags);
        let of = |all: &[Option<u64>], at| all.get(at).copied().flatten();
        [of(&self.kinds, kind), of(&self.statuses, status)]
            .into_iter()
            .flatten()
    }
}

#[cfg(test)]
mod tests;
