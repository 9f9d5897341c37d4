//! Spans in, counters out.

use crate::config::Config;
use crate::graph;
use crate::histogram::Bounds;
use crate::metrics::Metrics;
use crate::otlp_out::{Counters, Histograms, request};
use crate::red;
use crate::snapshot::{self, SnapshotError, State, TenantSignals};
use crate::span::Span;
use prometheus_client::registry::Registry;
use prost::Message as _;
use sonde_proto::otlp::metrics_service::ExportMetricsServiceRequest;
use sonde_proto::otlp::trace_service::ExportTraceServiceRequest;
use sonde_proto::{Entry, Position, Signal, Tenant, UnixNanos, otlp, semconv};
use std::time::Duration;

/// The service of spans whose resource names none.
const SERVICE_UNKNOWN: &str = "unknown_service";

/// RED and the service graph of every tenant.
#[derive(Debug)]
pub struct SpanSignals {
    config: Config,
    metrics: Metrics,
    latency: Bounds,
    graph: Bounds,
    state: State,
}

impl SpanSignals {
    /// Signals that have seen nothing.
    #[must_use]
    pub fn new(config: &Config, registry: &mut Registry) -> Self {
        Self::with_state(config, registry, State::default())
    }

    /// Signals as they were when the snapshot was taken. Series whose buckets were
    /// configured otherwise start again.
    ///
    /// # Errors
    /// [`SnapshotError`] when the snapshot cannot be read.
    pub fn restore(
        config: &Config,
        registry: &mut Registry,
        snapshot: &[u8],
    ) -> Result<Self, SnapshotError> {
        Ok(Self::with_state(
            config,
            registry,
            snapshot::decode(snapshot)?,
        ))
    }

    fn with_state(config: &Config, registry: &mut Registry, mut state: State) -> Self {
        let (latency, graph) = (
            Bounds::new(&config.latency_buckets_seconds),
            Bounds::new(&config.graph_buckets_seconds),
        );
        for tenant in state.tenants.values_mut() {
            if state.latency_bounds != latency.seconds() {
                tenant.red = red::Red::default();
            }
            if state.graph_bounds != graph.seconds() {
                tenant.graph = graph::Graph::default();
            }
        }
        (state.latency_bounds, state.graph_bounds) =
            (latency.seconds().to_vec(), graph.seconds().to_vec());
        Self {
            config: config.clone(),
            metrics: Metrics::register(registry),
            latency,
            graph,
            state,
        }
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
            if *position < self.state.applied_to {
                continue;
            }
            self.state.applied_to = position.next();
            self.state.clock = self.state.clock.max(entry.received_at);
            if entry.signal == Signal::Spans {
                match ExportTraceServiceRequest::decode(entry.payload.clone()) {
                    Ok(request) => self.count(&entry.tenant, &request),
                    Err(error) => {
                        self.metrics.bad_payloads.inc();
                        tracing::warn!(tenant = %entry.tenant, %error, "an entry of spans cannot be read and is left out of the signals");
                    }
                }
            }
        }
    }

    /// The counters as cumulative metrics at `now`: data points of series that ended are
    /// marked as such, once.
    #[must_use]
    pub fn collect(&mut self, now: UnixNanos) -> Vec<(Tenant, ExportMetricsServiceRequest)> {
        let limits = self.graph_limits();
        let stale_before = now.minus(Duration::from_secs(self.config.stale_seconds));
        let (mut out, mut series) = (Vec::new(), 0);
        for (name, signals) in &mut self.state.tenants {
            let lost = signals.graph.expire(&self.graph, limits, now);
            note(&self.metrics, lost);
            let Ok(tenant) = Tenant::new(name) else {
                continue;
            };
            let red = collect_red(&mut signals.red, &self.latency, stale_before, now);
            let graph = collect_graph(&mut signals.graph, &self.graph, stale_before, now);
            series += signals.red.len() + signals.graph.len();
            out.extend(
                red.into_iter()
                    .chain(graph)
                    .map(|metric| (tenant.clone(), request(metric))),
            );
        }
        self.state
            .tenants
            .retain(|_, signals| *signals != TenantSignals::default());
        self.metrics
            .series
            .set(i64::try_from(series).unwrap_or(i64::MAX));
        out
    }

    fn count(&mut self, tenant: &Tenant, request: &ExportTraceServiceRequest) {
        let (now, graph_limits) = (self.state.clock, self.graph_limits());
        let red_limits = red::Limits {
            series_max: self.config.series_max,
            name_bytes_max: self.config.name_bytes_max,
        };
        if !self.state.tenants.contains_key(tenant.as_str()) {
            self.state
                .tenants
                .insert(tenant.as_str().to_owned(), TenantSignals::default());
        }
        let Some(signals) = self.state.tenants.get_mut(tenant.as_str()) else {
            return;
        };
        note(
            &self.metrics,
            signals.graph.expire(&self.graph, graph_limits, now),
        );
        for resource_spans in &request.resource_spans {
            let resource = resource_spans
                .resource
                .as_ref()
                .map_or(&[][..], |r| &r.attributes);
            let service =
                otlp::attribute_text(resource, semconv::SERVICE_NAME).filter(|s| !s.is_empty());
            let service = service.as_deref().unwrap_or(SERVICE_UNKNOWN);
            for span in resource_spans.scope_spans.iter().flat_map(|s| &s.spans) {
                self.metrics.spans.inc();
                let Some(span) = Span::of(span, service) else {
                    continue;
                };
                if span.kind.answers() && !signals.red.add(&span, &self.latency, red_limits, now) {
                    self.metrics.overflowed.inc();
                }
                note(
                    &self.metrics,
                    signals.graph.add(&span, &self.graph, graph_limits, now),
                );
            }
        }
    }

    fn graph_limits(&self) -> graph::Limits {
        graph::Limits {
            edges_max: self.config.edges_max,
            pending_max: self.config.pending_max,
            wait: Duration::from_millis(self.config.pending_wait_ms),
            name_bytes_max: self.config.name_bytes_max,
        }
    }
}

fn note(metrics: &Metrics, lost: graph::Lost) {
    metrics.edges_expired.inc_by(lost.expired);
    metrics.edges_dropped.inc_by(lost.dropped);
    metrics.overflowed.inc_by(lost.overflowed);
}

fn collect_red(
    all: &mut red::Red,
    bounds: &Bounds,
    stale_before: UnixNanos,
    now: UnixNanos,
) -> Vec<otlp::metrics::Metric> {
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
        let live = series.life.last >= stale_before;
        let example = series.example.take();
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
            live.then_some(&series.latency),
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
    stale_before: UnixNanos,
    now: UnixNanos,
) -> Vec<otlp::metrics::Metric> {
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
        let live = edge.life.last >= stale_before;
        let example = edge.example.take();
        requests.add(
            &labels,
            edge.life,
            now,
            live.then_some(edge.requests),
            example.as_ref(),
        );
        failed.add(&labels, edge.life, now, live.then_some(edge.failed), None);
        server.add(&labels, edge.life, now, live.then_some(&edge.server), None);
        client.add(
            &labels,
            edge.life,
            now,
            live.then_some(&edge.client),
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
