//! Whether there is room for the series of a request of metrics, found out while its sender
//! still waits.
//!
//! Far below every limit of the metric store nothing is looked at but numbers: what is in
//! memory, and the most that requests on their way could add. Near one, the store looks the
//! request up. What it holds for new may be known a moment later, or the room be taken, once the
//! entries before it are applied; so that is waited for, shortly, before a sender is told.

use super::unkept::told;
use parking_lot::Mutex;
use sonde_metrics::{Config, MetricStore, Verdict};
use sonde_proto::walk::Measure;
use sonde_proto::{Entry, Position, Tenant};
use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::watch;

/// How long a request near a limit waits for the entries before it.
const APPLIED_WITHIN: Duration = Duration::from_secs(1);
/// Beyond so many, entries on their way are counted together.
const UNAPPLIED_MAX: usize = 4096;
/// The labels that a series may have beside its point's attributes: name, bound, job,
/// instance, and the scope's three.
const LABELS_BESIDE: u64 = 7;

/// Asks the metric store before anything becomes durable.
pub(crate) struct SeriesGate {
    store: Arc<MetricStore>,
    applied: watch::Receiver<Position>,
    on_their_way: Mutex<OnTheirWay>,
}

/// The most series that requests could add which are let in and not applied.
#[derive(Default)]
struct OnTheirWay {
    /// Of those that are becoming durable.
    in_flight: u64,
    /// Of those that are.
    unapplied: VecDeque<(Position, u64)>,
}

/// A request that is becoming durable.
pub(super) struct Passing<'g> {
    gate: &'g SeriesGate,
    series_most: u64,
}

impl SeriesGate {
    pub(crate) fn new(store: Arc<MetricStore>, applied: watch::Receiver<Position>) -> Self {
        Self {
            store,
            applied,
            on_their_way: Mutex::default(),
        }
    }

    /// What of the entry there is no room for; at most `series_most` series are new. Labels are
    /// only looked at where some may be `odd`. Counts the request as on its way.
    pub(super) async fn pass(
        &self,
        entry: &Entry,
        series_most: u64,
        odd_labels: bool,
    ) -> (Verdict, Passing<'_>) {
        let (before, last) = self.enter(series_most);
        let passing = Passing {
            gate: self,
            series_most,
        };
        let most = before.saturating_add(series_most);
        if !odd_labels && !self.store.may_refuse(&entry.tenant, most) {
            return (Verdict::default(), passing);
        }
        let mut verdict = self.ask(entry).await;
        if let Some(last) = last.filter(|_| verdict.of_number() + verdict.new_series > 0) {
            let mut applied = self.applied.clone();
            let has_come = applied.wait_for(|applied| *applied > last);
            if tokio::time::timeout(APPLIED_WITHIN, has_come).await.is_ok() {
                verdict = self.ask(entry).await;
            }
        }
        (verdict, passing)
    }

    /// How many series those before it could add, and the last of them that is durable.
    fn enter(&self, series_most: u64) -> (u64, Option<Position>) {
        let applied = *self.applied.borrow();
        let mut way = self.on_their_way.lock();
        while way.unapplied.front().is_some_and(|(at, _)| *at < applied) {
            way.unapplied.pop_front();
        }
        let unapplied: u64 = way.unapplied.iter().map(|(_, series)| series).sum();
        let before = way.in_flight.saturating_add(unapplied);
        way.in_flight = way.in_flight.saturating_add(series_most);
        (before, way.unapplied.back().map(|(at, _)| *at))
    }

    async fn ask(&self, entry: &Entry) -> Verdict {
        let (store, entry) = (Arc::clone(&self.store), entry.clone());
        let looking = tokio::task::spawn_blocking(move || store.would_refuse(&entry));
        // Where looking fails the store still refuses, and counts.
        looking.await.unwrap_or_default()
    }

    /// Whether any series of an OTLP request may have labels that are too many or too long.
    pub(super) fn may_have_odd_labels(&self, measure: &Measure) -> bool {
        let config = self.store.config();
        let beside = LABELS_BESIDE + config.promote_resource_attributes.len() as u64;
        // A scope's attributes become labels too, under longer names.
        let (lists, prefix) = match config.scope_labels {
            true => (2, "otel_scope_".len() as u64),
            false => (1, 0),
        };
        measure.attributes_most.saturating_mul(lists) + beside > config.labels_max as u64
            || measure.name_most + prefix > config.label_name_bytes_max as u64
            || measure.text_most > config.label_value_bytes_max as u64
    }

    /// What a sender is told; empty where there is room for everything.
    pub(super) fn message(&self, tenant: &Tenant, verdict: &Verdict, what: &str) -> String {
        message(self.store.config(), tenant, verdict, what)
    }
}

impl Passing<'_> {
    /// It is durable, at that position.
    pub(super) fn durable(self, at: Position) {
        let mut way = self.gate.on_their_way.lock();
        let is_full = way.unapplied.len() >= UNAPPLIED_MAX;
        match way.unapplied.back_mut() {
            // Appends may end in another order than their entries lie in.
            Some((last, series)) if is_full || at <= *last => {
                *last = at.max(*last);
                *series = series.saturating_add(self.series_most);
            }
            _ => way.unapplied.push_back((at, self.series_most)),
        }
    }
}

impl Drop for Passing<'_> {
    fn drop(&mut self) {
        let mut way = self.gate.on_their_way.lock();
        way.in_flight = way.in_flight.saturating_sub(self.series_most);
    }
}

fn message(config: &Config, tenant: &Tenant, verdict: &Verdict, what: &str) -> String {
    const HINT: &str = "series that exist go on; drop labels with many values (`sonde status metrics` names the worst)";
    let most = config.series_max_of(tenant);
    let own = format!(
        "{what} are of new series, and tenant {tenant} has the {most} that metrics.series_max (or metrics.series_max_by_tenant) allows; {HINT} or raise it"
    );
    let all = format!(
        "{what} are of new series, and all tenants together have the {} that metrics.series_total_max allows; {HINT} or raise it",
        config.series_total_max
    );
    let of_metric = format!(
        "{what} are of new series of a metric that has the {} that metrics.series_of_metric_max allows; {HINT} or raise it",
        config.series_of_metric_max
    );
    let symbols = format!(
        "{what} are of new series, and the labels of all series take the {} bytes that metrics.symbol_bytes_max allows; shorten label values or raise it",
        config.symbol_bytes()
    );
    let labels = format!(
        "{what} are of series with more labels than metrics.labels_max; drop labels or raise it"
    );
    let label_bytes = format!(
        "{what} are of series with a label longer than metrics.label_name_bytes_max or metrics.label_value_bytes_max; shorten it or raise them"
    );
    told(&[
        (verdict.series_max, &own),
        (verdict.series_total_max, &all),
        (verdict.series_of_metric_max, &of_metric),
        (verdict.symbol_bytes_max, &symbols),
        (verdict.labels, &labels),
        (verdict.label_bytes, &label_bytes),
    ])
}

/// The reasons of a verdict, as they are counted.
pub(super) fn reasons(verdict: &Verdict) -> [(&'static str, u64); 6] {
    [
        ("series_max", verdict.series_max),
        ("series_total_max", verdict.series_total_max),
        ("series_of_metric_max", verdict.series_of_metric_max),
        ("symbol_bytes_max", verdict.symbol_bytes_max),
        ("labels_max", verdict.labels),
        ("label_bytes_max", verdict.label_bytes),
    ]
}

#[cfg(test)]
mod tests;
