//! Wires the rooms together, starts them in the order of the path, and stops them in it.
//!
//! Start: listeners are bound first, so that a port that is taken is said before anything
//! is touched; then the journal and the stores are opened, the consumers replay what is
//! not sealed, and the doors open. Stop: doors close, what they had taken is applied and
//! sealed, notifications under way end.

use crate::admit::{Admission, PointTimes, SeriesGate};
use crate::api::{Api, Sources};
use crate::config::Config;
use crate::consume::{Consumer, LogConsumer, Progress, Pump, SpanConsumer, StoreConsumer};
use crate::derive::Derived;
use crate::evaluate::{Evaluator, Parts, StoreQuery};
use crate::load;
use crate::logs::LogReader;
use crate::receive::push::Push;
use crate::receive::{jaeger, loki_push, otlp_grpc, otlp_http, remote_write, zipkin};
use crate::serve::{bounded, serve};
use crate::stores::Stores;
use crate::telemetry::Telemetry;
use parking_lot::Mutex;
use prometheus_client::registry::Registry;
use sonde_alerts::Alerts;
use sonde_journal::{FileJournal, Journal};
use sonde_proto::scrape::Scraped;
use sonde_proto::{Clock, Partition, Signal, Tenant, UnixNanos};
use sonde_rules::{Engine, EngineConfig};
use sonde_signals::SpanSignals;
use sonde_yaml::Problems;
use std::collections::HashSet;
use std::fs::{File, TryLockError};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::JoinHandle;

/// How long a stop waits for requests under way.
const GRACE: Duration = Duration::from_secs(10);

/// Where a collector listens.
#[derive(Clone, Copy, Debug)]
pub struct Addresses {
    /// Pages and query APIs.
    pub http: SocketAddr,
    /// OTLP over gRPC.
    pub otlp_grpc: SocketAddr,
    /// OTLP over HTTP.
    pub otlp_http: SocketAddr,
}

/// Why a collector did not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// A port is taken or an address is not this machine's.
    #[error(
        "cannot listen on {address} ({key}): {source}; stop what uses it or set {key} (port 0 picks a free one)"
    )]
    Listen {
        /// The configuration key.
        key: &'static str,
        /// The address wanted.
        address: SocketAddr,
        /// What the system said.
        source: std::io::Error,
    },
    /// A part of the data directory could not be opened.
    #[error("cannot open {} in {}: {reason}", what, path.display())]
    Open {
        /// The room.
        what: &'static str,
        /// Its directory or file.
        path: PathBuf,
        /// Why.
        reason: String,
    },
    /// A rule file or the routing file is wrong.
    #[error("{0}")]
    Files(#[from] Problems),
    /// A setting that only shows its fault when used.
    #[error("{0}")]
    Setting(String),
}

/// What runs beside the collector in the same process and shows through it.
#[derive(Default)]
pub(crate) struct Observed {
    pub(crate) registries: Vec<Registry>,
    pub(crate) agent: Option<Box<dyn Fn() -> serde_json::Value + Send>>,
    /// What an agent scrapes, and for whom.
    pub(crate) scraper: Option<(Tenant, Box<dyn Fn() -> Scraped + Send>)>,
    /// When files were last read again, and whether they are followed.
    pub(crate) reloaded: Option<(UnixNanos, bool)>,
}

/// A running collector.
pub struct Collector {
    addresses: Addresses,
    observed: Arc<Mutex<Observed>>,
    clock: Arc<dyn Clock>,
    alerts: Alerts,
    journal: Arc<FileJournal>,
    pumps: Vec<Pump>,
    evaluator: Evaluator,
    stop: watch::Sender<bool>,
    doors: Vec<JoinHandle<()>>,
    pages: JoinHandle<()>,
    pages_stop: watch::Sender<bool>,
    /// Until everything else has ended.
    lock: File,
}

