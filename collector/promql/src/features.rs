//! Parts of the language that are an experiment, each behind a switch of its own.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Which experimental parts of the language may be used. As in Prometheus, none may unless it
/// is asked for: their meaning may change.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Features {
    /// Functions and aggregations that are marked as experimental: `info`, `limitk`,
    /// `mad_over_time`, `sort_by_label` and others.
    pub experimental_functions: bool,
    /// Arithmetic in durations: `rate(m[2 * 5m])`, `m offset step()`.
    pub duration_expressions: bool,
    /// The modifiers `anchored` and `smoothed`.
    pub extended_ranges: bool,
    /// The modifiers `fill`, `fill_left` and `fill_right` of operators.
    pub fill_modifiers: bool,
    /// Functions of counters use what samples say about when their counting began: resets that
    /// no value shows, and what was counted before the first sample of a range; and
    /// `start_timestamp`, which is an experimental function too, has an answer.
    pub start_timestamps: bool,
}

impl Features {
    /// Everything.
    #[must_use]
    pub fn all() -> Self {
        Self {
            experimental_functions: true,
            duration_expressions: true,
            extended_ranges: true,
            fill_modifiers: true,
            start_timestamps: true,
        }
    }
}
