//! Spans in, counters out.

use crate::changes::{self, Changes};
use crate::config::Config;
use crate::graph;
use crate::histogram::{Bounds, Example, LAG_MAX, Shape, Stage};
use crate::metrics::Metrics;
use crate::otlp_out::{Counters, Histograms, request};
use crate::red;
use crate::repeats::Batch;
use crate::snapshot::{self, SnapshotError, State, TenantSignals};
use crate::span::Span;
use prometheus_client::registry::Registry;
use sonde_proto::otlp::metrics_service::ExportMetricsServiceRequest;
use sonde_proto::walk::{self, ResourceSpans};
use sonde_proto::{Entry, Position, Tenant, TraceId, UnixNanos, otlp, semconv};
use std::sync::Arc;
use std::time::Duration;

/// The service of spans whose resource names none.
const SERVICE_UNKNOWN: &str = "unknown_service";

/// RED and the service graph of every tenant.
#[derive(Debug)]
pub struct SpanSignals {
    config: Config,
    metrics: Metrics,
    latency: Shape,
    graph: Shape,
    started: UnixNanos,
    changes: Changes,
    state: State,
}

impl SpanSignals {
    /// Signals that have seen nothing, in a program that started at `now`.
    #[must_use]
    pub fn new(config: &Config, registry: &mut Registry, now: UnixNanos) -> Self {
        Self::with_state(config, registry, State::default(), now)
    }

    /// Signals as they were when the snapshot was taken. Series whose buckets were
    /// configured otherwise begin again at `now`, when the program started.
    ///
    /// # Errors
    /// [`SnapshotError`] when the snapshot cannot be read.
    pub fn restore(
        config: &Config,
        registry: &mut Registry,
        snapshot: &[u8],
        now: UnixNanos,
    ) -> Result<Self, SnapshotError> {
        let state = snapshot::decode(snapshot)?;
        Ok(Self::with_state(config, registry, state, now))
    }

    fn with_state(
        config: &Config,
        registry: &mut Registry,
        mut state: State,
        now: UnixNanos,
    ) -> Self {
        let shape = |seconds: &[f64]| Shape {
            bounds: Bounds::new(seconds),
            native: config.native_histograms,
        };
        let latency = shape(&config.latency_buckets_seconds);
        let graph = shape(&config.graph_buckets_seconds);
        let new = state == State::default();
        if !new && state.latency_bounds != latency.bounds.seconds() {
            state.red_from = now;
            state
                .tenants
                .values_mut()
                .for_each(|t| t.red = red::Red::default());
        }
        if !new && state.graph_bounds != graph.bounds.seconds() {
            state.graph_from = now;
            state
                .tenants
                .values_mut()
                .for_each(|t| t.graph = graph::Graph::default());
        }
        state.latency_bounds = latency.bounds.seconds().to_vec();
        state.graph_bounds = graph.bounds.seconds().to_vec();
        let changes = Changes::default();
        for (tenant, signals) in &state.tenants {
            changes.show(tenant, &signals.watched);
        }
        Self {
            changes,
            config: config.clone(),
            metrics: Metrics::register(registry),
            latency,
            graph,
            started: now,
            state,
        }
    }

    /// What changed in the software, for those who ask while this goes on.
    #[must_use]
    pub fn changes(&self) -> Changes {
        self.changes.clone()
    }

    /// The counters and the position they reach to.
    #[must_use]
    pub fn snapshot(&self) -> Vec<u8> {
        snapshot::encode(&self.state)
    }

    /// Everything before this position is counted.
    #[must_use]
    pub fn applied_to(&self) -> Position {
        self.state.applied_to
    }

    /// Counts entries; those before [`Self::applied_to`] and those that are no spans are
    /// passed over.
    pub fn apply(&mut self, entries: &[(Position, Entry)]) {
        for (position, entry) in entries {
            if self.wants(*position) {
                self.take(*position, entry, &walk::spans_of(entry));
            }
        }
    }

    /// Whether the entry at this position is still to be counted.
    #[must_use]
    pub fn wants(&self, position: Position) -> bool {
        position >= self.state.applied_to
    }

    /// Counts an entry that is wanted, of which these are the spans.
    pub fn take(&mut self, position: Position, entry: &Entry, spans: &walk::SpansOf<'_>) {
        self.begin_anew_after_a_loss(position);
        self.state.applied_to = position.next();
        self.state.clock = self.state.clock.max(entry.received_at);
        match spans {
            None => {}
            Some(Ok(resources)) => self.count(entry, resources),
            Some(Err(error)) => {
                self.metrics.bad_payloads.inc();
                tracing::warn!(tenant = %entry.tenant, %error, "an entry of spans cannot be read and is left out of the signals");
            }
        }
    }

    /// The counters as cumulative metrics at `now`: data points of series that ended are
    /// marked as such, once.
    #[must_use]
    pub fn collect(&mut self, now: UnixNanos) -> Vec<(Tenant, ExportMetricsServiceRequest)> {
        self.collect_with(now, Duration::ZERO, &mut |_, _| true)
    }