impl Collector {
    /// Starts every room. When this returns, all ports accept.
    ///
    /// # Errors
    /// [`StartError`], with nothing left running.
    pub async fn start(config: &Config, clock: Arc<dyn Clock>) -> Result<Self, StartError> {
        let listeners = Listeners::bind(config).await?;
        let addresses = listeners.addresses;
        let tls = otlp_grpc::tls(&config.otlp.grpc).map_err(StartError::Setting)?;
        let rule_files = load::rules(&config.rules)?;
        let routing = load::alerts(config)?;

        let started = clock.now();
        let mut registry = Registry::default();
        let telemetry = Arc::new(Telemetry::register(&mut registry));
        let opened = {
            let (config, clock) = (config.clone(), Arc::clone(&clock));
            let opening = tokio::task::spawn_blocking(move || {
                let opened = Opened::open(&config, &mut registry, clock.now());
                (opened, registry)
            });
            opening.await.map_err(|error| {
                StartError::Setting(format!("opening the data directory failed: {error}"))
            })?
        };
        let (opened, mut registry) = opened;
        let Opened {
            lock,
            journal,
            stores,
            signals,
        } = opened?;

        let changes = signals.changes();
        let external_url = external_url(config, addresses.http);
        let settings = sonde_alerts::Settings {
            external_url: external_url.clone(),
            ..sonde_alerts::Settings::default()
        };
        let alerts_dir = config.data_dir.join("alerts");
        let alerts = Alerts::start(
            &alerts_dir,
            routing,
            settings,
            Arc::clone(&clock),
            &mut registry,
        )
        .await
        .map_err(|error| open_error("alerts", &alerts_dir, &error))?;

        let runtime = tokio::runtime::Handle::current();
        let shared: Arc<dyn Journal> = Arc::clone(&journal) as Arc<dyn Journal>;
        let derived = Derived::new(
            Arc::clone(&shared),
            Arc::clone(&clock),
            Arc::clone(&telemetry),
            runtime.clone(),
        );
        let thread_error =
            |error: std::io::Error| StartError::Setting(format!("cannot start a thread: {error}"));
        let pumps = start_pumps(
            config, &shared, &stores, signals, &derived, &clock, &telemetry,
        )
        .map_err(thread_error)?;
        let progress: Vec<_> = pumps
            .iter()
            .map(|(signal, pump)| (*signal, pump.progress()))
            .collect();

        let engine = engine(config, rule_files, &external_url, &mut registry);
        let parts = Parts {
            query: StoreQuery::new(Arc::clone(&stores.metrics)),
            derived,
            alerts: alerts.clone(),
            traces: Some(Arc::clone(&stores.traces)),
            clock: Arc::clone(&clock),
            runtime,
            state_file: rules_state_file(config),
            ready: ready(&progress),
        };
        let evaluator = Evaluator::start(engine, parts).map_err(thread_error)?;

        let observed = Arc::new(Mutex::new(Observed {
            registries: vec![registry],
            agent: None,
            scraper: None,
            reloaded: None,
        }));
        let metrics_progress = progress
            .iter()
            .find(|(signal, _)| *signal == Signal::Metrics);
        let gate = metrics_progress
            .map(|(_, progress)| SeriesGate::new(Arc::clone(&stores.metrics), progress.follow()));
        let logs = LogReader::new(Arc::clone(&stores.logs), &config.logs);
        let sources = Sources {
            stores,
            logs,
            alerts: alerts.clone(),
            rules: evaluator.rules(),
            changes,
            journal: Arc::clone(&shared),
            progress,
            observed: Arc::clone(&observed),
            clock: Arc::clone(&clock),
            started,
        };
        let admission = Arc::new(Admission::new(
            shared,
            Arc::clone(&clock),
            telemetry,
            &config.otlp.limits,
            PointTimes {
                late_max_seconds: config.metrics.late_max_seconds,
                future_max_seconds: config.metrics.future_max_seconds,
            },
            gate,
            known_tenants(&config.data_dir),
        ));
        let write = remote_write::router(Arc::clone(&admission), &config.metrics);
        let push_dir = config.data_dir.join("push");
        let pushed = Push::open(
            push_dir.clone(),
            &config.push,
            Arc::clone(&admission),
            Arc::clone(&clock),
        )
        .map_err(|error| open_error("pushed metrics", &push_dir, &error))?;
        let spans = zipkin::router(Arc::clone(&admission));
        let spans = spans.merge(jaeger::router(Arc::clone(&admission)));
        let write = write.merge(pushed.router()).merge(spans);
        let (stop, stopped) = watch::channel(false);
        let (pages_stop, pages_stopped) = watch::channel(false);
        let grpc = otlp_grpc::serve(
            listeners.grpc,
            tls,
            config.otlp.limits.streams_max,
            Arc::clone(&admission),
            told(stopped.clone()),
        );
        let repeat = pushed.repeat(told(stopped.clone()));
        let doors = vec![
            tokio::spawn(repeat),
            tokio::spawn(ended("OTLP gRPC", grpc)),
            tokio::spawn(ended(
                "OTLP HTTP",
                serve(
                    listeners.otlp_http,
                    otlp_http::router(Arc::clone(&admission)).merge(write.clone()),
                    told(stopped),
                ),
            )),
        ];
        let otlp = otlp_http::prometheus_router(Arc::clone(&admission));
        let push = loki_push::router(admission, loki_push::Limits::from(&config.logs));
        let push = push.merge(write).merge(otlp);
        let router =
            crate::api::router(Api::new(sources, &config.http, pages_stopped.clone()), push);
        let router = bounded(router, config.http.unread_bytes_max);
        let pages = serve(listeners.http, router, told(pages_stopped));
        let pages = tokio::spawn(ended("HTTP", pages));
        announce(addresses);
        Ok(Self {
            addresses,
            observed,
            clock,
            alerts,
            journal,
            pumps: pumps.into_iter().map(|(_, pump)| pump).collect(),
            evaluator,
            stop,
            doors,
            pages,
            pages_stop,
            lock,
        })
    }

