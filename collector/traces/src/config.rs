//! What can be set.

use crate::sampling::Sampling;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use sonde_proto::semconv;

/// The trace store's settings.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    /// How long spans are kept after they arrived. Age counts from the newest span that is
    /// sealed, or from now where that claims to be later.
    pub retention_seconds: u64,
    /// How much disk the segments may take; the oldest go first.
    pub disk_bytes_max: u64,
    /// How old the unsealed tail may become before it is written as a segment. This bounds
    /// how much of the journal is replayed after a crash.
    pub seal_seconds: u64,
    /// How large the unsealed tail may become, in memory, before it is written as a
    /// segment, beside the spans that go on coming in. Twice as much is the most that all
    /// unsealed spans take.
    pub seal_bytes: u64,
    /// How many segments of one size are let stand before they are merged.
    pub merge_fan_in: usize,
    /// The largest segment that merging makes.
    pub merge_segment_bytes_max: u64,
    /// Spans that were written at once with at least so many stored bytes are moved as they are
    /// when segments are merged. Fewer are written anew, together, and so are those below 1/128 of
    /// all that are merged, or a segment had ever more pieces to look into.
    pub merge_part_bytes_min: u64,
    /// How many stored bytes merging writes in a second. 0 is no limit.
    pub merge_bytes_per_second_max: u64,
    /// How many spans of one trace are read and returned at once; the answer says when there
    /// are more, and from where to go on.
    pub trace_spans_max: usize,
    /// How many traces one search decodes at most; the answer says when there are more.
    pub search_traces_max: usize,
    /// How many bytes of spans one search decodes at most; the answer says when there are more.
    pub search_bytes_max: u64,
    /// Attributes that carry a request's own identifier.
    pub request_id_keys: Vec<String>,
    /// How long it is known which traces carried a request ID. Where this is longer than spans
    /// are kept, logs of a request are found by it when its spans are gone.
    pub request_id_retention_seconds: u64,
    /// How much disk that may take; the oldest goes first.
    pub request_id_bytes_max: u64,
    /// Which traces are kept; without policies, all are.
    pub sampling: Sampling,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            retention_seconds: 7 * 24 * 3600,
            disk_bytes_max: 20 << 30,
            seal_seconds: 120,
            seal_bytes: 64 << 20,
            merge_fan_in: 4,
            merge_segment_bytes_max: 256 << 20,
            merge_part_bytes_min: 1 << 20,
            merge_bytes_per_second_max: 64 << 20,
            trace_spans_max: 50_000,
            search_traces_max: 100_000,
            search_bytes_max: 16 << 30,
            request_id_keys: semconv::REQUEST_ID_KEYS.map(str::to_owned).to_vec(),
            request_id_retention_seconds: 14 * 24 * 3600,
            request_id_bytes_max: 1 << 30,
            sampling: Sampling::default(),
        }
    }
}