    /// The same, with an exemplar of a series no more often than `every` so long, and only of
    /// traces of which `keep` says that they are kept.
    #[must_use]
    pub fn collect_with(
        &mut self,
        now: UnixNanos,
        every: Duration,
        keep: &mut dyn FnMut(&Tenant, TraceId) -> bool,
    ) -> Vec<(Tenant, ExportMetricsServiceRequest)> {
        let limits = self.graph_limits();
        let stale = self.stale();
        let window = Duration::from_secs(self.config.repeat_window_seconds);
        let batches_before = now.minus(window).minus(LAG_MAX);
        let waited_until = self.state.clock.max(now.minus(LAG_MAX));
        let (mut out, mut series, mut waiting) = (Vec::new(), 0, 0);
        for (name, signals) in &mut self.state.tenants {
            let lost = signals.graph.expire(&self.graph, limits, waited_until);
            note(&self.metrics, lost);
            signals
                .repeats
                .forget(batches_before, self.config.repeats_max);
            let Ok(tenant) = Tenant::new(name) else {
                continue;
            };
            let mut exemplars = Exemplars {
                now,
                every,
                keep: &mut |id| keep(&tenant, id),
            };
            let bounds = (&self.latency.bounds, &self.graph.bounds);
            let red = collect_red(&mut signals.red, bounds.0, stale, &mut exemplars);
            let graph = collect_graph(&mut signals.graph, bounds.1, stale, &mut exemplars);
            series += signals.red.len() + signals.graph.len();
            waiting += signals.graph.waiting();
            out.extend(
                red.into_iter()
                    .chain(graph)
                    .map(|metric| (tenant.clone(), request(metric))),
            );
        }
        self.state
            .tenants
            .retain(|_, signals| *signals != TenantSignals::default());
        let shown = |count| i64::try_from(count).unwrap_or(i64::MAX);
        self.metrics.series.set(shown(series));
        self.metrics.edges_waiting.set(shown(waiting));
        out
    }

    /// Without a snapshot, and with the beginning of the journal gone, there were counters that
    /// are lost. To count what is left of the journal under their names would look like calls
    /// that happened just now, so the counters begin at the start of the program.
    fn begin_anew_after_a_loss(&mut self, first: Position) {
        if self.state.applied_to == Position::default() && first > Position::default() {
            (self.state.red_from, self.state.graph_from) = (self.started, self.started);
        }
    }

    fn count(&mut self, entry: &Entry, resources: &[ResourceSpans<'_>]) {
        let tenant = &entry.tenant;
        let (now, graph_limits) = (self.state.clock, self.graph_limits());
        let (for_red, for_graph) = (
            entry.received_at >= self.state.red_from,
            entry.received_at >= self.state.graph_from,
        );
        let red_limits = red::Limits {
            series_max: self.config.series_max,
            service_operations_max: self.config.service_operations_max,
            name_bytes_max: self.config.name_bytes_max,
            stale: self.stale(),
        };
        if !self.state.tenants.contains_key(tenant.as_str()) {
            self.state
                .tenants
                .insert(tenant.as_str().to_owned(), TenantSignals::default());
        }
        let Some(signals) = self.state.tenants.get_mut(tenant.as_str()) else {
            return;
        };
        let window = Duration::from_secs(self.config.repeat_window_seconds);
        if !window.is_zero()
            && let Some(first) = resources.iter().flat_map(ResourceSpans::spans).next()
        {
            let batch = Batch::of(&entry.payload, first.span_id);
            if !signals
                .repeats
                .note(batch, now, window, self.config.repeats_max)
            {
                self.metrics.repeated.inc();
                return;
            }
        }
        note(
            &self.metrics,
            signals.graph.expire(&self.graph, graph_limits, now),
        );
        let watch = changes::Limits {
            attributes: &self.config.change_attributes,
            services_max: self.config.change_services_max,
            changes_max: self.config.changes_max,
            value_bytes_max: self.config.name_bytes_max,
            gone: Duration::from_secs(self.config.stale_seconds),
        };
        let mut changed = false;
        for resource in resources {
            let value_of = |key: &str| {
                let mut attributes = resource.attributes();
                let found = attributes.find(|(name, _)| *name == key.as_bytes());
                found.map(|(_, value)| value.read().text())
            };
            let service = value_of(semconv::SERVICE_NAME).filter(|s| !s.is_empty());
            let service: Arc<str> = service.as_deref().unwrap_or(SERVICE_UNKNOWN).into();
            let began = || {
                let starts = resource.spans().map(|span| span.start_time_unix_nano);
                starts.min().map_or(now, UnixNanos)
            };
            let seen = signals.watched.see(&service, value_of, watch, now, began);
            changed |= seen.changed > 0;
            self.metrics.unwatched.inc_by(seen.unwatched);
            self.metrics.spans.inc_by(resource.spans().count() as u64);
            for span in resource.spans() {
                let Some(span) = Span::of(*span, &service) else {
                    continue;
                };
                if for_red
                    && span.kind.answers()
                    && !signals.red.add(&span, &self.latency, red_limits, now)
                {
                    self.metrics.overflowed.inc();
                }
                if for_graph {
                    let lost = signals.graph.add(&span, &self.graph, graph_limits, now);
                    note(&self.metrics, lost);
                }
            }
        }
        if changed {
            self.changes.show(tenant.as_str(), &signals.watched);
        }
    }

    fn graph_limits(&self) -> graph::Limits {
        graph::Limits {
            edges_max: self.config.edges_max,
            pending_max: self.config.pending_max,
            wait: Duration::from_millis(self.config.pending_wait_ms),
            stale: self.stale(),
            name_bytes_max: self.config.name_bytes_max,
        }
    }

    fn stale(&self) -> Duration {
        Duration::from_secs(self.config.stale_seconds)
    }
}

fn note(metrics: &Metrics, lost: graph::Lost) {
    metrics.edges_expired.inc_by(lost.expired);
    metrics.edges_dropped.inc_by(lost.dropped);
    metrics.overflowed.inc_by(lost.overflowed);
}

/// Which examples are told.
struct Exemplars<'a> {
    now: UnixNanos,
    every: Duration,
    keep: &'a mut dyn FnMut(TraceId) -> bool,
}