    /// Where it listens.
    #[must_use]
    pub fn addresses(&self) -> Addresses {
        self.addresses
    }

    /// How far the log store has come.
    #[cfg(test)]
    pub(crate) fn logs_applied(&self) -> watch::Receiver<sonde_proto::Position> {
        self.pumps[0].progress().follow()
    }

    /// Returns once it is ready: every store shows what the journal held at the start.
    #[cfg(test)]
    pub(crate) async fn ready(&self) {
        for pump in &self.pumps {
            pump.progress().until_caught_up().await;
        }
    }

    /// Shows an agent of the same process in `/metrics` and in the status.
    pub fn observe_agent(
        &self,
        registry: Registry,
        status: impl Fn() -> serde_json::Value + Send + 'static,
    ) {
        let mut observed = self.observed.lock();
        observed.registries.push(registry);
        observed.agent = Some(Box::new(status));
    }

    /// Shows a tenant what an agent of the same process scrapes for it.
    pub fn observe_scraper(&self, tenant: Tenant, view: impl Fn() -> Scraped + Send + 'static) {
        self.observed.lock().scraper = Some((tenant, Box::new(view)));
    }

    /// Reads the rule files and the routing file that `config` names, and goes on with them:
    /// all of them, or none.
    ///
    /// # Errors
    /// Everything that is wrong in any of them; then nothing has changed.
    pub async fn reload(&self, config: &Config) -> Result<(), Problems> {
        let reloaded = self.follow(config).await;
        self.reloaded(reloaded.is_ok());
        reloaded
    }

    /// Notes that files were to be read again, and that this could not even begin.
    pub fn reload_failed(&self) {
        self.reloaded(false);
    }

    fn reloaded(&self, is_followed: bool) {
        let at = self.clock.now();
        self.observed.lock().reloaded = Some((at, is_followed));
    }

    async fn follow(&self, config: &Config) -> Result<(), Problems> {
        let rules = load::rules(&config.rules);
        let routing = load::alerts(config);
        let (rules, routing) = match (rules, routing) {
            (Ok(rules), Ok(routing)) => (rules, routing),
            (rules, routing) => {
                let found = rules.err().into_iter().chain(routing.err());
                return Err(Problems(found.flat_map(|problems| problems.0).collect()));
            }
        };
        self.evaluator.reload(rules);
        let routing = routing.unwrap_or_else(sonde_alerts::AlertConfig::nobody);
        if let Err(error) = self.alerts.reload(routing).await {
            tracing::warn!("the routing file is not followed: {error}");
        }
        Ok(())
    }

    /// Closes the doors, applies and seals what was taken, and ends.
    pub async fn stop(self) {
        let _ = self.stop.send(true);
        for door in self.doors {
            wait(door).await;
        }
        let (evaluator, pumps, journal) = (self.evaluator, self.pumps, self.journal);
        let finished = tokio::task::spawn_blocking(move || {
            evaluator.finish();
            for pump in pumps {
                pump.finish();
            }
            journal.close();
        });
        if let Err(error) = finished.await {
            tracing::error!(
                "the stop did not complete: {error}; what was not sealed is replayed at the next start"
            );
        }
        self.alerts.shutdown().await;
        let _ = self.pages_stop.send(true);
        wait(self.pages).await;
        drop(self.lock);
    }
}

/// The sockets, before anything is served on them.
struct Listeners {
    http: TcpListener,
    grpc: TcpListener,
    otlp_http: TcpListener,
    addresses: Addresses,
}

