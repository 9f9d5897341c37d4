//! `sonde up`, `sonde agent`, `sonde collector`: run until told to stop.

use crate::Failure;
use crate::agent_port::AgentPort;
use crate::command::RunArguments;
use crate::config::{self, Config};
use prometheus_client::registry::Registry;
use sonde_agent::Agent;
use sonde_collector::Collector;
use sonde_proto::{Clock, SystemClock, Tenant};
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;
use tokio::signal::unix::{Signal, SignalKind, signal};

/// An agent and the collector it sends to, in one process.
pub(crate) struct Both {
    pub(crate) collector: Collector,
    agent: Arc<Agent>,
}

impl Both {
    /// Starts the collector, then an agent that sends to it.
    pub(crate) async fn start(config: &Config) -> Result<Self, Failure> {
        let tls = &config.agent.export.tls;
        if config.otlp.grpc.tls_cert_file.is_some() && tls.ca_file.is_none() {
            return Err("otlp.grpc speaks TLS, and this process's own agent sends to it: name the authority that \
                        signed its certificate in agent.export.tls.ca_file, and where the certificate is not for the \
                        address listened on, its name in agent.export.tls.server_name"
                .into());
        }
        let clock: Arc<dyn Clock> = Arc::new(SystemClock);
        let collector = Collector::start(&config.collector(), Arc::clone(&clock)).await?;
        let mut agent_config = config.agent.clone();
        let scheme = if config.otlp.grpc.tls_cert_file.is_some() {
            "https"
        } else {
            "http"
        };
        agent_config.export.endpoint = format!("{scheme}://{}", collector.addresses().otlp_grpc);
        let mut registry = Registry::default();
        let agent =
            match Agent::start(&agent_config, &config.agent_dir(), clock, &mut registry).await {
                Ok(agent) => Arc::new(agent),
                Err(error) => {
                    collector.stop().await;
                    return Err(error.into());
                }
            };
        let shown = Arc::downgrade(&agent);
        collector.observe_agent(registry, move || {
            shown
                .upgrade()
                .and_then(|agent| serde_json::to_value(agent.status()).ok())
                .unwrap_or_default()
        });
        let tenant = config.agent.export.tenant.as_deref();
        let tenant = tenant.map_or_else(|| Ok(Tenant::default()), Tenant::new)?;
        let shown = Arc::downgrade(&agent);
        collector.observe_scraper(tenant, move || {
            let agent = shown.upgrade();
            agent.map(|agent| agent.scraped()).unwrap_or_default()
        });
        Ok(Self { collector, agent })
    }

    /// Stops the agent, whose last lines the collector still takes, then the collector.
    pub(crate) async fn stop(self) {
        stop_agent(self.agent).await;
        self.collector.stop().await;
    }
}

/// Runs both programs.
pub(crate) async fn up(arguments: &RunArguments) -> Result<ExitCode, Failure> {
    let config = config::load(arguments)?;
    let stop = stop_signal()?;
    let mut hangup = hangup_signal()?;
    let both = Both::start(&config).await?;
    tracing::info!(version = env!("CARGO_PKG_VERSION"), data_dir = %config.data_dir.display(), "ready");
    tokio::select! {
        () = stop => {}
        () = reload_on(&mut hangup, arguments, &both.collector) => {}
    }
    tracing::info!("stopping: sealing what has arrived");
    both.stop().await;
    Ok(ExitCode::SUCCESS)
}

/// Runs the collector alone.
pub(crate) async fn collector(arguments: &RunArguments) -> Result<ExitCode, Failure> {
    let config = config::load(arguments)?;
    let stop = stop_signal()?;
    let mut hangup = hangup_signal()?;
    let collector = Collector::start(&config.collector(), Arc::new(SystemClock)).await?;
    tracing::info!(version = env!("CARGO_PKG_VERSION"), data_dir = %config.data_dir.display(), "ready");
    tokio::select! {
        () = stop => {}
        () = reload_on(&mut hangup, arguments, &collector) => {}
    }
    tracing::info!("stopping: sealing what has arrived");
    collector.stop().await;
    Ok(ExitCode::SUCCESS)
}

/// Runs the agent alone.
pub(crate) async fn agent(arguments: &RunArguments) -> Result<ExitCode, Failure> {
    let config = config::load(arguments)?;
    let stop = stop_signal()?;
    let port = AgentPort::bind(config.agent.http.listen).await?;
    let mut registry = Registry::default();
    let clock = Arc::new(SystemClock);
    let agent = Agent::start(&config.agent, &config.agent_dir(), clock, &mut registry).await?;
    let agent = Arc::new(agent);
    let served = port.serve(registry, &agent);
    tracing::info!(version = env!("CARGO_PKG_VERSION"), endpoint = %config.agent.export.endpoint, "ready");
    let mut hangup = hangup_signal()?;
    tokio::select! {
        () = stop => {}
        () = refuse_reload(&mut hangup) => {}
    }
    tracing::info!("stopping: cursors are kept, what is unsent is read again at the next start");
    served.abort();
    stop_agent(agent).await;
    Ok(ExitCode::SUCCESS)
}

/// Stops an agent. Whoever is looking at its status just now holds it for a moment longer.
async fn stop_agent(mut agent: Arc<Agent>) {
    loop {
        match Arc::try_unwrap(agent) {
            Ok(agent) => return agent.stop().await,
            Err(shared) => agent = shared,
        }
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
}

fn hangup_signal() -> Result<Signal, Failure> {
    Ok(signal(SignalKind::hangup())?)
}

/// At each SIGHUP, reads the rule files and the routing file again. Never resolves.
async fn reload_on(hangup: &mut Signal, arguments: &RunArguments, collector: &Collector) {
    while hangup.recv().await.is_some() {
        let reloaded = match config::load(arguments) {
            Ok(config) => collector
                .reload(&config.collector())
                .await
                .map_err(Failure::from),
            Err(error) => {
                collector.reload_failed();
                Err(error)
            }
        };
        match reloaded {
            Ok(()) => tracing::info!(
                "reloaded the rule files and the routing file; other keys need a restart"
            ),
            Err(problems) => tracing::error!("not reloaded, the old files hold:\n{problems}"),
        }
    }
    std::future::pending::<()>().await;
}

/// An agent keeps no state that a restart would lose: it says so instead of ending.
async fn refuse_reload(hangup: &mut Signal) {
    while hangup.recv().await.is_some() {
        tracing::warn!("SIGHUP: an agent reads its configuration at its start; restart it");
    }
    std::future::pending::<()>().await;
}

/// Resolves at the first SIGINT or SIGTERM.
pub(crate) fn stop_signal() -> Result<impl Future<Output = ()>, Failure> {
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut terminate = signal(SignalKind::terminate())?;
    Ok(async move {
        tokio::select! {
            _ = interrupt.recv() => {}
            _ = terminate.recv() => {}
        }
    })
}
