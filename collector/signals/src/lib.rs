//! RED and the service graph from spans, USE from node metrics: what is computed, under which names.
//!
//! [`SpanSignals`] reads every span entry of the journal, before any sampling, and keeps
//! counters: calls, errors and durations per operation ([`red`]), and requests between
//! services ([`graph`]). [`SpanSignals::collect`] hands the counters out as OTLP metrics.
//!
//! USE is computed by recording rules over the node's metrics: [`USE_RULES`], listed in
//! [`use_table`]; the alerts that ship are [`DEFAULT_ALERTS`].
//!
//! Invariants:
//! - A span counts as often as its sampling weight says ([`weight`]); what is told is rounded
//!   down once, where it is told.
//! - Every entry counts once: [`SpanSignals::snapshot`] holds the counters and the position
//!   they reach to, so restoring and replaying the journal gives the same counters. What decides about a counter, also
//!   that it ends, is what arrived and when.
//! - Time is the entries' arrival and the `now` of a collection; nothing asks a clock.
//! - Memory is bounded by [`Config`]; what does not fit is counted under `__overflow__`.

mod config;
mod weight;
mod native;
mod histogram;
mod repeats;
mod changes;
mod span;
mod metrics;
mod otlp_out;
mod snapshot;
mod span_signals;
mod use_signals;

pub mod graph;
pub mod red;

pub use changes::{Change, Changes};
pub use config::Config;
pub use snapshot::SnapshotError;
pub use span_signals::SpanSignals;
pub use use_signals::{Method, Resource, Scope, UseSignal, use_table};

/// A Prometheus rule file that records the USE signals from node metrics.
pub const USE_RULES: &str = include_str!("use.rules.yaml");

/// A Prometheus rule file with the alerts that ship.
pub const DEFAULT_ALERTS: &str = include_str!("alerts.rules.yaml");

/// The value of a label whose own value did not fit.
pub const OVERFLOW: &str = "__overflow__";

#[cfg(test)]
mod tests;