impl Listeners {
    async fn bind(config: &Config) -> Result<Self, StartError> {
        let (http, http_at) = bind("http.listen", config.http.listen).await?;
        let (grpc, grpc_at) = bind("otlp.grpc.listen", config.otlp.grpc.listen).await?;
        let (otlp_http, otlp_http_at) = bind("otlp.http.listen", config.otlp.http.listen).await?;
        let addresses = Addresses {
            http: http_at,
            otlp_grpc: grpc_at,
            otlp_http: otlp_http_at,
        };
        Ok(Self {
            http,
            grpc,
            otlp_http,
            addresses,
        })
    }
}

async fn bind(
    key: &'static str,
    address: SocketAddr,
) -> Result<(TcpListener, SocketAddr), StartError> {
    let failed = |source| StartError::Listen {
        key,
        address,
        source,
    };
    let listener = TcpListener::bind(address).await.map_err(failed)?;
    let at = listener.local_addr().map_err(failed)?;
    Ok((listener, at))
}

/// The tenants that have something stored.
fn known_tenants(data_dir: &Path) -> HashSet<Tenant> {
    let folders = ["logs", "traces", "metrics"].map(|store| data_dir.join(store).join("segments"));
    let entries = folders
        .iter()
        .filter_map(|folder| std::fs::read_dir(folder).ok());
    let names = entries.flatten().filter_map(Result::ok);
    names
        .filter_map(|entry| Tenant::new(entry.file_name().to_str()?).ok())
        .collect()
}

/// Keeps other processes out of the data directory, before anything in it is touched.
fn lock(data_dir: &Path) -> Result<File, StartError> {
    std::fs::create_dir_all(data_dir)
        .map_err(|error| open_error("the data directory", data_dir, &error))?;
    let path = data_dir.join("lock");
    let file = File::create(&path).map_err(|error| open_error("the lock", &path, &error))?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => Err(open_error(
            "the data directory",
            data_dir,
            &"it is in use by another process; stop that one, or set another data_dir",
        )),
        Err(TryLockError::Error(error)) => Err(open_error("the lock", &path, &error)),
    }
}

/// What lies in the data directory.
struct Opened {
    lock: File,
    journal: Arc<FileJournal>,
    stores: Stores,
    signals: SpanSignals,
}

impl Opened {
    fn open(config: &Config, registry: &mut Registry, now: UnixNanos) -> Result<Self, StartError> {
        let dir = |name: &str| config.data_dir.join(name);
        let lock = lock(&config.data_dir)?;
        let logs = sonde_logs::LogStore::open(&dir("logs"), &config.logs, registry, now)
            .map_err(|error| open_error("the log store", &dir("logs"), &error))?;
        let traces = sonde_traces::TraceStore::open(&dir("traces"), &config.traces, registry, now)
            .map_err(|error| open_error("the trace store", &dir("traces"), &error))?;
        let metrics =
            sonde_metrics::MetricStore::open(&dir("metrics"), &config.metrics, registry, now)
                .map_err(|error| open_error("the metric store", &dir("metrics"), &error))?;
        let signals = signals(config, registry, now)?;
        let covered = [
            (Signal::Logs, logs.applied_to()),
            (Signal::Spans, traces.applied_to().max(signals.applied_to())),
            (Signal::Metrics, metrics.applied_to()),
        ];
        let covered = covered
            .into_iter()
            .map(|(signal, to)| (Partition::first(signal), to))
            .collect();
        let journal = FileJournal::open_at(&dir("journal"), &config.journal, registry, &covered)
            .map_err(|error| open_error("the journal", &dir("journal"), &error))?;
        let stores = Stores {
            logs: logs.into(),
            traces: traces.into(),
            metrics: metrics.into(),
        };
        Ok(Self {
            lock,
            journal: journal.into(),
            stores,
            signals,
        })
    }
}

fn open_error(what: &'static str, path: &Path, reason: &dyn std::fmt::Display) -> StartError {
    StartError::Open {
        what,
        path: path.into(),
        reason: reason.to_string(),
    }
}

fn signals_file(config: &Config) -> PathBuf {
    config.data_dir.join("signals.snapshot")
}

fn rules_state_file(config: &Config) -> PathBuf {
    config.data_dir.join("rules.state.json")
}

