//! A trace as OTLP: everything that was sent of it, fields included that nothing here reads.

use super::SearchError;
use crate::raw::encode;
use crate::store::TraceStore;
use sonde_proto::{Tenant, TraceId};

/// A trace, as far as it has arrived; of one with very many spans the first.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OtlpTrace {
    /// An OTLP `TracesData` message of its spans, one of every span ID.
    pub bytes: Vec<u8>,
    /// Why there may be more spans than these, when there may.
    pub cut: Option<String>,
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
