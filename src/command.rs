//! The command line: what can be typed, and its help.

use clap::builder::RangedU64ValueParser;
use clap::{Args, Parser, Subcommand, ValueEnum};
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
    /// Show everything that belongs to a request ID, trace ID, span ID or pod
    Lookup(LookupArguments),
    /// Show what is stored and how far it has come
    Status(StatusArguments),
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
    /// LogQL: lines, as in '{service_name="checkout"} |= "timeout"', or numbers made of them
    Logs(LogArguments),
    /// PromQL, as in 'sum by (service) (rate(traces_spanmetrics_calls_total[1m]))'
    Metrics(MetricArguments),
    /// Traces, as in '{ resource.service.name = "checkout" && status = error && duration > 100ms }'
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

/// A LogQL query.
#[derive(Debug, Args)]
#[command(after_help = LOG_EXAMPLES)]
pub(crate) struct LogArguments {
    /// The query in LogQL; without one, all lines
    #[arg(default_value = "")]
    pub(crate) query: String,
    /// From when on: -1h, RFC 3339, or seconds since 1970 [default: an hour before --to]
    #[arg(
        long,
        visible_alias = "start",
        value_name = "TIME",
        allow_hyphen_values = true
    )]
    pub(crate) from: Option<String>,
    /// Until when; at which time, for a query for numbers without --step
    #[arg(
        long,
        visible_alias = "end",
        value_name = "TIME",
        default_value = "now",
        allow_hyphen_values = true
    )]
    pub(crate) to: String,
    /// From how long before --to on, as in 15m or 2d
    #[arg(long, value_name = "DURATION", conflicts_with = "from")]
    pub(crate) since: Option<String>,
    /// How many lines at most
    #[arg(long, default_value_t = 100, value_parser = RangedU64ValueParser::<usize>::new().range(1..=1_000_000))]
    pub(crate) limit: usize,
    /// Take the oldest lines of the period, not the newest
    #[arg(long)]
    pub(crate) forward: bool,
    /// The distance of two values; makes a query for numbers one over the whole period
    #[arg(long, value_name = "DURATION")]
    pub(crate) step: Option<String>,
    /// Show so many lines of the same stream before and after each
    #[arg(long, short = 'C', value_name = "LINES", default_value_t = 0, value_parser = RangedU64ValueParser::<usize>::new().range(0..=1000))]
    pub(crate) context: usize,
    /// Go on with lines as they arrive, until Ctrl-C; begins now, or at --from or --since
    #[arg(long, short, conflicts_with_all = ["to", "step", "forward", "context"])]
    pub(crate) follow: bool,
    /// Show each line's labels and metadata
    #[arg(long, short)]
    pub(crate) labels: bool,
    /// How to show lines; without it, with time, level and service
    #[arg(long, short, value_enum, conflicts_with = "json")]
    pub(crate) output: Option<LogOutput>,
    #[command(flatten)]
    pub(crate) server: ServerArguments,
}

const LOG_EXAMPLES: &str = r#"Examples:
  sonde query logs '{service_name="checkout"} |= "timeout"' --since 2h
  sonde query logs '{service_name="checkout"} | json | status >= 500' --labels
  sonde query logs 'sum by (level) (count_over_time({service_name=~".+"}[5m]))' --step 5m
  sonde query logs '{level="error"}' --follow"#;

/// How lines are shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum LogOutput {
    /// The lines alone, as they were sent
    Raw,
    /// One JSON object a line, for programs
    Json,
    /// A table
    Table,
}

/// What to show the status of.
#[derive(Debug, Args)]
#[command(args_conflicts_with_subcommands = true)]
pub(crate) struct StatusArguments {
    #[command(subcommand)]
    pub(crate) part: Option<StatusPart>,
    #[command(flatten)]
    pub(crate) server: ServerArguments,
}

/// A part of the status, in detail.
#[derive(Debug, Subcommand)]
pub(crate) enum StatusPart {
    /// What logs are stored, and what they cost: by tenant, by stream, by label
    Logs(LogStatusArguments),
    /// How many series there are, which metrics and labels have the most, what was refused
    Metrics(MetricStatusArguments),
    /// What spans are stored, and what they cost: by tenant, by service
    Traces(TraceStatusArguments),
}

/// Whose traces.
#[derive(Debug, Args)]
pub(crate) struct TraceStatusArguments {
    /// How many services to list
    #[arg(long, default_value_t = 10, value_parser = RangedU64ValueParser::<usize>::new().range(1..=1000))]
    pub(crate) top: usize,
    #[command(flatten)]
    pub(crate) server: ServerArguments,
}

/// Whose metrics.
#[derive(Debug, Args)]
pub(crate) struct MetricStatusArguments {
    /// How many metrics, labels and values to list
    #[arg(long, default_value_t = 10, value_parser = RangedU64ValueParser::<usize>::new().range(1..=1000))]
    pub(crate) top: usize,
    #[command(flatten)]
    pub(crate) server: ServerArguments,
}

/// Whose logs.
#[derive(Debug, Args)]
pub(crate) struct LogStatusArguments {
    /// Count the streams and labels of how long back
    #[arg(long, value_name = "DURATION", default_value = "24h")]
    pub(crate) since: String,
    /// How many streams and labels to list
    #[arg(long, default_value_t = 10, value_parser = RangedU64ValueParser::<usize>::new().range(1..=1000))]
    pub(crate) top: usize,
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
    /// Print what each part of the query took instead of its answer
    #[arg(long)]
    pub(crate) explain: bool,
    #[command(flatten)]
    pub(crate) server: ServerArguments,
}

/// What to look up.
#[derive(Debug, Args)]
pub(crate) struct LookupArguments {
    /// A request ID, trace ID, span ID, pod name, NAMESPACE/POD, pod UID or container ID
    pub(crate) id: String,
    /// Everything in the order of time
    #[arg(long)]
    pub(crate) timeline: bool,
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