/// The signals as they were at the last snapshot. A snapshot that cannot be read costs
/// the counters their past, not the start.
fn signals(
    config: &Config,
    registry: &mut Registry,
    now: UnixNanos,
) -> Result<SpanSignals, StartError> {
    let file = signals_file(config);
    match std::fs::read(&file) {
        Ok(bytes) => match SpanSignals::restore(&config.signals, registry, &bytes, now) {
            Ok(signals) => return Ok(signals),
            Err(error) => tracing::error!(
                "cannot read {}: {error}; RED and the service graph begin again",
                file.display()
            ),
        },
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
        Err(error) => return Err(open_error("the signals' snapshot", &file, &error)),
    }
    Ok(SpanSignals::new(&config.signals, registry, now))
}

fn start_pumps(
    config: &Config,
    journal: &Arc<dyn Journal>,
    stores: &Stores,
    signals: SpanSignals,
    derived: &Derived,
    clock: &Arc<dyn Clock>,
    telemetry: &Arc<Telemetry>,
) -> std::io::Result<Vec<(Signal, Pump)>> {
    let spans = SpanConsumer::new(
        Arc::clone(&stores.traces),
        signals,
        signals_file(config),
        derived.clone(),
    );
    let logs: Box<dyn Consumer> = match stores.traces.samples() {
        true => Box::new(LogConsumer::new(
            Arc::clone(&stores.logs),
            Arc::clone(&stores.traces),
        )),
        false => Box::new(StoreConsumer(Arc::clone(&stores.logs))),
    };
    let consumers: [(Signal, Box<dyn Consumer>); 3] = [
        (Signal::Logs, logs),
        // Spans stop before metrics: what they lead to is written to the metrics' partition.
        (Signal::Spans, Box::new(spans)),
        (
            Signal::Metrics,
            Box::new(StoreConsumer(Arc::clone(&stores.metrics))),
        ),
    ];
    let start = |(signal, consumer)| {
        let partition = Partition::first(signal);
        let pump = Pump::start(
            partition,
            Arc::clone(journal),
            consumer,
            Arc::clone(clock),
            Arc::clone(telemetry),
        )?;
        Ok((signal, pump))
    };
    consumers.into_iter().map(start).collect()
}

fn engine(
    config: &Config,
    files: Vec<sonde_rules::RuleFile>,
    external_url: &str,
    registry: &mut Registry,
) -> Engine {
    let settings = EngineConfig {
        default_interval: Duration::from_millis(config.rules.interval_ms),
        external_url: external_url.into(),
        ..EngineConfig::default()
    };
    let mut engine = Engine::new(files, &settings, registry);
    let file = rules_state_file(config);
    let restored = match std::fs::read(&file) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(()),
        Err(error) => Err(error.to_string()),
        Ok(state) => engine.restore(&state).map_err(|error| error.to_string()),
    };
    if let Err(error) = restored {
        tracing::error!(
            "cannot read {}: {error}; alerts wait their `for` anew",
            file.display()
        );
    }
    engine
}

fn ready(progress: &[(Signal, Arc<Progress>)]) -> Box<dyn Fn() -> bool + Send> {
    let progress: Vec<_> = progress
        .iter()
        .map(|(_, progress)| Arc::clone(progress))
        .collect();
    Box::new(move || progress.iter().all(|progress| progress.caught_up()))
}

fn external_url(config: &Config, http: SocketAddr) -> String {
    match config.http.external_url.trim_end_matches('/') {
        "" => format!("http://{http}"),
        url => url.into(),
    }
}

fn announce(addresses: Addresses) {
    tracing::info!(name = %"otlp.grpc", addr = %addresses.otlp_grpc, "listening");
    tracing::info!(name = %"otlp.http", addr = %addresses.otlp_http, "listening");
    tracing::info!(name = %"http", addr = %addresses.http, "listening");
}

async fn told(mut stopped: watch::Receiver<bool>) {
    // A dropped sender means the collector is gone, which is a stop as well.
    let _ = stopped.wait_for(|stopped| *stopped).await;
}

async fn ended<E: std::fmt::Display>(
    door: &'static str,
    serving: impl Future<Output = Result<(), E>>,
) {
    if let Err(error) = serving.await {
        tracing::error!("the {door} port ended: {error}");
    }
}

/// Waits for a server to end its requests, but not for a client that never ends its own.
async fn wait(mut serving: JoinHandle<()>) {
    if tokio::time::timeout(GRACE, &mut serving).await.is_err() {
        serving.abort();
    }
}
