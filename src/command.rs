//! The command line: what can be typed, and its help.

use clap::{Args, Parser, Subcommand};
use std::path::PathBuf;

/// Logs, traces, metrics and alerts of your machines and services, in one binary.
#[derive(Debug, Parser)]
#[command(version, propagate_version = true, max_term_width = 100)]
pub(crate) struct Sonde {
    #[command(subcommand)]
    pub(crate) command: Command,
}

/// What to do.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Run agent and collector in one process
    Up(RunArguments),
    /// Run the agent alone: it sends to a collector
    Agent(RunArguments),
    /// Run the collector alone: agents and applications send to it
    Collector(RunArguments),
    /// Run a small shop that breaks, and watch the alert arrive
    Demo(DemoArguments),
    /// Ask for logs, metrics or traces
    #[command(subcommand)]
    Query(QueryCommand),
    /// Show everything that belongs to a request ID, trace ID or span ID
    Lookup(LookupArguments),
    /// Show what is stored and how far it has come
    Status(ServerArguments),
    /// Check configuration, rule files and alert routing files, and list every problem
    Check(CheckArguments),
}

/// How to run a program.
#[derive(Debug, Args)]
pub(crate) struct RunArguments {
    /// The configuration file; without one, defaults are used
    #[arg(long, short, value_name = "FILE")]
    pub(crate) config: Option<PathBuf>,
    /// Override one key of the configuration, as in --set http.listen=127.0.0.1:0
    #[arg(long = "set", value_name = "KEY=VALUE", value_parser = key_value)]
    pub(crate) set: Vec<(String, String)>,
}

/// How to run the demo.
#[derive(Debug, Args)]
pub(crate) struct DemoArguments {
    /// How long to run, as in 60s or 5m; without it, until Ctrl-C
    #[arg(long = "for", value_name = "DURATION", value_parser = duration)]
    pub(crate) duration: Option<std::time::Duration>,
    /// End when the whole chain has been seen (exit code 0) or the time is up (1)
    #[arg(long, requires = "duration")]
    pub(crate) exit: bool,
    /// Where to keep the demo's data; without it, a directory that is removed at the end
    #[arg(long, value_name = "DIRECTORY")]
    pub(crate) data_dir: Option<PathBuf>,
    /// Override one key of the configuration
    #[arg(long = "set", value_name = "KEY=VALUE", value_parser = key_value)]
    pub(crate) set: Vec<(String, String)>,
    /// Write the alert's URL to this file when it is known
    #[arg(long, value_name = "FILE")]
    pub(crate) url_file: Option<PathBuf>,
}

/// Which collector to ask.
#[derive(Clone, Debug, Args)]
pub(crate) struct ServerArguments {
    /// The collector's HTTP address
    #[arg(
        long,
        value_name = "URL",
        default_value = "http://127.0.0.1:7070",
        env = "SONDE_URL"
    )]
    pub(crate) url: String,
    /// The tenant to ask for
    #[arg(long, value_name = "NAME", env = "SONDE_TENANT")]
    pub(crate) tenant: Option<String>,
    /// Print JSON, for programs
    #[arg(long)]
    pub(crate) json: bool,
}

/// What to ask for.
#[derive(Debug, Subcommand)]
pub(crate) enum QueryCommand {
    /// Log lines, as in '{service="checkout"} |= "timeout"'
    Logs(SearchArguments),
    /// PromQL, as in 'sum by (service) (rate(traces_spanmetrics_calls_total[1m]))'
    Metrics(MetricArguments),
    /// Traces, as in 'service=checkout status=error duration>100ms'
    Traces(SearchArguments),
}

/// A search in a period.
#[derive(Debug, Args)]
pub(crate) struct SearchArguments {
    /// The query
    #[arg(default_value = "")]
    pub(crate) query: String,
    /// From when on: -1h, RFC 3339, or seconds since 1970
    #[arg(long, default_value = "-1h", allow_hyphen_values = true)]
    pub(crate) start: String,
    /// Until when
    #[arg(long, default_value = "now", allow_hyphen_values = true)]
    pub(crate) end: String,
    /// How many at most
    #[arg(long, default_value_t = 100)]
    pub(crate) limit: usize,
    #[command(flatten)]
    pub(crate) server: ServerArguments,
}

/// A metric query, at one time or over a period.
#[derive(Debug, Args)]
pub(crate) struct MetricArguments {
    /// The query in PromQL
    pub(crate) query: String,
    /// At which time
    #[arg(
        long,
        default_value = "now",
        allow_hyphen_values = true,
        conflicts_with = "start"
    )]
    pub(crate) time: String,
    /// From when on; makes it a query over a period
    #[arg(long, allow_hyphen_values = true)]
    pub(crate) start: Option<String>,
    /// Until when
    #[arg(long, default_value = "now", allow_hyphen_values = true)]
    pub(crate) end: String,
    /// The distance of two values of a period
    #[arg(long, default_value = "15s")]
    pub(crate) step: String,
    #[command(flatten)]
    pub(crate) server: ServerArguments,
}

/// What to look up.
#[derive(Debug, Args)]
pub(crate) struct LookupArguments {
    /// A request ID, trace ID or span ID
    pub(crate) id: String,
    #[command(flatten)]
    pub(crate) server: ServerArguments,
}

/// What to check.
#[derive(Debug, Args)]
pub(crate) struct CheckArguments {
    /// Configuration, rule or routing files; their kind is told by their keys
    #[arg(required = true, value_name = "FILE")]
    pub(crate) files: Vec<PathBuf>,
    /// Override one key of the configuration
    #[arg(long = "set", value_name = "KEY=VALUE", value_parser = key_value)]
    pub(crate) set: Vec<(String, String)>,
}

fn key_value(text: &str) -> Result<(String, String), String> {
    let (key, value) = text
        .split_once('=')
        .ok_or("expected KEY=VALUE, as in http.listen=127.0.0.1:0")?;
    if key.trim().is_empty() {
        return Err("the key before = is empty".into());
    }
    Ok((key.trim().into(), value.into()))
}

fn duration(text: &str) -> Result<std::time::Duration, String> {
    let span: jiff::SignedDuration = text
        .parse()
        .map_err(|error: jiff::Error| error.to_string())?;
    std::time::Duration::try_from(span).map_err(|_| "a duration cannot be negative".into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_line_is_consistent() {
        use clap::CommandFactory as _;
        Sonde::command().debug_assert();
    }
}
