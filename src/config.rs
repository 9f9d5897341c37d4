//! The one configuration file. Agent and collector each read their keys of it.

use crate::Failure;
use crate::command::RunArguments;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use sonde_collector::config as collector;
use sonde_yaml::{Options, Problems};
use std::path::{Path, PathBuf};

/// Everything that can be set.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Config {
    /// The directory that holds everything kept: journal, stores, cursors, alert state.
    pub(crate) data_dir: PathBuf,
    /// The port for pages and query APIs.
    pub(crate) http: collector::HttpConfig,
    /// The ports that applications and agents send OTLP to.
    pub(crate) otlp: collector::OtlpConfig,
    /// The durable log of everything that arrives.
    pub(crate) journal: sonde_journal::FileConfig,
    /// The log store.
    pub(crate) logs: collector::LogsConfig,
    /// The trace store.
    pub(crate) traces: collector::TracesConfig,
    /// The time-series database.
    pub(crate) metrics: collector::MetricsConfig,
    /// What short jobs push.
    pub(crate) push: collector::PushConfig,
    /// What is computed from spans.
    pub(crate) signals: collector::SignalsConfig,
    /// Recording and alerting rules.
    pub(crate) rules: collector::RulesConfig,
    /// Where alerts go.
    pub(crate) alerts: collector::AlertsConfig,
    /// What is read on this node and where it is sent.
    pub(crate) agent: sonde_agent::Config,
}

impl Default for Config {
    fn default() -> Self {
        let collector = sonde_collector::Config::default();
        Self {
            data_dir: collector.data_dir,
            http: collector.http,
            otlp: collector.otlp,
            journal: collector.journal,
            logs: collector.logs,
            traces: collector.traces,
            metrics: collector.metrics,
            push: collector.push,
            signals: collector.signals,
            rules: collector.rules,
            alerts: collector.alerts,
            agent: sonde_agent::Config::default(),
        }
    }
}

impl Config {
    /// The collector's part.
    pub(crate) fn collector(&self) -> sonde_collector::Config {
        let own = self.clone();
        sonde_collector::Config {
            data_dir: own.data_dir.join("collector"),
            http: own.http,
            otlp: own.otlp,
            journal: own.journal,
            logs: own.logs,
            traces: own.traces,
            metrics: own.metrics,
            push: own.push,
            signals: own.signals,
            rules: own.rules,
            alerts: own.alerts,
        }
    }

    /// The agent's part of the data directory.
    pub(crate) fn agent_dir(&self) -> PathBuf {
        self.data_dir.join("agent")
    }
}

/// Reads the file that the command line names, or the defaults, with the overrides.
///
/// # Errors
/// Every problem, each at its place.
pub(crate) fn load(arguments: &RunArguments) -> Result<Config, Failure> {
    match &arguments.config {
        Some(path) => Ok(read(path, &arguments.set)?),
        None => Ok(parse("defaults", "", &arguments.set)?),
    }
}

/// Reads a configuration file.
///
/// # Errors
/// Every problem, each at its place.
pub(crate) fn read(path: &Path, set: &[(String, String)]) -> Result<Config, Failure> {
    let text = std::fs::read_to_string(path).map_err(|error| {
        format!(
            "cannot read {}: {error}; is the name right?",
            path.display()
        )
    })?;
    Ok(parse(&path.display().to_string(), &text, set)?)
}

/// Reads configuration from text.
///
/// # Errors
/// Every problem, each at its place.
pub(crate) fn parse(file: &str, text: &str, set: &[(String, String)]) -> Result<Config, Problems> {
    let env = |name: &str| std::env::var(name).ok();
    let options = Options {
        overrides: set,
        env: &env,
        interpolate: true,
    };
    sonde_yaml::read::<Config>(file, text, &options).map(|checked| checked.value)
}
