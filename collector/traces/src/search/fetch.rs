//! A trace, put together from the tail and every segment.

use super::SearchError;
use crate::model::{Span, Trace};
use crate::raw::{RawSpan, collapse};
use crate::segment::Segment;
use crate::store::{TraceStore, View};
use sonde_proto::TraceId;
use sonde_segment::blocks::BlockError;

/// How many bytes of a trace are read for each of the spans that may be shown: spans are
/// smaller, so this only stops traces that are large beyond all sense.
const SPAN_BYTES: usize = 4 << 10;
/// How many bytes of a trace are read at least.
const TRACE_BYTES_MIN: usize = 4 << 20;

impl TraceStore {
    pub(super) fn fetch(&self, view: &View, id: &TraceId) -> Result<Option<Trace>, SearchError> {
        let spans_max = self.config().trace_spans_max;
        let bytes_max = spans_max.saturating_mul(SPAN_BYTES).max(TRACE_BYTES_MIN);
        let mut raw: Vec<RawSpan> = Vec::new();
        view.each_tail(|tail| {
            raw.extend(
                tail.traces
                    .get(id)
                    .into_iter()
                    .flat_map(|t| t.spans.iter().cloned()),
            );
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
        let shown = first_within(&raw, spans_max, bytes_max);
        let spans: Vec<Span> = raw[..shown].iter().filter_map(Span::decode).collect();
        let cut = if bytes_left == 0 {
            Some(format!(
                "the trace has more than {bytes_max} bytes of spans; these are some of them"
            ))
        } else {
            (shown < raw.len()).then(|| {
                format!(
                    "the trace has {} spans; these are the first {shown}",
                    raw.len()
                )
            })
        };
        Ok((!spans.is_empty()).then_some(Trace {
            trace_id: *id,
            spans,
            cut,
        }))
    }

    /// Damage is noted and left out; a disk that fails is the caller's to hear of.
    pub(super) fn tolerate(&self, segment: &Segment, error: BlockError) -> Result<(), SearchError> {
        if !error.is_damage() {
            return Err(SearchError::Read(error));
        }
        self.note_damage(segment, &error);
        Ok(())
    }
}

/// How many of the first spans are shown: within a number, and within bytes, where a span
/// counts with its resource, because it is shown with it.
fn first_within(spans: &[RawSpan], spans_max: usize, bytes_max: usize) -> usize {
    let mut bytes = 0_usize;
    let fits = |span: &&RawSpan| {
        bytes = bytes.saturating_add(span.bytes_with_context());
        bytes <= bytes_max
    };
    let fitting = spans.iter().take(spans_max).take_while(fits).count();
    fitting.max(spans_max.min(1)).min(spans.len())
}