impl Exemplars<'_> {
    /// The example of a series, where it is time for one; it is let go in any case, for a later
    /// one is more likely to be kept.
    fn take(&mut self, example: &mut Option<Example>, told_at: &mut UnixNanos) -> Option<Example> {
        let example = example.take()?;
        let is_due = self.now.since(*told_at) >= self.every || self.now < *told_at;
        let is_told = is_due && (self.keep)(example.trace_id);
        is_told.then(|| {
            *told_at = self.now;
            example
        })
    }
}

fn collect_red(
    all: &mut red::Red,
    bounds: &Bounds,
    stale: Duration,
    exemplars: &mut Exemplars<'_>,
) -> Vec<otlp::metrics::Metric> {
    let now = exemplars.now;
    let mut calls = Counters::new(
        red::CALLS,
        "Calls that a service answered, by operation and outcome.",
    );
    let mut latency = Histograms::new(
        red::LATENCY,
        "How long calls that a service answered took, in seconds.",
        bounds,
    );
    all.visit(|service, name, series| {
        let labels = [
            (red::SERVICE, service),
            (red::SPAN_NAME, name),
            (red::SPAN_KIND, series.kind.as_str()),
            (red::STATUS_CODE, series.status.as_str()),
        ];
        let stage = series.life.stage(now, stale);
        if stage == Stage::Quiet {
            return true;
        }
        let live = stage == Stage::Live;
        let example = exemplars.take(&mut series.example, &mut series.example_told);
        calls.add(
            &labels,
            series.life,
            now,
            live.then(|| series.latency.count()),
            example.as_ref(),
        );
        latency.add(
            &labels,
            series.life,
            now,
            &mut series.latency,
            live,
            example.as_ref(),
        );
        series.life.told = true;
        live
    });
    [calls.into_metrics(), latency.into_metrics()].concat()
}

fn collect_graph(
    all: &mut graph::Graph,
    bounds: &Bounds,
    stale: Duration,
    exemplars: &mut Exemplars<'_>,
) -> Vec<otlp::metrics::Metric> {
    let now = exemplars.now;
    let mut requests = Counters::new(graph::REQUESTS, "Requests between services.");
    let mut failed = Counters::new(
        graph::FAILED,
        "Requests between services of which either side failed.",
    );
    let mut server = Histograms::new(
        graph::SERVER_SECONDS,
        "How long the answering side of requests took, in seconds.",
        bounds,
    );
    let mut client = Histograms::new(
        graph::CLIENT_SECONDS,
        "How long the asking side of requests waited, in seconds.",
        bounds,
    );
    all.visit(|key, edge| {
        let labels = [
            (graph::CLIENT, &*key.client),
            (graph::SERVER, &*key.server),
            (graph::CONNECTION_TYPE, key.connection.as_str()),
        ];
        let stage = edge.life.stage(now, stale);
        if stage == Stage::Quiet {
            return true;
        }
        let live = stage == Stage::Live;
        let example = exemplars.take(&mut edge.example, &mut edge.example_told);
        requests.add(
            &labels,
            edge.life,
            now,
            live.then_some(edge.requests.whole()),
            example.as_ref(),
        );
        failed.add(
            &labels,
            edge.life,
            now,
            live.then_some(edge.failed.whole()),
            None,
        );
        server.add(&labels, edge.life, now, &mut edge.server, live, None);
        client.add(
            &labels,
            edge.life,
            now,
            &mut edge.client,
            live,
            example.as_ref(),
        );
        edge.life.told = true;
        live
    });
    [
        requests.into_metrics(),
        failed.into_metrics(),
        server.into_metrics(),
        client.into_metrics(),
    ]
    .concat()
}
