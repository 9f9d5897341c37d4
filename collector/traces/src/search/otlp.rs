//! A trace as OTLP: everything that was sent of it, fields included that nothing here reads.

use super::{SPAN_BYTES, SearchError, TRACE_BYTES_MIN};
use crate::raw::{RawSpan, collapse, encode};
use crate::store::TraceStore;
use sonde_proto::{Tenant, TraceId};

/// A trace, as far as it has arrived.
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
        let spans_max = self.config().trace_spans_max;
        let bytes_max = spans_max.saturating_mul(SPAN_BYTES).max(TRACE_BYTES_MIN);
        let mut raw: Vec<RawSpan> = Vec::new();
        view.each_tail(|tail| {
            let spans = tail.traces.get(id).map(|trace| &trace.spans);
            raw.extend(spans.into_iter().flatten().cloned());
        });
        let mut bytes_left = bytes_max;
        for segment in &view.segments {
            let before = raw.len();
            match segment.spans_of(id, bytes_left, &mut raw) {
                Ok(read) => bytes_left = bytes_left.saturating_sub(read),
                Err(error) => {
                    raw.truncate(before);
                    self.tolerate(segment, error)?;
                }
            }
        }
        collapse(&mut raw);
        raw.sort_unstable_by_key(|span| (span.start, span.span_id));
        let all = raw.len();
        raw.truncate(spans_max);
        let cut = if bytes_left == 0 {
            Some(format!(
                "the trace has more than {bytes_max} bytes of spans; these are some of them"
            ))
        } else {
            (raw.len() < all).then(|| {
                let shown = raw.len();
                format!("the trace has {all} spans; these are the first {shown}")
            })
        };
        let bytes = encode(&mut raw).concat();
        Ok((!raw.is_empty()).then_some(OtlpTrace { bytes, cut }))
    }
}
