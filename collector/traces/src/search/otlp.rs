//! A trace as OTLP: everything that was sent of it, fields included that nothing here reads.

use super::SearchError;
use super::whole::both;
use crate::raw::encode;
use crate::store::TraceStore;
use crate::wire::{self, Field};
use sonde_proto::{Tenant, TraceId};

/// A trace, as far as it has arrived; of one with very many spans the first.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OtlpTrace {
    /// An OTLP `TracesData` message of its spans, one of every span ID.
    pub bytes: Vec<u8>,
    /// Why there may be more spans than these, when there may.
    pub cut: Option<String>,
}

impl OtlpTrace {
    /// Its `ResourceSpans` messages, one after the other. One has no more spans than are stored
    /// together, so that nobody who writes a trace in another form has to decode all of it.
    pub fn resource_spans(&self) -> impl Iterator<Item = &[u8]> {
        // The bytes were written here.
        wire::fields(&self.bytes).filter_map(|field| match field {
            Ok((1, Field::Bytes(message))) => Some(message),
            _ => None,
        })
    }
}

impl TraceStore {
    /// A trace as OTLP, whenever it happened.
    ///
    /// # Errors
    /// [`SearchError`] when a segment could not be read.
    pub fn otlp(&self, tenant: &Tenant, id: &TraceId) -> Result<Option<OtlpTrace>, SearchError> {
        let Some(view) = self.view(tenant) else {
            return Ok(None);
        };
        let mut raw = self.raw(&view, id)?;
        if raw.spans.is_empty() {
            return Ok(None);
        }
        let in_part = self.in_part(tenant, id, &raw);
        Ok(Some(OtlpTrace {
            bytes: encode(&mut raw.spans),
            cut: both(raw.cut, in_part.as_ref()),
        }))
    }
}

#[cfg(test)]
mod tests {
    use crate::Config;
    use crate::tests::model::{entry, open, payload, random_span, tenant, trace_id};
    use prost::Message as _;
    use rand::SeedableRng as _;
    use sonde_proto::otlp::kv;
    use sonde_proto::otlp::trace::{ResourceSpans, TracesData};

    #[test]
    fn the_parts_of_a_large_trace_are_all_of_it_and_none_of_them_is() {
        const SPANS: u64 = 12;
        let mut rng = rand_chacha::ChaCha8Rng::seed_from_u64(5);
        let spans = (1..=SPANS).map(|n| {
            let mut span = random_span(&mut rng, 1);
            span.trace_id = trace_id(0).as_bytes().to_vec();
            span.span_id = n.to_be_bytes().to_vec();
            span.attributes.push(kv("long", "x".repeat(300_000)));
            span
        });
        let dir = tempfile::tempdir().unwrap();
        let store = open(dir.path(), &Config::default());
        store.apply(&[entry(0, &payload("web", spans.collect()))]);
        let trace = store.otlp(&tenant(), &trace_id(0)).unwrap().unwrap();
        let parts: Vec<_> = trace.resource_spans().collect();
        assert!(parts.iter().all(|part| part.len() < 1_100_000));
        let decoded: Vec<_> = parts
            .iter()
            .map(|part| ResourceSpans::decode(*part).unwrap())
            .collect();
        let whole = TracesData::decode(trace.bytes.as_slice()).unwrap();
        assert_eq!(decoded, whole.resource_spans);
        let scopes = decoded.iter().flat_map(|one| &one.scope_spans);
        let spans: usize = scopes.map(|scope| scope.spans.len()).sum();
        assert_eq!(spans as u64, SPANS);
        assert!(parts.len() > 3);
    }
}
