//! What the agent counts about itself. Totals only: no series per file, so that files may
//! come and go without leaving series behind.

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::{counter::Counter, family::Family, gauge::Gauge};
use prometheus_client::registry::Registry;
use std::collections::BTreeMap;

/// Why something read or measured did not arrive whole.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(crate) struct Reason {
    pub(crate) reason: &'static str,
}

/// What the collector or the way to it answered.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(crate) struct Answer {
    pub(crate) code: &'static str,
}

/// How a scrape ended.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(crate) struct Outcome {
    pub(crate) outcome: &'static str,
}

/// Every reason for which something is lost.
const DROP_REASONS: [&str; 8] = [
    "vanished",
    "truncated",
    "deleted_backlog",
    "unreadable",
    "refused",
    "too_large",
    "rejected",
    "metrics_buffer_full",
];
/// Every reason for which a line is changed.
const DAMAGE_REASONS: [&str; 5] = [
    "line_cut",
    "record_cut",
    "record_unfinished",
    "not_cri",
    "invalid_utf8",
];

fn counts(family: &Family<Reason, Counter>, reasons: &[&'static str]) -> BTreeMap<String, u64> {
    let count = |reason: &&'static str| family.get(&Reason { reason }).map(|counter| counter.get());
    reasons
        .iter()
        .filter_map(|reason| Some(((*reason).to_owned(), count(reason)?)))
        .collect()
}

/// The agent's own metrics. Cheap to clone.
#[derive(Clone, Debug, Default)]
pub(crate) struct Telemetry {
    pub(crate) lines: Counter,
    pub(crate) bytes: Counter,
    pub(crate) records: Counter,
    pub(crate) acked: Counter,
    pub(crate) dropped: Family<Reason, Counter>,
    pub(crate) damaged: Family<Reason, Counter>,
    pub(crate) export_errors: Family<Answer, Counter>,
    pub(crate) files: Gauge,
    pub(crate) files_open: Gauge,
    pub(crate) backlog_bytes: Gauge,
    pub(crate) metric_points: Counter,
    pub(crate) scraped_points: Counter,
    scrapes: Family<Outcome, Counter>,
    scrape_left_out: Family<Reason, Counter>,
}

impl Telemetry {
    pub(crate) fn new(registry: &mut Registry) -> Self {
        let t = Self::default();
        registry.register(
            "sonde_agent_lines",
            "Lines read from log files",
            t.lines.clone(),
        );
        registry.register(
            "sonde_agent_bytes",
            "Bytes read from log files",
            t.bytes.clone(),
        );
        registry.register(
            "sonde_agent_records",
            "Log records encoded",
            t.records.clone(),
        );
        registry.register(
            "sonde_agent_records_acked",
            "Log records the collector acknowledged",
            t.acked.clone(),
        );
        registry.register(
            "sonde_agent_dropped",
            "What was lost, by reason",
            t.dropped.clone(),
        );
        registry.register(
            "sonde_agent_damaged",
            "Lines that were changed on the way, by reason",
            t.damaged.clone(),
        );
        registry.register(
            "sonde_agent_export_errors",
            "Failed requests, by status",
            t.export_errors.clone(),
        );
        registry.register("sonde_agent_files", "Files followed", t.files.clone());
        registry.register("sonde_agent_files_open", "Files open", t.files_open.clone());
        registry.register(
            "sonde_agent_backlog_bytes",
            "Bytes in followed files that are not read yet",
            t.backlog_bytes.clone(),
        );
        registry.register(
            "sonde_agent_metric_points",
            "Node metric points collected",
            t.metric_points.clone(),
        );
        registry.register(
            "sonde_agent_scraped_points",
            "Metric points that came of scrapes, stale markers among them",
            t.scraped_points.clone(),
        );
        registry.register(
            "sonde_agent_scrapes",
            "Scrapes, by how they ended",
            t.scrapes.clone(),
        );
        registry.register(
            "sonde_agent_scrape_left_out",
            "Scraped samples that were left out, by reason",
            t.scrape_left_out.clone(),
        );
        t
    }

    /// What was lost, by reason.
    pub(crate) fn drops(&self) -> BTreeMap<String, u64> {
        counts(&self.dropped, &DROP_REASONS)
    }

    /// What was changed, by reason.
    pub(crate) fn damages(&self) -> BTreeMap<String, u64> {
        counts(&self.damaged, &DAMAGE_REASONS)
    }

    /// Counts a scrape.
    pub(crate) fn scraped(&self, succeeded: bool) {
        let outcome = if succeeded { "succeeded" } else { "failed" };
        self.scrapes.get_or_create(&Outcome { outcome }).inc();
    }

    /// Counts samples of scrapes that were left out.
    pub(crate) fn leave_out(&self, reason: &'static str, count: u64) {
        let counter = self.scrape_left_out.get_or_create(&Reason { reason });
        counter.inc_by(count);
    }

    /// Counts what was lost.
    pub(crate) fn drop(&self, reason: &'static str, count: u64) {
        self.dropped.get_or_create(&Reason { reason }).inc_by(count);
    }

    /// Counts a line that was changed on the way.
    pub(crate) fn damage(&self, reason: &'static str) {
        self.damaged.get_or_create(&Reason { reason }).inc();
    }
}
