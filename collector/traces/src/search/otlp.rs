//! A trace as OTLP: everything that was sent of it, fields included that nothing here reads.

use super::SearchError;
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
        let bytes = encode(&mut raw.spans);
        Ok((!raw.spans.is_empty()).then_some(OtlpTrace {
            bytes,
            cut: raw.cut,
        }))
    }
}
